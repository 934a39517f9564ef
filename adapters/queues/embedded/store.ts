// What the embedded queue's table looks like, and each change of it as one statement.
//
// A job is one row. `place` says where it is and `rank` orders the rows of a place, so that one index serves all:
// ready: priority, then since when it is ready; delayed: when it is due; running: when its lease ends; failed, parked
// and completed: when it got there. A running row carries the token of the claim that holds it; every change of a
// running row asks for that token, so that a worker whose lease was lost can change nothing.

import type { Disposition, OutgoingJob } from '../../../src/ports/queue.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { SqliteDb, SqliteFile } from '../../sqlite-file.ts'

export const READY = 0
export const DELAYED = 1
export const RUNNING = 2
export const FAILED = 3
export const PARKED = 4
export const COMPLETED = 5
export type Place = 0 | 1 | 2 | 3 | 4 | 5

/** Major version of the stored form. */
const SCHEMA = 1
/** `rank` of a ready job: 21 bits of priority above 42 bits of ms since 1970. */
const RANK = '(?1 << 42) | ?2'
const PRIORITY_MAX = 2 ** 21 - 1
export const TIME_MASK = 2 ** 42 - 1
/** Farthest due time: what fits into a rank. */
const FAR = TIME_MASK - 1

/** A row as a claim hands it out. */
export interface JobRow {
  readonly seq: number
  readonly id: string
  readonly data: string
  readonly priority: number
  readonly attempts: number
  /** Attempts that ended. */
  readonly made: number
  readonly backoff: number | null
  readonly enqueued: number
  readonly starts: number
  readonly stalls: number
}

/** Makes the tables where they are missing and answers with the number of this queue. */
export async function openStore(file: SqliteFile, name: string): Promise<number> {
  return file.write((db) => {
    db.exec(`
      CREATE TABLE IF NOT EXISTS embedded_queues (
        queue INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, schema INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS embedded_jobs (
        seq INTEGER PRIMARY KEY, queue INTEGER NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL, rank INTEGER NOT NULL,
        token INTEGER, priority INTEGER NOT NULL, attempts INTEGER NOT NULL, made INTEGER NOT NULL DEFAULT 0,
        starts INTEGER NOT NULL DEFAULT 0, stalls INTEGER NOT NULL DEFAULT 0, backoff INTEGER, enqueued INTEGER NOT NULL,
        data TEXT NOT NULL, reason TEXT, progress TEXT, result TEXT, due INTEGER) STRICT;
      CREATE UNIQUE INDEX IF NOT EXISTS embedded_jobs_by_id ON embedded_jobs (queue, id);
      CREATE INDEX IF NOT EXISTS embedded_jobs_by_place ON embedded_jobs (queue, place, rank)`)
    // Since when a parked job was or will be due; files of before have no such column.
    if (db.sql("SELECT 1 FROM pragma_table_info('embedded_jobs') WHERE name = 'due'").get() === undefined)
      db.exec('ALTER TABLE embedded_jobs ADD COLUMN due INTEGER')
    db.sql('INSERT INTO embedded_queues (name, schema) VALUES (?, ?) ON CONFLICT DO NOTHING').run(name, SCHEMA)
    const row = db.sql('SELECT queue, schema FROM embedded_queues WHERE name = ?').get(name)
    if (Number(row?.schema) > SCHEMA) {
      const message = `${file.path}: the queue ${name} was written by a newer version (form ${row?.schema}, this one knows ${SCHEMA}); update cutover`
      throw new CutoverError('adapter-version', message, { details: { path: file.path, queue: name } })
    }
    return Number(row?.queue)
  })
}

const INSERT = `INSERT INTO embedded_jobs (queue, id, place, rank, priority, attempts, backoff, enqueued, data)
  VALUES (?3, ?4, ?5, ${RANK}, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (queue, id) DO NOTHING`

/** An id's record that no run will ever touch again. */
const DROP_ENDED = `DELETE FROM embedded_jobs WHERE queue = ? AND id = ?
  AND (place IN (${FAILED}, ${COMPLETED}) OR (place = ${PARKED} AND reason = 'late'))`

/** True: stored, in place of an ended record if the job asks for it. False: the id is known. */
export function insert(db: SqliteDb, queue: number, job: OutgoingJob, data: string, now: number): boolean {
  if (add(db, queue, job, data, now)) return true
  if (job.replaceEnded !== true || db.sql(DROP_ENDED).run(queue, job.backendId).changes === 0) return false
  return add(db, queue, job, data, now)
}

function add(db: SqliteDb, queue: number, job: OutgoingJob, data: string, now: number): boolean {
  const priority = job.priority ?? 0
  const delayed = job.delayMs > 0
  const due = delayed ? Math.min(now + Math.ceil(job.delayMs), FAR) : now
  const done = db
    .sql(INSERT)
    .run(
      delayed ? 0 : priority,
      due,
      queue,
      job.backendId,
      delayed ? DELAYED : READY,
      priority,
      job.attempts,
      job.backoff === undefined ? null : job.backoff.fixed === true ? -job.backoff.delayMs : job.backoff.delayMs,
      now,
      data,
    )
  return done.changes === 1
}

/** Delayed jobs whose time has come are ready, since their due time. */
export function promote(db: SqliteDb, queue: number, now: number): void {
  db.sql(`UPDATE embedded_jobs SET place = ${READY}, rank = (priority << 42) | rank
    WHERE queue = ? AND place = ${DELAYED} AND rank <= ?`).run(queue, now)
}

/** Takes up to `limit` ready jobs under one token. */
export function claim(db: SqliteDb, queue: number, limit: number, token: number, leaseUntil: number): JobRow[] {
  const rows = db
    .sql(`UPDATE embedded_jobs SET place = ${RUNNING}, rank = ?, token = ?, starts = starts + 1
    WHERE seq IN (SELECT seq FROM embedded_jobs WHERE queue = ? AND place = ${READY} ORDER BY rank, seq LIMIT ?)
    RETURNING seq, id, data, priority, attempts, made, backoff, enqueued, starts, stalls`)
    .all(leaseUntil, token, queue, limit) as unknown as JobRow[]
  return rows.length < 2 ? rows : rows.sort((a, b) => a.priority - b.priority || a.seq - b.seq)
}

/** False: the lease was lost, and nothing is changed. */
export function extend(db: SqliteDb, seq: number, token: number, leaseUntil: number): boolean {
  return (
    db.sql('UPDATE embedded_jobs SET rank = ? WHERE seq = ? AND token = ?').run(leaseUntil, seq, token).changes === 1
  )
}

/** Ends of leases that nobody extended: back to ready without an attempt spent, or failed after `maxStalls` of them. */
export function reap(db: SqliteDb, queue: number, now: number, maxStalls: number): void {
  const over = `queue = ?1 AND place = ${RUNNING} AND rank < ?2`
  const failed = `UPDATE embedded_jobs SET place = ${FAILED}, rank = ?2, token = NULL, stalls = stalls + 1, reason = ?4
    WHERE ${over} AND stalls >= ?3`
  const reason = `stalled more than ${maxStalls} times: its workers died or blocked their event loop`
  db.sql(failed).run(queue, now, maxStalls, reason)
  const back = `UPDATE embedded_jobs SET place = ${READY}, rank = (priority << 42) | ?2, token = NULL, stalls = stalls + 1
    WHERE ${over}`
  db.sql(back).run(queue, now)
}

/** What a run asks for its row; `release`: as if it had not been claimed. */
export type Ending = Disposition | { readonly kind: 'release' }

/** Carries out a run's ending. False: the lease was lost, and nothing is changed. */
export function settle(
  db: SqliteDb,
  job: Pick<JobRow, 'seq' | 'priority' | 'attempts' | 'made' | 'backoff'>,
  token: number,
  ending: Ending,
  options: { now: number; result: string | null; keep: boolean },
): boolean {
  const { now } = options
  switch (ending.kind) {
    case 'ack': {
      if (!options.keep)
        return db.sql('DELETE FROM embedded_jobs WHERE seq = ? AND token = ?').run(job.seq, token).changes === 1
      const sql = `UPDATE embedded_jobs SET place = ${COMPLETED}, rank = ?, token = NULL, made = made + 1, result = ?
        WHERE seq = ? AND token = ?`
      return db.sql(sql).run(now, options.result, job.seq, token).changes === 1
    }
    case 'fail': {
      if (!ending.retry || job.made + 1 >= job.attempts) {
        return place(db, job, token, { place: FAILED, rank: now, spent: 1, reason: reasonOf(ending.error) })
      }
      const pause = pauseAfter(job.backoff, job.made)
      return again(db, job, token, { now, pause, spent: 1, reason: reasonOf(ending.error) })
    }
    case 'defer':
      return again(db, job, token, { now, pause: ending.delayMs, spent: 0, reason: null })
    case 'release':
      return again(db, job, token, { now, pause: 0, spent: 0, reason: null })
    case 'park':
      return place(db, job, token, { place: PARKED, rank: now, spent: 0, reason: ending.reason })
  }
}

/** A pause that stays the same is stored below 0. */
function pauseAfter(backoff: number | null, made: number): number {
  if (backoff === null) return 0
  return backoff < 0 ? -backoff : backoff * 2 ** made
}

type Held = Pick<JobRow, 'seq' | 'priority'>

function again(
  db: SqliteDb,
  job: Held,
  token: number,
  how: { now: number; pause: number; spent: 0 | 1; reason: string | null },
): boolean {
  const { spent, reason } = how
  if (how.pause <= 0) return place(db, job, token, { place: READY, rank: how.now, spent, reason })
  const rank = Math.min(how.now + Math.ceil(how.pause), FAR)
  return place(db, job, token, { place: DELAYED, rank, spent, reason })
}

function place(
  db: SqliteDb,
  job: Held,
  token: number,
  to: { place: Place; rank: number; spent: 0 | 1; reason: string | null },
): boolean {
  const sql = `UPDATE embedded_jobs SET rank = ${RANK}, place = ?3, made = made + ?4, reason = ?5, token = NULL
    WHERE seq = ?6 AND token = ?7`
  const above = to.place === READY ? job.priority : 0
  return db.sql(sql).run(above, to.rank, to.place, to.spent, to.reason, job.seq, token).changes === 1
}

const REASON_LENGTH = 2000
/** A thrown value as text; it may be anything. */
export function reasonOf(error: unknown): string {
  let text: string
  try {
    text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  } catch {
    // an object that cannot be made a string, e.g. without a prototype
    text = Object.prototype.toString.call(error)
  }
  return text.length > REASON_LENGTH ? `${text.slice(0, REASON_LENGTH)}…` : text
}

/** What an idle worker asks: is something ready, and when will the next job be due or the next lease be over. */
export function peek(db: SqliteDb, queue: number): { ready: boolean; next: number | undefined } {
  const first = `SELECT min(rank) AS at FROM embedded_jobs WHERE queue = ? AND place =`
  const ready = db.sql(`SELECT 1 FROM embedded_jobs WHERE queue = ? AND place = ${READY} LIMIT 1`).get(queue)
  const due = db.sql(`${first} ${DELAYED}`).get(queue)?.at as number | null | undefined
  const lease = db.sql(`${first} ${RUNNING}`).get(queue)?.at as number | null | undefined
  // a lease is over when its end has passed, a job is due at its time
  const next = Math.min(due ?? Number.POSITIVE_INFINITY, (lease ?? Number.POSITIVE_INFINITY) + 1)
  return { ready: ready !== undefined, next: Number.isFinite(next) ? next : undefined }
}

/** Rows by place, those that are due counted as ready, and since when the oldest ready job is ready. */
export function census(
  db: SqliteDb,
  queue: number,
  now: number,
): { byPlace: Map<Place, number>; oldest: number | undefined } {
  const byPlace = new Map<Place, number>()
  const rows = db.sql('SELECT place, count(*) AS n FROM embedded_jobs WHERE queue = ? GROUP BY place').all(queue)
  for (const row of rows) byPlace.set(row.place as Place, row.n as number)
  const due = db
    .sql(
      `SELECT count(*) AS n, min(rank) AS at FROM embedded_jobs WHERE queue = ? AND place = ${DELAYED} AND rank <= ?`,
    )
    .get(queue, now) as { n: number; at: number | null }
  byPlace.set(READY, (byPlace.get(READY) ?? 0) + due.n)
  byPlace.set(DELAYED, (byPlace.get(DELAYED) ?? 0) - due.n)
  // One seek for each priority that is in use, not one step for each job.
  const ready = `SELECT min(rank) FROM embedded_jobs WHERE queue = ?1 AND place = ${READY}`
  const oldest = db
    .sql(`WITH RECURSIVE firsts (rank) AS (
      ${ready}
      UNION ALL SELECT (${ready} AND rank >= ((firsts.rank >> 42) + 1) << 42) FROM firsts
        WHERE firsts.rank >> 42 < ${PRIORITY_MAX})
    SELECT min(rank & ${TIME_MASK}) AS at FROM firsts`)
    .get(queue) as { at: number | null }
  const times = [due.at, oldest.at].filter((at) => at !== null)
  return { byPlace, oldest: times.length === 0 ? undefined : Math.min(...times) }
}
