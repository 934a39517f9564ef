// What does a gate read, and what does it answer? Plain data, the same as in the audit log and in `test/data/examples.json`.
//
// All counts are of closed buckets of one epoch. A count that is left out is 0.

/** `pass`: nothing in the way. `hold`: not known well enough, or something to wait for. `fail`: go back. */
export type GateVerdict = 'pass' | 'hold' | 'fail'

export const PASS_REASONS = [
  'proven',
  'no-alarm',
  'within-limit',
  'tools-equal',
  'reachable',
  'ratio-ok',
  'none',
  'soaked',
] as const
export const FAIL_REASONS = [
  'over-limit',
  'tools-missing',
  'server-unreachable',
  'backlog-too-old',
  'double-run',
  'tripwire',
] as const
export const HOLD_REASONS = [
  'no-data',
  'undecided',
  'too-few-units',
  'too-few-keys',
  'noise-floor',
  'noise-unknown',
  'recent-worse',
  'recent-too-few',
  'stale',
  'soak',
  'sample-ratio',
  'shed-too-many',
  'no-probe',
  'last-probe-failed',
  'tools-missing-unconfirmed',
  'server-down-everywhere',
  'backlog-old',
  'wait-over-limit',
  'max-stay',
  'approval',
  'flag-lost',
  'workers-missing',
  'mixed-versions',
  // counts that cannot be: a bug of whatever counted them, never a reason to go on
  'contradiction',
] as const

export type PassReason = (typeof PASS_REASONS)[number]
export type FailReason = (typeof FAIL_REASONS)[number]
export type HoldReason = (typeof HOLD_REASONS)[number]
export type GateReason = PassReason | FailReason | HoldReason

export type Judged =
  | { readonly verdict: 'pass'; readonly reason: PassReason }
  | { readonly verdict: 'hold'; readonly reason: HoldReason }
  | { readonly verdict: 'fail'; readonly reason: FailReason }

/** Natural logarithms; null where a gate weighs no such evidence, or has no data. */
export interface Evidence {
  readonly logEPass: number | null
  readonly logEFail: number | null
}

/** What the evidence is held against. */
export interface Thresholds {
  readonly passAt: number
  readonly failAt: number
}

export type Judgement = Judged & Evidence & Thresholds

/** `prove` passes on proof; `watch` when there is no alarm, which proves nothing. */
export type Rule = 'prove' | 'watch'

interface Levels {
  /** Chance of a wrong promotion, and of a wrong rollback over the whole plan. Default 0.05. */
  readonly alpha?: number
  /** Which attempt of this stage by this target version, from 1 (the default). */
  readonly attempt?: number
  /** (stage, gate) pairs of the plan over mismatch, errors, lost, p50, p95. Default 30, as in the default plan. */
  readonly tests?: number
}

interface Statistical extends Levels {
  /** Default `prove`. */
  readonly rule?: Rule
  /** Default 20. */
  readonly minUnits?: number
}

/** A gate over units that come one after the other, so that the newest can be looked at alone. */
interface Windowed<Name extends string, Counts> extends Statistical {
  readonly gate: Name
  /** A share, e.g. 0.01. */
  readonly limit: number
  readonly counts: Counts
  /** The shortest run of newest closed buckets with at least max(`minUnits`, a quarter of the units). Absent: not looked at. */
  readonly recent?: Counts
  /** Time since the last counted unit, and how much of it a proof may stand (the stage's `stale-after`). */
  readonly idleMs?: number
  readonly staleAfterMs?: number
  /** Units that were counted within the last 24 h: below 2 % of all of them, waiting does not help. */
  readonly newUnits?: number
}

export interface ShareCounts {
  readonly n: number
  readonly mismatched?: number
}

/** Pairs of primary and shadow. `n` holds the orphaned ones, but neither shed nor ignored ones. */
export interface MismatchCounts extends ShareCounts {
  /** The other outcome never came. */
  readonly orphaned?: number
}
/** Primary, shadow and control of the same job: which of the two differed from the run on legacy alone. */
export interface ExcessCounts {
  readonly n: number
  readonly targetOnly?: number
  readonly controlOnly?: number
  readonly orphaned?: number
}
/** Final errors of pairs. `n` holds the orphaned ones. */
export interface PairedErrorCounts {
  readonly n: number
  readonly targetOnly?: number
  readonly legacyOnly?: number
  /** The run on target never came. */
  readonly targetOrphans?: number
  readonly legacyOrphans?: number
}
/** Final errors of primaries on both sides under a random split. `n` are all units, the lost ones too. */
export interface CanaryErrorCounts {
  readonly n: number
  /** Known share of keys whose primary runs on target. */
  readonly share: number
  readonly nTargetUnits: number
  readonly legacyFailed?: number
  readonly targetFailed?: number
  readonly legacyLost?: number
  readonly targetLost?: number
}
export interface AloneErrorCounts {
  readonly n: number
  readonly failed?: number
  readonly lost?: number
}
export interface LostCounts {
  readonly n: number
  readonly lost?: number
}

/** Times of pairs, by edge `a` (docs/gates.md, section 2): all arrays have one entry an edge, in ascending order. */
export interface PairedLatencyCounts {
  /** The quantile, e.g. 0.95. */
  readonly tau: number
  readonly n: number
  /** Legacy over e_a, and over e_(a−1). */
  readonly legacyOver: readonly number[]
  readonly legacyOverPrev: readonly number[]
  /** Over the edge on target only, on legacy only: with the edges of a pass, and of a fail. */
  readonly upPass: readonly number[]
  readonly downPass: readonly number[]
  readonly upFail: readonly number[]
  readonly downFail: readonly number[]
}
/** Times of the primaries of both sides, by edge `a`. */
export interface UnpairedLatencyCounts {
  readonly tau: number
  readonly nTarget: number
  /** Target over e_(a−1+sp), and over e_(a+sf). */
  readonly targetOverPass: readonly number[]
  readonly targetOverFail: readonly number[]
  readonly nLegacy: number
  /** Legacy over e_a, and over e_(a−1). */
  readonly legacyOverPass: readonly number[]
  readonly legacyOverFail: readonly number[]
}

interface Plain<Name extends string, Counts> extends Levels {
  readonly gate: Name
  readonly counts: Counts
}

export type MismatchInput = Windowed<'mismatch', MismatchCounts> & {
  /** Legacy against itself; absent where the stage has no controls. */
  readonly control?: ShareCounts
}
export type WindowedInput =
  | MismatchInput
  | Windowed<'excessMismatch', ExcessCounts>
  | Windowed<'errorsPaired', PairedErrorCounts>
  | Windowed<'errorsCanary', CanaryErrorCounts>
  | Windowed<'errorsAlone', AloneErrorCounts>
  | Windowed<'lost', LostCounts>

interface Ratio extends Statistical {
  /** The ratio allowed; it is in the counts already, in the choice of edges. */
  readonly limit?: number
}
export type LatencyInput =
  | (Ratio & { readonly gate: 'latencyPaired'; readonly counts: PairedLatencyCounts })
  | (Ratio & { readonly gate: 'latencyUnpaired'; readonly counts: UnpairedLatencyCounts })

export type PlainInput =
  /** Keys by side, against the known share. `limit`: the level of the test, 0.001 unless said. */
  | (Plain<'sampleRatio', { readonly n: number; readonly target: number; readonly share: number }> & {
      readonly limit?: number
    })
  /** `missing`: tools (name and schema hash) of legacy that target lacks; `confirmed`: in the probe before, too. */
  | (Plain<
      'mcpTools',
      { readonly probed: boolean; readonly missing: readonly string[]; readonly confirmed: boolean }
    > & {
      /** How many may be missing; default 0. */
      readonly limit?: number
    })
  /** Results of probes of one server, newest last. `limit`: how many failures in a row count; default 3. */
  | (Plain<'mcpReachable', { readonly target: readonly boolean[]; readonly legacy: readonly boolean[] }> & {
      readonly limit?: number
    })
  /** Ids that finished twice or on both sides. `limit`: how many may; default 0. */
  | (Plain<'duplicates', { readonly twice: number }> & { readonly limit?: number })
  /** Age of the oldest ready job on target, in ms; null: none waits. `limit` in ms, default 2 minutes. */
  | (Plain<'oldestAge', { readonly ageMs: number | null }> & { readonly limit?: number })
  /** Copies on target that started within the last hour, and those that waited for longer than the limit. */
  | (Plain<'queueWait', { readonly n: number; readonly over: number }> & { readonly minUnits?: number })
  /** Shadows wanted and shed; pairs that ended as ignored, of all that were compared. `limit`: default 0.05. */
  | (Plain<
      'shed',
      { readonly wanted: number; readonly shed: number; readonly compared?: number; readonly ignored?: number }
    > & {
      readonly limit?: number
    })
  /** Primaries settled within the last 5 minutes, open buckets too. `groups`: of 64 key groups, those with a failure on target. `limit`: default 0.2. */
  | (Plain<'tripwire', TripwireCounts> & { readonly limit?: number })
  /** Time since the epoch began. `limit`: the least, in ms. */
  | (Plain<'soak', { readonly ms: number }> & { readonly limit: number })

export interface TripwireCounts {
  readonly targetSettled: number
  readonly targetFailed: number
  readonly groups: number
  readonly legacySettled: number
  readonly legacyFailed: number
}

export type GateInput = WindowedInput | LatencyInput | PlainInput
export type GateName = GateInput['gate']

export const GATE_NAMES: readonly GateName[] = [
  ...(['mismatch', 'excessMismatch', 'errorsPaired', 'errorsCanary', 'errorsAlone', 'lost'] as const),
  ...(['latencyPaired', 'latencyUnpaired', 'sampleRatio', 'mcpTools', 'mcpReachable', 'duplicates'] as const),
  ...(['oldestAge', 'queueWait', 'shed', 'tripwire', 'soak'] as const),
]
