// Goes on with moves whose mover died: the sweeper's part of docs/protocol.md, mover.
//
// A row that moves → enqueue, arrive, drop the source's copy. A copy that is parked for a move that was not committed →
// the commit, or back to waiting where nobody works on the other side or the latch forbids it.

import type { JobRow, MigrationLedger } from '../ports/ledger.ts'
import type { Queue } from '../ports/queue.ts'
import { otherSide, SIDES, type Side } from '../vocabulary/job.ts'
import type { Mover } from './move.ts'
import { lookAt, type MovableCopy } from './move-job.ts'

export interface Recovered {
  /** Moves that were brought to their end. */
  readonly moved: number
  /** Copies that were put back to waiting. */
  readonly returned: number
}

/** Rows whose move is nobody's any more. */
export function isAbandoned(row: JobRow, now: number): boolean {
  return row.state === 'moving' && row.leaseUntil <= now
}

/** Rows that {@link isAbandoned}. Rejects when a side cannot be reached: they stay as they are. */
export async function recoverRows(rows: readonly JobRow[], ledger: MigrationLedger, mover: Mover): Promise<number> {
  let arrived = 0
  for (const side of SIDES) {
    const here = rows.filter((row) => row.side === side)
    if (here.length === 0) continue
    const payloads = await ledger.payloads(here.map(({ id }) => id))
    const jobs = here.flatMap((job, at) => {
      const payload = payloads[at]
      return payload === undefined ? [] : [{ job, payload }] // it has arrived since it was read
    })
    arrived += jobs.length - (await mover.deliver(jobs, side))
  }
  return arrived
}

/** Copies on this side that a mover parked longer ago than it may take. */
export async function recoverParked(
  side: Side,
  queue: Queue,
  ledger: MigrationLedger,
  mover: Mover,
): Promise<Recovered> {
  const { latch, epoch } = await ledger.control()
  const to = otherSide(side)
  const forward = !(latch.set && to === 'target') && (await mover.hasWorkers(to))
  let [moved, returned] = [0, 0]
  let cursor: string | undefined
  do {
    const page = await queue.parked({ reasons: ['moving'], ...(cursor === undefined ? {} : { cursor }) })
    cursor = page.cursor
    const old = page.jobs.filter(({ parkedAt }) => parkedAt + mover.leaseMs < page.now)
    const copies = old.flatMap((job): MovableCopy[] => {
      const looked = lookAt(job, side, epoch.epoch)
      return 'copy' in looked ? [looked.copy] : []
    })
    const back = forward ? old.filter(({ backendId }) => !copies.some((copy) => copy.backendId === backendId)) : old
    if (forward && copies.length > 0) moved += (await mover.resume(copies, { from: side, to })).moved
    const returns = await queue.unpark(back.map(({ backendId }) => backendId))
    returned += returns.filter((put) => put).length
  } while (cursor !== undefined)
  return { moved, returned }
}
