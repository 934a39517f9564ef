// What stayed where it was, and why, as a table.

import type { LeftJobs, MoveResult } from '../backlog/move.ts'
import { LEFT_REASONS, type LeftReason } from '../backlog/move-job.ts'
import { formatCount } from '../report/format.ts'
import { columns, foreign, type Pen } from './pen.ts'

/** Empty when nothing stayed. */
export function moveTable({ left, stale, pending }: Pick<MoveResult, 'left' | 'stale' | 'pending'>, pen: Pen): string {
  const rows = (Object.entries(left) as [LeftReason, LeftJobs][]).map(([reason, jobs]) => [
    formatCount(jobs.count),
    pen.style('yellow', reason),
    LEFT_REASONS[reason] + (jobs.why === undefined ? '' : ` (${foreign(jobs.why, 160)})`),
    `e.g. ${jobs.ids
      .slice(0, 2)
      .map((id) => foreign(id, 60))
      .join(', ')}`,
  ])
  const gone = 'copies of jobs that had ended or been moved before; removed'
  const open = 'committed, and their queue has not said that it has them; the sweeper goes on with them'
  return columns(
    [
      ...rows,
      ...(stale === 0 ? [] : [[formatCount(stale), 'stale', gone, '']]),
      ...(pending === 0 ? [] : [[formatCount(pending), pen.style('yellow', 'pending'), open, '']]),
    ],
    '  ',
  )
}
