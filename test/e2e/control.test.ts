// Latch, ceiling, epochs, presence and explanations: what every process agrees on.

import { afterEach, expect, it } from 'vitest'
import { type App, type AppOptions, embeddedBed, openApp, until } from '../support/app.ts'

const apps: App[] = []
let bed: ReturnType<typeof embeddedBed> | undefined

async function start(options: AppOptions = {}): Promise<App> {
  bed ??= embeddedBed()
  const app = await openApp(bed, options)
  apps.push(app)
  return app
}

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
  await bed?.stop()
  bed = undefined
})

it('the latch: every producer obeys within a second, and the flag decides again when it is lifted', async () => {
  const all = { dials: { target: 1, shadow: 1 } }
  const [one, two] = [await start(all), await start(all)]
  for (const app of [one, two]) expect((await app.cutover.enqueue('mail', { n: 1 })).route).toBe('target-shadowed')
  const set = performance.now()
  await one.cutover.rollback('mail', { why: 'slow', by: 'ann' })
  const seen = await Promise.all(
    [one, two].map((app) =>
      until(
        async () => {
          const { route, reason } = await app.cutover.enqueue('mail', { n: 2 })
          return reason === 'latch' && route
        },
        'latched',
        3000,
      ),
    ),
  )
  expect(performance.now() - set).toBeLessThan(1000)
  expect(seen).toEqual(['legacy', 'legacy'])
  expect(two.events).toContainEqual({ type: 'latch-set', migration: 'mail', by: 'ann', why: 'slow' })
  expect(await two.cutover.explain('mail', 'k')).toMatchObject({
    route: 'legacy',
    reason: 'latch',
    latch: { set: true },
  })
  await two.cutover.unlatch('mail')
  await until(async () => (await one.cutover.enqueue('mail', { n: 3 })).reason === 'flag', 'lifted')
  expect((await one.ledger.history()).map(({ action }) => action)).toEqual(expect.arrayContaining(['latch', 'unlatch']))
})

it('a ceiling holds back what the flag would send to target, and keeps the shadow', async () => {
  const app = await start({ dials: { target: 1, shadow: 1 } })
  await app.ledger.setCeiling({ ceiling: 0, by: 'test' })
  expect(await app.cutover.enqueue('mail', { n: 1 })).toMatchObject({ route: 'legacy-shadowed', reason: 'ceiling' })
})

it('a new epoch opens with new dials, a new control share and a new handler version, once each', async () => {
  const app = await start({ dials: { target: 0, shadow: 0 } })
  const epoch = async (): Promise<number> => (await app.ledger.control()).epoch.epoch
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  const first = await epoch()
  expect(first).toBeGreaterThan(0)
  expect((await app.cutover.get('mail', id))?.epoch).toBe(first)
  app.flags.set({ target: 0, shadow: 1 })
  const second = await app.cutover.enqueue('mail', { n: 2 })
  expect((await app.cutover.get('mail', second.id))?.epoch).toBe(first + 1)
  await app.ledger.setControlShare({ share: 0.5, by: 'test' })
  await until(async () => (await epoch()) === first + 2, 'an epoch of the new share')
  const third = await until(async () => {
    const sent = await app.cutover.enqueue('mail', { n: 3 })
    const job = await app.cutover.get('mail', sent.id)
    return job?.epoch === first + 2 && job
  }, 'stamped with it')
  expect(third.epoch).toBe(first + 2)
  const worker = await app.cutover.work('mail', 'legacy', app.handler, { version: '1' })
  const fourth = await epoch()
  await worker.stop()
  await app.cutover.work('mail', 'legacy', app.handler, { version: '1' })
  expect(await epoch()).toBe(fourth)
  await app.cutover.work('mail', 'target', app.handler, { version: '2' })
  expect((await app.ledger.control()).epoch).toMatchObject({
    epoch: fourth + 1,
    versions: { legacy: '1', target: '2' },
  })
})

it('two processes that see new dials open one epoch', async () => {
  const [one, two] = [await start(), await start()]
  for (const app of [one, two]) await app.cutover.enqueue('mail', { n: 1 })
  const { epoch } = (await one.ledger.control()).epoch
  for (const app of [one, two]) app.flags.set({ target: 1, shadow: 0 })
  const sent = await Promise.all([one, two].map((app) => app.cutover.enqueue('mail', { n: 2 })))
  expect((await one.ledger.control()).epoch.epoch).toBe(epoch + 1)
  for (const { id } of sent) expect((await one.cutover.get('mail', id))?.epoch).toBe(epoch + 1)
})

it('presence: who works on what, and gone at close', async () => {
  const app = await start()
  await app.both()
  await app.cutover.enqueue('mail', { n: 1 })
  const [alive] = await app.ledger.presence()
  expect(alive).toMatchObject({ works: { legacy: '1', target: '1' }, produces: true, gone: false, pid: process.pid })
  expect([...(alive?.shadows ?? [])].sort()).toEqual(['legacy', 'target'])
  await app.cutover.close()
  expect(await app.ledger.presence()).toMatchObject([{ gone: true, works: {} }])
})

it('explains a key, answers wrong names by name, and refuses what a side lacks', async () => {
  const app = await start({ dials: { target: 0.5, shadow: 0 } })
  const told = await app.cutover.explain('mail', 'box-1')
  expect(told).toMatchObject({
    reason: 'flag',
    ceiling: 1,
    flag: { name: 'mail', health: 'ok', reading: 'target 0.5, shadow 0' },
  })
  expect(told.position).toBeGreaterThan(0)
  await expect(app.cutover.enqueue('post' as 'mail', { n: 1 })).rejects.toMatchObject({ code: 'migration-unknown' })
  expect(() => app.cutover.wrap('mail', 'left' as 'legacy', app.handler)).toThrow(/there is no side "left"/)
  await expect(app.cutover.work('mail', 'legacy', 5 as never)).rejects.toMatchObject({ code: 'option-invalid' })
  await expect(app.cutover.work('mail', 'legacy', app.handler, { concurrency: 0 })).rejects.toThrow(/concurrency is 0/)
  await expect(app.cutover.result('mail', 'nobody')).rejects.toMatchObject({ code: 'job-unknown' })
  expect(await app.cutover.get('mail', 'nobody')).toBeUndefined()
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  await expect(app.cutover.result('mail', id, { timeout: '30ms' })).rejects.toMatchObject({ code: 'result-timeout' })
})

it('a bulk in which several are refused leaves no rejection unheard and stores nothing', async () => {
  const payload = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value: { n: number }) => (value.n > 0 ? { value } : { issues: [{ message: 'too small' }] }),
    },
  }
  const app = await start({ migration: { payload } })
  const items = [{ payload: { n: 0 } }, { payload: { n: 1 } }, { payload: { n: 1n as unknown as number } }]
  await expect(app.cutover.enqueueMany('mail', items)).rejects.toMatchObject({ code: 'payload-not-json' })
  await expect(app.cutover.enqueueMany('mail', items.slice(0, 2))).rejects.toMatchObject({ code: 'payload-invalid' })
  expect((await app.numbers()).of('dispatched.legacy')).toBe(0)
})

it('keys stick to their route, and an empty key is a doubt', async () => {
  const app = await start({
    dials: { target: 0.5, shadow: 0 },
    migration: { key: (mail: { box?: string }) => mail.box },
  })
  const routes = async (): Promise<string[]> =>
    (
      await app.cutover.enqueueMany(
        'mail',
        Array.from({ length: 40 }, (_, n) => ({ payload: { n, box: `box-${n}` } })),
      )
    ).map(({ route }) => route)
  const first = await routes()
  expect(await routes()).toEqual(first)
  expect(new Set(first)).toEqual(new Set(['legacy', 'target']))
  expect(await app.cutover.enqueue('mail', { n: 1 })).toMatchObject({ route: 'legacy', reason: 'empty-key' })
  const numbers = await app.numbers()
  expect(numbers.excluded('unflagged.legacy')).toBe(1)
})
