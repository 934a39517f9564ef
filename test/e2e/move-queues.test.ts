// Moves between each two kinds of queue, both ways, under load: jobs that workers take, movers take and producers send at
// the same time run once; what a job carries goes with it, whatever the two queues are.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BeeQueue from 'bee-queue'
import { Queue as BullQueue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { lookAt, type MovableCopy, moveRequest } from '../../src/backlog/move-job.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'
import { adoptedId } from '../../src/vocabulary/ids.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type AppOptions, type Bed, openApp, until } from '../support/app.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

type Kind = 'bee-queue' | 'bullmq' | 'embedded'
const PAIRS: readonly (readonly [legacy: Kind, target: Kind])[] = [
  ['bee-queue', 'bullmq'],
  ['bullmq', 'bee-queue'],
  ['bee-queue', 'embedded'],
  ['embedded', 'bullmq'],
  ['bullmq', 'bullmq'],
]
const THERE = { from: 'legacy', to: 'target' } as const
const BACK = { from: 'target', to: 'legacy' } as const
const HOUR = 3_600_000

describe.skipIf(!hasRedis())('moves', () => {
  let redis: RedisServer
  let direct: Redis
  let app: App | undefined
  let folder: string | undefined
  beforeAll(async () => {
    redis = await startRedis()
    direct = new Redis(redis.url)
  })
  afterEach(async () => {
    await app?.close()
    app = undefined
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    folder = undefined
    await direct.flushall()
  })
  afterAll(async () => {
    direct.disconnect()
    await redis.stop()
  })

  async function start(pair: readonly [Kind, Kind], options: AppOptions = {}): Promise<App> {
    folder = mkdtempSync(join(tmpdir(), 'cutover-move-'))
    const path = join(folder, 'queue.db')
    const specs: Readonly<Record<Kind, (queue: string) => QueueSpec>> = {
      'bee-queue': (queue) => beeQueue({ queue, redis: redis.url, stallInterval: 1000 }),
      bullmq: (queue) => bullmq({ queue, connection: redis.url, worker: { lockDuration: 1500, stalledInterval: 500 } }),
      embedded: (queue) => embeddedQueue({ path, queue, leaseMs: 1000, pollMs: 20 }),
    }
    // Of two queues on a Redis the ledger is there too; else in a file of its own.
    const file = pair.includes('embedded')
    const bed: Bed = {
      ledger: file ? sqliteLedger({ path: join(folder, 'ledger.db') }) : redisLedger({ url: redis.url }),
      queue: (side) => specs[side === 'legacy' ? pair[0] : pair[1]](`mail-${side}`),
      stop: async () => {},
    }
    app = await openApp(bed, options)
    return app
  }

  /** Somebody who lives on a side and works on nothing. */
  async function presence(a: App, ...sides: Side[]): Promise<void> {
    const now = Date.now()
    for (const side of sides) {
      await a.ledger.beat({
        ...{ instance: `stand-in-${side}`, pid: 1, host: 'here', startedAt: now, works: { [side]: '1' }, shadows: [] },
        ...{ produces: false, flagRevision: '', flagHealth: 'ok', latchRevision: 0, inFlight: 0, confirmedBefore: 0 },
        skewMs: 0,
      })
    }
  }

  describe.each(PAIRS)('%s and %s', (...pair) => {
    it('workers on both sides, two movers in opposite directions, producers: each job runs once', {
      timeout: 60_000,
    }, async () => {
      const a = await start(pair, { migration: { timeout: '20s', waitAllowance: '1m' } })
      const sent: string[] = []
      const send = async (from: number, count: number): Promise<void> => {
        const items = Array.from({ length: count }, (_, n) => ({ payload: { n: from + n } }))
        for (const { id } of await a.cutover.enqueueMany('mail', items)) sent.push(id)
      }
      await send(0, 400)
      await a.both(async (mail, ctx) => {
        await new Promise((resolve) => setTimeout(resolve, 4))
        return await a.handler(mail, ctx)
      })
      const moved = { there: 0, back: 0 }
      let sending = true
      const movers = [
        async () => {
          while (sending) moved.there += (await a.cutover.move('mail', THERE)).moved
        },
        async () => {
          while (sending) moved.back += (await a.cutover.move('mail', BACK)).moved
        },
      ]
      const moving = Promise.all(movers.map((mover) => mover()))
      for (let n = 400; n < 900; n += 50) {
        await send(n, 50)
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
      sending = false
      await moving
      expect(moved.there).toBeGreaterThan(0)
      expect(moved.back).toBeGreaterThan(0)
      for (const id of sent) await a.cutover.result('mail', id)
      expect(a.effects).toHaveLength(900)
      expect(new Set(a.effects).size).toBe(900)
      expect(a.runs.map(({ id }) => id).sort()).toEqual([...sent].sort())
      for (const side of ['legacy', 'target'] as const) {
        const queue = await a.queue(side)
        await until(async () => {
          const { waiting, delayed, running, parked, failed } = await queue.counts()
          return waiting + delayed + running + parked + failed === 0
        }, `nothing is left on ${side}`)
      }
      const { contradictions, jobs } = (await a.cutover.report('mail')).migrations[0]!
      expect(contradictions).toEqual([])
      expect(jobs).toMatchObject({ enqueued: 900, done: 900, twice: 0, lost: 0 })
    })

    it('delay, remaining attempts and pauses go there and back; they are spent where the job is', async () => {
      const a = await start(pair, {
        migration: { timeout: '10s', attempts: 5, backoff: '1h', waitAllowance: '1d', retain: '1h' },
      })
      const later = await a.cutover.enqueue('mail', { n: 1 }, { delay: '30d' })
      const worker = await a.cutover.work('mail', 'legacy', async () => {
        throw new Error('not today')
      })
      const retried = await a.cutover.enqueue('mail', { n: 2 })
      await until(async () => (await a.ledger.row(retried.id))?.fails === 1, 'it has failed once')
      await worker.stop()
      await presence(a, 'legacy', 'target')
      for (const [way, failed] of [
        [THERE, 1],
        [BACK, 1],
        [THERE, 1],
      ] as const) {
        const [from, to] = [await a.queue(way.from), await a.queue(way.to)]
        await until(async () => (await from.counts()).delayed === 2, 'both are delayed')
        const due = new Map((await from.list({ place: 'delayed', limit: 9 })).jobs.map((one) => [one.runAt, one]))
        expect(await a.cutover.move('mail', { ...way, only: 'delayed' })).toMatchObject({ moved: 2, left: {} })
        const { jobs } = await to.list({ place: 'delayed', limit: 9 })
        expect(jobs).toHaveLength(2)
        for (const one of jobs) {
          const nearest = [...due.keys()].find((at) => Math.abs(at - one.runAt) < 3_000)
          expect(nearest).toBeDefined()
        }
        const [first, last] = jobs
        expect(first).toMatchObject({ attempts: 5 - failed, attemptsMade: 0, backoff: { delayMs: 2 * HOUR } })
        expect(last).toMatchObject({ attempts: 5, attemptsMade: 0, backoff: { delayMs: HOUR } })
      }
      for (const { id } of [later, retried]) await a.cutover.cancel('mail', id)
    })

    it('payloads of every kind arrive as they were', async () => {
      const a = await start(pair)
      const texts = ['', 'zażółć 🙂 \u2028 "\\ \n \u0001', 'a/b:c', '{"$cutover":1}', 'x'.repeat(300_000)]
      const sent = await a.cutover.enqueueMany(
        'mail',
        texts.map((text, n) => ({ payload: { n, text, empty: {}, list: [1, null, -0.5e-7, [true]] } as never })),
      )
      await presence(a, 'legacy', 'target')
      for (const way of [THERE, BACK, THERE]) {
        expect(await a.cutover.move('mail', way)).toMatchObject({ moved: texts.length, left: {} })
      }
      const got = new Map<string, unknown>()
      await a.cutover.work('mail', 'target', async (mail, ctx) => got.set(ctx.id, mail) && undefined)
      for (const [n, { id }] of sent.entries()) {
        await a.cutover.result('mail', id)
        expect(got.get(id)).toEqual({ n, text: texts[n], empty: {}, list: [1, null, -0.5e-7, [true]] })
      }
    })
  })

  it('jobs of plain producers go with the attempts and pauses that they came with', async () => {
    const a = await start(['bee-queue', 'bullmq'], { migration: { timeout: '10s', attempts: 2, backoff: '5s' } })
    const plain = new BeeQueue('mail-legacy', { redis: redis.url as never, isWorker: false })
    await plain.createJob({ n: 1 }).retries(6).backoff('exponential', 40).save()
    await plain
      .createJob({ n: 2 })
      .retries(1)
      .backoff('fixed', 70)
      .delayUntil(Date.now() + HOUR)
      .save()
    await plain.createJob({ n: 3 }).save()
    await plain.close()
    await presence(a, 'legacy', 'target')
    expect(await a.cutover.move('mail', THERE)).toMatchObject({ moved: 3, left: {} })
    const bull = new BullQueue('mail-target', { connection: { url: redis.url } })
    const jobs = [...(await bull.getWaiting()), ...(await bull.getDelayed())]
    expect(jobs.map(({ data, opts: { attempts, backoff } }) => [data.n, attempts, backoff])).toEqual([
      [1, 7, { type: 'exponential', delay: 40 }],
      [3, 1, undefined],
      [2, 2, { type: 'fixed', delay: 70 }],
    ])
    expect(jobs[2]!.delay).toBeGreaterThan(HOUR - 10_000)
    expect(jobs[2]!.delay).toBeLessThanOrEqual(HOUR)
    await bull.close()
  })

  it('workers without cutover read the source meanwhile: each job runs once, there or here', {
    timeout: 40_000,
  }, async () => {
    const a = await start(['bee-queue', 'bullmq'], { migration: { timeout: '20s', waitAllowance: '1m' } })
    const old = [1, 2, 3].map(() => new BeeQueue('mail-legacy', { redis: redis.url as never, removeOnSuccess: true }))
    const ranOld: number[] = []
    const { promise: passed, resolve: pass } = Promise.withResolvers<void>()
    try {
      await old[0]!.saveAll(Array.from({ length: 600 }, (_, n) => old[0]!.createJob({ n })) as never)
      await presence(a, 'target')
      for (const worker of old) {
        worker.process(2, async ({ data }: { data: { n: number } }) => {
          ranOld.push(data.n)
          // so that the first pass finds some, whoever is quicker
          await (ranOld.length > 200 ? passed : new Promise((resolve) => setTimeout(resolve, 2)))
        })
      }
      let moved = 0
      for (;;) {
        moved += (await a.cutover.move('mail', THERE)).moved
        pass()
        const { waiting, running, parked } = await (await a.queue('legacy')).counts()
        if (waiting + running + parked === 0) break
      }
      await a.both()
      await until(() => a.runs.length === moved, 'what was moved has run')
      const all = [...ranOld, ...a.runs.map(({ n }) => n)]
      expect(all.sort((x, y) => x - y)).toEqual(Array.from({ length: 600 }, (_, n) => n))
      expect(moved).toBeGreaterThan(0)
      expect(ranOld.length).toBeGreaterThan(0)
      expect(new Set(a.runs.map(({ side }) => side))).toEqual(new Set(['target']))
    } finally {
      await Promise.all(old.map((worker) => worker.close(3_000)))
    }
  })

  it('of a BullMQ queue that carries several names only its own jobs go', async () => {
    const queues = {
      legacy: bullmq({ queue: 'shared', job: 'mail', connection: redis.url }),
      target: beeQueue({ queue: 'mail-target', redis: redis.url }),
    }
    const a = await start(['bullmq', 'bee-queue'], { queues })
    const bull = new BullQueue('shared', { connection: { url: redis.url } })
    for (let n = 0; n < 40; n += 1) {
      await bull.add(n % 2 === 0 ? 'mail' : 'sms', { n }, n % 5 === 0 ? { delay: HOUR } : { priority: n % 4 })
    }
    await a.cutover.enqueueMany(
      'mail',
      Array.from({ length: 10 }, (_, n) => ({ payload: { n: 100 + n } })),
    )
    await presence(a, 'target')
    const moved = await a.cutover.move('mail', THERE)
    // bee-queue has no priorities: the adopted ones that have one stay, and it is said why.
    const ranked = Array.from({ length: 40 }, (_, n) => n).filter((n) => n % 2 === 0 && n % 5 !== 0 && n % 4 !== 0)
    expect(moved.moved).toBe(30 - ranked.length)
    expect(moved.left).toMatchObject({
      'not-accepted': { count: ranked.length, why: expect.stringContaining('priority') },
    })
    const rest = [...(await bull.getJobs(['waiting', 'prioritized', 'delayed']))]
    expect(rest.filter(({ name }) => name === 'sms')).toHaveLength(20)
    expect(
      rest
        .filter(({ name }) => name === 'mail')
        .map(({ data }) => data.n)
        .sort((x, y) => x - y),
    ).toEqual(ranked)
    await bull.close()
  })

  it('a producer whose clock is ahead: what waits there is not made to wait here', async () => {
    const a = await start(['bee-queue', 'bullmq'])
    const plain = new BeeQueue('mail-legacy', { redis: redis.url as never, isWorker: false })
    const job = plain.createJob({ n: 1 })
    ;(job as unknown as { options: { timestamp: number } }).options.timestamp = Date.now() + HOUR
    await job.save()
    await plain.close()
    await presence(a, 'target')
    expect(await a.cutover.move('mail', THERE)).toMatchObject({ moved: 1, left: {} })
    expect(await (await a.queue('target')).counts()).toMatchObject({ waiting: 1, delayed: 0 })
  })

  it('old code uses an id again while the move of its first job is brought to its end: the second job stays', async () => {
    const a = await start(['bee-queue', 'bullmq'])
    await presence(a, 'target')
    const source = await a.queue('legacy')
    const old = { backendId: 'order-7', data: { n: 7 }, delayMs: 0, attempts: 1 }
    await source.enqueue([old])
    const [stored] = (await source.list({ place: 'waiting', limit: 5 })).jobs
    const { copy } = lookAt(stored!, 'legacy', 0) as { copy: MovableCopy }
    // A mover that was killed after its commit, before the enqueue; somebody dropped the copy that it had parked.
    expect(await source.park([old.backendId], 'moving')).toEqual([true])
    const request = moveRequest(copy, { ...THERE, kind: 'move', leaseMs: 1, by: 'x' })
    expect(await a.ledger.move([request])).toMatchObject([{ status: 'moving', gen: 1 }])
    await source.dropParked([old.backendId])
    await until(async () => Date.now() > stored!.enqueuedAt! + 5, 'another ms')
    await source.enqueue([{ ...old, data: { n: 8 } }])
    await a.cutover.sweep('mail')
    expect((await a.ledger.row(copy.id))?.state).toBe('open')
    const left = (await source.list({ place: 'waiting', limit: 5 })).jobs
    expect(left).toMatchObject([{ backendId: 'order-7', data: { n: 8 } }])
    expect(adoptedId('legacy', 'order-7', left[0]!.enqueuedAt)).not.toBe(copy.id)
    await a.both()
    await until(() => a.runs.length === 2, 'both have run')
    expect(a.runs.map(({ n, side }) => `${n} ${side}`).sort()).toEqual(['7 target', '8 legacy'])
  })
})
