// What the benchmarks run against: a Redis server of their own, a temporary folder, and a cutover over a backend.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { fileFlags } from '../adapters/flags/file/index.ts'
import { redisLedger } from '../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../adapters/ledgers/sqlite/index.ts'
import { beeQueue } from '../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../adapters/queues/embedded/index.ts'
import { type Cutover, defineConfig, openCutover, type } from '../src/index.ts'
import type { QueueSpec } from '../src/ports/queue.ts'
import { type RedisServer, startRedis } from '../test/support/redis.ts'

export type Backend = 'bullmq' | 'bee-queue' | 'embedded'

/** A payload of about 250 bytes. */
export interface BenchPayload {
  readonly mailbox: string
  readonly subject: string
  readonly from: string
  readonly body: string
  readonly n: number
}

export function payload(n: number): BenchPayload {
  return {
    mailbox: `box-${n % 5000}@example.org`,
    subject: `Order ${n} has been shipped`,
    from: 'shop@example.com',
    body: 'x'.repeat(130),
    n,
  }
}

export type BenchCutover = Cutover<{ job: BenchPayload }, unknown, unknown, unknown, unknown, unknown>

export interface World {
  readonly folder: string
  readonly redis: RedisServer
  readonly client: Redis
  /** A cutover whose legacy and target are this backend, or target another one, with a ledger beside it. */
  open(options: {
    readonly backend: Backend
    readonly target?: Backend
    readonly queue: string
    readonly dials?: { readonly target: string; readonly shadow: string }
    readonly shadow?: boolean
    /** `fence: 'target'`; without a key, so that no job is the first of one. */
    readonly unfenced?: boolean
  }): Promise<BenchCutover>
  close(): Promise<void>
}

export async function openWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-bench-'))
  const redis = await startRedis()
  const client = new Redis(redis.url)
  let made = 0
  return {
    folder,
    redis,
    client,
    open: async ({ backend, target = backend, queue, dials, shadow, unfenced = false }) => {
      made += 1
      const flagFile = join(folder, `flags-${made}.yaml`)
      writeFileSync(flagFile, `job: { target: ${dials?.target ?? '0%'}, shadow: ${dials?.shadow ?? '0%'} }\n`)
      const path = join(folder, 'embedded.db')
      const spec = (side: Backend, name: string): QueueSpec => {
        if (side === 'embedded') return embeddedQueue({ path, queue: name })
        return side === 'bullmq'
          ? bullmq({ queue: name, connection: redis.url })
          : beeQueue({ queue: name, redis: redis.url })
      }
      const config = defineConfig({
        namespace: `bench${made}`,
        ledger:
          backend === 'embedded' && target === 'embedded' ? sqliteLedger({ path }) : redisLedger({ url: redis.url }),
        flags: fileFlags({ path: flagFile }),
        migrations: {
          job: {
            payload: type<BenchPayload>(),
            legacy: spec(backend, queue),
            target: spec(target, `${queue}-target`),
            ...(unfenced ? { fence: 'target' as const } : { key: (job: BenchPayload) => job.mailbox }),
            shadow: shadow === true ? 'effects-declared' : 'off',
            shadowBacklog: 1_000_000,
          },
        },
      })
      return (await openCutover(config, { withoutLedger: 'refuse' })) as unknown as BenchCutover
    },
    close: async () => {
      client.disconnect()
      await redis.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
