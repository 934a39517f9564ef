// When is a schedule due? Pure: a pattern, a zone and the ledger's time in, ticks out.

import { Cron } from 'croner'
import type { ScheduleRecord } from '../ports/schedules.ts'

/** Parsed patterns: parsing costs more than a tick. */
const parsed = new Map<string, Cron>()
const PARSED_KEPT = 500

function cronOf(cron: string, timezone: string): Cron {
  const key = `${timezone} ${cron}`
  let known = parsed.get(key)
  if (known === undefined) {
    if (parsed.size >= PARSED_KEPT) parsed.clear()
    known = new Cron(cron, { timezone, paused: true })
    parsed.set(key, known)
  }
  return known
}

const FIELDS = /^(@[a-z]+|\S+(\s+\S+){4,6})$/i

/** What is wrong with a pattern or a zone, in words; undefined: nothing. `now`: it must have a tick after it. */
export function patternProblem(cron: string, timezone: string, now: number): string | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    return `there is no time zone "${timezone}"; an IANA name, e.g. Europe/Berlin, or UTC`
  }
  const form = 'five fields (minute hour day month weekday), six with seconds in front, or @hourly, @daily, …'
  if (!FIELDS.test(cron.trim())) return `"${cron}" is not a cron pattern; ${form}`
  try {
    if (nextTick({ cron, timezone }, now) !== undefined) return undefined
  } catch (cause) {
    return `"${cron}" is not a cron pattern (${cause instanceof Error ? cause.message : String(cause)}); ${form}`
  }
  return `"${cron}" never comes again`
}

/** The first tick after `after`; undefined if the pattern has none. */
export function nextTick(
  { cron, timezone }: Pick<ScheduleRecord, 'cron' | 'timezone'>,
  after: number,
): number | undefined {
  return cronOf(cron, timezone).nextRun(new Date(after))?.getTime()
}

/** The last tick before `before`; undefined if the pattern has none. */
function previousTick(
  { cron, timezone }: Pick<ScheduleRecord, 'cron' | 'timezone'>,
  before: number,
): number | undefined {
  return cronOf(cron, timezone).previousRuns(1, new Date(before))[0]?.getTime()
}

/** Up to which time a schedule's ticks are done with. */
export function doneUpTo({ since, lastTick }: Pick<ScheduleRecord, 'since' | 'lastTick'>): number {
  return lastTick === undefined ? since : Math.max(since, lastTick)
}

export interface DueTicks {
  /** To be fired now, oldest first. */
  readonly ticks: readonly number[]
  /** There are more than `limit`. */
  readonly more: boolean
  /** The first of those that are too old to be fired. */
  readonly skippedFrom?: number
}

/**
 * The ticks up to `now` that nobody has fired. Those older than `catchUpMs` are left out; where nothing younger is due,
 * the latest of them is fired all the same: a nightly job runs once after a long weekend, not never.
 */
export function dueTicks(schedule: ScheduleRecord, now: number, limit: number): DueTicks {
  const after = doneUpTo(schedule)
  const first = nextTick(schedule, after)
  if (first === undefined || first > now) return { ticks: [], more: false }
  const edge = now - schedule.catchUpMs
  // a tick exactly at the edge is young enough
  const young = first >= edge ? first : nextTick(schedule, Math.max(after, edge - 1))
  const ticks: number[] = []
  for (let tick = young; tick !== undefined && tick <= now; tick = nextTick(schedule, tick)) {
    if (ticks.length === limit) return { ticks, more: true, ...(first < edge ? { skippedFrom: first } : {}) }
    ticks.push(tick)
  }
  if (first >= edge) return { ticks, more: false }
  if (ticks.length > 0) return { ticks, more: false, skippedFrom: first }
  const latest = previousTick(schedule, now + 1) ?? first
  return { ticks: [latest], more: false, ...(latest > first ? { skippedFrom: first } : {}) }
}

/** The id of a tick's job, the same whoever fires it: `schedule_nightly_20261125T030000Z`. */
export function tickId(name: string, tick: number): string {
  const time = new Date(tick).toISOString()
  return `schedule_${name}_${time.slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}
