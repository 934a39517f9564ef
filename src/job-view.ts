// A job as people ask after it: one word for where it is, and the numbers behind.

import type { JobRow } from './ports/ledger.ts'
import { isInDoubt } from './ports/row-rules.ts'
import type { DecisionReason, Route, Side } from './vocabulary/job.ts'
import type { StoredError } from './vocabulary/outcome.ts'

export type JobState =
  | 'waiting'
  | 'delayed'
  | 'running'
  | 'in-doubt'
  | 'moving'
  | 'lost'
  | 'done'
  | 'failed'
  | 'cancelled'

export interface JobView {
  readonly id: string
  readonly state: JobState
  readonly side: Side
  readonly route: Route
  readonly reason: DecisionReason
  readonly epoch: number
  readonly generation: number
  readonly attempts: { readonly failed: number; readonly started: number; readonly most: number }
  readonly effectsBegun: boolean
  /** ms since 1970 on the ledger's clock, as are the others. */
  readonly enqueuedAt: number
  readonly dueAt: number
  readonly startedAt?: number
  readonly finishedAt?: number
  readonly comparison: string
  readonly control: string
  readonly error?: StoredError
}

export function viewJob(row: JobRow, now: number): JobView {
  const error = row.slots.primary?.error
  return {
    id: row.id,
    state: stateOf(row, now),
    side: row.side,
    route: row.stamp.route,
    reason: row.stamp.reason,
    epoch: row.stamp.epoch,
    generation: row.gen,
    attempts: { failed: row.fails, started: row.starts, most: row.maxAttempts },
    effectsBegun: row.effectsBegun,
    enqueuedAt: row.pinnedAt,
    dueAt: row.stamp.dueAt,
    ...(row.startedAt === undefined ? {} : { startedAt: row.startedAt }),
    ...(row.finishedAt === undefined ? {} : { finishedAt: row.finishedAt }),
    comparison: row.verdict,
    control: row.controlVerdict,
    ...(error === undefined ? {} : { error }),
  }
}

function stateOf(row: JobRow, now: number): JobState {
  if (row.state === 'finished') return row.class === 'ok' ? 'done' : row.class === 'cancelled' ? 'cancelled' : 'failed'
  if (row.lostAt !== undefined) return 'lost'
  if (isInDoubt(row, now)) return 'in-doubt'
  if (row.state !== 'open') return row.state
  return row.stamp.dueAt > now ? 'delayed' : 'waiting'
}
