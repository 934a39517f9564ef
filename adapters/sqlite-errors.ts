// What a failure of an SQLite file means to the caller, and what there is to do.

import { CutoverError } from '../src/vocabulary/errors.ts'

// https://www.sqlite.org/rescode.html; the low byte is the class.
const BUSY = 5
const LOCKED = 6
const FULL = 13
const STORAGE: ReadonlyMap<number, string> = new Map([
  [3, 'the permission is missing'],
  [BUSY, 'it is locked'],
  [LOCKED, 'it is locked'],
  [7, 'there is not enough memory'],
  [8, 'it is read-only'],
  [10, 'the disk answered with an error'],
  [11, 'it is corrupt'],
  [FULL, 'the disk is full'],
  [14, 'it cannot be opened'],
  [26, 'it is not an SQLite database'],
])

function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

export function isLocked(error: unknown): boolean {
  const code = codeOf(error)
  return code === BUSY || code === LOCKED
}

/** The file is at fault, not what was asked of it. */
export function isStorage(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && STORAGE.has(code)
}

/** Storage failures as `CutoverError`; anything else is left as it was thrown. */
export function explain(path: string, error: unknown): unknown {
  const code = codeOf(error)
  const what = code === undefined ? undefined : STORAGE.get(code)
  if (what === undefined) return error
  if (code !== FULL) return unavailable(path, what, error)
  return new CutoverError('ledger-full', `${path}: ${what}; nothing was stored. Free some space, then it goes on`, {
    cause: error,
    details: { path },
  })
}

export function unavailable(path: string, what: string, cause: unknown): CutoverError {
  const message = `${path}: ${what} (${cause instanceof Error ? cause.message : String(cause)}). Give a file on a local disk that this process may read and write`
  return new CutoverError('ledger-unavailable', message, { cause, details: { path } })
}

export function lockedTooLong(path: string, waitedMs: number, cause: unknown): CutoverError {
  const message = `${path}: locked by another process for more than ${waitedMs} ms. Look which process holds it (\`fuser\`), and end its transaction`
  return new CutoverError('ledger-unavailable', message, { cause, details: { path, waitedMs } })
}

/** The file was removed or replaced under an open connection: what is written there, nobody else sees. */
export function fileGone(path: string): CutoverError {
  const message = `${path}: the file was removed or replaced while it was open; nothing was stored. Put it back, or restart this process to begin with a new one`
  return new CutoverError('ledger-unavailable', message, { details: { path } })
}
