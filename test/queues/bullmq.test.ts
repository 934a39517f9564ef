// BullMQ through the queue contract.

import { randomUUID } from 'node:crypto'
import { Queue as BullQueue, QueueEvents, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect } from 'vitest'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { Queue } from '../../src/ports/queue.ts'
import { type Bench, type QueueHarness, queueContract } from '../contract/queue-contract.ts'
import { ACK, enqueueAll, job, jobs } from '../contract/queue-kit.ts'
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

const STALL = { lockDuration: 600, stalledInterval: 400, maxStalledCount: 3 }

async function harness(prefix?: string): Promise<QueueHarness> {
  const proxy = await breakable(redis.port)
  const queue = `q-${randomUUID()}`
  const custom = prefix === undefined ? {} : { prefix }
  const options = { queue, connection: redis.url, worker: STALL, ...custom }
  const connection = { url: redis.url }
  const keyOf = (id: string): string => `${prefix ?? 'bull'}:${queue}:${id}`
  return {
    spec: () => bullmq(options),
    child: {
      module: new URL('../../adapters/queues/bullmq/index.ts', import.meta.url).href,
      factory: 'bullmq',
      options,
    },
    handedIn: async () => {
      const given = new BullQueue(queue, { connection })
      return { spec: bullmq({ queue: () => given }), usable: async () => (await given.add('x', {})).id !== undefined }
    },
    native: async (processor) => {
      const worker = new Worker(queue, (native, token) => processor(native, token), { connection })
      worker.on('error', () => {})
      return { stop: () => worker.close() }
    },
    plain: async (payloads) => {
      const producer = new BullQueue(queue, { connection, ...custom })
      const added = await producer.addBulk(payloads.map((data) => ({ name: 'any', data })))
      await producer.close()
      return added.map((one) => one.id!)
    },
    damage: async (id, how) => {
      if (how === 'cut') await direct.hset(keyOf(id), 'data', '{"cut')
      else await direct.del(keyOf(id))
      return true
    },
    prove: { neverStarted, pause, progress, jobNames },
    connection: { ...breaks(proxy), spec: () => bullmq({ ...options, connection: `redis://127.0.0.1:${proxy.port}` }) },
    stop: () => proxy.stop(),
  }
}

queueContract({ name: 'bullmq', create: () => harness(), stallWindowMs: 1_500, skip })
queueContract({
  name: 'bullmq, another prefix',
  create: () => harness('{my app}'),
  stallWindowMs: 1_500,
  skip,
  only: ['moving', 'parking'],
})

/** A plain queue on the same keys. */
function plain(queue: Queue, bench: Bench): BullQueue {
  const bull = new BullQueue(queue.name, { connection: { url: redis.url } })
  bench.onEnd(() => bull.close())
  return bull
}

async function neverStarted(queue: Queue, bench: Bench): Promise<void> {
  const one = job({ attempts: 2 })
  await enqueueAll(queue, [one])
  const bull = plain(queue, bench)
  expect(await bull.getJob(one.backendId)).toMatchObject({ attemptsStarted: 0 })
  const work = await bench.work(queue, () => ({ kind: 'defer', delayMs: 60_000 }))
  await work.until((runs) => runs.length === 1)
  await work.consumer?.stop({ timeoutMs: 5_000 })
  expect(await bull.getJob(one.backendId)).toMatchObject({ attemptsStarted: 1, attemptsMade: 0 })
}

async function pause(queue: Queue, bench: Bench): Promise<void> {
  const bull = plain(queue, bench)
  await bull.pause()
  const work = await bench.work(queue)
  await enqueueAll(queue, jobs(3))
  const events = new QueueEvents(queue.name, { connection: { url: redis.url } })
  bench.onEnd(() => events.close())
  await events.waitUntilReady()
  expect(await queue.counts()).toMatchObject({ waiting: 3, running: 0 })
  expect(work.runs).toEqual([])
  await bull.resume()
  await work.until((runs) => runs.length === 3)
}

async function progress(queue: Queue, bench: Bench): Promise<void> {
  const one = job()
  await enqueueAll(queue, [one])
  const bull = plain(queue, bench)
  let stored: unknown
  const work = await bench.work(queue, async (delivery) => {
    await delivery.progress({ percent: 40 })
    stored = (await bull.getJob(one.backendId))?.progress
    return ACK
  })
  await work.until(() => stored !== undefined)
  expect(stored).toEqual({ percent: 40 })
}

async function jobNames(queue: Queue, bench: Bench): Promise<void> {
  const bull = plain(queue, bench)
  const parse = await bench.queue(bullmq({ queue: queue.name, connection: redis.url, job: 'parse' }))
  await bull.add('send', { to: 'a' })
  await enqueueAll(parse, jobs(2))
  const work = await bench.work(parse)
  await work.until((runs) => runs.length === 2 && work.errors.length > 0)
  expect(work.errors).toHaveLength(1)
  expect(String(work.errors[0])).toMatch(/"send".*"parse".*cutover\.wrap/)
  expect(await bull.getDelayed()).toMatchObject([{ name: 'send', data: { to: 'a' }, attemptsMade: 0 }])
  expect(await parse.list({ place: 'delayed', limit: 10 })).toEqual({ jobs: [] })
}
