// Which jobs need somebody's eye, and what may be done with each?

import { type Command, Option } from 'commander'
import { LISTED_STATES, type ListedJob, type ListedState, listJobs } from '../../job-list.ts'
import { formatTime, plural } from '../../report/format.ts'
import { formatDuration } from '../../vocabulary/duration.ts'
import type { Answer, Call } from '../io.ts'
import { count, examples, NAME_HELP } from '../options.ts'
import { blocks, columns, foreign, type Pen } from '../pen.ts'
import { iso } from '../processes.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'
import { shownError } from '../shown-error.ts'

interface Options {
  readonly state: ListedState
  readonly limit: number
  readonly after?: string
}

export function jobsCommand(program: Command, cli: Cli): void {
  program
    .command('jobs')
    .description("jobs that need somebody's eye: in doubt, parked, overdue, lost, failed")
    .argument('[name]', NAME_HELP)
    .addOption(new Option('--state <state>', 'which').choices(LISTED_STATES).makeOptionMandatory())
    .option('--limit <n>', 'about so many; a page may hold some more', count, 50)
    .option('--after <cursor>', 'the next page: what the page before has named')
    .addHelpText(
      'after',
      examples([
        'cutover jobs parse-email --state in-doubt',
        "cutover jobs --state failed --limit 500 --json | jq -r '.jobs[].id'",
      ]),
    )
    .action(cli.action(jobs))
}

async function jobs(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const { state, limit, after } = call.options
    const page = await listJobs(
      {
        ...{ migration: settings.name, settings: settings.ledger, ledger: () => session.ledgerOf(settings) },
        queue: (side) => session.queue(settings, side),
        shadowQueue: (side) => session.queue(settings, side, true),
      },
      { state, limit, ...(after === undefined ? {} : { cursor: after }) },
    )
    const shown = page.jobs.map((job) =>
      'error' in job && job.error !== undefined ? { ...job, error: shownError(job.error, settings) } : job,
    )
    const { now, cursor } = page
    return {
      json: { migration: settings.name, state, asOf: iso(now), jobs: shown.map(toJson), next: cursor ?? null },
      text: (pen) => toText(settings.name, { state, now, jobs: shown, cursor }, pen),
    }
  })
}

const TIMES = ['enqueuedAt', 'dueAt', 'startedAt', 'finishedAt', 'parkedAt'] as const

function toJson(job: ListedJob): unknown {
  const times = TIMES.flatMap((name) => {
    const ms = (job as Partial<Record<(typeof TIMES)[number], number>>)[name]
    return ms === undefined ? [] : [[name, iso(ms)] as const]
  })
  return { ...job, ...Object.fromEntries(times) }
}

/** What is usually done with such a job. */
const ADVICE: Readonly<Record<ListedState, string>> = {
  'in-doubt': 'look at what its effects have done, then: cutover force or cutover discard',
  parked: 'cutover retry runs one again, cutover discard removes it',
  overdue: 'is a worker alive on its side? cutover job shows where each is',
  lost: 'no queue has a copy: cutover discard ends one, then enqueue it again under another id',
  failed: 'cutover retry runs one again',
}

interface Shown {
  readonly state: ListedState
  readonly now: number
  readonly jobs: readonly ListedJob[]
  readonly cursor: string | undefined
}

function toText(migration: string, { state, now, jobs: listed, cursor }: Shown, pen: Pen): string {
  const more = cursor === undefined ? '' : `more: --after '${foreign(cursor, 400)}'`
  const title = pen.style('bold', foreign(migration))
  if (listed.length === 0)
    return blocks([`${title}: ${cursor === undefined ? `no jobs are ${words(state)}` : `none found yet`}`, more])
  const head = `${title}: ${plural(listed.length, 'job')} ${words(state)}${cursor === undefined ? '' : ' so far'}`
  return blocks([
    `${head}\n${columns(
      listed.map((job) => row(job, now, pen)),
      '  ',
    )}`,
    more,
    ADVICE[state],
  ])
}

function words(state: ListedState): string {
  return state === 'in-doubt' ? 'in doubt' : state
}

function row(job: ListedJob, now: number, pen: Pen): string[] {
  if (job.state === 'parked') {
    const { id, backendId, side, arm = 'primary', reason, parkedAt, damaged } = job
    const of = arm === 'primary' ? '' : ` (${arm} copy)`
    const why = damaged === undefined ? '' : `: ${foreign(damaged)}`
    return [
      foreign(id ?? backendId, 80),
      side,
      `${reason}${of}${why}`,
      pen.style('dim', `since ${formatTime(iso(parkedAt))}`),
    ]
  }
  const { id, side, state, attempts, dueAt, generation, error } = job
  const tries = `${attempts.failed} failed of ${attempts.most}, ${attempts.started} started`
  const moved = generation === 0 ? '' : `, generation ${generation}`
  const due = `due ${formatTime(iso(dueAt))}, ${formatDuration(Math.max(0, now - dueAt))} ago`
  const told = error === undefined ? '' : `  ${foreign(error.name, 60)}: ${foreign(error.message, 120)}`
  return [foreign(id, 80), side, `${state}, ${tries}${moved}${told}`, pen.style('dim', due)]
}
