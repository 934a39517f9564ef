// What is stored where in the ledger's file, and which version of it this is.
//
// A migration is a number in every table; its rows have tables of their own, named after that number. Tables are only
// ever added, so that a process of the version before can go on.

import { LEDGER_SCHEMA } from '../../../src/ports/ledger.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

const TABLES = `
CREATE TABLE IF NOT EXISTS ledger_meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_migration (mid INTEGER PRIMARY KEY, namespace TEXT, name TEXT, UNIQUE (namespace, name));
CREATE TABLE IF NOT EXISTS ledger_slice (sid INTEGER PRIMARY KEY, mid INTEGER, first INTEGER, last INTEGER);
CREATE INDEX IF NOT EXISTS ledger_slice_of ON ledger_slice (mid);
CREATE TABLE IF NOT EXISTS ledger_tally (mid INTEGER, epoch INTEGER, start INTEGER, width INTEGER, key TEXT, n INTEGER,
  PRIMARY KEY (mid, epoch, start, width, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_time_log (seq INTEGER PRIMARY KEY, mid INTEGER, epoch INTEGER, closes INTEGER, log BLOB);
CREATE TABLE IF NOT EXISTS ledger_time_sum (mid INTEGER, epoch INTEGER, sums BLOB, PRIMARY KEY (mid, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_recent (mid INTEGER, start INTEGER, epoch INTEGER, key TEXT, n INTEGER,
  PRIMARY KEY (mid, start, epoch, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_first (mid INTEGER, epoch INTEGER, day INTEGER, page INTEGER, bits BLOB,
  PRIMARY KEY (mid, epoch, day, page)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_difference (mid INTEGER, epoch INTEGER, which TEXT, path TEXT, kind TEXT,
  pairs INTEGER, example TEXT, PRIMARY KEY (mid, epoch, which, path, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_sample (seq INTEGER PRIMARY KEY AUTOINCREMENT, mid INTEGER, id TEXT, which TEXT,
  at INTEGER, epoch INTEGER, comparison TEXT);
CREATE INDEX IF NOT EXISTS ledger_sample_of ON ledger_sample (mid, seq);
CREATE TABLE IF NOT EXISTS ledger_sample_kind (mid INTEGER, path TEXT, kind TEXT, seq INTEGER,
  PRIMARY KEY (mid, path, kind)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ledger_sample_kept ON ledger_sample_kind (mid, seq);
CREATE TABLE IF NOT EXISTS ledger_control (mid INTEGER PRIMARY KEY, latch TEXT, ceiling REAL, share REAL, epoch INTEGER);
CREATE TABLE IF NOT EXISTS ledger_epoch (mid INTEGER, epoch INTEGER, record TEXT, PRIMARY KEY (mid, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_presence (mid INTEGER, instance TEXT, at INTEGER, gone INTEGER, presence TEXT,
  PRIMARY KEY (mid, instance)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_lease (mid INTEGER, name TEXT, holder TEXT, until INTEGER,
  PRIMARY KEY (mid, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, mid INTEGER, at INTEGER, by TEXT,
  action TEXT, why TEXT, data TEXT);
CREATE INDEX IF NOT EXISTS ledger_audit_of ON ledger_audit (mid, seq);
CREATE TABLE IF NOT EXISTS ledger_probe (seq INTEGER PRIMARY KEY AUTOINCREMENT, mid INTEGER, server TEXT, place TEXT,
  id TEXT, at INTEGER, record TEXT, UNIQUE (mid, server, place, id));
CREATE TABLE IF NOT EXISTS ledger_drive (mid INTEGER PRIMARY KEY, revision INTEGER, driven INTEGER, token TEXT, record TEXT);
CREATE TABLE IF NOT EXISTS ledger_moving (mid INTEGER, id, payload TEXT, PRIMARY KEY (mid, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_move (mid INTEGER, id, gen INTEGER, at INTEGER, note TEXT, until INTEGER,
  PRIMARY KEY (mid, id, gen)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_schedule (mid INTEGER, name TEXT, terms TEXT, since INTEGER, tick INTEGER,
  PRIMARY KEY (mid, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_quiet (mid INTEGER, side TEXT, since INTEGER, print TEXT,
  PRIMARY KEY (mid, side)) WITHOUT ROWID;
`
const TABLE_NAMES = [...TABLES.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)].map(([, name]) => name as string)

/** Creates or migrates the tables; refuses a file of a newer major. */
export function prepareSchema(db: SqliteDb, path: string): void {
  const known = db.sql(`SELECT 1 FROM sqlite_schema WHERE name = 'ledger_meta'`).get()
  const stored = known && db.sql(`SELECT value FROM ledger_meta WHERE name = 'schema'`).get()
  const version = Number(stored?.value ?? 0)
  if (version > LEDGER_SCHEMA) {
    throw new CutoverError(
      'ledger-schema',
      `${path}: the ledger has schema ${version}, this version of cutover knows up to ${LEDGER_SCHEMA}. Update cutover in this process`,
      { details: { path, stored: version, known: LEDGER_SCHEMA } },
    )
  }
  if (version === LEDGER_SCHEMA && hasAllTables(db)) return
  db.exec(TABLES)
  db.sql(`INSERT OR REPLACE INTO ledger_meta VALUES ('schema', ?)`).run(LEDGER_SCHEMA)
}

/** A file of an earlier version lacks those that were added since. */
function hasAllTables(db: SqliteDb): boolean {
  const stored = db.sql(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all()
  const names = new Set(stored.map(({ name }) => String(name)))
  return TABLE_NAMES.every((name) => names.has(name))
}

/** The number of a migration, made at its first use together with its tables, its control state and its epoch 0. */
export function prepareMigration(db: SqliteDb, namespace: string, name: string, now: number): number {
  const find = db.sql('SELECT mid FROM ledger_migration WHERE namespace = ? AND name = ?')
  const known = find.get(namespace, name)
  if (known !== undefined) return Number(known.mid)
  const mid = Number(db.sql('INSERT INTO ledger_migration VALUES (NULL, ?, ?)').run(namespace, name).lastInsertRowid)
  db.exec(`CREATE TABLE ${rowTable(mid)}
    (id PRIMARY KEY, status INTEGER, due INTEGER, lease INTEGER, body TEXT, slots TEXT) WITHOUT ROWID`)
  const record = {
    ...{ epoch: 0, startedAt: now, dials: { target: 0, shadow: 0, control: 0 }, flagRevision: '', versions: {} },
    ...{ rules: '', latched: false, by: '' },
  }
  db.sql('INSERT INTO ledger_epoch VALUES (?, 0, ?)').run(mid, JSON.stringify(record))
  db.sql('INSERT INTO ledger_control VALUES (?, ?, 1, 0, 0)').run(mid, JSON.stringify({ set: false, revision: 0 }))
  return mid
}

/** Rows that are unfinished or have an open verdict. */
export function rowTable(mid: number): string {
  return `ledger_rows_${mid}`
}

/** Settled rows of a slice of time. */
export function sliceTable(sid: number): string {
  return `ledger_settled_${sid}`
}

/** The statements of the hot path, built once: a text that is put together anew is hashed anew at each use. */
export interface RowTexts {
  readonly find: string
  /** A new row: nothing is in its slots. */
  readonly insert: string
  readonly replace: string
  /** All but the slots. */
  readonly update: string
  readonly remove: string
  /** Removes a row that stands as it is remembered. */
  readonly take: string
}
const rowTextsKnown = new Map<number, RowTexts>()

export function rowTexts(mid: number): RowTexts {
  return remembered(rowTextsKnown, mid, () => ({
    find: `SELECT status, due, lease, body, slots FROM ${rowTable(mid)} WHERE id = ?`,
    insert: `INSERT OR IGNORE INTO ${rowTable(mid)} (id, status, due, lease, body) VALUES (?, ?, ?, ?, ?)`,
    replace: `INSERT OR REPLACE INTO ${rowTable(mid)} VALUES (?, ?, ?, ?, ?, ?)`,
    update: `UPDATE ${rowTable(mid)} SET status = ?2, due = ?3, lease = ?4, body = ?5 WHERE id = ?1`,
    remove: `DELETE FROM ${rowTable(mid)} WHERE id = ?`,
    take: `DELETE FROM ${rowTable(mid)} WHERE id = ?1 AND status = ?2 AND due = ?3 AND body = ?4 AND slots IS NULL`,
  }))
}

export interface SliceTexts {
  readonly find: string
  readonly put: string
  readonly remove: string
}
const sliceTextsKnown = new Map<number, SliceTexts>()

export function sliceTexts(sid: number): SliceTexts {
  return remembered(sliceTextsKnown, sid, () => ({
    find: `SELECT v FROM ${sliceTable(sid)} WHERE id = ?`,
    put: `INSERT OR REPLACE INTO ${sliceTable(sid)} VALUES (?, ?)`,
    remove: `DELETE FROM ${sliceTable(sid)} WHERE id = ?`,
  }))
}

const TEXTS_KEPT = 1000

function remembered<T>(known: Map<number, T>, key: number, make: () => T): T {
  let texts = known.get(key)
  if (texts === undefined) {
    if (known.size >= TEXTS_KEPT) known.clear()
    texts = make()
    known.set(key, texts)
  }
  return texts
}
