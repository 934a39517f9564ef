// Which versions of a backend's library are known well enough to take jobs out of its keys?

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Movability } from '../src/ports/queue.ts'

/** What the scripts of an adapter were tried on. */
export interface TestedForm {
  readonly library: string
  /** `6.7` stands for each of its patches. */
  readonly versions: readonly string[]
  /** Redis types of its keys, in the order of the keys. */
  readonly types: readonly string[]
}

/** `found`: versions that have to do with the queue, undefined for one that cannot be told. */
export function testedForm(
  { library, versions, types }: TestedForm,
  found: readonly (string | undefined)[],
  keys: readonly string[],
  stored: readonly string[],
): Movability {
  const refuse = (what: string): Movability => ({
    ok: false,
    reason: `${what}; jobs are taken out of the keys of ${library} ${versions.join(', ')} only`,
  })
  if (found.includes(undefined)) return refuse(`the version of ${library} cannot be told (is it bundled?)`)
  const other = found.find((version) => !versions.some((one) => isOf(version ?? '', one)))
  if (other !== undefined) return refuse(`${library} ${other} is in use`)
  const odd = stored.findIndex((type, at) => type !== 'none' && type !== types[at])
  return odd === -1 ? { ok: true } : refuse(`the key ${keys[odd]} is a ${stored[odd]}, not a ${types[odd]}`)
}

function isOf(version: string, tested: string): boolean {
  return version === tested || (tested.split('.').length < 3 && version.startsWith(`${tested}.`))
}

const versions = new Map<string, string>()

/** The version of the package whose CommonJS module exports this class, or one it extends; undefined if bundled. */
export function versionOfClass(exported: unknown, library: string): string | undefined {
  const modules = Object.values(createRequire(import.meta.url).cache)
  for (let of: unknown = exported; typeof of === 'function'; of = Object.getPrototypeOf(of)) {
    const file = modules.find((module) => module?.exports === of)?.filename
    if (file === undefined) continue
    // What was loaded is what it is, also when its folder is replaced meanwhile by a deploy.
    const version = versions.get(file) ?? versionAbove(dirname(file), library)
    if (version !== undefined) versions.set(file, version)
    return version
  }
  return undefined
}

/** Of the nearest package.json. */
function versionAbove(folder: string, library: string): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>
    return name === library ? version : undefined
  } catch {
    const parent = dirname(folder)
    return parent === folder ? undefined : versionAbove(parent, library)
  }
}
