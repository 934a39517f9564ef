// From what the caller passed to `schedule` to terms that may be stored, or a refusal before anything is.

import { doneUpTo, nextTick, patternProblem } from './backlog/ticks.ts'
import type { MigrationSettings } from './config/resolve.ts'
import type { ScheduleRecord, ScheduleTerms } from './ports/schedules.ts'
import { type EnqueueOptions, prepare } from './routing/prepare.ts'
import { type Duration, parseDuration } from './vocabulary/duration.ts'
import { CutoverError } from './vocabulary/errors.ts'
import type { Json } from './vocabulary/outcome.ts'

export interface ScheduleOptions {
  /** The schedule's name, unique within the migration: 1 to 50 letters, digits, `_` and `-`. Default `'default'`. */
  readonly as?: string
  /** The zone in which the pattern is read. Default `'UTC'`, on every machine. */
  readonly timezone?: string
  /**
   * Ticks that came while no process was there are fired when one is, if they are no older than this; if all are older,
   * only the latest is. Default `'10m'`; `'0s'`: none but the latest.
   */
  readonly catchUp?: Duration
  /** As with `enqueue`. */
  readonly priority?: number
  readonly attempts?: number
  /** For the audit log. Default: who opened the cutover. */
  readonly by?: string
  readonly why?: string
}

/** A schedule as people ask after it; times in ms since 1970 on the ledger's clock. */
export interface ScheduleView {
  readonly name: string
  readonly cron: string
  readonly timezone: string
  readonly catchUpMs: number
  readonly since: number
  /** The last tick whose job is in its queue. */
  readonly lastTick?: number
  /** The first one that is not fired yet; in the past while nobody fires it. */
  readonly nextTick?: number
}

const KNOWN: readonly string[] = [
  ...['as', 'timezone', 'catchUp', 'priority', 'attempts', 'by', 'why'],
] satisfies readonly string[]
const NAME = /^[A-Za-z0-9_-]{1,50}$/

export const DEFAULT_SCHEDULE = 'default'

/** `option-invalid`, and what `enqueue` refuses of the payload. */
export async function scheduleTerms(
  settings: MigrationSettings,
  cron: string,
  payload: unknown,
  options: ScheduleOptions,
): Promise<ScheduleTerms> {
  const refuse = (what: string): never => {
    throw new CutoverError('option-invalid', `${settings.name}: ${what}`, { details: { migration: settings.name } })
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) refuse(`schedule has no option "${name}"; allowed: ${KNOWN.join(', ')}`)
  }
  const { as: name = DEFAULT_SCHEDULE, timezone = 'UTC', catchUp = '10m', priority, attempts } = options
  if (typeof name !== 'string' || !NAME.test(name)) {
    refuse(`the schedule's name is "${String(name)}"; allowed: 1 to 50 letters, digits, _ and -`)
  }
  if (typeof cron !== 'string') refuse(`the pattern is a ${typeof cron}; a cron pattern, e.g. '0 3 * * *'`)
  const problem = patternProblem(cron, timezone, Date.now())
  if (problem !== undefined) refuse(`schedule ${name}: ${problem}`)
  const enqueued: EnqueueOptions = {
    ...(priority === undefined ? {} : { priority }),
    ...(attempts === undefined ? {} : { attempts }),
  }
  await prepare(settings, payload, enqueued)
  // what is stored is what will be sent: a Date is a text by then, and the schema has to take that
  const text = JSON.stringify(payload) as string | undefined
  const stored = text === undefined ? null : (JSON.parse(text) as Json)
  if (text !== undefined) await prepare(settings, stored, enqueued)
  const catchUpMs = parseDuration(catchUp, `${settings.name}: catchUp`)
  return { name, cron: cron.trim(), timezone, payload: stored, catchUpMs, ...enqueued } as ScheduleTerms
}

export function viewSchedule(record: ScheduleRecord): ScheduleView {
  const { name, cron, timezone, catchUpMs, since, lastTick } = record
  const next = nextTick(record, doneUpTo(record))
  return {
    ...{ name, cron, timezone, catchUpMs, since },
    ...(lastTick === undefined ? {} : { lastTick }),
    ...(next === undefined ? {} : { nextTick: next }),
  }
}
