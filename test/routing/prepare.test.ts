// What is refused at enqueue before anything is stored: options that either side lacks, whatever the route.

import { expect, it } from 'vitest'
import { resolveMigration } from '../../src/config/resolve.ts'
import { type CutoverConfig, type } from '../../src/config/types.ts'
import type { Capabilities } from '../../src/ports/queue.ts'
import { type EnqueueOptions, type Prepared, prepare } from '../../src/routing/prepare.ts'

function prepared(
  options: EnqueueOptions | undefined,
  over: { legacy?: Partial<Capabilities>; target?: Partial<Capabilities>; migration?: object; payload?: unknown } = {},
): Prepared {
  const all = { backoff: true, delay: true, priority: true, maxPayloadBytes: 1000 }
  const queue = (kind: string, more = {}): object => ({ kind, capabilities: { ...all, ...more }, create: () => ({}) })
  const migrations = {
    mail: {
      payload: type<unknown>(),
      legacy: queue('bee-queue', over.legacy),
      target: queue('bullmq', over.target),
      ...over.migration,
    },
  }
  const config = { ledger: { create() {} }, flags: { create() {} }, migrations } as unknown as CutoverConfig
  return prepare(resolveMigration(config, 'mail'), over.payload ?? { a: 1 }, options) as Prepared
}

it('nothing said: a new id, at once, the migration’s attempts, the key is the id', () => {
  const job = prepared(undefined, { migration: { attempts: 3 } })
  expect(job).toMatchObject({ fresh: true, delayMs: 0, attempts: 3, key: undefined, priority: undefined })
  expect(prepared({ id: 'x' })).toMatchObject({ id: 'x', fresh: false })
})

it.each([
  ['legacy', 'delay', { delay: '1s' }],
  ['target', 'delay', { delay: '1s' }],
  ['legacy', 'priority', { priority: 0 }],
  ['target', 'priority', { priority: 7 }],
] as const)('the %s queue has no %s: refused by name', (side, name, options) => {
  const kind = side === 'legacy' ? 'bee-queue' : 'bullmq'
  expect(() => prepared(options, { [side]: { [name]: false } })).toThrow(
    expect.objectContaining({
      code: 'capability-missing',
      message: expect.stringContaining(`the ${side} queue (${kind}) has no "${name}"`),
      details: { migration: 'mail', side, adapter: kind, capability: name },
    }),
  )
})

it('a delay of 0 needs nothing', () => expect(prepared({ delay: 0 }, { legacy: { delay: false } }).delayMs).toBe(0))

it.each([
  [{ prio: 1 }, 'option-invalid', 'no option "prio"'],
  [{ priority: -1 }, 'option-invalid', 'priority is -1'],
  [{ priority: 2 ** 21 }, 'option-invalid', 'priority is 2097152'],
  [{ delay: 'later' }, 'option-invalid', 'mail: delay'],
  [{ attempts: 0 }, 'option-invalid', 'attempts is 0'],
  [{ attempts: 50 }, 'deadline-too-short', '50 attempts take up to'],
  [{ id: '' }, 'id-invalid', 'is empty'],
])('%o: %s', (options, code, message) => {
  expect(() => prepared(options as EnqueueOptions)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  )
})

it('the smaller of the two queues bounds the payload', () => {
  expect(() => prepared(undefined, { target: { maxPayloadBytes: 5 } })).toThrow(/the smaller of the two queues takes 5/)
})

it('a key that is no text is a bug of the key function; none is a doubt', () => {
  const key = (made: unknown): object => ({ migration: { key: () => made } })
  expect(prepared(undefined, key('box')).key).toBe('box')
  expect(prepared(undefined, key(undefined)).key).toBe('')
  expect(() => prepared(undefined, key(5))).toThrow(/the key function gave a number/)
})
