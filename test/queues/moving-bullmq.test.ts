// What only BullMQ has for a mover: other names in the queue, priorities, flows, schedules, a paused queue, its events,
// and who else has had the queue open.

import { randomUUID } from 'node:crypto'
import { Queue as BullQueue, FlowProducer, QueueEvents } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { listed } from '../contract/moving-kit.ts'
import { Bench, enqueueAll, eventually, job, jobs, placed } from '../contract/queue-kit.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('bullmq: moving', () => {
  let redis: RedisServer
  let direct: Redis
  let bench: Bench
  let name: string
  let plain: BullQueue
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
    plain = new BullQueue(name, { connection: { url: redis.url } })
    bench = new Bench({ spec: () => bullmq({ queue: name, connection: redis.url }), stop: () => plain.close() })
  })
  afterEach(() => bench.end())
  const ids = (list: readonly { backendId: string }[]): string[] => list.map((one) => one.backendId)

  test('jobs of another name in the queue are not listed, counted apart, and stay', async () => {
    const queue = await bench.queue(bullmq({ queue: name, job: 'parse', connection: redis.url }))
    const list = jobs(30)
    const strangers: string[] = []
    for (const [at, one] of list.entries()) {
      const added = await plain.addBulk(jobs(3).map(({ data }) => ({ name: 'send', data: { at, data } })))
      strangers.push(...added.map(({ id }) => id!))
      await enqueueAll(queue, [one])
    }
    const later = await plain.add('send', {}, { delay: 60_000 })
    await enqueueAll(queue, [job({ delayMs: 60_000 })])
    expect(ids(await listed(queue, 'waiting', 7))).toEqual(ids(list))
    expect(await listed(queue, 'delayed', 7)).toHaveLength(1)
    expect(await queue.counts({ detail: true })).toMatchObject({ waiting: 120, delayed: 2, others: 91 })
    for (const page of [list.slice(0, 11), list.slice(11)]) {
      expect(await queue.park(ids(page), 'moving')).toEqual(page.map(() => true))
    }
    expect(await queue.list({ place: 'waiting', limit: 5 })).toEqual({ jobs: [] })
    expect((await plain.getWaiting()).map(({ id }) => id!).sort()).toEqual([...strangers].sort())
    expect(await later.getState()).toBe('delayed')
  })

  test('thousands of another name in front: each page looks at some of them, and what is ours is found', async () => {
    const queue = await bench.queue(bullmq({ queue: name, job: 'parse', connection: redis.url }))
    for (let at = 0; at < 12; at += 1) await plain.addBulk(jobs(1000).map(({ data }) => ({ name: 'send', data })))
    const ours = jobs(3)
    await enqueueAll(queue, ours)
    const first = await queue.list({ place: 'waiting', limit: 10 })
    expect(first.jobs).toEqual([])
    expect(first.cursor).toBeTypeOf('string')
    expect(ids(await listed(queue, 'waiting', 2))).toEqual(ids(ours))
    expect(await queue.counts({ detail: true })).not.toHaveProperty('others')
  })

  test('from the prioritized set and from a paused queue, into the park list and back with priority', async () => {
    const queue = await bench.queue()
    await plain.pause()
    const list = [job({ priority: 7 }), job(), job({ priority: 2 })]
    await enqueueAll(queue, list)
    const order = [list[1]!, list[2]!, list[0]!]
    expect(ids(await listed(queue, 'waiting', 1))).toEqual(ids(order))
    expect(await queue.park(ids(list), 'moving')).toEqual([true, true, true])
    expect(await queue.counts()).toMatchObject({ waiting: 0, parked: 3 })
    expect(await direct.exists(...list.map((one) => `bull:${name}:${one.backendId}`))).toBe(0)
    expect(await queue.unpark(ids(list))).toEqual([true, true, true])
    expect(ids(await listed(queue, 'waiting', 1))).toEqual(ids(order))
    const work = await bench.work(queue)
    expect(work.runs).toEqual([])
    await plain.resume()
    await work.until((runs) => runs.length === 3)
    expect(work.runs.map((run) => run.id)).toEqual(ids(order))
  })

  test('a queue that an older version paused keeps its jobs in a list of its own, the oldest of all', async () => {
    const queue = await bench.queue()
    const old = jobs(3)
    await enqueueAll(queue, old)
    await direct.rename(`bull:${name}:wait`, `bull:${name}:paused`)
    await direct.hset(`bull:${name}:meta`, 'paused', '1')
    const young = jobs(2)
    await enqueueAll(queue, young)
    expect(ids(await listed(queue, 'waiting', 2))).toEqual(ids([...old, ...young]))
    expect(await queue.remove(ids([old[1]!, young[0]!]))).toEqual([true, true])
    expect(ids(await listed(queue, 'waiting', 2))).toEqual(ids([old[0]!, old[2]!, young[1]!]))
  })

  test('children and parents of flows, the next run of a schedule: listed as held, neither parked nor removed', async () => {
    const queue = await bench.queue()
    const flows = new FlowProducer({ connection: { url: redis.url } })
    bench.onEnd(() => flows.close())
    await flows.add({ name: 'parent', queueName: name, children: [{ name: 'child', queueName: name, data: { n: 1 } }] })
    await plain.upsertJobScheduler('nightly', { every: 3_600_000 }, { name: 'x', data: {} })
    const children = await listed(queue, 'waiting', 10)
    const runs = await listed(queue, 'delayed', 10)
    const held = [...children, ...runs].filter((one) => one.held !== undefined)
    expect(held.map((one) => one.held)).toEqual([
      expect.stringContaining('child'),
      ...held.slice(1).map(() => expect.stringContaining('nightly')),
    ])
    expect(held.length).toBeGreaterThanOrEqual(2)
    for (const take of [queue.remove(ids(held)), queue.park(ids(held), 'moving')]) {
      expect(await take).toEqual(held.map(() => false))
    }
    expect(await queue.counts()).toMatchObject({ parked: 0 })
    // With its child gone by BullMQ's own means the parent waits as any other, and its results are still asked for.
    const work = await bench.work(queue, ({ native }) =>
      (native as { name: string }).name === 'child'
        ? { kind: 'ack', result: { done: 1 } }
        : { kind: 'defer', delayMs: 3_600_000 },
    )
    await work.until((all) => all.some((run) => (run.data as { n?: number }).n === undefined))
    const parent = await eventually(
      async () => (await listed(queue, 'delayed', 10)).find((one) => one.held?.includes('parent') === true),
      (found) => found !== undefined,
    )
    expect(await queue.park([parent!.backendId], 'moving')).toEqual([false])
  })

  test('a job that stalled too often waits only to be failed: it is held', async () => {
    const queue = await bench.queue()
    const one = job()
    await enqueueAll(queue, [one])
    await direct.hset(`bull:${name}:${one.backendId}`, 'defa', 'job stalled more than allowable limit')
    expect(await listed(queue, 'waiting', 10)).toMatchObject([{ held: expect.stringContaining('stalled more') }])
    expect(await queue.park([one.backendId], 'moving')).toEqual([false])
  })

  test('what is taken is told to those who listen, and its deduplication ends', async () => {
    const queue = await bench.queue()
    const events = new QueueEvents(name, { connection: { url: redis.url } })
    bench.onEnd(() => events.close())
    await events.waitUntilReady()
    const removed = new Set<string>()
    events.on('removed', ({ jobId }) => removed.add(jobId))
    const added = await plain.add('any', { n: 1 }, { deduplication: { id: 'once' } })
    const again = await plain.add('any', { n: 2 }, { deduplication: { id: 'once' } })
    expect(again.id).toBe(added.id)
    const one = job()
    await enqueueAll(queue, [one])
    expect(await queue.park([added.id!, one.backendId], 'moving')).toEqual([true, true])
    await eventually(
      async () => [...removed],
      (seen) => seen.length === 2,
    )
    expect((await plain.add('any', { n: 3 }, { deduplication: { id: 'once' } })).id).not.toBe(added.id)
  })

  test('a running job whose lock is gone counts as stalled', async () => {
    const queue = await bench.queue()
    const gate = bench.gate()
    const one = job()
    await enqueueAll(queue, [one])
    await bench.work(queue, async () => {
      await gate.passed
      return { kind: 'ack', result: undefined }
    })
    await placed(queue, one.backendId, 'running')
    expect(await queue.counts({ detail: true })).toMatchObject({ running: 1, stalled: 0 })
    await direct.del(`bull:${name}:${one.backendId}:lock`)
    expect(await queue.counts({ detail: true })).toMatchObject({ running: 1, stalled: 1 })
  })

  test('a queue that another version or another kind of it has open last is not moved from', async () => {
    const queue = await bench.queue()
    await enqueueAll(queue, jobs(1))
    expect(await queue.movable()).toEqual({ ok: true })
    for (const [written, named] of [
      ['bullmq:6.9.1', '6.9.1'],
      ['bullmq:5.70.0', '5.70.0'],
      ['bullmq-pro:6.7.0', 'bullmq-pro:6.7.0'],
    ]) {
      await direct.hset(`bull:${name}:meta`, 'version', written!)
      expect(await queue.movable()).toEqual({ ok: false, reason: expect.stringContaining(named!) })
    }
    await direct.hset(`bull:${name}:meta`, 'version', 'bullmq:6.7.3')
    expect(await queue.movable()).toEqual({ ok: true })
    await direct.rename(`bull:${name}:wait`, `bull:${name}:elsewhere`)
    await direct.zadd(`bull:${name}:wait`, 1, 'a')
    expect(await queue.movable()).toEqual({ ok: false, reason: expect.stringMatching(/wait is a zset, not a list/) })
  })
})
