// One SQLite file as several writers of one process share it: who writes when, and what a failure means.
//
// There is one connection a file and process. What is asked to be written within one tick is committed together, and a
// file that another process holds is waited for without blocking the event loop.

import { mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CutoverError } from '../src/vocabulary/errors.ts'
import { isMemory, pause, SqliteConnection, type SqliteDb, type SqliteDurability } from './sqlite-connection.ts'
import { explain, isLocked, lockedTooLong, unavailable } from './sqlite-errors.ts'

export type { SqliteDb, SqliteDurability } from './sqlite-connection.ts'

export interface SqliteFileOptions {
  /** Created with its folder when absent. `:memory:` and `:memory:NAME` live in this process only. */
  readonly path: string
  /** The strongest of all who opened the file counts. Default `normal`. */
  readonly durability?: SqliteDurability
  /** How long a write waits for a file that others hold; default 30 s. */
  readonly lockWaitMs?: number
}

export interface SqliteFile {
  readonly path: string
  readonly durability: SqliteDurability
  /**
   * Runs `work` in a write transaction and answers once it is committed. Works asked for in one tick share a
   * transaction, in their order. A work that throws is undone alone; others of its transaction may then run a second
   * time, so a work must change nothing but the database.
   */
  write<T>(work: (db: SqliteDb) => T): Promise<T>
  /** Runs `work` on a consistent view of what is committed: at once, or where the event loop is due, after its turn. */
  read<T>(work: (db: SqliteDb) => T): Promise<T>
  /** Lets go of the file; the last one to do so waits for what is being written and closes the connection. */
  close(): Promise<void>
}

/** How long SQLite itself may block the event loop on a lock, before the wait goes on outside of it. */
const BUSY_TIMEOUT_MS = 3

const connections = new Map<string, Promise<SqliteConnection>>()

/** Opens the file, or shares it with whoever has it open in this process. */
export async function openSqliteFile(options: SqliteFileOptions): Promise<SqliteFile> {
  const path = absolute(options.path)
  for (;;) {
    const known = connections.get(path)
    const opening = known ?? open(path, options.lockWaitMs ?? 30_000)
    if (known === undefined) {
      connections.set(path, opening)
      opening.catch(() => connections.delete(path))
    }
    const connection = await opening
    if (connection.retain(options.durability ?? 'normal')) return handleOf(connection)
    // it was closed while we waited for it: open it anew
  }
}

function handleOf(connection: SqliteConnection): SqliteFile {
  let closed = false
  const guard = <T>(run: () => Promise<T>): Promise<T> =>
    closed
      ? Promise.reject(new CutoverError('closed', `${connection.path}: this handle of the file was closed`))
      : run()
  return {
    path: connection.path,
    get durability() {
      return connection.durability
    },
    write: (work) => guard(() => connection.write(work)),
    read: (work) => guard(() => connection.read(work)),
    close: async () => {
      if (closed) return
      closed = true
      await connection.release()
    },
  }
}

function absolute(path: string): string {
  if (isMemory(path)) return path
  const full = resolve(path)
  try {
    mkdirSync(dirname(full), { recursive: true })
    return join(realpathSync(dirname(full)), basename(full))
  } catch (cause) {
    throw unavailable(full, 'its folder cannot be made or read', cause)
  }
}

async function open(path: string, lockWaitMs: number): Promise<SqliteConnection> {
  const until = performance.now() + lockWaitMs
  for (let attempt = 0; ; attempt++) {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(isMemory(path) ? ':memory:' : path, { timeout: BUSY_TIMEOUT_MS })
      // 16 MB of log between two syncs of the file: the usual 4 MB are full after some ten thousand jobs
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8000;
        PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY`)
      return new SqliteConnection({ path, db, lockWaitMs, onClose: () => connections.delete(path) })
    } catch (error) {
      db?.close()
      if (!isLocked(error)) throw explain(path, error)
      if (performance.now() > until) throw lockedTooLong(path, lockWaitMs, error)
      await new Promise((resolve) => setTimeout(resolve, pause(attempt)))
    }
  }
}
