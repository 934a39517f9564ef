// Where does a run keep its files? In a folder of its own under `.cutover`; the newest of those that are over stay, to be
// looked at, the others are removed.

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = '.cutover'
const NAME = /^demo-\d{8}-\d{6}-(\d+)$/
/** Runs that are over and stay. */
const KEPT = 2

/** Makes the folder, and removes those of runs long over. */
export function makeFolder(wanted: string | undefined): string {
  if (wanted === undefined) removeOld()
  const at = new Date().toISOString()
  const name = `demo-${at.slice(0, 10).replaceAll('-', '')}-${at.slice(11, 19).replaceAll(':', '')}-${process.pid}`
  const folder = wanted ?? resolve(ROOT, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

function removeOld(): void {
  mkdirSync(ROOT, { recursive: true })
  const over = readdirSync(ROOT).filter((name) => NAME.test(name) && !isAlive(Number(NAME.exec(name)?.[1])))
  // the time is in the name: sorted by name is oldest first
  for (const name of over.sort().slice(0, -KEPT)) rmSync(join(ROOT, name), { recursive: true, force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Replaces a file in one step: a reader sees the old one or the new one. */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}
