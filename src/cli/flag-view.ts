// What does the flag source say of one migration now, as far as it can be asked? Never rejects: a source that is down
// is an answer too.

import type { MigrationSettings } from '../config/resolve.ts'
import type { DialsReading, FlagHealth } from '../ports/flags.ts'
import { formatShare } from '../vocabulary/dials.ts'
import { formatDuration } from '../vocabulary/duration.ts'
import { failureOf } from './failure.ts'
import { foreign, type Pen, type Style } from './pen.ts'
import type { Session } from './session.ts'

export interface FlagView {
  readonly name: string
  readonly kind: string
  /** Where the values come from. */
  readonly origin: string | null
  readonly state: FlagHealth['state'] | 'failed'
  /** Age of the last good answer, ms; null: there was none. */
  readonly ageMs: number | null
  readonly message: string | null
  readonly revision: string | null
  readonly writable: boolean
  readonly reading: DialsReading['kind'] | 'unknown'
  /** Shares from 0 to 1; null where no pair of numbers says it. */
  readonly target: number | null
  readonly shadow: number | null
}

const UNREAD = { reading: 'unknown', target: null, shadow: null } as const

export async function viewFlag(session: Session, settings: MigrationSettings): Promise<FlagView> {
  try {
    const source = await session.flags()
    const health = source.health()
    const reading = source.read(settings.flag)
    // a file that is not there has no values; a server that was never reached has some, which live processes may go by
    const never = source.kind !== 'file' && health.state !== 'ok' && !Number.isFinite(health.ageMs)
    const unread = never && reading.kind === 'missing'
    return {
      name: settings.flag,
      kind: source.kind,
      origin: source.origin,
      state: health.state,
      ageMs: Number.isFinite(health.ageMs) ? Math.round(health.ageMs) : null,
      message: health.message ?? null,
      revision: source.revision(),
      writable: source.writer !== undefined,
      ...(unread ? UNREAD : { reading: reading.kind, ...dialsOf(reading) }),
    }
  } catch (error) {
    const nothing = { origin: null, ageMs: null, revision: null, writable: false, target: null, shadow: null }
    const { message } = failureOf(error)
    return {
      ...nothing,
      name: settings.flag,
      kind: session.config.flags.kind,
      state: 'failed',
      message,
      reading: 'unknown',
    }
  }
}

export function dialsOf(reading: DialsReading): { target: number | null; shadow: number | null } {
  switch (reading.kind) {
    case 'dials':
      return { target: reading.target, shadow: reading.shadow }
    case 'boolean':
      return { target: reading.on ? 1 : 0, shadow: 0 }
    case 'custom':
      return { target: null, shadow: null }
    case 'missing':
    case 'off':
      return { target: 0, shadow: 0 }
  }
}

const WHY: Readonly<Partial<Record<FlagView['reading'], string>>> = {
  missing: 'the flag has no value: every job goes to legacy',
  off: 'the flag is off: every job goes to legacy',
  custom: 'the flag has rules of its own: no single pair of numbers says it',
  unknown: 'not known: the flag cannot be read from here; live processes go by what they read last, new ones to legacy',
}

/** `target 25%  shadow 100%`, or why there are no numbers. */
export function dialsText({ reading, target, shadow }: FlagView): string {
  const why = WHY[reading]
  if (target === null || shadow === null) return why ?? 'not known'
  return `target ${formatShare(target)}  shadow ${formatShare(shadow)}${why === undefined ? '' : `  (${why})`}`
}

/** Where it comes from, whether it is well, how fresh. */
export function healthText({ kind, origin, state, ageMs, message, revision }: FlagView, pen: Pen): string {
  const style: Style = state === 'ok' ? 'green' : 'yellow'
  const age = ageMs === null ? 'no good answer yet' : `last good answer ${formatDuration(ageMs)} ago`
  const where = origin === null ? kind : `${kind} ${foreign(origin)}`
  const at = revision === null ? '' : `, revision ${revision}`
  const said =
    message === null
      ? ''
      : `\n${message
          .split('\n')
          .map((line) => foreign(line, 300))
          .join('\n')}`
  return `${pen.style(style, state)} (${where}${at}, ${age})${said}`
}
