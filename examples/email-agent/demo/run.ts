// One run of the demo: jobs flow, the dials turn stage by stage, and it ends when every job is done and every copy
// compared or given up. The numbers come from the ledger, as they would for any process; what the handlers really did is
// counted from their own log.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ReportModel } from '../../../src/index.ts'
import type { Ledger } from '../../../src/ports/ledger.ts'
import { type EmailAgent, openEmailAgent } from '../application.ts'
import { checkLog, type LogCheck } from '../check-log.ts'
import config from '../cutover.config.ts'
import { Children } from './children.ts'
import { DemoFailure } from './failure.ts'
import { jobsOf } from './jobs.ts'
import { type FromChild, MIGRATIONS } from './messages.ts'
import { createProgress, type Progress } from './progress.ts'
import { STAGES, type Stage, turnDials } from './stages.ts'

export interface RunOptions {
  readonly input: string
  readonly jobs: number
  readonly json: boolean
  /** What ids begin with. */
  readonly prefix: string
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** Added to the environment of a role. */
  readonly envOf?: Readonly<Record<string, NodeJS.ProcessEnv>>
  /** When both workers work, before the first e-mail is sent. */
  readonly onWorking?: (how: { readonly ledger: Ledger; readonly say: (line: string) => void }) => Promise<void>
  /** Aborts: end in order, as soon as possible. */
  readonly signal: AbortSignal
  /** Hears how to end all processes at once. */
  readonly onChildren: (children: Children) => void
}

export interface RunResult {
  readonly model: ReportModel
  readonly checks: readonly { readonly migration: string; readonly check: LogCheck }[]
  readonly restarts: number
  readonly seconds: number
}

const TICK_MS = 250
/** Jobs of a migration that may be under way, copies included: the queues are to flow, not to fill. */
const WINDOW = 300
/** Jobs a second of each migration, and within how many seconds all are sent: enough to watch, not more. */
const SLOWEST_PER_SECOND = 110
const LONGEST_SENDING_S = 18
/** Nothing has changed for this long: it will not, any more. Longer than deadline and slack of the configuration. */
const STUCK_MS = 40_000

export async function runDemo(options: RunOptions): Promise<RunResult> {
  const began = performance.now()
  const agent = await openEmailAgent({ withoutLedger: 'refuse' })
  const ledger = config.ledger.create({ namespace: config.namespace ?? 'default' })
  const flags = config.flags.create({ flags: [...MIGRATIONS] })
  let run: Run | undefined
  try {
    await ledger.open()
    const { writer } = flags
    if (writer === undefined) throw new DemoFailure('the flags of the demo cannot be written')
    const turn = (stage: Stage): Promise<void> => turnDials(stage, { config, ledger, writer })
    run = new Run(agent, options)
    await turn(STAGES[0]!)
    run.children.start()
    if (options.onWorking !== undefined) {
      const { progress } = run
      await Promise.race([run.working, run.children.failed])
      await options.onWorking({ ledger, say: (line) => progress.say(line) })
    }
    for (const stage of STAGES) {
      await turn(stage)
      await run.send(stage)
    }
    const model = await run.settle()
    await run.children.stop()
    return {
      model,
      checks: await checkAll(options),
      restarts: run.children.restarts,
      seconds: (performance.now() - began) / 1000,
    }
  } finally {
    run?.progress.end()
    await run?.children.stop()
    await flags.close()
    await ledger.close()
    await agent.close()
  }
}

/** What the handlers' log says of each migration. */
async function checkAll({ folder, ...run }: RunOptions): Promise<RunResult['checks']> {
  const ids = jobsOf(run).map(({ id }) => id)
  const path = join(folder, 'mail', 'events.log')
  return await Promise.all(
    MIGRATIONS.map(async (migration) => ({ migration, check: await checkLog(path, { migration, ids }) })),
  )
}

class Run {
  readonly children: Children
  readonly progress: Progress
  /** Both workers have told that they work. */
  readonly working: Promise<void>
  #isWorking: () => void = () => {}
  readonly #ready = new Set<string>()
  readonly #agent: EmailAgent
  readonly #o: RunOptions
  readonly #perTick: number
  /** How many jobs of each migration are accepted, and how many may be. */
  #position = 0
  #upTo = 0
  /** How many the pace allows. */
  #paced = 0
  #lastSeen = ''
  #changedAt = 0

  constructor(agent: EmailAgent, options: RunOptions) {
    this.#agent = agent
    this.#o = options
    const { input, jobs, prefix, json, folder, env, envOf } = options
    this.working = new Promise((resolve) => {
      this.#isWorking = resolve
    })
    this.#perTick = Math.max(SLOWEST_PER_SECOND, jobs / LONGEST_SENDING_S) * (TICK_MS / 1000)
    this.progress = createProgress({ json, total: MIGRATIONS.length * jobs })
    this.children = new Children({
      folder,
      env,
      ...(envOf === undefined ? {} : { envOf }),
      roles: {
        'legacy-worker': ['worker', 'legacy'],
        'target-worker': ['worker', 'target'],
        producer: ['producer', '--input', input, '--jobs', String(jobs), '--prefix', prefix],
      },
      onMessage: (role, message) => this.#hear(role, message),
      onDeath: (role, how) => this.progress.say(`${role} died (${how}) and is started again`),
    })
    options.onChildren(this.children)
  }

  #hear(role: string, message: FromChild): void {
    if (message.kind === 'sent') this.#position = Math.max(this.#position, message.position)
    if (message.kind !== 'ready') return
    if (role === 'producer') this.#go()
    this.#ready.add(role)
    if (this.#ready.has('legacy-worker') && this.#ready.has('target-worker')) this.#isWorking()
  }

  #go(): void {
    this.children.send('producer', { kind: 'go', from: this.#position, upTo: this.#upTo })
  }

  /** Lets the stage's jobs flow, at the pace of the demo and not faster than they are done. */
  async send({ name, until }: Stage): Promise<void> {
    const end = Math.round(this.#o.jobs * until)
    while (this.#position < end) {
      const model = await this.#look(name)
      if (this.#isStuck(model)) {
        throw new DemoFailure(
          `nothing has moved for ${STUCK_MS / 1000} s; the processes' logs in ${this.#o.folder} say more`,
        )
      }
      const under = Math.max(...model.migrations.map(unsettled))
      this.#paced = Math.min(this.#paced + this.#perTick, this.#position + WINDOW)
      this.#upTo = Math.max(this.#upTo, Math.floor(Math.min(end, this.#paced, this.#position + WINDOW - under)))
      this.#go()
    }
  }

  /** Waits until all is done and compared, or nothing moves any more. */
  async settle(): Promise<ReportModel> {
    for (let turn = 1; ; turn += 1) {
      const model = await this.#look('settling')
      if (model.migrations.every((one) => settledJobs(one) >= this.#o.jobs && unsettled(one) === 0)) return model
      if (this.#isStuck(model)) return model
      // The process that was to find orphans may be the one that was killed.
      if (turn % 4 === 0) await Promise.all(MIGRATIONS.map((migration) => this.#agent.sweep(migration)))
    }
  }

  async #look(stage: string): Promise<ReportModel> {
    await Promise.race([delay(TICK_MS, undefined, { signal: this.#o.signal }), this.children.failed])
    const model = await this.#agent.report()
    this.progress.show(model, stage)
    return model
  }

  /** Nothing has changed since long ago. */
  #isStuck(model: ReportModel): boolean {
    const now = JSON.stringify([this.#position, model.migrations.map((one) => [settledJobs(one), unsettled(one)])])
    if (now !== this.#lastSeen) this.#changedAt = performance.now()
    this.#lastSeen = now
    return performance.now() - this.#changedAt > STUCK_MS
  }
}

type MigrationReport = ReportModel['migrations'][number]

function settledJobs({ jobs }: MigrationReport): number {
  return jobs.done + jobs.failed + jobs.cancelled
}

/** Jobs that are not done, or pairs and controls that are not compared, whichever are more. */
function unsettled({ jobs, comparisons, noise }: MigrationReport): number {
  return Math.max(jobs.waiting + jobs.running + jobs.moving, comparisons.open, noise.open)
}
