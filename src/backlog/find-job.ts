// Where is this job? Its row in the ledger, and the copy that a backend has of it: waiting, running, failed or parked.

import type { JobRow, MigrationLedger } from '../ports/ledger.ts'
import type { ParkedJob, Queue, StoredJob } from '../ports/queue.ts'
import { openEnvelope } from '../vocabulary/envelope.ts'
import { backendIdOf } from '../vocabulary/ids.ts'
import { type Arm, SIDES, type Side } from '../vocabulary/job.ts'
import { backendIdOfRow } from './backend-id.ts'

export interface Whereabouts {
  readonly ledger: () => Promise<MigrationLedger>
  readonly queue: (side: Side) => Promise<Queue>
  readonly shadowQueue: (side: Side) => Promise<Queue>
}

/** A copy in a park list. */
export interface ParkedCopy {
  readonly side: Side
  /** In the shadow queue of that side. */
  readonly shadow: boolean
  readonly job: ParkedJob
  /** Of the stamp, where it can be read. */
  readonly id?: string
  readonly arm?: Arm
}

export interface Found {
  readonly row?: JobRow
  /** The copy of the row, wherever its backend has it. */
  readonly copy?: StoredJob
  readonly parked?: ParkedCopy
}

/** `id`: of the job, or its backend's. Reads the backends only as far as the row does not say where to look. */
export async function findJob(where: Whereabouts, id: string): Promise<Found> {
  const row = await (await where.ledger()).row(id)
  if (row === undefined) {
    const parked = await findParked(where, id)
    return parked === undefined ? {} : { parked, copy: parked.job }
  }
  const copy = await (await where.queue(row.side)).read(backendIdOfRow(row))
  if (copy === undefined) return { row }
  return isParked(copy) ? { row, copy, parked: parkedCopy(row.side, false, copy) } : { row, copy }
}

function isParked(job: StoredJob): job is ParkedJob {
  return job.place === 'parked'
}

export function parkedCopy(side: Side, shadow: boolean, job: ParkedJob): ParkedCopy {
  const opened = openEnvelope(job.data)
  return { side, shadow, job, ...(opened.kind === 'stamped' ? { id: opened.stamp.id, arm: opened.stamp.arm } : {}) }
}

/** First under the ids that its backend may have for it, then by looking through the park lists. */
async function findParked(where: Whereabouts, id: string): Promise<ParkedCopy | undefined> {
  const names = [id, backendIdOf(id, 0, 'primary'), backendIdOf(id, 0, 'shadow'), backendIdOf(id, 0, 'control')]
  const queues = await Promise.all(
    SIDES.flatMap((side) => [
      where.queue(side).then((queue) => ({ side, shadow: false, queue })),
      where.shadowQueue(side).then((queue) => ({ side, shadow: true, queue })),
    ]),
  )
  for (const { side, shadow, queue } of queues) {
    for (const name of names) {
      const job = await queue.read(name)
      if (job !== undefined && isParked(job)) return parkedCopy(side, shadow, job)
    }
  }
  for (const { side, shadow, queue } of queues) {
    let cursor: string | undefined
    do {
      const page = await queue.parked(cursor === undefined ? {} : { cursor })
      const copies = page.jobs.map((job) => parkedCopy(side, shadow, job))
      const found = copies.find((copy) => copy.id === id || copy.job.backendId === id)
      if (found !== undefined) return found
      cursor = page.cursor
    } while (cursor !== undefined)
  }
  return undefined
}
