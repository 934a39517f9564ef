// What becomes of one run in BullMQ: how a delivery is read from a job, and how a disposition is turned into what a
// worker's processor must return or throw.

import type { Job } from 'bullmq'
import type { Delivery, Disposition } from '../../../src/ports/queue.ts'
import { asError, jsonResult, parkNote } from '../../queue-support.ts'
import { fromJobId } from './scripts.ts'

export type BullJob = Job<unknown, unknown, string>

/** What a settled run needs of the queue's own connection. */
export interface Settler {
  park(jobId: string, token: string, note: string): Promise<unknown>
  /** Keeps the number of failed jobs bounded. */
  failed(jobId: string): Promise<unknown>
}

export class BullDelivery implements Delivery<BullJob> {
  readonly backendId: string
  readonly data: unknown
  readonly attempt: number
  readonly attempts: number
  readonly enqueuedAt: number
  readonly native: BullJob

  constructor(job: BullJob) {
    this.backendId = fromJobId(job.id ?? '')
    this.data = job.data
    this.attempt = job.attemptsMade + 1
    this.attempts = Math.max(1, job.opts.attempts ?? 1)
    this.enqueuedAt = job.timestamp
    this.native = job
  }

  async progress(value: unknown): Promise<void> {
    await this.native.updateProgress(value as object)
  }
}

/** BullMQ knows these by name: the job was moved already, leave it alone. */
const MOVED = new Set(['DelayedError', 'WaitingError', 'WaitingChildrenError'])

/** Resolves or rejects as the processor of a worker must. */
export async function settle(
  delivery: Delivery<BullJob>,
  token: string,
  disposition: Disposition,
  settler: Settler,
): Promise<unknown> {
  const job = delivery.native
  switch (disposition.kind) {
    case 'ack':
      return jsonResult(disposition.result)
    case 'fail':
      // The bound is a courtesy to the store: that it cannot be kept now must not change how the job ends.
      if (!disposition.retry || delivery.attempt >= delivery.attempts)
        await settler.failed(job.id ?? '').catch(() => {})
      throw thrown(disposition.error, disposition.retry)
    case 'defer':
      // Where this fails the lock is lost or the server is away: the job stalls or runs elsewhere, no attempt is spent.
      await job.moveToDelayed(Date.now() + Math.max(0, Math.ceil(disposition.delayMs)), token).catch(() => {})
      throw named('DelayedError', 'deferred by cutover')
    case 'park': {
      const backoffMs = typeof job.opts.backoff === 'object' ? job.opts.backoff.delay : undefined
      const note = parkNote(delivery, disposition.reason, { priority: job.priority, backoffMs })
      await settler.park(job.id ?? '', token, note).catch(() => {})
      throw named('WaitingError', 'parked by cutover')
    }
  }
}

function thrown(error: unknown, retry: boolean): Error {
  const real = asError(error)
  if (retry && !MOVED.has(real.name)) return real
  const final = named(retry ? 'Error' : 'UnrecoverableError', real.message)
  if (real.stack !== undefined) final.stack = real.stack
  final.cause = error
  return final
}

function named(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  return error
}
