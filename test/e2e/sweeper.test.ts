// What nobody would bring to an end by himself: each is found, counted once, and the sum law holds throughout.

import { afterEach, expect, it } from 'vitest'
import { CutoverError } from '../../src/vocabulary/errors.ts'
import { backendIdOf } from '../../src/vocabulary/ids.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type AppOptions, embeddedBed, expectSumLaw, openApp, until } from '../support/app.ts'
import { hookedLedger, hookedQueue } from '../support/hooks.ts'

let app: App | undefined
let bed: ReturnType<typeof embeddedBed> | undefined

/** One attempt of 100 ms: overdue 300 ms after it was due. */
const SHORT = { attempts: 1, timeout: '100ms', waitAllowance: '200ms' } as const

async function start(options: AppOptions = {}): Promise<App> {
  bed = embeddedBed()
  app = await openApp(bed, { ...options, migration: { ...SHORT, ...options.migration } })
  return app
}

afterEach(async () => {
  await app?.close()
  await bed?.stop()
  app = undefined
})

const pastDeadline = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 550))

it('a shadow that never came: orphaned; when it comes at last: late, once', async () => {
  const a = await start({ dials: { target: 0, shadow: 1 } })
  await a.cutover.work('mail', 'legacy', a.handler)
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  await a.cutover.result('mail', id)
  await a.cutover.sweep('mail')
  expect((await a.cutover.get('mail', id))?.comparison).toBe('open')
  await pastDeadline()
  await a.cutover.sweep('mail')
  expect((await a.cutover.get('mail', id))?.comparison).toBe('orphaned')
  expect((await a.numbers()).of('pair.orphaned.target')).toBe(1)
  await a.cutover.workShadows('mail', 'target', a.handler)
  await until(async () => (await a.numbers()).of('late-outcome.shadow') === 1, 'late')
  expectSumLaw(await a.numbers())
})

it('a pair whose comparison was cut off is compared', async () => {
  const a = await start({ dials: { target: 0, shadow: 1 } })
  const outcome = { ok: true, effects: [], waitMs: 0, runMs: 0, attempts: 1, version: '1', value: { n: 1 } }
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  const end = { id, gen: 0, token: 't', outcome, fatal: false, effectFailed: false, runBucket: 0, waitBucket: 0 }
  await a.ledger.finish([
    { ...end, side: 'legacy', arm: 'primary' },
    { ...end, side: 'target', arm: 'shadow' },
  ])
  expect((await a.cutover.get('mail', id))?.comparison).toBe('open')
  await a.cutover.sweep('mail')
  expect((await a.cutover.get('mail', id))?.comparison).toBe('matched')
  expectSumLaw(await a.numbers())
})

it('an overdue job that its backend still has is overdue; one that it has not is lost, said, and found again', async () => {
  const a = await start()
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  const queue = await a.queue('legacy')
  const backendId = backendIdOf(id, 0, 'primary')
  await pastDeadline()
  await a.cutover.sweep('mail')
  expect((await a.numbers()).snapshot.gauges).toMatchObject({ overdue: 1, lost: { legacy: 0 } })
  const [copy] = (await queue.list({ place: 'waiting', limit: 1 })).jobs
  expect(await queue.remove([backendId])).toEqual([true])
  await a.cutover.sweep('mail')
  expect((await a.cutover.get('mail', id))?.state).toBe('lost')
  expect(a.events).toContainEqual({ type: 'job-lost', migration: 'mail', id, side: 'legacy' })
  await queue.enqueue([{ backendId, data: copy?.data, delayMs: 0, attempts: 1 }])
  await a.cutover.sweep('mail')
  expect((await a.cutover.get('mail', id))?.state).toBe('waiting')
  await a.cutover.work('mail', 'legacy', a.handler)
  expect(await a.cutover.result('mail', id)).toEqual({ n: 1 })
  expect((await a.numbers()).snapshot.gauges).toMatchObject({ overdue: 0, lost: { legacy: 0 } })
})

it('a job that the backend gave up is closed with the backend’s reason', async () => {
  const a = await start()
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  const queue = await a.queue('legacy')
  const consumer = await queue.consume(
    async () => ({ kind: 'fail', error: new Error('stalled more than allowable limit'), retry: false }),
    { concurrency: 1, onError: () => {} },
  )
  await until(async () => (await queue.counts()).failed === 1, 'failed by the backend')
  await consumer.stop({ timeoutMs: 500 })
  await pastDeadline()
  await a.cutover.sweep('mail')
  await expect(a.cutover.result('mail', id)).rejects.toMatchObject({
    code: 'backend-failed',
    message: expect.stringContaining('stalled'),
  })
  expect((await a.numbers()).of('backend-failed.legacy')).toBe(1)
})

it('a pin whose producer died before its queue had the job is taken back as refused, also one that others met', async () => {
  const a = await start()
  const beat = {
    pid: 1,
    host: 'h',
    startedAt: 0,
    works: {},
    shadows: [],
    produces: true,
    flagRevision: '',
    flagHealth: 'ok',
    latchRevision: 0,
    skewMs: 0,
  }
  const { now } = await a.ledger.control()
  await a.ledger.leave({ ...beat, instance: 'dead', inFlight: 1, confirmedBefore: now - 1000 })
  const pin = {
    fresh: false,
    route: 'legacy',
    reason: 'flag',
    epoch: 1,
    delayMs: 0,
    maxAttempts: 1,
    group: 0,
    control: false,
    producer: 'dead',
  } as const
  await a.ledger.pin(['never', 'met', 'met'].map((id) => ({ ...pin, id })))
  await pastDeadline()
  await a.cutover.sweep('mail')
  expect(await a.cutover.get('mail', 'never')).toBeUndefined()
  expect(await a.cutover.get('mail', 'met')).toBeUndefined()
  expect((await a.numbers()).of('refused.legacy')).toBe(2)
})

it('a parked copy that was only deferred comes back and runs', async () => {
  const a = await start()
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  const queue = await a.queue('legacy')
  const consumer = await queue.consume(async () => ({ kind: 'park', reason: 'deferred' }), {
    concurrency: 1,
    onError: () => {},
  })
  await until(async () => (await queue.counts()).parked === 1, 'parked')
  await consumer.stop({ timeoutMs: 500 })
  await a.cutover.work('mail', 'legacy', a.handler)
  await a.cutover.sweep('mail')
  expect(await a.cutover.result('mail', id)).toEqual({ n: 1 })
})

it('shadows above the backlog are shed, counted and said; primaries go on', async () => {
  const a = await start({ dials: { target: 0, shadow: 1 }, migration: { shadowBacklog: 5, waitAllowance: '10s' } })
  await a.cutover.work('mail', 'legacy', a.handler, { concurrency: 20 })
  await a.cutover.enqueueMany(
    'mail',
    Array.from({ length: 40 }, (_, n) => ({ payload: { n } })),
  )
  const numbers = await until(async () => {
    const now = await a.numbers()
    return now.of('shadow.shed.target') === 35 && now.of('ok.legacy') === 40 && now
  }, '35 shed')
  expectSumLaw(numbers)
  const shed = a.events.flatMap((event) => (event.type === 'shadow-shed' ? [event.count] : []))
  expect(shed.reduce((sum, count) => sum + count, 0)).toBe(35)
  await a.cutover.workShadows('mail', 'target', a.handler)
  await until(async () => (await a.numbers()).of('pair.matched') === 5, 'the rest is compared')
  expectSumLaw(await a.numbers())
})

it('one side that cannot be asked keeps nothing else from being swept', async () => {
  const a = await start({ dials: { target: 0, shadow: 1 } })
  await a.cutover.work('mail', 'legacy', a.handler)
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  await a.cutover.result('mail', id)
  await a.ledger.pin(
    ['a', 'b'].map((name) => ({
      ...{ id: name, fresh: true, route: 'target', reason: 'flag', epoch: 1, delayMs: 0, maxAttempts: 1 },
      ...{ group: 0, control: false, producer: 'gone' },
    })) as never,
  )
  await pastDeadline()
  const [target] = await Promise.all([a.queue('target')])
  const broken = target.constructor.prototype as { find: unknown }
  const find = broken.find
  broken.find = () => Promise.reject(new Error('no connection'))
  try {
    await a.cutover.sweep('mail')
  } finally {
    broken.find = find
  }
  expect((await a.cutover.get('mail', id))?.comparison).toBe('orphaned')
  expect(a.events.filter(({ type }) => type === 'sweep-error')).toHaveLength(1)
})

it('the sweeper runs by itself, in one process at a time', async () => {
  const a = await start({ dials: { target: 0, shadow: 1 }, open: { sweepEvery: '50ms' } })
  await a.cutover.work('mail', 'legacy', a.handler)
  const { id } = await a.cutover.enqueue('mail', { n: 1 })
  await until(async () => (await a.cutover.get('mail', id))?.comparison === 'orphaned', 'orphaned without being asked')
  const held = await a.ledger.acquireLease('sweeper', 'somebody else', 1000)
  expect(held.held).toBe(false)
})

it('a job that ended while its page was read is not said to be lost', async () => {
  const place = embeddedBed()
  const ledger = hookedLedger(place.ledger, { markLost: async () => false })
  bed = place
  app = await openApp(place, { migration: SHORT, ledger })
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  const queue = await app.queue('legacy')
  expect(await queue.remove([backendIdOf(id, 0, 'primary')])).toEqual([true])
  await pastDeadline()
  await app.cutover.sweep('mail')
  expect(app.events.filter(({ type }) => type === 'job-lost')).toEqual([])
})

it('each look notes what is not finished, and for how long the oldest has waited: the report tells the mean', async () => {
  const a = await start()
  await a.cutover.sweep('mail')
  for (const n of [1, 2, 3]) await a.cutover.enqueue('mail', { n })
  await a.cutover.enqueue('mail', { n: 4 }, { delay: '1h' })
  await a.cutover.sweep('mail')
  const [report] = (await a.cutover.report('mail')).migrations
  const looked = report?.timeline.filter(({ sides }) => sides.legacy.backlog !== null) ?? []
  // both looks in one bucket of due time: their mean; each in its own: what it saw
  const most = Math.max(...looked.map(({ sides }) => sides.legacy.backlog ?? 0))
  expect(looked.length === 1 ? most * 2 : most).toBe(4)
  expect(Math.max(...looked.map(({ sides }) => sides.target.backlog ?? 0))).toBe(0)
  const oldest = Math.max(...looked.map(({ sides }) => sides.legacy.oldestMs ?? 0))
  expect(oldest).toBeLessThan(60_000)
  expect(oldest).toBeGreaterThanOrEqual(0)
  expect(report?.contradictions).toEqual([])
})

it('a pin that its producer gave up and could not take back before it was gone: taken back, and not lost', async () => {
  bed = embeddedBed()
  const { ledger, queue } = bed
  const unpin = async (): Promise<never> => {
    throw new CutoverError('ledger-unavailable', 'not now')
  }
  const enqueue = async (_real: unknown, jobs: readonly unknown[]) =>
    jobs.map(() => ({ status: 'refused', cause: new Error('full') }))
  const refusing = { ...bed, queue: (side: Side) => hookedQueue(queue(side), { enqueue: enqueue as never }) }
  const producer = await openApp(refusing, { migration: SHORT, ledger: hookedLedger(ledger, { unpin }) })
  await expect(producer.cutover.enqueue('mail', { n: 1 })).rejects.toMatchObject({ code: 'enqueue-refused' })
  await producer.cutover.close({ timeout: '100ms' })
  app = await openApp(bed, { migration: SHORT })
  await pastDeadline()
  await app.cutover.sweep('mail')
  const numbers = await app.numbers()
  expect([numbers.of('dispatched.legacy'), numbers.of('refused.legacy')]).toEqual([1, 1])
  expect(numbers.snapshot.gauges).toMatchObject({ lost: { legacy: 0 } })
  expectSumLaw(numbers)
})
