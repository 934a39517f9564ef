// Effects: performed in a primary only, in order, once the ledger has said so, under keys that no two effects share.

import { expect, it } from 'vitest'
import { runAttempt } from '../../src/execution/attempt.ts'
import { type Handler, type JobContext, RunContext, type RunOptions } from '../../src/execution/context.ts'
import { CutoverError } from '../../src/vocabulary/errors.ts'

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function context(over: Partial<RunOptions> = {}): RunContext {
  return new RunContext({
    ...{ migration: 'mail', id: 'a', arm: 'primary', side: 'legacy', attempt: 1, native: {}, log: SILENT },
    progress: async () => {},
    begin: async () => true,
    ...over,
  })
}

function attempt(handler: Handler, run = context(), timeoutMs = 1000): ReturnType<typeof runAttempt> {
  return runAttempt({ handler, run, payload: () => 'mail', timeoutMs, waitMs: 3, version: '1', migration: 'mail' })
}

it('keys: migration, id, name, ordinal of the name; no two effects share one', async () => {
  const keys: string[] = []
  const note = ({ idempotencyKey }: { idempotencyKey: string }): number => keys.push(idempotencyKey)
  const one = context()
  for (const name of ['store', 'reply', 'store']) await one.context.effect(name, 1, note)
  expect(keys).toEqual(['mail:a:store:1', 'mail:a:reply:1', 'mail:a:store:2'])
  await context({ id: 'a:b' }).context.effect('c', 1, note)
  await context({ id: 'a' }).context.effect('b:c', 1, note)
  expect(keys[3]).not.toBe(keys[4])
})

it.each<[string, (ctx: JobContext) => JobContext]>([
  ['as it is', (ctx) => ctx],
  ['a copy with more in it', (ctx) => ({ ...ctx, log: SILENT })],
  ['an object that stands on it', (ctx) => Object.create(ctx) as JobContext],
  ['a proxy of it', (ctx) => new Proxy(ctx, {})],
  ['an assigned copy', (ctx) => Object.assign({}, ctx)],
])('handlers may hand the context on: %s', async (_, made) => {
  const told: unknown[] = []
  const run = context({ progress: async (value) => void told.push(value) })
  const { id, arm, side, attempt, signal, mcp, progress, effect } = made(run.context)
  expect({ id, arm, side, attempt }).toEqual({ id: 'a', arm: 'primary', side: 'legacy', attempt: 1 })
  expect(await effect('store', 1, () => 'stored')).toBe('stored')
  await progress(0.5)
  expect(told).toEqual([0.5])
  expect(mcp).toBe(run.context.mcp)
  run.abort(new CutoverError('aborted', 'over'))
  expect(signal.aborted).toBe(true)
})

it('begins once, before the first effect, and records in order even what fails', async () => {
  let begun = 0
  const run = context({
    begin: async () => {
      begun += 1
      return true
    },
  })
  const ended = await attempt(async (_payload, ctx) => {
    expect(begun).toBe(0)
    expect(await ctx.effect('one', { a: 1 }, () => 'given')).toBe('given')
    await ctx.effect('two', 2, () => Promise.reject(new TypeError('disk')))
  }, run)
  expect(begun).toBe(1)
  expect(run.effectFailed).toBe(true)
  expect(ended).toMatchObject({
    fatal: false,
    outcome: { ok: false, error: { name: 'TypeError', message: 'disk' }, effects: [{ name: 'one' }, { name: 'two' }] },
  })
})

it.each(['shadow', 'control'] as const)('a %s performs nothing, asks nothing and gets what stands in', async (arm) => {
  const run = context({ arm, begin: () => expect.unreachable() })
  const never = (): never => expect.unreachable()
  expect(await run.context.effect('store', 1, never)).toBeUndefined()
  expect(await run.context.effect('store', 2, never, () => 'stand-in')).toBe('stand-in')
  expect(run.effects.map(({ recorded }) => recorded)).toEqual([1, 2])
  await run.context.progress(1)
})

it('refused by the ledger: nothing is performed, the run is aborted and says so', async () => {
  const run = context({ begin: async () => false })
  let performed = false
  const ended = await attempt(async (_payload, ctx) => {
    await ctx.effect('store', 1, () => {
      performed = true
    })
  }, run)
  expect([performed, run.refused, run.context.signal.aborted]).toEqual([false, true, true])
  expect((ended.error as CutoverError).code).toBe('effect-refused')
})

it('a run that is over while the ledger is asked: the effect is not performed, however it answers', async () => {
  const answer = Promise.withResolvers<boolean>()
  const asked = Promise.withResolvers<void>()
  const run = context({
    begin: () => {
      asked.resolve()
      return answer.promise
    },
  })
  let performed = false
  let refused: unknown
  const ending = attempt(async (_payload, ctx) => {
    await ctx
      .effect('store', 1, () => {
        performed = true
      })
      .catch((error: unknown) => {
        refused = error
      })
  }, run)
  await asked.promise
  run.abort(new CutoverError('aborted', 'the worker closes'))
  expect(await ending).toMatchObject({ fatal: false, outcome: { ok: false, error: { code: 'aborted' } } })
  answer.resolve(true)
  await expect.poll(() => refused).toMatchObject({ code: 'effect-refused' })
  expect(performed).toBe(false)
})

it('time inside effects is not the handler’s, overlapping effects count once', async () => {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const run = context()
  const { outcome } = await attempt(async (_payload, ctx) => {
    await Promise.all([ctx.effect('a', 1, () => pause(60)), ctx.effect('b', 1, () => pause(60))])
  }, run)
  expect(run.effectMs).toBeGreaterThan(50)
  expect(run.effectMs).toBeLessThan(110)
  expect(outcome.runMs).toBeLessThan(40)
})

it('time inside effects is also that of waiting to be allowed, and of what a shadow does in their place', async () => {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const allowed = context({
    begin: async () => {
      await pause(60)
      return true
    },
  })
  const primary = await attempt((_payload, ctx) => ctx.effect('a', 1, () => 1), allowed)
  expect(allowed.effectMs).toBeGreaterThan(50)
  expect(primary.outcome.runMs).toBeLessThan(40)
  const copy = context({ arm: 'shadow' })
  const shadow = await attempt(
    (_payload, ctx) =>
      ctx.effect(
        'a',
        1,
        () => 1,
        () => pause(60),
      ),
    copy,
  )
  expect(copy.effectMs).toBeGreaterThan(50)
  expect(shadow.outcome.runMs).toBeLessThan(40)
})

it('an effect that is still under way when the attempt ends counts up to then', async () => {
  const run = context()
  const ended = attempt((_payload, ctx) => ctx.effect('a', 1, () => new Promise<void>(() => {})), run)
  await new Promise((resolve) => setTimeout(resolve, 60))
  run.abort(new CutoverError('aborted', 'the worker closes'))
  expect((await ended).outcome.runMs).toBeLessThan(40)
})

it.each([
  ['text', { name: 'string', message: expect.stringContaining('text') }],
  [null, expect.anything()],
  [undefined, expect.anything()],
  [{ a: 1 }, expect.anything()],
])('thrown %o is an error', async (thrown, error) => {
  const ended = await attempt(() => {
    throw thrown
  })
  expect(ended.outcome.ok).toBe(false)
  expect(ended.outcome.error).toMatchObject(thrown === 'text' ? { message: expect.stringContaining('text') } : error)
  expect(typeof ended.outcome.error?.name).toBe('string')
})

it('a payload that fails to parse fails the attempt for good', async () => {
  const ended = await runAttempt({
    ...{
      handler: () => expect.unreachable(),
      run: context(),
      timeoutMs: 100,
      waitMs: 0,
      version: '1',
      migration: 'mail',
    },
    payload: () => Promise.reject(new CutoverError('payload-invalid', 'no')),
  })
  expect(ended).toMatchObject({ fatal: true, outcome: { ok: false, error: { code: 'payload-invalid' } } })
})

it('what is recorded is as it was when the run ended', async () => {
  const { outcome } = await attempt(async (_payload, ctx) => {
    await ctx.effect('one', 1, () => 1)
    setTimeout(() => ctx.effect('two', 2, () => 2).catch(() => {}), 1)
  })
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(outcome.effects.map(({ name }) => name)).toEqual(['one'])
})
