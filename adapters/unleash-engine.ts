// How does Unleash evaluate a flag for a key? Its own client does, offline: a pure function of definition and key.
//
// One client serves the whole process. It holds no flags, keeps no timers and talks to nobody: the definition to
// evaluate is handed to it, call by call, as its repository's only content.

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
  readonly variants: readonly FlagVariant[]
}

/** A flag as an Unleash server hands it to its clients. */
export interface FlagDefinition {
  readonly name: string
  readonly enabled: boolean
  readonly strategies: readonly FlagStrategy[]
}

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
  question: { readonly key: string; readonly flagKind: 'string' | 'boolean' },
) => FlagDecision

/** What is used of the client. */
interface Client {
  on(event: 'error', listener: (error: unknown) => void): unknown
  getVariant(name: string, context: { userId: string }): ClientAnswer
}

interface ClientAnswer {
  readonly enabled: boolean
  readonly feature_enabled?: boolean
  readonly payload?: { readonly value: string }
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
  return (definition, { key, flagKind }) => {
    if (!definition.enabled) return doubt('flag-off')
    // Without a key the client would draw lots.
    if (key === '') return doubt('empty-key')
    try {
      const answer = getVariant(definition, key)
      return flagKind === 'boolean' ? booleanDecision(definition, answer) : stringDecision(answer)
    } catch (error) {
      onError(error)
      return doubt('flag-error')
    }
  }
}

function stringDecision({ enabled, payload }: ClientAnswer): FlagDecision {
  // Enabled without variants: somebody pressed "on". That is not a route.
  if (!enabled || payload === undefined) return doubt('flag-doubt')
  return DECISIONS.get(payload.value) ?? doubt('flag-unknown-value')
}

function booleanDecision(definition: FlagDefinition, answer: ClientAnswer): FlagDecision {
  // A flag with routes is "on" for every key, whatever its dials.
  if (definition.strategies.some(({ variants }) => variants.length > 0)) return doubt('flag-doubt')
  const route: Route = answer.feature_enabled === true ? 'target' : 'legacy'
  return { route, reason: 'flag' }
}

type GetVariant = (definition: FlagDefinition, key: string) => ClientAnswer

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
  return (definition, key) => {
    repository.flag = definition
    return client.getVariant(definition.name, { userId: key })
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

/** The client's view of the world: the flag that is being evaluated. */
class OneFlag extends EventEmitter {
  flag: FlagDefinition | undefined
  getToggle(): FlagDefinition | undefined {
    return this.flag
  }
  getToggles(): FlagDefinition[] {
    return this.flag === undefined ? [] : [this.flag]
  }
  getTogglesWithSegmentData(): FlagDefinition[] {
    return this.getToggles()
  }
  getSegment(): undefined {
    return undefined
  }
  async start(): Promise<void> {}
  stop(): void {}
}
