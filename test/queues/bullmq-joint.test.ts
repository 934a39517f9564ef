// Ends of runs that a BullMQ queue stores in the command that acks: where the ledger is on the same server.

import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { EndScript } from '../../src/ports/joint.ts'
import type { Ledger, MigrationLedger } from '../../src/ports/ledger.ts'
import type { Delivery, OutgoingJob, Queue } from '../../src/ports/queue.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import { countsOf, finishOf, noteOf } from '../contract/ledger/bed.ts'
import { ACK, job } from '../contract/queue-kit.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('BullMQ on the server of the ledger', () => {
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

  const SETTINGS = { bucketMs: 60_000, slackMs: 15_000, deadlineMs: 600_000, retainMs: 3_600_000 }

  async function ledgerOn(url: string): Promise<{ ledger: Ledger; mail: MigrationLedger; endScript: EndScript }> {
    const ledger = redisLedger({ url }).create({ namespace: randomUUID() })
    await ledger.open()
    const mail = ledger.migration('mail', SETTINGS)
    const endScript = await mail.endScript?.()
    expect(endScript).toBeDefined()
    return { ledger, mail, endScript: endScript! }
  }

  const end = (id: string) => finishOf(id, { unfenced: true, unpaired: true, token: 'token' })
  const idOf = ({ data }: Pick<Delivery, 'data'>): string => (data as { id: string }).id
  const withId = (id: string) => job({ data: { id } })

  /** Works until all of these are acked; they end in one turn. */
  async function work(
    queue: Queue,
    endScript: EndScript,
    sent: readonly OutgoingJob[],
    alone: (id: string) => Promise<void>,
    whileAllRun: () => Promise<unknown> = async () => {},
  ): Promise<{ jointly: boolean[]; errors: string[] }> {
    const { promise: together, resolve: release } = Promise.withResolvers<void>()
    const [jointly, errors]: [boolean[], string[]] = [[], []]
    const consumer = await queue.consume(
      async (delivery) => {
        jointly.push(delivery.acksJointly === true)
        if (jointly.length === sent.length) await whileAllRun().then(() => release())
        await together
        const id = idOf(delivery)
        const joint = { request: end(id), alone: () => alone(id) }
        if (delivery.acksJointly === true) return { ...ACK, joint }
        await joint.alone()
        return ACK
      },
      { concurrency: sent.length, endScript, onError: (error) => errors.push(String(error)) },
    )
    await queue.enqueue(sent)
    await expect.poll(() => queue.counts(), { timeout: 10_000 }).toMatchObject({ running: 0, waiting: 0, delayed: 0 })
    expect(await consumer.stop({ timeoutMs: 5_000 })).toBe(true)
    return { jointly, errors }
  }

  test('each end is stored in the command that acks, and counted once', async () => {
    const { queue } = await opened()
    const { ledger, mail, endScript } = await ledgerOn(redis.url)
    const ids = Array.from({ length: 60 }, () => newId())
    await mail.note(ids.map((id) => noteOf(id)))
    const { jointly, errors } = await work(queue, endScript, ids.map(withId), async (id) => {
      throw new Error(`the end of ${id} was told by itself`)
    })
    expect(errors).toEqual([])
    expect(jointly).toEqual(ids.map(() => true))
    const rows = await Promise.all(ids.map((id) => mail.row(id)))
    for (const row of rows) expect(row).toMatchObject({ state: 'finished', class: 'ok' })
    expect(countsOf(await mail.snapshot())['excluded/ok.legacy']).toBe(ids.length)
    await Promise.all([queue.close(), ledger.close()])
  })

  test('what the script does not store is told by itself first, and acked then', async () => {
    const { name, queue } = await opened()
    const { ledger, mail, endScript } = await ledgerOn(redis.url)
    const [absent, known] = [newId(), newId()]
    await mail.note([noteOf(known)])
    const sent = [absent, known].map(withId)
    const unacked: number[] = []
    await work(queue, endScript, sent, async (id) => {
      if (id === absent) unacked.push(await direct.exists(`bull:${name}:${sent[0]?.backendId}`))
      await mail.finish([{ ...end(id), unrecorded: { epoch: 0, dueAt: Date.now(), route: 'legacy', adopted: false } }])
    })
    expect(unacked).toEqual([1])
    for (const id of [absent, known]) expect(await mail.row(id)).toMatchObject({ state: 'finished', class: 'ok' })
    await Promise.all([queue.close(), ledger.close()])
  })

  test('an end that cannot be stored is not acked: the job runs again', async () => {
    const { queue } = await opened()
    const { ledger, mail, endScript } = await ledgerOn(redis.url)
    const id = newId()
    let tries = 0
    const { jointly, errors } = await work(queue, endScript, [withId(id)], async () => {
      tries += 1
      if (tries === 1) throw new Error('the worker closes')
      await mail.note([noteOf(id)])
      await mail.finish([end(id)])
    })
    expect(jointly).toEqual([true, true])
    expect(errors.join()).toContain('the worker closes')
    expect(await mail.row(id)).toMatchObject({ state: 'finished' })
    await Promise.all([queue.close(), ledger.close()])
  })

  test('full memory: nothing is acked whose end is not stored', async () => {
    const { name, queue } = await opened()
    const { ledger, mail, endScript } = await ledgerOn(redis.url)
    const ids = Array.from({ length: 8 }, () => newId())
    await mail.note(ids.map((id) => noteOf(id)))
    const sent = ids.map(withId)
    const lost: string[] = []
    const full = Promise.withResolvers<void>()
    const alone = async (id: string): Promise<void> => {
      for (;;) {
        const at = ids.indexOf(id)
        if ((await direct.exists(`bull:${name}:${sent[at]?.backendId}`)) === 0) lost.push(id)
        const answer = await mail.finish([end(id)]).catch(() => undefined)
        if (answer !== undefined) return
        full.resolve()
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    // it is full while all of them run, and until the first end was refused
    const begin = (): Promise<unknown> => direct.config('SET', 'maxmemory', '1')
    void full.promise.then(() => direct.config('SET', 'maxmemory', '0'))
    await work(queue, endScript, sent, alone, begin).finally(() => direct.config('SET', 'maxmemory', '0'))
    expect(lost).toEqual([])
    for (const id of ids) expect(await mail.row(id)).toMatchObject({ state: 'finished', class: 'ok' })
    expect(countsOf(await mail.snapshot())['excluded/ok.legacy']).toBe(ids.length)
    await Promise.all([queue.close(), ledger.close()])
  })

  test('a ledger on another server, or in another database, is told by itself', async () => {
    const other = await startRedis()
    for (const url of [other.url, `${redis.url}/1`]) {
      const { queue } = await opened()
      const { ledger, mail, endScript } = await ledgerOn(url)
      const id = newId()
      await mail.note([noteOf(id)])
      const { jointly } = await work(queue, endScript, [withId(id)], async () => {
        await mail.finish([end(id)])
      })
      expect(jointly).toEqual([false])
      expect(await mail.row(id)).toMatchObject({ state: 'finished' })
      await Promise.all([queue.close(), ledger.close()])
    }
    await other.stop()
  })
})
