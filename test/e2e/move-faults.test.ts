// The fault tests of docs/protocol.md that moves bring with them: processes that are killed (SIGKILL) or stand still past
// the lease (SIGSTOP) at named points. Their numbers are those of docs/faults.md.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backendIdOf } from '../../src/vocabulary/ids.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import {
  type App,
  type AppOptions,
  type Bed,
  embeddedBed,
  openApp,
  type Place,
  redisBed,
  until,
} from '../support/app.ts'
import type { Point } from '../support/doomed.ts'
import { Doomed } from '../support/doomed-child.ts'
import { hasRedis } from '../support/redis.ts'
import { standIn } from '../support/stand-in.ts'

const BEDS: [string, boolean, () => Promise<Bed & { place: Place }>][] = [
  ['embedded, one file', true, async () => embeddedBed('shared')],
  ['bee-queue and BullMQ', hasRedis(), redisBed],
]
const THERE = { from: 'legacy', to: 'target' } as const
const BACK = { from: 'target', to: 'legacy' } as const
/** Of a job that waits between attempts for longer than a test takes. */
const SLOW = { timeout: '10s', attempts: 3, backoff: '10m', waitAllowance: '1h' } as const

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed & { place: Place }
  let app: App
  let doomed: Doomed

  beforeEach(async () => {
    if (possible) bed = await make()
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop()
    await doomed?.stop()
    await app?.close()
    await bed?.stop()
  })

  async function start(options: AppOptions = {}): Promise<App> {
    doomed = new Doomed(bed.place)
    app = await openApp(bed, { migration: { timeout: '10s', attempts: 2, ...options.migration }, ...options })
    return app
  }

  const stops: (() => void)[] = []
  /** Somebody lives on a side who does nothing: a mover wants him to be there. */
  async function presence(side: Side): Promise<void> {
    stops.push(await standIn(app.ledger, side))
  }

  /** Every copy is gone from both sides. */
  async function empty(): Promise<void> {
    for (const side of ['legacy', 'target'] as const) {
      const queue = await app.queue(side)
      await until(
        async () => {
          const { waiting, delayed, running, parked } = await queue.counts()
          return waiting + delayed + running + parked === 0
        },
        `${side} is empty`,
        20_000,
      )
    }
  }

  const worker = (side: Side, point: Point, id: string, more: object = {}) =>
    doomed.start({ role: 'worker', route: side, sides: [side], point, id, ...more })

  it.runIf(possible)(
    '3: a producer stands still after its decision; latch, drain; what it sends late comes home',
    async () => {
      const a = await start()
      const late = doomed.start({
        role: 'producer',
        route: 'target',
        sides: [],
        point: 'before-pin',
        signal: 'SIGSTOP',
        id: 'late',
      })
      await late.said('stopping')
      await a.cutover.rollback('mail')
      worker('legacy', 'never', '')
      await until(async () => (await a.ledger.presence()).some(({ works }) => works.legacy !== undefined), 'a worker')
      const stop = new AbortController()
      const home = a.cutover.move('mail', { ...BACK, follow: true, signal: stop.signal })
      late.signal('SIGCONT')
      expect(await late.said('sent')).toContain('"side":"target"')
      expect(await a.cutover.result('mail', 'late', { timeout: '20s' })).toEqual({ n: 1 })
      stop.abort()
      expect((await home).moved).toBe(1)
      expect(doomed.runsOf('late')).toEqual(['legacy'])
      await empty()
    },
  )

  it.runIf(possible)(
    '4: a worker is killed after its claim, its side is taken away: the job is moved and runs once',
    async () => {
      const a = await start()
      await a.cutover.enqueue('mail', { n: 1 }, { id: 'gone' })
      expect(await worker('legacy', 'after-claim', 'gone').died).toBe('SIGKILL')
      worker('target', 'never', '')
      await until(
        async () => (await a.ledger.presence()).some((each) => !each.gone && each.works.target === '1'),
        'a worker',
      )
      const moved = await until(async () => {
        const result = await a.cutover.move('mail', THERE)
        return result.moved === 1 && result
      }, 'its lease is over')
      expect(moved.left).toEqual({})
      expect(await a.cutover.result('mail', 'gone', { timeout: '20s' })).toEqual({ n: 1 })
      expect(doomed.runsOf('gone')).toEqual(['target'])
      expect(doomed.effectsOf('gone')).toHaveLength(1)
    },
  )

  it.runIf(possible)(
    '6: a worker stands still before its effect; the job is moved; its effect is refused',
    async () => {
      const a = await start()
      await a.cutover.enqueue('mail', { n: 1 }, { id: 'stalled' })
      const first = worker('legacy', 'before-begin', 'stalled', { signal: 'SIGSTOP' })
      await first.said('stopping')
      worker('target', 'never', '')
      await until(
        async () => (await a.ledger.presence()).some((each) => !each.gone && each.works.target === '1'),
        'a worker',
      )
      await until(async () => (await a.cutover.move('mail', THERE)).moved === 1, 'its lease is over')
      expect(await a.cutover.result('mail', 'stalled', { timeout: '20s' })).toEqual({ n: 1 })
      first.signal('SIGCONT')
      await empty()
      expect(doomed.runsOf('stalled')).toEqual(['legacy', 'target'])
      expect(doomed.effectsOf('stalled')).toEqual(['mail:stalled:store:1'])
      const numbers = await a.numbers()
      expect([numbers.of('ok.target'), numbers.of('ok.legacy'), numbers.of('finished-twice')]).toEqual([1, 0, 0])
    },
  )

  it.runIf(possible)(
    '7: a worker stands still after its effect began: the job is in doubt, and not moved',
    async () => {
      const a = await start()
      await a.cutover.enqueue('mail', { n: 1 }, { id: 'doubt' })
      const first = worker('legacy', 'after-begin', 'doubt', { signal: 'SIGSTOP' })
      await first.said('stopping')
      await until(async () => (await a.cutover.get('mail', 'doubt'))?.state === 'in-doubt', 'in doubt')
      await presence('target')
      expect((await a.cutover.move('mail', THERE)).moved).toBe(0)
      expect(await a.ledger.move([{ ...request('doubt', 0), ...THERE }])).toEqual([
        { status: 'refused', why: 'in-doubt' },
      ])
      first.signal('SIGCONT')
      expect(await a.cutover.result('mail', 'doubt', { timeout: '20s' })).toEqual({ n: 1 })
      expect(await a.ledger.row('doubt')).toMatchObject({ side: 'legacy', gen: 0, class: 'ok' })
      expect(doomed.effectsOf('doubt')).toHaveLength(1)
    },
  )

  it.runIf(possible)(
    '9: a worker stands still, the job runs elsewhere on its side, the zombie fails: the job survives',
    async () => {
      const a = await start()
      await a.cutover.enqueue('mail', { n: 1 }, { id: 'zombie' })
      const first = worker('legacy', 'before-begin', 'zombie', { signal: 'SIGSTOP', fails: true })
      await first.said('stopping')
      worker('legacy', 'never', '')
      expect(await a.cutover.result('mail', 'zombie', { timeout: '20s' })).toEqual({ n: 1 })
      first.signal('SIGCONT')
      await empty()
      expect(await a.ledger.row('zombie')).toMatchObject({ state: 'finished', class: 'ok', fails: 0 })
      const numbers = await a.numbers()
      expect([numbers.of('ok.legacy'), numbers.of('failed.legacy')]).toEqual([1, 0])
    },
  )

  const steps = ['after-park', 'after-move', 'after-enqueue', 'after-arrive', 'after-drop'] as const
  it.runIf(possible).each(steps)(
    '10: a mover is killed %s: the next one and the sweeper bring all of it over',
    async (point) => {
      const a = await start({ open: { sweepEvery: '100ms' } })
      const ids = Array.from({ length: 300 }, (_, n) => `job-${n}`)
      await a.cutover.enqueueMany(
        'mail',
        ids.map((id, n) => ({ id, payload: { n } })),
      )
      await presence('target')
      const mover = doomed.start({ role: 'mover', route: 'legacy', sides: [], from: 'legacy', point, id: 'job-17' })
      expect(await mover.died).toBe('SIGKILL')
      const rest = await a.cutover.move('mail', THERE)
      expect(rest.left).toEqual({})
      const legacy = await a.queue('legacy')
      await until(
        async () => {
          const { gauges } = await a.ledger.snapshot()
          return gauges.waiting.target === 300 && (await legacy.counts()).parked === 0
        },
        'all are on target',
        20_000,
      )
      await a.both()
      for (const id of ids) await a.cutover.result('mail', id, { timeout: '20s' })
      expect(a.runs.filter(({ side }) => side === 'legacy')).toEqual([])
      expect(new Set(a.effects).size).toBe(300)
      expect(a.effects).toHaveLength(300)
      await empty()
      expect((await a.cutover.report('mail')).migrations[0]).toMatchObject({
        contradictions: [],
        jobs: { enqueued: 300, done: 300, moved: 300, twice: 0, lost: 0, moving: 0 },
      })
    },
  )

  it.runIf(possible)(
    '11: two movers, one job; one stands still between commit and enqueue until the job has ended',
    async () => {
      const a = await start({ open: { sweepEvery: '100ms' }, migration: { retain: '12s' } })
      await a.cutover.enqueue('mail', { n: 1 }, { id: 'both' })
      await presence('target')
      await presence('legacy')
      const slow = doomed.start({
        role: 'mover',
        route: 'legacy',
        sides: [],
        from: 'legacy',
        point: 'after-move',
        signal: 'SIGSTOP',
        id: 'both',
      })
      await slow.said('stopping')
      // the sweeper goes on with its move once the mover's lease is over; another one takes it back
      await until(async () => (await a.ledger.row('both'))?.state === 'open', 'it has arrived')
      expect((await a.cutover.move('mail', BACK)).moved).toBe(1)
      await a.both()
      expect(await a.cutover.result('mail', 'both', { timeout: '20s' })).toEqual({ n: 1 })
      await until(
        async () => {
          await a.ledger.compact()
          return (await a.ledger.row('both')) === undefined
        },
        'its row is gone',
        20_000,
      )
      slow.signal('SIGCONT')
      await slow.said('moved')
      // what it sends now is a fenced copy without a row: parked, visible, never run
      const target = await a.queue('target')
      await until(async () => (await target.counts()).parked === 1, 'parked')
      const { jobs } = await target.parked({ reasons: ['late'] })
      expect(jobs.map(({ backendId }) => backendId)).toEqual([backendIdOf('both', 1, 'primary')])
      expect(a.runs).toMatchObject([{ id: 'both', side: 'legacy' }])
    },
    60_000,
  )

  it.runIf(possible)('16: a job that failed on target at attempt 1 of 3 is moved: at most two more runs', async () => {
    const a = await start({ dials: { target: 1, shadow: 0 }, migration: SLOW })
    const failing = worker('target', 'never', '', { fails: true, migration: SLOW })
    await failing.said('ready')
    await a.cutover.enqueue('mail', { n: 1 }, { id: 'thrice' })
    await until(async () => (await a.ledger.row('thrice'))?.fails === 1, 'it has failed once')
    const target = await a.queue('target')
    await until(async () => (await target.counts()).delayed === 1, 'it waits')
    failing.signal('SIGTERM')
    await failing.died
    await presence('legacy')
    expect((await a.cutover.move('mail', BACK)).moved).toBe(1)
    const [copy] = (await (await a.queue('legacy')).list({ place: 'delayed', limit: 2 })).jobs
    expect(copy?.attempts).toBe(2)
    expect(await a.ledger.row('thrice')).toMatchObject({ side: 'legacy', fails: 1, maxAttempts: 3 })
    await a.cutover.cancel('mail', 'thrice')
  })

  function request(id: string, gen: number) {
    return { id, gen, kind: 'move' as const, payload: '{}', leaseMs: 1000, by: 'test' }
  }
})
