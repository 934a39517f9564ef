// What bee-queue and BullMQ must bear alike on a Redis: a restart, full memory, forgotten scripts, plain jobs, a server
// that is down, connections of the user's.

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import BeeQueue from 'bee-queue'
import BeeQueue1 from 'bee-queue-1'
import { Queue as BullQueue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'
import { ACK, Bench, enqueueAll, eventually, job, jobs, placed, removeOne } from '../contract/queue-kit.ts'
import { beeQueue1 } from '../fixtures/bee-queue-1.ts'
import { freePort, hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

interface Kind {
  readonly title: string
  readonly module: string
  readonly factory: string
  spec(queue: string, redis: string | (() => object)): QueueSpec
  options(queue: string, url: string): object
  /** Adds jobs as an application without cutover does; answers their ids. */
  plain(queue: string, url: string, payloads: readonly object[]): Promise<string[]>
}

async function plainBee(
  Class: typeof BeeQueue,
  queue: string,
  url: string,
  payloads: readonly object[],
): Promise<string[]> {
  const plain = new Class(queue, { redis: url as never, isWorker: false })
  const ids = []
  for (const payload of payloads) ids.push((await plain.createJob(payload).save()).id)
  await plain.close()
  return ids
}

const KINDS: readonly Kind[] = [
  {
    title: 'bee-queue 2.0',
    module: '../../adapters/queues/bee-queue/index.ts',
    factory: 'beeQueue',
    spec: (queue, redis) => beeQueue({ queue, redis, stallInterval: 500 }),
    options: (queue, url) => ({ queue, redis: url }),
    plain: (queue, url, payloads) => plainBee(BeeQueue, queue, url, payloads),
  },
  {
    title: 'bee-queue 1.7',
    module: '../fixtures/bee-queue-1.ts',
    factory: 'beeQueue1',
    spec: (queue, redis) => beeQueue1({ queue, redis, stallInterval: 500 }),
    options: (queue, url) => ({ queue, redis: url }),
    plain: (queue, url, payloads) => plainBee(BeeQueue1 as typeof BeeQueue, queue, url, payloads),
  },
  {
    title: 'bullmq',
    module: '../../adapters/queues/bullmq/index.ts',
    factory: 'bullmq',
    spec: (queue, connection) => bullmq({ queue, connection, worker: { lockDuration: 500, stalledInterval: 300 } }),
    options: (queue, url) => ({ queue, connection: url }),
    plain: async (queue, url, payloads) => {
      const plain = new BullQueue(queue, { connection: { url } })
      const added = await plain.addBulk(payloads.map((data) => ({ name: 'any', data })))
      await plain.close()
      return added.map((one) => one.id!)
    },
  },
]

const skip = !hasRedis()

describe.skipIf(skip).each(KINDS)('$title on a Redis', (kind) => {
  let redis: RedisServer
  let direct: Redis
  let bench: Bench
  let name: string
  beforeAll(async () => {
    redis = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] })
    direct = new Redis(redis.url)
    direct.on('error', () => {})
  })
  afterAll(async () => {
    direct.disconnect()
    await redis.stop()
  })
  beforeEach(() => {
    name = `q-${randomUUID()}`
    bench = new Bench({ spec: () => kind.spec(name, redis.url), stop: async () => {} })
  })
  afterEach(() => bench.end())

  test('a spec opens nothing before open', async () => {
    const before = await direct.client('LIST')
    const queue = kind.spec(name, redis.url).create()
    queue.shadow()
    expect(queue.name).toBe(name)
    expect((await direct.client('LIST')) as string).toHaveLength((before as string).length)
    expect(await queue.enqueue([job()])).toMatchObject([{ status: 'refused', cause: { code: 'closed' } }])
    await queue.close()
  })

  test('survives a killed and restarted server: producer, worker, delayed jobs, retries', {
    timeout: 60_000,
  }, async () => {
    const queue = await bench.queue()
    const shadow = queue.shadow()
    bench.onEnd(() => shadow.close())
    await shadow.open()
    const failing = job({ attempts: 2, backoff: { delayMs: 3_000 } })
    const late = job({ delayMs: 2_500 })
    await enqueueAll(queue, [failing, late])
    const work = await bench.work(queue, (_, run) =>
      run.id === failing.backendId && run.attempt === 1 ? { kind: 'fail', error: new Error('once'), retry: true } : ACK,
    )
    await work.until((runs) => runs.length === 1)
    await placed(queue, failing.backendId, 'delayed')
    await redis.kill()
    const lost = await queue.enqueue(jobs(30))
    expect(new Set(lost.map((answer) => answer.status))).toEqual(new Set(['unknown']))
    await expect(queue.counts()).rejects.toThrow()
    await work.until(() => work.errors.length > 0)
    await redis.restart()
    const again = job()
    const back = await eventually(
      () => queue.enqueue([again]),
      ([answer]) => answer?.status !== 'unknown',
    )
    expect(['accepted', 'duplicate']).toContain(back[0]?.status)
    await enqueueAll(shadow, [job({ delayMs: 50 }), job()])
    expect(await shadow.counts()).toMatchObject({ waiting: 1, delayed: 1 })
    await work.until((runs) => runs.length === 4, 30_000)
    expect(work.runs.map((run) => run.id).sort()).toEqual(
      [failing, failing, late, again].map((one) => one.backendId).sort(),
    )
  })

  test('a job that came due while the server was down runs when it is back', async () => {
    const queue = await bench.queue()
    const work = await bench.work(queue)
    const due = job({ delayMs: 400 })
    await enqueueAll(queue, [due])
    await redis.kill()
    // Until it is due, and the worker has tried in vain.
    await new Promise((resolve) => setTimeout(resolve, 700))
    await redis.restart()
    await work.until((runs) => runs.length === 1)
    expect(work.runs[0]?.id).toBe(due.backendId)
  })

  test('a worker whose server dies in its first moment works when it is back', async () => {
    const queue = await bench.queue()
    const [one] = jobs(1)
    const work = await bench.work(queue)
    await redis.kill()
    await redis.restart()
    await vi.waitFor(async () => expect((await queue.enqueue([one!]))[0]?.status).toMatch(/accepted|duplicate/), 10_000)
    await work.until((runs) => runs.length === 1)
    expect(work.runs[0]?.id).toBe(one?.backendId)
  })

  test('full memory is refused, job by job, and nothing of it is stored', async () => {
    const queue = await bench.queue()
    await enqueueAll(queue, [job()])
    await direct.config('SET', 'maxmemory', '1mb')
    const answers = await queue.enqueue(jobs(3)).finally(() => direct.config('SET', 'maxmemory', '0'))
    expect(answers.map((answer) => answer.status)).toEqual(['refused', 'refused', 'refused'])
    expect(String((answers[0] as { cause: unknown }).cause)).toMatch(/OOM|memory/)
    expect(await queue.counts()).toMatchObject({ waiting: 1 })
    await enqueueAll(queue, jobs(3))
  })

  test('a server that forgot its scripts is told them again', async () => {
    const queue = await bench.queue()
    await enqueueAll(queue, jobs(2))
    await direct.script('FLUSH')
    await enqueueAll(queue, jobs(30))
    await direct.script('FLUSH')
    expect(await queue.counts()).toMatchObject({ waiting: 32 })
    expect(await removeOne(queue, 'nobody')).toBe(false)
  })

  test('jobs of plain code are handed out as they are', async () => {
    const payloads = [{ mailbox: 'a', n: 1 }, { $other: true }, {}]
    const ids = await kind.plain(name, redis.url, payloads)
    const queue = await bench.queue()
    expect((await queue.list({ place: 'waiting', limit: 9 })).jobs.map((one) => one.backendId)).toEqual(ids)
    const attempts: number[] = []
    const work = await bench.work(queue, (delivery) => {
      attempts.push(delivery.attempt, delivery.attempts)
      return ACK
    })
    await work.until((runs) => runs.length === 3)
    expect(work.runs.map((run) => run.id)).toEqual(ids)
    expect(work.runs.map((run) => run.data)).toEqual(payloads)
    expect(attempts).toEqual([1, 1, 1, 1, 1, 1])
  })

  test('a result that is no JSON is acked all the same', async () => {
    const queue = await bench.queue()
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const results: unknown[] = [circular, 1n, { deep: [2n] }, undefined, null, () => 1]
    const list = results.map(() => job())
    await enqueueAll(queue, list)
    const work = await bench.work(queue, (_, run) => ({
      kind: 'ack',
      result: results[list.findIndex((one) => one.backendId === run.id)],
    }))
    await work.until((runs) => runs.length === results.length)
    await eventually(
      () => queue.counts(),
      (counts) => counts.running === 0,
    )
    expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0, failed: 0 })
    expect(work.errors).toEqual([])
  })

  test('payloads that are no JSON are refused alone', async () => {
    const queue = await bench.queue()
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const answers = await queue.enqueue([job(), job({ data: circular }), job({ data: { big: 1n } }), job()])
    expect(answers).toMatchObject([
      { status: 'accepted' },
      { status: 'refused', cause: { code: 'payload-not-json' } },
      { status: 'refused', cause: { code: 'payload-not-json' } },
      { status: 'accepted' },
    ])
    expect(await queue.counts()).toMatchObject({ waiting: 2 })
  })

  test('the store does not grow: completed jobs go, the newest 1,000 failed ones of ours stay', async () => {
    const queue = await bench.queue()
    const list = jobs(1_050)
    await enqueueAll(queue, list)
    const work = await bench.work(queue, () => ({ kind: 'fail', error: new Error('no'), retry: false }), 20)
    await work.until((runs) => runs.length === 1_050)
    await eventually(
      () => queue.counts(),
      (counts) => counts.running === 0,
    )
    expect((await queue.counts()).failed).toBeLessThanOrEqual(1_000)
    expect((await queue.counts()).failed).toBeGreaterThan(950)
    expect((await queue.find(list[0]!.backendId)).place).toBe('absent')
    expect(await queue.find(list.at(-1)!.backendId)).toEqual({ place: 'failed', reason: expect.stringContaining('no') })
  })

  test('a job that never ends is given up at close and runs elsewhere, with the same attempt', async () => {
    const queue = await bench.queue()
    const one = job({ attempts: 2 })
    await enqueueAll(queue, [one])
    const stuck = await bench.work(queue, () => bench.gate().passed.then(() => ACK))
    await stuck.until((runs) => runs.length === 1)
    expect(await stuck.consumer?.stop({ timeoutMs: 50 })).toBe(false)
    const before = Date.now()
    await queue.close()
    expect(Date.now() - before).toBeLessThan(3_000)
    const other = await bench.work(await bench.queue())
    await other.until((runs) => runs.length === 1)
    expect(other.runs[0]).toMatchObject({ id: one.backendId, attempt: 1 })
  })

  test('a client that is handed in serves everything and stays open', async () => {
    const client = new Redis(redis.url)
    bench.onEnd(async () => client.disconnect())
    const queue = await bench.queue(kind.spec(name, () => client))
    const list = [job(), job({ delayMs: 300 }), job({ attempts: 2, backoff: { delayMs: 200 } })]
    await enqueueAll(queue, list)
    expect(await queue.enqueue([list[0]!])).toMatchObject([{ status: 'duplicate' }])
    const work = await bench.work(queue, (_, run) =>
      run.id === list[2]!.backendId && run.attempt === 1
        ? { kind: 'fail', error: new Error('once'), retry: true }
        : ACK,
    )
    await work.until((runs) => runs.length === 4)
    expect(await work.consumer?.stop({ timeoutMs: 5_000 })).toBe(true)
    await queue.close()
    expect(await client.ping()).toBe('PONG')
  })

  test('a server that is down at open is an error without secrets, and no crash', { timeout: 40_000 }, async () => {
    const url = `redis://user:hush-hush@127.0.0.1:${await freePort()}`
    const script = fileURLToPath(new URL('../fixtures/open-down.ts', import.meta.url))
    const module = new URL(kind.module, import.meta.url).href
    const args = [script, module, kind.factory, JSON.stringify(kind.options(name, url))]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
    const told = JSON.parse(stdout) as { code: string; text: string }
    expect(told.code).toBe('queue-unavailable')
    expect(told.text).toContain('ECONNREFUSED')
    expect(told.text + stderr).not.toContain('hush-hush')
  })
})
