// What can be wrong with a flag or with the channel to it, what happens to jobs then, and what to do. One table: the
// source obeys it, `cutover doctor` prints it, docs/unleash.md lists it, and a test goes through it with a real server.

import { EMPTY_KEY, type FlagFinding, type FlagQuestion } from '../../../src/ports/flags.ts'
import { type DecisionReason, ROUTES } from '../../../src/vocabulary/job.ts'
import type { FlagDefinition, FlagStrategy, FlagVariant } from '../../unleash-engine.ts'

/** A doubt: every job goes to legacy with this reason, or, with `last`, as the last good answer said until `maxStale`. */
export interface Doubt {
  readonly id: string
  readonly about: 'flag' | 'key' | 'channel'
  /** What is seen. */
  readonly what: string
  /** The reason that jobs get; `last`: the last good answer stands until `maxStale`, then `flag-stale`. */
  readonly reason: DecisionReason | 'last'
  readonly status: FlagFinding['status']
  /** What to do; NAME stands for the migration. */
  readonly fix: string
}

const REPAIR = 'cutover flag set NAME --target 0% --shadow 0% (writes the whole flag anew)'

export const UNLEASH_DOUBTS = [
  {
    id: 'missing',
    about: 'flag',
    what: 'there is no such flag, or the token does not see it',
    reason: 'flag-missing',
    status: 'warn',
    fix: 'cutover flag create NAME; is there one, then look at the project and environment of the token',
  },
  {
    id: 'off',
    about: 'flag',
    what: 'the flag is off in this environment',
    reason: 'flag-off',
    status: 'warn',
    fix: 'cutover flag set NAME --on --target … when it is to go on',
  },
  {
    id: 'no-variants',
    about: 'flag',
    what: 'the flag is on, but a strategy has no variants (somebody pressed "on")',
    reason: 'flag-doubt',
    status: 'bad',
    fix: `${REPAIR}; or flagKind: 'boolean', when on is to mean target for everybody`,
  },
  {
    id: 'has-variants',
    about: 'flag',
    what: "the flag has variants, and the migration says flagKind: 'boolean'",
    reason: 'flag-doubt',
    status: 'bad',
    fix: "remove flagKind: 'boolean' from the migration, or the variants from the flag",
  },
  {
    id: 'weights-zero',
    about: 'flag',
    what: 'the weights of all variants are 0',
    reason: 'flag-doubt',
    status: 'bad',
    fix: REPAIR,
  },
  {
    id: 'weights-sum',
    about: 'flag',
    what: 'the weights of the variants do not sum to 1000, so each would be rescaled and keys would move back',
    reason: 'flag-doubt',
    status: 'bad',
    fix: REPAIR,
  },
  {
    id: 'json-payload',
    about: 'flag',
    what: 'the payload of a variant is not of the type "string"',
    reason: 'flag-unknown-value',
    status: 'bad',
    fix: `give each variant its name as a string payload, or ${REPAIR}`,
  },
  {
    id: 'unknown-payload',
    about: 'flag',
    what: `the payload of a variant is no route; there are ${ROUTES.join(', ')}`,
    reason: 'flag-unknown-value',
    status: 'bad',
    fix: `give each variant its name as a string payload, or ${REPAIR}`,
  },
  {
    id: 'renamed',
    about: 'flag',
    what: 'a variant is not called as the route that it carries: Unleash sorts by name, and keys would move back',
    reason: 'flag-doubt',
    status: 'bad',
    fix: `call each variant as its payload: ${ROUTES.join(', ')}`,
  },
  {
    id: 'stickiness',
    about: 'flag',
    what: 'strategy or variants are not sticky on "userId" (the key): the same key would get another route each time',
    reason: 'flag-doubt',
    status: 'bad',
    fix: `set stickiness to userId on the strategy and on every variant, or ${REPAIR}`,
  },
  {
    id: 'group-id',
    about: 'flag',
    what: "the strategy's groupId is not the flag's name: keys would move in the order of another flag, and the ceiling would let others through",
    reason: 'flag-doubt',
    status: 'bad',
    fix: `set groupId to the flag's name, or ${REPAIR}`,
  },
  {
    id: 'unknown-strategy',
    about: 'flag',
    what: 'a strategy is of a kind that this client does not know',
    reason: 'flag-doubt',
    status: 'bad',
    fix: 'use gradual rollout (flexibleRollout) with constraints',
  },
  {
    id: EMPTY_KEY.id,
    about: 'key',
    what: EMPTY_KEY.text,
    reason: 'empty-key',
    status: EMPTY_KEY.status,
    fix: EMPTY_KEY.advice,
  },
  {
    id: 'refused',
    about: 'channel',
    what: 'the server refuses the token (401, 403)',
    reason: 'last',
    status: 'bad',
    fix: 'put a valid backend token of this environment into the environment or the token file; a file is read again by itself, a process with a variable must be started anew',
  },
  {
    id: 'unreachable',
    about: 'channel',
    what: 'the server cannot be reached, or answers with an error',
    reason: 'last',
    status: 'warn',
    fix: 'start it, or mend the way to it; to go back meanwhile: cutover rollback NAME',
  },
  {
    id: 'silent',
    about: 'channel',
    what: 'the server takes connections and does not answer',
    reason: 'last',
    status: 'warn',
    fix: 'start it anew, or mend the way to it; to go back meanwhile: cutover rollback NAME',
  },
  {
    id: 'down-at-start',
    about: 'channel',
    what: 'the server was never reached since the process started, and there is no bootstrap file',
    reason: 'flag-error',
    status: 'warn',
    fix: 'start it, or give a bootstrap file for first starts without it',
  },
  {
    id: 'stale',
    about: 'channel',
    what: 'the last good answer is older than maxStale',
    reason: 'flag-stale',
    status: 'bad',
    fix: 'mend the way to the server, or raise maxStale',
  },
  {
    id: 'no-features',
    about: 'channel',
    what: 'the server answers well and knows no flag at all',
    reason: 'flag-missing',
    status: 'bad',
    fix: 'is the token of the right project and environment? Else: cutover flag create NAME',
  },
  {
    id: 'malformed',
    about: 'channel',
    what: 'the answer is not what an Unleash server says: no JSON, no features, too large, a redirect',
    reason: 'last',
    status: 'bad',
    fix: 'is url the address of the Unleash server itself (no login page, no proxy of another kind)?',
  },
  {
    id: 'backwards',
    about: 'channel',
    what: 'the answer is older than one seen before: a replica that lags, or a database that was restored',
    reason: 'last',
    status: 'bad',
    fix: 'wait for the replica; after a restored database start the processes anew',
  },
] as const satisfies readonly Doubt[]

export type DoubtId = (typeof UNLEASH_DOUBTS)[number]['id']

const BY_ID: ReadonlyMap<string, Doubt> = new Map(UNLEASH_DOUBTS.map((doubt) => [doubt.id, doubt]))

export function doubtOf(id: DoubtId): Doubt {
  return BY_ID.get(id) as Doubt
}

export function isDoubtId(id: string): id is DoubtId {
  return BY_ID.has(id)
}

/** A doubt as `doctor` tells it; `detail` says what exactly was seen. */
export function findingOf(id: DoubtId, detail?: string): FlagFinding {
  const { status, what, fix } = doubtOf(id)
  return { id, status, text: detail === undefined ? what : `${what}: ${detail}`, advice: fix }
}

/** What is wrong with a definition. */
export interface Fault {
  readonly id: DoubtId
  /** What exactly was seen. */
  readonly detail?: string
}

export interface FaultOptions {
  readonly flagKind: FlagQuestion['flagKind']
  /** What else than `userId` a flag may be sticky on: what the keys' context has. Default: nothing. */
  readonly sticky?: (name: string) => boolean
}

const STRATEGIES: ReadonlySet<string> = new Set([
  ...['default', 'flexibleRollout', 'userWithId', 'remoteAddress', 'applicationHostname'],
  ...['gradualRolloutUserId', 'gradualRolloutSessionId', 'gradualRolloutRandom'],
])

/** Everything that is wrong with a flag, the first being what jobs are told. Pure; empty: it may be obeyed. */
export function faultsOf(definition: FlagDefinition | undefined, options: FaultOptions): readonly Fault[] {
  if (definition === undefined) return [{ id: 'missing' }]
  if (!definition.enabled) return [{ id: 'off' }]
  const faults: Fault[] = []
  for (const strategy of definition.strategies) {
    if (!STRATEGIES.has(strategy.name)) faults.push({ id: 'unknown-strategy', detail: strategy.name })
    else faults.push(...strategyFaults(definition, strategy, options))
  }
  if (definition.strategies.length === 0) faults.push(...variantFaults(definition.variants ?? [], options))
  return faults
}

function strategyFaults(flag: FlagDefinition, strategy: FlagStrategy, options: FaultOptions): Fault[] {
  const variants = strategy.variants.length > 0 ? strategy.variants : (flag.variants ?? [])
  const faults = variantFaults(variants, options)
  const { stickiness, groupId, rollout } = strategy.parameters
  const whole = rollout === undefined || Number(rollout) === 100
  if (strategy.name === 'flexibleRollout') {
    // With a whole rollout nobody is drawn; the server shows it all the same, and the next change may make it count.
    const drawn = !whole || variants.length > 0
    if (drawn && !sticky(stickiness, options))
      faults.push({ id: 'stickiness', detail: `strategy: ${shown(stickiness)}` })
    if (drawn && groupId !== flag.name) faults.push({ id: 'group-id', detail: shown(groupId) })
  } else if (strategy.name === 'gradualRolloutRandom' || strategy.name === 'gradualRolloutSessionId') {
    faults.push({ id: 'stickiness', detail: `strategy: ${strategy.name}` })
  } else if (variants.length > 0 && groupId !== flag.name) {
    faults.push({ id: 'group-id', detail: `${strategy.name} has ${shown(groupId)}` })
  }
  return faults
}

function variantFaults(variants: readonly FlagVariant[], options: FaultOptions): Fault[] {
  if (options.flagKind === 'boolean') return variants.length === 0 ? [] : [{ id: 'has-variants' }]
  if (variants.length === 0) return [{ id: 'no-variants' }]
  const faults: Fault[] = []
  const total = variants.reduce((sum, { weight }) => sum + weight, 0)
  if (total === 0) faults.push({ id: 'weights-zero' })
  else if (total !== 1000) faults.push({ id: 'weights-sum', detail: String(total) })
  for (const { name, payload, stickiness } of variants) {
    if (payload === undefined || payload === null) faults.push({ id: 'unknown-payload', detail: `${name} has none` })
    else if (payload.type !== 'string') faults.push({ id: 'json-payload', detail: `${name}: ${payload.type}` })
    else if (!isRoute(payload.value)) faults.push({ id: 'unknown-payload', detail: shown(payload.value) })
    else if (payload.value !== name) faults.push({ id: 'renamed', detail: `${name} carries ${payload.value}` })
    if (!sticky(stickiness, options)) faults.push({ id: 'stickiness', detail: `${name}: ${shown(stickiness)}` })
  }
  return faults
}

function sticky(stickiness: string | undefined, options: FaultOptions): boolean {
  return stickiness === 'userId' || (stickiness !== undefined && options.sticky?.(stickiness) === true)
}

/** What a definition is sticky on besides `userId`: each must be in the context of a key, or lots are drawn. */
export function stickyOn({ strategies, variants = [] }: FlagDefinition): readonly string[] {
  const all = strategies.flatMap((strategy) => [
    strategy.parameters['stickiness'],
    ...strategy.variants.map(({ stickiness }) => stickiness),
  ])
  const names = [...all, ...variants.map(({ stickiness }) => stickiness)]
  return [...new Set(names.filter((name) => name !== undefined && name !== 'userId'))] as string[]
}

function isRoute(value: unknown): boolean {
  return (ROUTES as readonly unknown[]).includes(value)
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(String(value).slice(0, 60))
}
