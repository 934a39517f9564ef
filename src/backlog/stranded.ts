// Jobs whose worker is gone while their queue still counts them as running: with nobody left on that side, no queue would
// ever hand them out again. The row says that they may be moved, and their payload is read from the copy that is left.

import type { JobRow, MigrationLedger } from '../ports/ledger.ts'
import type { Queue, StoredJob } from '../ports/queue.ts'
import type { Side } from '../vocabulary/job.ts'
import { backendIdOfRow } from './backend-id.ts'

const PAGE = 500

/**
 * Pages of copies that their queue has as running and that no run holds: its lease is over and no effect has begun, or,
 * on a side without workers, an attempt failed and its worker died before it could say so to the queue.
 */
export async function* strandedJobs(
  side: Side,
  queue: Queue,
  ledger: MigrationLedger,
  hasWorkers: boolean,
): AsyncGenerator<readonly StoredJob[]> {
  let cursor: string | undefined
  do {
    const page = await ledger.scan({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
    const { now } = await ledger.control()
    const found: StoredJob[] = []
    for (const row of page.rows) {
      if (row.side !== side || !isStranded(row, now, hasWorkers)) continue
      const job = await queue.read(backendIdOfRow(row))
      if (job?.place === 'running') found.push(job)
    }
    if (found.length > 0) yield found
    cursor = page.cursor
  } while (cursor !== undefined)
}

function isStranded(row: JobRow, now: number, hasWorkers: boolean): boolean {
  if (row.state === 'running') return row.leaseUntil <= now && !row.effectsBegun
  return row.state === 'open' && row.startedAt !== undefined && !hasWorkers
}
