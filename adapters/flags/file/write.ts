// How is a flag file changed? One writer at a time, comments and other flags kept, and replaced by rename, so that a
// reader sees the old file or the new one, never half of one. What cannot be kept is refused before anything is
// written.

import { randomUUID } from 'node:crypto'
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FlagDials } from '../../../src/ports/flags.ts'
import { formatShare } from '../../../src/vocabulary/dials.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import { checkDials } from '../../flag-support.ts'
import { withLock } from './lock.ts'
import { type FlagFile, type FlagValue, flagFileError, loadYaml, parseFlagFile } from './parse.ts'

/** People edit this file too, and they take no lock: then it is read anew. */
const MAX_TRIES = 5

/** Sets one flag's dials in the file at `path`, which is made when it is not there. */
export async function writeFlag(path: string, flag: string, dials: FlagDials): Promise<void> {
  checkDials(flag, dials)
  // A link stays a link: what it leads to is replaced.
  const real = await realpath(path).catch((error: unknown) => (isMissing(error) ? path : Promise.reject(error)))
  try {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const done = await withLock(`${real}.lock`, async (held) => {
        const before = await readText(real)
        const after = await changed(path, before, flag, dials)
        return after === before || (await replace(real, before, after, held))
      })
      if (done) return
    }
    const message = `${path} is being changed by somebody else all the time; nothing was written; run the command again`
    throw new CutoverError('flag-unavailable', message, { details: { path, flag } })
  } catch (error) {
    if (error instanceof CutoverError) throw error
    const why = error instanceof Error ? error.message : String(error)
    const message = `${path} cannot be written: ${why}; nothing was changed; check that its folder is there and may be written`
    throw new CutoverError('flag-not-writable', message, { cause: error, details: { path, flag } })
  }
}

/** The file's text with the flag changed; checked by reading it back. */
async function changed(path: string, before: string | undefined, flag: string, dials: FlagDials): Promise<string> {
  const file = await parseFlagFile(before ?? '{}')
  if (file.problems.length > 0) {
    const { message, details } = flagFileError(path, file.problems)
    throw new CutoverError('flag-invalid', `${message}\nthe file is broken: nothing was written; repair it first`, {
      details,
    })
  }
  const value = valueFor(flag, file.values.get(flag), dials)
  const json = before === undefined ? path.endsWith('.json') : isJson(before)
  const edited = json ? editJson(before ?? '{}', flag, value) : await editYaml(file, flag, value)
  const after = before?.includes('\r\n') ? edited.replaceAll('\n', '\r\n') : edited
  const wanted = new Map(file.values).set(flag, value)
  const got = await parseFlagFile(after)
  if (got.problems.length > 0 || !sameValues(wanted, got.values)) {
    const message = `${path}: ${flag} cannot be changed without changing other flags (they share it by an anchor); write the values out in the file`
    throw new CutoverError('flag-not-writable', message, { details: { path, flag } })
  }
  return after
}

/** A boolean flag stays boolean: dials would make it a flag of another kind, which its migration does not read. */
function valueFor(flag: string, before: FlagValue | undefined, { target, shadow }: FlagDials): FlagValue {
  if (before?.kind !== 'boolean') return { kind: 'dials', target, shadow }
  if (shadow === 0 && (target === 0 || target === 1)) return { kind: 'boolean', on: target === 1 }
  const asked = `target ${formatShare(target)}, shadow ${formatShare(shadow)}`
  const message = `${flag} is a boolean flag: target 0% or 100% without shadow is all it can say, not ${asked}; write dials in the file for the rest`
  throw new CutoverError('flag-not-writable', message, { details: { flag } })
}

function plain(value: FlagValue): boolean | { target: string; shadow: string } {
  if (value.kind !== 'dials') return value.kind === 'boolean' && value.on
  return { target: formatShare(value.target), shadow: formatShare(value.shadow) }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function editJson(text: string, flag: string, value: FlagValue): string {
  const entries = Object.entries(JSON.parse(text) as Record<string, unknown>)
  const place = entries.findIndex(([name]) => name === flag)
  entries.splice(place === -1 ? entries.length : place, 1, [flag, plain(value)])
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`
}

async function editYaml({ document }: FlagFile, flag: string, value: FlagValue): Promise<string> {
  const { isMap, isScalar } = await loadYaml()
  // What began as `{}` goes on in lines.
  if (isMap(document.contents) && document.contents.items.length === 0) document.contents.flow = false
  const node: unknown = document.get(flag, true)
  const next = plain(value)
  if (typeof next === 'object' && isMap(node)) {
    node.set('target', next.target)
    node.set('shadow', next.shadow)
  } else {
    const created = document.createNode(next, { flow: true })
    if (isScalar(node) && node.comment) created.comment = node.comment
    document.set(flag, created)
  }
  return document.toString({ lineWidth: 0 })
}

function sameValues(a: ReadonlyMap<string, FlagValue>, b: ReadonlyMap<string, FlagValue>): boolean {
  return canonical(a) === canonical(b)
}

/** The same values give the same text, whatever the file's form and order. */
export function canonical(values: ReadonlyMap<string, FlagValue>): string {
  const lines = [...values].map(([flag, value]) => {
    const said = value.kind === 'dials' ? [value.target, value.shadow] : value.kind === 'boolean' ? [value.on] : []
    return JSON.stringify([flag, value.kind, ...said])
  })
  return lines.sort().join('\n')
}

/** Answers false, and has changed nothing, when the file or the lock is not what it was. */
export async function replace(
  path: string,
  before: string | undefined,
  after: string,
  held: () => Promise<boolean>,
): Promise<boolean> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    const mode = before === undefined ? 0o666 : (await stat(path)).mode & 0o777
    const file = await open(temporary, 'wx', mode)
    try {
      if (before !== undefined) await file.chmod(mode)
      await file.writeFile(after)
      await file.sync()
    } finally {
      await file.close()
    }
    const same = (await readText(path)) === before && (await held())
    if (same) await rename(temporary, path)
    return same
  } finally {
    await rm(temporary, { force: true })
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
