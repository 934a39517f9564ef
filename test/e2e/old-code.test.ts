// Old code beside new: the claims of docs/rollout.md, with producers and workers that know nothing of this library.

import BeeQueue from 'bee-queue'
import { Queue as BullQueue, Worker as BullWorker } from 'bullmq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { backendIdOf } from '../../src/vocabulary/ids.ts'
import { type App, type AppOptions, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'

type RedisBed = Awaited<ReturnType<typeof redisBed>>

describe.runIf(hasRedis())('old code beside new', () => {
  let bed: RedisBed
  let app: App
  const closers: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    bed = await redisBed()
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
    await app?.close()
    await bed.stop()
  })

  async function start(options: AppOptions = {}): Promise<App> {
    app = await openApp(bed, options)
    return app
  }

  /** The queue as old code has it. */
  function bee(isWorker = false): BeeQueue {
    const queue = new BeeQueue('mail', { redis: { url: bed.url }, isWorker, getEvents: false })
    closers.push(() => queue.close(1000))
    return queue
  }

  /** Two BullMQ queues, so that the old side can tell what was started. */
  const fromBullmq = (): AppOptions => ({ queues: { legacy: bullmq({ queue: 'old', connection: bed.url }) } })
  function bull(): BullQueue {
    const queue = new BullQueue('old', { connection: { url: bed.url } })
    closers.push(() => queue.close())
    return queue
  }
  function bullWorker(run: (data: unknown, id: string) => unknown, concurrency = 1): void {
    const connection = { url: bed.url, maxRetriesPerRequest: null }
    const worker = new BullWorker('old', async (job) => run(job.data, job.id ?? ''), { connection, concurrency })
    closers.push(() => worker.close(true))
  }

  it('jobs of an old producer are run by new workers, once each, and counted as adopted', async () => {
    await start()
    await app.both()
    const old = bee()
    for (let n = 0; n < 20; n += 1) await old.createJob({ n }).save()
    await until(() => app.runs.length >= 20, 'all are run')
    expect(app.runs.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(new Set(app.runs.map(({ side }) => side))).toEqual(new Set(['legacy']))
    await until(async () => (await app.numbers()).of('ok.legacy') === 20, 'all are counted')
    expect((await app.numbers()).of('adopted.legacy')).toBe(20)
  })

  it('old workers and new ones share the jobs of an old producer: each is run by one of them', async () => {
    await start()
    const old: number[] = []
    bee(true).process(1, async (job: BeeQueue.Job<{ n: number }>) => void old.push(job.data.n))
    await app.cutover.work('mail', 'legacy', app.handler)
    const producer = bee()
    await producer.saveAll(Array.from({ length: 200 }, (_, n) => producer.createJob({ n })))
    await until(() => old.length + app.runs.length >= 200, 'all are run')
    const all = [...old, ...app.runs.map(({ n }) => n)]
    expect([all.length, new Set(all).size]).toEqual([200, 200])
  })

  it('an old worker reads a stamped job, but neither asks the fence nor tells its end: the job looks lost', async () => {
    await start({ migration: { attempts: 1, timeout: '100ms', waitAllowance: '100ms' } })
    const read: unknown[] = []
    bee(true).process(1, async (job: BeeQueue.Job<object>) => void read.push(job.data))
    const { id } = await app.cutover.enqueue('mail', { n: 7, text: 'hello' })
    await until(() => read.length === 1, 'the old worker has it')
    expect(read[0]).toMatchObject({ n: 7, text: 'hello', $cutover: { id } })
    expect((await app.cutover.get('mail', id))?.state).toBe('waiting')
    const lost = async (): Promise<boolean> => {
      await app.cutover.sweep('mail')
      return (await app.cutover.get('mail', id))?.state === 'lost'
    }
    await until(lost, 'its deadline has passed')
  })

  it('a payload that is no object is not what an old worker expects', async () => {
    await start()
    const read: unknown[] = []
    bee(true).process(1, async (job: BeeQueue.Job<object>) => void read.push(job.data))
    await app.cutover.enqueue('mail', 'just a text' as never)
    await until(() => read.length === 1, 'the old worker has it')
    expect(read[0]).toMatchObject({ value: 'just a text', $cutover: {} })
  })

  it('a move beside a busy old worker: each job is run once, on one side', async () => {
    await start(fromBullmq())
    const producer = bull()
    await producer.addBulk(Array.from({ length: 400 }, (_, n) => ({ name: 'mail', data: { n } })))
    await app.cutover.work('mail', 'target', app.handler, { concurrency: 8 })
    const old: number[] = []
    bullWorker((data) => old.push((data as { n: number }).n), 4)
    await until(() => old.length > 0, 'the old worker is busy')
    const moved = await app.cutover.move('mail', { from: 'legacy', to: 'target' })
    await until(() => old.length + app.runs.length >= 400, 'all are run')
    const all = [...old, ...app.runs.map(({ n }) => n)]
    expect([all.length, new Set(all).size]).toEqual([400, 400])
    expect(moved.moved).toBe(app.runs.length)
    expect((await app.numbers()).of('adopted.legacy')).toBe(app.runs.length)
  })

  it.each([
    ['a plain job', false],
    ['a stamped job', true],
  ])('%s that an old worker has begun is not moved: it is tried again where it is', async (_what, stamped) => {
    await start({ ...fromBullmq(), migration: { backoff: '10m', waitAllowance: '1h', attempts: 3 } })
    await app.cutover.work('mail', 'target', app.handler)
    let tries = 0
    bullWorker(() => {
      tries += 1
      throw new Error('after its effects')
    })
    const plain = stamped ? undefined : await bull().add('mail', { n: 1 }, { attempts: 3, backoff: 600_000 })
    const id = stamped ? (await app.cutover.enqueue('mail', { n: 1 })).id : ''
    const legacy = await app.queue('legacy')
    await until(async () => tries === 1 && (await legacy.counts()).delayed === 1, 'it waits for its second attempt')
    const result = await app.cutover.move('mail', { from: 'legacy', to: 'target' })
    expect(result).toMatchObject({ moved: 0, left: { 'unfenced-run': { count: 1 } } })
    const backendId = stamped ? backendIdOf(id, 0, 'primary') : (plain?.id ?? '')
    expect(await legacy.find(backendId)).toMatchObject({ place: 'delayed' })
    expect(app.runs).toEqual([])
  })

  it('what new workers have begun is moved with what is left of its attempts', async () => {
    await start({ ...fromBullmq(), migration: { backoff: '10m', waitAllowance: '1h', attempts: 3 } })
    const worker = await app.cutover.work('mail', 'legacy', async () => {
      throw new Error('before any effect')
    })
    const { id } = await app.cutover.enqueue('mail', { n: 1 })
    await until(async () => (await app.ledger.row(id))?.fails === 1, 'it has failed once')
    await worker.stop()
    await app.cutover.work('mail', 'target', app.handler)
    expect(await app.cutover.move('mail', { from: 'legacy', to: 'target' })).toMatchObject({ moved: 1, left: {} })
  })

  it('a delay is kept by a mover whose clock is five minutes off', async () => {
    await start()
    await app.cutover.work('mail', 'target', app.handler)
    const { id } = await app.cutover.enqueue('mail', { n: 1 }, { delay: '30m' })
    const [legacy, target] = [await app.queue('legacy'), await app.queue('target')]
    const before = await legacy.read(backendIdOf(id, 0, 'primary'))
    const clock = Date.now
    Date.now = () => clock() + 300_000
    try {
      expect(await app.cutover.move('mail', { from: 'legacy', to: 'target' })).toMatchObject({ moved: 1 })
    } finally {
      Date.now = clock
    }
    const after = await target.read(backendIdOf(id, 1, 'primary'))
    expect(Math.abs((after?.runAt ?? 0) - (before?.runAt ?? 0))).toBeLessThan(5000)
  })
})
