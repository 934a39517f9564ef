// Writes both dials of a flag at once, or says why that cannot be done here and what to do instead.

import type { MigrationSettings } from '../config/resolve.ts'
import type { Dials } from '../vocabulary/dials.ts'
import { formatShare } from '../vocabulary/dials.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { inTime, type Session } from './session.ts'

const WRITE_MS = 20_000

/** Answers the new revision. `flag-not-writable`, `flag-invalid`, `flag-unavailable`. */
export async function writeDials(
  session: Session,
  { name, flag }: MigrationSettings,
  dials: Pick<Dials, 'target' | 'shadow'>,
): Promise<string> {
  const source = await session.flags()
  if (source.writer === undefined) {
    throw new CutoverError(
      'flag-not-writable',
      `${name}: the ${source.kind} flag source (${source.origin}) cannot be written from here; set the flag "${flag}" to target ${formatShare(dials.target)}, shadow ${formatShare(dials.shadow)} there`,
      { details: { migration: name, flag } },
    )
  }
  if (source.read(flag).kind === 'custom') {
    throw new CutoverError(
      'flag-not-writable',
      `${name}: the flag "${flag}" has rules of its own in ${source.origin}, which two dials would overwrite; change it there, or remove those rules first`,
      { details: { migration: name, flag } },
    )
  }
  const what = `writing the flag "${flag}" to ${source.origin}`
  return (await inTime(source.writer.write(flag, dials), WRITE_MS, 'flag-unavailable', what)).revision
}
