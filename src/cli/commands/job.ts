// Where is this job, and what came of it? Its row, where the backends have it, and what its runs gave.
//
// Values are not shown: the ledger keeps them unredacted until they are compared.

import type { Command } from 'commander'
import type { MigrationSettings } from '../../config/resolve.ts'
import { type JobView, viewJob } from '../../job-view.ts'
import type { JobRow, Sample } from '../../ports/ledger.ts'
import type { QueuePlace } from '../../ports/queue.ts'
import { formatCount, formatMs, formatTime } from '../../report/format.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { backendIdOf } from '../../vocabulary/ids.ts'
import { ARMS, type Arm, type Side, sideOfArm } from '../../vocabulary/job.ts'
import type { Outcome, StoredError } from '../../vocabulary/outcome.ts'
import { failureOf } from '../failure.ts'
import type { Answer, Call } from '../io.ts'
import { examples, NAME_HELP } from '../options.ts'
import { blocks, columns, foreign, type Pen } from '../pen.ts'
import { iso } from '../processes.ts'
import type { Cli } from '../run.ts'
import { inTime, type Session, withSession } from '../session.ts'

export function jobCommand(program: Command, cli: Cli): void {
  program
    .command('job')
    .description('one job: where it is, what its runs gave, how they compare')
    .argument('[name]', NAME_HELP)
    .argument('[id]', 'the id of the job')
    .option('--ledger-only', 'do not ask the queue backends')
    .addHelpText('after', examples(['cutover job parse-email 0199c0de-…', 'cutover job 0199c0de-… --json']))
    .action(cli.action(job))
}

interface Place {
  readonly arm: Arm
  readonly side: Side
  readonly backendId: string
  readonly place: QueuePlace | 'unknown'
  readonly reason: string | null
}

interface Run {
  readonly arm: Arm
  readonly side: Side
  readonly ok: boolean
  readonly attempts: number
  readonly waitMs: number
  readonly runMs: number
  readonly version: string
  readonly effects: readonly string[]
  readonly resultBytes: number
  readonly error: Omit<StoredError, 'stack'> | null
}

interface Found {
  readonly view: JobView
  readonly runs: readonly Run[]
  readonly places: readonly Place[]
  readonly samples: readonly Sample[]
}

async function job(call: Call<{ readonly ledgerOnly?: boolean }>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const { settings, id = '' } = session.pickWithId(call.args, true)
    const ledger = await session.ledgerOf(settings)
    const [row, { now }, samples] = await Promise.all([ledger.row(id), ledger.control(), ledger.samples({ id })])
    if (row === undefined) {
      throw new CutoverError(
        'job-unknown',
        `${settings.name}: the ledger knows no job ${foreign(id)}: it was never enqueued, or finished longer ago than retain`,
        { details: { migration: settings.name, id } },
      )
    }
    const places =
      call.options.ledgerOnly === true
        ? []
        : await Promise.all(copiesOf(row).map((copy) => find(session, settings, copy)))
    const found: Found = { view: hideError(viewJob(row, now), settings), runs: runsOf(row, settings), places, samples }
    return { json: toJson(settings.name, found), text: (pen) => toText(settings.name, found, pen) }
  })
}

// ------------------------------------------------------------------------------------------------------- backends

type Copy = Omit<Place, 'place' | 'reason'>

function copiesOf(row: JobRow): Copy[] {
  const { id, gen, side, stamp } = row
  // an adopted job's backend id is the backend's own, after the side
  const backendId = stamp.adopted ? id.split(':').slice(2).join(':') : backendIdOf(id, gen, 'primary')
  const copies: Copy[] = [{ arm: 'primary', side, backendId }]
  const wanted = { shadow: row.verdict !== 'none', control: row.controlVerdict !== 'none' }
  for (const arm of ['shadow', 'control'] as const) {
    if (wanted[arm]) copies.push({ arm, side: sideOfArm(stamp.route, arm), backendId: backendIdOf(id, gen, arm) })
  }
  return copies
}

const FIND_MS = 5_000

async function find(session: Session, settings: MigrationSettings, copy: Copy): Promise<Place> {
  try {
    const queue = await session.queue(settings, copy.side, copy.arm !== 'primary')
    const what = `${settings.name}: the ${copy.side} queue`
    const { place, reason } = await inTime(queue.find(copy.backendId), FIND_MS, 'queue-unavailable', what)
    return { ...copy, place, reason: reason ?? null }
  } catch (error) {
    return { ...copy, place: 'unknown', reason: failureOf(error).message }
  }
}

// ----------------------------------------------------------------------------------------------------------- runs

function runsOf(row: JobRow, settings: MigrationSettings): Run[] {
  return ARMS.flatMap((arm) => {
    const outcome = row.slots[arm]
    if (outcome === undefined) return []
    return [runOf(outcome, { arm, side: arm === 'primary' ? row.side : sideOfArm(row.stamp.route, arm) }, settings)]
  })
}

function runOf(outcome: Outcome, where: { arm: Arm; side: Side }, settings: MigrationSettings): Run {
  const { ok, attempts, waitMs, runMs, version, effects, value, error } = outcome
  return {
    ...where,
    ...{ ok, attempts, waitMs, runMs, version },
    effects: effects.map(({ name }) => name),
    resultBytes: value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)),
    error: error === undefined ? null : shownError(error, settings),
  }
}

/** Where anything is redacted, messages of errors are too, as in differences. */
function shownError({ name, message, code }: StoredError, settings: MigrationSettings): Omit<StoredError, 'stack'> {
  const hidden = (settings.compare.redact ?? []).length > 0
  return { name, message: hidden ? '[redacted]' : message, ...(code === undefined ? {} : { code }) }
}

function hideError(view: JobView, settings: MigrationSettings): JobView {
  return view.error === undefined ? view : { ...view, error: shownError(view.error, settings) }
}

// ----------------------------------------------------------------------------------------------------------- views

function toJson(migration: string, { view, runs, places, samples }: Found): unknown {
  const { enqueuedAt, dueAt, startedAt, finishedAt, ...rest } = view
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms))
  const times = {
    enqueuedAt: iso(enqueuedAt),
    dueAt: iso(dueAt),
    startedAt: time(startedAt),
    finishedAt: time(finishedAt),
  }
  const mismatches = samples.map((sample) => ({ ...sample, at: iso(sample.at) }))
  return { migration, ...rest, ...times, runs, places, mismatches }
}

function toText(migration: string, { view, runs, places, samples }: Found, pen: Pen): string {
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

function runRow({ arm, side, ok, attempts, waitMs, runMs, version, effects, resultBytes, error }: Run): string[] {
  const gave = ok ? `a result of ${formatCount(resultBytes)} bytes` : error === null ? 'an error' : errorText(error)
  const did = effects.length === 0 ? 'no effects' : `effects: ${effects.map((name) => foreign(name, 60)).join(', ')}`
  const took = `waited ${formatMs(waitMs)}, ran ${formatMs(runMs)}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`
  return [arm, side, ok ? 'ok' : 'failed', `${gave}; ${did}; ${took}; version ${foreign(version, 60)}`]
}

function placeRow({ arm, side, backendId, place, reason }: Place, pen: Pen): string[] {
  const known = place === 'unknown' ? pen.style('yellow', place) : place
  return [arm, side, known, `${pen.style('dim', foreign(backendId))}${reason === null ? '' : `  ${foreign(reason)}`}`]
}

function errorText({ name, code, message }: Omit<StoredError, 'stack'>): string {
  return `${foreign(name, 80)}${code === undefined ? '' : ` [${foreign(code, 40)}]`}: ${foreign(message)}`
}
