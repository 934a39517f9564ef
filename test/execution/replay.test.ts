// A finished job that is delivered again is acked without running, whatever is left of its result.

import { expect, it } from 'vitest'
import { encodeValue } from '../../src/comparison/encode.ts'
import { resolveMigration } from '../../src/config/resolve.ts'
import { Fence } from '../../src/execution/fence.ts'
import { Runner } from '../../src/execution/runner.ts'
import { type } from '../../src/index.ts'
import type { ClaimAnswer, MigrationLedger } from '../../src/ports/ledger.ts'
import type { Delivery, Disposition } from '../../src/ports/queue.ts'
import type { Outcome } from '../../src/vocabulary/outcome.ts'

const queue = { kind: 'none', capabilities: {}, create: () => ({}) } as never

function redelivered(outcome: Partial<Outcome>): Promise<Disposition> {
  const answer = { status: 'finished', class: outcome.ok === false ? 'failed' : 'ok', outcome } as ClaimAnswer
  const ledger = async () => ({ claim: async () => [answer] }) as unknown as MigrationLedger
  const fence = new Fence({ ledger, leaseMs: 3000, guard: (asked) => asked })
  const config = {
    ledger: queue,
    flags: queue,
    migrations: { mail: { payload: type(), legacy: queue, target: queue } },
  }
  const runner = new Runner({
    settings: resolveMigration(config, 'mail'),
    side: 'legacy',
    handler: () => expect.unreachable('a finished job ran again'),
    version: '1',
    fence,
    unrecorded: {} as never,
    compare: async () => {},
    parse: (payload) => payload,
    epoch: () => 1,
    now: () => 0,
    quiet: () => true,
    guard: (asked) => asked,
    probe: async () => {},
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: (_, message) => expect.unreachable(message) },
    emit: () => {},
  })
  const stamp = { v: 1, id: 'a', route: 'legacy', arm: 'primary', epoch: 1, gen: 0, due: 0, fenced: true }
  return runner.deliver({ backendId: 'c-a_0', data: { $cutover: stamp }, attempt: 1, attempts: 1 } as Delivery)
}

it('answers as it did', async () => {
  const value = encodeValue({ at: new Date(5) }).json
  expect(await redelivered({ ok: true, value })).toEqual({ kind: 'ack', result: { at: new Date(5) } })
  const failed = await redelivered({ ok: false, error: { name: 'TypeError', message: 'no' } })
  expect(failed).toMatchObject({ kind: 'fail', retry: false, error: { name: 'TypeError', message: 'no' } })
})

it('is acked too when its result was too large to be kept', async () => {
  const value = encodeValue({ text: 'x'.repeat(200_000) }).json
  expect(await redelivered({ ok: true, value })).toEqual({ kind: 'ack', result: undefined })
})
