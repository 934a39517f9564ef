// What a report says of the course of things: over time, moved, drained.

import type { Side } from '../vocabulary/job.ts'

/** What was due within `widthMs` from `at` on. */
export interface TimelinePoint {
  readonly at: string
  readonly widthMs: number
  readonly sides: Readonly<
    Record<
      Side,
      {
        readonly enqueued: number
        readonly done: number
        readonly failed: number
        /** Jobs not finished, the mean over the sweeper's looks in this time; null where it did not look. */
        readonly backlog: number | null
        /** For how long the job was due that had waited longest for its first start, ms; the mean over the same looks. */
        readonly oldestMs: number | null
      }
    >
  >
  readonly compared: number
  readonly mismatched: number
}

/** What was known at `at`, of everything compared until then. */
export interface EvidencePoint {
  readonly at: string
  readonly units: number
  readonly mismatched: number
  readonly lower: number
  readonly upper: number
}

/** One pass of `cutover move`, or of a rollback. */
export interface MoveReport {
  readonly at: string
  readonly by: string
  readonly why: string | null
  readonly from: Side | null
  readonly to: Side | null
  readonly moved: number
  /** Copies of jobs that had ended or been moved before; removed. */
  readonly stale: number
  /** Committed, and not known to have arrived when the pass ended; the sweeper goes on with them. */
  readonly pending: number
  readonly left: readonly { readonly reason: string; readonly jobs: number }[]
  /** False: ended before everything was looked at. */
  readonly complete: boolean
}

/** Is a side empty? As `cutover status` and `cutover finish` saw it; the report asks no queue. */
export interface DrainReport {
  /** Rows that wait, run or move there. */
  readonly unfinished: number
  /** Seen empty, and nothing was sent there since; null: not seen so, or no longer. */
  readonly emptySince: string | null
  /** For how long a side has to be empty; null without the configuration. */
  readonly windowMs: number | null
  readonly drained: boolean | null
}
