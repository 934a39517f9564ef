// Is every id where it should be? What the ledger and the report say, held against what producers and handlers wrote down.

import type { JobRow, MigrationLedger } from '../../src/ports/ledger.ts'
import { neverStarted } from '../../src/ports/row-rules.ts'
import type { ReportModel } from '../../src/report/model.ts'
import { sendOf } from './job.ts'
import type { Truth, TruthOfJob } from './truth.ts'

export interface Account {
  readonly accepted: number
  /** Ids that nobody was told of, and that are there all the same. */
  readonly untold: number
  readonly done: number
  readonly failed: number
  readonly moved: number
  /** Ran while the ledger was away, on workers that had never seen a dial up, and were told to it later. */
  readonly unrecorded: number
  /** Pinned by a producer that died before its queue had them: nobody was told, and the sweeper takes them back when they are overdue. */
  readonly neverSent: number
  /** Ids whose effect without a key was performed more than once, each while its run was in doubt. */
  readonly inDoubt: number
  readonly problems: readonly string[]
}

const AT_ONCE = 200
const PROBLEMS_TOLD = 20

/** Rows that are still to come to an end, and those of which nobody was ever told and no queue knows. */
export async function unfinished(
  ledger: MigrationLedger,
  truth: Truth,
): Promise<{ open: JobRow[]; neverSent: JobRow[] }> {
  const found: { open: JobRow[]; neverSent: JobRow[] } = { open: [], neverSent: [] }
  let cursor: string | undefined
  do {
    const page = await ledger.scan({ limit: 500, ...(cursor === undefined ? {} : { cursor }) })
    for (const row of page.rows) {
      if (row.state === 'finished') continue
      if (neverStarted(row) && !truth.knows(row.id)) found.neverSent.push(row)
      else found.open.push(row)
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

export async function account(
  truth: Truth,
  ledger: MigrationLedger,
  report: ReportModel,
  { jobs, seed }: { readonly jobs: number; readonly seed: number },
): Promise<Account> {
  const sums = { accepted: 0, untold: 0, done: 0, failed: 0, inDoubt: 0 }
  const problems: string[] = []
  let untoldProblems = 0
  const problem = (text: string): void => {
    if (problems.length < PROBLEMS_TOLD) problems.push(text)
    else untoldProblems += 1
  }
  const numbers = new Set<number>()
  for (const batch of batches(truth.jobs())) {
    const rows = await Promise.all(batch.map(({ id }) => ledger.row(id)))
    for (const [at, job] of batch.entries()) {
      if (job.n === undefined) sums.untold += 1
      else {
        sums.accepted += 1
        numbers.add(job.n)
      }
      look(job, rows[at], seed, sums, problem)
    }
  }
  const neverSent = (await unfinished(ledger, truth)).neverSent.length
  if (numbers.size !== jobs) problem(`${jobs} jobs were to be sent, ${numbers.size} were accepted`)
  compare(report, { ...sums, neverSent }, problem)
  if (untoldProblems > 0) problems.push(`and ${untoldProblems} more`)
  return {
    ...sums,
    neverSent,
    moved: report.migrations[0]?.jobs.moved ?? 0,
    unrecorded: report.migrations[0]?.jobs.unrecorded ?? 0,
    problems,
  }
}

function look(
  job: TruthOfJob,
  row: JobRow | undefined,
  seed: number,
  sums: { done: number; failed: number; inDoubt: number },
  problem: (text: string) => void,
): void {
  const { id, n, effects, cut, sides, keyed } = job
  if (row === undefined) {
    problem(`${id}: the ledger does not know it`)
    return
  }
  if (row.state !== 'finished') {
    problem(`${id}: it is ${row.state} on ${row.side}`)
    return
  }
  const kind = n === undefined ? job.kind : sendOf(n, seed).job.kind
  const expected = kind === 'fail' ? 'failed' : 'ok'
  if (row.class !== expected) problem(`${id}: it ended as ${row.class}, not as ${expected}`)
  if (row.class === 'ok') sums.done += 1
  else sums.failed += 1
  const wanted = expected === 'ok' ? 1 : 0
  if (keyed !== wanted) problem(`${id}: its keyed effect was done ${keyed} times`)
  if (effects < wanted) problem(`${id}: its effect was never performed`)
  if (effects > 1) {
    sums.inDoubt += 1
    if (effects - 1 > cut) problem(`${id}: its effect was performed ${effects} times, ${cut} of them in doubt`)
  }
  if (sides > 1) problem(`${id}: its effects were performed on both sides`)
}

function compare(
  report: ReportModel,
  sums: { done: number; failed: number; neverSent: number },
  problem: (text: string) => void,
): void {
  const [mail] = report.migrations
  if (mail === undefined) {
    problem('the report knows no migration')
    return
  }
  const { jobs, contradictions } = mail
  for (const { law, expected, found } of contradictions)
    problem(`the report breaks "${law}": ${found}, not ${expected}`)
  const said = { done: jobs.done, failed: jobs.failed, enqueued: jobs.enqueued - jobs.refused }
  const true_ = { done: sums.done, failed: sums.failed, enqueued: sums.done + sums.failed + sums.neverSent }
  for (const name of ['done', 'failed', 'enqueued'] as const) {
    if (said[name] !== true_[name]) problem(`the report says ${said[name]} ${name}, the truth is ${true_[name]}`)
  }
  if (jobs.waiting !== sums.neverSent)
    problem(`the report says ${jobs.waiting} waiting, the truth is ${sums.neverSent}`)
  for (const name of ['running', 'moving', 'lost', 'inDoubt', 'twice'] as const) {
    if (jobs[name] !== 0) problem(`the report says ${jobs[name]} ${name}`)
  }
}

function* batches(jobs: Iterable<TruthOfJob>): Generator<TruthOfJob[]> {
  let batch: TruthOfJob[] = []
  for (const job of jobs) {
    batch.push(job)
    if (batch.length === AT_ONCE) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}
