// A plan driven over real queues: a folder with flag file and plan, an application that goes on enqueueing and working,
// and controllers, in this process or in one that can be killed.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { resolveMigration } from '../../src/config/resolve.ts'
import type { CutoverConfig, MigrationBase } from '../../src/config/types.ts'
import { type Cutover, openCutover } from '../../src/cutover.ts'
import type { JobContext } from '../../src/execution/context.ts'
import type { FlagSource, FlagSpec } from '../../src/ports/flags.ts'
import type { MigrationLedger } from '../../src/ports/ledger.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'
import { Controller, type ControllerOptions, type Tick } from '../../src/rollout/controller.ts'
import { type DriveRecord, readRecord } from '../../src/rollout/drive/record.ts'
import { readPlanFile } from '../../src/rollout/plan-file.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { configOf, type Mail, type Place, partsAt } from './app.ts'

/** Where everything is; `folder` has flags and plan, `place` queues and ledger. */
export interface Site {
  readonly folder: string
  readonly place: Place
  /** In place of the flag file; not for controllers in a process of their own. */
  readonly flags?: FlagSpec
}

/** Long enough for a busy machine, short enough for a test. */
export const TIMES: MigrationBase = {
  timeout: '1s',
  attempts: 1,
  backoff: 0,
  waitAllowance: '500ms',
  lease: '1s',
  retain: '1m',
  tally: { bucket: '200ms', slack: '200ms' },
}
const DEADLINE = '1500ms'

export interface StageText {
  readonly name: string
  readonly dials: string
  readonly more?: string
  readonly gates?: string
}
/** One failure in ten is proven wrong by some dozens of units, none in ten right. */
const GATES =
  '{mismatch: {limit: 10%, rule: prove}, errors: {limit: 10%, rule: prove}, lost: {limit: 10%, rule: prove, unit: job}}'

export const STAGES: readonly StageText[] = [
  { name: 'shadow', dials: 'target: 0%, shadow: 100%' },
  { name: 'canary', dials: 'target: 50%, shadow: 50%' },
  { name: 'full', dials: 'target: 100%, shadow: 50%' },
]

export function planText(stages: readonly StageText[] = STAGES): string {
  const lines = stages.map(({ name, dials, more = '', gates = GATES }) => {
    return `  - {name: ${name}, ${dials}, min-soak: 3s, max-stay: 1h, ${more === '' ? '' : `${more}, `}gates: ${gates}}`
  })
  const head = ['version: 1', 'migration: mail', 'legacy: embedded', 'target: embedded', `deadline: ${DEADLINE}`]
  return `# mail\n\n\`\`\`yaml cutover\n${[...head, 'stages:', ...lines].join('\n')}\n\`\`\`\n`
}

export function writePlan({ folder }: Site, stages?: readonly StageText[]): void {
  writeFileSync(join(folder, 'plan.md'), planText(stages))
}

export function writeFlags({ folder }: Site, target = '0%', shadow = '0%'): void {
  writeFileSync(join(folder, 'flags.yaml'), `mail: { target: ${target}, shadow: ${shadow} }\n`)
}

export function siteConfig(site: Site, queues: Partial<Record<Side, QueueSpec>> = {}): CutoverConfig {
  const flags = site.flags ?? fileFlags({ path: join(site.folder, 'flags.yaml') })
  const migration = { ...TIMES, plan: join(site.folder, 'plan.md'), key: (mail: Mail) => mail.box ?? String(mail.n) }
  return configOf({ ...partsAt(site.place), stop: async () => {} }, flags as never, { migration, queues })
}

export interface Running {
  readonly cutover: Cutover<unknown, unknown, unknown, unknown, unknown, unknown>
  /** How many were enqueued, by the side that they went to. */
  readonly sent: Record<Side, number>
  stop(): Promise<void>
}

export interface AppOptions {
  /** What target's handler does beside answering. */
  readonly onTarget?: (ctx: JobContext) => Promise<void> | void
  readonly queues?: Partial<Record<Side, QueueSpec>>
  readonly version?: string
  /** Without: no jobs. Jobs a burst, a burst every 50 ms. */
  readonly burst?: number
  readonly works?: boolean
}

/** Producer and workers of both sides in this process; each job has a key of its own. */
export async function startApp(site: Site, options: AppOptions = {}): Promise<Running> {
  const { onTarget, queues, version = '1', burst = 6, works = true } = options
  const cutover = (await openCutover(siteConfig(site, queues), {
    sweepEvery: '500ms',
  })) as unknown as Running['cutover']
  const any = cutover as unknown as Cutover<{ mail: Mail }, { mail: Mail }, object, object, object, object>
  const handler = async (mail: Mail, ctx: JobContext): Promise<unknown> => {
    if (ctx.side === 'target') await onTarget?.(ctx)
    return { n: mail.n }
  }
  if (works) {
    for (const side of ['legacy', 'target'] as const) {
      await any.work('mail', side, handler as never, { concurrency: 8, version })
    }
  }
  const sent = { legacy: 0, target: 0 }
  let n = 0
  let going = true
  const run = (async () => {
    while (going) {
      const batch = Array.from({ length: burst }, () => any.enqueue('mail', { n: n++ }))
      for (const { side } of await Promise.all(batch)) sent[side] += 1
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  return {
    cutover,
    sent,
    stop: async () => {
      going = false
      await run
      await cutover.close({ timeout: '2s' })
    },
  }
}

export interface Cockpit {
  readonly ledger: MigrationLedger
  readonly flags: FlagSource
  controller(over?: Partial<ControllerOptions>): Controller
  /** Drives until `seen` answers true for a tick, or the plan is at its end; answers all ticks. */
  drive(seen?: (tick: Tick) => boolean): Promise<Tick>
  record(): Promise<DriveRecord>
  close(): Promise<void>
}

/** Ledger, flags and controllers over a configuration of their own. */
export async function openCockpit(site: Site, config: CutoverConfig = siteConfig(site)): Promise<Cockpit> {
  const given = resolveMigration(config, 'mail')
  const file = () => readPlanFile(given, site.folder)
  const settings = { ...given, ledger: { ...given.ledger, deadlineMs: 1500 } }
  const store = config.ledger.create({ namespace: 'e2e' })
  await store.open()
  const flags = config.flags.create({ flags: ['mail'] })
  await flags.ready()
  const ledger = store.migration('mail', settings.ledger)
  const controller = (over: Partial<ControllerOptions> = {}) =>
    new Controller({ settings, ledger, flags, planFile: file, by: 'test', everyMs: 100, leaseMs: 600, ...over })
  return {
    ledger,
    flags,
    controller,
    drive: async (seen = () => false) => {
      const stop = new AbortController()
      return await controller({ onTick: (tick) => seen(tick) && stop.abort() }).run(stop.signal)
    },
    record: async () => readRecord(await ledger.driveState()) as DriveRecord,
    close: async () => {
      await flags.close()
      await store.close()
    },
  }
}

// ------------------------------------------------------------------------------------- a controller of its own process

export interface Doom {
  readonly site: Site
  /** The action at which it ends: `before` or `after` its step is written, or before or after the flag is. */
  readonly at: `${'before' | 'after'} ${string}`
  /** `SIGKILL`: dead. `SIGSTOP`: asleep, until somebody wakes it. */
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

export function spawnController(doom: Doom): ChildProcess {
  const file = join(import.meta.dirname, 'doomed-controller.ts')
  return spawn(process.execPath, [file, JSON.stringify(doom)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Waits until it has met its end; fails if it ended in any other way. */
export async function died(child: ChildProcess): Promise<void> {
  const [code, signal] =
    child.exitCode === null && child.signalCode === null
      ? await once(child, 'exit')
      : [child.exitCode, child.signalCode]
  if (signal !== 'SIGKILL')
    throw new Error(`the controller ended with ${String(code ?? signal)} instead of being killed`)
}
