// bee-queue 2.0 and 1.7 through the queue contract, and what only bee-queue does.

import { randomUUID } from 'node:crypto'
import BeeQueue from 'bee-queue'
import BeeQueue1 from 'bee-queue-1'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect } from 'vitest'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import type { Queue } from '../../src/ports/queue.ts'
import { type Bench, type QueueHarness, queueContract } from '../contract/queue-contract.ts'
import { ACK, enqueueAll, job } from '../contract/queue-kit.ts'
import { beeQueue1 } from '../fixtures/bee-queue-1.ts'
import { breakable, breaks } from '../fixtures/breakable.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

const skip = !hasRedis()
let redis: RedisServer
let direct: Redis
beforeAll(async () => {
  if (skip) return
  redis = await startRedis()
  direct = new Redis(redis.url)
})
afterAll(() => {
  direct?.disconnect()
  return redis?.stop()
})

const VERSIONS = [
  {
    title: 'bee-queue 2.0',
    make: beeQueue,
    Class: BeeQueue,
    module: '../../adapters/queues/bee-queue/index.ts',
    factory: 'beeQueue',
  },
  {
    title: 'bee-queue 1.7',
    make: beeQueue1,
    Class: BeeQueue1 as typeof BeeQueue,
    module: '../fixtures/bee-queue-1.ts',
    factory: 'beeQueue1',
  },
] as const

for (const { title, make, Class, module, factory } of VERSIONS) {
  const harness = async (prefix?: string): Promise<QueueHarness> => {
    const proxy = await breakable(redis.port)
    const custom = prefix === undefined ? {} : { prefix }
    const options = { queue: `q-${randomUUID()}`, redis: redis.url, stallInterval: 600, ...custom }
    const jobs = `${prefix ?? 'bq'}:${options.queue}:jobs`
    return {
      spec: () => make(options),
      child: { module: new URL(module, import.meta.url).href, factory, options },
      handedIn: async () => {
        const given = new Class(options.queue, { redis: redis.url as never })
        return {
          spec: make({ queue: () => given }),
          usable: async () => (await given.createJob({}).save()).id !== null,
        }
      },
      native: async (processor) => {
        const worker = new Class(options.queue, { redis: redis.url as never })
        worker.on('error', () => {})
        worker.process((native: BeeQueue.Job<unknown>) => processor(native))
        return { stop: () => worker.close(2_000) }
      },
      plain: async (payloads) => {
        const producer = new Class(options.queue, { redis: redis.url as never, isWorker: false, ...custom })
        const ids: string[] = []
        for (const payload of payloads) ids.push(String((await producer.createJob(payload).save()).id))
        await producer.close()
        return ids
      },
      damage: async (id, how) => {
        if (how === 'cut') await direct.hset(jobs, id, '{"data":{"cut')
        else await direct.hdel(jobs, id)
        return true
      },
      prove: {
        progress: (queue, bench) =>
          proveProgress(queue, bench, new Class(queue.name, { redis: redis.url as never, isWorker: false })),
      },
      connection: { ...breaks(proxy), spec: () => make({ ...options, redis: `redis://127.0.0.1:${proxy.port}` }) },
      stop: () => proxy.stop(),
    }
  }
  queueContract({ name: title, create: () => harness(), stallWindowMs: 1_500, skip })
  queueContract({
    name: `${title}, another prefix`,
    create: () => harness('my app'),
    stallWindowMs: 1_500,
    skip,
    only: ['moving', 'parking'],
  })
}

/** bee-queue publishes progress; its own events show it. */
async function proveProgress(queue: Queue, bench: Bench, listener: BeeQueue): Promise<void> {
  bench.onEnd(() => listener.close())
  await listener.ready()
  const heard = new Promise((resolve) => listener.on('job progress', (id, progress) => resolve({ id, progress })))
  const one = job()
  await enqueueAll(queue, [one])
  await bench.work(queue, async (delivery) => {
    await delivery.progress({ percent: 40 })
    return ACK
  })
  expect(await heard).toEqual({ id: one.backendId, progress: { percent: 40 } })
}
