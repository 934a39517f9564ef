// Producers and workers in processes of their own that are killed with SIGKILL at named points: every job ends where it
// should, once, and no effect with the same key is stored twice.

import { readdirSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type Bed, embeddedBed, expectSumLaw, openApp, type Place, redisBed, until } from '../support/app.ts'
import type { Doom, Point } from '../support/doomed.ts'
import { Doomed } from '../support/doomed-child.ts'
import { hasRedis } from '../support/redis.ts'

const BEDS: [string, boolean, () => Promise<Bed & { place: Place }>][] = [
  ['embedded, one file', true, async () => embeddedBed('shared')],
  ['embedded, two files', true, async () => embeddedBed('apart')],
  ['bee-queue and BullMQ', hasRedis(), redisBed],
]

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed & { place: Place }
  let app: App
  let doomed: Doomed

  beforeAll(async () => {
    if (possible) bed = await make()
  })
  afterEach(async () => {
    await doomed?.stop()
    await app?.close()
  })
  afterAll(() => bed?.stop())

  const child = (doom: Omit<Doom, 'place' | 'diary'>) => doomed.start(doom)

  async function start(side: Side, shadow = 0): Promise<string[]> {
    doomed = new Doomed(bed.place)
    app = await openApp(bed, {
      dials: { target: side === 'target' ? 1 : 0, shadow },
      migration: { timeout: '10s', attempts: 2 },
    })
    return []
  }

  const lines = (name: 'runs' | 'effects'): string[] => doomed.lines(name)
  const stored = (): string[] =>
    readdirSync(doomed.diary)
      .filter((name) => name !== 'runs' && name !== 'effects')
      .map((name) => Buffer.from(name, 'base64url').toString())

  /** How often the doomed job runs, and how often its effect is begun, in all. */
  const POINTS: [Point, number, number][] = [
    ['after-claim', 1, 1],
    ['after-begin', 2, 1],
    ['after-effect', 2, 2],
    ['after-finish', 1, 1],
  ]
  // both sides of an embedded bed are the same adapter
  const sides: readonly Side[] = make === redisBed ? ['legacy', 'target'] : ['target']
  const cases = POINTS.flatMap(([point, runs, effects]) => sides.map((side) => ({ point, runs, effects, side })))

  it.runIf(possible).each(cases)('a worker on $side is killed $point', async ({ point, runs, effects, side }) => {
    await start(side)
    const before = await app.numbers()
    const tag = `${point}-${side}`
    const ids = [0, 1, 2, 3].map((n) => `${tag}-${n}`)
    await app.cutover.enqueueMany(
      'mail',
      ids.map((id, n) => ({ id, payload: { n } })),
    )
    const doomed = `${tag}-1`
    const first = child({ role: 'worker', route: side, sides: [side], point, id: doomed })
    expect(await first.died).toBe('SIGKILL')
    const row = await app.ledger.row(doomed)
    expect(row?.state).toBe(point === 'after-finish' ? 'finished' : 'running')
    if (point === 'after-begin' || point === 'after-effect') {
      await until(async () => (await app.cutover.get('mail', doomed))?.state === 'in-doubt', 'in doubt')
      expect((await app.numbers()).snapshot.gauges.inDoubt[side]).toBe(1)
    }
    child({ role: 'worker', route: side, sides: [side], point: 'never', id: '' })
    for (const id of ids)
      expect(await app.cutover.result('mail', id, { timeout: '15s' })).toMatchObject({ n: expect.any(Number) })
    const queue = await app.queue(side)
    await until(
      async () => {
        const { waiting, running, delayed, parked } = await queue.counts()
        return waiting + running + delayed + parked === 0
      },
      'every copy acked',
      15_000,
    )
    expect(lines('runs').filter((line) => line.startsWith(`${doomed} `))).toHaveLength(runs)
    expect(lines('effects').filter((line) => line.includes(`:${doomed}:`))).toHaveLength(effects)
    expect(stored().sort()).toEqual(ids.map((id) => `mail:${id}:store:1`))
    const now = await app.numbers()
    const grown = (measure: string): number => now.of(measure) - before.of(measure)
    expect([
      grown(`ok.${side}`),
      grown(`dispatched.${side}`),
      grown('finished-twice'),
      grown(`zombie.${side}`),
    ]).toEqual([4, 4, 0, 0])
  })

  it.runIf(possible)('killed between finish and compare: the pair is compared all the same, once', async () => {
    await start('legacy', 1)
    const before = await app.numbers()
    await app.cutover.enqueue('mail', { n: 1 }, { id: 'pair' })
    const first = child({
      role: 'worker',
      route: 'legacy-shadowed',
      sides: ['legacy', 'target'],
      point: 'after-finish',
      id: 'pair',
    })
    expect(await first.died).toBe('SIGKILL')
    child({ role: 'worker', route: 'legacy-shadowed', sides: ['legacy', 'target'], point: 'never', id: '' })
    await until(async () => (await app.cutover.get('mail', 'pair'))?.comparison === 'matched', 'compared', 15_000)
    const now = await app.numbers()
    expect(now.of('pair.matched') - before.of('pair.matched')).toBe(1)
    expectSumLaw(now)
    expect(stored()).toEqual(['mail:pair:store:1'])
  })

  const producer: [Point, Side][] = [
    ['after-pin', 'legacy'],
    ['after-pin', 'target'],
    ['after-store', 'legacy'],
    ['after-store', 'target'],
    ['before-shadow', 'target'],
  ]
  it.runIf(possible).each(producer)(
    'a producer is killed %s to %s, and the same id is sent again after a flip',
    async (point, side) => {
      await start(side, point === 'before-shadow' ? 1 : 0)
      const before = await app.numbers()
      const id = `sent-${point}-${side}`
      const route = point === 'before-shadow' ? (`${side}-shadowed` as const) : side
      const first = child({ role: 'producer', route, sides: [], point, id })
      expect(await first.died).toBe('SIGKILL')
      expect(await app.ledger.row(id)).toMatchObject({ state: 'open', side })
      // flipped meanwhile: what was decided stands
      app.flags.set({ target: side === 'target' ? 0 : 1, shadow: 0 })
      const again = await app.cutover.enqueue('mail', { n: 1 }, { id })
      expect(again).toMatchObject({ side, route, duplicate: true })
      await app.both()
      expect(await app.cutover.result('mail', id)).toEqual({ n: 1 })
      expect(app.runs.filter(({ arm }) => arm === 'primary')).toEqual([expect.objectContaining({ id, side })])
      expect(app.effects).toEqual([`mail:${id}:store:1`])
      if (point === 'before-shadow') {
        await until(async () => (await app.cutover.get('mail', id))?.comparison === 'matched', 'its shadow was sent')
        expectSumLaw(await app.numbers())
      }
      const now = await app.numbers()
      expect(now.of(`dispatched.${side}`) - before.of(`dispatched.${side}`)).toBe(1)
    },
  )

  it.runIf(possible)(
    'a worker whose event loop is blocked past its lease begins no effect when it comes back',
    async () => {
      await start('target')
      const before = await app.numbers()
      await app.cutover.enqueue('mail', { n: 1 }, { id: 'blocked' })
      const first = child({ role: 'worker', route: 'target', sides: ['target'], point: 'block', id: 'blocked' })
      await first.said('blocking')
      child({ role: 'worker', route: 'target', sides: ['target'], point: 'never', id: '' })
      expect(await app.cutover.result('mail', 'blocked', { timeout: '15s' })).toEqual({ n: 1 })
      const queue = await app.queue('target')
      await until(async () => {
        const { waiting, running, delayed } = await queue.counts()
        return waiting + running + delayed === 0
      }, 'acked')
      expect(lines('effects')).toEqual(['mail:blocked:store:1'])
      const now = await app.numbers()
      expect(now.of('ok.target') - before.of('ok.target')).toBe(1)
      expect(now.of('finished-twice')).toBe(0)
    },
  )
})
