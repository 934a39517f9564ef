// How things end: a close in the middle of anything, a ledger that goes away under a run, a run whose job was taken.

import { afterEach, expect, it } from 'vitest'
import { CutoverError } from '../../src/index.ts'
import { type App, type AppOptions, embeddedBed, openApp, until } from '../support/app.ts'
import { type Hooks, hookedLedger, hookedQueue } from '../support/hooks.ts'

const apps: App[] = []
const beds: ReturnType<typeof embeddedBed>[] = []

async function start(bed: ReturnType<typeof embeddedBed>, options: AppOptions = {}): Promise<App> {
  if (!beds.includes(bed)) beds.push(bed)
  const app = await openApp(bed, options)
  apps.push(app)
  return app
}

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
  for (const bed of beds.splice(0)) await bed.stop()
})

it('a close while a worker is starting ends both: the worker is refused and nothing keeps the process alive', async () => {
  const bed = embeddedBed()
  const open = Promise.withResolvers<void>()
  const spec = hookedQueue(bed.queue('legacy'), {
    open: async (real) => {
      await open.promise
      return real()
    },
  })
  const a = await start(bed, { queues: { legacy: spec } })
  const working = a.cutover.work('mail', 'legacy', a.handler)
  const closing = a.cutover.close({ timeout: '1s' })
  open.resolve()
  await expect(working).rejects.toMatchObject({ code: 'closed' })
  await closing
})

it('a close does not wait for a backend that the sweeper asks in vain', async () => {
  const bed = embeddedBed()
  const asked = Promise.withResolvers<void>()
  const spec = hookedQueue(bed.queue('legacy'), {
    find: () => {
      asked.resolve()
      return new Promise(() => {})
    },
  })
  const short = { attempts: 1, timeout: '50ms', waitAllowance: '0s' } as const
  const a = await start(bed, { queues: { legacy: spec }, migration: short, open: { sweepEvery: '100ms' } })
  await a.cutover.enqueueMany('mail', [{ payload: { n: 1 } }, { payload: { n: 2 } }])
  await asked.promise
  const began = performance.now()
  await a.cutover.close({ timeout: '500ms' })
  expect(performance.now() - began).toBeLessThan(4000)
})

it('claims that wait for another run give up at once when the worker stops; the job is not touched', async () => {
  const bed = embeddedBed()
  const claimed = Promise.withResolvers<void>()
  const hooks: Hooks = {
    claim: (_real, ...[requests]: unknown[]) => {
      claimed.resolve()
      const busy = { status: 'busy', now: Date.now(), leaseUntil: Date.now() + 60_000 }
      return Promise.resolve((requests as unknown[]).map(() => busy))
    },
  }
  const a = await start(bed, { ledger: hookedLedger(bed.ledger, hooks) })
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  const worker = await a.cutover.work('mail', 'legacy', a.handler)
  await claimed.promise
  const began = performance.now()
  expect(await worker.stop({ timeout: '20s' })).toBe(true)
  expect(performance.now() - began).toBeLessThan(5000)
  expect(await a.ledger.row(id)).toMatchObject({ state: 'open', starts: 0, fails: 0 })
})

it('the time that an effect waits for a lost ledger is no time of the attempt', async () => {
  const bed = embeddedBed()
  let away = false
  const gone = async (real: (...args: never[]) => unknown, ...args: never[]): Promise<unknown> => {
    if (away) throw new CutoverError('ledger-unavailable', 'away')
    return await real(...args)
  }
  const hooks = Object.fromEntries(['control', 'beat', 'begin', 'extend', 'finish'].map((name) => [name, gone]))
  const a = await start(bed, {
    ledger: hookedLedger(bed.ledger, hooks),
    migration: { timeout: '300ms', attempts: 1, lease: '5s', retain: '60s' },
  })
  const inside = Promise.withResolvers<void>()
  await a.cutover.work('mail', 'legacy', async (mail, ctx) => {
    away = true
    inside.resolve()
    return await a.handler(mail, ctx)
  })
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  await inside.promise
  await new Promise((resolve) => setTimeout(resolve, 900)) // three time-outs long
  away = false
  await a.cutover.result('mail', id)
  expect(a.effects).toHaveLength(1)
  expect((await a.cutover.get('mail', id))?.attempts).toMatchObject({ failed: 0, started: 1 })
})

it("with shadow: 'off', too, a run whose job was taken by another begins no effect", async () => {
  const bed = embeddedBed()
  const off = { migration: { shadow: 'off', timeout: '20s', lease: '1s', retain: '60s' } } as const
  // the heartbeat of the first one stands still, as in a stalled process
  const stalled = hookedLedger(bed.ledger, { extend: () => new Promise(() => {}) })
  const a = await start(bed, { ...off, ledger: stalled })
  const free = Promise.withResolvers<void>()
  const inside = Promise.withResolvers<void>()
  let refused: unknown
  await a.cutover.work('mail', 'legacy', async (mail, ctx) => {
    inside.resolve()
    await free.promise
    try {
      return await a.handler(mail, ctx)
    } catch (error) {
      refused = error
      throw error
    }
  })
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  await inside.promise
  await until(async () => ((await a.ledger.row(id))?.leaseUntil ?? 0) < Date.now(), 'the lease is over')
  const claim = { id, side: 'legacy', gen: 0, token: 'other', leaseMs: 30_000, fenced: true } as const
  const absent = { route: 'legacy', epoch: 0, dueAt: 0, adopted: false } as const
  await a.ledger.claim([{ ...claim, effectsUnknown: true, maxAttempts: 3, maxStarts: 9, absent }])
  free.resolve()
  await until(async () => refused !== undefined, 'refused')
  expect(refused).toMatchObject({ code: 'effect-refused' })
  expect(a.effects).toEqual([])
})

it('two processes that start at once with new versions: both versions stand in the epoch', async () => {
  const bed = embeddedBed()
  const [one, two] = [await start(bed), await start(bed)]
  await Promise.all([
    one.cutover.work('mail', 'legacy', one.handler, { version: '2' }),
    two.cutover.work('mail', 'target', two.handler, { version: '2' }),
  ])
  const { epoch } = await one.ledger.control()
  expect(epoch.versions).toEqual({ legacy: '2', target: '2' })
})

it('a bulk of which one is refused names what was stored', async () => {
  const bed = embeddedBed()
  const spec = hookedQueue(bed.queue('legacy'), {
    enqueue: async (real, ...[jobs]: unknown[]) => {
      const all = jobs as { data: { n: number } }[]
      const answers = (await real(...([all.filter(({ data }) => data.n !== 3)] as never[]))) as unknown[]
      return all.map(({ data }) => (data.n === 3 ? { status: 'refused', cause: new Error('no') } : answers.shift()))
    },
  })
  const a = await start(bed, { queues: { legacy: spec } })
  const items = [1, 2, 3, 4].map((n) => ({ payload: { n }, id: `m${n}` }))
  await expect(a.cutover.enqueueMany('mail', items)).rejects.toMatchObject({
    code: 'enqueue-refused',
    details: { stored: ['m1', 'm2', 'm4'] },
  })
  expect(await a.cutover.get('mail', 'm3')).toBeUndefined()
})
