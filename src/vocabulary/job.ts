// What a job is on its way: sides, arms, routes, the stamp that travels with it.

/** One of the two queue backends of a migration, with the workers that read it. */
export type Side = 'legacy' | 'target'
export const SIDES = ['legacy', 'target'] as const satisfies readonly Side[]

/** Which run of a job this is: `primary` has effects; `shadow` and `control` are only compared. */
export type Arm = 'primary' | 'shadow' | 'control'
export const ARMS = ['primary', 'shadow', 'control'] as const satisfies readonly Arm[]

/** What a job is told at enqueue. */
export type Route = 'legacy' | 'legacy-shadowed' | 'target' | 'target-shadowed'
/** In the order in which the flag server sorts them; the encoding hangs on it. */
export const ROUTES = ['legacy', 'legacy-shadowed', 'target', 'target-shadowed'] as const satisfies readonly Route[]

export function otherSide(side: Side): Side {
  return side === 'legacy' ? 'target' : 'legacy'
}

/** The side on which a route's primary runs. */
export function sideOf(route: Route): Side {
  return route === 'legacy' || route === 'legacy-shadowed' ? 'legacy' : 'target'
}

export function isShadowed(route: Route): boolean {
  return route === 'legacy-shadowed' || route === 'target-shadowed'
}

/** The side on which a copy of this arm runs: a shadow opposite to the primary, a control always on legacy. */
export function sideOfArm(route: Route, arm: Arm): Side {
  if (arm === 'control') return 'legacy'
  return arm === 'primary' ? sideOf(route) : otherSide(sideOf(route))
}

export function routeOf(side: Side, shadowed: boolean): Route {
  return shadowed ? `${side}-shadowed` : side
}

/** Why a job got its route. Those in {@link DOUBTS} were sent to legacy because something was not known. */
export type DecisionReason =
  | 'flag'
  | 'forced'
  | 'latch'
  | 'ceiling'
  | 'not-shadowable'
  | 'flag-doubt'
  | 'flag-missing'
  | 'flag-off'
  | 'flag-unknown-value'
  | 'flag-stale'
  | 'flag-error'
  | 'empty-key'
  | 'ledger-stale'
  | 'ledger-unavailable'
  | 'epoch-behind'
  | 'adopted'

/** Reasons that are a doubt: such jobs are counted as `unflagged` and never judged by a gate. */
export const DOUBTS: ReadonlySet<DecisionReason> = new Set<DecisionReason>([
  'flag-doubt',
  'flag-missing',
  'flag-unknown-value',
  'flag-stale',
  'flag-error',
  'empty-key',
  'ledger-stale',
  'ledger-unavailable',
])

/** A route together with why. */
export interface Decision {
  readonly route: Route
  readonly reason: DecisionReason
}

/** Version of the envelope's wire form. */
export const ENVELOPE_VERSION = 1
/** The one reserved key of an envelope. */
export const ENVELOPE_KEY = '$cutover'

/** The decision that travels with the job, as stored under `$cutover` in the queue (wire form, version 1). */
export interface Stamp {
  readonly v: number
  /** Logical id, unique per migration. */
  readonly id: string
  readonly route: Route
  readonly arm: Arm
  readonly epoch: number
  /** Generation: 0 at first, +1 a move. */
  readonly gen: number
  /** When the job is due, ms since 1970 on the ledger's clock. */
  readonly due: number
  /** False for a job that was sent while the ledger could not be asked: its row may be absent. */
  readonly fenced: boolean
  /** Of an unfenced job that was sent so on purpose: what its row is to say, whoever comes to insert it. */
  readonly plain?: UnfencedStamp
  /** The payload is no plain object and stands under `value`, beside the stamp. */
  readonly bare?: boolean
}

/** An unfenced job has no row when it is sent, so its stamp carries what the ledger counts it by. */
export interface UnfencedStamp {
  readonly why: DecisionReason
  /** Key hash mod 64. */
  readonly group: number
  /** First of its key, in the epoch and on its day. */
  readonly first: boolean
}

/** What happens to a job that failed: exponential, the first pause `delayMs`, doubling. */
export interface Backoff {
  readonly delayMs: number
  /** Every pause is `delayMs`: of jobs that code without the library gave such pauses. */
  readonly fixed?: boolean
}
