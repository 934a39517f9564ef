// What becomes of one run in BullMQ: how a delivery is read from a job, and how a disposition is turned into what a
// worker's processor must return or throw.

import type { Job } from 'bullmq'
import type { Delivery, Disposition } from '../../../src/ports/queue.ts'
import { asError, jsonResult } from '../../queue-support.ts'
import { parkNote } from '../../redis-park.ts'
import { fromJobId } from './keys.ts'

export type BullJob = Job<unknown, unknown, string>

/** What a settled run needs of the queue's own connection. */
export interface Settler {
  parkRunning(jobId: string, token: string, note: string): Promise<unknown>
  /** Keeps the number of failed jobs bounded. */
  failed(jobId: string): Promise<unknown>
  /** The classes of errors that BullMQ gives a meaning of their own. */
  readonly meaningful: readonly (abstract new (
    ...args: never[]
  ) => unknown)[]
}

export class BullDelivery implements Delivery<BullJob> {
  readonly backendId: string
  readonly data: unknown
  readonly attempt: number
  readonly attempts: number
  readonly enqueuedAt: number
  readonly native: BullJob
  readonly acksJointly: boolean

  constructor(job: BullJob, acksJointly = false) {
    this.backendId = fromJobId(job.id ?? '')
    this.data = job.data
    this.attempt = job.attemptsMade + 1
    this.attempts = Math.max(1, job.opts.attempts ?? 1)
    this.enqueuedAt = job.timestamp
    this.native = job
    this.acksJointly = acksJointly
  }

  async progress(value: unknown): Promise<void> {
    await this.native.updateProgress(value as object)
  }
}

/** Errors that BullMQ gives a meaning: no further attempt, the job was moved already, the queue rests. */
export const MEANINGFUL = [
  ...(['UnrecoverableError', 'RateLimitError', 'DelayedError'] as const),
  ...(['WaitingError', 'WaitingChildrenError'] as const),
]
const NAMES: ReadonlySet<string> = new Set(MEANINGFUL)
/** One more is known by its message, whatever its class. */
const RATE_LIMIT = 'bullmq:rateLimitExceeded'

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
      throw thrown(disposition.error, disposition.retry, settler.meaningful)
    case 'defer':
      // Where this fails the lock is lost or the server is away: the job stalls or runs elsewhere, no attempt is spent.
      await job.moveToDelayed(Date.now() + Math.max(0, Math.ceil(disposition.delayMs)), token).catch(() => {})
      throw named('DelayedError', 'deferred by cutover')
    case 'park': {
      await settler.parkRunning(job.id ?? '', token, parkNote(disposition.reason)).catch(() => {})
      throw named('WaitingError', 'parked by cutover')
    }
  }
}

/** What a handler throws says nothing to BullMQ: whether there is another attempt is said by the disposition alone. */
function thrown(error: unknown, retry: boolean, meaningful: Settler['meaningful']): Error {
  const real = asError(error)
  const special = real.message === RATE_LIMIT || hasMeaning(real, meaningful)
  if (retry && !special) return real
  const final = named(retry ? 'Error' : 'UnrecoverableError', special ? `${real.name}: ${real.message}` : real.message)
  if (real.stack !== undefined) final.stack = real.stack
  final.cause = error
  return final
}

/** By class, by name, and by the names of its classes: the handler's BullMQ may be another copy than the adapter's. */
function hasMeaning(error: Error, meaningful: Settler['meaningful']): boolean {
  if (NAMES.has(error.name) || meaningful.some((one) => error instanceof one)) return true
  for (let of = Object.getPrototypeOf(error); of !== null && of !== Error.prototype; of = Object.getPrototypeOf(of)) {
    if (NAMES.has(of.constructor?.name)) return true
  }
  return false
}

function named(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  return error
}
