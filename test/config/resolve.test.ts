// Everything wrong in a configuration is refused by its path, and everything left out has its documented default.

import { expect, it } from 'vitest'
import { resolveMigration, resolveNamespace } from '../../src/config/resolve.ts'
import { type CutoverConfig, type } from '../../src/config/types.ts'

const capabilities = { backoff: true }
const queue = { kind: 'some', capabilities, create: () => ({}) }
const spec = { create: () => ({}) }
const migration = { payload: type<unknown>(), legacy: queue, target: queue }

function config(over: object, top: object = {}): CutoverConfig {
  const migrations = { mail: { ...migration, ...over } }
  return { ledger: spec, flags: spec, migrations, ...top } as unknown as CutoverConfig
}

it('defaults', () => {
  expect(resolveNamespace(config({}))).toBe('default')
  expect(resolveMigration(config({}), 'mail')).toMatchObject({
    name: 'mail',
    validates: false,
    timeoutMs: 60_000,
    attempts: 1,
    leaseMs: 30_000,
    ledger: { bucketMs: 10_000, slackMs: 15_000, deadlineMs: 360_000, retainMs: 3_600_000 },
    shadowable: false,
    shadowBacklog: 1000,
    maxStarts: 6,
    flag: 'mail',
    flagKind: 'string',
    whenLedgerIsGone: 'refuse',
  })
  expect(resolveMigration(config({}), 'mail').backoff).toBeUndefined()
})

it('the deadline covers waiting, attempts and their doubling pauses', () => {
  const given = { attempts: 4, timeout: '10s', backoff: '2s', waitAllowance: '1m' }
  expect(resolveMigration(config(given), 'mail').ledger.deadlineMs).toBe(60_000 + 40_000 + 2000 * 7)
  expect(resolveMigration(config({ ...given, deadline: '1h' }), 'mail').ledger.deadlineMs).toBe(3_600_000)
})

it.each([
  [{}, { namespace: 'a b' }, 'namespace: is "a b"'],
  [{}, { namespace: '' }, 'namespace: '],
  [{}, { ledger: undefined }, 'ledger: is missing'],
  [{}, { ledger: {} }, 'ledger: is missing'],
  [{}, { flags: undefined }, 'flags: is missing'],
  [{}, { migrations: {} }, 'migrations: is empty'],
  [{}, { migration: {} }, 'migration: is not known'],
])('at the top: %o %o', (over, top, message) => {
  expect(() => resolveNamespace(config(over, top))).toThrow(
    expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining(`cutover.config: ${message}`) }),
  )
})

it.each([null, undefined, 5])('%o is no configuration', (value) =>
  expect(() => resolveNamespace(value as never)).toThrow(expect.objectContaining({ code: 'config-invalid' })),
)

it.each([
  [{ timeot: '5s' }, 'timeot: is not known'],
  [{ payload: undefined }, 'payload: is not a Standard Schema'],
  [{ payload: {} }, 'payload: is not a Standard Schema'],
  [{ key: 'mailbox' }, 'key: is not a function'],
  [{ legacy: undefined }, 'legacy: is missing'],
  [{ target: 'bullmq' }, 'target: is missing'],
  [{ timeout: 0 }, 'timeout: is 0'],
  [{ attempts: 0 }, 'attempts: is 0'],
  [{ attempts: 1.5 }, 'attempts: is 1.5'],
  [{ attempts: '3' }, 'attempts: is 3'],
  [{ lease: '10ms' }, 'lease: is 10 ms'],
  [{ tally: { bucket: '1ms' } }, 'tally.bucket: is 1 ms'],
  [{ shadow: 'on' }, 'shadow: is "on"'],
  [{ shadowBacklog: -1 }, 'shadowBacklog: is -1'],
  [{ maxStarts: 1, attempts: 2 }, 'maxStarts: is 1'],
  [{ flag: '' }, 'flag: is not a name'],
  [{ flagKind: 'bool' }, 'flagKind: is "bool"'],
  [{ whenLedgerIsGone: 'wait' }, 'whenLedgerIsGone: is "wait"'],
  [{ backoff: '1s', target: { ...queue, capabilities: {} } }, 'backoff: the target queue (some) has no "backoff"'],
])('%o', (over, message) => {
  expect(() => resolveMigration(config(over), 'mail')).toThrow(
    expect.objectContaining({
      code: 'config-invalid',
      message: expect.stringContaining(`cutover.config: migrations.mail.${message}`),
      details: { path: `migrations.mail.${message.split(':')[0]}` },
    }),
  )
})

it.each([
  [{ timeout: 'soon' }, 'config-invalid', 'migrations.mail.timeout: "soon" is not a duration'],
  [{ backoff: '1' }, 'config-invalid', 'migrations.mail.backoff'],
  [{ tally: { slack: 'x' } }, 'config-invalid', 'migrations.mail.tally.slack'],
  [{ deadline: '1s' }, 'deadline-too-short', 'migrations.mail.deadline is 1000 ms'],
  [{ retain: '10s' }, 'retain-too-short', 'migrations.mail.retain is 10000 ms'],
  [{ compare: { ignore: 'x' } }, 'config-invalid', 'migrations.mail.compare'],
])('%o: %s', (over, code, message) => {
  expect(() => resolveMigration(config(over), 'mail')).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  )
})

it('a migration that is not there, or hides in the prototype, is unknown; odd names are refused', () => {
  for (const name of ['post', 'constructor', '__proto__']) {
    expect(() => resolveMigration(config({}), name)).toThrow(expect.objectContaining({ code: 'migration-unknown' }))
  }
  const odd = { ledger: spec, flags: spec, migrations: { 'a b': migration } } as unknown as CutoverConfig
  expect(() => resolveMigration(odd, 'a b')).toThrow(/migrations\.a b: is not a name/)
})
