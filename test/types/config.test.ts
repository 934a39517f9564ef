// The types that flow from the configuration to `enqueue`, `work` and `ctx`. The compiler is the test (`npm run types`,
// part of `npm run check`): each `@ts-expect-error` fails the build when the line below it is accepted.

import * as v from 'valibot'
import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { type BeeJob, beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { defineConfig, type Enqueued, type } from '../../src/index.ts'

interface Parsed {
  readonly id: string
  readonly score: number
}

const config = defineConfig({
  ledger: sqliteLedger(),
  flags: fileFlags(),
  migrations: {
    'parse-email': {
      payload: z.object({ mailbox: z.string(), receivedAt: z.coerce.date<string>() }),
      result: type<Parsed>(),
      effects: type<{ store: { id: string }; reply: { to: string } }>(),
      legacy: beeQueue({ queue: 'email' }),
      target: bullmq({ queue: 'email', job: 'parse' }),
      key: (email) => {
        expectTypeOf(email.receivedAt).toEqualTypeOf<Date>()
        return email.mailbox
      },
      compare: {
        ignoreWhen: (legacy, target) => legacy.ok && target.ok && legacy.result.score === target.result.score,
        normalise: (result) => result.id,
      },
      shadow: 'effects-declared',
    },
    plain: {
      payload: v.object({ n: v.number() }),
      legacy: embeddedQueue({ queue: 'a' }),
      target: embeddedQueue({ queue: 'b' }),
    },
    named: { payload: type<string>(), legacy: embeddedQueue({ queue: 'c' }), target: embeddedQueue({ queue: 'd' }) },
  },
})

/** Never called: only its types matter. */
async function positive(cutover: typeof opened): Promise<void> {
  const sent: Enqueued = await cutover.enqueue(
    'parse-email',
    { mailbox: 'a', receivedAt: '2026-01-01' },
    { delay: '10m' },
  )
  await cutover.enqueue('plain', { n: 1 })
  await cutover.enqueue('named', 'text')
  await cutover.schedule('plain', '@daily', { n: 1 }, { as: 'nightly', catchUp: '1h' })
  await cutover.work('parse-email', 'legacy', async (email, ctx) => {
    expectTypeOf(email).toEqualTypeOf<{ mailbox: string; receivedAt: Date }>()
    expectTypeOf(ctx.native).toEqualTypeOf<BeeJob>()
    const stored = await ctx.effect('store', { id: 'x' }, ({ idempotencyKey }) => idempotencyKey.length)
    expectTypeOf(stored).toEqualTypeOf<number | undefined>()
    const replied = await ctx.effect(
      'reply',
      { to: 'x' },
      async () => 'sent' as const,
      () => 'shadow' as const,
    )
    expectTypeOf(replied).toEqualTypeOf<'sent' | 'shadow'>()
    return { id: email.mailbox, score: 1 }
  })
  const result = await cutover.result('parse-email', sent.id)
  expectTypeOf(result).toEqualTypeOf<Parsed>()
}

declare const opened: Awaited<ReturnType<typeof openIt>>
async function openIt() {
  const { openCutover } = await import('../../src/index.ts')
  return await openCutover(config)
}

/** Never called: each line below a directive must be refused by the compiler. */
async function negative(): Promise<void> {
  const cutover = opened
  // @ts-expect-error there is no such migration
  await cutover.enqueue('parse-mail', { mailbox: 'a', receivedAt: '2026-01-01' })
  // @ts-expect-error the schema's input is a text, not a date
  await cutover.enqueue('parse-email', { mailbox: 'a', receivedAt: new Date() })
  // @ts-expect-error a field is missing
  await cutover.enqueue('parse-email', { mailbox: 'a' })
  // @ts-expect-error n is a number
  await cutover.enqueue('plain', { n: '1' })
  // @ts-expect-error no such option
  await cutover.enqueue('plain', { n: 1 }, { retries: 3 })
  // @ts-expect-error a schedule's payload is the migration's
  await cutover.schedule('plain', '@daily', { n: '1' })
  // @ts-expect-error zones are named `timezone`
  await cutover.schedule('plain', '@daily', { n: 1 }, { tz: 'UTC' })
  // @ts-expect-error a force needs a reason
  await cutover.force('plain', 'id', { to: 'target' })
  // @ts-expect-error there is no such list
  await cutover.jobs('plain', { state: 'running' })
  // @ts-expect-error no such side
  await cutover.work('plain', 'new', async () => 1)
  // @ts-expect-error the result lacks a field
  await cutover.work('parse-email', 'legacy', async () => ({ id: 'x' }))
  await cutover.work('parse-email', 'target', async (email, ctx) => {
    // @ts-expect-error no such effect
    await ctx.effect('send', { to: 'x' }, () => 1)
    // @ts-expect-error another effect's record
    await ctx.effect('store', { to: 'x' }, () => 1)
    // @ts-expect-error undefined in a shadow, as there is no inShadow
    const stored: number = await ctx.effect('store', { id: 'x' }, () => 1)
    // @ts-expect-error the target's native job is BullMQ's, not bee-queue's
    const bee: BeeJob = ctx.native
    return { id: email.mailbox, score: stored + Object.keys(bee).length }
  })
}

describe('types from the configuration', () => {
  test('importing a configuration opens nothing and keeps its migrations', () => {
    expectTypeOf(config.migrations).toHaveProperty('parse-email')
    expectTypeOf(positive).returns.resolves.toBeVoid()
    expectTypeOf(negative).returns.resolves.toBeVoid()
  })
})
