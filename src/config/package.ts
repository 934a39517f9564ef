// Which cutover is this, and where does it stand? Found upwards from this file, in sources and in the package alike.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

interface PackageJson {
  readonly name?: string
  readonly version?: string
}

function readPackage(folder: string): PackageJson | undefined {
  const path = join(folder, 'package.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as PackageJson) : undefined
}

/** The package named `name` that `from` is in. */
function findUp(from: string, name: string): PackageJson | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = readPackage(folder)
    if (found?.name === name) return found
    if (dirname(folder) === folder) return undefined
  }
}

/** The package.json of cutover; undefined where there is none. */
export function ownPackage(): unknown {
  return findUp(import.meta.dirname, 'cutover')
}

export function packageVersion(): string {
  return findUp(import.meta.dirname, 'cutover')?.version ?? 'unknown'
}

/**
 * The version of a library that the adapters would load; undefined: it is not installed. `entry`: what is loaded of it,
 * where that is not the library itself.
 */
export function installedVersion(name: string, entry: string = name): string | undefined {
  let path: string
  try {
    path = createRequire(import.meta.url).resolve(entry)
  } catch {
    return undefined
  }
  return findUp(dirname(path), name)?.version ?? 'unknown'
}
