// `cutover jobs`, `job`, `force`, `retry` and `discard` over the embedded queue.

import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { openCutover } from '../../src/index.ts'
import type { Ledger, MigrationLedger } from '../../src/ports/ledger.ts'
import { standIn } from '../support/stand-in.ts'
import { type Bed, bed, configOf, configText, until } from './kit.ts'

let place: Bed
let root: Ledger
let ledger: MigrationLedger
const closers: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
  root = sqliteLedger({ path: join(place.folder, 'ledger.db') }).create({ namespace: 'cli-test' })
  await root.open()
  ledger = root.migration('parse-email', { bucketMs: 1000, slackMs: 1000, deadlineMs: 60_000, retainMs: 3_600_000 })
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await root.close()
  place.remove()
})

const MAIL = { id: 'x', from: 'kim', text: '' }

async function open() {
  const cutover = await openCutover(configOf(place))
  closers.push(() => cutover.close())
  return cutover
}

/** A job whose worker is gone since its effects began. */
async function inDoubt(id: string): Promise<void> {
  const cutover = await openCutover(configOf(place))
  await cutover.enqueue('parse-email', MAIL, { id })
  await cutover.close()
  const absent = { route: 'legacy', epoch: 0, dueAt: 0, adopted: false } as const
  const claim = { id, side: 'legacy', gen: 0, token: 'gone', leaseMs: 0, fenced: true, absent } as const
  await ledger.claim([{ ...claim, effectsUnknown: true, maxAttempts: 1, maxStarts: 9 }])
}

describe('in doubt', () => {
  test('is listed, told with its history, forced, and told again', async () => {
    await inDoubt('a-1')
    const list = await place.cli('jobs', '--state', 'in-doubt')
    expect(list.stdout).toMatch(/parse-email: 1 job in doubt\n {2}a-1 +legacy +in-doubt, 0 failed of 1, 1 started/)
    expect(list.stdout).toMatch(/cutover force or cutover discard/)
    const stop = await standIn(ledger, 'legacy', 'target')
    closers.push(async () => stop())
    const forced = await place.cli('force', 'a-1', '--to', 'target', '--why', 'not stored, looked', '--by', 'kim')
    expect(forced).toMatchObject({ code: 0, stderr: '' })
    expect(forced.stdout).toMatch(/job a-1 was in doubt on legacy\nit will run on target, as generation 1; its effects/)
    expect((await place.json('jobs', '--state', 'in-doubt')).value).toMatchObject({ jobs: [], next: null })
    const { stdout } = await place.cli('job', 'a-1')
    expect(stdout).toMatch(/What happened\n.* enqueued +legacy \(flag-missing\) by .*:\d+/)
    expect(stdout).toMatch(/ started +for the first time\n/)
    expect(stdout).toMatch(/ force +by kim: “not stored, looked”\n.* moved \(force\)/)
    expect(stdout).toMatch(/ moved \(force\) +legacy → target, generation 1, by kim\n/)
    expect(stdout).toMatch(/primary +target +waiting +c-a-1_1/)
    const { value } = await place.json('job', 'a-1')
    expect(value.events.map(({ kind }: { kind: string }) => kind)).toEqual(['enqueued', 'started', 'audited', 'moved'])
    expect(value).toMatchObject({ state: 'waiting', side: 'target', generation: 1 })
  })

  test('is discarded; the audit log says who and why', async () => {
    await inDoubt('a-2')
    const { code, value } = await place.json('discard', 'a-2', '--why', 'done by hand', '--by', 'kim')
    expect({ code, value }).toEqual({
      code: 0,
      value: {
        ...{ migration: 'parse-email', operation: 'discard', id: 'a-2', was: 'in-doubt', side: 'legacy', way: 'close' },
        ...{ pending: false, removed: 1, by: 'kim', why: 'done by hand' },
      },
    })
    expect((await place.json('job', 'a-2')).value.state).toBe('cancelled')
    const [entry] = (await place.json('history', '--limit', '1')).value.entries
    expect(entry).toMatchObject({ action: 'discard', by: 'kim', why: 'done by hand', data: { id: 'a-2' } })
  })

  test.each([
    ['without a reason', ['force', 'a-3'], 2, /needs a reason for the audit log: --why/],
    ['without an id', ['discard', '--why', 'x'], 2, /which job\? Name its id/],
    ['to no side', ['force', 'a-3', '--to', 'left', '--why', 'x'], 2, /write one of: legacy, target/],
    [
      'of a job that is not there',
      ['force', 'nobody', '--why', 'x'],
      1,
      /neither the ledger nor a park list knows job nobody/,
    ],
    ['of another migration', ['force', 'other', 'a-3', '--why', 'x'], 2, /no migration "other"/],
    ['where no worker is', ['force', 'a-3', '--why', 'x'], 1, /no live worker on legacy.*it stays where it is/],
    ['as retry', ['retry', 'a-3'], 1, /in doubt on legacy and stays so, retry is refused: .*cutover force/],
  ] as const)('is refused %s', async (_what, argv, exit, message) => {
    await inDoubt('a-3')
    const { code, stderr, stdout } = await place.cli(...argv)
    expect({ code, stdout, stderr }).toEqual({ code: exit, stdout: '', stderr: expect.stringMatching(message) })
    expect(await ledger.row('a-3')).toMatchObject({ state: 'running', gen: 0 })
    expect((await ledger.history()).filter(({ action }) => action === 'force')).toEqual([])
  })
})

test('failed jobs are listed with their errors, and run again', async () => {
  const cutover = await open()
  const worker = await cutover.work('parse-email', 'legacy', () => {
    throw new Error('no such box')
  })
  await cutover.enqueue('parse-email', MAIL, { id: 'f-1', attempts: 1 })
  await cutover.result('parse-email', 'f-1').catch(() => {})
  await worker.stop()
  expect((await place.cli('jobs', '--state', 'failed')).stdout).toMatch(
    /f-1 +legacy +failed, 1 failed of 1, 1 started {2}Error: no such box/,
  )
  await cutover.work('parse-email', 'legacy', () => 1)
  await until('its queue has it as failed', async () => {
    const queue = embeddedQueue({ path: join(place.folder, 'queue.db'), queue: 'mail' }).create()
    await queue.open()
    const { failed } = await queue.counts()
    await queue.close()
    return failed === 1
  })
  expect(await place.cli('retry', 'f-1')).toMatchObject({ code: 0, stderr: '' })
  expect(await cutover.result('parse-email', 'f-1')).toBe(1)
  expect((await place.json('jobs', '--state', 'failed')).value.jobs).toEqual([])
})

test('a parked copy without a row: listed, shown, dropped', async () => {
  const queue = embeddedQueue({ path: join(place.folder, 'queue.db'), queue: 'mail' }).create()
  await queue.open()
  closers.push(() => queue.close())
  await queue.enqueue([{ backendId: 'odd_1', data: { $cutover: 7 }, delayMs: 0, attempts: 1 }])
  await queue.park(['odd_1'], 'damaged')
  expect((await place.cli('jobs', '--state', 'parked')).stdout).toMatch(
    /1 job parked\n {2}odd_1 +legacy +damaged +since /,
  )
  expect((await place.cli('job', 'odd_1')).stdout).toMatch(/odd_1 of parse-email: a parked copy on legacy \(damaged\)/)
  expect((await place.json('job', 'odd_1')).value).toMatchObject({
    state: 'parked',
    reason: 'damaged',
    events: [{ kind: 'parked' }],
  })
  expect((await place.cli('discard', 'odd_1', '--why', 'rubbish')).stdout).toMatch(/the copy is removed/)
  expect((await queue.counts()).parked).toBe(0)
})

test('of a job whose row is gone, what people did with it', async () => {
  await ledger.audit({ by: 'kim', action: 'discard', why: 'sent by hand', data: { id: 'long-ago', was: 'in-doubt' } })
  const { code, stdout } = await place.cli('job', 'long-ago')
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(
      /job long-ago of parse-email: its row is gone[\s\S]* discard +by kim: “sent by hand”\n/,
    ),
  })
  const { value } = await place.json('job', 'long-ago')
  expect(value).toMatchObject({ id: 'long-ago', state: 'forgotten', events: [{ kind: 'audited', action: 'discard' }] })
})

describe('jobs', () => {
  test('names the next page, which goes on behind this one', async () => {
    for (const id of ['p-1', 'p-2', 'p-3']) await inDoubt(id)
    const first = (await place.json('jobs', '--state', 'in-doubt', '--limit', '2')).value
    expect(first.jobs).toHaveLength(2)
    expect((await place.cli('jobs', '--state', 'in-doubt', '--limit', '2')).stdout).toContain(
      `more: --after '${first.next}'`,
    )
    const second = (await place.json('jobs', '--state', 'in-doubt', '--after', first.next)).value
    expect([...first.jobs, ...second.jobs].map(({ id }) => id)).toEqual(['p-1', 'p-2', 'p-3'])
    expect(second.next).toBe(null)
  })

  test('none, and a state that is no list', async () => {
    expect((await place.cli('jobs', '--state', 'lost')).stdout).toBe('parse-email: no jobs are lost\n')
    expect(await place.cli('jobs')).toMatchObject({ code: 2 })
    expect(await place.cli('jobs', '--state', 'fine')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/in-doubt, parked/),
    })
  })
})
