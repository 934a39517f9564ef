// What does a day of counting weigh in each ledger, and how long does it take to judge a stage from ten thousand buckets?
//
// A day's jobs are written with due times spread over the last 24 hours and a deadline of two days, so that every bucket
// still counts; then the deadline is taken back, as if the day had passed, and the ledger compacts as it always does.

import { DatabaseSync } from 'node:sqlite'
import type { Redis } from 'ioredis'
import { redisLedger } from '../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../adapters/ledgers/sqlite/index.ts'
import type { FinishRequest, LedgerSettings, LedgerSpec, MigrationLedger, Snapshot } from '../src/ports/ledger.ts'
import { judgeStage } from '../src/rollout/gates/index.ts'
import { stageCounts } from '../src/rollout/observe.ts'
import { defaultPlan, type Plan, parsePlan } from '../src/rollout/plan.ts'
import { newId } from '../src/vocabulary/ids.ts'
import { latencyBucket } from '../src/vocabulary/latency.ts'
import type { Outcome } from '../src/vocabulary/outcome.ts'
import { median } from './harness.ts'
import type { World } from './world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const JOBS = 100_000
const KEYS = 60_000
const BATCH = 250
const SETTINGS: LedgerSettings = { bucketMs: 10_000, slackMs: 15_000, deadlineMs: 510_000, retainMs: HOUR }
/** While the day is written. */
const PATIENT: LedgerSettings = { ...SETTINGS, deadlineMs: 2 * DAY }

const MOST_BYTES = 1_000_000
const MOST_MS = 50

type Print = (text: string) => void

export async function benchCounts(world: World, { rounds }: { rounds: number }, print: Print): Promise<void> {
  const path = `${world.folder}/counts.db`
  await weigh(
    'SQLite',
    sqliteLedger({ path }),
    { bytes: async () => sqliteBytes(path), pass: async () => passSqlite(path) },
    print,
  )
  await world.client.flushall()
  const { client } = world
  await weigh(
    'Redis',
    redisLedger({ url: world.redis.url }),
    { bytes: () => redisBytes(client), pass: () => passRedis(client) },
    print,
  )
  await world.client.flushall()
  await judge(sqliteLedger({ path: `${world.folder}/judge.db` }), rounds, print)
}

interface Store {
  /** Of tallies, times and bitmaps by kind. */
  readonly bytes: () => Promise<Readonly<Record<string, number>>>
  /** Every bucket that was written is closed from now on. */
  readonly pass: () => Promise<void>
}

async function weigh(name: string, spec: LedgerSpec, store: Store, print: Print): Promise<void> {
  const ledger = spec.create({ namespace: 'bench' })
  await ledger.open()
  await writeDay(ledger.migration('job', PATIENT), { jobs: JOBS, overMs: DAY })
  await store.pass()
  await ledger.migration('job', SETTINGS).compact()
  const bytes = await store.bytes()
  const total = Object.values(bytes).reduce((sum, n) => sum + n, 0)
  const parts = Object.entries(bytes).map(([kind, n]) => `${kind} ${Math.round(n / 1000)}`)
  const told = total <= MOST_BYTES ? 'ok' : 'MISSED'
  print(
    `${name}: a day of ${JOBS.toLocaleString('en-US')} shadowed jobs of ${KEYS.toLocaleString('en-US')} keys  ${Math.round(total / 1000)} kB of tallies  most 1000  ${told}   (kB: ${parts.join(', ')})`,
  )
  await ledger.close()
}

/** Lognormal, median 40 ms. */
function runTime(): number {
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
  return 40 * Math.exp(0.8 * normal)
}

async function writeDay(m: MigrationLedger, { jobs, overMs }: { jobs: number; overMs: number }): Promise<void> {
  for (let from = 0; from < jobs; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, jobs - from) }, () => ({
      ...{ id: newId(), slot: Math.floor(Math.random() * KEYS) * 17, age: Math.floor(Math.random() * overMs) },
      ...{ legacyMs: runTime(), targetMs: runTime(), control: Math.random() < 0.1, bad: Math.random() < 0.005 },
    }))
    await m.pin(
      batch.map(({ id, slot, age, control }) => ({
        ...{ id, fresh: true, route: 'legacy-shadowed', reason: 'flag', epoch: 0, delayMs: -age, maxAttempts: 1 },
        ...{ group: slot % 64, control, producer: 'bench', keySlot: slot },
      })),
    )
    const ended = (id: string, side: 'legacy' | 'target', ms: number, bad: boolean): FinishRequest => ({
      ...{ id, side, gen: 0, token: 't', fatal: true, effectFailed: false },
      ...{ arm: side === 'legacy' ? 'primary' : 'shadow', outcome: outcomeOf(ms, !bad) },
      ...{ runBucket: latencyBucket(ms), waitBucket: latencyBucket(ms / 4) },
    })
    await m.finish(batch.map(({ id, legacyMs }) => ended(id, 'legacy', legacyMs, false)))
    await m.finish(batch.map(({ id, targetMs, bad }) => ended(id, 'target', targetMs, bad)))
    await m.finish(
      batch
        .filter(({ control }) => control)
        .map(({ id, legacyMs }) => ({ ...ended(id, 'legacy', legacyMs, false), arm: 'control' })),
    )
    await m.compare(
      batch.flatMap(({ id, legacyMs, targetMs, control, bad }) => [
        {
          ...{ id, which: 'pair' as const },
          comparison: {
            class: 'matched' as const,
            errors: bad ? ('target-only' as const) : ('none' as const),
            differences: [],
            differenceCount: 0,
          },
          times: { legacy: latencyBucket(legacyMs), target: latencyBucket(targetMs) },
        },
        ...(control
          ? [
              {
                id,
                which: 'control' as const,
                comparison: { class: 'matched' as const, errors: 'none' as const, differences: [], differenceCount: 0 },
              },
            ]
          : []),
      ]),
    )
  }
}

function outcomeOf(runMs: number, ok: boolean): Outcome {
  const facts = { effects: [], waitMs: 1, runMs, attempts: 1, version: '1' }
  return ok ? { ok, value: 1, ...facts } : { ok, error: { name: 'Error', message: 'no' }, ...facts }
}

const KINDS = {
  tally: 'counts',
  time_sum: 'times',
  time_log: 'times not summed',
  first: 'bitmaps',
  recent: 'last hour',
} as const

/** Pages of the tables. */
function sqliteBytes(path: string): Record<string, number> {
  const db = new DatabaseSync(path)
  const bytes = Object.entries(KINDS).map(([table, kind]) => {
    const found = db.prepare('SELECT sum(pgsize) AS n FROM dbstat WHERE name = ?').get(`ledger_${table}`)
    return [kind, Number(found?.n ?? 0)] as const
  })
  db.close()
  return Object.fromEntries(bytes)
}

function passSqlite(path: string): void {
  const db = new DatabaseSync(path)
  db.exec('UPDATE ledger_time_log SET closes = 0')
  db.close()
}

const PREFIXES: Readonly<Record<string, string>> = { t: 'counts', l: 'times', k: 'bitmaps', rc: 'last hour' }

async function redisBytes(client: Redis): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {}
  for (const key of await client.keys('*{bench:job}:*')) {
    const name = key.slice(key.indexOf('}:') + 2)
    const prefix = Object.keys(PREFIXES).find((each) => name.startsWith(each))
    const kind = prefix === undefined ? undefined : PREFIXES[prefix]
    if (kind === undefined) continue
    bytes[kind] = (bytes[kind] ?? 0) + Number(await client.memory('USAGE', key, 'SAMPLES', 0))
  }
  return bytes
}

async function passRedis(client: Redis): Promise<void> {
  // the bits of a day that is over go an hour after it
  const today = Math.floor(Date.now() / DAY)
  const days = (await client.keys('*{bench:job}:k*:*')).filter(
    (key) => Number(key.slice(key.lastIndexOf(':') + 1)) < today,
  )
  if (days.length > 0) await client.del(...days)
  for (const list of ['tb', 'lz']) {
    const [key] = await client.keys(`*{bench:job}:${list}`)
    if (key === undefined) continue
    const members = await client.zrange(key, '0', '-1')
    for (let from = 0; from < members.length; from += 500) {
      const scored = members.slice(from, from + 500).flatMap((member) => ['0', member])
      await client.call('ZADD', key, ...scored)
    }
  }
}

/** All gates of every stage of the default plan; the slowest stage counts. */
async function judge(spec: LedgerSpec, rounds: number, print: Print): Promise<void> {
  const ledger = spec.create({ namespace: 'bench' })
  await ledger.open()
  await writeDay(ledger.migration('job', PATIENT), { jobs: 40_000, overMs: 10_000 * SETTINGS.bucketMs })
  const patient = await ledger.migration('job', PATIENT).snapshot()
  // as it stands when all of these buckets are closed and none is merged yet
  const snapshot: Snapshot = {
    ...patient,
    settings: SETTINGS,
    histograms: patient.histograms.map((each) => ({ ...each, closed: true })),
  }
  const [plan] = parsePlan(defaultPlan({ migration: 'job', legacy: 'bee-queue', target: 'bullmq' }), 'plan.md') as [
    Plan,
  ]
  const times = plan.stages.map((stage) => {
    const taken = Array.from({ length: Math.max(7, rounds) }, () => {
      const began = process.cpuUsage()
      judgeStage(stage, stageCounts(snapshot, { plan, stage, attempt: 1, epoch: 0, legacyRate: 0.005 }))
      // CPU, which is steadier than the clock on a shared machine
      const { user, system } = process.cpuUsage(began)
      return (user + system) / 1000
    })
    return { name: stage.name, ms: median(taken) }
  })
  const slowest = times.reduce((a, b) => (b.ms > a.ms ? b : a))
  print(
    `judging all gates of a stage from ${snapshot.buckets.length.toLocaleString('en-US')} buckets  ${slowest.ms.toFixed(1)} ms of CPU (${slowest.name})  most ${MOST_MS}  ${slowest.ms <= MOST_MS ? 'ok' : 'MISSED'}`,
  )
  await ledger.close()
}
