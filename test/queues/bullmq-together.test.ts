// What the BullMQ adapter does for many jobs in one command: BullMQ's own scripts, one answer a job.

import { randomUUID } from 'node:crypto'
import { Queue as BullQueue, QueueEvents } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { Queue } from '../../src/ports/queue.ts'
import { ACK, job, jobs } from '../contract/queue-kit.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('BullMQ, many jobs in one command', () => {
  let redis: RedisServer
  let direct: Redis
  beforeAll(async () => {
    redis = await startRedis()
    direct = new Redis(redis.url)
  })
  afterAll(() => {
    direct?.disconnect()
    return redis?.stop()
  })

  async function opened(): Promise<{ name: string; queue: Queue }> {
    const name = `q-${randomUUID()}`
    const worker = { lockDuration: 600, stalledInterval: 400, maxStalledCount: 3 }
    const queue = bullmq({ queue: name, connection: redis.url, worker }).create()
    await queue.open()
    return { name, queue }
  }

  test('a job that BullMQ cannot store is refused alone, and is not half there', async () => {
    const { name, queue } = await opened()
    const [before, damaged, after, delayed] = [job(), job(), job(), job({ delayMs: 60_000 })]
    await direct.set(`bull:${name}:${damaged.backendId}`, 'no hash')
    const answers = await queue.enqueue([before, damaged, after, delayed, { ...after }])
    expect(answers.map(({ status }) => status)).toEqual(['accepted', 'refused', 'accepted', 'accepted', 'duplicate'])
    expect(String((answers[1] as { cause: unknown }).cause)).toMatch(/WRONGTYPE/)
    expect(await queue.counts()).toMatchObject({ waiting: 2, delayed: 1 })
    await queue.close()
  })

  test('what is stored is what BullMQ itself stores: fields, places and events', async () => {
    const { name, queue } = await opened()
    const events = new QueueEvents(name, { connection: { url: redis.url } })
    await events.waitUntilReady()
    const seen: string[] = []
    events.on('added', ({ jobId }) => seen.push(`added ${jobId}`))
    events.on('waiting', ({ jobId }) => seen.push(`waiting ${jobId}`))
    const delayed = new Promise<void>((resolve) => events.on('delayed', () => resolve()))
    const plain = new BullQueue(name, { connection: { url: redis.url } })
    const mine = job({ data: { a: 1 }, priority: 3, attempts: 2 })
    const options = { attempts: 2, priority: 3, removeOnComplete: true, jobId: 'theirs' }
    await plain.add((await plain.getJob(mine.backendId))?.name ?? 'x', { a: 1 }, options)
    await queue.enqueue([mine, job({ delayMs: 60_000 })])
    await delayed
    const [theirs, ours] = await Promise.all(
      ['theirs', mine.backendId].map((id) => direct.hgetall(`bull:${name}:${id}`)),
    )
    expect(comparable(ours)).toEqual(comparable(theirs))
    expect(await direct.zcard(`bull:${name}:prioritized`)).toBe(2)
    expect(seen).toContain(`added ${mine.backendId}`)
    expect(seen).toContain(`waiting ${mine.backendId}`)
    await Promise.all([events.close(), plain.close()])
    await queue.close()
  })

  function comparable(stored: Record<string, string> | undefined): unknown {
    const { timestamp, name, opts = '{}', ...rest } = stored ?? {}
    const { jobId, ...options } = JSON.parse(opts) as Record<string, unknown>
    return { ...rest, options, all: [timestamp, name, jobId].every((one) => one !== undefined) }
  }

  test('jobs that end together: each ends, and one whose lock is lost stops no other', async () => {
    const { name, queue } = await opened()
    const all = jobs(40)
    const [lost] = all
    await queue.enqueue(all)
    const { promise: together, resolve: release } = Promise.withResolvers<void>()
    const { promise: rerun, resolve: ran } = Promise.withResolvers<void>()
    const errors: string[] = []
    const runs: string[] = []
    const consumer = await queue.consume(
      async ({ backendId }) => {
        runs.push(backendId)
        if (runs.length === all.length) {
          await direct.del(`bull:${name}:${lost!.backendId}:lock`)
          release()
        }
        if (runs.length > all.length) ran()
        await together
        return ACK
      },
      { concurrency: all.length, onError: (error) => errors.push(String(error)) },
    )
    await together
    await rerun
    expect(await consumer.stop({ timeoutMs: 5_000 })).toBe(true)
    expect(runs.length).toBe(all.length + 1)
    expect(runs.filter((id) => id === lost!.backendId).length).toBe(2)
    expect(errors.filter((error) => error.includes('Missing lock')).join()).toContain(lost!.backendId)
    expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0, running: 0, failed: 0 })
    expect(await direct.keys(`bull:${name}:job_*`)).toEqual([])
    await queue.close()
  })

  test('jobs that end together are one command', async () => {
    const { queue } = await opened()
    await queue.enqueue(jobs(20))
    const { promise: together, resolve: release } = Promise.withResolvers<void>()
    let runs = 0
    await direct.config('RESETSTAT')
    const consumer = await queue.consume(
      async () => {
        runs += 1
        if (runs === 20) release()
        await together
        return ACK
      },
      { concurrency: 20, onError: () => {} },
    )
    await together
    await expect.poll(() => queue.counts()).toMatchObject({ running: 0, waiting: 0 })
    await consumer.stop({ timeoutMs: 5_000 })
    const stats = await direct.info('commandstats')
    const calls = [...stats.matchAll(/cmdstat_(?:eval|evalsha):calls=(\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
    // one that fetches for each slot, one that ends all, some of the worker's own
    expect(calls).toBeLessThan(20 + 15)
    await queue.close()
  })
})
