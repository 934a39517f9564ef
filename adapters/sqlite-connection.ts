// One connection to an SQLite file: gathers works into transactions, waits for locks outside of the event loop, and
// undoes a work that throws without touching the others.

import { statSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { CutoverError } from '../src/vocabulary/errors.ts'
import { explain, fileGone, isLocked, isStorage, lockedTooLong } from './sqlite-errors.ts'

/** `normal` survives killed processes, `full` also a power loss. */
export type SqliteDurability = 'normal' | 'full'

/** What a work sees of the database, inside its transaction. */
export interface SqliteDb {
  /** The statement for this text, prepared once a connection. Use parameters; the text must come from a small set. */
  sql(text: string): StatementSync
  /** Runs statements that need no parameters, e.g. to create tables. */
  exec(text: string): void
}

/** A transaction, and a row of them within one turn, takes no further work after this time: the event loop goes on. */
const TRANSACTION_MS = 8
const RETRY_MIN_MS = 1
const RETRY_MAX_MS = 40
/** How often it is made sure that the file is still there. */
const LOOK_MS = 1000
/** Statements kept ready; texts with the name of a table that comes and goes must not pile up. */
const STATEMENTS_KEPT = 500

export interface SqliteConnectionOptions {
  readonly path: string
  readonly db: DatabaseSync
  readonly lockWaitMs: number
  /** It is about to be closed: nobody else may take it. */
  readonly onClose: () => void
}

interface Pending {
  readonly work: (db: SqliteDb) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** When it first met a lock. */
  blockedAt?: number
}

export class SqliteConnection implements SqliteDb {
  readonly path: string
  durability: SqliteDurability = 'normal'
  readonly #db: DatabaseSync
  readonly #lockWaitMs: number
  readonly #onClose: () => void
  readonly #statements = new Map<string, StatementSync>()
  #queue: Pending[] = []
  #scheduled = false
  /** Set after a work threw: the next transaction guards each work with a savepoint. */
  #careful = false
  #attempt = 0
  #holders = 0
  #closed = false
  #idle: (() => void) | undefined
  /** When the first call of this turn of the event loop came. */
  #turnAt: number | undefined
  readonly #inode: number | undefined
  #lookedAt: number = performance.now()

  constructor({ path, db, lockWaitMs, onClose }: SqliteConnectionOptions) {
    this.#onClose = onClose
    this.path = path
    this.#db = db
    this.#lockWaitMs = lockWaitMs
    this.#inode = inodeOf(path)
  }

  retain(durability: SqliteDurability): boolean {
    if (this.#closed) return false
    this.#holders++
    if (durability === 'full' && this.durability !== 'full') {
      this.#db.exec('PRAGMA synchronous = FULL')
      this.durability = 'full'
    }
    return true
  }

  async release(): Promise<void> {
    this.#holders--
    if (this.#holders > 0) return
    if (this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    // somebody may have opened it again during the wait
    if (this.#holders > 0 || this.#closed) return
    this.#closed = true
    this.#onClose()
    this.#statements.clear()
    this.#db.close()
  }

  sql(text: string): StatementSync {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    const statement = this.#db.prepare(text)
    if (this.#statements.size >= STATEMENTS_KEPT) {
      for (const oldest of [...this.#statements.keys()].slice(0, STATEMENTS_KEPT / 2)) this.#statements.delete(oldest)
    }
    this.#statements.set(text, statement)
    return statement
  }

  exec(text: string): void {
    this.#db.exec(text)
  }

  write<T>(work: (db: SqliteDb) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as (value: unknown) => void, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      if (this.#loopIsDue()) setImmediate(this.#flush)
      else process.nextTick(this.#flush)
    })
  }

  async read<T>(work: (db: SqliteDb) => T): Promise<T> {
    const until = performance.now() + this.#lockWaitMs
    if (this.#loopIsDue()) await new Promise((resolve) => setImmediate(resolve))
    for (let attempt = 0; ; attempt++) {
      // the wait for the event loop or for a lock may have been outlived by the connection
      if (this.#closed) throw new CutoverError('closed', `${this.path}: the file was closed before it was read`)
      try {
        this.#look()
        this.sql('BEGIN').run()
        const value = work(this)
        this.sql('COMMIT').run()
        return value
      } catch (error) {
        this.#rollback()
        if (!isLocked(error)) throw explain(this.path, error)
        if (performance.now() > until) throw lockedTooLong(this.path, this.#lockWaitMs, error)
      }
      await new Promise((resolve) => setTimeout(resolve, pause(attempt)))
    }
  }

  /**
   * Whether timers and sockets have waited long enough. Somebody who awaits one call after the other would otherwise
   * never leave the tick: an answer comes in a promise job, and so does the next question.
   */
  #loopIsDue(): boolean {
    const now = performance.now()
    if (this.#turnAt === undefined) {
      this.#turnAt = now
      setImmediate(this.#turned)
    }
    return now - this.#turnAt > TRANSACTION_MS
  }

  readonly #turned = (): void => {
    this.#turnAt = undefined
  }

  readonly #flush = (): void => {
    this.#transaction()
    if (this.#queue.length === 0) {
      this.#scheduled = false
      this.#idle?.()
      this.#idle = undefined
    } else if (this.#attempt > 0) {
      setTimeout(this.#flush, pause(this.#attempt))
    } else {
      setImmediate(this.#flush)
    }
  }

  /** Runs works from the head of the queue in one transaction. Where it met a lock, `#attempt` is above 0 after it. */
  #transaction(): void {
    const queue = this.#queue
    const values: unknown[] = []
    const careful = this.#careful
    let begun = 1
    try {
      this.#look()
      this.sql('BEGIN IMMEDIATE').run()
      const stop = performance.now() + TRANSACTION_MS
      for (let at = 0; at < queue.length; at = values.length) {
        const { work, reject } = queue[at] as Pending
        begun = at + 1
        const [ok, value] = careful ? this.#guarded(work, reject) : this.#plain(work, reject, at)
        if (ok) values.push(value)
        else if (careful) queue.splice(at, 1)
        else return
        if (performance.now() > stop) break
      }
      this.sql('COMMIT').run()
    } catch (error) {
      this.#rollback()
      this.#refused(error, begun)
      return
    }
    this.#attempt = 0
    this.#careful = false
    const done = queue.splice(0, values.length)
    for (let at = 0; at < done.length; at++) (done[at] as Pending).resolve(values[at])
  }

  /** A work that throws ends the transaction: everything but it runs again, carefully. */
  #plain(work: Pending['work'], reject: Pending['reject'], at: number): [boolean, unknown] {
    try {
      return [true, work(this)]
    } catch (error) {
      if (isStorage(error)) throw error
      this.#rollback()
      this.#queue.splice(at, 1)
      this.#careful = true
      reject(error)
      return [false, undefined]
    }
  }

  #guarded(work: Pending['work'], reject: Pending['reject']): [boolean, unknown] {
    this.sql('SAVEPOINT work').run()
    try {
      const value = work(this)
      this.sql('RELEASE work').run()
      return [true, value]
    } catch (error) {
      if (isStorage(error)) throw error
      this.sql('ROLLBACK TO work').run()
      this.sql('RELEASE work').run()
      reject(error)
      return [false, undefined]
    }
  }

  /** A file that is removed or replaced under a connection goes on working, seen by nobody else. */
  #look(): void {
    const now = performance.now()
    if (now - this.#lookedAt < LOOK_MS) return
    if (inodeOf(this.path) !== this.#inode) throw fileGone(this.path)
    this.#lookedAt = now
  }

  #rollback(): void {
    // SQLite ends the transaction by itself after some errors
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
  }

  /** The transaction could not begin, go on or commit: wait, or tell those who were in it. */
  #refused(error: unknown, taken: number): void {
    if (!isLocked(error)) {
      this.#attempt = 0
      const explained = explain(this.path, error)
      for (const pending of this.#queue.splice(0, taken)) pending.reject(explained)
      return
    }
    this.#attempt++
    const now = performance.now()
    const waiting: Pending[] = []
    for (const pending of this.#queue) {
      pending.blockedAt ??= now
      if (now - pending.blockedAt < this.#lockWaitMs) waiting.push(pending)
      else pending.reject(lockedTooLong(this.path, this.#lockWaitMs, error))
    }
    this.#queue = waiting
  }
}

function inodeOf(path: string): number | undefined {
  return isMemory(path) ? undefined : statSync(path, { throwIfNoEntry: false })?.ino
}

export function pause(attempt: number): number {
  const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt, 6))
  return RETRY_MIN_MS + Math.random() * most
}

/** These files live in this process only. */
export function isMemory(path: string): boolean {
  return path.startsWith(':memory:')
}
