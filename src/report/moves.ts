// What was moved by hand or by a rollback, and is a side empty? From the audit log, and from what looks at the queues noted.
//
// The report asks no queue. `cutover status` and `cutover finish` do, and note since when they saw a side empty; as long
// as nothing was sent there since, that still holds.

import { drainWindowMs, printOf } from '../backlog/drain.ts'
import type { MigrationSettings } from '../config/resolve.ts'
import type { Quiet } from '../ports/drain.ts'
import type { AuditEntry, Gauges, Snapshot } from '../ports/ledger.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'
import type { Json } from '../vocabulary/outcome.ts'
import { formatCount, formatTime, plural } from './format.ts'
import { bySide } from './jobs.ts'
import type { DrainReport, MigrationReport, MoveReport } from './model.ts'
import type { Section } from './sections.ts'

/** Newest first. */
export function movesReport(audit: readonly AuditEntry[]): MoveReport[] {
  return audit.filter(({ action }) => action === 'move').map(moveReport)
}

function moveReport({ at, by, why, data }: AuditEntry): MoveReport {
  const said = fieldsOf(data)
  const left = Object.entries(fieldsOf(said['left'])).map(([reason, n]) => ({ reason, jobs: countOf(n) }))
  return {
    at: new Date(at).toISOString(),
    by,
    why: why ?? null,
    ...{ from: sideOf(said['from']), to: sideOf(said['to']), moved: countOf(said['moved']) },
    ...{ stale: countOf(said['stale']), pending: countOf(said['pending']), left, complete: said['complete'] === true },
  }
}

/** Entries of the audit log are never changed: those of an earlier version may have another form. */
function fieldsOf(data: Json | undefined): Readonly<Record<string, Json>> {
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? (data as Record<string, Json>) : {}
}

function countOf(value: Json | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function sideOf(value: Json | undefined): Side | null {
  return SIDES.find((side) => side === value) ?? null
}

export interface DrainSource {
  readonly snapshot: Snapshot
  readonly gauges: Gauges
  readonly quiet: Readonly<Partial<Record<Side, Quiet>>>
  readonly settings: MigrationSettings | undefined
}

export function drainReport({ snapshot, gauges, quiet, settings }: DrainSource): Record<Side, DrainReport> {
  const windowMs = settings === undefined ? null : drainWindowMs(settings)
  return bySide((side) => {
    const unfinished = gauges.waiting[side] + gauges.running[side] + gauges.moving
    const noted = quiet[side]
    const since = noted === undefined || noted.print !== printOf(snapshot, side) || unfinished > 0 ? null : noted.since
    return {
      unfinished,
      emptySince: since === null ? null : new Date(since).toISOString(),
      windowMs,
      drained: windowMs === null ? null : since !== null && snapshot.now - since >= windowMs,
    }
  })
}

const MOVES_SHOWN = 8

export function movesSection({ moves }: MigrationReport, most: number = MOVES_SHOWN): Section {
  const shown = moves.slice(0, most)
  const more = moves.length - shown.length
  return {
    head: ['Moves', 'from', 'to', 'moved', 'stayed', 'by', 'why'],
    rows: shown.map(({ at, from, to, moved, left, complete, by, why }) => [
      formatTime(at),
      from ?? '',
      to ?? '',
      `${formatCount(moved)}${complete ? '' : ', not all were looked at'}`,
      { foreign: left.map(({ reason, jobs }) => `${formatCount(jobs)} ${reason}`).join(', ') },
      { foreign: by },
      why === null ? '' : { foreign: why },
    ]),
    textColumns: [0, 1, 2, 4, 5, 6],
    ...(more === 0 ? {} : { rest: `and ${plural(more, 'earlier move')}` }),
  }
}

/** Only where somebody looked or moved: before that nobody asks. */
export function drainSection({ drain, moves, latch }: MigrationReport): Section {
  const asked = moves.length > 0 || latch.set || SIDES.some((side) => drain[side].emptySince !== null)
  return {
    head: ['Drained', 'jobs not finished', 'seen empty since', 'drained'],
    rows: (asked ? SIDES : []).map((side) => {
      const { unfinished, emptySince, drained } = drain[side]
      const word = drained === null ? 'not known without the configuration' : drained ? 'yes' : 'not shown'
      return [`${side} side`, formatCount(unfinished), emptySince === null ? '–' : formatTime(emptySince), word]
    }),
    textColumns: [0, 2, 3],
  }
}
