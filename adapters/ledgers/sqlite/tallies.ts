// Counters: summed in memory while a call runs, added to the stored ones in its transaction, read for the snapshot, and
// rolled up when they are old.

import type { CountKey, Gauges, Histogram, LedgerSettings, TallyBucket } from '../../../src/ports/ledger.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { BITS, STATE, VERDICT_OPEN } from './row-codec.ts'
import { rowTable } from './schema.ts'

/** The sums of one call. */
export class Tallies {
  readonly #mid: number
  readonly #buckets = new Map<number, Map<number, Map<CountKey, number>>>()
  readonly #latencies = new Map<number, Map<string, Map<number, number>>>()

  constructor(mid: number) {
    this.#mid = mid
  }

  count(epoch: number, start: number, keys: readonly CountKey[], n = 1): void {
    const counts = inner(inner(this.#buckets, epoch), start)
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + n)
  }

  latency(epoch: number, name: string, bucket: number): void {
    const counts = inner(inner(this.#latencies, epoch), name)
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1)
  }

  /** `width`: of the buckets that are counted into. */
  write(db: SqliteDb, width: number): void {
    const add = db.sql(`INSERT INTO ledger_tally VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET n = n + excluded.n`)
    for (const [epoch, buckets] of this.#buckets) {
      for (const [start, counts] of buckets) {
        for (const [key, n] of counts) add.run(this.#mid, epoch, start, width, key, n)
      }
    }
    const time = db.sql(`INSERT INTO ledger_histogram VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET n = n + excluded.n`)
    for (const [epoch, names] of this.#latencies) {
      for (const [name, counts] of names) {
        for (const [bucket, n] of counts) time.run(this.#mid, epoch, name, bucket, n)
      }
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
    const record = found as { epoch: number; start: number; width: number; key: CountKey; n: number }
    let last = buckets.at(-1)
    if (last?.epoch !== record.epoch || last.start !== record.start || last.widthMs !== record.width) {
      last = { epoch: record.epoch, start: record.start, widthMs: record.width, counts: {} }
      buckets.push(last)
    }
    last.counts[record.key] = record.n
  }
  return buckets
}

export function readHistograms(db: SqliteDb, mid: number, epoch: number | undefined): Histogram[] {
  const select = db.sql(`SELECT epoch, name, bucket, n FROM ledger_histogram
    WHERE mid = ?1 AND epoch BETWEEN ?2 AND ?3`)
  const histograms: { epoch: number; name: string; counts: Map<number, number> }[] = []
  for (const found of select.iterate(mid, epoch ?? 0, epoch ?? Number.MAX_SAFE_INTEGER)) {
    const record = found as { epoch: number; name: string; bucket: number; n: number }
    let last = histograms.at(-1)
    if (last?.epoch !== record.epoch || last.name !== record.name) {
      last = { epoch: record.epoch, name: record.name, counts: new Map() }
      histograms.push(last)
    }
    last.counts.set(record.bucket, record.n)
  }
  return histograms
}

/** One pass over the rows on their way; settled ones are not among them. */
export function readGauges(db: SqliteDb, mid: number, now: number, settings: LedgerSettings): Gauges {
  const bit = (name: keyof typeof BITS): string => `(status >> ${BITS[name]})`
  const groups = db
    .sql(
      `SELECT status & 3 AS state, ${bit('side')} & 1 AS side, count(*) AS n,
        sum(${bit('effects')} & 1 = 1 AND lease <= ?1) AS doubt, sum(${bit('lost')} & 1) AS lost,
        sum(due + ?2 < ?1) AS overdue, sum(${bit('verdict')} & 7 = ${VERDICT_OPEN}) AS pairs,
        sum(${bit('control')} & 7 = ${VERDICT_OPEN}) AS controls
      FROM ${rowTable(mid)} GROUP BY 1, 2`,
    )
    .all(now, settings.deadlineMs) as unknown as readonly Record<string, number>[]
  const sum = (of: string, where: (group: Record<string, number>) => boolean): number =>
    groups.reduce((total, group) => total + (where(group) ? Number(group[of]) : 0), 0)
  const bySide = (
    of: string,
    state: (group: Record<string, number>) => boolean,
  ): { legacy: number; target: number } => ({
    legacy: sum(of, (group) => group.side === 0 && state(group)),
    target: sum(of, (group) => group.side === 1 && state(group)),
  })
  const is = (state: number) => (group: Record<string, number>) => group.state === state
  const unfinished = (group: Record<string, number>): boolean => group.state !== STATE.finished
  return {
    waiting: bySide('n', is(STATE.open)),
    running: bySide('n', is(STATE.running)),
    moving: sum('n', is(STATE.moving)),
    inDoubt: bySide('doubt', is(STATE.running)),
    lost: bySide('lost', unfinished),
    overdue: sum('overdue', unfinished),
    pairsOpen: sum('pairs', () => true),
    controlsOpen: sum('controls', () => true),
  }
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
