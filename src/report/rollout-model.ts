// What does a report say of a staged cutover: where its plan stands, what its gates say, and who moved it?

import type { StageGateName } from '../rollout/gates/index.ts'
import type { GateReason, GateVerdict } from '../rollout/gates/types.ts'
import type { Dials } from '../vocabulary/dials.ts'

/** `entering`: the dials are on their way. `watching`: counted and judged. `back`: rolled back. `done`: at its end. */
export type RolloutPhase = 'entering' | 'watching' | 'back' | 'done'

export interface RolloutReport {
  /** False: the plan was let go, and the dials are turned by hand again. */
  readonly driven: boolean
  readonly phase: RolloutPhase
  /** The current stage, and which attempt of it by this handler version this is, from 1. */
  readonly stage: string
  readonly attempt: number
  /** In which this stage is counted; null while it is entered. */
  readonly epoch: number | null
  readonly enteredAt: string
  /** The target handler version that the plan is about; null: no worker has told. */
  readonly targetVersion: string | null
  /** Chance of a wrong promotion, and of a wrong rollback over the whole plan. */
  readonly alpha: number
  readonly stages: readonly RolloutStage[]
  readonly paused: Said | null
  /** A human has said yes to the next stage. */
  readonly approved: Said | null
  /** Of the current stage, from the counts of this report; null: not judged, as nothing is counted now. */
  readonly verdict: GateVerdict | null
  /** Why, in the words of the gates. */
  readonly reasons: readonly string[]
  /** The same as sentences, and what a human can do. */
  readonly waits: readonly string[]
  readonly gates: readonly GateReport[]
  /**
   * How the evidence grew in the current counts, oldest first, at most 25 points: what the gates said at looks of the
   * controller, the last one as it is now. After a rollback as it was until then.
   */
  readonly trend: readonly TrendPoint[]
  /** Proven at `evidenceFor ≥ passAt`, refuted at `evidenceAgainst ≥ failAt`; null while `trend` is empty. */
  readonly trendLevels: { readonly passAt: number; readonly failAt: number } | null
  /** What was done, oldest first, at most the last hundred. */
  readonly timeline: readonly TimelineEntry[]
}

export interface Said {
  readonly at: string
  readonly by: string
  readonly why: string | null
}

export interface RolloutStage {
  readonly name: string
  readonly state: 'passed' | 'current' | 'ahead'
  readonly dials: Dials
  readonly approval: 'auto' | 'manual'
  readonly onFail: 'rollback' | 'hold'
  readonly minSoakMs: number
  readonly maxStayMs: number
  /** Attempts so far by this handler version. */
  readonly attempts: number
  /** Of its gates with evidence: what they prove, or watch for. */
  readonly limits: readonly StageLimit[]
}

export interface StageLimit {
  readonly gate: GateReport['name']
  readonly rule: 'prove' | 'watch'
  /** A share; of `p50` and `p95` a ratio. */
  readonly limit: number
  readonly unit: 'key' | 'key-day' | 'job'
}

export interface GateReport {
  readonly name: StageGateName
  /** The MCP server that it is about. */
  readonly server: string | null
  /** `plain`: a limit, no statistics. */
  readonly rule: 'prove' | 'watch' | 'plain'
  readonly unit: 'key' | 'key-day' | 'job' | null
  readonly verdict: GateVerdict
  readonly reason: GateReason
  /** A share, a ratio or ms, as the gate has it; null where it has none. */
  readonly limit: number | null
  /** What was seen, in the limit's own terms; of the units that are judged. */
  readonly estimate: number | null
  /**
   * Where the true share, difference or ratio lies, right at every moment at once, each end at the level of the verdict. Null
   * for gates that have no such evidence, before anything was counted, and of `p50` and `p95` while there are too few times.
   */
  readonly interval: { readonly lower: number; readonly upper: number } | null
  /** Units counted. */
  readonly units: number | null
  /** Natural logarithms. Proven at `evidenceFor ≥ passAt`, refuted at `evidenceAgainst ≥ failAt`. */
  readonly evidenceFor: number | null
  readonly evidenceAgainst: number | null
  readonly passAt: number
  readonly failAt: number
  /** Units still needed if the next ones are like those seen; null: not known, or never. */
  readonly unitsNeeded: number | null
  /** Time until then at the rate of the last hour. */
  readonly msNeeded: number | null
  /** Numbers and limit in words. */
  readonly text: string
}

/** What the gates said at `at`: those of `mismatch`, `errors`, `lost`, `p50` and `p95` that had counts then. */
export interface TrendPoint {
  readonly at: string
  readonly gates: readonly {
    readonly name: GateReport['name']
    readonly evidenceFor: number
    readonly evidenceAgainst: number
  }[]
}

export interface TimelineEntry {
  readonly at: string
  /** E.g. `enter`, `judge`, `promote`, `rollback`, `hold`, `pause`. */
  readonly action: string
  readonly by: string
  readonly why: string | null
  readonly stage: string
  readonly attempt: number
  readonly epoch: number | null
  /** As they stand from then on. */
  readonly dials: Dials
  /** The number by which `cutover judge` replays it; null: no counts were judged. */
  readonly decision: number | null
}
