// Jobs that wait are moved there and back, with delay, priority and attempts; what cannot be moved stays and is told.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type AppOptions, type Bed, embeddedBed, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'
import { standIn } from '../support/stand-in.ts'

const BEDS: [string, boolean, () => Promise<Bed>][] = [
  ['embedded, one file', true, async () => embeddedBed('shared')],
  ['embedded, two files', true, async () => embeddedBed('apart')],
  ['bee-queue and BullMQ', hasRedis(), redisBed],
]
const THERE = { from: 'legacy', to: 'target' } as const
const BACK = { from: 'target', to: 'legacy' } as const

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed
  let app: App
  const leaving: (() => void)[] = []

  beforeEach(async () => {
    if (possible) bed = await make()
  })
  afterEach(async () => {
    for (const leave of leaving.splice(0)) leave()
    await app?.close()
    await bed?.stop()
  })

  async function start(options: AppOptions = {}): Promise<App> {
    app = await openApp(bed, options)
    return app
  }

  /** Somebody lives on a side until the test is over. */
  async function presence(side: Side): Promise<void> {
    leaving.push(await standIn(app.ledger, side))
  }

  it.skipIf(!possible)('a backlog goes over and is worked off there, each job once', async () => {
    const a = await start()
    const sent = await a.cutover.enqueueMany(
      'mail',
      Array.from({ length: 600 }, (_, n) => ({ payload: { n } })),
    )
    await presence('target')
    const preview = await a.cutover.move('mail', { ...THERE, dryRun: true })
    expect(preview).toMatchObject({ moved: 600, left: {}, complete: true })
    expect((await (await a.queue('target')).counts()).waiting).toBe(0)
    const seen: number[] = []
    const moved = await a.cutover.move('mail', { ...THERE, onProgress: ({ moved: n }) => seen.push(n) })
    expect(moved).toMatchObject({ ...THERE, moved: 600, stale: 0, pending: 0, left: {}, complete: true })
    expect(seen.at(-1)).toBe(600)
    const counts = await (await a.queue('legacy')).counts()
    expect(counts).toMatchObject({ waiting: 0, delayed: 0, parked: 0 })
    await a.both()
    for (const { id } of sent) await a.cutover.result('mail', id)
    expect(a.runs.map(({ side }) => side).filter((side) => side !== 'target')).toEqual([])
    expect(new Set(a.effects).size).toBe(600)
    expect(a.effects).toHaveLength(600)
    const numbers = await a.numbers()
    expect([numbers.of('moved-out.legacy'), numbers.of('moved-in.target'), numbers.of('ok.target')]).toEqual([
      600, 600, 600,
    ])
    expect((await a.cutover.report('mail')).migrations[0]).toMatchObject({
      contradictions: [],
      jobs: { enqueued: 600, done: 600, moved: 600, twice: 0, lost: 0 },
    })
    const [entry] = (await a.ledger.history()).filter(({ action }) => action === 'move')
    expect(entry?.data).toMatchObject({ moved: 600, from: 'legacy', to: 'target' })
  })

  it.skipIf(!possible)('delay, priority and the attempts that are left go with a job, there and back', async () => {
    const a = await start({ migration: { timeout: '10s', attempts: 3, backoff: '10m', waitAllowance: '1h' } })
    const ranked = (['legacy', 'target'] as const).every((side) => bed.queue(side).capabilities.priority)
    const priority = ranked ? { priority: 7 } : {}
    const delayed = await a.cutover.enqueue('mail', { n: 1 }, { delay: '30m', ...priority })
    let failed = 0
    const worker = await a.cutover.work('mail', 'legacy', async () => {
      failed += 1
      throw new Error('not today')
    })
    const retried = await a.cutover.enqueue('mail', { n: 2 })
    await until(async () => (await a.ledger.row(retried.id))?.fails === 1, 'it has failed once')
    await worker.stop()
    expect(failed).toBe(1)
    await presence('target')
    await presence('legacy')
    for (const [way, gen] of [
      [THERE, 1],
      [BACK, 2],
      [THERE, 3],
    ] as const) {
      const [from, to] = [await a.queue(way.from), await a.queue(way.to)]
      await until(async () => (await from.counts()).delayed === 2, 'both are delayed')
      const before = (await from.list({ place: 'delayed', limit: 10 })).jobs
      expect(await a.cutover.move('mail', way)).toMatchObject({ moved: 2, left: {} })
      const after = (await to.list({ place: 'delayed', limit: 10 })).jobs
      const of = (jobs: typeof after, id: string) => jobs.find((job) => job.backendId.includes(id))
      for (const id of [delayed.id, retried.id]) {
        const [old, now] = [of(before, id), of(after, id)]
        expect(Math.abs((now?.runAt ?? 0) - (old?.runAt ?? Number.NaN))).toBeLessThan(2000)
        expect(now?.backendId).toMatch(new RegExp(`_${gen}$`))
      }
      expect(of(after, delayed.id)).toMatchObject({ ...priority, attempts: 3, attemptsMade: 0 })
      expect(of(after, retried.id)?.attempts).toBe(2)
      expect((await from.counts()).parked).toBe(0)
    }
    expect(await a.ledger.row(retried.id)).toMatchObject({ side: 'target', gen: 3, fails: 1, maxAttempts: 3 })
    expect((await a.ledger.moves(retried.id)).map(({ to }) => to)).toEqual(['target', 'legacy', 'target'])
    for (const { id } of [delayed, retried]) await a.cutover.cancel('mail', id)
  })

  it.skipIf(!possible)('a job put there by old code goes over under its own name, and is fenced there', async () => {
    const a = await start()
    const queue = await a.queue('legacy')
    await queue.enqueue([{ backendId: 'old-7', data: { n: 7 }, delayMs: 0, attempts: 2 }])
    await presence('target')
    expect(await a.cutover.move('mail', THERE)).toMatchObject({ moved: 1, left: {} })
    const [copy] = (await (await a.queue('target')).list({ place: 'waiting', limit: 5 })).jobs
    const { $cutover: stamp } = (copy?.data ?? {}) as { $cutover: { id: string } }
    expect(stamp).toMatchObject({ fenced: true, gen: 1 })
    expect(stamp.id).toMatch(/^adopted:legacy:.*:old-7$/)
    await a.both()
    expect(await a.cutover.result('mail', stamp.id)).toEqual({ n: 7 })
    expect(a.runs).toMatchObject([{ side: 'target', n: 7 }])
    expect((await a.cutover.report('mail')).migrations[0]).toMatchObject({ contradictions: [], jobs: { adopted: 1 } })
  })

  it.skipIf(!possible)('only what is asked for: a place, a key, so many', async () => {
    const a = await start({ migration: { key: (mail: { box: string }) => mail.box, waitAllowance: '1h' } })
    const send = (n: number, box: string, delay: '1h' | '0s') => a.cutover.enqueue('mail', { n, box }, { delay })
    for (let n = 0; n < 6; n++) await send(n, n % 2 === 0 ? 'even' : 'odd', n < 4 ? '0s' : '1h')
    await presence('target')
    expect((await a.cutover.move('mail', { ...THERE, only: 'delayed' })).moved).toBe(2)
    expect((await a.cutover.move('mail', { ...THERE, key: 'odd' })).moved).toBe(2)
    expect(await a.cutover.move('mail', { ...THERE, limit: 1 })).toMatchObject({ moved: 1, complete: false })
    expect(await a.cutover.move('mail', THERE)).toMatchObject({ moved: 1, complete: true })
    await presence('legacy')
    for (const job of (await (await a.queue('target')).list({ place: 'delayed', limit: 9 })).jobs)
      await a.cutover.cancel('mail', (job.data as { $cutover: { id: string } }).$cutover.id)
    await a.both()
    await until(() => a.runs.length === 4, 'the four that were due have run')
  })

  it.skipIf(!possible)('what runs, or may have begun its effects, stays and is told', async () => {
    const a = await start({ migration: { timeout: '10s', attempts: 3, backoff: '10m', waitAllowance: '1h' } })
    const worker = await a.cutover.work('mail', 'legacy', async (_mail, ctx) => {
      await ctx.effect('store', {}, () => {})
      throw new Error('after its effect')
    })
    const { id } = await a.cutover.enqueue('mail', { n: 1 })
    await until(async () => (await a.ledger.row(id))?.fails === 1, 'it has failed once')
    await worker.stop()
    await presence('target')
    const queue = await a.queue('legacy')
    await until(async () => (await queue.counts()).delayed === 1, 'it waits for its next attempt')
    const result = await a.cutover.move('mail', THERE)
    expect(result).toMatchObject({ moved: 0, left: { 'effects-begun': { count: 1, ids: [id] } } })
    expect(await queue.counts()).toMatchObject({ delayed: 1, parked: 0 })
    expect(await a.ledger.row(id)).toMatchObject({ side: 'legacy', gen: 0, state: 'open' })
    await a.cutover.cancel('mail', id)
  })

  it.skipIf(!possible)('a move that cannot be begun is refused, and touches nothing', async () => {
    const a = await start()
    await a.cutover.enqueue('mail', { n: 1 })
    const refused = (options: object) =>
      a.cutover.move('mail', { ...THERE, ...options }).catch((e: { code: string }) => e.code)
    expect(await refused({ to: 'legacy' })).toBe('move-same-side')
    expect(await refused({ key: 'x' })).toBe('option-invalid')
    expect(await refused({})).toBe('move-no-workers')
    await presence('target')
    await a.cutover.rollback('mail')
    expect(await refused({})).toBe('move-latched')
    await a.cutover.unlatch('mail')
    expect(await (await a.queue('legacy')).counts()).toMatchObject({ waiting: 1, parked: 0 })
    expect((await a.cutover.move('mail', THERE)).moved).toBe(1)
    await a.both()
    await until(() => a.runs.length === 1, 'it has run')
  })

  it.skipIf(!possible)('while workers read both sides and jobs keep coming, every job runs once', async () => {
    const a = await start({ migration: { timeout: '10s' } })
    await a.both()
    const stop = new AbortController()
    const loops = [THERE, BACK, THERE].map((way) =>
      a.cutover.move('mail', { ...way, follow: true, signal: stop.signal }),
    )
    const sent: string[] = []
    for (let round = 0; round < 15; round++) {
      a.flags.set({ target: round % 2, shadow: 0 })
      const batch = await a.cutover.enqueueMany(
        'mail',
        Array.from({ length: 40 }, (_, n) => ({
          payload: { n: round * 40 + n },
          ...(n % 3 === 0 ? { delay: '50ms' as const } : {}),
        })),
      )
      sent.push(...batch.map(({ id }) => id))
    }
    for (const id of sent) await a.cutover.result('mail', id)
    stop.abort()
    await Promise.all(loops)
    expect(new Set(a.effects).size).toBe(600)
    expect(a.effects).toHaveLength(600)
    expect((await a.cutover.report('mail')).migrations[0]).toMatchObject({
      contradictions: [],
      jobs: { enqueued: 600, done: 600, twice: 0, lost: 0 },
    })
  })
})
