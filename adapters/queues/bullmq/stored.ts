// What does a record of BullMQ say about its job, and what keeps it where it is?

import type { QueuePlace, StoredJob } from '../../../src/ports/queue.ts'
import type { Backoff } from '../../../src/vocabulary/job.ts'
import { countIn, fieldsOf } from '../../stored-fields.ts'
import { fromJobId } from './keys.ts'

type Field = string | null | undefined

/** As the scripts give it: `due` in ms or '', `flow` above 0 for a parent, then fields of the job's hash. */
export type BullRecord = readonly [
  ...[id: string, due: string, flow: number, name: Field, data: Field, opts: Field, timestamp: Field, delay: Field],
  ...[priority: Field, made: Field, started: Field, parent: Field, schedule: Field, failing: Field],
]

/** Highest number that every backend takes; BullMQ's own goes one further. */
const LAST_PRIORITY = 2_097_151

export function storedJob<P extends QueuePlace>(record: BullRecord, place: P): StoredJob & { readonly place: P } {
  const [id, due, , , data, , timestamp, delay, priority, made, started] = record
  const backendId = fromJobId(id)
  const { parsed, options, damaged } = contents(record)
  const attemptsMade = countIn(made)
  const enqueuedAt = countIn(timestamp)
  const backoff = backoffIn(options['backoff'], attemptsMade)
  const held = heldBy(record)
  return {
    backendId,
    place,
    data: damaged === undefined ? parsed : (data ?? undefined),
    runAt: due === '' ? enqueuedAt + countIn(delay) : countIn(due),
    ...(enqueuedAt > 0 ? { enqueuedAt } : {}),
    ...(countIn(priority) > 0 ? { priority: Math.min(countIn(priority), LAST_PRIORITY) } : {}),
    attempts: Math.max(1, countIn(options['attempts'])),
    attemptsMade,
    ...(backoff === undefined ? {} : { backoff }),
    neverStarted: damaged === undefined ? countIn(started) === 0 && attemptsMade === 0 : undefined,
    ...(damaged === undefined ? {} : { damaged }),
    ...(held === undefined ? {} : { held }),
  }
}

/** A parked job's record: its hash as Redis lists it, field, value, field, value. */
export function recordInPark(id: string, stored: string): BullRecord {
  const fields = new Map<string, string>()
  try {
    const list: unknown = JSON.parse(stored)
    // anything else may say of itself that it is as long as it likes
    if (Array.isArray(list)) for (let at = 0; at < list.length; at += 2) fields.set(String(list[at]), list[at + 1])
  } catch {
    // Without a name it counts as damaged.
  }
  const of = (name: string): Field => fields.get(name)
  return [
    ...([id, '', 0, of('name'), of('data'), of('opts'), of('timestamp'), of('delay')] as const),
    ...([of('priority'), of('atm'), of('ats'), of('parentKey'), of('rjk'), of('defa')] as const),
  ]
}

function contents([, , , name, data, opts]: BullRecord): {
  readonly parsed?: unknown
  readonly options: Readonly<Record<string, unknown>>
  readonly damaged?: string
} {
  if (typeof name !== 'string') return { options: {}, damaged: 'its record is missing' }
  if (typeof data !== 'string') return { options: {}, damaged: 'its record has no data' }
  try {
    const options = fieldsOf(JSON.parse(opts ?? '{}'))
    try {
      return { parsed: JSON.parse(data), options }
    } catch {
      return { options, damaged: 'its data is no JSON' }
    }
  } catch {
    return { options: {}, damaged: 'its options are no JSON' }
  }
}

function heldBy([, , flow, , , , , , , , , parent, schedule, failing]: BullRecord): string | undefined {
  if (typeof parent === 'string') return 'it is a child of a flow'
  if (flow > 0) return 'it is the parent of a flow'
  if (typeof schedule === 'string') return `it is the next run of the schedule ${schedule}`
  return typeof failing === 'string' ? `its next worker is to fail it: ${failing}` : undefined
}

/** BullMQ keeps what was asked for; this is what remains. */
function backoffIn(asked: unknown, attemptsMade: number): Backoff | undefined {
  const { type, delay } = typeof asked === 'number' ? { type: 'fixed', delay: asked } : fieldsOf(asked)
  const delayMs = countIn(delay)
  if (delayMs === 0) return undefined
  if (type === 'exponential') return { delayMs: delayMs * 2 ** attemptsMade }
  return type === 'fixed' ? { delayMs, fixed: true } : undefined
}
