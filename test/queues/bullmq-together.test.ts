// What the BullMQ adapter does for many jobs in one command: BullMQ's own scripts, one answer a job.

import { randomUUID } from 'node:crypto'
import { Queue as BullQueue, QueueEvents } from 'bullmq'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatherEnds } from '../../adapters/queues/bullmq/ends.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { Queue } from '../../src/ports/queue.ts'
import { ACK, job, jobs } from '../contract/queue-kit.ts'
import { startProxy } from '../support/proxy.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('BullMQ, many jobs in one command', () => {
  let redis: RedisServer
  let direct: Redis
  beforeAll(async () => {
    redis = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] })
    direct = new Redis(redis.url)
  })
  afterAll(() => {
    direct?.disconnect()
    return redis?.stop()
  })

  async function opened(
    over: { connection?: string | Readonly<Record<string, unknown>>; lockDuration?: number } = {},
  ): Promise<{ name: string; queue: Queue }> {
    const name = `q-${randomUUID()}`
    const { connection = redis.url, lockDuration = 600 } = over
    const worker = { lockDuration, stalledInterval: 400, maxStalledCount: 3 }
    const queue = bullmq({ queue: name, connection, worker }).create()
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
    events.on('delayed', () => seen.push('delayed'))
    const plain = new BullQueue(name, { connection: { url: redis.url } })
    const mine = job({ data: { a: 1 }, priority: 3, attempts: 2 })
    const options = { attempts: 2, priority: 3, removeOnComplete: true, jobId: 'theirs' }
    await plain.add((await plain.getJob(mine.backendId))?.name ?? 'x', { a: 1 }, options)
    await queue.enqueue([mine, job({ delayMs: 60_000 })])
    // the scripts of either kind may overtake each other
    await expect
      .poll(() => seen)
      .toEqual(expect.arrayContaining([`added ${mine.backendId}`, `waiting ${mine.backendId}`, 'delayed']))
    const [theirs, ours] = await Promise.all(
      ['theirs', mine.backendId].map((id) => direct.hgetall(`bull:${name}:${id}`)),
    )
    expect(comparable(ours)).toEqual(comparable(theirs))
    expect(await direct.zcard(`bull:${name}:prioritized`)).toBe(2)
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

  test('a client that shows no scripts is refused at open, and stays as it is', async () => {
    const client = new Redis(redis.url, { maxRetriesPerRequest: null })
    Object.defineProperty(client, 'scriptsSet', { get: () => ({}) })
    const queue = bullmq({ queue: `q-${randomUUID()}`, connection: () => client }).create()
    await expect(queue.open()).rejects.toMatchObject({
      code: 'adapter-version',
      message: expect.stringContaining('6.7'),
    })
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })

  test('a script that defines more than a function may use is looped over, too', async () => {
    const client = new Redis(redis.url)
    const helpers = Array.from({ length: 70 }, (_, n) => n)
    client.defineCommand('moveToFinished:large', {
      numberOfKeys: 1,
      lua: `${helpers.map((n) => `local function f${n}()\n  return ${n}\nend`).join('\n')}
if ARGV[1] == 'bad' then return redis.error_reply('ERR no such job') end
return { ARGV[1], ${helpers.map((n) => `f${n}()`).join(' + ')} }`,
    })
    gatherEnds(client, undefined)
    const end = (id: string): Promise<unknown> =>
      (client as unknown as Record<string, (args: unknown[]) => Promise<unknown>>)['moveToFinished:large']!(['k', id])
    for (const _ of ['found out', 'known']) {
      const [one, bad, two] = await Promise.allSettled([end('1'), end('bad'), end('2')])
      expect(one).toEqual({ status: 'fulfilled', value: ['1', 2415] })
      expect(bad).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('no such job') } })
      expect(two).toEqual({ status: 'fulfilled', value: ['2', 2415] })
    }
    client.disconnect()
  })

  test('on a cluster, under one hash tag', async () => {
    const server = await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] })
    const admin = new Redis(server.url)
    await admin.call('cluster', 'addslotsrange', '0', '16383')
    await expect.poll(() => admin.cluster('INFO'), { timeout: 10_000 }).toContain('cluster_state:ok')
    const cluster = new Cluster([{ host: '127.0.0.1', port: server.port }])
    const queue = bullmq({ queue: 'q', prefix: '{bull}', connection: () => cluster }).create()
    await queue.open()
    const all = [...jobs(20), job({ delayMs: 50 }), job({ priority: 2 })]
    expect((await queue.enqueue(all)).map(({ status }) => status)).toEqual(all.map(() => 'accepted'))
    const { promise: together, resolve: release } = Promise.withResolvers<void>()
    let runs = 0
    const consumer = await queue.consume(
      async () => {
        runs += 1
        if (runs === all.length) release()
        await together
        return ACK
      },
      { concurrency: all.length, onError: () => {} },
    )
    await together
    expect(await consumer.stop({ timeoutMs: 5_000 })).toBe(true)
    expect(await queue.counts()).toMatchObject({ running: 0, waiting: 0, delayed: 0, failed: 0 })
    await queue.close()
    cluster.disconnect()
    admin.disconnect()
    await server.stop()
  })

  test('jobs that end together each in its own way: what is told of each is its own', async () => {
    const { name, queue } = await opened()
    const all = jobs(24)
    const ids = all.map(({ backendId }) => backendId)
    const results = new Map<string, string>()
    const events = new QueueEvents(name, { connection: { url: redis.url } })
    await events.waitUntilReady()
    events.on('completed', ({ jobId, returnvalue }) => results.set(jobId, returnvalue))
    await queue.enqueue(all)
    const { promise: together, resolve: release } = Promise.withResolvers<void>()
    const runs: string[] = []
    const consumer = await queue.consume(
      async ({ backendId }) => {
        runs.push(backendId)
        if (runs.length === all.length) release()
        await together
        return ids.indexOf(backendId) % 2 === 0
          ? { kind: 'ack', result: `result of ${backendId}` }
          : { kind: 'fail', error: new Error(`error of ${backendId}`), retry: false }
      },
      { concurrency: all.length, onError: () => {} },
    )
    await together
    await expect.poll(() => results.size).toBe(12)
    expect(await consumer.stop({ timeoutMs: 5_000 })).toBe(true)
    expect(await queue.counts()).toMatchObject({ running: 0, waiting: 0, failed: 12 })
    for (const [at, id] of ids.entries()) {
      if (at % 2 === 0) expect(results.get(id)).toBe(`result of ${id}`)
      else expect(await queue.find(id)).toEqual({ place: 'failed', reason: expect.stringContaining(`error of ${id}`) })
    }
    expect(runs.length).toBe(all.length)
    await events.close()
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

  describe('under faults', () => {
    /** How often each job was told to have completed. */
    async function completed(name: string): Promise<Map<string, number>> {
      const times = new Map<string, number>()
      for (const [, fields] of await direct.xrange(`bull:${name}:events`, '-', '+')) {
        const told = new Map(fields.flatMap((field, at) => (at % 2 === 0 ? [[field, fields[at + 1] ?? '']] : [])) as [])
        const id = String(told.get('jobId' as never))
        if (told.get('event' as never) === 'completed') times.set(id, (times.get(id) ?? 0) + 1)
      }
      return times
    }

    /** Runs all jobs up to their end, then `fault`, and lets them end in one turn; resolves when nothing is left. */
    async function endTogether(
      { name, queue }: { name: string; queue: Queue },
      fault: (end: () => void) => Promise<unknown>,
    ): Promise<{ runs: Map<string, number>; errors: readonly string[] }> {
      const all = jobs(40)
      expect((await queue.enqueue(all)).map(({ status }) => status)).toEqual(all.map(() => 'accepted'))
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      const { promise: running, resolve: allRun } = Promise.withResolvers<void>()
      const errors: string[] = []
      const runs = new Map<string, number>()
      const consumer = await queue.consume(
        async ({ backendId }) => {
          runs.set(backendId, (runs.get(backendId) ?? 0) + 1)
          if (runs.size === 30) allRun()
          await ended
          return ACK
        },
        { concurrency: 30, onError: (error) => errors.push(String(error)) },
      )
      await running
      await fault(end)
      await expect
        .poll(() => queue.counts().catch(() => undefined), { timeout: 15_000 })
        .toMatchObject({ running: 0, waiting: 0, delayed: 0, failed: 0 })
      expect(await consumer.stop({ timeoutMs: 5_000 })).toBe(true)
      const ids = all.map(({ backendId }) => backendId)
      expect([...runs.keys()].sort()).toEqual([...ids].sort())
      expect([...(await completed(name))].sort()).toEqual(ids.map((id) => [id, 1]).sort())
      for (const id of ids) expect((await queue.find(id)).place).toBe('absent')
      await queue.close()
      return { runs, errors }
    }
    const twice = ({ runs }: { runs: Map<string, number> }): number => [...runs.values()].filter((n) => n > 1).length

    test('a server that has forgotten its scripts is told them again, and no job runs twice', async () => {
      const one = await opened()
      await one.queue.enqueue([job({ delayMs: 60_000 })])
      await direct.script('FLUSH')
      await one.queue.remove([(await one.queue.list({ place: 'delayed', limit: 1 })).jobs[0]!.backendId])
      await direct.script('FLUSH')
      const ended = await endTogether(one, async (end) => {
        await direct.script('FLUSH')
        end()
      })
      expect(ended.errors).toEqual([])
      expect(twice(ended)).toBe(0)
    })

    test('full memory: a job that has run ends all the same, or runs again', async () => {
      await endTogether(await opened(), async (end) => {
        await direct.config('SET', 'maxmemory', '1mb')
        end()
        await new Promise((resolve) => setImmediate(resolve))
        await direct.ping()
        await direct.config('SET', 'maxmemory', '0')
      })
    })

    test('a client that leaves a replica is told that it writes to one, and its jobs end elsewhere', async () => {
      const told: string[] = []
      const connection = {
        ...{ host: '127.0.0.1', port: redis.port },
        reconnectOnError: (error: Error) => {
          if (!error.message.startsWith('READONLY')) return false
          told.push(error.message)
          return 2 as const
        },
      }
      const ended = await endTogether(await opened({ connection, lockDuration: 30_000 }), async (end) => {
        await direct.replicaof('127.0.0.1', 1)
        end()
        await expect.poll(() => told.length).toBeGreaterThan(0)
        await direct.replicaof('NO', 'ONE')
      })
      expect(twice(ended)).toBe(0)
    })

    test('insertion into a replica is refused as a whole, and the client is told', async () => {
      const told: string[] = []
      const reconnectOnError = ({ message }: Error): boolean => told.push(message) === 0
      const { queue } = await opened({ connection: { host: '127.0.0.1', port: redis.port, reconnectOnError } })
      await direct.replicaof('127.0.0.1', 1)
      const answers = await queue.enqueue(jobs(3)).finally(() => direct.replicaof('NO', 'ONE'))
      expect(answers.map(({ status }) => status)).toEqual(['refused', 'refused', 'refused'])
      expect(told.join()).toContain('READONLY')
      await queue.close()
    })

    test('the answer to many ends is lost: each has ended once, and what was fetched runs later', async () => {
      const proxy = await startProxy(redis)
      const ended = await endTogether(await opened({ connection: `redis://127.0.0.1:${proxy.port}` }), async (end) => {
        const dropped = proxy.dropAnswer({ when: (chunk) => chunk.includes('returnvalue') })
        end()
        await dropped
      })
      expect(ended.errors.join()).toMatch(/Missing (key|lock)/)
      await proxy.stop()
    })

    test('the command of many ends is lost: it is sent again', async () => {
      const proxy = await startProxy(redis)
      const connection = `redis://127.0.0.1:${proxy.port}`
      const ended = await endTogether(await opened({ connection, lockDuration: 30_000 }), async (end) => {
        const dropped = proxy.dropCommand({ when: (chunk) => chunk.includes('returnvalue') })
        end()
        await dropped
      })
      expect(twice(ended)).toBe(0)
      await proxy.stop()
    })

    test.each(['before', 'while'] as const)('the server is killed %s many jobs end, and comes back', async (when) => {
      await endTogether(await opened(), async (end) => {
        if (when === 'while') end()
        await redis.kill()
        end()
        await redis.restart()
      })
    })

    test('a worker that stops in the turn in which its jobs end waits for their ends', async () => {
      const { name, queue } = await opened()
      const all = jobs(20)
      await queue.enqueue(all)
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      const { promise: running, resolve: allRun } = Promise.withResolvers<void>()
      let runs = 0
      const consumer = await queue.consume(
        async () => {
          runs += 1
          if (runs === all.length) allRun()
          await ended
          return ACK
        },
        { concurrency: all.length, onError: () => {} },
      )
      await running
      end()
      expect(await consumer.stop({ timeoutMs: 5_000 })).toBe(true)
      expect([...(await completed(name)).values()]).toEqual(all.map(() => 1))
      expect(await queue.counts()).toMatchObject({ running: 0, waiting: 0, failed: 0 })
      await queue.close()
    })
  })
})
