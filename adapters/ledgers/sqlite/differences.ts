// What comparisons found: groups of differences and samples, both bounded however many pairs differ.

import {
  type CompareRequest,
  DIFFERENCE_GROUPS_KEPT,
  type DifferenceGroup,
  type JobRow,
  SAMPLES_KEPT,
  type Sample,
} from '../../../src/ports/ledger.ts'
import { type Comparison, type Difference, groupPath, REST_PATH } from '../../../src/vocabulary/comparison.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

/** Files a comparison that was just accepted. */
export function keepMismatch(db: SqliteDb, mid: number, row: JobRow, request: CompareRequest, now: number): void {
  if (request.comparison.class !== 'mismatched') return
  const groups = new Map<string, Difference>()
  for (const difference of request.comparison.differences) {
    const path = groupPath(difference.path)
    const key = `${difference.kind} ${path}`
    if (!groups.has(key)) groups.set(key, { ...difference, path })
  }
  const named = countGroups(db, mid, row.stamp.epoch, request, [...groups.values()])
  addSample(db, mid, row, request, now, named)
}

/** Adds 1 to each group; answers those that are counted by name. */
function countGroups(
  db: SqliteDb,
  mid: number,
  epoch: number,
  { id, which }: CompareRequest,
  differences: readonly Difference[],
): readonly Difference[] {
  const again = db.sql(`UPDATE ledger_difference SET pairs = pairs + 1
    WHERE mid = ? AND epoch = ? AND which = ? AND path = ? AND kind = ?`)
  const insert = db.sql('INSERT INTO ledger_difference VALUES (?, ?, ?, ?, ?, 1, ?)')
  const bump = (path: string, difference: Difference, full: () => boolean): boolean => {
    if (Number(again.run(mid, epoch, which, path, difference.kind).changes) === 1) return true
    if (full()) return false
    const { legacy, target } = difference
    insert.run(mid, epoch, which, path, difference.kind, JSON.stringify({ id, legacy, target }))
    return true
  }
  let full: boolean | undefined
  const isFull = (): boolean => {
    full ??= groupsAreFull(db, mid, epoch, which)
    return full
  }
  const named: Difference[] = []
  const rest = new Map<string, Difference>()
  for (const difference of differences) {
    if (bump(difference.path, difference, isFull)) {
      named.push(difference)
      // a new group may have been the last one
      if (full === false) full = undefined
    } else if (!rest.has(difference.kind)) rest.set(difference.kind, difference)
  }
  for (const difference of rest.values()) bump(REST_PATH, difference, () => false)
  return named
}

function groupsAreFull(db: SqliteDb, mid: number, epoch: number, which: string): boolean {
  const of = 'FROM ledger_difference WHERE mid = ? AND epoch = ? AND which = ?'
  if (db.sql(`SELECT 1 ${of} AND path = ?`).get(mid, epoch, which, REST_PATH) !== undefined) return true
  const n = db.sql(`SELECT count(*) AS n ${of}`).get(mid, epoch, which)?.n
  return Number(n) >= DIFFERENCE_GROUPS_KEPT
}

function addSample(
  db: SqliteDb,
  mid: number,
  row: JobRow,
  { id, which, comparison }: CompareRequest,
  now: number,
  named: readonly Difference[],
): void {
  const insert = db.sql('INSERT INTO ledger_sample VALUES (NULL, ?, ?, ?, ?, ?, ?)')
  const seq = Number(insert.run(mid, id, which, now, row.stamp.epoch, JSON.stringify(comparison)).lastInsertRowid)
  const first = db.sql('INSERT OR IGNORE INTO ledger_sample_kind VALUES (?, ?, ?, ?)')
  for (const { path, kind } of named) first.run(mid, path, kind, seq)
  // exactly one falls out of the newest; it stays when it is the sample of a kind
  const out = db
    .sql('SELECT seq FROM ledger_sample WHERE mid = ? ORDER BY seq DESC LIMIT 1 OFFSET ?')
    .get(mid, SAMPLES_KEPT)?.seq
  if (out === undefined) return
  db.sql(`DELETE FROM ledger_sample WHERE seq = ?1
    AND NOT EXISTS (SELECT 1 FROM ledger_sample_kind WHERE mid = ?2 AND seq = ?1)`).run(Number(out), mid)
}

export function readSamples(db: SqliteDb, mid: number, id: string | undefined): readonly Sample[] {
  const records = db
    .sql(`SELECT id, which, at, epoch, comparison FROM ledger_sample
      WHERE mid = ?1 AND (?2 IS NULL OR id = ?2) ORDER BY seq DESC`)
    .all(mid, id ?? null) as unknown as readonly (Omit<Sample, 'comparison'> & { comparison: string })[]
  return records.map((record) => ({ ...record, comparison: JSON.parse(record.comparison) as Comparison }))
}

export function readDifferences(db: SqliteDb, mid: number, epoch: number | undefined): readonly DifferenceGroup[] {
  const records = db
    .sql(`SELECT epoch, which, path, kind, pairs, example FROM ledger_difference
      WHERE mid = ?1 AND epoch BETWEEN ?2 AND ?3`)
    .all(mid, epoch ?? 0, epoch ?? Number.MAX_SAFE_INTEGER) as unknown as readonly (Omit<DifferenceGroup, 'example'> & {
    example: string
  })[]
  return records.map((record) => ({ ...record, example: JSON.parse(record.example) as DifferenceGroup['example'] }))
}
