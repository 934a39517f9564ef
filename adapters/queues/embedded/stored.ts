// How the embedded queue's jobs are read, listed, parked and removed from outside of a run, hundreds in one transaction.

import type { MovableJob, Page, ParkedJob, ParkReason, QueuePlace, StoredJob } from '../../../src/ports/queue.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { Backoff } from '../../../src/vocabulary/job.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { COMPLETED, DELAYED, FAILED, PARKED, type Place, READY, RUNNING, TIME_MASK } from './store.ts'

/** Characters of data after which a page is full. */
const PAGE_LENGTH = 4 * 1024 * 1024

const PLACES: Readonly<Record<Place, QueuePlace>> = {
  [READY]: 'waiting',
  [DELAYED]: 'delayed',
  [RUNNING]: 'running',
  [FAILED]: 'failed',
  [PARKED]: 'parked',
  [COMPLETED]: 'completed',
}

/** `rank` itself may be larger than a number of JavaScript; its time is not. */
const COLUMNS = `seq, id, place, rank & ${TIME_MASK} AS time, data, priority, attempts, made, starts, backoff, enqueued,
  reason, due`

interface StoredRow {
  readonly seq: number
  readonly id: string
  readonly place: Place
  /** When it is due, its lease ends, it came here. */
  readonly time: number
  readonly data: string
  readonly priority: number
  readonly attempts: number
  readonly made: number
  readonly starts: number
  readonly backoff: number | null
  readonly enqueued: number
  readonly reason: string | null
  readonly due: number | null
}

export function placeOf(db: SqliteDb, queue: number, id: string, now: number): { place: QueuePlace; reason?: string } {
  const sql = `SELECT place, reason, place = ${DELAYED} AND rank <= ? AS due FROM embedded_jobs WHERE queue = ? AND id = ?`
  const row = db.sql(sql).get(now, queue, id)
  if (row === undefined) return { place: 'absent' }
  const place = row.due === 1 ? 'waiting' : PLACES[row.place as Place]
  return place === 'failed' && row.reason !== null ? { place, reason: String(row.reason) } : { place }
}

export function read(db: SqliteDb, queue: number, id: string): StoredJob | undefined {
  const sql = `SELECT ${COLUMNS} FROM embedded_jobs WHERE queue = ? AND id = ?`
  const row = db.sql(sql).get(queue, id) as StoredRow | undefined
  if (row === undefined) return undefined
  const place = PLACES[row.place]
  return place === 'parked' ? parkedOf(storedJob(row, place), row) : storedJob(row, place)
}

function parkedOf(job: StoredJob & { readonly place: 'parked' }, { reason, time }: StoredRow): ParkedJob {
  return { ...job, reason: reason as ParkReason, parkedAt: time }
}

/** Behind the row that the cursor names, whether it is still there or not. */
export function page<P extends 'waiting' | 'delayed' | 'parked'>(
  db: SqliteDb,
  queue: number,
  options: { place: P; limit: number; cursor?: string; reasons?: readonly ParkReason[] },
): { jobs: (StoredJob & { readonly place: P; readonly row: StoredRow })[]; cursor?: string } {
  const { place, cursor, reasons } = options
  const limit = Math.max(1, options.limit)
  const { above, time, seq } = cursor === undefined ? { above: 0, time: -1, seq: 0 } : position(cursor)
  const stored = { waiting: READY, delayed: DELAYED, parked: PARKED }[place]
  const only = reasons === undefined ? '' : 'AND reason IN (SELECT value FROM json_each(?))'
  const sql = `SELECT ${COLUMNS} FROM embedded_jobs WHERE queue = ? AND place = ? AND (rank, seq) > ((? << 42) | ?, ?) ${only}
    ORDER BY rank, seq LIMIT ?`
  const among = reasons === undefined ? [] : [JSON.stringify(reasons)]
  const rows = db.sql(sql).iterate(queue, stored, above, time, seq, ...among, limit) as unknown as Iterable<StoredRow>
  const jobs: (StoredJob & { readonly place: P; readonly row: StoredRow })[] = []
  let length = 0
  for (const row of rows) {
    jobs.push({ ...storedJob(row, place), row })
    length += row.data.length
    if (length > PAGE_LENGTH) break
  }
  const last = jobs.at(-1)?.row
  if (last === undefined || (jobs.length < limit && length <= PAGE_LENGTH)) return { jobs }
  return { jobs, cursor: `${place === 'waiting' ? last.priority : 0},${last.time},${last.seq}` }
}

export function movable(
  db: SqliteDb,
  queue: number,
  options: { place: 'waiting' | 'delayed'; limit: number; cursor?: string },
): Page<MovableJob> {
  const { jobs, cursor } = page(db, queue, options)
  const bare = jobs.map(({ row: _, ...job }) => job)
  return cursor === undefined ? { jobs: bare } : { jobs: bare, cursor }
}

export function parkedJobs(
  db: SqliteDb,
  queue: number,
  options: { limit: number; cursor?: string; reasons?: readonly ParkReason[] },
): Page<ParkedJob> {
  const { jobs, cursor } = page(db, queue, { ...options, place: 'parked' })
  const parked = jobs.map(({ row, ...job }) => parkedOf(job, row))
  return cursor === undefined ? { jobs: parked } : { jobs: parked, cursor }
}

/** A digit a job would do; `true`: it waited or was delayed and is parked, its due time kept. */
export function park(db: SqliteDb, queue: number, ids: readonly string[], reason: string, now: number): boolean[] {
  const one = db.sql(`UPDATE embedded_jobs SET due = CASE place WHEN ${DELAYED} THEN rank ELSE rank & ${TIME_MASK} END,
    place = ${PARKED}, rank = ?1, reason = ?2 WHERE queue = ?3 AND id = ?4 AND place IN (${READY}, ${DELAYED})`)
  return ids.map((id) => one.run(now, reason, queue, id).changes === 1)
}

/** What was taken while it waited has its place again. */
export function unpark(db: SqliteDb, queue: number, ids: readonly string[], now: number): boolean[] {
  const one = db.sql(`UPDATE embedded_jobs SET place = CASE WHEN due > ?1 THEN ${DELAYED} ELSE ${READY} END,
    rank = CASE WHEN due > ?1 THEN due ELSE (priority << 42) | coalesce(due, ?1) END, reason = NULL, due = NULL
    WHERE queue = ?2 AND id = ?3 AND place = ${PARKED}`)
  return ids.map((id) => one.run(now, queue, id).changes === 1)
}

export function removeFrom(db: SqliteDb, queue: number, ids: readonly string[], from: 'waiting' | 'parked'): boolean[] {
  const places = from === 'parked' ? `${PARKED}` : `${READY}, ${DELAYED}`
  const one = db.sql(`DELETE FROM embedded_jobs WHERE queue = ? AND id = ? AND place IN (${places})`)
  return ids.map((id) => one.run(queue, id).changes === 1)
}

/** Rows that failed before among those that wait or are delayed, and running ones whose lease is over. */
export function detail(db: SqliteDb, queue: number, now: number): { retrying: number; stalled: number } {
  const retrying = `SELECT count(*) AS n FROM embedded_jobs WHERE queue = ? AND place IN (${READY}, ${DELAYED}) AND made > 0`
  const stalled = `SELECT count(*) AS n FROM embedded_jobs WHERE queue = ? AND place = ${RUNNING} AND rank < ?`
  return {
    retrying: Number(db.sql(retrying).get(queue)?.n),
    stalled: Number(db.sql(stalled).get(queue, now)?.n),
  }
}

function storedJob<P extends QueuePlace>(row: StoredRow, place: P): StoredJob & { readonly place: P } {
  const { id, time, priority, attempts, made, starts, enqueued, due } = row
  const backoff = backoffIn(row.backoff, made)
  const { data, damaged } = parsed(row.data)
  return {
    backendId: id,
    place,
    data,
    runAt: runAt(row.place, time, due) ?? enqueued,
    enqueuedAt: enqueued,
    ...(priority > 0 ? { priority } : {}),
    attempts,
    attemptsMade: made,
    ...(backoff === undefined ? {} : { backoff }),
    neverStarted: starts === 0,
    ...(damaged === undefined ? {} : { damaged }),
  }
}

/** A parked row keeps its due time beside; that of one that ran is gone. */
function runAt(place: Place, time: number, due: number | null): number | undefined {
  if (place === READY || place === DELAYED) return time
  return place === PARKED ? (due ?? time) : undefined
}

function backoffIn(stored: number | null, made: number): Backoff | undefined {
  if (stored === null || stored === 0) return undefined
  return stored < 0 ? { delayMs: -stored, fixed: true } : { delayMs: stored * 2 ** made }
}

function position(cursor: string): { above: number; time: number; seq: number } {
  const [above, time, seq] = cursor.split(',').map(Number)
  if (Number.isSafeInteger(above) && Number.isSafeInteger(time) && Number.isSafeInteger(seq))
    return { above: above as number, time: time as number, seq: seq as number }
  throw new CutoverError('option-invalid', 'embedded: this is no cursor of this queue; begin again without one')
}

function parsed(text: string): { data: unknown; damaged?: string } {
  try {
    return { data: JSON.parse(text) }
  } catch {
    return { data: text, damaged: 'its data is no JSON' }
  }
}
