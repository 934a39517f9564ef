// How does each migration stand, in one screenful?

import type { Command } from 'commander'
import { type DrainProof, drainWindowMs, readDrain } from '../../backlog/drain.ts'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { MigrationLedger } from '../../ports/ledger.ts'
import type { Queue } from '../../ports/queue.ts'
import { formatCount, formatTime } from '../../report/format.ts'
import type { Finding, MigrationReport, SideReport, VerdictLevel } from '../../report/model.ts'
import { readReport } from '../../report/read.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { SIDES, type Side } from '../../vocabulary/job.ts'
import { drainJson, drainRows } from '../drain-view.ts'
import { controllersOf, seenOf } from '../driven.ts'
import { dialsText, type FlagView, healthText, viewFlag } from '../flag-view.ts'
import type { Answer, Call } from '../io.ts'
import { duration, examples, NAME_HELP } from '../options.ts'
import { blocks, columns, foreign, type Pen, type Style } from '../pen.ts'
import { isLive, type ProcessView, viewProcess } from '../processes.ts'
import { rolloutText } from '../rollout-view.ts'
import type { Cli } from '../run.ts'
import { inTime, type Session, withSession } from '../session.ts'
import { watch } from '../watch.ts'

export function statusCommand(program: Command, cli: Cli): void {
  program
    .command('status')
    .description('dials, latch, flag, workers, backlog and counts, a screenful a migration')
    .argument('[name]', `${NAME_HELP}; without it all are shown`)
    .option('--watch', 'look again and again, until Ctrl-C')
    .option('--no-queues', 'do not ask the queues: the ledger and the flag only')
    .option('--every <duration>', 'with --watch: how often (default: 1s)', duration('--every'), 1000)
    .addHelpText(
      'after',
      examples([
        'cutover status',
        'cutover status parse-email --watch',
        'cutover status --json | jq .migrations[0].verdict',
      ]),
    )
    .action(cli.action(status))
}

const QUEUE_MS = 3000

interface MigrationStatus {
  readonly report: MigrationReport
  readonly flag: FlagView
  readonly processes: readonly ProcessView[]
  readonly controllers: readonly { readonly host: string; readonly pid: number }[]
  /** Undefined: the queues were not asked. */
  readonly drain: DrainProof | undefined
}

interface Options {
  readonly watch?: boolean
  readonly every: number
  /** False with `--no-queues`. */
  readonly queues?: boolean
}

async function status(call: Call<Options>): Promise<Answer> {
  const { watch: again, every, json } = call.options
  if (again && json) throw new CutoverError('usage', '--watch draws on a terminal; for programs, call status --json')
  return await withSession(call, async (session) => {
    const all = session.pickAll(call.args[0])
    if (again) {
      const last = await watch(call, every, async (pen) => {
        const found = await Promise.all(all.map((settings) => look(session, settings)))
        return blocks(found.map((each) => toText(each, pen)))
      })
      return { json: null, text: () => last }
    }
    const found = await Promise.all(all.map((settings) => look(session, settings, call.options.queues !== false)))
    return {
      json: { at: new Date().toISOString(), migrations: found.map(toJson) },
      text: (pen) => blocks(found.map((each) => toText(each, pen))),
    }
  })
}

async function look(session: Session, settings: MigrationSettings, queues = false): Promise<MigrationStatus> {
  const ledger = await session.ledgerOf(settings)
  const [seen, presence, flag, drain] = await Promise.all([
    seenOf(session, settings, ledger),
    ledger.presence(),
    viewFlag(session, settings),
    queues ? drainOf(session, settings, ledger) : undefined,
  ])
  const model = await readReport([ledger], [], { seen: new Map([[settings.name, seen]]) })
  const [report] = model.migrations
  if (report === undefined) throw new Error(`${settings.name}: the report has no migration`)
  return {
    report,
    flag,
    processes: presence.filter(isLive).map(viewProcess),
    controllers: controllersOf(presence),
    drain,
  }
}

/** A queue that does not answer is told as not known, and holds nobody up for long. */
async function drainOf(session: Session, settings: MigrationSettings, ledger: MigrationLedger): Promise<DrainProof> {
  const queue = (side: Side): Promise<Queue> =>
    inTime(session.queue(settings, side), QUEUE_MS, 'queue-unavailable', `${settings.name}: the ${side} queue`)
  return await readDrain({ ledger, queue, windowMs: drainWindowMs(settings) }, false)
}

function toJson({ report, flag, processes, controllers, drain }: MigrationStatus): unknown {
  const { name, asOf, verdict, latch, ceiling, jobs, sides, comparisons, epochs } = report
  const dials = { target: flag.target, shadow: flag.shadow, control: report.dials.control }
  return {
    name,
    asOf,
    verdict,
    dials,
    flag,
    latch,
    ceiling,
    epoch: epochs.at(-1) ?? null,
    processes,
    jobs,
    sides,
    comparisons,
    rollout: report.rollout,
    controllers,
    drain: drain === undefined ? null : drainJson(drain),
  }
}

const COLOURS: Readonly<Record<VerdictLevel | Finding['level'], Style>> = {
  ok: 'green',
  look: 'yellow',
  broken: 'red',
  note: 'dim',
}

function toText({ report, flag, processes, controllers, drain }: MigrationStatus, pen: Pen): string {
  const { verdict } = report
  const title = `${pen.style('bold', foreign(report.name))}  ${pen.style(COLOURS[verdict.level], verdict.level.toUpperCase())}  ${verdict.text}`
  const label = (text: string): string => pen.style('dim', text)
  const rows: string[][] = [
    [label('dials'), `${dialsText(flag)}  control ${formatShare(report.dials.control)}`],
    [label('flag'), healthText(flag, pen)],
    [label('latch'), latchText(report, pen)],
    ...(report.ceiling < 1 ? [[label('ceiling'), `target at most ${formatShare(report.ceiling)}`]] : []),
    [label('epoch'), epochText(report)],
    [label('producers'), producersText(processes)],
    ...SIDES.map((side) => [label(side), sideText(report.sides[side])]),
    [label('jobs'), jobsText(report)],
    [label('pairs'), pairsText(report)],
    ...(drain === undefined ? [] : drainRows(drain, pen).map(([name = '', ...rest]) => [label(name), ...rest])),
  ]
  const findings = verdict.findings.map(({ level, text }) => [pen.style(COLOURS[level], level), text])
  const { rollout, name, asOf } = report
  const plan = rollout === null ? '' : `${rolloutText({ report: rollout, migration: name, asOf, controllers }, pen)}\n`
  return [title, plan, columns(rows, '  '), columns(findings, '  ')].filter((part) => part !== '').join('\n')
}

function latchText({ latch }: MigrationReport, pen: Pen): string {
  if (!latch.set) return 'off'
  const when = latch.at === null ? '' : ` at ${formatTime(latch.at)}`
  const why = latch.why === null ? '' : `: ${foreign(latch.why)}`
  return `${pen.style('yellow', 'SET')}, every job goes to legacy (by ${foreign(latch.by ?? 'unknown')}${when}${why})`
}

function epochText({ epochs }: MigrationReport): string {
  const epoch = epochs.at(-1)
  if (epoch === undefined || epoch.epoch === 0) return 'none yet: no process has started'
  const since = epoch.startedAt === null ? '' : ` since ${formatTime(epoch.startedAt)}`
  const { target, shadow, control } = epoch.dials
  const dials = `target ${formatShare(target)}, shadow ${formatShare(shadow)}, control ${formatShare(control)}`
  return `${epoch.epoch}${since}, with ${dials}`
}

function producersText(processes: readonly ProcessView[]): string {
  const producers = processes.filter(({ produces }) => produces)
  const behind = new Set(producers.map(({ flagRevision }) => flagRevision)).size > 1
  return `${producers.length} live${behind ? ', not all with the same flag values' : ''}`
}

function sideText(side: SideReport): string {
  const versions = side.versions.length === 0 ? '' : ` (version ${side.versions.map((v) => foreign(v, 60)).join(', ')})`
  const parts = [
    `${plural(side.workers, 'worker')}${versions}`,
    plural(side.shadowWorkers, 'shadow worker'),
    `waiting ${formatCount(side.waiting)}`,
    `running ${formatCount(side.running)}`,
    `done ${formatCount(side.done)}`,
    `failed ${formatCount(side.failed)}`,
    ...(side.inDoubt > 0 ? [`in doubt ${formatCount(side.inDoubt)}`] : []),
    ...(side.lost > 0 ? [`LOST ${formatCount(side.lost)}`] : []),
  ]
  return parts.join('  ')
}

function plural(n: number, what: string): string {
  return `${formatCount(n)} ${what}${n === 1 ? '' : 's'}`
}

function jobsText({ jobs }: MigrationReport): string {
  const shown = ['enqueued', 'done', 'failed', 'inDoubt', 'lost', 'twice', 'overdue'] as const
  const words = { inDoubt: 'in doubt', twice: 'done twice' } as const
  return shown
    .map((key) => `${key in words ? words[key as keyof typeof words] : key} ${formatCount(jobs[key])}`)
    .join('  ')
}

function pairsText({ comparisons }: MigrationReport): string {
  if (comparisons.shadowed === 0) return 'nothing shadowed yet'
  const shown = ['matched', 'mismatched', 'ignored', 'orphaned', 'shed', 'moved', 'open'] as const
  return shown.map((key) => `${key} ${formatCount(comparisons[key])}`).join('  ')
}
