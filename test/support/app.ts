// A whole cutover for end-to-end tests: one migration `mail` on real queues and a real ledger, flags turned by hand, and
// what happened noted by the handlers themselves.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { resolveMigration } from '../../src/config/resolve.ts'
import { type CutoverConfig, type MigrationBase, type } from '../../src/config/types.ts'
import { type Cutover, type OpenOptions, openCutover } from '../../src/cutover.ts'
import type { JobContext } from '../../src/execution/context.ts'
import type { McpConfig } from '../../src/mcp/config.ts'
import type { FlagSpec } from '../../src/ports/flags.ts'
import type { Ledger, LedgerSpec, MigrationLedger, Snapshot } from '../../src/ports/ledger.ts'
import type { Queue, QueueSpec } from '../../src/ports/queue.ts'
import { type TestFlags, testFlags } from '../../src/testing/index.ts'
import type { CutoverEvent } from '../../src/vocabulary/events.ts'
import type { Arm, Side } from '../../src/vocabulary/job.ts'
import { startRedis } from './redis.ts'

export interface Mail {
  readonly n: number
  readonly box?: string
  readonly text?: string
}

/** Where the queues and the ledger are. */
export interface Bed {
  readonly ledger: LedgerSpec
  readonly queue: (side: Side) => QueueSpec
  stop(): Promise<void>
}

/** Where a bed is, in a form that another process can be told. */
export type Place =
  | { readonly folder: string; readonly files: 'shared' | 'apart' }
  | { readonly url: string; readonly legacy?: 'bullmq' }

/** bee-queue (or BullMQ) to BullMQ with the ledger on the same Redis, or embedded queues and a SQLite ledger in one file or in two. */
export function partsAt(place: Place): Omit<Bed, 'stop'> {
  if ('url' in place) return redisParts(place.url, place.legacy)
  const ledger = join(place.folder, 'ledger.db')
  const path = place.files === 'shared' ? ledger : join(place.folder, 'queue.db')
  return {
    ledger: sqliteLedger({ path: ledger }),
    queue: (side) => embeddedQueue({ path, queue: `mail-${side}`, leaseMs: 1000, pollMs: 20 }),
  }
}

function redisParts(url: string, legacy: 'bullmq' | undefined): Omit<Bed, 'stop'> {
  const worker = { lockDuration: 1500, stalledInterval: 500, maxStalledCount: 5 }
  return {
    ledger: redisLedger({ url }),
    queue: (side) =>
      side === 'legacy' && legacy === undefined
        ? beeQueue({ queue: 'mail', redis: url, stallInterval: 1000 })
        : bullmq({ queue: side === 'legacy' ? 'mail-before' : 'mail', connection: url, worker }),
  }
}

export function embeddedBed(files: 'shared' | 'apart' = 'apart'): Bed & { folder: string; place: Place } {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-e2e-'))
  const place = { folder, files }
  return { folder, place, ...partsAt(place), stop: async () => rmSync(folder, { recursive: true, force: true }) }
}

export async function redisBed(legacy?: 'bullmq'): Promise<Bed & { url: string; place: Place }> {
  const server = await startRedis()
  const { url } = server
  const place = legacy === undefined ? { url } : { url, legacy }
  return { url, place, ...partsAt(place), stop: () => server.stop() }
}

export interface Run {
  readonly id: string
  readonly side: Side
  readonly arm: Arm
  readonly attempt: number
  readonly n: number
}

type MailCutover = Cutover<
  { mail: Mail },
  { mail: Mail },
  { mail: unknown },
  { mail: Record<string, unknown> },
  { mail: unknown },
  { mail: unknown }
>

export interface App {
  readonly cutover: MailCutover
  readonly flags: TestFlags
  readonly runs: Run[]
  /** Idempotency keys of performed effects, in order. */
  readonly effects: string[]
  readonly events: CutoverEvent[]
  /** Notes the run, performs the effect `store`, returns `{ n }`. */
  readonly handler: (mail: Mail, ctx: JobContext<Record<string, unknown>, unknown>) => Promise<unknown>
  /** Works with `handler`, or another one, on both sides. */
  both(handler?: App['handler']): Promise<void>
  /** The ledger over a connection of its own. */
  readonly ledger: MigrationLedger
  readonly deadlineMs: number
  /** A side's queue over a connection of its own. */
  queue(side: Side): Promise<Queue>
  numbers(): Promise<Numbers>
  close(): Promise<void>
}

export interface AppOptions {
  readonly migration?: MigrationBase & Record<string, unknown>
  readonly dials?: { target: number; shadow: number }
  readonly open?: OpenOptions
  /** In place of those of the bed. */
  readonly ledger?: LedgerSpec
  /** In place of those that a test turns by hand. */
  readonly flags?: FlagSpec
  readonly queues?: Partial<Record<Side, QueueSpec>>
  readonly mcp?: McpConfig
}

export const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Short times, so that leases and deadlines pass within a test. */
export const TIMES = {
  timeout: '400ms',
  attempts: 3,
  backoff: '20ms',
  lease: '1s',
  waitAllowance: '500ms',
  retain: '30s',
  tally: { bucket: '100ms', slack: '100ms' },
} as const

export function configOf(bed: Bed, flags: TestFlags, options: AppOptions = {}): CutoverConfig {
  const migration = {
    payload: type<Mail>(),
    legacy: options.queues?.legacy ?? bed.queue('legacy'),
    target: options.queues?.target ?? bed.queue('target'),
    shadow: 'effects-declared',
    ...TIMES,
    ...options.migration,
  }
  return {
    namespace: 'e2e',
    ledger: options.ledger ?? bed.ledger,
    flags,
    logger: SILENT,
    ...(options.mcp === undefined ? {} : { mcp: options.mcp }),
    migrations: { mail: migration },
  } as unknown as CutoverConfig
}

export async function openApp(bed: Bed, options: AppOptions = {}): Promise<App> {
  const flags = testFlags(options.dials ?? { target: 0, shadow: 0 })
  const config = { ...configOf(bed, flags, options), flags: options.flags ?? flags }
  const { ledger: settings } = resolveMigration(config, 'mail')
  const store: Ledger = bed.ledger.create({ namespace: 'e2e' })
  await store.open().catch(() => {}) // a test of an absent ledger opens it later
  const ledger = store.migration('mail', settings)
  const cutover = (await openCutover(config, { sweepEvery: '1h', ...options.open })) as unknown as MailCutover
  const runs: Run[] = []
  const effects: string[] = []
  const events: CutoverEvent[] = []
  const queues: Queue[] = []
  cutover.onEvent((event) => events.push(event))
  const handler: App['handler'] = async (mail, ctx) => {
    runs.push({ id: ctx.id, side: ctx.side, arm: ctx.arm, attempt: ctx.attempt, n: mail.n })
    await ctx.effect('store', { n: mail.n }, ({ idempotencyKey }) => effects.push(idempotencyKey))
    return { n: mail.n }
  }
  return {
    cutover,
    flags,
    runs,
    effects,
    events,
    handler,
    ledger,
    deadlineMs: settings.deadlineMs,
    both: async (given = handler) => {
      await cutover.work('mail', 'legacy', given, { concurrency: 4 })
      await cutover.work('mail', 'target', given, { concurrency: 4 })
    },
    queue: async (side) => {
      const queue = (options.queues?.[side] ?? bed.queue(side)).create()
      await queue.open()
      queues.push(queue)
      return queue
    },
    numbers: async () => numbersOf(await ledger.snapshot()),
    close: async () => {
      await cutover.close({ timeout: '3s' })
      for (const queue of queues) await queue.close()
      await store.close()
    },
  }
}

export interface Numbers {
  /** A measure over all epochs, buckets and families but `key`. */
  of(measure: string): number
  /** In family `excluded` only. */
  excluded(measure: string): number
  readonly snapshot: Snapshot
}

function numbersOf(snapshot: Snapshot): Numbers {
  const sums = new Map<string, number>()
  for (const { counts } of snapshot.buckets) {
    for (const [key, count] of Object.entries(counts)) sums.set(key, (sums.get(key) ?? 0) + count)
  }
  const at = (key: string): number => sums.get(key) ?? 0
  return {
    of: (measure) => at(`job/${measure}`) + at(`excluded/${measure}`) + at(`late/${measure}`),
    excluded: (measure) => at(`excluded/${measure}`),
    snapshot,
  }
}

/** matched + mismatched + ignored + orphaned + shed + open = shadowed, and the same of controls. */
export function expectSumLaw(numbers: Numbers): void {
  const sides = (measure: string): number => numbers.of(`${measure}.legacy`) + numbers.of(`${measure}.target`)
  const compared = (which: string): number =>
    ['matched', 'mismatched', 'ignored'].reduce((sum, cls) => sum + numbers.of(`${which}.${cls}`), 0)
  const { gauges } = numbers.snapshot
  expect(compared('pair') + sides('pair.orphaned') + sides('shadow.shed') + gauges.pairsOpen).toBe(
    sides('shadow.wanted'),
  )
  expect(compared('control') + sides('control.orphaned') + numbers.of('control.shed') + gauges.controlsOpen).toBe(
    numbers.of('control.wanted'),
  )
}

/** Waits until `look` answers something truthy, and answers it. */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  ms = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const over = performance.now() + ms
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== null && seen !== false) return seen as Exclude<T, false | null | undefined>
    if (performance.now() > over) throw new Error(`still not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
