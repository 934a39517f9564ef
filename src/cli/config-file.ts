// Which configuration is meant, and what does it export? Loading it runs the user's module and nothing else.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { CutoverConfig } from '../config/types.ts'
import { CutoverError, isCutoverError } from '../vocabulary/errors.ts'
import { ownModules } from './own-modules.ts'

export const CONFIG_NAMES = [
  'cutover.config.ts',
  'cutover.config.js',
  'cutover.config.mjs',
  'cutover.config.mts',
] as const

export interface LoadedConfig {
  readonly path: string
  readonly config: CutoverConfig
}

/** The path of `--config`, or the first of the usual names in `cwd`. `config-not-found` says what was looked for. */
export function findConfig(cwd: string, given: string | undefined): string {
  if (given !== undefined) {
    const path = resolve(cwd, given)
    if (existsSync(path)) return path
    throw new CutoverError('config-not-found', `there is no ${path}; --config takes the path of a configuration`, {
      details: { looked: [path] },
    })
  }
  const found = CONFIG_NAMES.map((name) => join(cwd, name)).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new CutoverError(
    'config-not-found',
    `there is no configuration in ${cwd}; looked for ${CONFIG_NAMES.join(', ')}. Run this in the folder that has one, name it with --config PATH, or write one with: cutover init`,
    { details: { looked: CONFIG_NAMES.map((name) => join(cwd, name)) } },
  )
}

/** Loads a TypeScript or JavaScript configuration. `config-not-found`, `config-invalid`. */
export async function loadConfig(cwd: string, given: string | undefined): Promise<LoadedConfig> {
  const path = findConfig(cwd, given)
  const [{ createJiti }, virtualModules] = await Promise.all([import('jiti'), ownModules()])
  const jiti = createJiti(path, { virtualModules, fsCache: false })
  let loaded: unknown
  try {
    loaded = await jiti.import(path)
  } catch (cause) {
    // what an adapter's function refused while the configuration called it
    if (isCutoverError(cause)) throw cause
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    throw new CutoverError('config-invalid', `${path} cannot be loaded: ${why}`, { cause, details: { path } })
  }
  const config = exported(loaded)
  if (typeof config !== 'object' || config === null) {
    throw new CutoverError(
      'config-invalid',
      `${path} has no default export that is a configuration; write: export default defineConfig({ … })`,
      { details: { path } },
    )
  }
  return { path, config: config as CutoverConfig }
}

/** The default export, or what a CommonJS module exports. Without either jiti offers the whole module as `default`. */
function exported(loaded: unknown): unknown {
  if (typeof loaded !== 'object' || loaded === null) return undefined
  if (Object.hasOwn(loaded, 'default')) return (loaded as { default: unknown }).default
  return Object.hasOwn(loaded, '__esModule') ? undefined : loaded
}
