// What stands in for the server's first answer, from a file: the body of `GET /api/client/features`, as it was saved.

import { readFileSync } from 'node:fs'
import { CutoverError } from '../../../src/vocabulary/errors.ts'

export function readBootstrap(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CutoverError('flag-unavailable', `bootstrap ${path} cannot be read: ${why}`, { cause, details: { path } })
  }
}
