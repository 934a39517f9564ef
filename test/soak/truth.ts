// The truth beside the product: what producers were told and what handlers did, written by themselves, in a file that
// survives their death.

import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS accepted (id TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (producer INTEGER, n INTEGER, PRIMARY KEY (producer, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (run TEXT PRIMARY KEY, id TEXT, side TEXT, kind TEXT, pid INTEGER, effects INTEGER,
  begun INTEGER, ended INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_of ON run (id);
CREATE TABLE IF NOT EXISTS fault (pid INTEGER, at INTEGER, what TEXT);
CREATE TABLE IF NOT EXISTS keyed (key TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;
`

/** How long after a handler's end it may take until its outcome is stored, while servers are down. */
const SETTLE_MS = 15_000
const SQLITE_BUSY = 5

export class Truth {
  readonly #db: DatabaseSync

  /** `waitMs`: for a lock, all at a stand; nobody who is to wake others up may wait for long. */
  constructor(path: string, waitMs: number) {
    this.#db = new DatabaseSync(path)
    // a killed process loses nothing that it has written; the machine is not to fail. One that stands still may hold the
    // lock meanwhile, and several after each other may
    this.#db.exec(`PRAGMA busy_timeout = ${waitMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF`)
    this.#db.exec(SCHEMA)
  }

  accept(entries: readonly { readonly id: string; readonly n: number }[], producer: number): void {
    this.#transaction(() => {
      for (const { id, n } of entries) {
        this.#db.prepare('INSERT OR IGNORE INTO accepted VALUES (?, ?)').run(id, n)
        this.#db.prepare('INSERT OR IGNORE INTO sent VALUES (?, ?)').run(producer, n)
      }
    })
  }

  sentBy(producer: number): Set<number> {
    const rows = this.#db.prepare('SELECT n FROM sent WHERE producer = ?').all(producer)
    return new Set(rows.map(({ n }) => Number(n)))
  }

  begins(run: { readonly run: string; readonly id: string; readonly side: string; readonly kind: string }): void {
    this.#db
      .prepare('INSERT INTO run VALUES (?, ?, ?, ?, ?, 0, ?, NULL)')
      .run(...[run.run, run.id, run.side, run.kind, process.pid, Date.now()])
  }

  /** One effect without a key, and one under its key, which is done once however often it is asked for. */
  effect(run: string, id: string, key: string): void {
    this.#transaction(() => {
      this.#db.prepare('UPDATE run SET effects = effects + 1 WHERE run = ?').run(run)
      this.#db.prepare('INSERT OR IGNORE INTO keyed VALUES (?, ?)').run(key, id)
    })
  }

  ends(run: string): void {
    this.#db.prepare('UPDATE run SET ended = ? WHERE run = ?').run(Date.now(), run)
  }

  /** What was done to a process, or with pid 0 to a server that all of them use. */
  async fault(pid: number, what: string): Promise<void> {
    const at = Date.now()
    for (;;) {
      try {
        this.#db.prepare('INSERT INTO fault VALUES (?, ?, ?)').run(pid, at, what)
        return
      } catch (cause) {
        if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause
        await delay(50)
      }
    }
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (cause) {
      this.#db.exec('ROLLBACK')
      throw cause
    }
  }

  knows(id: string): boolean {
    const sql = 'SELECT 1 FROM accepted WHERE id = ?1 UNION ALL SELECT 1 FROM run WHERE id = ?1 LIMIT 1'
    return this.#db.prepare(sql).get(id) !== undefined
  }

  get counts(): { accepted: number; runs: number } {
    const one = (sql: string): number => Number(this.#db.prepare(sql).get()?.n)
    return { accepted: one('SELECT count(*) AS n FROM accepted'), runs: one('SELECT count(*) AS n FROM run') }
  }

  /** Every id that was accepted or ran, with what was done under it. */
  *jobs(): Generator<TruthOfJob> {
    const sql = `SELECT ids.id AS id, a.n AS n, max(r.kind) AS kind, sum(r.effects) AS effects,
        sum(r.effects > 0 AND EXISTS (SELECT 1 FROM fault f WHERE f.pid IN (0, r.pid) AND f.at >= r.begun
          AND f.at <= ifnull(r.ended, f.at) + ${SETTLE_MS})) AS cut, count(DISTINCT CASE WHEN r.effects > 0 THEN r.side END) AS sides,
        (SELECT count(*) FROM keyed k WHERE k.key = 'mail:' || ids.id || ':pay:1') AS keyed
      FROM (SELECT id FROM accepted UNION SELECT id FROM run) ids
      LEFT JOIN accepted a ON a.id = ids.id LEFT JOIN run r ON r.id = ids.id GROUP BY ids.id`
    for (const row of this.#db.prepare(sql).iterate()) {
      yield {
        id: String(row.id),
        n: row.n === null ? undefined : Number(row.n),
        kind: row.kind === null ? undefined : String(row.kind),
        effects: Number(row.effects ?? 0),
        cut: Number(row.cut ?? 0),
        sides: Number(row.sides),
        keyed: Number(row.keyed),
      }
    }
  }

  close(): void {
    this.#db.close()
  }
}

export interface TruthOfJob {
  readonly id: string
  /** Undefined: its producer died before it was told; the job may be there or not. */
  readonly n: number | undefined
  /** Of its runs; undefined: it never ran. */
  readonly kind: string | undefined
  /** Effects performed, without a key. */
  readonly effects: number
  /** Runs that performed one and were hit by a fault before their end can have been stored: in doubt. */
  readonly cut: number
  /** Sides on which effects were performed. */
  readonly sides: number
  readonly keyed: number
}
