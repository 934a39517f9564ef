// The ledger: the one store of everything that more than one process must agree on.
//
// Every operation is one transaction and safe to repeat (an answer may be lost; the same call again changes nothing
// and answers alike). All times are ms since 1970 on the ledger's own clock, unless said otherwise. Operations on
// several items are one round trip; items of one call are independent of each other and applied in order.
// What an operation does to a row is written once, as pure functions, in `row-rules.ts`.

import type { Comparison, ComparisonClass, Difference } from '../vocabulary/comparison.ts'
import type { Dials } from '../vocabulary/dials.ts'
import type { Arm, DecisionReason, Route, Side } from '../vocabulary/job.ts'
import type { Json, Outcome, StoredError } from '../vocabulary/outcome.ts'
import type { ProbeRecord, StoredProbe } from '../vocabulary/probe.ts'
import type { DrainLedger } from './drain.ts'
import type { EndScript } from './joint.ts'
import type { DifferenceArray, PairMeasure } from './pair-times.ts'
import type { ScheduleLedger } from './schedules.ts'

/** Major version of the ledger's stored form. `open` migrates forward by adding only and refuses a newer one. */
export const LEDGER_SCHEMA = 1

/** How a migration's ledger counts and keeps; from the configuration, the same in every process. All in ms. */
export interface LedgerSettings {
  /** Width of a tally bucket of due time; default 10 s. */
  readonly bucketMs: number
  /** How long after a bucket's end late increments are still accepted, beyond the deadline; default 15 s. */
  readonly slackMs: number
  /** After its due time plus this a job without an outcome is overdue. */
  readonly deadlineMs: number
  /** How long finished rows are kept (H); default 1 h. */
  readonly retainMs: number
}

// ---------------------------------------------------------------------------------------------------------- rows

export type RowState = 'open' | 'running' | 'moving' | 'finished'

/** How a row ended. `backend-failed`: the backend gave up without running the handler. */
export type FinishClass = 'ok' | 'failed' | 'cancelled' | 'backend-failed'

/**
 * `none`: not shadowed. `open`: waits for both slots. The rest is final. `moved`: the job was moved (or run again)
 * before there was a comparison, and nothing is compared any more.
 */
export type Verdict = 'none' | 'open' | 'shed' | 'orphaned' | ComparisonClass | 'moved'

/** What is fixed when the row is inserted, and what every count of this job is filed under. */
export interface RowStamp {
  readonly route: Route
  readonly reason: DecisionReason
  readonly epoch: number
  /** When the job is due. */
  readonly dueAt: number
  /** First counted job of its key in this epoch; the units of the gates. */
  readonly firstOfKey: boolean
  /** First of its key in this epoch that is due on this UTC day; every first of its key is one. */
  readonly firstOfDay: boolean
  /** Key hash mod 64. */
  readonly group: number
  readonly fenced: boolean
  readonly adopted: boolean
}

/** One job's row. */
export interface JobRow {
  readonly id: string
  readonly state: RowState
  readonly side: Side
  readonly gen: number
  /** Token of the run that holds or last held the row; undefined before the first claim of this generation. */
  readonly token?: string
  /** Of the run that holds the row; while `moving` of the mover: until then nobody else goes on with its move. */
  readonly leaseUntil: number
  readonly effectsBegun: boolean
  readonly fails: number
  readonly starts: number
  readonly maxAttempts: number
  readonly stamp: RowStamp
  /** When the row was inserted. */
  readonly pinnedAt: number
  /** Instance (`Presence.instance`) of the producer; undefined for adopted jobs. */
  readonly producer?: string
  /** When the first claim was granted. */
  readonly startedAt?: number
  readonly finishedAt?: number
  readonly class?: FinishClass
  readonly verdict: Verdict
  readonly controlVerdict: Verdict
  /** Final outcomes, write-once; dropped from the slots once both verdicts are closed, but for the primary's. */
  readonly slots: Slots
  /**
   * Copies of which nothing more is counted, because they came before: in time for a verdict that was then closed
   * without a comparison, or after it (each of these counted once, as `late-outcome`).
   */
  readonly seenArms?: readonly Arm[]
  /** The sweeper asked the backend about this overdue job and found no copy. */
  readonly lostAt?: number
  /**
   * A second `pin` met this row before it was ever started: another call relies on it, so the first one may not take
   * it back. Forgotten when the job is finished.
   */
  readonly shared?: boolean
}

export type Slots = Readonly<Partial<Record<Arm, Outcome>>>

/** Both verdicts and what is there to compare, as `finish` answers it. */
export interface PairState {
  readonly route: Route
  readonly verdict: Verdict
  readonly controlVerdict: Verdict
  readonly slots: Slots
}

export interface PinRequest {
  readonly id: string
  /** True when the library made the id in this very call: the ledger may skip looking for a finished row. */
  readonly fresh: boolean
  readonly route: Route
  readonly reason: DecisionReason
  readonly epoch: number
  /** The job is due `delayMs` after the pin. */
  readonly delayMs: number
  readonly maxAttempts: number
  /**
   * Key hash mod 2^20, the bit of the first-of-key tests, of the epoch and of the day; undefined when the key is the id
   * (always first). -1: this producer has had the key in this epoch and on this day, nothing is tested.
   */
  readonly keySlot?: number
  /** This producer has had the key in this epoch: only the day is tested. */
  readonly keySeen?: boolean
  /** Key hash mod 64. */
  readonly group: number
  /** This shadowed job also gets a control. */
  readonly control: boolean
  readonly producer: string
}

export interface PinAnswer {
  /** `exists`: a row was there; its stamp wins. */
  readonly status: 'pinned' | 'exists'
  readonly state: RowState
  readonly side: Side
  readonly gen: number
  readonly route: Route
  readonly reason: DecisionReason
  readonly epoch: number
  readonly dueAt: number
  readonly fenced: boolean
  /** The pair is open: its shadow copy is to be sent, again if this producer's predecessor may not have. */
  readonly shadow: boolean
  /** The same of the control. */
  readonly control: boolean
}

export interface ClaimRequest {
  readonly id: string
  readonly side: Side
  readonly gen: number
  /** Made anew for every delivery, the same when the call is repeated. */
  readonly token: string
  readonly leaseMs: number
  /** From the copy's stamp; an absent row is inserted only for unfenced copies. */
  readonly fenced: boolean
  /** Nothing is known of this handler's effects (`shadow: 'off'`): the claim counts as their beginning. */
  readonly effectsUnknown: boolean
  readonly maxAttempts: number
  /** Above this many starts the job is failed (`starts-exceeded`): it kills its workers. */
  readonly maxStarts: number
  /** What to insert when there is no row: a job without stamp (adopted) or an unfenced one. */
  readonly absent: { readonly route: Route; readonly epoch: number; readonly dueAt: number; readonly adopted: boolean }
}

export type ClaimAnswer =
  | {
      readonly status: 'granted'
      readonly attempt: number
      readonly fails: number
      readonly maxAttempts: number
      readonly starts: number
      readonly stamp: RowStamp
      readonly effectsBegun: boolean
      readonly verdict: Verdict
    }
  /** Another run holds the row until `leaseUntil`: wait, holding the backend's lease. */
  | { readonly status: 'busy'; readonly leaseUntil: number; readonly now: number }
  /** Replay what is stored, then ack. `outcome` is undefined when it was not kept (`result-too-large`, cancelled). */
  | { readonly status: 'finished'; readonly class: FinishClass; readonly outcome?: Outcome }
  /** The copy is of an older generation: ack without running. */
  | { readonly status: 'drop' }
  /** Back to waiting without spending an attempt. */
  | { readonly status: 'defer' }
  /** A fenced copy without a row: park it visibly. */
  | { readonly status: 'park' }

export interface BeginRequest {
  readonly id: string
  readonly gen: number
  readonly token: string
}
export interface ExtendRequest extends BeginRequest {
  readonly leaseMs: number
}

export interface FinishRequest {
  readonly id: string
  readonly side: Side
  readonly gen: number
  readonly arm: Arm
  /** Of the claim; for shadows and controls any text that is the same when the call is repeated. */
  readonly token: string
  readonly outcome: Outcome
  /** A failure that no further attempt may follow, whatever the row says. */
  readonly fatal: boolean
  readonly effectFailed: boolean
  /** Of a failed outcome: the class under which it is counted, if it is the last. Letters, digits, `_`, `$`, `:`, `-`. */
  readonly errorClass?: string
  /** Latency buckets (`vocabulary/latency.ts`) of run and wait time; no wait time: 0 (a later attempt has waited for its backoff). */
  readonly runBucket: number
  readonly waitBucket: number
  /** Set when the run went on without a claim: inserts an absent row. */
  readonly unrecorded?: {
    readonly epoch: number
    readonly dueAt: number
    readonly route: Route
    readonly adopted: boolean
    /** Default `adopted`, or `ledger-unavailable`. */
    readonly reason?: DecisionReason
    readonly group?: number
    readonly first?: boolean
  }
  /** The run has no claim and needs none: its last failure is taken from an open row, too. */
  readonly unfenced?: boolean
  /** No copy of this job was sent. Only a hint: a ledger may have a shorter way. Default false. */
  readonly unpaired?: boolean
}

export type FinishAnswer =
  /** Stored (now or by an earlier call of the same token). `pair` only for shadowed jobs. */
  | { readonly status: 'finished'; readonly class: FinishClass; readonly pair?: PairState }
  /** The attempt failed and the row is open again. */
  | { readonly status: 'retry'; readonly fails: number; readonly maxAttempts: number }
  /** Not accepted: `done` (somebody else finished it), `token`, `generation`, `moving`, `absent`. */
  | {
      readonly status: 'refused'
      readonly why: 'done' | 'token' | 'generation' | 'moving' | 'absent'
      readonly class?: FinishClass
    }

/** A job that went to legacy without a pin, on purpose or because the ledger could not be asked; inserted if absent. */
export interface NoteRequest {
  readonly id: string
  readonly epoch: number
  readonly dueAt: number
  readonly reason: DecisionReason
  readonly maxAttempts: number
  readonly group: number
  /** First of its key, in the epoch and on its day; default false. */
  readonly first?: boolean
  readonly producer: string
  /** When the library made the id, ledger time in ms: its run cannot have ended before. Undefined for the caller's own. */
  readonly madeAt?: number
}

export interface CompareRequest {
  readonly id: string
  /** `pair`: primary and shadow. `control`: the run on legacy and the control. */
  readonly which: 'pair' | 'control'
  readonly comparison: Comparison
  /** Of a pair whose runs both took time: the latency buckets of their run times. */
  readonly times?: Readonly<Record<Side, number>>
}

export interface UnpinOptions {
  /** Also a row that another call's pin has met: for whoever asked the backend and found no copy. Default false. */
  readonly evenIfShared?: boolean
}

/** `move`: a job that waits. `force`: also one in doubt, or whose move does not come to its end. `retry`: one that failed. */
export type MoveKind = 'move' | 'force' | 'retry'

/** Protocol, mover 2: the commit point of a move. */
export interface MoveRequest {
  readonly id: string
  /** Generation of the copy that was found; the row goes to `gen + 1`. */
  readonly gen: number
  readonly from: Side
  /** Another side than `from`, but for `force` and `retry`, which may stay where they are. */
  readonly to: Side
  readonly kind: MoveKind
  /** What the destination is to get, in a form that the mover reads again; kept until the job has arrived. */
  readonly payload: string
  /** For this long nobody else goes on with this move. */
  readonly leaseMs: number
  readonly by: string
  /**
   * What to insert when there is no row: of an adopted or unfenced job whose copy was parked before, or of a late copy
   * at an operator's word. Without it an absent row is refused.
   */
  readonly absent?: {
    readonly route: Route
    readonly epoch: number
    readonly dueAt: number
    readonly maxAttempts: number
    readonly fails: number
    readonly adopted: boolean
    readonly fenced: boolean
    /** Default `adopted`, or `ledger-unavailable`. */
    readonly reason?: DecisionReason
  }
}

export type MoveRefusal =
  /** A run holds the row and its lease is not over. */
  | 'busy'
  /** Its lease is over and its effects have begun: nobody knows how far they got. */
  | 'in-doubt'
  /** It waits for another attempt, and an earlier one has begun effects on this side. */
  | 'effects-begun'
  /** It has ended; its copy may go. For `retry`: it did not fail. */
  | 'finished'
  /** The row is of a newer generation than the copy, which may go. */
  | 'generation'
  /** The row is of an older generation than the copy, or of another side: left alone. */
  | 'elsewhere'
  /** Another move is under way. */
  | 'moving'
  /** There is no row and nothing may be inserted. */
  | 'absent'

export type MoveAnswer =
  /** Committed, by this call or an earlier one: enqueue it on the destination as `gen`. */
  | {
      readonly status: 'moving'
      readonly gen: number
      readonly fails: number
      readonly maxAttempts: number
      readonly stamp: RowStamp
    }
  | { readonly status: 'refused'; readonly why: MoveRefusal; readonly leaseUntil?: number }

/** One step of a job's way between sides. */
export interface MoveNote {
  readonly at: number
  readonly kind: MoveKind
  readonly from: Side
  readonly to: Side
  /** The generation that it has since. */
  readonly gen: number
  readonly by: string
}

export type DiscardAnswer = 'discarded' | 'running' | 'finished' | 'absent'

export type CancelAnswer = 'cancelled' | 'running' | 'finished' | 'absent' | 'moving'

export interface RowLedger {
  /**
   * Protocol, producer 2. Also does the first-of-key test and counts the dispatch. The answer `exists` marks a row that
   * was never started as `shared`, also when the call is a repetition: whoever reads `exists` takes nothing back.
   */
  pin(requests: readonly PinRequest[]): Promise<readonly PinAnswer[]>
  /** Takes back pins whose enqueue is known to be refused (row open, generation 0, never started): counts `refused`. */
  unpin(ids: readonly string[], options?: UnpinOptions): Promise<void>
  note(requests: readonly NoteRequest[]): Promise<void>
  claim(requests: readonly ClaimRequest[]): Promise<readonly ClaimAnswer[]>
  /** Protocol, worker 3; false: refused, abort and apply the drop rule. */
  begin(requests: readonly BeginRequest[]): Promise<readonly boolean[]>
  /** Heartbeat; false: the row is no longer held with this token. */
  extend(requests: readonly ExtendRequest[]): Promise<readonly boolean[]>
  /**
   * Lets go of a row without an end of the run, at an orderly close: running with this token → open, the start given
   * back, the fails unchanged. False: it was not held with this token (any more).
   */
  release(requests: readonly BeginRequest[]): Promise<readonly boolean[]>
  finish(requests: readonly FinishRequest[]): Promise<readonly FinishAnswer[]>
  /**
   * Protocol, mover 2. An open verdict is closed as `moved`. From here on the job is counted under `excluded`: no gate
   * judges it.
   */
  move(requests: readonly MoveRequest[]): Promise<readonly MoveAnswer[]>
  /** Protocol, mover 4: moving at this generation → open; false: it was not (it runs already, or has ended). */
  arrive(requests: readonly { readonly id: string; readonly gen: number }[]): Promise<readonly boolean[]>
  /** `MoveRequest.payload` of jobs that are moving; undefined for others. */
  payloads(ids: readonly string[]): Promise<readonly (string | undefined)[]>
  /** The moves of a job, oldest first; kept as long as its row, at least. */
  moves(id: string): Promise<readonly MoveNote[]>
  /** Open → finished(cancelled). */
  cancel(id: string): Promise<CancelAnswer>
  /**
   * As `cancel`, also of a job that moves and of a run whose lease is over (in doubt): an operator's word. `running`: its
   * lease is not over.
   */
  discard(id: string): Promise<DiscardAnswer>
  /** Closes an unfinished row because the backend gave the job up: → finished(backend-failed), keeping `error`. */
  closeFailed(id: string, error: StoredError): Promise<boolean>
  /**
   * Notes on an unfinished row that the sweeper found no copy (`lost` true) or found one again (false). Answers whether
   * this call changed it.
   */
  markLost(id: string, lost: boolean): Promise<boolean>
  row(id: string): Promise<JobRow | undefined>
  /**
   * Unfinished rows, and finished ones with an open verdict, in no order, a page at a time: every such row that exists
   * during the whole scan is returned at least once. `cursor` undefined starts; an answer without `cursor` ends.
   */
  scan(options: { cursor?: string; limit: number }): Promise<{ rows: readonly JobRow[]; cursor?: string }>
  /**
   * Of the finished rows with nothing left to compare those that ended so, in no order, a page at a time; together with
   * the finished ones of `scan` all that are kept. `limit` is about how many rows are looked at: a page may be shorter,
   * or empty, and yet have a `cursor`. A row that ends while the pages are read may be left out.
   */
  settled(options: {
    classes: readonly FinishClass[]
    cursor?: string
    limit: number
  }): Promise<{ rows: readonly JobRow[]; cursor?: string }>
}

export interface PairLedger {
  /** Verdict open and shadow (or control) slot empty → shed. */
  shed(requests: readonly { readonly id: string; readonly which: 'pair' | 'control' }[]): Promise<void>
  /** Both slots and verdict open → compared; false: it was closed already, or a slot is empty. */
  compare(requests: readonly CompareRequest[]): Promise<readonly boolean[]>
  /** Exactly one slot filled, due + deadline + slack passed, verdict open → orphaned. */
  orphan(requests: readonly { readonly id: string; readonly which: 'pair' | 'control' }[]): Promise<readonly boolean[]>
  /** Mismatches kept as samples: newest first, the newest `SAMPLES_KEPT` and at least one of each (path, kind). */
  samples(options?: { id?: string }): Promise<readonly Sample[]>
}

export const SAMPLES_KEPT = 100
/** Distinct (path, kind) groups that are counted by name; further ones are counted together under the path `…`. */
export const DIFFERENCE_GROUPS_KEPT = 1000

export interface Sample {
  readonly id: string
  readonly which: 'pair' | 'control'
  readonly at: number
  readonly epoch: number
  readonly comparison: Comparison
}

// ------------------------------------------------------------------------------------------------------- tallies

/**
 * `job`: every counted job. `key`: only the first of its key in the epoch; `key-day`: the first of its key in the epoch
 * and on the UTC day of its due time; `key` is a part of `key-day`, and that of `job`. `excluded`: jobs that no gate judges
 * (adopted, unflagged, moved). `late`: written after the bucket was closed. Reports sum `job`, `excluded` and `late`.
 */
export type Family = 'job' | 'key' | 'key-day' | 'excluded' | 'late'

/** `family/measure`, e.g. `job/ok.target`; the measures are listed in `measures.ts`. */
export type CountKey = `${Family}/${string}`

/**
 * How a ledger files: each increment once. `of-key` is read as `key`, `key-day` and `job`; `of-day` as `key-day` and
 * `job`; `again` as `job` (`families.ts`).
 */
export type StoredFamily = 'again' | 'of-day' | 'of-key' | 'excluded' | 'late'
export type StoredKey = `${StoredFamily}/${string}`

export interface TallyBucket {
  readonly epoch: number
  /** Start of the bucket of due time, and its width: rolled-up buckets are wider. */
  readonly start: number
  readonly widthMs: number
  readonly counts: Readonly<Record<CountKey, number>>
}

/**
 * Latency histograms: name `run.primary.legacy`, `run.shadow.target`, `run.control.legacy`, `wait.legacy`, … → bucket →
 * n. No outcome is in two of them that have the same name.
 */
export interface Histogram {
  readonly epoch: number
  readonly name: string
  readonly family: StoredFamily
  /** Of closed tally buckets; a gate reads no other. */
  readonly closed: boolean
  readonly counts: ReadonlyMap<number, number>
}

/** Run times of complete pairs in closed buckets, as `ports/pair-times.ts` counts them; ignored pairs are not among them. */
export interface PairTimes extends Readonly<Record<PairMeasure, DifferenceArray>> {
  readonly epoch: number
  readonly family: StoredFamily
  readonly ratio: number
  /** Legacy's bucket → n. */
  readonly legacy: ReadonlyMap<number, number>
}

/** Width of what `RecentCounts` are counted in. */
export const RECENT_MS = 60_000
/** How long they are kept. */
export const RECENT_KEPT_MS = 3_600_000

/**
 * What gates without a watermark read, by the minute in which it happened: primaries that ended (`settled.SIDE`), those
 * that failed (`failed.SIDE`, on target also `failed.group.N` by key group), and how long copies on target waited for
 * their first attempt (`wait.N`, N a wait class of `vocabulary/latency.ts`). Only of jobs that gates judge.
 */
export interface RecentCounts {
  readonly epoch: number
  readonly start: number
  readonly counts: Readonly<Record<string, number>>
}

/** Differences grouped over pairs of one kind; `path` has `*` for array positions. */
export interface DifferenceGroup {
  readonly epoch: number
  readonly which: 'pair' | 'control'
  readonly path: string
  readonly kind: Difference['kind']
  /** Pairs in which this group occurs at least once. */
  readonly pairs: number
  readonly example: { readonly id: string; readonly legacy?: Json; readonly target?: Json }
}

export interface Gauges {
  /** Rows in state open, by the side on which they wait (delayed ones too). */
  readonly waiting: Readonly<Record<Side, number>>
  readonly running: Readonly<Record<Side, number>>
  readonly moving: number
  /** Running, lease over, effects begun. */
  readonly inDoubt: Readonly<Record<Side, number>>
  /** Unfinished and marked lost. */
  readonly lost: Readonly<Record<Side, number>>
  /** Unfinished and past due + deadline. */
  readonly overdue: number
  /** Verdict open. */
  readonly pairsOpen: number
  readonly controlsOpen: number
  /**
   * When the oldest job that waits on target for its first run was due, in whole seconds; null: none waits. Moved jobs
   * do not count, and it may lie ahead.
   */
  readonly oldestReadyAt: number | null
}

/** Everything that a gate or a report reads, from one consistent read. */
export interface Snapshot {
  readonly now: number
  readonly control: ControlState
  readonly settings: LedgerSettings
  readonly epochs: readonly EpochRecord[]
  readonly buckets: readonly TallyBucket[]
  readonly histograms: readonly Histogram[]
  readonly pairTimes: readonly PairTimes[]
  readonly recent: readonly RecentCounts[]
  readonly differences: readonly DifferenceGroup[]
  readonly gauges: Gauges
}

export interface TallyLedger {
  /** All epochs, or one. */
  snapshot(options?: { epoch?: number }): Promise<Snapshot>
  /** Adds to counters that belong to no row (`unrecorded`, …), in the bucket of now, family `excluded`. */
  bump(measure: string, n: number): Promise<void>
  /** Merges closed buckets older than an hour into hours, older than two days into days; frees what retention allows. */
  compact(): Promise<{ merged: number; purged: number }>
}

// ------------------------------------------------------------------------------------------------------- control

/** A stretch of time with the same dials and versions. */
export interface EpochRecord {
  readonly epoch: number
  readonly startedAt: number
  readonly dials: Dials
  readonly flagRevision: string
  /** Handler versions. */
  readonly versions: Readonly<Partial<Record<Side, string>>>
  /** Fingerprint of what else changes the meaning of counts: deadline, compare rules, plan. */
  readonly rules: string
  /** Latency ratios that the plan's gates ask for; default `DEFAULT_RATIOS`. */
  readonly ratios?: readonly number[]
  readonly latched: boolean
  readonly by: string
}

export interface ControlState {
  readonly now: number
  readonly latch: {
    readonly set: boolean
    readonly revision: number
    readonly by?: string
    readonly why?: string
    readonly at?: number
  }
  /** Highest target share allowed, 0 to 1; 1 while no plan is being driven. */
  readonly ceiling: number
  /** Share of the shadowed jobs that also get a control. */
  readonly controlShare: number
  /** Epoch 0 is the time before the first one was opened. */
  readonly epoch: EpochRecord
  /** `driven`: a plan's controller alone turns the dials and opens epochs for them. */
  readonly drive: { readonly revision: number; readonly driven: boolean }
}

/** What the controller of a plan remembers from one step to the next. */
export interface DriveState {
  /** One more with every change; 0: no plan was ever driven. */
  readonly revision: number
  readonly driven: boolean
  /** The controller's own form; null: none yet. */
  readonly record: Json
}

/** One step of a controller: all of it, or nothing. */
export interface DriveRequest {
  /** What the step was decided from: if any of it has changed meanwhile, nothing is done. */
  readonly expect: { readonly drive: number; readonly latch: number }
  /** A name for this step; the same step repeated is done once. */
  readonly token: string
  readonly driven: boolean
  readonly record: Json
  readonly by: string
  readonly ceiling?: number
  readonly controlShare?: number
  /** Sets the latch too, and opens its epoch. */
  readonly latch?: { readonly why: string }
  /** Opens an epoch, if `expect` is the current one; else nothing of the step is done. */
  readonly epoch?: Omit<EpochRequest, 'by' | 'driven'>
  readonly audit: readonly { readonly action: string; readonly why?: string; readonly data: Json }[]
}

export interface DriveAnswer {
  readonly done: boolean
  /** After the call, whoever won. */
  readonly control: ControlState
  readonly drive: DriveState
}

export interface EpochRequest {
  /** The number of the current epoch. */
  readonly expect: number
  readonly dials: Dials
  readonly flagRevision: string
  readonly versions: Readonly<Partial<Record<Side, string>>>
  readonly rules: string
  readonly ratios?: readonly number[]
  readonly by: string
  /**
   * Whether the caller believes that a plan is driven; where it is wrong, nothing is opened. So a process that has not
   * heard of the controller yet opens no epoch for the dials that the controller turns. Default false.
   */
  readonly driven?: boolean
}

export interface ControlLedger {
  control(): Promise<ControlState>
  /**
   * Sets or clears the latch; also opens an epoch (`latched`) and writes the audit entry, in one transaction. While a plan
   * is driven, setting it also lowers the ceiling to 0: what a controller that was asleep writes into the flag later
   * stays without effect.
   */
  setLatch(request: { set: boolean; by: string; why?: string }): Promise<ControlState>
  setCeiling(request: { ceiling: number; by: string; why?: string }): Promise<ControlState>
  setControlShare(request: { share: number; by: string; why?: string }): Promise<ControlState>
  /** Compare-and-set on the number of the current epoch; answers the state after the call, whoever won. */
  openEpoch(request: EpochRequest): Promise<ControlState>
  /** What the controller of the plan last left. */
  driveState(): Promise<DriveState>
  /** Compare-and-set on the revisions of the drive and of the latch. */
  drive(request: DriveRequest): Promise<DriveAnswer>
}

/** What a live process tells of itself about one migration. */
export interface Presence {
  /** Unique for the life of the process and migration handle: a short random text. */
  readonly instance: string
  readonly pid: number
  readonly host: string
  readonly startedAt: number
  /** Handler versions by the sides whose queue this process works on. */
  readonly works: Readonly<Partial<Record<Side, string>>>
  /** Sides whose shadow queue it works on. */
  readonly shadows: readonly Side[]
  readonly produces: boolean
  /** It is the controller of the plan, or waits to become it. */
  readonly drives?: boolean
  readonly flagRevision: string
  readonly flagHealth: string
  readonly latchRevision: number
  /** Enqueues that were pinned and not yet answered by the backend. */
  readonly inFlight: number
  /** Every pin of this instance made before this time (ledger clock) has been answered by the backend. */
  readonly confirmedBefore: number
  /** Its own clock minus the ledger's, ms. */
  readonly skewMs: number
  /** What is wrong with the flag and the way to it, as this process sees it. Absent in heartbeats of older versions. */
  readonly flagDoubts?: readonly SeenDoubt[]
  /** Decisions of this process that went to legacy as the job's key was empty. Absent: none, or an older version. */
  readonly emptyKeys?: EmptyKeys
}

/** Of a process: a finding of its flag source. */
export interface SeenDoubt {
  /** `FlagFinding.id`, e.g. `stale`. */
  readonly id: string
  /** The first heartbeat in a row that told of it, ledger clock. */
  readonly since: number
}

export interface EmptyKeys {
  /** Since the process started. */
  readonly times: number
  /** The last one, ledger clock. */
  readonly last: number
}

export interface PresenceRecord extends Presence {
  readonly at: number
  /** No heartbeat for longer than `PRESENCE_TTL_MS`, or closed. */
  readonly gone: boolean
}
export const PRESENCE_TTL_MS = 5000
/** A clock that moved further than this against another one was set. */
export const CLOCK_JUMP_MS = 10_000

export interface PresenceLedger {
  /** Heartbeat; answers the control state, so that one call a second keeps a process current. */
  beat(presence: Presence): Promise<ControlState>
  /** The last heartbeat of a process that closes in order. */
  leave(presence: Presence): Promise<void>
  /** Live ones and those gone for less than the retention. */
  presence(): Promise<readonly PresenceRecord[]>
  /** Held by `holder` for `ttlMs` from now if it is free, over, or already its own. */
  acquireLease(name: string, holder: string, ttlMs: number): Promise<{ held: boolean; holder: string; until: number }>
  releaseLease(name: string, holder: string): Promise<void>
}

// --------------------------------------------------------------------------------------------------------- audit

export interface AuditEntry {
  readonly at: number
  /** `user@host` or what `--by` said. */
  readonly by: string
  /** What was done, e.g. `latch`, `unlatch`, `flag-set`, `ceiling`, `epoch`, `discard`. */
  readonly action: string
  readonly why?: string
  readonly data: Json
}

export interface AuditLedger {
  /** Appends; never changed, never removed. */
  audit(entry: Omit<AuditEntry, 'at'>): Promise<void>
  /** Newest first. */
  history(options?: { limit?: number }): Promise<readonly AuditEntry[]>
}

// -------------------------------------------------------------------------------------------------------- probes

export interface ProbeLedger {
  /** Keeps what a probe found. The same round, server and place again replaces it, as its worker ends what it began. */
  noteProbe(probe: ProbeRecord): Promise<void>
  /** Of each server and place the newest `PROBES_KEPT`, newest last; sorted by server and place. */
  probes(): Promise<readonly StoredProbe[]>
}

// --------------------------------------------------------------------------------------------------- the whole

/** The ledger of one migration. */
export interface MigrationLedger
  extends RowLedger,
    PairLedger,
    TallyLedger,
    ControlLedger,
    PresenceLedger,
    AuditLedger,
    ScheduleLedger,
    DrainLedger,
    ProbeLedger {
  readonly migration: string
  /** Undefined, or answers undefined, where it is no server that a queue could be on. */
  readonly endScript?: () => Promise<EndScript | undefined>
}

export interface LedgerFact {
  readonly name: string
  readonly value: string
  readonly status: 'ok' | 'warn' | 'bad'
  readonly advice?: string
}

export interface Ledger {
  readonly kind: string
  /**
   * Names the store whose transactions this ledger shares: calls to a queue with the same `store` that are made in the
   * same tick are committed together, or not at all. Undefined: it shares with nobody.
   */
  readonly store?: string | undefined
  /** Connects, creates or migrates what is stored. `ledger-unavailable`, `ledger-schema`, `adapter-missing`. */
  open(): Promise<void>
  /** The handle of a migration; needs `open` first. Cheap; the same settings give the same handle. */
  migration(name: string, settings: LedgerSettings): MigrationLedger
  /** Migrations ever seen in this namespace. */
  migrations(): Promise<readonly string[]>
  /** The ledger's clock and the round trip. */
  ping(): Promise<{ now: number; roundTripMs: number }>
  /** For `doctor`: version, durability, eviction policy, persistence, disk. */
  facts(): Promise<readonly LedgerFact[]>
  close(): Promise<void>
}

export interface LedgerContext {
  /** In every key. */
  readonly namespace: string
}

/** What a configuration holds: importing it opens nothing. */
export interface LedgerSpec {
  readonly kind: string
  create(context: LedgerContext): Ledger
}
