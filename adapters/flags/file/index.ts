// Flags from a file in the repository: `flags: fileFlags()`. Nothing is opened until the configuration is used.

import { resolve } from 'node:path'
import type { FlagSpec } from '../../../src/ports/flags.ts'
import { type Duration, parseDuration } from '../../../src/vocabulary/duration.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import { FileFlagSource } from './source.ts'

export interface FileFlagsOptions {
  /** YAML or JSON; default `cutover.flags.yaml`, in the folder in which the process runs. */
  readonly path?: string
  /** How often the file is read even if nothing told of a change; default `1s`. */
  readonly poll?: Duration
}

const OPTIONS: ReadonlySet<string> = new Set(['path', 'poll'])

/** Flags from a file, watched: a change is seen in milliseconds. */
export function fileFlags(options: FileFlagsOptions = {}): FlagSpec {
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name))
  if (unknown !== undefined) throw invalid(unknown, 'unknown option; allowed are path and poll')
  const { path = 'cutover.flags.yaml', poll = '1s' } = options
  if (typeof path !== 'string' || path.trim() === '') throw invalid('path', 'must be the path of a YAML or JSON file')
  const pollMs = parseDuration(poll, 'fileFlags.poll')
  if (pollMs < 10) throw invalid('poll', 'must be 10ms or more')
  return {
    kind: 'file',
    create: ({ flags }) => new FileFlagSource({ path: resolve(path), pollMs, flags }),
  }
}

function invalid(option: string, why: string): CutoverError {
  return new CutoverError('option-invalid', `fileFlags.${option}: ${why}`, { details: { option } })
}
