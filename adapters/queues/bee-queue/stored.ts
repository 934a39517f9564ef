// What does a record of bee-queue say about its job? Retries count down in it and the pause doubles, so that it tells
// what remains, not what was asked for.

import type { QueuePlace, StoredJob } from '../../../src/ports/queue.ts'
import type { Backoff } from '../../../src/vocabulary/job.ts'
import { countIn, fieldsOf } from '../../stored-fields.ts'
import { DEFERRED } from './settle.ts'

/** As it should be; whoever wrote it, each field may be anything. */
interface BeeRecord {
  readonly data?: unknown
  readonly options?: unknown
}
interface BeeBackoff {
  readonly strategy?: unknown
  readonly delay?: unknown
  readonly before?: unknown
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
  const options = fieldsOf(parsed.options)
  const stacks = Array.isArray(options['stacktraces']) ? (options['stacktraces'] as unknown[]) : []
  const attemptsMade = stacks.filter((stack) => stack !== DEFERRED).length
  const timestamp = countIn(options['timestamp'])
  const backoff = backoffIn(options['backoff'])
  return {
    backendId,
    place,
    data: parsed.data,
    runAt: due === '' ? Math.max(timestamp, countIn(options['delay'])) : Number(due),
    ...(timestamp > 0 ? { enqueuedAt: timestamp } : {}),
    attempts: attemptsMade + countIn(options['retries']) + (place === 'failed' && attemptsMade > 0 ? 0 : 1),
    attemptsMade,
    ...(backoff === undefined ? {} : { backoff }),
    // A run that stalled leaves no trace.
    neverStarted: stacks.length > 0 ? false : undefined,
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
function backoffIn(stored: unknown): Backoff | undefined {
  const { strategy, delay, before } = fieldsOf(stored) as BeeBackoff
  if (before !== undefined) return backoffIn(before)
  const delayMs = countIn(delay)
  if (delayMs === 0) return undefined
  if (strategy === 'exponential') return { delayMs }
  return strategy === 'fixed' ? { delayMs, fixed: true } : undefined
}
