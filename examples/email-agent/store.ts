// Where do the effects of the demo go, and what was done in which order? A mailbox store that keeps one entry a key
// (SQLite, the key is the primary key), and beside it a log that is only ever appended to, one JSON line an event, which
// knows nothing of cutover: `check-log.ts` counts from it. Several processes write to both.
//
// An effect is stored first and logged after it. A process killed in between leaves an entry without its line; the run
// that follows is refused by the key and logs that, so a key never gets two lines with `stored: true`.

import { closeSync, constants, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { CutoverError } from '../../src/vocabulary/errors.ts'
import type { Arm, Side } from '../../src/vocabulary/job.ts'

/** One run of one job. */
export interface Run {
  readonly migration: string
  readonly id: string
  readonly arm: Arm
  readonly side: Side
}

export type StoreEvent =
  | ({ readonly kind: 'run-start' } & Run)
  | ({ readonly kind: 'run-end'; readonly ok: boolean; readonly error?: string } & Run)
  | ({ readonly kind: 'effect'; readonly effect: string; readonly key: string; readonly stored: boolean } & Run)

/** An event as it stands in the log. */
export type LoggedEvent = StoreEvent & { readonly at: string; readonly pid: number }

const SCHEMA = `CREATE TABLE IF NOT EXISTS entries (
  key TEXT PRIMARY KEY, mailbox TEXT NOT NULL, value TEXT NOT NULL, attempts INTEGER NOT NULL
) WITHOUT ROWID`
// One statement, so that two processes cannot both find the key free.
const KEEP = `INSERT INTO entries (key, mailbox, value, attempts) VALUES (?, ?, ?, 1)
  ON CONFLICT (key) DO UPDATE SET attempts = attempts + 1 RETURNING attempts`

export class MailStore {
  readonly logPath: string
  readonly #log: number
  readonly #database: DatabaseSync
  readonly #keep: StatementSync

  /** Opens the store in `folder`, which is made if it is not there. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.logPath = join(folder, 'events.log')
    this.#log = openSync(this.logPath, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o644)
    this.#database = new DatabaseSync(join(folder, 'mailboxes.db'), { timeout: 5000 })
    // OFF: killed processes lose nothing, the demo does not promise to outlive a power cut.
    this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; ${SCHEMA}`)
    this.#keep = this.#database.prepare(KEEP)
  }

  record(event: StoreEvent): void {
    const line = Buffer.from(`${JSON.stringify({ at: new Date().toISOString(), pid: process.pid, ...event })}\n`)
    // One write a line: appends of several processes do not mix.
    const written = writeSync(this.#log, line)
    if (written !== line.length)
      throw new Error(`${this.logPath}: only ${written} of ${line.length} bytes were written`)
  }

  /** Does an effect at most once a key, and logs whether this was the first time. */
  keep(run: Run, effect: { name: string; key: string; mailbox: string; value: unknown }): { stored: boolean } {
    const stored = this.#keep.get(effect.key, effect.mailbox, JSON.stringify(effect.value))?.attempts === 1
    this.record({ kind: 'effect', ...run, effect: effect.name, key: effect.key, stored })
    return { stored }
  }

  /** Entries in all mailboxes, and how many attempts to store one again were refused. */
  counts(): { entries: number; refused: number } {
    const row = this.#database.prepare('SELECT count(*) AS entries, total(attempts - 1) AS refused FROM entries').get()
    return { entries: Number(row?.entries), refused: Number(row?.refused) }
  }

  close(): void {
    this.#database.close()
    closeSync(this.#log)
  }
}

/** The environment variable that tells a worker process where its store is. */
export const STORE_VARIABLE = 'EMAIL_AGENT_STORE'

let ofThisProcess: MailStore | undefined

/** The store of this process, opened when it is first needed. */
export function processStore(): MailStore {
  if (ofThisProcess !== undefined) return ofThisProcess
  const folder = process.env[STORE_VARIABLE]
  if (folder === undefined || folder === '') {
    throw new CutoverError(
      'usage',
      `${STORE_VARIABLE} is not set; it names the folder in which the demo keeps its mail`,
    )
  }
  ofThisProcess = new MailStore(folder)
  return ofThisProcess
}
