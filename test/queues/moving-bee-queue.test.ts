// What only bee-queue has for a mover: ids that stand twice in its list, versions that cannot be told, stalled runs.

import { randomUUID } from 'node:crypto'
import BeeQueue from 'bee-queue'
import BeeQueue1 from 'bee-queue-1'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { listed } from '../contract/moving-kit.ts'
import { Bench, enqueueAll, eventually, job, jobs } from '../contract/queue-kit.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('bee-queue: moving', () => {
  let redis: RedisServer
  let direct: Redis
  let bench: Bench
  let name: string
  beforeAll(async () => {
    redis = await startRedis()
    direct = new Redis(redis.url)
  })
  afterAll(async () => {
    direct.disconnect()
    await redis.stop()
  })
  beforeEach(() => {
    name = `q-${randomUUID()}`
    bench = new Bench({ spec: () => beeQueue({ queue: name, redis: redis.url }), stop: async () => {} })
  })
  afterEach(() => bench.end())
  const key = (of: string): string => `bq:${name}:${of}`
  const ids = (list: readonly { backendId: string }[]): string[] => list.map((one) => one.backendId)

  test.each(['remove', 'park'] as const)('a job that stands twice in the list is taken whole by %s', async (how) => {
    const queue = await bench.queue()
    const list = [job({ attempts: 5 }), ...jobs(4)]
    await enqueueAll(queue, list)
    // A run that stalled was put back, then its first worker failed it after all: bee-queue pushes it once more.
    const [twice] = list as [ReturnType<typeof job>]
    const record = JSON.parse((await direct.hget(key('jobs'), twice.backendId))!) as {
      options: { stacktraces: string[] }
    }
    record.options.stacktraces = ['Error: late']
    await direct.hset(key('jobs'), twice.backendId, JSON.stringify(record))
    await direct.lpush(key('waiting'), twice.backendId)
    expect((await listed(queue, 'waiting', 2)).filter((one) => one.backendId === twice.backendId)).toHaveLength(2)
    const taken = how === 'park' ? await queue.park([twice.backendId], 'moving') : await queue.remove([twice.backendId])
    expect(taken).toEqual([true])
    expect(await direct.lrange(key('waiting'), 0, -1)).toEqual(ids(list.slice(1)).reverse())
  })

  test('a job that completed while it waited again leaves nothing behind when it is taken', async () => {
    const queue = await bench.queue()
    const one = job()
    await enqueueAll(queue, [one])
    // A run that stalled succeeded after all: bee-queue stores both.
    const record = (await direct.hget(key('jobs'), one.backendId))!
    await direct.hset(key('jobs'), one.backendId, record.replace('"created"', '"succeeded"'))
    await direct.sadd(key('succeeded'), one.backendId)
    expect(await queue.remove([one.backendId])).toEqual([true])
    expect(await direct.keys(`${key('*')}`)).toEqual([])
  })

  test('delayed jobs that are due and that nobody has raised yet are found among the delayed ones', async () => {
    const queue = await bench.queue()
    const one = job({ delayMs: 1 })
    await enqueueAll(queue, [one])
    await eventually(
      async () => (await queue.read(one.backendId))!.runAt,
      (due) => due < Date.now(),
    )
    expect(ids(await listed(queue, 'delayed', 5))).toEqual([one.backendId])
    expect(await queue.park([one.backendId], 'moving')).toEqual([true])
    expect(await queue.unpark([one.backendId])).toEqual([true])
    expect(ids(await listed(queue, 'waiting', 5))).toEqual([one.backendId])
  })

  test('options that only bee-queue knows are no backoff', async () => {
    const queue = await bench.queue()
    const producer = new BeeQueue(name, { redis: redis.url as never, isWorker: false })
    bench.onEnd(() => producer.close())
    await producer.createJob({ n: 1 }).retries(3).backoff('immediate').timeout(5_000).save()
    await producer.createJob({ n: 2 }).retries(3).backoff('fixed', 250).save()
    expect(await listed(queue, 'waiting', 5)).toMatchObject([
      { attempts: 4, attemptsMade: 0, data: { n: 1 } },
      { attempts: 4, attemptsMade: 0, data: { n: 2 }, backoff: { delayMs: 250, fixed: true } },
    ])
    expect((await listed(queue, 'waiting', 5))[0]).not.toHaveProperty('backoff')
  })

  test('a running job that gave no sign since the last look counts as stalled', async () => {
    const queue = await bench.queue()
    await enqueueAll(queue, jobs(3))
    // Two are taken by a worker that is no more; bee-queue has looked at one of them since.
    const taken = await direct.rpoplpush(key('waiting'), key('active'))
    await direct.rpoplpush(key('waiting'), key('active'))
    await direct.sadd(key('stalling'), taken!)
    expect(await queue.counts({ detail: true })).toMatchObject({ waiting: 1, running: 2, stalled: 1 })
  })

  test('moved from are known versions of the library, on keys of the known form', async () => {
    class Own extends BeeQueue {}
    for (const [Class, ok] of [
      [BeeQueue, true],
      [BeeQueue1 as typeof BeeQueue, true],
      [Own, true],
    ] as const) {
      const given = new Class(name, { redis: redis.url as never, isWorker: false })
      const queue = await bench.queue(beeQueue({ queue: () => given }))
      bench.onEnd(() => given.close())
      expect((await queue.movable()).ok).toBe(ok)
    }
    // As a bundler leaves it: the same class, in no module that can be found.
    const bundled = new Proxy(BeeQueue, {})
    const queue = await bench.queue(beeQueue({ queue: name, redis: () => direct, module: async () => bundled }))
    expect(await queue.movable()).toEqual({
      ok: false,
      reason: expect.stringMatching(/cannot be told.*1\.7\.1, 2\.0\.0/),
    })
    await direct.set(key('delayed'), 'x')
    const other = await bench.queue()
    expect(await other.movable()).toEqual({ ok: false, reason: expect.stringContaining('not a zset') })
    await direct.del(key('delayed'))
  })
})
