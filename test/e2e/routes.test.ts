// Every route takes its whole way on every pair of backends, and the ledger's numbers say what the handlers saw.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Route } from '../../src/vocabulary/job.ts'
import { type App, type Bed, embeddedBed, expectSumLaw, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'

const BEDS: [string, boolean, () => Bed | Promise<Bed>][] = [
  ['embedded, queue and ledger in one file', true, () => embeddedBed('shared')],
  ['embedded, queue and ledger apart', true, () => embeddedBed('apart')],
  ['bee-queue to BullMQ, ledger on Redis', hasRedis(), redisBed],
]

const ROUTES: { route: Route; dials: { target: number; shadow: number } }[] = [
  { route: 'legacy', dials: { target: 0, shadow: 0 } },
  { route: 'legacy-shadowed', dials: { target: 0, shadow: 1 } },
  { route: 'target', dials: { target: 1, shadow: 0 } },
  { route: 'target-shadowed', dials: { target: 1, shadow: 1 } },
]

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed
  let app: App
  beforeAll(async () => {
    if (possible) bed = await make()
  })
  afterEach(() => app?.close())
  afterAll(() => bed?.stop())

  it.runIf(possible).each(ROUTES)('$route', async ({ route, dials }) => {
    app = await openApp(bed, { dials })
    const before = await app.numbers()
    await app.both()
    const side = route.startsWith('target') ? 'target' : 'legacy'
    const other = side === 'target' ? 'legacy' : 'target'
    const shadowed = route.endsWith('-shadowed')
    const one = await app.cutover.enqueue('mail', { n: 0 })
    expect(one).toMatchObject({ route, side, reason: 'flag', duplicate: false })
    const many = await app.cutover.enqueueMany(
      'mail',
      Array.from({ length: 300 }, (_, n) => ({ payload: { n: n + 1 } })),
    )
    const ids = [one.id, ...many.map(({ id }) => id)]
    expect(new Set(ids).size).toBe(301)
    expect(await app.cutover.result('mail', one.id)).toEqual({ n: 0 })
    expect(await app.cutover.result('mail', ids[300] as string)).toEqual({ n: 300 })
    const now = await until(
      async () => {
        const numbers = await app.numbers()
        const done = numbers.of(`ok.${side}`) - before.of(`ok.${side}`) === 301
        return done && numbers.snapshot.gauges.pairsOpen === 0 && numbers
      },
      'all jobs done and compared',
      20_000,
    )
    const grown = (measure: string): number => now.of(measure) - before.of(measure)
    const arms = (arm: string, at: string): number =>
      app.runs.filter((run) => run.arm === arm && run.side === at).length
    expect([arms('primary', side), arms('primary', other), arms('shadow', other), arms('shadow', side)]).toEqual([
      301,
      0,
      shadowed ? 301 : 0,
      0,
    ])
    expect(app.effects.sort()).toEqual(ids.map((id) => `mail:${id}:store:1`).sort())
    expect([grown(`dispatched.${side}`), grown(`route.${route}`), grown(`dispatched.${other}`)]).toEqual([301, 301, 0])
    expect(grown('pair.matched')).toBe(shadowed ? 301 : 0)
    expectSumLaw(now)
    expect(await app.cutover.get('mail', one.id)).toMatchObject({
      state: 'done',
      side,
      route,
      comparison: shadowed ? 'matched' : 'none',
    })
  })

  it.runIf(possible)('a control runs on legacy beside the shadow and is compared with it', async () => {
    app = await openApp(bed, { dials: { target: 1, shadow: 1 } })
    const before = await app.numbers()
    await app.ledger.setControlShare({ share: 1, by: 'test' })
    await app.both()
    await app.cutover.enqueueMany(
      'mail',
      Array.from({ length: 20 }, (_, n) => ({ payload: { n } })),
    )
    const now = await until(async () => {
      const numbers = await app.numbers()
      return numbers.of('control.matched') - before.of('control.matched') === 20 && numbers
    }, '20 controls compared')
    expect(app.runs.filter(({ arm, side }) => arm === 'control' && side === 'legacy')).toHaveLength(20)
    expect(app.effects).toHaveLength(20)
    await until(async () => (await app.numbers()).snapshot.gauges.pairsOpen === 0, 'pairs compared')
    expectSumLaw(now)
    await app.ledger.setControlShare({ share: 0, by: 'test' })
  })

  it.runIf(possible)('a retry waits, keeps its side, and is counted alike on both', async () => {
    app = await openApp(bed)
    const before = await app.numbers()
    const times: number[] = []
    await app.both(async (mail, ctx) => {
      times.push(performance.now())
      if (ctx.attempt < 3 || mail.n === 9) throw Object.assign(new Error(`no ${ctx.attempt}`), { code: 'E_MAIL' })
      return ctx.attempt
    })
    for (const [target, side] of [
      [0, 'legacy'],
      [1, 'target'],
    ] as const) {
      app.flags.set({ target, shadow: 0 })
      times.length = 0
      const good = await app.cutover.enqueue('mail', { n: 1 })
      expect(good.side).toBe(side)
      expect(await app.cutover.result('mail', good.id)).toBe(3)
      expect(times).toHaveLength(3)
      expect((times[2] as number) - (times[1] as number)).toBeGreaterThan(35)
      const bad = await app.cutover.enqueue('mail', { n: 9 })
      await expect(app.cutover.result('mail', bad.id)).rejects.toMatchObject({ message: 'no 3', code: 'E_MAIL' })
      expect(await app.cutover.get('mail', bad.id)).toMatchObject({
        state: 'failed',
        attempts: { failed: 3, started: 3 },
      })
    }
    const now = await app.numbers()
    const both = (measure: string): number[] =>
      ['legacy', 'target'].map((side) => now.of(`${measure}.${side}`) - before.of(`${measure}.${side}`))
    expect([both('ok'), both('failed'), both('retried'), both('dispatched')]).toEqual([
      [1, 1],
      [1, 1],
      [4, 4],
      [2, 2],
    ])
  })

  it.runIf(possible)('ids of any kind: one job each, however often they are sent', async () => {
    app = await openApp(bed, { dials: { target: 0.5, shadow: 0 } })
    await app.both()
    const ids = ['17', 'a:b:c', 'ünï 🎉', 'x'.repeat(1024), '0', 'adopted:legacy::1', 'c-a_0', ' ']
    const first = await Promise.all(ids.map((id, n) => app.cutover.enqueue('mail', { n }, { id })))
    expect(first.map(({ duplicate }) => duplicate)).toEqual(ids.map(() => false))
    for (const [n, id] of ids.entries()) expect(await app.cutover.result('mail', id)).toEqual({ n })
    app.flags.set({ target: 1, shadow: 0 })
    const again = await Promise.all(ids.map((id) => app.cutover.enqueue('mail', { n: 99 }, { id })))
    expect(again.map(({ duplicate, side }) => [duplicate, side])).toEqual(first.map(({ side }) => [true, side]))
    const twice = await app.cutover.enqueueMany('mail', [
      { payload: { n: 7 }, id: 'pair' },
      { payload: { n: 8 }, id: 'pair' },
    ])
    expect(twice.map(({ duplicate }) => duplicate)).toEqual([false, true])
    expect(await app.cutover.result('mail', 'pair')).toEqual({ n: 7 })
    expect(app.runs.map(({ id }) => id).sort()).toEqual([...ids, 'pair'].sort())
  })

  it.runIf(possible)('a delayed job is delayed, can be cancelled, and what is cancelled does not run', async () => {
    app = await openApp(bed)
    await app.both()
    const { id } = await app.cutover.enqueue('mail', { n: 1 }, { delay: '300ms' })
    expect(await app.cutover.get('mail', id)).toMatchObject({ state: 'delayed' })
    const gone = await app.cutover.enqueue('mail', { n: 2 }, { delay: '300ms' })
    expect(await app.cutover.cancel('mail', gone.id)).toBe('cancelled')
    expect(await app.cutover.cancel('mail', gone.id)).toBe('cancelled')
    expect(await app.cutover.cancel('mail', 'nobody')).toBe('absent')
    await expect(app.cutover.result('mail', gone.id)).rejects.toMatchObject({ code: 'job-cancelled' })
    await app.cutover.result('mail', id)
    expect(await app.cutover.cancel('mail', id)).toBe('finished')
    const row = await app.ledger.row(id)
    expect((row?.startedAt ?? 0) - (row?.stamp.dueAt ?? 0)).toBeGreaterThanOrEqual(-1)
    expect(app.runs.map(({ n }) => n)).toEqual([1])
  })

  it.runIf(possible)(
    'a job that old code put there runs, is counted as adopted, and its id may come again',
    async () => {
      app = await openApp(bed, { dials: { target: 1, shadow: 1 } })
      const before = await app.numbers()
      await app.both()
      for (const side of ['legacy', 'target'] as const) {
        const queue = await app.queue(side)
        const plain = { backendId: 'daily-report', data: { n: 5 }, delayMs: 0, attempts: 1 }
        for (const count of [1, 2]) {
          await until(async () => (await queue.enqueue([plain]))[0]?.status === 'accepted', 'the id is free again')
          await until(() => app.runs.filter((run) => run.side === side).length === count, `run ${count} on ${side}`)
        }
      }
      await until(
        async () => (await app.numbers()).excluded('ok.target') - before.excluded('ok.target') === 2,
        'counted',
      )
      const now = await app.numbers()
      for (const side of ['legacy', 'target']) {
        expect(now.of(`adopted.${side}`) - before.of(`adopted.${side}`)).toBe(2)
        expect(now.excluded(`ok.${side}`) - before.excluded(`ok.${side}`)).toBe(2)
      }
      expect(app.runs.map(({ arm }) => arm)).toEqual(['primary', 'primary', 'primary', 'primary'])
      expectSumLaw(now)
    },
  )
})
