// From the commit of a move to its end: enqueue on the destination, the ledger's arrival, the copies that are left behind.

import { ENQUEUE_TIMEOUT_MS } from '../config/resolve.ts'
import type { EnqueueAnswer, OutgoingJob, Queue } from '../ports/queue.ts'
import { adoptedId, isOwnBackendId } from '../vocabulary/ids.ts'
import type { Side } from '../vocabulary/job.ts'
import { type MovePayload, movedJob, type UnderWay } from './move-job.ts'
import type { MoverOptions } from './move-types.ts'

/** A copy that was taken out, and what the ledger has committed of it. */
export interface Committed {
  readonly job: UnderWay
  readonly kept: MovePayload
}

/** Steps 3 to 5: from the commit to the end. */
export class Delivery {
  readonly #o: MoverOptions
  readonly #patienceMs: number

  constructor(options: MoverOptions, patienceMs: number = ENQUEUE_TIMEOUT_MS) {
    this.#o = options
    this.#patienceMs = patienceMs
  }

  async deliver(committed: readonly Committed[], to: Side): Promise<{ arrived: number; pending: number }> {
    if (committed.length === 0) return { arrived: 0, pending: 0 }
    const ledger = await this.#o.ledger()
    const now = Date.now()
    const answers = await this.#send(
      await this.#o.queue(to),
      committed.map(({ job, kept }) => movedJob(job, kept, now)),
    )
    const there = committed.filter((_job, at) => isStored(answers[at]))
    await ledger.arrive(there.map(({ job }) => ({ id: job.id, gen: job.gen })))
    await this.#drop(there)
    return { arrived: there.length, pending: committed.length - there.length }
  }

  /** `unknown` → the same again, for a while; what is still unknown or refused then is the sweeper's. */
  async #send(queue: Queue, jobs: readonly OutgoingJob[]): Promise<readonly (EnqueueAnswer | undefined)[]> {
    const answers: (EnqueueAnswer | undefined)[] = [...(await queue.enqueue(jobs))]
    const began = performance.now()
    for (let tries = 0; performance.now() - began < this.#patienceMs; tries++) {
      const open = jobs.flatMap((_job, at) => (isStored(answers[at]) ? [] : [at]))
      if (open.length === 0) break
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 25 * 2 ** tries) * (0.5 + Math.random() / 2)))
      const again = await queue.enqueue(open.map((at) => jobs[at] as OutgoingJob))
      for (const [index, at] of open.entries()) answers[at] = again[index]
    }
    return answers
  }

  /** The copies that are left: parked by a mover, or where an operator has found them. */
  async #drop(there: readonly Committed[]): Promise<void> {
    for (const side of ['legacy', 'target'] as const) {
      const here = there.filter(({ kept }) => kept.source.side === side)
      if (here.length === 0) continue
      const source = await this.#o.queue(side)
      const dropped = await source.dropParked(here.map(({ kept }) => kept.source.backendId))
      const rest: string[] = []
      for (const [at, { job, kept }] of here.entries()) {
        if (dropped[at] !== true && (await this.#isCopyOf(source, job, kept))) rest.push(kept.source.backendId)
      }
      // what a worker finds of an older generation it drops by itself
      if (rest.length > 0) await source.remove(rest)
    }
  }

  /** Old code may have used its id again since: then what is there is another job. */
  async #isCopyOf(source: Queue, { id }: UnderWay, { source: { side, backendId } }: MovePayload): Promise<boolean> {
    if (isOwnBackendId(id, backendId)) return true
    const found = await source.read(backendId)
    return found !== undefined && adoptedId(side, backendId, found.enqueuedAt) === id
  }
}

function isStored(answer: EnqueueAnswer | undefined): boolean {
  return answer?.status === 'accepted' || answer?.status === 'duplicate'
}
