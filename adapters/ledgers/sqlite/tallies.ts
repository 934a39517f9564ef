// Counters: summed in memory while a call runs, added to the stored ones in its transaction, read for the snapshot, and
// rolled up when they are old.

import { addStored } from '../../../src/ports/families.ts'
import { appendTime, type TimeEntry } from '../../../src/ports/latency-log.ts'
import {
  type CountKey,
  type LedgerSettings,
  RECENT_KEPT_MS,
  RECENT_MS,
  type RecentCounts,
  type StoredFamily,
  type StoredKey,
  type TallyBucket,
} from '../../../src/ports/ledger.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { longKey, shortKey } from './tally-keys.ts'

/** The sums of one call. */
export class Tallies {
  readonly #mid: number
  readonly #buckets = new Map<number, Map<number, Map<StoredKey, number>>>()
  readonly #logs = new Map<number, Map<number, number[]>>()
  readonly #recent = new Map<number, Map<string, number>>()

  constructor(mid: number) {
    this.#mid = mid
  }

  count(epoch: number, start: number, keys: readonly StoredKey[], n = 1): void {
    const counts = inner(inner(this.#buckets, epoch), start)
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + n)
  }

  times(epoch: number, start: number, family: StoredFamily, entries: readonly TimeEntry[]): void {
    const logs = inner(this.#logs, epoch)
    let log = logs.get(start)
    if (log === undefined) {
      log = []
      logs.set(start, log)
    }
    for (const entry of entries) appendTime(log, family, entry)
  }

  recent(epoch: number, keys: readonly string[]): void {
    const counts = inner(this.#recent, epoch)
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  }

  write(db: SqliteDb, now: number, { bucketMs, deadlineMs, slackMs }: LedgerSettings): void {
    const add = db.sql(`INSERT INTO ledger_tally VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET n = n + excluded.n`)
    for (const [epoch, buckets] of this.#buckets) {
      for (const [start, counts] of buckets) {
        for (const [key, n] of counts) add.run(this.#mid, epoch, start, bucketMs, shortKey(key), n)
      }
    }
    const append = db.sql('INSERT INTO ledger_time_log VALUES (NULL, ?, ?, ?, ?)')
    for (const [epoch, logs] of this.#logs) {
      for (const [start, log] of logs) {
        append.run(this.#mid, epoch, start + bucketMs + deadlineMs + slackMs, Uint8Array.from(log))
      }
    }
    const happened = db.sql(`INSERT INTO ledger_recent VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET n = n + excluded.n`)
    const minute = Math.floor(now / RECENT_MS) * RECENT_MS
    for (const [epoch, counts] of this.#recent) {
      for (const [key, n] of counts) happened.run(this.#mid, minute, epoch, key, n)
    }
  }
}

function inner<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let found = map.get(key)
  if (found === undefined) {
    found = new Map()
    map.set(key, found)
  }
  return found
}

/** `epoch` undefined: all. */
export function readBuckets(db: SqliteDb, mid: number, epoch: number | undefined): TallyBucket[] {
  const select = db.sql(`SELECT epoch, start, width, key, n FROM ledger_tally
    WHERE mid = ?1 AND epoch BETWEEN ?2 AND ?3`)
  const buckets: { epoch: number; start: number; widthMs: number; counts: Record<CountKey, number> }[] = []
  // in the order of the primary key
  for (const found of select.iterate(mid, epoch ?? 0, epoch ?? Number.MAX_SAFE_INTEGER)) {
    const record = found as { epoch: number; start: number; width: number; key: string; n: number }
    let last = buckets.at(-1)
    if (last?.epoch !== record.epoch || last.start !== record.start || last.widthMs !== record.width) {
      last = { epoch: record.epoch, start: record.start, widthMs: record.width, counts: {} }
      buckets.push(last)
    }
    addStored(last.counts, longKey(record.key), record.n)
  }
  return buckets
}

export function readRecent(db: SqliteDb, mid: number, now: number, epoch: number | undefined): RecentCounts[] {
  const select = db.sql(`SELECT start, epoch, key, n FROM ledger_recent
    WHERE mid = ?1 AND start > ?2 AND epoch BETWEEN ?3 AND ?4`)
  const minutes: { epoch: number; start: number; counts: Record<string, number> }[] = []
  const since = now - RECENT_KEPT_MS - RECENT_MS
  for (const found of select.iterate(mid, since, epoch ?? 0, epoch ?? Number.MAX_SAFE_INTEGER)) {
    const record = found as { start: number; epoch: number; key: string; n: number }
    let last = minutes.at(-1)
    if (last?.epoch !== record.epoch || last.start !== record.start) {
      last = { epoch: record.epoch, start: record.start, counts: {} }
      minutes.push(last)
    }
    last.counts[record.key] = record.n
  }
  return minutes
}

export function forgetRecent(db: SqliteDb, mid: number, now: number): void {
  db.sql('DELETE FROM ledger_recent WHERE mid = ? AND start < ?').run(mid, now - 2 * RECENT_KEPT_MS)
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Closed buckets older than an hour become hours, those older than two days become days; how many were merged. */
export function rollUp(db: SqliteDb, mid: number, now: number, settings: LedgerSettings): number {
  const closed = now - settings.deadlineMs - settings.slackMs
  return merge(db, mid, HOUR, Math.min(now - HOUR, closed)) + merge(db, mid, DAY, Math.min(now - 2 * DAY, closed))
}

/** Merges buckets narrower than `width` into those that end at `until` or before. */
function merge(db: SqliteDb, mid: number, width: number, until: number): number {
  // numbers are bound as REAL: the division has to be one of integers
  const target = `start / ${width} * ${width}`
  const old = `mid = ?1 AND width < ${width} AND ${target} + ${width} <= ?2`
  const count = db.sql(`SELECT count(*) AS n FROM (SELECT DISTINCT epoch, start, width FROM ledger_tally WHERE ${old})`)
  const merged = Number(count.get(mid, until)?.n)
  if (merged === 0) return 0
  const sums = db
    .sql(`SELECT epoch, ${target} AS start, key, sum(n) AS n FROM ledger_tally WHERE ${old} GROUP BY 1, 2, 3`)
    .all(mid, until) as unknown as readonly { epoch: number; start: number; key: string; n: number }[]
  db.sql(`DELETE FROM ledger_tally WHERE ${old}`).run(mid, until)
  const add = db.sql('INSERT INTO ledger_tally VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n')
  for (const { epoch, start, key, n } of sums) add.run(mid, epoch, start, width, key, n)
  return merged
}
