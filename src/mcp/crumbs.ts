// Breadcrumbs: where a process is, written synchronously before it goes on, so that they are there when its event loop
// stands still and when it is killed. In files of a folder that only this user may enter.

import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

export interface Crumb {
  /** Ms since 1970. */
  readonly at: number
  readonly pid: number
  /** What was about to happen, or was seen. */
  readonly what: string
  readonly lines?: readonly string[]
}

/** `…/cutover-UID`, made when needed; undefined where it is somebody else's or cannot be made. */
export function crumbFolder(): string | undefined {
  const uid = process.getuid?.() ?? userInfo().username
  const folder = join(tmpdir(), `cutover-${uid}`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid: owner, mode } = lstatSync(folder)
    const isOurs = process.getuid === undefined || (owner === process.getuid() && (mode & 0o077) === 0)
    return isOurs && lstatSync(folder).isDirectory() ? folder : undefined
  } catch {
    return undefined
  }
}

/** The file of one probe in one place. */
export function crumbFile(probe: string, server: string, place: string): string | undefined {
  const folder = crumbFolder()
  return folder === undefined ? undefined : join(folder, `probe-${probe}-${server}-${place}.jsonl`)
}

/** Appends to one file. Without a file it does nothing: a probe does not fail of its notes. */
export class Crumbs {
  readonly path: string | undefined
  #file: number | undefined

  constructor(path: string | undefined) {
    this.path = path
    try {
      this.#file = path === undefined ? undefined : openSync(path, 'a', 0o600)
    } catch {
      this.#file = undefined
    }
  }

  drop(what: string, lines?: readonly string[]): void {
    if (this.#file === undefined) return
    const crumb: Crumb = { at: Date.now(), pid: process.pid, what, ...(lines === undefined ? {} : { lines }) }
    try {
      writeSync(this.#file, `${JSON.stringify(crumb)}\n`)
    } catch {
      // a full disk
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }

  /** For when what they say has been told otherwise. */
  remove(): void {
    this.close()
    if (this.path !== undefined) rmSync(this.path, { force: true })
  }
}

export function readCrumbs(path: string | undefined): readonly Crumb[] {
  if (path === undefined) return []
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Crumb]))
  } catch {
    return [] // none, or cut off by a kill
  }
}

const KEPT_MS = 86_400_000

/** Removes what processes that are gone have left, and notes of probes older than a day. */
export function tidyCrumbs(): void {
  const folder = crumbFolder()
  if (folder === undefined) return
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      const pid = /^calls-(\d+)\.json$/.exec(name)?.[1]
      const isOld = pid === undefined ? lstatSync(path).mtimeMs < Date.now() - KEPT_MS : !isThere(Number(pid))
      if (isOld) rmSync(path, { force: true })
    }
  } catch {
    // another process tidies, too
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Where a process started with the preload says which call of `child_process` it is in. */
export function callFile(pid: number): string | undefined {
  const folder = crumbFolder()
  return folder === undefined ? undefined : join(folder, `calls-${pid}.json`)
}
