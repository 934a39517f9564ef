// Which jobs need somebody's eye? Those in doubt, parked, overdue, lost or failed, in pages.

import { type ParkedCopy, parkedCopy, type Whereabouts } from './backlog/find-job.ts'
import { type JobView, viewJob } from './job-view.ts'
import type { FinishClass, JobRow, LedgerSettings, MigrationLedger } from './ports/ledger.ts'
import type { ParkReason } from './ports/queue.ts'
import { isFailed, isInDoubt, isOverdue } from './ports/row-rules.ts'
import { CutoverError } from './vocabulary/errors.ts'
import { type Arm, SIDES, type Side } from './vocabulary/job.ts'

export const LISTED_STATES = ['in-doubt', 'parked', 'overdue', 'lost', 'failed'] as const
export type ListedState = (typeof LISTED_STATES)[number]

export interface JobsOptions {
  /**
   * `in-doubt`: its worker went away after its effects had begun. `parked`: a copy that no worker could run lies in a park
   * list. `overdue`: not ended when its deadline had passed. `lost`: overdue, and no queue has a copy. `failed`: ended so,
   * within `retain`.
   */
  readonly state: ListedState
  /** About how many; a page may hold some more, and only the last one has no `cursor`. Default 50. */
  readonly limit?: number
  /** Of the page before. */
  readonly cursor?: string
}

/** A copy in a park list of a queue; times in ms since 1970 on the queue's clock. */
export interface ParkedView {
  readonly state: 'parked'
  /** Of the job; undefined where the stamp cannot be read. */
  readonly id?: string
  readonly backendId: string
  readonly side: Side
  readonly arm?: Arm
  readonly reason: ParkReason
  readonly parkedAt: number
  readonly dueAt: number
  /** What is wrong with a damaged one. */
  readonly damaged?: string
}

export type ListedJob = JobView | ParkedView

export interface JobPage {
  readonly state: ListedState
  /** Of the ledger. */
  readonly now: number
  readonly jobs: readonly ListedJob[]
  readonly cursor?: string
}

export interface ListOptions extends Whereabouts {
  readonly migration: string
  readonly settings: LedgerSettings
}

const SCANNED = 500
const FAILED: readonly FinishClass[] = ['failed', 'backend-failed']

export async function listJobs(o: ListOptions, { state, limit = 50, cursor }: JobsOptions): Promise<JobPage> {
  if (!LISTED_STATES.includes(state)) {
    throw new CutoverError(
      'option-invalid',
      `${o.migration}: there is no list of "${String(state)}" jobs; allowed: ${LISTED_STATES.join(', ')}`,
    )
  }
  if (!Number.isInteger(limit) || limit < 1) {
    throw new CutoverError('option-invalid', `${o.migration}: limit is ${String(limit)}; a whole number from 1`)
  }
  const ledger = await o.ledger()
  const { now } = await ledger.control()
  const jobs: ListedJob[] = []
  let next: string | undefined = cursor ?? ''
  while (next !== undefined && jobs.length < limit) {
    const page: Step =
      state === 'parked' ? await stepParked(o, next, limit) : await stepRows(o, ledger, state, now, next, limit)
    jobs.push(...page.jobs)
    next = page.next
  }
  return { state, now, jobs, ...(next === undefined ? {} : { cursor: next }) }
}

interface Step {
  readonly jobs: readonly ListedJob[]
  readonly next: string | undefined
}

/** First the rows that are in `scan`, then, for those that failed, the settled ones: `r:CURSOR`, `s:CURSOR`. */
async function stepRows(
  { settings }: ListOptions,
  ledger: MigrationLedger,
  state: Exclude<ListedState, 'parked'>,
  now: number,
  at: string,
  limit: number,
): Promise<Step> {
  const [from, cursor] = [at.slice(0, 2), at.slice(2)]
  const page = { limit: Math.min(limit, SCANNED), ...(cursor === '' ? {} : { cursor }) }
  if (from === 's:') {
    const { rows, cursor: next } = await ledger.settled({ ...page, limit: SCANNED, classes: FAILED })
    return { jobs: rows.map((row) => viewJob(row, now)), next: next === undefined ? undefined : `s:${next}` }
  }
  const { rows, cursor: next } = await ledger.scan(page)
  const wanted = rows.filter((row) => isListed(row, state, now, settings))
  const end = state === 'failed' ? 's:' : undefined
  return { jobs: wanted.map((row) => viewJob(row, now)), next: next === undefined ? end : `r:${next}` }
}

function isListed(row: JobRow, state: ListedState, now: number, settings: LedgerSettings): boolean {
  switch (state) {
    case 'in-doubt':
      return isInDoubt(row, now)
    case 'overdue':
      return isOverdue(row, { now, settings })
    case 'lost':
      return row.lostAt !== undefined
    default:
      return isFailed(row)
  }
}

/** Each queue in turn: `0:CURSOR` to `3:CURSOR`. */
async function stepParked(o: ListOptions, at: string, limit: number): Promise<Step> {
  const [index = '0', cursor = ''] = at === '' ? [] : [at.slice(0, 1), at.slice(2)]
  const turn = Number(index)
  const side = SIDES[turn >> 1] as Side
  const shadow = (turn & 1) === 1
  const queue = await (shadow ? o.shadowQueue(side) : o.queue(side))
  const page = await queue.parked({ limit, ...(cursor === '' ? {} : { cursor }) })
  const jobs = page.jobs.map((job) => viewParked(parkedCopy(side, shadow, job)))
  const more = turn + 1 < 2 * SIDES.length ? `${turn + 1}:` : undefined
  return { jobs, next: page.cursor === undefined ? more : `${turn}:${page.cursor}` }
}

export function viewParked({ side, job, id, arm }: ParkedCopy): ParkedView {
  return {
    state: 'parked',
    ...(id === undefined ? {} : { id }),
    ...{ backendId: job.backendId, side },
    ...(arm === undefined ? {} : { arm }),
    ...{ reason: job.reason, parkedAt: job.parkedAt, dueAt: job.runAt },
    ...(job.damaged === undefined ? {} : { damaged: job.damaged }),
  }
}
