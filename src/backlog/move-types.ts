// What a mover is told, and what it tells.

import type { MigrationSettings } from '../config/resolve.ts'
import type { MigrationLedger } from '../ports/ledger.ts'
import type { Queue } from '../ports/queue.ts'
import type { Side } from '../vocabulary/job.ts'
import type { LeftReason } from './move-job.ts'

export interface MoverOptions {
  readonly settings: MigrationSettings
  readonly ledger: () => Promise<MigrationLedger>
  readonly queue: (side: Side) => Promise<Queue>
  readonly by: string
}

export interface MoveSelection {
  readonly from: Side
  readonly to: Side
  /** Default: both. */
  readonly only?: 'waiting' | 'delayed'
  /** Only jobs of this key. */
  readonly key?: string
  /** At most so many. */
  readonly limit?: number
}

export interface LeftJobs {
  readonly count: number
  /** A few of them. */
  readonly ids: readonly string[]
  /** What was said of one of them, where more is known. */
  readonly why?: string
}

export interface MoveResult {
  readonly from: Side
  readonly to: Side
  readonly moved: number
  /** Copies of jobs that had ended or been moved before; removed. */
  readonly stale: number
  /** Committed, and not known to have arrived: the sweeper goes on with them. */
  readonly pending: number
  readonly left: Readonly<Partial<Record<LeftReason, LeftJobs>>>
  /** False: ended before everything was looked at, by `limit` or `signal`. */
  readonly complete: boolean
}

export interface MoveProgress {
  readonly moved: number
  readonly left: number
  /** Waiting and delayed on the source when the pass began. */
  readonly total: number
}

export interface PassOptions extends MoveSelection {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: MoveProgress) => void
}
