// The store of settled rows: one table a slice of time in which they were settled, dropped as a whole once it is older
// than the retention, so that purging costs nothing a row and freed pages are used again.

import type { JobRow, LedgerSettings } from '../../../src/ports/ledger.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { idOf, type RowKey } from './row-codec.ts'
import { sliceTable, sliceTexts } from './schema.ts'
import { packSettled, unpackSettled } from './settled-codec.ts'

export interface Slice {
  readonly sid: number
  readonly first: number
  readonly last: number
}

/** Few slices keep the search for an id short, many keep little beyond the retention. */
const SLICES = 8
const SLICE_MIN_MS = 25

/** Newest first. */
export function slicesOf(db: SqliteDb, mid: number): readonly Slice[] {
  const found = db.sql('SELECT sid, first, last FROM ledger_slice WHERE mid = ? ORDER BY sid DESC').all(mid)
  return found as unknown as readonly Slice[]
}

/** The slice of now, made if there is none. */
export function currentSlice(
  db: SqliteDb,
  mid: number,
  slices: readonly Slice[],
  now: number,
  settings: LedgerSettings,
): Slice {
  const [newest] = slices
  if (newest !== undefined && newest.last > now) return newest
  const width = Math.max(SLICE_MIN_MS, Math.ceil(settings.retainMs / SLICES))
  const insert = db.sql('INSERT INTO ledger_slice VALUES (NULL, ?, ?, ?)')
  const sid = Number(insert.run(mid, now, now + width).lastInsertRowid)
  db.exec(`CREATE TABLE ${sliceTable(sid)} (id PRIMARY KEY, v BLOB) WITHOUT ROWID`)
  return { sid, first: now, last: now + width }
}

export function findSettled(
  db: SqliteDb,
  slices: readonly Slice[],
  key: RowKey,
  id: string,
  token?: string,
): { readonly row: JobRow; readonly slice: Slice } | undefined {
  for (const slice of slices) {
    const found = db.sql(sliceTexts(slice.sid).find).get(key)
    if (found === undefined) continue
    return { row: unpackSettled(id, found.v as Uint8Array, slice.first, token), slice }
  }
  return undefined
}

/** Up to `limit` rows behind `after`, from the oldest slice on; `last` is where the next page begins. */
export function pageSettled(
  db: SqliteDb,
  mid: number,
  after: { readonly sid: number; readonly key: RowKey | undefined },
  limit: number,
): { readonly rows: readonly JobRow[]; readonly last?: { readonly sid: number; readonly key: RowKey } } {
  for (const { sid, first } of slicesOf(db, mid).toReversed()) {
    if (sid < after.sid) continue
    const from = sid === after.sid && after.key !== undefined ? [after.key] : []
    const behind = from.length === 0 ? '' : 'WHERE id > ?2'
    const select = db.sql(`SELECT id, v FROM ${sliceTable(sid)} ${behind} ORDER BY id LIMIT ?1`)
    const found = select.all(limit, ...from) as unknown as readonly { id: RowKey; v: Uint8Array }[]
    const end = found.at(-1)
    if (end === undefined) continue
    return { rows: found.map(({ id, v }) => unpackSettled(idOf(id), v, first)), last: { sid, key: end.id } }
  }
  return { rows: [] }
}

export function putSettled(db: SqliteDb, slice: Slice, key: RowKey, row: JobRow): void {
  db.sql(sliceTexts(slice.sid).put).run(key, packSettled(row, slice.first))
}

/** Slices whose newest row is older than the retention. */
export function slicesToDrop(db: SqliteDb, mid: number, now: number, settings: LedgerSettings): readonly Slice[] {
  return slicesOf(db, mid).filter(({ last }) => last + settings.retainMs <= now)
}

/** Removes up to `limit` rows, then the table; `done` once it is gone. Small steps keep transactions short. */
export function dropSlice(db: SqliteDb, { sid }: Slice, limit: number): { done: boolean; removed: number } {
  const known = db.sql('SELECT 1 FROM ledger_slice WHERE sid = ?').get(sid)
  if (known === undefined) return { done: true, removed: 0 }
  const table = sliceTable(sid)
  const cut = db.sql(`DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} LIMIT ?)`)
  const removed = Number(cut.run(limit).changes)
  if (removed === limit) return { done: false, removed }
  db.exec(`DROP TABLE ${table}`)
  db.sql('DELETE FROM ledger_slice WHERE sid = ?').run(sid)
  return { done: true, removed }
}
