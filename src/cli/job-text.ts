// How a job is shown: where it is, what happened, what its runs gave.
//
// Values are not shown: the ledger keeps them unredacted until they are compared.

import type { JobEvent } from '../job-history.ts'
import type { ParkedView } from '../job-list.ts'
import type { JobView } from '../job-view.ts'
import type { Sample } from '../ports/ledger.ts'
import type { QueuePlace } from '../ports/queue.ts'
import { formatCount, formatMs, formatTime } from '../report/format.ts'
import type { Arm, Side } from '../vocabulary/job.ts'
import type { SeenTools, StoredError } from '../vocabulary/outcome.ts'
import { blocks, columns, foreign, type Pen } from './pen.ts'
import { iso } from './processes.ts'

export interface Place {
  readonly arm: Arm
  readonly side: Side
  readonly backendId: string
  readonly place: QueuePlace | 'unknown'
  readonly reason: string | null
}

export interface Run {
  readonly arm: Arm
  readonly side: Side
  readonly ok: boolean
  readonly attempts: number
  readonly waitMs: number
  readonly runMs: number
  readonly version: string
  readonly effects: readonly string[]
  readonly resultBytes: number
  /** What it had of each MCP server; empty where it did not ask. */
  readonly mcp: SeenTools
  readonly error: Omit<StoredError, 'stack'> | null
}

export interface Found {
  readonly view: JobView
  readonly runs: readonly Run[]
  readonly places: readonly Place[]
  readonly samples: readonly Sample[]
  readonly events: readonly JobEvent[]
}

export function jobJson(migration: string, { view, runs, places, samples, events }: Found): unknown {
  const { enqueuedAt, dueAt, startedAt, finishedAt, ...rest } = view
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms))
  const times = {
    enqueuedAt: iso(enqueuedAt),
    dueAt: iso(dueAt),
    startedAt: time(startedAt),
    finishedAt: time(finishedAt),
  }
  const mismatches = samples.map((sample) => ({ ...sample, at: iso(sample.at) }))
  return { migration, ...rest, ...times, runs, places, mismatches, events: events.map(eventJson) }
}

export function jobText(migration: string, { view, runs, places, samples, events }: Found, pen: Pen): string {
  const label = (text: string): string => pen.style('dim', text)
  const { failed, started, most } = view.attempts
  const time = (ms: number | undefined): string => (ms === undefined ? '–' : formatTime(iso(ms)))
  const rows = [
    [label('state'), `${pen.style('bold', view.state)} on ${view.side}`],
    [label('route'), `${view.route} (${view.reason}), epoch ${view.epoch}, generation ${view.generation}`],
    [
      label('times'),
      `enqueued ${time(view.enqueuedAt)}, due ${time(view.dueAt)}, started ${time(view.startedAt)}, ended ${time(view.finishedAt)}`,
    ],
    [
      label('attempts'),
      `${failed} failed of at most ${most}, ${started} started${view.effectsBegun ? ', effects begun' : ''}`,
    ],
    ...(view.error === undefined ? [] : [[label('error'), errorText(view.error)]]),
    [label('comparison'), `${view.comparison}${view.control === 'none' ? '' : `; control: ${view.control}`}`],
  ]
  const differences = samples.reduce((sum, { comparison }) => sum + comparison.differenceCount, 0)
  return blocks([
    `${pen.style('bold', `job ${foreign(view.id)}`)} of ${foreign(migration)}\n${columns(rows, '  ')}`,
    eventsText(events, pen),
    runs.length === 0
      ? ''
      : `What its runs gave\n${columns(
          runs.map((run) => runRow(run)),
          '  ',
        )}`,
    places.length === 0
      ? ''
      : `Where the backends have it\n${columns(
          places.map((place) => placeRow(place, pen)),
          '  ',
        )}`,
    samples.length === 0
      ? ''
      : `${formatCount(differences)} differences are kept: cutover mismatches ${migration} ${foreign(view.id)}`,
  ])
}

function eventJson(event: JobEvent): unknown {
  return { ...event, at: iso(event.at) }
}

export function parkedJson(migration: string, copy: ParkedView, events: readonly JobEvent[]): unknown {
  return { migration, ...copy, ...timesOf(copy), events: events.map(eventJson) }
}

function timesOf({ parkedAt, dueAt }: ParkedView): object {
  return { parkedAt: iso(parkedAt), dueAt: iso(dueAt) }
}

export function parkedText(migration: string, copy: ParkedView, events: readonly JobEvent[], pen: Pen): string {
  const { id, backendId, side, reason, damaged } = copy
  const name = pen.style('bold', foreign(id ?? backendId, 80))
  const why = damaged === undefined ? '' : `: ${foreign(damaged)}`
  const head = `${name} of ${foreign(migration)}: a parked copy on ${side} (${reason}${why}); the ledger has no row of it`
  const advice = 'cutover retry runs it again, cutover discard removes it'
  return blocks([head, eventsText(events, pen), advice])
}

/** Its row is gone; what people did with it is in the audit log for good. */
export function forgottenJson(migration: string, id: string, events: readonly JobEvent[]): unknown {
  return { migration, id, state: 'forgotten', events: events.map(eventJson) }
}

export function forgottenText(migration: string, id: string, events: readonly JobEvent[], pen: Pen): string {
  const head = `${pen.style('bold', `job ${foreign(id, 80)}`)} of ${foreign(migration)}: its row is gone, it ended longer ago than retain`
  return blocks([head, eventsText(events, pen)])
}

function eventsText(events: readonly JobEvent[], pen: Pen): string {
  if (events.length === 0) return ''
  const rows = events.map((event) => [pen.style('dim', formatTime(iso(event.at))), ...eventRow(event)])
  return `What happened\n${columns(rows, '  ')}`
}

function eventRow(event: JobEvent): [string, string] {
  switch (event.kind) {
    case 'enqueued':
      return [
        'enqueued',
        `${event.route} (${event.reason})${event.by === undefined ? '' : ` by ${foreign(event.by, 80)}`}`,
      ]
    case 'moved':
      return [
        `moved (${event.how})`,
        `${event.from} → ${event.to}, generation ${event.generation}, by ${foreign(event.by, 60)}`,
      ]
    case 'parked':
      return ['parked', `on ${event.side}: ${event.reason}`]
    case 'ended':
      return ['ended', event.as]
    case 'audited':
      return [
        foreign(event.action, 40),
        `by ${foreign(event.by, 60)}${event.why === undefined ? '' : `: “${foreign(event.why)}”`}`,
      ]
    case 'lost':
      return ['lost', 'the sweeper found no copy']
    default:
      return ['started', 'for the first time']
  }
}

function runRow(run: Run): string[] {
  const { arm, side, ok, attempts, waitMs, runMs, version, effects, resultBytes, mcp, error } = run
  const gave = ok ? `a result of ${formatCount(resultBytes)} bytes` : error === null ? 'an error' : errorText(error)
  const did = effects.length === 0 ? 'no effects' : `effects: ${effects.map((name) => foreign(name, 60)).join(', ')}`
  const took = `waited ${formatMs(waitMs)}, ran ${formatMs(runMs)}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`
  const had = mcp.map((server) => `; ${toolsText(server)}`).join('')
  return [arm, side, ok ? 'ok' : 'failed', `${gave}; ${did}${had}; ${took}; version ${foreign(version, 60)}`]
}

function toolsText({ server, tools, degraded, why }: SeenTools[number]): string {
  const name = foreign(server, 60)
  if (degraded === undefined) return `${formatCount(tools)} ${tools === 1 ? 'tool' : 'tools'} of ${name}`
  return `without ${name} (${foreign(degraded, 40)}${why === undefined ? '' : `: ${foreign(why)}`})`
}

function placeRow({ arm, side, backendId, place, reason }: Place, pen: Pen): string[] {
  const known = place === 'unknown' ? pen.style('yellow', place) : place
  return [arm, side, known, `${pen.style('dim', foreign(backendId))}${reason === null ? '' : `  ${foreign(reason)}`}`]
}

function errorText({ name, code, message }: Omit<StoredError, 'stack'>): string {
  return `${foreign(name, 80)}${code === undefined ? '' : ` [${foreign(code, 40)}]`}: ${foreign(message)}`
}
