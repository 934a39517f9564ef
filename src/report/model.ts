// What does a report say? The shape of `report --json`, published as `schema/report-v1.schema.json`.
//
// Every key is always there; what is not known is null or an empty list. Times are ISO 8601 in UTC, durations are ms,
// shares are from 0 to 1. Where each number comes from is written in `docs/report.md`.

import type { DifferenceKind } from '../vocabulary/comparison.ts'
import type { Dials } from '../vocabulary/dials.ts'
import type { Route, Side } from '../vocabulary/job.ts'
import type { Json } from '../vocabulary/outcome.ts'
import type { ConfigurationReport } from './configuration-model.ts'
import type { DrainReport, EvidencePoint, MoveReport, TimelinePoint } from './history-model.ts'
import type { McpReport } from './mcp-model.ts'
import type { RolloutReport } from './rollout-model.ts'

export type * from './configuration-model.ts'
export type * from './history-model.ts'
export type * from './mcp-model.ts'
export type * from './rollout-model.ts'

/** Within version 1 keys are only added. */
export const REPORT_SCHEMA = 'cutover-report/1'

export interface ReportModel {
  readonly schema: typeof REPORT_SCHEMA
  readonly at: string
  /** Version of cutover that made it. */
  readonly cutover: string
  /**
   * Folder of that version's docs, ending in `/`: a URL, or a path relative to where the report lies. Null: the report does
   * not know of any.
   */
  readonly docs: string | null
  readonly migrations: readonly MigrationReport[]
}

export interface MigrationReport {
  readonly name: string
  /** The ledger's clock at the one consistent read behind these numbers. */
  readonly asOf: string
  /** Since when is counted; null before anything was. */
  readonly since: string | null
  readonly verdict: Verdict
  /** Laws of counting that these numbers break: then none of them is to be trusted. Empty when all is well. */
  readonly contradictions: readonly Contradiction[]
  readonly dials: Dials
  readonly latch: LatchReport
  /** Highest target share allowed; 1 while no plan is being driven. */
  readonly ceiling: number
  readonly flag: FlagReport
  readonly jobs: JobsReport
  readonly routes: Readonly<Record<Route, RouteReport>>
  readonly sides: Readonly<Record<Side, SideReport>>
  readonly comparisons: ComparisonsReport
  /** Legacy against itself: what differs here is noise, not the target's doing. */
  readonly noise: NoiseReport
  readonly differences: readonly DifferenceReport[]
  /** Final errors by class, the most frequent first; beyond thirty they are gathered as `…`. */
  readonly errors: readonly ErrorClassReport[]
  readonly latency: LatencyReport
  readonly processes: ProcessesReport
  /** Oldest first; the last one is the current one. */
  readonly epochs: readonly EpochReport[]
  readonly recent: RecentReport
  /** The staged cutover; null while no plan was ever driven. */
  readonly rollout: RolloutReport | null
  /** MCP servers that were probed, by name. */
  readonly mcp: readonly McpReport[]
  /** Moves of the audit log's newest hundred entries, newest first. */
  readonly moves: readonly MoveReport[]
  readonly drain: Readonly<Record<Side, DrainReport>>
  /** Over time, oldest first; at most 120 points and one for each gap between them. */
  readonly timeline: readonly TimelinePoint[]
  /** How the interval of `comparisons` narrowed, at most 25 points; the last one is the interval itself. */
  readonly evidence: readonly EvidencePoint[]
  /** Newest first, at most a hundred entries of the audit log. */
  readonly audit: readonly ChangeReport[]
  /** Null where the report was made without the configuration. */
  readonly configuration: ConfigurationReport | null
}

/** `ok`: nothing to see to. `look`: somebody should. `broken`: a promise was broken. */
export type VerdictLevel = 'ok' | 'look' | 'broken'

export interface Verdict {
  readonly level: VerdictLevel
  /** One line in plain words. */
  readonly text: string
  readonly findings: readonly Finding[]
}

export type FindingCode =
  | 'contradiction'
  | 'lost'
  | 'twice'
  | 'in-doubt'
  | 'overdue'
  | 'latched'
  | 'latch-behind'
  | 'gate'
  | 'failed'
  | 'refused'
  | 'mismatched'
  | 'noise'
  | 'orphaned'
  | 'shed'
  | 'zombie'
  | 'unrecorded'
  | 'no-workers'
  | 'mcp'
  | 'no-shadow-workers'
  | 'mixed-versions'
  | 'flag'
  | 'flag-behind'
  | 'clock-skew'
  | 'clock-jumped'

export interface Finding {
  readonly level: 'note' | 'look' | 'broken'
  readonly code: FindingCode
  readonly text: string
}

export interface Contradiction {
  /** The law, in words. */
  readonly law: string
  /** What the law demands and what was found. */
  readonly expected: number
  readonly found: number
}

export interface LatchReport {
  readonly set: boolean
  readonly by: string | null
  readonly why: string | null
  readonly at: string | null
}

export interface FlagReport {
  /** Revision under which the current epoch runs. */
  readonly revision: string
  /** `unknown`: no live producer tells. */
  readonly health: 'ok' | 'degraded' | 'unknown'
  /** What live producers tell of their flag source. */
  readonly states: readonly { readonly state: string; readonly producers: number }[]
  /** Live producers that have not yet applied the current epoch's revision. */
  readonly behind: number
}

/** `enqueued = done + failed + cancelled + refused + waiting + running + moving`. */
export interface JobsReport {
  readonly enqueued: number
  readonly done: number
  readonly failed: number
  /** Of `failed`: the backend gave up without running the handler. */
  readonly backendFailed: number
  readonly cancelled: number
  readonly refused: number
  readonly waiting: number
  readonly running: number
  readonly moving: number
  /** Of `running`. */
  readonly inDoubt: number
  /** Of the unfinished: overdue, and the backend has no copy. */
  readonly lost: number
  /** Of the unfinished: past due time plus deadline. */
  readonly overdue: number
  readonly twice: number
  readonly adopted: number
  readonly unflagged: number
  /** Ended after the bucket of their due time was closed. */
  readonly late: number
  readonly retried: number
  readonly zombie: number
  readonly effectFailed: number
  /** Ran while the ledger could not be reached; in no other number. */
  readonly unrecorded: number
  /** Moves, there and back counted as two; a moved job is judged by no gate. */
  readonly moved: number
  /** Failed jobs that were run again at somebody's word; no longer in `failed`. */
  readonly reopened: number
}

export interface RouteReport {
  readonly enqueued: number
  readonly share: number | null
}

export interface SideReport {
  readonly enqueued: number
  readonly done: number
  readonly failed: number
  readonly backendFailed: number
  readonly cancelled: number
  readonly refused: number
  readonly waiting: number
  readonly running: number
  /** `waiting + running`. */
  readonly backlog: number
  readonly inDoubt: number
  readonly lost: number
  readonly adopted: number
  readonly unflagged: number
  readonly retried: number
  readonly zombie: number
  readonly effectFailed: number
  readonly unrecorded: number
  /** Jobs that were moved here, and away from here. */
  readonly movedIn: number
  readonly movedOut: number
  readonly reopened: number
  /** Shadow copies meant for this side. */
  readonly shadows: { readonly wanted: number; readonly shed: number; readonly done: number; readonly failed: number }
  /** Live processes that read this side's queue, and its shadow queue. */
  readonly workers: number
  readonly shadowWorkers: number
  /** Handler versions of the live workers. */
  readonly versions: readonly string[]
}

/** `wanted = matched + mismatched + ignored + orphaned + shed + moved + open`. */
export interface PairCounts {
  /** `matched + mismatched`. */
  readonly compared: number
  readonly matched: number
  readonly mismatched: number
  readonly ignored: number
  readonly orphaned: number
  readonly shed: number
  /** Never compared, because the job was moved or run again first. */
  readonly moved: number
  readonly open: number
  /** Outcomes that came after their pair was closed without them. */
  readonly late: number
  /** `mismatched / compared`; null while nothing is compared. */
  readonly share: number | null
  readonly interval: Interval
}

export interface ComparisonsReport extends PairCounts {
  readonly shadowed: number
  /** Side on which the run that never came should have run. */
  readonly orphanedOn: Readonly<Record<Side, number>>
  /** Compared pairs in which runs ended in an error. */
  readonly errors: { readonly both: number; readonly targetOnly: number; readonly legacyOnly: number }
}

export interface NoiseReport extends PairCounts {
  readonly wanted: number
  readonly differences: readonly DifferenceReport[]
}

/** Where the true share of mismatches lies: right at every moment at once, however often one looks. */
export interface Interval {
  readonly lower: number
  readonly upper: number
  readonly level: number
  /** Each end alone is wrong at most this often. */
  readonly alphaEachSide: number
  /** `key`: the first job of each key in an epoch is one unit. `job`: every counted pair is. */
  readonly unit: 'key' | 'job'
  readonly units: number
  readonly mismatched: number
  /** `mismatched / units`; null while there are none. */
  readonly share: number | null
}

export interface DifferenceReport {
  /** JSON pointer into `{ result, error, effects }`, `*` for array positions; `…` gathers what was not kept by name. */
  readonly path: string
  readonly kind: DifferenceKind
  /** Pairs in which it occurs. */
  readonly count: number
  /** Of the compared pairs. */
  readonly share: number | null
  /** The same path and kind among the controls: legacy differing from itself. Null inside `noise` itself. */
  readonly noise: { readonly count: number; readonly share: number | null } | null
  /** Cut and redacted when it was stored. A value that a side does not have is left out. */
  readonly example: { readonly id: string; readonly legacy?: Json; readonly target?: Json }
}

export interface ErrorClassReport extends Readonly<Record<Side, { readonly jobs: number; readonly shadows: number }>> {
  /** Name and code as far as they are names, e.g. `Error:ECONNREFUSED`; `other`: they are not, or there are too many. */
  readonly class: string
}

export interface Quantiles {
  readonly n: number
  /** ms; null when n is 0. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

export interface SideLatency {
  /** Primaries, from due to start. */
  readonly wait: Quantiles
  /** Primaries, time in the handler without the time in effects. */
  readonly run: Quantiles
  readonly shadowRun: Quantiles
}

export interface LatencyReport extends Readonly<Record<Side, SideLatency>> {
  readonly controlRun: Quantiles
  readonly curves: LatencyCurves
}

/** Each ms at the quantiles of `at`; null where fewer runs were counted than tell that quantile. */
export interface LatencyCurves {
  readonly at: readonly number[]
  readonly legacy: SideCurves
  readonly target: SideCurves
}

export interface SideCurves {
  readonly wait: readonly (number | null)[]
  readonly run: readonly (number | null)[]
  readonly shadowRun: readonly (number | null)[]
}

export interface ProcessesReport {
  readonly live: number
  readonly producers: number
  /** Not heard of for longer than the heartbeat allows, or closed. */
  readonly gone: number
  /** Enqueues that no backend has answered yet. */
  readonly inFlight: number
  /** Live producers that have not yet seen the latch as it stands. */
  readonly latchBehind: number
  /** Largest distance of a live process's clock from the ledger's. */
  readonly maxSkewMs: number
  /** How often a process saw the ledger's clock jump, in all epochs; one jump is seen by every process. */
  readonly clockJumps: number
}

export interface EpochReport {
  readonly epoch: number
  readonly startedAt: string | null
  readonly dials: Dials
  readonly latched: boolean
  readonly versions: Readonly<Partial<Record<Side, string>>>
  readonly by: string
  readonly enqueued: number
  readonly done: number
  readonly failed: number
  readonly compared: number
  readonly mismatched: number
}

export interface RecentReport {
  /** Newest first, at most ten. */
  readonly mismatches: readonly {
    readonly id: string
    readonly which: 'pair' | 'control'
    readonly at: string
    readonly epoch: number
    readonly differences: number
  }[]
  /** Newest first, at most ten. */
  readonly changes: readonly ChangeReport[]
}

export interface ChangeReport {
  readonly at: string
  readonly by: string
  readonly action: string
  readonly why: string | null
}
