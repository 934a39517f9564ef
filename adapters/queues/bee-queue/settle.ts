// What becomes of one run in bee-queue, whose every run ends in its finish script: how a delivery is read from a job, and
// how a disposition is turned into what `process` must return or throw.

import type { Delivery, Disposition } from '../../../src/ports/queue.ts'
import { asError, jsonResult } from '../../queue-support.ts'
import { parkNote } from '../../redis-park.ts'
import type { BeeJob } from './library.ts'

/** Stands among the stored stacks for a run that was put back: at most once, and it is no spent attempt. */
export const DEFERRED = 'deferred by cutover'
const DEFER_STRATEGY = 'cutover-defer'

interface BeeOptions {
  retries?: number
  timestamp?: number
  stacktraces?: string[]
  backoff?: { strategy: string; delay?: number; before?: BeeOptions['backoff'] }
}

/** What a settled run needs of the queue's own connection. */
export interface Settler {
  parkRunning(id: string, note: string): Promise<unknown>
  /** Keeps the number of failed jobs bounded. */
  failed(id: string): Promise<unknown>
}

export class BeeDelivery implements Delivery<BeeJob> {
  readonly backendId: string
  readonly data: unknown
  readonly attempt: number
  readonly attempts: number
  readonly enqueuedAt?: number
  readonly native: BeeJob

  constructor(job: BeeJob) {
    const options = job.options as BeeOptions
    this.backendId = String(job.id)
    this.data = job.data
    // bee-queue counts retries down and keeps no number of attempts; a stack for each failed one it keeps.
    const stacks = options.stacktraces ?? []
    this.attempt = stacks.length === 0 ? 1 : stacks.filter((stack) => stack !== DEFERRED).length + 1
    this.attempts = this.attempt + (options.retries ?? 0)
    if (options.timestamp !== undefined) this.enqueuedAt = options.timestamp
    this.native = job
  }

  async progress(value: unknown): Promise<void> {
    await this.native.reportProgress(value)
  }
}

/** Resolves or rejects as the handler of `process` must. */
export async function settle(delivery: Delivery<BeeJob>, disposition: Disposition, settler: Settler): Promise<unknown> {
  const job = delivery.native
  const options = job.options as BeeOptions
  switch (disposition.kind) {
    case 'ack':
      return jsonResult(disposition.result)
    case 'fail':
      if (!disposition.retry) options.retries = 0
      // The bound is a courtesy to the store: that it cannot be kept now must not change how the job ends.
      if ((options.retries ?? 0) === 0) await settler.failed(delivery.backendId).catch(() => {})
      throw asError(disposition.error)
    case 'defer':
      throw deferral(job, options, disposition.delayMs)
    case 'park': {
      try {
        await settler.parkRunning(delivery.backendId, parkNote(disposition.reason))
      } finally {
        // The record is in the park list, or still among the running ones and stalls there. In both cases bee-queue's
        // finish script must find nothing to finish: it removes whatever has the job's id, a newer run included.
        job.id = `${delivery.backendId}.parked`
      }
      return undefined
    }
  }
}

/**
 * Puts a job back without spending an attempt: one retry more, and a strategy that restores the job's own backoff in the
 * moment in which bee-queue asks it for the pause.
 */
function deferral(job: BeeJob, options: BeeOptions, delayMs: number): Error {
  job.queue.backoffStrategies.set(DEFER_STRATEGY, restore)
  options.retries = (options.retries ?? 0) + 1
  options.stacktraces = (options.stacktraces ?? []).filter((stack) => stack !== DEFERRED)
  options.backoff = { strategy: DEFER_STRATEGY, delay: Math.max(0, Math.ceil(delayMs)), before: options.backoff }
  const error = new Error(DEFERRED)
  error.stack = DEFERRED
  return error
}

function restore(job: BeeJob): number {
  const options = job.options as BeeOptions
  const { delay, before } = options.backoff ?? {}
  if (before === undefined) delete options.backoff
  else options.backoff = before
  return delay ?? 0
}
