// Writes both dials of a flag at once, or says why that cannot be done here and what to do instead.

import type { MigrationSettings } from '../config/resolve.ts'
import type { DialsReading, FlagDials, FlagSource, FlagWriter } from '../ports/flags.ts'
import { formatShare } from '../vocabulary/dials.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { inTime, type Session } from './session.ts'

const WRITE_MS = 20_000

/** Answers the new revision. `flag-not-writable`, `flag-invalid`, `flag-unavailable`. */
export async function writeDials(
  session: Session,
  { name, flag, flagKind }: MigrationSettings,
  dials: FlagDials,
  options: { readonly switchOn?: boolean } = {},
): Promise<string> {
  const source = await session.flags()
  if (source.writer === undefined) {
    const what =
      source.instructions?.(flag, dials) ??
      `set the flag "${flag}" to target ${formatShare(dials.target)}, shadow ${formatShare(dials.shadow)} there`
    throw new CutoverError(
      'flag-not-writable',
      `${name}: the ${source.kind} flag source (${source.origin}) cannot be written from here; ${what}`,
      { details: { migration: name, flag } },
    )
  }
  const what = `writing the flag "${flag}" to ${source.origin}`
  const written = source.writer.write(flag, dials, { ...options, flagKind })
  return (await inTime(written, WRITE_MS, 'flag-unavailable', what)).revision
}

/** What is stored now, past every cache, where the source can be asked; else what was read last. */
export async function readStored(
  source: FlagSource,
  flag: string,
): Promise<{ readonly reading: DialsReading; readonly revision: string }> {
  if (source.writer?.read === undefined) return { reading: source.read(flag), revision: source.revision() }
  return await inTime(source.writer.read(flag), WRITE_MS, 'flag-unavailable', `reading the flag "${flag}"`)
}

/** A way to write that this source may lack. */
export async function writerWith<K extends 'create' | 'kill'>(
  session: Session,
  { name, flag }: MigrationSettings,
  way: K,
): Promise<NonNullable<FlagWriter[K]>> {
  const source = await session.flags()
  const found = source.writer?.[way]
  if (found === undefined) {
    const instead =
      way === 'kill'
        ? `to send every job to legacy: cutover rollback ${name}`
        : `write its dials with: cutover flag set ${name}`
    throw new CutoverError(
      'flag-not-writable',
      `${name}: the ${source.kind} flag source (${source.origin}) has no "flag ${way}"; ${instead}`,
      { details: { migration: name, flag } },
    )
  }
  return found.bind(source.writer) as NonNullable<FlagWriter[K]>
}
