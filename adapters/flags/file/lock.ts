// Who may write now? Whoever made the lock file; one that a dead process left behind is taken away.

import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { CutoverError } from '../../../src/vocabulary/errors.ts'

/** A write takes milliseconds; an owner on another machine cannot be asked whether it lives. */
const STALE_MS = 10_000
const WAIT_MS = 15_000

/** Runs `work` while holding the lock file; `held` tells whether it still is ours. */
export async function withLock<T>(path: string, work: (held: () => Promise<boolean>) => Promise<T>): Promise<T> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), token: randomUUID() })
  const held = async (): Promise<boolean> => (await owner(path)) === mine
  await acquire(path, mine)
  try {
    return await work(held)
  } finally {
    if (await held()) await rm(path, { force: true })
  }
}

async function acquire(path: string, mine: string): Promise<void> {
  const until = performance.now() + WAIT_MS
  for (;;) {
    try {
      return await writeFile(path, mine, { flag: 'wx' })
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
    if (await removeStale(path)) continue
    if (performance.now() > until) {
      const message = `${path}: another process has been writing for ${WAIT_MS / 1000} s; remove the lock file if there is none`
      throw new CutoverError('flag-unavailable', message, { details: { path } })
    }
    await sleep(2 + Math.random() * 10)
  }
}

/** Answers true when it is worth trying again at once. */
async function removeStale(path: string): Promise<boolean> {
  const text = await owner(path)
  if (text === undefined) return true
  if (!(await isStale(path, text))) return false
  // Renamed first: only one process gets it, and can see whether it really took the stale one.
  const taken = `${path}.${randomUUID()}`
  try {
    await rename(path, taken)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true
    throw error
  }
  // Somebody was faster, and this is a new owner's lock: its `held` says no, it writes nothing and says so.
  await rm(taken, { force: true })
  return true
}

async function isStale(path: string, text: string): Promise<boolean> {
  const { pid, host } = parse(text)
  if (pid !== undefined && host === hostname() && !isAlive(pid)) return true
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** The lock of a process that was killed while making it is empty: then only its age counts. */
function parse(text: string): { readonly pid?: number; readonly host?: string } {
  try {
    const { pid, host } = JSON.parse(text) as { pid?: unknown; host?: unknown }
    return { ...(typeof pid === 'number' ? { pid } : {}), ...(typeof host === 'string' ? { host } : {}) }
  } catch {
    return {}
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !hasCode(error, 'ESRCH')
  }
}

async function owner(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
