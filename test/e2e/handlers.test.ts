// What bad handlers, bad envelopes and repeated deliveries come to: each a documented end, nothing lost, nothing twice.

import { afterEach, expect, it } from 'vitest'
import { embeddedWorker } from '../../adapters/queues/embedded/index.ts'
import { backendIdOf } from '../../src/vocabulary/ids.ts'
import { type App, type AppOptions, embeddedBed, expectSumLaw, openApp, until } from '../support/app.ts'

const open: { app?: App; bed?: ReturnType<typeof embeddedBed> } = {}

async function start(options: AppOptions = {}): Promise<App> {
  open.bed = embeddedBed()
  open.app = await openApp(open.bed, options)
  return open.app
}

afterEach(async () => {
  await open.app?.close()
  await open.bed?.stop()
  delete open.app
  delete open.bed
})

const once = { migration: { attempts: 1 } }

it.each([
  ['a text', 'oops', { message: expect.stringContaining('oops') }],
  ['null', null, { message: expect.any(String) }],
  ['an object', { code: 'E_X' }, { message: expect.any(String) }],
])('%s is thrown: the job fails with an error', async (_what, thrown, shape) => {
  const app = await start(once)
  await app.both(async () => {
    throw thrown
  })
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  await expect(app.cutover.result('mail', id)).rejects.toMatchObject(shape)
  expect(await app.cutover.get('mail', id)).toMatchObject({ state: 'failed', attempts: { started: 1 } })
})

it('a result that is no JSON or goes round: the job is done, the result is what can be kept of it', async () => {
  const app = await start(once)
  const round: { self?: unknown; n: number } = { n: 1 }
  round.self = round
  const results: unknown[] = [new Map([['a', 1n]]), undefined, round, () => 1]
  await app.both(async (mail) => results[mail.n])
  const sent = await app.cutover.enqueueMany(
    'mail',
    results.map((_, n) => ({ payload: { n } })),
  )
  expect(await app.cutover.result('mail', sent[0]?.id ?? '')).toEqual(new Map([['a', 1n]]))
  expect(await app.cutover.result('mail', sent[1]?.id ?? '')).toBeUndefined()
  for (const { id } of sent) {
    await until(async () => (await app.cutover.get('mail', id))?.finishedAt, 'an end')
    expect((await app.cutover.get('mail', id))?.state).toBe('done')
  }
})

it('a huge result is done, compared by digest and refused by name when it is asked for', async () => {
  const app = await start({ dials: { target: 0, shadow: 1 } })
  await app.both(async (mail) => ({ text: 'x'.repeat(2_000_000) + (mail.n === 2 ? Math.random() : '') }))
  const same = await app.cutover.enqueue('mail', { n: 1 })
  const other = await app.cutover.enqueue('mail', { n: 2 })
  await expect(app.cutover.result('mail', same.id)).rejects.toMatchObject({ code: 'result-too-large' })
  await until(async () => (await app.numbers()).snapshot.gauges.pairsOpen === 0, 'compared')
  expect((await app.cutover.get('mail', same.id))?.comparison).toBe('matched')
  expect((await app.cutover.get('mail', other.id))?.comparison).toBe('mismatched')
})

it('a handler that ignores its signal is failed at its time-out, retried, and may begin no effect any more', async () => {
  const app = await start({ migration: { attempts: 2, timeout: '100ms' } })
  const refused: unknown[] = []
  await app.both(async (mail, ctx) => {
    if (ctx.attempt === 2) return app.handler(mail, ctx)
    await new Promise((resolve) => setTimeout(resolve, 250))
    await ctx.effect('store', 1, () => app.effects.push('late')).catch((error: unknown) => refused.push(error))
    return 'too late'
  })
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  expect(await app.cutover.result('mail', id)).toEqual({ n: 1 })
  await until(() => refused.length > 0, 'the first run ends unheard')
  expect(refused).toEqual([expect.objectContaining({ code: 'effect-refused' })])
  expect(app.effects).toEqual([`mail:${id}:store:1`])
})

it('an effect that nobody waits for does not begin after the run has ended', async () => {
  const app = await start(once)
  let refused: unknown
  await app.both(async (_mail, ctx) => {
    await ctx.effect('store', 1, () => app.effects.push('first'))
    setTimeout(
      () => ctx.effect('store', 2, () => app.effects.push('second')).catch((error: unknown) => (refused = error)),
      50,
    )
    return 1
  })
  await app.cutover.enqueue('mail', { n: 1 })
  await until(() => refused, 'refused')
  expect(refused).toMatchObject({ code: 'effect-refused' })
  expect(app.effects).toEqual(['first'])
})

it('an event loop that is blocked past the lease: another worker takes the job, the blocked one begins no effect', async () => {
  const app = await start({ migration: { attempts: 1, timeout: '5s' } })
  const other = await openApp(open.bed as NonNullable<typeof open.bed>, { migration: { attempts: 1, timeout: '5s' } })
  try {
    let taken: Promise<unknown> | undefined
    await app.cutover.work('mail', 'legacy', async (mail, ctx) => {
      if (taken === undefined) {
        // what another process would do while this one's loop is blocked
        const row = await app.ledger.row(ctx.id)
        await app.ledger.extend([{ id: ctx.id, gen: 0, token: row?.token ?? '', leaseMs: 0 }])
        const claim = { id: ctx.id, side: 'legacy', gen: 0, token: 'theirs', leaseMs: 400, fenced: true } as const
        const absent = { route: 'legacy', epoch: 0, dueAt: 0, adopted: false } as const
        taken = app.ledger.claim([{ ...claim, effectsUnknown: false, maxAttempts: 1, maxStarts: 9, absent }])
        expect(await taken).toMatchObject([{ status: 'granted' }])
      }
      return app.handler(mail, ctx)
    })
    const { id } = await app.cutover.enqueue('mail', { n: 1 })
    expect(await app.cutover.result('mail', id)).toEqual({ n: 1 })
    expect(app.effects).toEqual([`mail:${id}:store:1`])
    expect(app.runs).toHaveLength(2)
  } finally {
    await other.close()
  }
})

it('a payload that fails its schema: refused at enqueue, and not retried in the worker', async () => {
  const payload = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: { n?: unknown }) =>
        typeof value.n === 'number' ? { value } : { issues: [{ message: 'expected a number', path: ['n'] }] },
    },
  }
  const app = await start({ migration: { payload } })
  await expect(app.cutover.enqueue('mail', { n: 'no' } as never)).rejects.toMatchObject({
    code: 'payload-invalid',
    message: expect.stringContaining('/n: expected a number'),
  })
  await app.both()
  const queue = await app.queue('legacy')
  await queue.enqueue([{ backendId: 'old', data: { n: 'bad' }, delayMs: 0, attempts: 3 }])
  await until(async () => (await app.numbers()).of('failed.legacy') === 1, 'failed once')
  expect((await app.numbers()).of('retried.legacy')).toBe(0)
  expect(app.runs).toEqual([])
})

it('a job that is delivered again after its end is acked without running', async () => {
  const app = await start()
  const running = await app.cutover.work('mail', 'legacy', app.handler)
  const { id } = await app.cutover.enqueue('mail', { n: 1 }, { id: 'mine' })
  await app.cutover.result('mail', id)
  await running.stop()
  const before = await app.numbers()
  const queue = await app.queue('legacy')
  await queue.enqueue([await stampedAs(app, 'mine', {})])
  await app.cutover.work('mail', 'legacy', app.handler)
  await until(async () => (await queue.find(backendIdOf('mine', 0, 'primary'))).place === 'absent', 'acked')
  expect(app.runs).toHaveLength(1)
  const after = await app.numbers()
  for (const measure of ['ok.legacy', 'dispatched.legacy', 'zombie.legacy'])
    expect(after.of(measure)).toBe(before.of(measure))
})

async function stampedAs(app: App, id: string, over: object): Promise<import('../../src/ports/queue.ts').OutgoingJob> {
  const { now } = await app.ledger.control()
  const stamp = { v: 1, id, route: 'legacy', arm: 'primary', epoch: 1, gen: 0, due: now, fenced: true, ...over }
  return { backendId: backendIdOf(id, 0, 'primary'), data: { n: 1, $cutover: stamp }, delayMs: 0, attempts: 3 }
}

it('a late fenced copy without a row is parked and said; a damaged stamp too; neither ever runs', async () => {
  const app = await start()
  await app.both()
  const queue = await app.queue('legacy')
  await queue.enqueue([await stampedAs(app, 'late', {}), await stampedAs(app, 'broken', { gen: -1 })])
  await until(async () => (await queue.counts()).parked === 2, 'parked')
  await app.cutover.sweep('mail')
  const { jobs: parked } = await queue.parked()
  expect(parked.map(({ reason }) => reason).sort()).toEqual(['damaged', 'late'])
  expect(app.events.filter(({ type }) => type === 'job-parked')).toHaveLength(2)
  expect(app.runs).toEqual([])
})

it('an envelope of a newer version waits for a worker that can read it', async () => {
  const app = await start()
  await app.both()
  const queue = await app.queue('legacy')
  await queue.enqueue([await stampedAs(app, 'newer', { v: 2 })])
  const backendId = backendIdOf('newer', 0, 'primary')
  await until(async () => (await queue.find(backendId)).place === 'delayed', 'deferred')
  expect(app.runs).toEqual([])
  expect((await queue.counts()).parked).toBe(0)
})

it('an older generation is acked without running, a newer one or the wrong side is deferred', async () => {
  const app = await start()
  await app.cutover.enqueue('mail', { n: 1 }, { id: 'row', delay: '1h' })
  await app.both()
  const queue = await app.queue('target')
  await queue.enqueue([{ ...(await stampedAs(app, 'row', {})), backendId: 'wrong-side' }])
  await until(async () => (await queue.find('wrong-side')).place === 'delayed', 'deferred')
  expect(app.runs).toEqual([])
})

it('a worker of the user’s own: wrap and workShadows beside it', async () => {
  const app = await start({ dials: { target: 0, shadow: 1 } })
  const bed = open.bed as NonNullable<typeof open.bed>
  const path = `${bed.folder}/queue.db`
  const failed: unknown[] = []
  const processor = app.cutover.wrap('mail', 'legacy', app.handler)
  const worker = await embeddedWorker(
    { path, queue: 'mail-legacy', leaseMs: 1000, pollMs: 20 },
    (job) => processor(job),
    {
      onError: (error) => failed.push(error),
    },
  )
  await app.cutover.workShadows('mail', 'target', app.handler)
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  expect(await app.cutover.result('mail', id)).toEqual({ n: 1 })
  await until(async () => (await app.cutover.get('mail', id))?.comparison === 'matched', 'compared')
  const alive = (await app.ledger.presence()).map(({ works, shadows }) => ({ works, shadows }))
  expect(alive).toEqual([{ works: { legacy: '1' }, shadows: ['target'] }])
  await worker.stop({ timeoutMs: 1000 })
  expect(failed).toEqual([])
  expectSumLaw(await app.numbers())
})

it('a slow job that is aborted by close spends no attempt and runs again elsewhere', async () => {
  const app = await start({ migration: { attempts: 1, timeout: '20s' } })
  let began = false
  const worker = await app.cutover.work('mail', 'legacy', async (_mail, ctx) => {
    began = true
    await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))
  })
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  await until(() => began, 'running')
  expect(await worker.stop({ timeout: 50 })).toBe(false)
  await app.cutover.work('mail', 'legacy', app.handler)
  expect(await app.cutover.result('mail', id, { timeout: '3s' })).toEqual({ n: 1 })
  expect(await app.cutover.get('mail', id)).toMatchObject({ state: 'done', attempts: { failed: 0, started: 1 } })
})

it('more attempts for one job than the migration has: all of them are made', async () => {
  const app = await start({ migration: { attempts: 1, maxStarts: 1, timeout: '50ms', deadline: '2s', backoff: '1ms' } })
  await app.both(async (_mail, ctx) => {
    if (ctx.attempt < 4) throw new Error('not yet')
    return ctx.attempt
  })
  const { id } = await app.cutover.enqueue('mail', { n: 1 }, { attempts: 4 })
  expect(await app.cutover.result('mail', id)).toBe(4)
})

it('close waits for an enqueue that is under way', async () => {
  const app = await start()
  await app.cutover.enqueue('mail', { n: 0 })
  const sent = Array.from({ length: 50 }, (_, n) => app.cutover.enqueue('mail', { n }))
  const many = app.cutover.enqueueMany(
    'mail',
    Array.from({ length: 600 }, (_, n) => ({ payload: { n } })),
  )
  await new Promise((resolve) => setImmediate(resolve))
  await app.cutover.close({ timeout: '5s' })
  expect(await Promise.all(sent)).toHaveLength(50)
  expect(await many).toHaveLength(600)
  const queue = await app.queue('legacy')
  expect((await queue.counts()).waiting).toBe(651)
  await expect(app.cutover.enqueue('mail', { n: 1 })).rejects.toMatchObject({ code: 'closed' })
})
