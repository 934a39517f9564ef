// What the Redis ledger keeps of jobs that are settled, and of counters, and for how long: bytes, times to live, and
// that nothing changes on the way between its forms.

import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import type { FinishRequest, Ledger } from '../../src/ports/ledger.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import {
  claimOf,
  countsOf,
  eventually,
  finishOf,
  noteOf,
  ok,
  pinOf,
  SETTINGS,
  shadowOf,
} from '../contract/ledger/bed.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis())('redis ledger: storage', () => {
  let server: RedisServer
  let admin: Redis
  let ledger: Ledger
  beforeAll(async () => {
    server = await startRedis()
    admin = new Redis(server.url)
    ledger = redisLedger({ url: server.url }).create({ namespace: 'mail-prod' })
    await ledger.open()
  })
  afterAll(async () => {
    await ledger?.close()
    admin?.disconnect()
    await server?.stop()
  })
  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1])
  const bucketsOf = (name: string): Promise<string[]> => admin.keys(`cutover:{mail-prod:${name}}:b*.*`)

  it('keeps a finished row in 90 bytes, in buckets that stay listpacks, and finds every one', async () => {
    const m = ledger.migration('parse-email', SETTINGS)
    const job = (n: number): FinishRequest => ({
      ...finishOf(newId(), { side: n % 2 === 0 ? 'legacy' : 'target', token: `tok-${n % 9999}`.padEnd(8, '-') }),
      outcome: {
        ok: true,
        value: { ok: true },
        effects: [],
        waitMs: n / 7,
        runMs: n / 9000,
        attempts: 1,
        version: '1',
      },
      ...{ runBucket: n % 700, waitBucket: 1 + (n % 300) },
      unrecorded: { epoch: 3, dueAt: Date.now(), route: 'target', adopted: false },
    })
    await m.finish([job(0)])
    const before = await used()
    const jobs = Array.from({ length: 120_000 }, (_, n) => job(n))
    for (let from = 0; from < jobs.length; from += 5000) await m.finish(jobs.slice(from, from + 5000))
    // times that are not summed yet: they go once their bucket is closed
    const logs = await Promise.all(
      (await admin.keys('cutover:{mail-prod:parse-email}:ll*')).map((key) => admin.memory('USAGE', key)),
    )
    expect(logs.length).toBeGreaterThan(0)
    const times = logs.reduce<number>((sum, n) => sum + Number(n), 0)
    const bytes = ((await used()) - before - times) / jobs.length
    expect(bytes).toBeLessThanOrEqual(90)
    for (const key of (await bucketsOf('parse-email')).slice(0, 200)) {
      expect(await admin.object('ENCODING', key)).toBe('listpack')
      expect(await admin.pttl(key)).toBeGreaterThan(SETTINGS.retainMs)
      expect(await admin.pttl(key)).toBeLessThan(SETTINGS.retainMs * 1.2)
    }
    for (let n = 0; n < jobs.length; n += 997) {
      const row = await m.row(jobs[n]?.id ?? '')
      expect(row).toMatchObject({
        state: 'finished',
        token: jobs[n]?.token,
        slots: { primary: { value: { ok: true } } },
      })
      expect(row?.slots.primary?.waitMs).toBeCloseTo(n / 7, 3)
    }
    const snapshot = await m.snapshot()
    expect(countsOf(snapshot)).toMatchObject({ 'excluded/ok.legacy': 60_001, 'excluded/ok.target': 60_000 })
    const waits = snapshot.histograms.filter(({ name }) => name.startsWith('wait.'))
    const total = waits.flatMap(({ counts }) => [...counts.values()]).reduce((sum, n) => sum + n, 0)
    expect(total).toBe(120_001)
  })

  it.each([1, 8, 32, 128])('one of %d ids that a process makes: its buckets stay listpacks, too', async (of) => {
    const m = ledger.migration(`one-of-${of}`, SETTINGS)
    const ids = Array.from({ length: 5_000 * of }, newId).filter((_, n) => n % of === 0)
    const unrecorded = { epoch: 0, dueAt: Date.now(), route: 'legacy', adopted: false } as const
    await m.finish(ids.map((id) => finishOf(id, { fatal: true, unfenced: true, unpaired: true, unrecorded })))
    const buckets = await bucketsOf(`one-of-${of}`)
    const encodings = await Promise.all(buckets.map((key) => admin.object('ENCODING', key)))
    expect(new Set(encodings)).toEqual(new Set(['listpack']))
    for (const id of ids.slice(0, 300)) expect(await m.row(id)).toMatchObject({ state: 'finished' })
  })

  it('keeps all of a row when it settles, also the odd ones', async () => {
    const m = ledger.migration('odd', SETTINGS)
    const day = 86_400_000
    const odd = [
      pinOf('long ago', { delayMs: -40 * day, group: 63 }),
      pinOf('far off', { delayMs: 40 * day, epoch: 70_000 }),
      pinOf('some hours', { delayMs: 5 * 3_600_000 }),
      pinOf('a minute', { delayMs: 60_000 }),
      pinOf('many', { maxAttempts: 4_000_000 }),
      pinOf('with a large result'),
      pinOf('x'.repeat(500)),
    ]
    await m.pin(odd)
    for (const { id } of odd) {
      const token = id === 'many' ? 'a token that is longer than is kept' : 'token-1'
      await m.claim([claimOf(id, { token })])
      const before = await m.row(id)
      const outcome = id.startsWith('with') ? ok('x'.repeat(5000)) : ok()
      await m.finish([finishOf(id, { token, outcome })])
      const { leaseUntil, finishedAt, token: kept, ...after } = (await m.row(id)) ?? {}
      const { leaseUntil: _lease, token: _token, ...held } = before ?? {}
      expect(after).toEqual({ ...held, state: 'finished', class: 'ok', slots: { primary: outcome } })
      expect([leaseUntil, typeof finishedAt]).toEqual([0, 'number'])
      if (token === 'token-1') expect(kept).toBe(token)
      // a repetition is known by its token, also by one that was too long to keep
      expect(await m.finish([finishOf(id, { token, outcome })])).toEqual([{ status: 'finished', class: 'ok' }])
      expect(await m.finish([finishOf(id, { token: `${token}!`, outcome })])).toMatchObject([{ status: 'refused' }])
    }
  })

  it('keeps a result beside a row that changes after it settled', async () => {
    const m = ledger.migration('late', SETTINGS)
    await m.pin([pinOf('small', { route: 'legacy-shadowed' }), pinOf('large', { route: 'legacy-shadowed' })])
    await m.shed([
      { id: 'small', which: 'pair' },
      { id: 'large', which: 'pair' },
    ])
    const large = ok('y'.repeat(3000))
    await m.finish([finishOf('small'), finishOf('large', { outcome: large })])
    await m.finish([shadowOf('small'), shadowOf('large')])
    expect(await m.row('small')).toMatchObject({ seenArms: ['shadow'], slots: { primary: ok() } })
    expect(await m.row('large')).toMatchObject({ seenArms: ['shadow'], slots: { primary: large } })
  })

  it('forgets finished rows after the retention, and nothing else', async () => {
    const m = ledger.migration('short', { ...SETTINGS, retainMs: 300 })
    await m.pin([pinOf('done'), pinOf('large'), pinOf('open'), pinOf('half', { route: 'legacy-shadowed' })])
    await m.finish([finishOf('done'), finishOf('large', { outcome: ok('z'.repeat(900)) }), finishOf('half')])
    expect(await m.row('done')).toBeDefined()
    await eventually(
      () => m.row('done'),
      (row) => row === undefined,
    )
    await eventually(
      () => admin.keys('cutover:{mail-prod:short}:[bv]*'),
      (keys) => keys.length === 0,
    )
    expect(await m.row('open')).toMatchObject({ state: 'open' })
    expect(await m.row('half')).toMatchObject({ state: 'finished', verdict: 'open' })
    expect((await m.compact()).purged).toBe(2)
    expect((await m.compact()).purged).toBe(0)
    await m.pin([pinOf('done')])
    await m.finish([finishOf('done')])
    expect(await m.row('done')).toMatchObject({ state: 'finished' })
  })

  it('every bucket has a time to live, also where one was emptied and filled again', async () => {
    const m = ledger.migration('again', SETTINGS)
    const fail = async (gen: number): Promise<void> => {
      await m.claim([claimOf('retried', { gen, token: `t${gen}` })])
      const outcome = { ...ok(), ok: false }
      expect(await m.finish([finishOf('retried', { gen, token: `t${gen}`, outcome, fatal: true })])).toMatchObject([
        { status: 'finished' },
      ])
    }
    await m.pin([pinOf('retried')])
    for (let gen = 0; gen < 20; gen++) {
      await fail(gen)
      const retry = { id: 'retried', gen, from: 'legacy', to: 'legacy', kind: 'retry', payload: '{}' } as const
      expect(await m.move([{ ...retry, leaseMs: 1000, by: 'ops' }])).toMatchObject([{ status: 'moving' }])
      await m.arrive([{ id: 'retried', gen: gen + 1 }])
    }
    await fail(20)
    const others = Array.from({ length: 200 }, (_, n) => `other-${n}`)
    await m.note(others.map((id) => noteOf(id)))
    await m.finish(others.map((id) => finishOf(id, { unpaired: true })))
    const keys = await bucketsOf('again')
    expect(keys.length).toBeGreaterThan(10)
    for (const key of keys) expect(await admin.pttl(key), key).toBeGreaterThan(0)
  })

  it.each([0, 3_600_000, -3_600_000])(
    'a late note finds its finished row, though its producer’s clock is %d ms off',
    async (off) => {
      const m = ledger.migration(`clock${off}`, SETTINGS)
      const run = (ids: readonly string[]): Promise<unknown> => {
        const unrecorded = { epoch: 0, dueAt: Date.now(), route: 'legacy', adopted: false } as const
        return m.finish(ids.map((id) => finishOf(id, { fatal: true, unfenced: true, unpaired: true, unrecorded })))
      }
      const ids = Array.from({ length: 300 }, newId)
      const madeAt = Date.now() + off
      await run(ids)
      // the rows that come next begin a slice of their own
      await run(Array.from({ length: 1_000 }, newId))
      await m.note(ids.map((id) => noteOf(id, { madeAt })))
      const { gauges } = await m.snapshot()
      expect(gauges).toMatchObject({ waiting: { legacy: 0 } })
      for (const id of ids) expect(await m.row(id)).toMatchObject({ state: 'finished' })
    },
  )

  it('reads ten thousand buckets at once, and compacts them without changing a sum', async () => {
    const settings = { ...SETTINGS, bucketMs: 1000, deadlineMs: 1000, slackMs: 0 }
    const m = ledger.migration('buckets', settings)
    const now = Date.now()
    const notes = Array.from({ length: 10_000 }, (_, n) => noteOf(`b-${n}`, { dueAt: now - n * 30_000 }))
    await m.note(notes)
    await m.finish(notes.map(({ id }) => finishOf(id)))
    const before = await m.snapshot()
    expect(before.buckets).toHaveLength(10_000)
    const started = performance.now()
    await m.snapshot()
    expect(performance.now() - started).toBeLessThan(400)
    const { merged } = await m.compact()
    expect(merged).toBeGreaterThan(9000)
    const after = await m.snapshot()
    expect(after.buckets.length).toBeLessThan(300)
    expect(countsOf(after)).toEqual(countsOf(before))
    expect((await m.compact()).merged).toBe(0)
  })

  it('scans every row that is there all the time, however rows move meanwhile', async () => {
    const m = ledger.migration('scan', SETTINGS)
    const ids = Array.from({ length: 600 }, (_, n) => `s-${n}`)
    await m.pin(ids.map((id) => pinOf(id, { maxAttempts: 1000 })))
    const seen = new Set<string>()
    let cursor: string | undefined
    let turn = 0
    do {
      const page = await m.scan({ limit: 20, ...(cursor === undefined ? {} : { cursor }) })
      for (const { id } of page.rows) seen.add(id)
      cursor = page.cursor
      // all of them run, then all of them wait again
      const token = `t-${turn}`
      if (turn % 2 === 0) await m.claim(ids.map((id) => claimOf(id, { token, maxStarts: 1000 })))
      else await m.finish(ids.map((id) => finishOf(id, { token: `t-${turn - 1}`, outcome: { ...ok(), ok: false } })))
      turn++
    } while (cursor !== undefined)
    expect(seen.size).toBe(ids.length)
  })
})
