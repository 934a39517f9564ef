// A run of the demo by the plan: e-mails come in without an end, two controllers turn the dials stage by stage, and it is
// over when `thread-email` is at the end of its plan or sent back, and `parse-email` is held by what its parsers read
// differently.
//
// Processes as in any application, the controllers too (`cutover drive`): each may be killed and is started again. Where
// the plan asks for a human, the demo says yes, as a human would (`cutover promote`).

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { run as cli } from '../../../src/cli/run.ts'
import type { ReportModel } from '../../../src/index.ts'
import { type EmailAgent, openEmailAgent } from '../application.ts'
import { checkLog } from '../check-log.ts'
import type { BadKind } from './bad.ts'
import { Children } from './children.ts'
import { MIGRATIONS } from './messages.ts'
import type { RunResult } from './run.ts'
import { sentFile } from './stream.ts'

export interface PlanRunOptions {
  readonly input: string
  readonly json: boolean
  /** What ids begin with. */
  readonly prefix: string
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly bad: BadKind | undefined
  readonly signal: AbortSignal
  readonly onChildren: (children: Children) => void
  readonly say: (line: string) => void
}

export interface PlanResult extends RunResult {
  /** What is not as it was to be; empty: well. */
  readonly faults: readonly string[]
}

type MigrationReport = ReportModel['migrations'][number]

const LOOK_MS = 1000
/** Mails a second: as many as can be worked off, at most. */
const PACE = { first: 100, most: 300, least: 20, waiting: 400 } as const
const LONGEST_MS = 240_000
/** As many pairs of `parse-email` are looked at before it is called held. */
const PAIRS = 40
const SETTLE_MS = 30_000
const CLI = join(import.meta.dirname, '../../../src/cli/bin.ts')
const CONFIG = join(import.meta.dirname, '../cutover.config.ts')

export async function runPlan(options: PlanRunOptions): Promise<PlanResult> {
  const began = performance.now()
  const agent = await openEmailAgent({ withoutLedger: 'refuse' })
  const run = new PlanRun(agent, options)
  try {
    run.children.start()
    await run.untilDecided()
    const model = await run.settle()
    await run.children.stop()
    const checks = await Promise.all(MIGRATIONS.map((migration) => checked(options.folder, migration)))
    const seconds = (performance.now() - began) / 1000
    const result = { model, checks, restarts: run.children.restarts, seconds }
    return { ...result, faults: faultsOf(result, options.bad) }
  } finally {
    await run.children.stop()
    await agent.close()
  }
}

async function checked(folder: string, migration: string): Promise<RunResult['checks'][number]> {
  const path = join(folder, sentFile(migration))
  const ids = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  return { migration, check: await checkLog(join(folder, 'mail', 'events.log'), { migration, ids }) }
}

class PlanRun {
  readonly children: Children
  readonly #agent: EmailAgent
  readonly #o: PlanRunOptions
  #perSecond: number = PACE.first
  readonly #told = new Map<string, number>()
  readonly #asked = new Set<string>()

  constructor(agent: EmailAgent, options: PlanRunOptions) {
    this.#agent = agent
    this.#o = options
    const { input, folder, env, prefix, say } = options
    const drive = (migration: string) => ['drive', migration, '--config', CONFIG, '--by', 'controller']
    this.children = new Children({
      folder,
      env,
      roles: {
        'legacy-worker': ['worker', 'legacy'],
        'target-worker': ['worker', 'target'],
        producer: ['stream', input, folder, prefix],
        'drive-parse': drive('parse-email'),
        'drive-thread': drive('thread-email'),
      },
      programs: { 'drive-parse': CLI, 'drive-thread': CLI },
      onMessage: (role, message) => {
        if (role === 'producer' && message.kind === 'ready') this.#pace()
      },
      onDeath: (role, how) => say(`${role} died (${how}) and is started again`),
    })
    options.onChildren(this.children)
  }

  #pace(): void {
    this.children.send('producer', { kind: 'pace', perSecond: this.#perSecond })
  }

  async untilDecided(): Promise<void> {
    const until = performance.now() + LONGEST_MS
    for (;;) {
      const model = await this.#look()
      await this.#sayYes(model)
      this.#steer(model)
      const [parse, thread] = model.migrations as unknown as [MigrationReport, MigrationReport]
      const decided = thread.rollout?.phase === 'done' || thread.rollout?.phase === 'back'
      if (decided && (this.#o.bad !== undefined || isHeld(parse))) return
      if (performance.now() > until) return
    }
  }

  /** Stops the e-mails, and waits until all is done. */
  async settle(): Promise<ReportModel> {
    this.#perSecond = 0
    this.#pace()
    const until = performance.now() + SETTLE_MS
    for (;;) {
      const model = await this.#look()
      const open = model.migrations.map(({ jobs, comparisons }) => jobs.waiting + jobs.running + comparisons.open)
      const lost = this.#o.bad === 'target-loses'
      if (Math.max(...open) === 0 || performance.now() > until || (lost && isOverdue(model))) return model
    }
  }

  async #look(): Promise<ReportModel> {
    await Promise.race([delay(LOOK_MS, undefined, { signal: this.#o.signal }), this.children.failed])
    const model = await this.#agent.report()
    for (const migration of model.migrations) this.#tell(migration)
    return model
  }

  /** Every step of a controller, once. */
  #tell({ name, rollout, jobs }: MigrationReport): void {
    if (rollout === null) return
    const seen = this.#told.get(name) ?? 0
    for (const { action, stage, by, why, dials } of rollout.timeline.slice(seen)) {
      const because = why === null ? '' : `: ${why}`
      const shares = `target ${percent(dials.target)}, shadow ${percent(dials.shadow)}`
      this.#o.say(
        `${name.padEnd(12)}  ${action.padEnd(10)}  ${stage} (${shares}), by ${by}${because}; ${jobs.done} jobs done`,
      )
    }
    this.#told.set(name, rollout.timeline.length)
  }

  /** Where nothing but a human is missing. */
  async #sayYes({ migrations }: ReportModel): Promise<void> {
    for (const { name, rollout } of migrations) {
      if (rollout === null || rollout.reasons.join() !== 'approval') continue
      const at = `${name} ${rollout.stage} ${rollout.attempt}`
      if (this.#asked.has(at)) continue
      this.#asked.add(at)
      const sink = { write: () => {} }
      const io = { stdout: sink, stderr: sink, cwd: process.cwd(), env: this.#o.env, isTTY: false }
      const why = ['--by', 'you', '--why', 'every gate passes, and the demo has no other human']
      const exit = await cli(['promote', name, '--config', CONFIG, ...why], io)
      if (exit !== 0) this.#asked.delete(at) // the controller was faster, or a gate holds again: asked again
    }
  }

  /** As fast as it is worked off. */
  #steer({ migrations }: ReportModel): void {
    const waiting = Math.max(...migrations.map(({ jobs }) => jobs.waiting))
    const [slower, faster] = [this.#perSecond * 0.7, this.#perSecond * 1.15]
    this.#perSecond = Math.round(
      waiting > PACE.waiting
        ? Math.max(PACE.least, slower)
        : waiting < 50
          ? Math.min(PACE.most, faster)
          : this.#perSecond,
    )
    this.#pace()
  }
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`
}

/** By its differences: enough pairs, more of them differ than the limit allows, and the gate does not let it pass. */
function isHeld({ rollout, comparisons }: MigrationReport): boolean {
  const gate = rollout?.gates.find(({ name }) => name === 'mismatch')
  return gate !== undefined && gate.verdict !== 'pass' && comparisons.compared >= PAIRS
}

function isOverdue({ migrations }: ReportModel): boolean {
  return migrations.every(({ jobs }) => jobs.waiting + jobs.running <= jobs.overdue)
}

function faultsOf({ model, checks }: RunResult, bad: BadKind | undefined): string[] {
  const faults: string[] = []
  const [parse, thread] = model.migrations as unknown as [MigrationReport, MigrationReport]
  const wanted = bad === undefined ? 'done' : 'back'
  const { phase = 'not driven', stage = '' } = thread.rollout ?? {}
  if (phase !== wanted)
    faults.push(
      `thread-email was to be ${wanted === 'done' ? 'promoted to the end' : 'sent back'}, and is ${phase} in ${stage}`,
    )
  if (bad === undefined && !isHeld(parse)) faults.push('parse-email was to be held by mismatch, and is not')
  for (const { migration, check } of checks) {
    const count = (what: string, ids: readonly string[]): void => {
      if (ids.length > 0) faults.push(`${migration}: ${ids.length} ${what}: ${ids.slice(0, 3).join(', ')}`)
    }
    count('effects stored twice', check.storedTwice)
    count('with effects on both sides', check.onBothSides)
    count('effects of a copy', check.shadowEffects)
    if (bad === undefined) count('never done', check.neverCompleted)
  }
  for (const { name, jobs, contradictions } of model.migrations) {
    if (jobs.twice > 0) faults.push(`${name}: ${jobs.twice} done twice`)
    if (jobs.lost > 0 && bad !== 'target-loses') faults.push(`${name}: ${jobs.lost} lost`)
    for (const { law } of contradictions) faults.push(`${name}: the ledger contradicts itself: ${law}`)
  }
  return faults
}

/** The last word: how each plan ended, and the differences that hold `parse-email`. */
export function planOutcome({ model, faults, seconds, restarts }: PlanResult): string {
  const lines = model.migrations.map((migration) => `  ${endOf(migration)}`)
  const killed = restarts === 0 ? '' : `, ${restarts} times a process died and came back`
  const end =
    faults.length === 0
      ? `As it was to be (${seconds.toFixed(0)} s${killed}).`
      : `NOT AS IT WAS TO BE:\n${faults.map((fault) => `  ${fault}`).join('\n')}`
  return `How the plans ended:\n${lines.join('\n')}\n\n${end}\n`
}

function endOf({ name, rollout, differences, comparisons }: MigrationReport): string {
  if (rollout === null) return `${name}: not driven`
  const { phase, stage, timeline, waits } = rollout
  if (phase === 'done') return `${name}: at the end of its plan, ${stage}`
  if (phase === 'back')
    return `${name}: SENT BACK (${timeline.findLast(({ action }) => action === 'rollback')?.why ?? ''})`
  const top = differences
    .slice(0, 5)
    .map(({ path, kind, count }) => `    ${path} (${kind}): ${count} of ${comparisons.compared} pairs`)
  return [`${name}: held in ${stage}: ${waits.join('; ')}`, ...top].join('\n')
}
