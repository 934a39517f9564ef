// What does a record of bee-queue say about its job? Retries count down in it and the pause doubles, so that it tells
// what remains, not what was asked for.

import type { QueuePlace, StoredJob } from '../../../src/ports/queue.ts'
import type { Backoff } from '../../../src/vocabulary/job.ts'
import { DEFERRED } from './settle.ts'

interface BeeRecord {
  readonly data?: unknown
  readonly status?: unknown
  readonly options?: BeeRecordOptions
}
interface BeeRecordOptions {
  readonly timestamp?: number
  readonly delay?: number
  readonly retries?: number
  readonly stacktraces?: readonly unknown[]
  readonly backoff?: BeeBackoff
}
interface BeeBackoff {
  readonly strategy?: string
  readonly delay?: number
  readonly before?: BeeBackoff
}

/** `record` '' where there is none; `due`: its score among the delayed jobs, or ''. */
export function storedJob<P extends QueuePlace>(
  backendId: string,
  place: P,
  record: string,
  due: string,
): StoredJob & { readonly place: P } {
  const parsed = parse(record)
  if (typeof parsed === 'string') {
    const data = record === '' ? undefined : record
    const runAt = Number(due)
    return { backendId, place, data, runAt, attempts: 1, attemptsMade: 0, neverStarted: undefined, damaged: parsed }
  }
  const options = parsed.options ?? {}
  const { timestamp = 0, retries = 0, stacktraces = [], delay = 0 } = options
  const attemptsMade = stacktraces.filter((stack) => stack !== DEFERRED).length
  const backoff = backoffIn(options.backoff)
  return {
    backendId,
    place,
    data: parsed.data,
    runAt: due === '' ? Math.max(timestamp, delay) : Number(due),
    ...(timestamp > 0 ? { enqueuedAt: timestamp } : {}),
    attempts: attemptsMade + retries + (place === 'failed' && attemptsMade > 0 ? 0 : 1),
    attemptsMade,
    ...(backoff === undefined ? {} : { backoff }),
    // A run that stalled leaves no trace.
    neverStarted: stacktraces.length > 0 ? false : undefined,
  }
}

/** A text says what is wrong. */
function parse(record: string): BeeRecord | string {
  if (record === '') return 'its record is missing'
  try {
    const parsed: unknown = JSON.parse(record)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
    return 'its record is no object'
  } catch {
    return 'its record is no JSON'
  }
}

/** Only what the port can say; `before` stands for it while a run that was put back rests. */
function backoffIn(stored: BeeBackoff | undefined): Backoff | undefined {
  const { strategy, delay, before } = stored ?? {}
  if (before !== undefined) return backoffIn(before)
  if (typeof delay !== 'number' || delay <= 0) return undefined
  if (strategy === 'exponential') return { delayMs: delay }
  return strategy === 'fixed' ? { delayMs: delay, fixed: true } : undefined
}
