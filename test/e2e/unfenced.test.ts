// `fence: 'target'`: legacy jobs without a round trip each. Counted exactly whoever comes first, run at least once, moved
// only where their queue knows that they never started.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EnqueueAnswer, OutgoingJob } from '../../src/ports/queue.ts'
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
import { type Hooks, hookedLedger, hookedQueue } from '../support/hooks.ts'
import { hasRedis } from '../support/redis.ts'

const BEDS: [string, boolean, () => Promise<Bed & { place: Place }>][] = [
  ['embedded, one file', true, async () => embeddedBed('shared')],
  ['bee-queue and BullMQ', hasRedis(), () => redisBed()],
  ['BullMQ and BullMQ, on the server of the ledger', hasRedis(), () => redisBed('bullmq')],
]
const FENCE = { fence: 'target' } as const

describe.each(BEDS)('%s', (name, possible, make) => {
  let bed: Bed & { place: Place }
  let app: App
  let doomed: Doomed | undefined

  beforeEach(async () => {
    if (possible) bed = await make()
  })
  afterEach(async () => {
    await doomed?.stop()
    doomed = undefined
    await app?.close()
    await bed?.stop()
  })

  async function start(options: AppOptions = {}, hooks: Hooks = {}): Promise<App> {
    const migration = { timeout: '10s', ...FENCE, ...options.migration } as const
    const isPlain = Object.keys(hooks).length === 0 && 'url' in bed.place
    const ledger = isPlain ? bed.ledger : hookedLedger(bed.ledger, hooks)
    app = await openApp(bed, { ...options, migration, ledger })
    return app
  }

  /** Which ledger operations were called for jobs, each with how many requests. */
  function counting(): { hooks: Hooks; asked: Record<string, number> } {
    const asked: Record<string, number> = { pin: 0, claim: 0, begin: 0, finish: 0, note: 0 }
    const counted = (name: string) => (real: (...args: never[]) => unknown, requests: never) => {
      asked[name] = (asked[name] ?? 0) + (requests as readonly unknown[]).length
      return real(requests)
    }
    const hooks = Object.fromEntries(Object.keys(asked).map((name) => [name, counted(name)])) as Hooks
    return { hooks, asked }
  }

  it.runIf(possible)('neither pin nor claim nor begin; every job is noted, ends once and is counted once', async () => {
    const { hooks, asked } = counting()
    const a = await start({}, hooks)
    await a.both()
    const many = await a.cutover.enqueueMany(
      'mail',
      Array.from({ length: 300 }, (_, n) => ({ payload: { n } })),
    )
    const one = await a.cutover.enqueue('mail', { n: 300 })
    for (const { id } of [...many, one])
      expect(await a.cutover.result('mail', id)).toMatchObject({ n: expect.any(Number) })
    expect(asked).toMatchObject({ pin: 0, claim: 0, begin: 0, finish: 301, note: 301 })
    expect(a.effects).toHaveLength(301)
    const numbers = await a.numbers()
    expect([numbers.of('dispatched.legacy'), numbers.of('ok.legacy'), numbers.of('unflagged.legacy')]).toEqual([
      301, 301, 0,
    ])
    // without a key function each is the first of its key: the units of the gates
    expect(numbers.excluded('ok.legacy')).toBe(0)
    const [mail] = (await a.cutover.report('mail')).migrations
    expect(mail).toMatchObject({
      contradictions: [],
      jobs: { enqueued: 301, done: 301, unflagged: 0, lost: 0, twice: 0 },
    })
  })

  it.runIf(possible)(
    'an id of the caller, a shadowed job, target, and the first job of a key stay fenced',
    async () => {
      const { hooks, asked } = counting()
      const a = await start({ migration: { key: (mail: { box?: string }) => mail.box ?? 'x' } }, hooks)
      await a.cutover.enqueue('mail', { n: 1, box: 'a' }, { id: 'own' })
      await a.cutover.enqueue('mail', { n: 2, box: 'b' })
      expect(asked['pin']).toBe(2)
      await a.cutover.enqueue('mail', { n: 3, box: 'b' })
      expect(asked['pin']).toBe(2)
      a.flags.set({ target: 0, shadow: 1 })
      await a.cutover.enqueue('mail', { n: 4, box: 'b' })
      a.flags.set({ target: 1, shadow: 0 })
      await a.cutover.enqueue('mail', { n: 5, box: 'b' })
      expect(asked['pin']).toBeGreaterThanOrEqual(4)
      await a.both()
      await until(() => a.runs.filter(({ arm }) => arm === 'primary').length === 5, 'all have run')
    },
  )

  it.runIf(possible)('a note that comes after the end counts nothing twice', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const a = await start(
      {},
      {
        note: async (real, requests) => {
          await held
          return real(requests)
        },
      },
    )
    await a.both()
    for (let n = 0; n < 20; n++) await a.cutover.enqueue('mail', { n })
    await until(async () => (await a.numbers()).of('ok.legacy') === 20, 'all have ended')
    release()
    await until(async () => (await a.numbers()).of('dispatched.legacy') === 20, 'dispatched')
    await a.cutover.report('mail')
    const numbers = await a.numbers()
    expect([numbers.of('dispatched.legacy'), numbers.of('ok.legacy')]).toEqual([20, 20])
    expect(numbers.snapshot.gauges.waiting.legacy).toBe(0)
  })

  it.runIf(possible)('its queue counts the attempts; the last failure is told, once', async () => {
    const a = await start({ migration: { attempts: 3, backoff: '20ms' } })
    let tries = 0
    await a.cutover.work('mail', 'legacy', async () => {
      tries += 1
      throw new Error('never')
    })
    const { id } = await a.cutover.enqueue('mail', { n: 1 })
    await expect(a.cutover.result('mail', id)).rejects.toThrow('never')
    expect(tries).toBe(3)
    const numbers = await a.numbers()
    expect([numbers.of('failed.legacy'), numbers.of('dispatched.legacy')]).toEqual([1, 1])
  })

  it.runIf(possible)('sent again after an unknown answer it is fenced, and runs once', async () => {
    let lost = 0
    const hooks: Hooks = {
      enqueue: async (real, jobs: never) => {
        const answers = (await real(jobs)) as readonly EnqueueAnswer[]
        const ours = (jobs as readonly OutgoingJob[]).length > 0 && lost === 0
        if (!ours) return answers
        lost += 1
        return answers.map(() => ({ status: 'unknown', cause: new Error('cut') }))
      },
    }
    const { hooks: counts, asked } = counting()
    const a = await start({ queues: { legacy: hookedQueue(bed.queue('legacy'), hooks) } }, counts)
    const { id } = await a.cutover.enqueue('mail', { n: 1 })
    expect([lost, asked['pin']]).toEqual([1, 1])
    expect(await a.ledger.row(id)).toMatchObject({ stamp: { fenced: true } })
    await a.both()
    expect(await a.cutover.result('mail', id)).toEqual({ n: 1 })
    await until(async () => (await (await a.queue('legacy')).counts()).running === 0, 'acked')
    expect(a.effects).toEqual([`mail:${id}:store:1`])
    const numbers = await a.numbers()
    expect([numbers.of('dispatched.legacy'), numbers.of('ok.legacy'), numbers.of('finished-twice')]).toEqual([1, 1, 0])
  })

  it.runIf(possible)(
    'what never started can be moved where its queue knows it, else it stays and is told',
    async () => {
      const a = await start()
      const sent = await a.cutover.enqueueMany('mail', [{ payload: { n: 1 } }, { payload: { n: 2 } }])
      const worker = await a.cutover.work('mail', 'target', a.handler)
      const result = await a.cutover.move('mail', { from: 'legacy', to: 'target' })
      if (bed.queue('legacy').capabilities.neverStarted) {
        expect(result).toMatchObject({ moved: 2, left: {} })
        for (const { id } of sent) await a.cutover.result('mail', id)
        expect(a.runs.map(({ side }) => side)).toEqual(['target', 'target'])
      } else {
        expect(result).toMatchObject({ moved: 0, left: { started: { count: 2 } } })
        await a.cutover.work('mail', 'legacy', a.handler)
        for (const { id } of sent) await a.cutover.result('mail', id)
        expect(a.runs.map(({ side }) => side)).toEqual(['legacy', 'legacy'])
      }
      await worker.stop()
      expect((await a.cutover.report('mail')).migrations[0]?.contradictions).toEqual([])
    },
  )

  it.runIf(possible)('cancelled before it starts it does not run; while it runs it is not cancelled', async () => {
    const a = await start()
    const { id } = await a.cutover.enqueue('mail', { n: 1 })
    expect(await a.cutover.cancel('mail', id)).toBe('cancelled')
    let finish = (): void => {}
    const going = new Promise<void>((resolve) => {
      finish = resolve
    })
    let begun = false
    await a.cutover.work('mail', 'legacy', async () => {
      begun = true
      await going
      return 1
    })
    const second = await a.cutover.enqueue('mail', { n: 2 })
    await until(() => begun, 'it runs')
    expect(await a.cutover.cancel('mail', second.id)).toBe('running')
    finish()
    expect(await a.cutover.result('mail', second.id)).toBe(1)
    expect((await a.cutover.get('mail', id))?.state).toBe('cancelled')
  })

  /** Fault test 15: before the group commit, after it with its answer lost; and between an effect and its end. */
  const points: [Point, number][] = [
    ['after-effect', 2],
    ['before-finish', 2],
    ['after-finish', 2],
    ['before-joint-end', 2],
    ['after-joint-end', 1],
  ]
  const acksJointly = name.startsWith('BullMQ')
  it.runIf(possible).each(points.filter(([point]) => acksJointly || !point.endsWith('joint-end')))(
    '15: a worker is killed %s: its jobs run again on legacy, each is counted once',
    async (point, most) => {
      const a = await start()
      doomed = new Doomed(bed.place)
      const sent = await a.cutover.enqueueMany(
        'mail',
        Array.from({ length: 8 }, (_, n) => ({ payload: { n } })),
      )
      const id = sent[2]?.id ?? ''
      const child = { role: 'worker', route: 'legacy', sides: ['legacy'], migration: FENCE } as const
      expect(await doomed.start({ ...child, point, id }).died).toBe('SIGKILL')
      doomed.start({ ...child, point: 'never', id: '' })
      const queue = await a.queue('legacy')
      await until(
        async () => {
          const { waiting, running, delayed } = await queue.counts()
          return waiting + running + delayed === 0
        },
        'every copy acked',
        20_000,
      )
      for (const job of sent) expect(await a.cutover.result('mail', job.id)).toMatchObject({ n: expect.any(Number) })
      expect(doomed.runsOf(id)).toHaveLength(most)
      const numbers = await a.numbers()
      expect([numbers.of('ok.legacy'), numbers.of('dispatched.legacy'), numbers.of('finished-twice')]).toEqual([
        8, 8, 0,
      ])
    },
  )
})
