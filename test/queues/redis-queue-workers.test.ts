// What only one of the two libraries does: stall limits, plain workers, several job names, instances of the user's, and
// libraries that are missing or too old.

import { randomUUID } from 'node:crypto'
import BeeQueue from 'bee-queue'
import { Queue as BullQueue, Worker } from 'bullmq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { Disposition } from '../../src/ports/queue.ts'
import { workerProcess } from '../contract/queue-cases-faults.ts'
import {
  ACK,
  allParked,
  Bench,
  enqueueAll,
  eventually,
  job,
  jobs,
  placed,
  removeOne,
  unparkOne,
} from '../contract/queue-kit.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('workers', () => {
  let redis: RedisServer
  let bench: Bench
  let name: string
  const connection = (): { url: string } => ({ url: redis.url })
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())
  beforeEach(() => {
    name = `q-${randomUUID()}`
  })
  afterEach(() => bench.end())

  function bull(worker: { maxStalledCount: number }): Bench {
    const options = {
      queue: name,
      connection: redis.url,
      worker: { lockDuration: 400, stalledInterval: 200, ...worker },
    }
    const module = new URL('../../adapters/queues/bullmq/index.ts', import.meta.url).href
    return new Bench({
      spec: () => bullmq(options),
      child: { module, factory: 'bullmq', options },
      stop: async () => {},
    })
  }

  test('bullmq: a job that stalled too often is failed, and its reason is found', async () => {
    bench = bull({ maxStalledCount: 0 })
    const queue = await bench.queue()
    const one = job({ attempts: 3 })
    await enqueueAll(queue, [one])
    const killed = await workerProcess(bench, 'hold')
    await killed.saw(/^run /)
    await killed.kill()
    const work = await bench.work(queue)
    expect(await placed(queue, one.backendId, 'failed')).toContain('stalled more than allowable limit')
    expect(work.runs).toEqual([])
  })

  test('bullmq: one plain worker carries several job names, one of them wrapped', async () => {
    bench = bull({ maxStalledCount: 1 })
    const queue = await bench.queue(bullmq({ queue: name, job: 'parse', connection: redis.url }))
    const seen: string[] = []
    const worker = new Worker(
      name,
      async (native, token) => {
        seen.push(native.name)
        if (native.name !== 'parse') return 'sent'
        const delivery = queue.fromNative([native, token])
        return queue.toNative(delivery, [native, token], { kind: 'ack', result: { parsed: delivery.data } })
      },
      { connection: connection() },
    )
    const plain = new BullQueue(name, { connection: connection() })
    bench.onEnd(() => worker.close())
    bench.onEnd(() => plain.close())
    const results: unknown[] = []
    worker.on('completed', (_, result) => results.push(result))
    await plain.add('send', {})
    await enqueueAll(queue, [job({ data: { n: 1 } })])
    await eventually(
      async () => results.length,
      (count) => count === 2,
    )
    expect(seen).toEqual(['send', 'parse'])
    expect(results).toEqual(['sent', { parsed: { n: 1 } }])
  })

  test('bullmq: an error named like one of its signals fails the job as any other', async () => {
    bench = bull({ maxStalledCount: 1 })
    const queue = await bench.queue()
    const list = ['DelayedError', 'WaitingError', 'WaitingChildrenError'].map((data) => job({ data: { name: data } }))
    await enqueueAll(queue, list)
    await bench.work(queue, (delivery) => {
      const error = new Error('of the application')
      error.name = (delivery.data as { name: string }).name
      return { kind: 'fail', error, retry: true }
    })
    for (const one of list) {
      const { name } = one.data as { name: string }
      expect(await placed(queue, one.backendId, 'failed')).toBe(`${name}: of the application`)
    }
  })

  test('bullmq: a parked job comes back whole, with its priority, pause and attempts, over a kept record', async () => {
    bench = bull({ maxStalledCount: 1 })
    const queue = await bench.queue()
    const one = job({ attempts: 4, backoff: { delayMs: 30 }, priority: 7, data: { text: 'a/b "ü" \n \u0001' } })
    await enqueueAll(queue, [one])
    const dispositions: Disposition[] = [
      { kind: 'fail', error: new Error('first'), retry: true },
      { kind: 'park', reason: 'moving' },
      { kind: 'fail', error: new Error('third'), retry: true },
      ACK,
    ]
    const work = await bench.work(queue, (_delivery, _run, runs) => dispositions[runs.length - 1] ?? ACK)
    await placed(queue, one.backendId, 'parked')
    expect(await allParked(queue)).toMatchObject([
      { attempts: 4, attemptsMade: 1, priority: 7, backoff: { delayMs: 60 }, data: one.data },
    ])
    // Sent again meanwhile and finished with its record kept, as plain code's settings may have it.
    const plain = new BullQueue(name, { connection: connection() })
    bench.onEnd(() => plain.close())
    const other = new Worker(name, async () => {}, { connection: connection(), autorun: false })
    bench.onEnd(() => other.close())
    await work.consumer?.stop({ timeoutMs: 5_000 })
    await plain.add(name, {}, { jobId: one.backendId })
    const taken = await other.getNextJob('token')
    await taken?.moveToCompleted(undefined, 'token', false)
    expect((await queue.find(one.backendId)).place).toBe('completed')
    expect(await unparkOne(queue, one.backendId)).toBe(true)
    expect(await allParked(queue)).toEqual([])
    expect((await queue.find(one.backendId)).place).toBe('waiting')
    const again = await bench.work(queue, () => (again.runs.length === 1 ? dispositions[2]! : ACK))
    await again.until((runs) => runs.length === 2)
    expect(again.runs.map((run) => run.attempt)).toEqual([2, 3])
    expect(again.runs[0]?.data).toEqual(one.data)
  })

  test('bullmq: a job of a flow and the next run of a schedule are not removed', async () => {
    bench = bull({ maxStalledCount: 1 })
    const queue = await bench.queue()
    const plain = new BullQueue(name, { connection: connection() })
    bench.onEnd(() => plain.close())
    await plain.upsertJobScheduler('nightly', { every: 3_600_000 }, { name: 'x', data: {} })
    const next = await eventually(
      () => plain.getJobs(['delayed', 'waiting']),
      (found) => found.length > 0,
    )
    expect(await removeOne(queue, next[0]!.id!)).toBe(false)
    expect(await plain.getJob(next[0]!.id!)).toBeDefined()
  })

  test('bee-queue: in a plain worker that never looks at delayed jobs, retries and deferred jobs run', async () => {
    bench = new Bench({ spec: () => beeQueue({ queue: name, redis: redis.url }), stop: async () => {} })
    const queue = await bench.queue()
    const list = [job({ attempts: 2, backoff: { delayMs: 50 } }), job(), ...jobs(3)]
    await enqueueAll(queue, list)
    const worker = new BeeQueue(name, { redis: redis.url as never })
    bench.onEnd(() => worker.close(2_000))
    const runs: string[] = []
    worker.process(2, async (native: BeeQueue.Job<unknown>) => {
      const delivery = queue.fromNative([native])
      runs.push(`${list.findIndex((one) => one.backendId === delivery.backendId)}#${delivery.attempt}`)
      const first = runs.filter((run) => run.startsWith(runs.at(-1)!.slice(0, 1))).length === 1
      return queue.toNative(delivery, [native], toDo(delivery.backendId, first))
    })
    const toDo = (id: string, first: boolean): Disposition => {
      if (!first) return ACK
      if (id === list[0]!.backendId) return { kind: 'fail', error: new Error('once'), retry: true }
      return id === list[1]!.backendId ? { kind: 'defer', delayMs: 50 } : ACK
    }
    await eventually(
      () => queue.counts(),
      (counts) => counts.waiting + counts.delayed + counts.running === 0,
    )
    expect(runs.sort()).toEqual(['0#1', '0#2', '1#1', '1#1', '2#1', '3#1', '4#1'])
  })

  test('bee-queue: parked inside a worker that keeps its records, and put back', async () => {
    bench = new Bench({ spec: () => beeQueue({ queue: name, redis: redis.url }), stop: async () => {} })
    const queue = await bench.queue()
    const one = job({ attempts: 3, data: { keep: 'me' } })
    await enqueueAll(queue, [one])
    const worker = new BeeQueue(name, { redis: redis.url as never })
    bench.onEnd(() => worker.close(2_000))
    let runs = 0
    const ended = new Promise((resolve) =>
      worker.on('succeeded', (native) => native.id === one.backendId && resolve(0)),
    )
    worker.process(async (native: BeeQueue.Job<unknown>) => {
      runs += 1
      const delivery = queue.fromNative([native])
      expect(delivery).toMatchObject({ attempt: 1, attempts: 3, data: { keep: 'me' } })
      return queue.toNative(delivery, [native], runs === 1 ? { kind: 'park', reason: 'newer' } : ACK)
    })
    await placed(queue, one.backendId, 'parked')
    expect(await unparkOne(queue, one.backendId)).toBe(true)
    await ended
    expect(runs).toBe(2)
    expect((await queue.find(one.backendId)).place).toBe('completed')
  })

  test('a library that is missing or of another kind is told with what to install', async () => {
    bench = new Bench({ spec: () => beeQueue({ queue: name }), stop: async () => {} })
    const missing = beeQueue({ queue: name, module: () => import('bee-queue-of-no-kind' as string) }).create()
    await expect(missing.open()).rejects.toMatchObject({
      code: 'adapter-missing',
      message: expect.stringContaining('npm install bee-queue'),
    })
    const odd = beeQueue({ queue: name, module: async () => class Queue {} }).create()
    await expect(odd.open()).rejects.toMatchObject({ code: 'adapter-version', message: expect.stringContaining('1.7') })
    const old = bullmq({ queue: () => ({ name, on() {}, listenerCount: () => 1 }) }).create()
    await expect(old.open()).rejects.toMatchObject({ code: 'adapter-version', message: expect.stringContaining('6.7') })
  })
})
