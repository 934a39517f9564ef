// What is unsound is named before it does harm: a Redis that evicts, clocks that differ by minutes, workers without cutover.

import { Queue as BullQueue, Worker as BullWorker } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { evictionOf } from '../../adapters/redis-eviction.ts'
import type { Ledger, MigrationLedger } from '../../src/ports/ledger.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'
import { type Bed, bed, until } from './kit.ts'

test.each([
  ['maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n', undefined],
  ['maxmemory:1000000\r\nmaxmemory_policy:noeviction\r\n', undefined],
  ['maxmemory:1000000\r\nmaxmemory_policy:volatile-lru\r\n', undefined],
  ['maxmemory:1000000\r\nmaxmemory_policy:allkeys-lru\r\n', 'allkeys-lru'],
  ['maxmemory:5\nmaxmemory_policy:allkeys-random\n', 'allkeys-random'],
  ['', undefined],
])('%j evicts keys of queues: %s', (info, policy) => expect(evictionOf(info)).toBe(policy))

describe.skipIf(!hasRedis())('with Redis', () => {
  let place: Bed
  let server: RedisServer
  let redis: Redis
  let root: Ledger
  let ledger: MigrationLedger

  beforeAll(async () => {
    place = bed()
    server = await startRedis()
    redis = new Redis(server.url)
    place.write('flags.yaml', 'mail: { target: 0%, shadow: 0% }\n')
    place.write(
      'cutover.config.ts',
      `import { defineConfig, type } from 'cutover'
import { fileFlags } from 'cutover/flags/file'
import { redisLedger } from 'cutover/ledgers/redis'
import { beeQueue } from 'cutover/queues/bee-queue'
import { bullmq } from 'cutover/queues/bullmq'
export default defineConfig({
  ledger: redisLedger({ url: '${server.url}' }),
  flags: fileFlags({ path: ${JSON.stringify(place.flagFile)} }),
  migrations: {
    mail: {
      payload: type<{ text: string }>(),
      legacy: bullmq({ queue: 'old', connection: '${server.url}' }),
      target: beeQueue({ queue: 'new', redis: '${server.url}' }),
    },
  },
})
`,
    )
    root = redisLedger({ url: server.url }).create({ namespace: 'default' })
    await root.open()
    ledger = root.migration('mail', { bucketMs: 10_000, slackMs: 15_000, deadlineMs: 660_000, retainMs: 3_600_000 })
  })
  afterAll(async () => {
    await root?.close()
    redis?.disconnect()
    await server?.stop()
    place?.remove()
  })

  const presence = (skewMs: number) =>
    ledger.beat({
      ...{ instance: 'stand-in', pid: 1, host: 'h', startedAt: 1, works: { legacy: '1', target: '1' }, shadows: [] },
      ...{ produces: false, flagRevision: '', flagHealth: 'ok', latchRevision: 0, inFlight: 0, confirmedBefore: 0 },
      skewMs,
    })
  async function finding(name: string) {
    const { value } = await place.json('doctor')
    return value.checks.find((line: { name: string }) => line.name === name)
  }

  test('nothing is taken out of a queue whose Redis evicts, from either kind; doctor names it', async () => {
    const queue = new BullQueue('old', { connection: { url: server.url } })
    await queue.add('mail', { text: 'x' })
    await presence(0)
    await redis.config('SET', 'maxmemory', '100mb')
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    try {
      for (const [from, to] of [
        ['legacy', 'target'],
        ['target', 'legacy'],
      ] as const) {
        const { code, stderr } = await place.cli('move', 'mail', '--from', from, '--to', to)
        expect({ code, stderr }).toEqual({
          code: 1,
          stderr: expect.stringMatching(/evicts when it is full \(maxmemory-policy allkeys-lru\).*noeviction/),
        })
        expect((await finding(`${from} moving`))?.text).toMatch(/its Redis evicts/)
      }
      expect(await finding('maxmemory-policy')).toMatchObject({ status: 'bad', text: 'allkeys-lru' })
      expect(await queue.getJobCountByTypes('waiting')).toBe(1)
    } finally {
      await redis.config('SET', 'maxmemory-policy', 'noeviction')
    }
    expect(await place.cli('move', 'mail', '--from', 'legacy', '--to', 'target')).toMatchObject({ code: 0 })
    expect(await queue.getJobCountByTypes('waiting')).toBe(0)
    await queue.close()
  })

  test('clocks that differ by minutes are bad, by seconds worth a look', async () => {
    await presence(2000)
    expect(await finding('clocks')).toMatchObject({ status: 'warn', text: expect.stringMatching(/2 s away/) })
    await presence(-5 * 60_000)
    expect(await finding('clocks')).toMatchObject({ status: 'bad', text: expect.stringMatching(/5 min away/) })
  })

  test('more workers than processes with cutover: one may be without', async () => {
    await presence(0)
    const connection = { url: server.url, maxRetriesPerRequest: null }
    const workers = [1, 2].map(() => new BullWorker('old', async () => {}, { connection }))
    await Promise.all(workers.map((worker) => worker.waitUntilReady()))
    await until('both are seen', async () => (await finding('legacy readers')) !== undefined)
    expect(await finding('legacy readers')).toMatchObject({
      status: 'warn',
      text: '2 workers read bullmq "old", 1 process with cutover works on it',
    })
    await workers[0]?.close()
    await until('one is no more than there may be', async () => {
      await presence(0)
      return (await finding('legacy readers')) === undefined
    })
    await workers[1]?.close()
  })
})
