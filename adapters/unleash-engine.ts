// How does Unleash evaluate a flag for a key? Its own client does, offline: a pure function of definition and key.
//
// One client serves the whole process. It holds no flags, keeps no timers and talks to nobody: the definition to
// evaluate is handed to it, call by call, as its repository's content, with the flags and segments that it refers to.

import { EventEmitter } from 'node:events'
import type { FlagDecision } from '../src/ports/flags.ts'
import { type Dials, weightsOf } from '../src/vocabulary/dials.ts'
import { CutoverError } from '../src/vocabulary/errors.ts'
import { type DecisionReason, ROUTES, type Route } from '../src/vocabulary/job.ts'

/** A variant as Unleash stores it; `weight` is permille. */
export interface FlagVariant {
  readonly name: string
  readonly weight: number
  readonly weightType: 'fix' | 'variable'
  readonly stickiness: string
  readonly payload: { readonly type: string; readonly value: string }
}

export interface FlagStrategy {
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
  readonly constraints: readonly unknown[]
  /** Ids of segments, where the server does not write their constraints out. */
  readonly segments?: readonly number[]
  readonly variants: readonly FlagVariant[]
}

/** A flag as an Unleash server hands it to its clients. */
export interface FlagDefinition {
  readonly name: string
  readonly enabled: boolean
  readonly strategies: readonly FlagStrategy[]
  /** Variants of the flag itself, as older servers have them; used where the strategy has none. */
  readonly variants?: readonly FlagVariant[]
  readonly dependencies?: readonly unknown[]
}

/** What a definition may refer to. */
export interface FlagWorld {
  readonly flags: ReadonlyMap<string, FlagDefinition>
  readonly segments: ReadonlyMap<number, unknown>
}

/** What constraints may look at besides the key, which is `userId`. */
export type FlagContext = Readonly<Record<string, string>>

/**
 * A flag with these dials. The routes' names sort `legacy < legacy-shadowed < target < target-shadowed`, so that each
 * side is one block of positions and no key moves back while the target dial rises; the weights always sum to 1000.
 */
export function encodeDials(flag: string, dials: Pick<Dials, 'target' | 'shadow'>): FlagDefinition {
  const weights = weightsOf(dials)
  const variants = ROUTES.map(
    (route): FlagVariant => ({
      name: route,
      weight: weights[route],
      weightType: route === 'legacy' ? 'variable' : 'fix',
      stickiness: 'userId',
      payload: { type: 'string', value: route },
    }),
  )
  return { name: flag, enabled: true, strategies: [forEverybody(flag, variants)] }
}

/** A flag without routes: on is target for everybody, for migrations with `flagKind: 'boolean'`. */
export function encodeBoolean(flag: string, on: boolean): FlagDefinition {
  return { name: flag, enabled: on, strategies: [forEverybody(flag, [])] }
}

function forEverybody(flag: string, variants: readonly FlagVariant[]): FlagStrategy {
  const parameters = { rollout: '100', stickiness: 'userId', groupId: flag }
  return { name: 'flexibleRollout', parameters, constraints: [], variants }
}

/** Decides by a definition; never throws, what goes wrong inside is handed to `onError` and is a doubt. */
export type Evaluate = (
  definition: FlagDefinition,
  question: { readonly key: string; readonly flagKind: 'string' | 'boolean'; readonly context?: FlagContext },
  world?: FlagWorld,
) => FlagDecision

/** What is used of the client. */
interface Client {
  on(event: 'error', listener: (error: unknown) => void): unknown
  getVariant(name: string, context: { userId: string; properties?: FlagContext }): ClientAnswer
}

interface ClientAnswer {
  readonly enabled: boolean
  readonly feature_enabled?: boolean
  readonly payload?: { readonly type: string; readonly value: string }
}

/** Answers that are the same for every key; shared, because this is the hot path. */
const DECISIONS: ReadonlyMap<string, FlagDecision> = new Map(
  ROUTES.map((route) => [route, Object.freeze({ route, reason: 'flag' as const })]),
)

export function doubt(reason: DecisionReason): FlagDecision {
  return { route: 'legacy', reason }
}

/** Loads unleash-client; once a process, by whoever asks first. */
export async function loadEngine(onError: (error: unknown) => void): Promise<Evaluate> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  const getVariant = await loading
  return (definition, { key, flagKind, context }, world) => {
    if (!definition.enabled) return doubt('flag-off')
    // Without a key the client would draw lots.
    if (key === '') return doubt('empty-key')
    try {
      const answer = getVariant(
        definition,
        context === undefined ? { userId: key } : { ...context, userId: key, properties: context },
        world,
      )
      return flagKind === 'boolean' ? booleanDecision(definition, answer) : stringDecision(answer)
    } catch (error) {
      onError(error)
      return doubt('flag-error')
    }
  }
}

function stringDecision({ enabled, feature_enabled: on, payload }: ClientAnswer): FlagDecision {
  // No strategy is for this key: the flag is off for it.
  if (on === false) return doubt('flag-off')
  // Enabled without variants: somebody pressed "on". That is not a route.
  if (!enabled || payload === undefined) return doubt('flag-doubt')
  return (payload.type === 'string' ? DECISIONS.get(payload.value) : undefined) ?? doubt('flag-unknown-value')
}

function booleanDecision(definition: FlagDefinition, answer: ClientAnswer): FlagDecision {
  // A flag with routes is "on" for every key, whatever its dials.
  if (definition.strategies.some(({ variants }) => variants.length > 0)) return doubt('flag-doubt')
  const route: Route = answer.feature_enabled === true ? 'target' : 'legacy'
  return { route, reason: 'flag' }
}

type GetVariant = (definition: FlagDefinition, context: ClientContext, world?: FlagWorld) => ClientAnswer
type ClientContext = Parameters<Client['getVariant']>[1]

let loading: Promise<GetVariant> | undefined

async function load(): Promise<GetVariant> {
  const { InMemStorageProvider, Unleash } = await importClient()
  const repository = new OneFlag()
  const client: Client = new Unleash({
    appName: 'cutover',
    // Required, never called: with a repository of one's own and without metrics nothing is sent.
    url: 'http://localhost/',
    refreshInterval: 0,
    disableMetrics: true,
    disableAutoStart: true,
    skipInstanceCountWarning: true,
    storageProvider: new InMemStorageProvider(),
    repository: repository as never,
  })
  // The client would print errors; thrown from here they end in the `catch` of the evaluation that caused them.
  client.on('error', (error) => {
    throw error
  })
  repository.emit('ready')
  return (definition, context, world) => {
    repository.flag = definition
    repository.world = world
    return client.getVariant(definition.name, context)
  }
}

async function importClient(): Promise<typeof import('unleash-client')> {
  try {
    return await import('unleash-client')
  } catch (cause) {
    const message = 'flags are evaluated by unleash-client, which cannot be loaded; run: npm install unleash-client'
    throw new CutoverError('adapter-missing', message, { cause, details: { package: 'unleash-client' } })
  }
}

/** The client's view of the world: the flag that is being evaluated, and what it refers to. */
class OneFlag extends EventEmitter {
  flag: FlagDefinition | undefined
  world: FlagWorld | undefined
  getToggle(name: string): FlagDefinition | undefined {
    return name === this.flag?.name ? this.flag : this.world?.flags.get(name)
  }
  getToggles(): FlagDefinition[] {
    return this.flag === undefined ? [] : [this.flag]
  }
  getTogglesWithSegmentData(): FlagDefinition[] {
    return this.getToggles()
  }
  getSegment(id: number): unknown {
    return this.world?.segments.get(id)
  }
  async start(): Promise<void> {}
  stop(): void {}
}
