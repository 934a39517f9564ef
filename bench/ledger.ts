// What do a million outcomes weigh in a ledger, and how long does the report over them take?

import { statSync } from 'node:fs'
import { redisLedger } from '../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../adapters/ledgers/sqlite/index.ts'
import type {
  ClaimRequest,
  FinishRequest,
  LedgerSettings,
  LedgerSpec,
  MigrationLedger,
  PinRequest,
} from '../src/ports/ledger.ts'
import { readReport } from '../src/report/read.ts'
import { newId, newToken } from '../src/vocabulary/ids.ts'
import { median } from './harness.ts'
import type { World } from './world.ts'

const BATCH = 250
const SETTINGS: LedgerSettings = { bucketMs: 1000, slackMs: 15_000, deadlineMs: 60_000, retainMs: 3_600_000 }

export async function benchLedger(
  world: World,
  { outcomes, rounds }: { outcomes: number; rounds: number },
  print: (text: string) => void,
): Promise<void> {
  const path = `${world.folder}/rows.db`
  const sqliteBytes = (): number => statSync(path).size
  const redisBytes = async (): Promise<number> => {
    const info = await world.client.info('memory')
    // run times wait in a log until their bucket is closed, and are then summed: they are no part of a row
    const logs = await world.client.keys('cutover:{bench:job}:ll*')
    const sizes = await Promise.all(logs.map((key) => world.client.memory('USAGE', key)))
    const waiting = sizes.reduce<number>((sum, size) => sum + Number(size ?? 0), 0)
    return Number(/used_memory:(\d+)/.exec(info)?.[1]) - waiting
  }
  await one('SQLite', sqliteLedger({ path }), async () => sqliteBytes(), { outcomes, rounds }, print)
  await world.client.flushall()
  await one('Redis', redisLedger({ url: world.redis.url }), redisBytes, { outcomes, rounds }, print)
  await world.client.flushall()
}

async function one(
  name: string,
  spec: LedgerSpec,
  bytes: () => Promise<number>,
  { outcomes, rounds }: { outcomes: number; rounds: number },
  print: (text: string) => void,
): Promise<void> {
  const ledger = spec.create({ namespace: 'bench' })
  await ledger.open()
  const migration = ledger.migration('job', SETTINGS)
  const before = await bytes()
  const began = performance.now()
  for (let done = 0; done < outcomes; done += BATCH * 4) {
    await Promise.all(Array.from({ length: 4 }, () => batch(migration)))
  }
  const seconds = (performance.now() - began) / 1000
  const perRow = ((await bytes()) - before) / outcomes
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now()
    await readReport([migration])
    times.push(performance.now() - start)
  }
  const report = median(times)
  // once, as on the command line: loading the charting library is part of it; CPU, which is steadier than the clock
  const startPage = process.cpuUsage()
  const { htmlReport } = await import('../src/report/html.ts')
  const kilobytes = Buffer.byteLength(await htmlReport(await readReport([migration]))) / 1000
  const used = process.cpuUsage(startPage)
  const page = (used.user + used.system) / 1000
  print(
    `${name}: ${outcomes.toLocaleString('en-US')} outcomes  ${perRow.toFixed(0)} bytes a finished row  most 90  ${perRow <= 90 ? 'ok' : 'MISSED'}   report ${report.toFixed(0)} ms  most 200  ${report <= 200 ? 'ok' : 'MISSED'}   as a page ${page.toFixed(0)} ms of CPU, ${kilobytes.toFixed(0)} kB  most 2000, 1000  ${page <= 2000 && kilobytes <= 1000 ? 'ok' : 'MISSED'}   (pin + claim + finish ${Math.round(outcomes / seconds).toLocaleString('en-US')}/s)`,
  )
  await ledger.close()
}

async function batch(migration: MigrationLedger): Promise<void> {
  const ids = Array.from({ length: BATCH }, newId)
  const token = newToken()
  await migration.pin(
    ids.map(
      (id): PinRequest => ({
        ...{ id, fresh: true, route: 'legacy', reason: 'flag', epoch: 1, delayMs: 0, maxAttempts: 1 },
        ...{ group: 1, control: false, producer: 'bench', keySlot: -1 },
      }),
    ),
  )
  await migration.claim(
    ids.map(
      (id): ClaimRequest => ({
        ...{ id, side: 'legacy', gen: 0, token, leaseMs: 30_000, fenced: true, effectsUnknown: true, maxAttempts: 1 },
        ...{ maxStarts: 6, absent: { route: 'legacy', epoch: 1, dueAt: 0, adopted: false } },
      }),
    ),
  )
  const outcome = {
    ok: true,
    value: { ok: true },
    effects: [],
    waitMs: 3,
    runMs: 2,
    attempts: 1,
    version: '1',
  } as const
  await migration.finish(
    ids.map(
      (id, index): FinishRequest => ({
        ...{ id, side: 'legacy', gen: 0, arm: 'primary', token, outcome, fatal: false, effectFailed: false },
        ...{ runBucket: 900 + (index % 300), waitBucket: 950 + (index % 500) },
      }),
    ),
  )
}
