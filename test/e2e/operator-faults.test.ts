// Jobs in doubt for real: workers that are killed within an effect, and an operator who is killed at each of his steps.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type Bed, embeddedBed, openApp, type Place, redisBed, until } from '../support/app.ts'
import { Doomed } from '../support/doomed-child.ts'
import { hasRedis } from '../support/redis.ts'
import { standIn } from '../support/stand-in.ts'

const BEDS: [string, boolean, () => Promise<Bed & { place: Place }>][] = [
  ['embedded, one file', true, async () => embeddedBed('shared')],
  ['bee-queue and BullMQ', hasRedis(), redisBed],
]

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed & { place: Place }
  let app: App
  let doomed: Doomed

  beforeEach(async () => {
    if (!possible) return
    bed = await make()
    doomed = new Doomed(bed.place)
    app = await openApp(bed, { migration: { timeout: '10s', attempts: 2 }, open: { sweepEvery: '100ms' } })
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop()
    await doomed?.stop()
    await app?.close()
    await bed?.stop()
  })

  const stops: (() => void)[] = []
  async function presence(...sides: readonly Side[]): Promise<void> {
    stops.push(await standIn(app.ledger, ...sides))
  }

  /** Every copy is gone from both sides. */
  async function empty(): Promise<void> {
    for (const side of ['legacy', 'target'] as const) {
      const queue = await app.queue(side)
      const gone = async (): Promise<boolean> => {
        const { waiting, delayed, running, parked } = await queue.counts()
        return waiting + delayed + running + parked === 0
      }
      await until(gone, `${side} is empty`, 20_000)
    }
  }

  it.runIf(possible).each([
    ['after its effect began', 'after-begin', 1],
    ['after its effect was done', 'after-effect', 2],
  ] as const)(
    '5: a worker is killed %s: in doubt, not moved; forced: one keyed effect',
    async (_when, point, tries) => {
      await app.cutover.enqueue('mail', { n: 1 }, { id: 'doubt' })
      const dying = doomed.start({ role: 'worker', route: 'legacy', sides: ['legacy'], point, id: 'doubt' })
      expect(await dying.died).toBe('SIGKILL')
      const listed = async () => (await app.cutover.jobs('mail', { state: 'in-doubt' })).jobs
      await until(async () => (await listed()).length === 1, 'its lease is over')
      expect(await listed()).toMatchObject([{ id: 'doubt', side: 'legacy', effectsBegun: true }])
      await presence('target')
      expect((await app.cutover.move('mail', { from: 'legacy', to: 'target' })).moved).toBe(0)
      const forced = await app.cutover.force('mail', 'doubt', { to: 'target', why: 'looked' })
      expect(forced).toMatchObject({ was: 'in-doubt', side: 'legacy', to: 'target', generation: 1, pending: false })
      doomed.start({ role: 'worker', route: 'target', sides: ['legacy', 'target'], point: 'never', id: '' })
      expect(await app.cutover.result('mail', 'doubt', { timeout: '20s' })).toEqual({ n: 1 })
      await empty()
      expect(doomed.runsOf('doubt')).toEqual(['legacy', 'target'])
      // done twice at most, under one key: whoever is handed it drops the second
      expect(doomed.effectsOf('doubt')).toEqual(Array.from({ length: tries }, () => 'mail:doubt:store:1'))
      expect((await app.cutover.jobHistory('mail', 'doubt')).map(({ kind }) => kind)).toEqual([
        ...['enqueued', 'started', 'audited', 'moved', 'ended'],
      ])
    },
  )

  it.runIf(possible).each(['after-move', 'after-enqueue', 'after-arrive'] as const)(
    'an operator is killed %s of a force: the job runs once, on the side that he said',
    async (point) => {
      await app.cutover.enqueue('mail', { n: 1 }, { id: 'forced' })
      const absent = { route: 'legacy', epoch: 0, dueAt: 0, adopted: false } as const
      const claim = { id: 'forced', side: 'legacy', gen: 0, token: 'gone', leaseMs: 0, fenced: true, absent } as const
      await app.ledger.claim([{ ...claim, effectsUnknown: true, maxAttempts: 2, maxStarts: 9 }])
      await presence('target')
      const operator = doomed.start({
        role: 'operator',
        route: 'legacy',
        sides: [],
        from: 'legacy',
        point,
        id: 'forced',
      })
      expect(await operator.died).toBe('SIGKILL')
      expect((await app.ledger.history()).filter(({ action }) => action === 'force')).toHaveLength(1)
      await app.both()
      expect(await app.cutover.result('mail', 'forced', { timeout: '20s' })).toEqual({ n: 1 })
      await empty()
      expect(app.runs.map(({ side }) => side)).toEqual(['target'])
      expect(app.effects).toEqual(['mail:forced:store:1'])
    },
  )
})
