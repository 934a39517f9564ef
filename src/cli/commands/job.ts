// Where is this job, and what came of it? Its row, where the backends have it, and what its runs gave.
//
// Values are not shown: the ledger keeps them unredacted until they are compared.

import type { Command } from 'commander'
import { backendIdOfRow } from '../../backlog/backend-id.ts'
import { findJob, type ParkedCopy } from '../../backlog/find-job.ts'
import type { MigrationSettings } from '../../config/resolve.ts'
import { jobEvents } from '../../job-history.ts'
import { viewParked } from '../../job-list.ts'
import { type JobView, viewJob } from '../../job-view.ts'
import type { JobRow } from '../../ports/ledger.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { backendIdOf } from '../../vocabulary/ids.ts'
import { ARMS, type Arm, type Side, sideOfArm } from '../../vocabulary/job.ts'
import type { Outcome } from '../../vocabulary/outcome.ts'
import { failureOf } from '../failure.ts'
import type { Answer, Call } from '../io.ts'
import {
  type Found,
  forgottenJson,
  forgottenText,
  jobJson,
  jobText,
  type Place,
  parkedJson,
  parkedText,
  type Run,
} from '../job-text.ts'
import { examples, NAME_HELP } from '../options.ts'
import { foreign } from '../pen.ts'
import type { Cli } from '../run.ts'
import { inTime, type Session, withSession } from '../session.ts'
import { shownError } from '../shown-error.ts'

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

async function job(call: Call<{ readonly ledgerOnly?: boolean }>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const { settings, id = '' } = session.pickWithId(call.args, true)
    const ledger = await session.ledgerOf(settings)
    const [row, { now }, samples] = await Promise.all([ledger.row(id), ledger.control(), ledger.samples({ id })])
    const ask = call.options.ledgerOnly !== true
    const { parked, untold } = ask ? await findParked(session, settings, id) : { parked: undefined, untold: '' }
    const events = await jobEvents(ledger, id, row, parked)
    if (row === undefined && parked !== undefined) {
      const copy = viewParked(parked)
      return {
        json: parkedJson(settings.name, copy, events),
        text: (pen) => parkedText(settings.name, copy, events, pen),
      }
    }
    if (row === undefined && events.length > 0) {
      return {
        json: forgottenJson(settings.name, id, events),
        text: (pen) => forgottenText(settings.name, id, events, pen),
      }
    }
    if (row === undefined) {
      throw new CutoverError(
        'job-unknown',
        `${settings.name}: the ledger knows no job ${foreign(id)}: it was never enqueued, or finished longer ago than retain${untold}`,
        { details: { migration: settings.name, id } },
      )
    }
    const places = ask ? await Promise.all(copiesOf(row).map((copy) => find(session, settings, copy))) : []
    const view = hideError(viewJob(row, now), settings)
    const found: Found = { view, runs: runsOf(row, settings), places, samples, events }
    return { json: jobJson(settings.name, found), text: (pen) => jobText(settings.name, found, pen) }
  })
}

// ------------------------------------------------------------------------------------------------------- backends

type Copy = Omit<Place, 'place' | 'reason'>

function copiesOf(row: JobRow): Copy[] {
  const { id, gen, side, stamp } = row
  const copies: Copy[] = [{ arm: 'primary', side, backendId: backendIdOfRow(row) }]
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

/** A backend that is down is told where its copies are asked for, or in the refusal. */
async function findParked(
  session: Session,
  settings: MigrationSettings,
  id: string,
): Promise<{ readonly parked: ParkedCopy | undefined; readonly untold: string }> {
  const where = {
    ledger: () => session.ledgerOf(settings),
    queue: (side: Side) => session.queue(settings, side),
    shadowQueue: (side: Side) => session.queue(settings, side, true),
  }
  try {
    return { parked: (await findJob(where, id)).parked, untold: '' }
  } catch (error) {
    return { parked: undefined, untold: `. Not all park lists could be asked: ${failureOf(error).message}` }
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
  const { ok, attempts, waitMs, runMs, version, effects, value, error, mcp = [] } = outcome
  return {
    ...where,
    ...{ ok, attempts, waitMs, runMs, version },
    effects: effects.map(({ name }) => name),
    resultBytes: value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)),
    mcp,
    error: error === undefined ? null : shownError(error, settings),
  }
}

function hideError(view: JobView, settings: MigrationSettings): JobView {
  return view.error === undefined ? view : { ...view, error: shownError(view.error, settings) }
}
