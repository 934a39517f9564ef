// What the Redis ledger does when the connection, the server or its memory fails: the same answers after a repetition,
// an error in time, and never half a change.

import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import type { Ledger, MigrationLedger } from '../../src/ports/ledger.ts'
import type { CutoverError } from '../../src/vocabulary/errors.ts'
import {
  claimOf,
  countsOf,
  failure,
  finishOf,
  mismatch,
  noteOf,
  ok,
  pinOf,
  presenceOf,
  SETTINGS,
  shadowOf,
} from '../contract/ledger/bed.ts'
import { timeless } from '../contract/ledger/rows.ts'
import { startProxy, type TcpProxy } from '../support/proxy.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

/** The end of a run that the ledger has not heard of. */
const unknown = finishOf('unknown', {
  ...{ fatal: true, unfenced: true, unpaired: true },
  unrecorded: { epoch: 0, dueAt: Date.now(), route: 'legacy', adopted: false },
})

/** Every operation once, each after those that it builds on; answers of all of them. */
const OPERATIONS: readonly (readonly [string, (m: MigrationLedger) => Promise<unknown>])[] = [
  ['pin', (m) => m.pin(['a', 'b', 'c', 'd'].map((id) => pinOf(id, { fresh: true, route: 'legacy-shadowed' })))],
  ['pin plain', (m) => m.pin(['plain', 'refused', 'gone'].map((id) => pinOf(id, { fresh: true, keySlot: 7 })))],
  // a pin whose answer was lost and that is repeated looks like one that another call relies on
  ['unpin', (m) => m.unpin(['refused'], { evenIfShared: true })],
  ['note', (m) => m.note([noteOf('noted')])],
  ['claim', (m) => m.claim([claimOf('a'), claimOf('plain'), claimOf('adopted', { fenced: false })])],
  ['begin', (m) => m.begin([{ id: 'a', gen: 0, token: 'token-1' }])],
  ['extend', (m) => m.extend([{ id: 'a', gen: 0, token: 'token-1', leaseMs: 60_000 }])],
  ['finish with a failure', (m) => m.finish([finishOf('plain', { outcome: failure() })])],
  ['finish', (m) => m.finish([finishOf('a'), shadowOf('b')])],
  ['finish the other', (m) => m.finish([shadowOf('a', { outcome: ok('other') })])],
  [
    'pin and claim more',
    (m) => m.pin(['quick', 'waits'].map((id) => pinOf(id))).then(() => m.claim([claimOf('quick')])),
  ],
  [
    'finish without a pair',
    (m) => m.finish([finishOf('quick', { unpaired: true }), finishOf('waits', { unpaired: true })]),
  ],
  ['finish without a pair, without a row', (m) => m.finish([finishOf('quick', { unpaired: true }), unknown])],
  ['cancel', (m) => m.cancel('noted')],
  ['shed', (m) => m.shed([{ id: 'c', which: 'pair' }])],
  ['late shadow', (m) => m.finish([shadowOf('c')])],
  ['bump', (m) => m.bump('unrecorded.legacy', 3)],
  ['setLatch', (m) => m.setLatch({ set: true, by: 'ops' })],
  ['setCeiling', (m) => m.setCeiling({ ceiling: 0.5, by: 'ops' })],
  ['audit', (m) => m.audit({ by: 'ops', action: 'discard', data: { id: 'x' } })],
  ['beat', (m) => m.beat(presenceOf('one'))],
  ['lease', (m) => m.acquireLease('controller', 'one', 60_000)],
]
/** These tell whether this very call did it; a repetition cannot know, and answers what is so now. */
const ONCE: readonly (readonly [string, (m: MigrationLedger) => Promise<unknown>])[] = [
  ['compare', (m) => m.compare([{ id: 'a', which: 'pair', comparison: mismatch() }])],
  ['markLost', (m) => m.markLost('d', true)],
  ['release', (m) => m.release([{ id: 'adopted', gen: 0, token: 'token-1' }])],
  ['closeFailed', (m) => m.closeFailed('gone', { name: 'Error', message: 'stalled' })],
]

const withoutTimes = (answer: unknown): unknown =>
  JSON.parse(
    JSON.stringify({ answer: timeless(answer) }, (key, part: unknown) => (key === 'at' || key === 'until' ? 0 : part)),
  )

/** Everything that can be seen of a migration, without times. */
async function picture(m: MigrationLedger): Promise<unknown> {
  const rows = await Promise.all(
    [...['a', 'b', 'c', 'd', 'plain', 'refused', 'gone', 'noted', 'adopted'], ...['quick', 'waits', 'unknown']].map(
      (id) => m.row(id),
    ),
  )
  const snapshot = await m.snapshot()
  return {
    rows: rows.map((row) => row && timeless({ ...row, shared: undefined })),
    counts: countsOf(snapshot),
    gauges: snapshot.gauges,
    histograms: snapshot.histograms.map(({ name, counts }) => [name, [...counts]]).sort(),
    pairs: snapshot.differences.map(({ path, pairs }) => [path, pairs]),
    samples: (await m.samples()).map(({ id }) => id),
    history: (await m.history()).map(({ action }) => action),
    presence: (await m.presence()).map(({ instance }) => instance),
    latch: snapshot.control.latch.revision,
  }
}

const refusal = (code: string): unknown => expect.objectContaining({ code })

describe.skipIf(!hasRedis())('redis ledger: faults', () => {
  let server: RedisServer
  let proxy: TcpProxy
  let ledger: Ledger
  let direct: Ledger
  const open = async (url: string, timeout: number, namespace: string): Promise<Ledger> => {
    const opened = redisLedger({ url, timeout }).create({ namespace })
    await opened.open()
    return opened
  }
  beforeAll(async () => {
    server = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] })
    proxy = await startProxy(server)
  })
  beforeEach(async () => {
    const namespace = randomUUID()
    ledger = await open(`redis://127.0.0.1:${proxy.port}`, 3000, namespace)
    direct = await open(server.url, 3000, namespace)
  })
  afterEach(async () => {
    proxy.resume()
    proxy.accept()
    await Promise.all([ledger.close(), direct.close()])
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.stop()
  })

  it.each(['dropCommand', 'dropAnswer'] as const)(
    'every operation once more after %s is as if it had been once',
    async (how) => {
      const cut = ledger.migration('cut', SETTINGS)
      const plain = direct.migration('plain', SETTINGS)
      // the name of the migration is noted and the scripts are known before connections are cut
      await cut.beat(presenceOf('one'))
      await plain.beat(presenceOf('one'))
      for (const [name, operation] of [...OPERATIONS, ...ONCE]) {
        const dropped = proxy[how]({ when: (chunk) => chunk.includes('evalsha') })
        const [answer, expected] = [await operation(cut), await operation(plain)]
        await dropped
        if (OPERATIONS.some(([each]) => each === name) && !(how === 'dropAnswer' && name.startsWith('pin'))) {
          expect(withoutTimes(answer), name).toEqual(withoutTimes(expected))
        }
      }
      expect(await picture(cut)).toEqual(await picture(plain))
    },
  )

  it('says that a pin whose answer was lost exists, with its own stamp', async () => {
    const m = ledger.migration('pins', SETTINGS)
    await m.beat(presenceOf('one'))
    const dropped = proxy.dropAnswer({ when: (chunk) => chunk.includes('evalsha') })
    const [answer] = await m.pin([pinOf('x', { fresh: true, route: 'target' })])
    await dropped
    expect(answer).toMatchObject({ status: 'exists', state: 'open', side: 'target', route: 'target' })
  })

  it('looks for finished rows when it repeats a pin, though the id was fresh at first', async () => {
    const m = ledger.migration('fresh', SETTINGS)
    const beside = direct.migration('fresh', SETTINGS)
    await m.beat(presenceOf('one'))
    const dropped = proxy.dropAnswer({ when: (chunk) => chunk.includes('evalsha') }).then(() => proxy.refuse())
    const pinned = m.pin([pinOf('x', { fresh: true })])
    await dropped
    await beside.finish([finishOf('x')])
    proxy.accept()
    expect(await pinned).toMatchObject([{ status: 'exists', state: 'finished' }])
    expect(countsOf(await m.snapshot())).toMatchObject({ 'job/dispatched.legacy': 1, 'job/ok.legacy': 1 })
  })

  it('goes on after the server was killed and came back', async () => {
    const m = ledger.migration('killed', SETTINGS)
    await m.pin([pinOf('before', { route: 'target' })])
    await server.kill()
    const during = m.pin([pinOf('during')])
    await server.restart()
    expect(await during).toMatchObject([{ status: 'pinned' }])
    expect(await m.claim([claimOf('before', { side: 'target' })])).toMatchObject([{ status: 'granted' }])
    expect(await m.finish([finishOf('before', { side: 'target' })])).toMatchObject([{ status: 'finished' }])
    expect(countsOf(await m.snapshot())).toMatchObject({ 'job/dispatched.legacy': 1, 'job/ok.target': 1 })
  })

  it('fails in time when nothing answers, and works again after', async () => {
    const impatient = await open(`redis://127.0.0.1:${proxy.port}`, 400, 'impatient')
    const m = impatient.migration('m', SETTINGS)
    await m.pin([pinOf('x')])
    for (const [stop, go] of [
      [proxy.pause, proxy.resume],
      [proxy.refuse, proxy.accept],
    ] as const) {
      stop()
      const started = performance.now()
      await expect(m.claim([claimOf('x')])).rejects.toEqual(refusal('ledger-unavailable'))
      expect(performance.now() - started).toBeLessThan(1500)
      go()
      await expect.poll(() => m.row('x').catch(() => undefined)).toBeDefined()
    }
    await impatient.close()
    await expect(m.row('x')).rejects.toEqual(refusal('closed'))
  })

  it('does nothing at all when memory is full, and says so', async () => {
    const admin = new Redis(server.url)
    const m = direct.migration('full', SETTINGS)
    await m.pin([pinOf('x', { route: 'legacy-shadowed' }), pinOf('y'), pinOf('z')])
    await m.claim([claimOf('x'), claimOf('y')])
    const before = await picture(m)
    await admin.config('SET', 'maxmemory', '1mb')
    const calls: (() => Promise<unknown>)[] = [
      () => m.pin([pinOf('new')]),
      () => m.claim([claimOf('z'), claimOf('other', { fenced: false })]),
      () => m.finish([finishOf('y'), finishOf('x'), shadowOf('x')]),
      () => m.finish([finishOf('y', { unpaired: true }), finishOf('z', { unpaired: true })]),
      () => m.finish([finishOf('x', { unpaired: true }), shadowOf('b'), finishOf('z', { unpaired: true })]),
      () => m.note([noteOf('noted')]),
      () => m.cancel('z'),
      () => m.shed([{ id: 'x', which: 'pair' }]),
      () => m.unpin(['z']),
    ]
    for (const call of calls) await expect(call()).rejects.toEqual(refusal('ledger-full'))
    await admin.config('SET', 'maxmemory', '0')
    expect(await picture(m)).toEqual(before)
    for (const id of ['x', 'y', 'z']) expect(await m.row(id)).toMatchObject({ id })
    admin.disconnect()
  })

  it('loads its scripts again when the server has forgotten them', async () => {
    const admin = new Redis(server.url)
    const m = direct.migration('scripts', SETTINGS)
    await m.pin([pinOf('x')])
    await admin.script('FLUSH')
    expect(await m.claim([claimOf('x')])).toMatchObject([{ status: 'granted' }])
    await admin.script('FLUSH')
    expect(await m.finish([finishOf('x', { unpaired: true })])).toEqual([{ status: 'finished', class: 'ok' }])
    admin.disconnect()
  })
})

describe.skipIf(!hasRedis())('redis ledger: opening', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
    const admin = new Redis(server.url)
    await admin.config('SET', 'requirepass', 'open-sesame')
    admin.disconnect()
  })
  afterAll(() => server?.stop())
  const opening = async (options: Parameters<typeof redisLedger>[0], namespace = 'n'): Promise<unknown> => {
    const ledger = redisLedger(options).create({ namespace })
    try {
      return await ledger.open()
    } catch (error) {
      return error
    } finally {
      await ledger.close()
    }
  }
  const url = (password: string): string => `redis://:${password}@127.0.0.1:${server.port}`

  it('refuses an undefined url by name', async () => {
    const error = await opening({ url: undefined })
    expect(error).toEqual(refusal('config-invalid'))
    expect((error as Error).message).toContain('`url` is undefined')
  })

  it.each(['localhost:6379', 'http://x', ''])('refuses %s', async (text) => {
    expect(await opening({ url: text })).toEqual(refusal('config-invalid'))
  })

  it('tells of an unreachable server and of a wrong password, without the password', async () => {
    const seen: string[] = []
    for (const wrong of ['redis://:secret-word@127.0.0.1:1', url('secret-word')]) {
      const error = await opening({ url: wrong, timeout: 300 })
      expect(error).toEqual(refusal('ledger-unavailable'))
      seen.push(`${(error as CutoverError).message} ${JSON.stringify(error)} ${String((error as Error).cause)}`)
    }
    expect(seen.join()).not.toContain('secret-word')
    expect(seen[0]).toContain('ECONNREFUSED')
    expect(seen[1]).toMatch(/WRONGPASS|NOAUTH/)
  })

  it('refuses a newer major schema, and writes nothing', async () => {
    const admin = new Redis(url('open-sesame'))
    await admin.set('cutover:{newer}:schema', '2')
    expect(await opening({ url: url('open-sesame') }, 'newer')).toEqual(refusal('ledger-schema'))
    await admin.set('cutover:{minor}:schema', '1')
    expect(await opening({ url: url('open-sesame') }, 'minor')).toBeUndefined()
    admin.disconnect()
  })

  it('takes a connection of the user’s and leaves it open', async () => {
    const client = new Redis(url('open-sesame'), { keyPrefix: 'mine:' })
    const ledger = redisLedger({ connection: () => client }).create({ namespace: 'given' })
    await ledger.open()
    const m = ledger.migration('m', SETTINGS)
    await m.pin([pinOf('x')])
    expect(await m.row('x')).toMatchObject({ id: 'x', state: 'open' })
    await ledger.close()
    expect(await client.ping()).toBe('PONG')
    expect(await client.get('cutover:{given}:schema')).toBe('1')
    client.disconnect()
  })

  it('tells doctor what is wrong with the server', async () => {
    const ledger = redisLedger({ url: url('open-sesame') }).create({ namespace: 'facts' })
    await ledger.open()
    const facts = async (): Promise<Record<string, string>> =>
      Object.fromEntries((await ledger.facts()).map(({ name, status }) => [name, status]))
    expect(await facts()).toMatchObject({
      connected: 'ok',
      'maxmemory-policy': 'ok',
      persistence: 'warn',
      replication: 'ok',
    })
    const admin = new Redis(url('open-sesame'))
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await admin.config('SET', 'appendonly', 'yes')
    expect(await facts()).toMatchObject({ 'maxmemory-policy': 'bad', persistence: 'ok' })
    admin.disconnect()
    await ledger.close()
  })
})
