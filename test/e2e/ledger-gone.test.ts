// The protocol's table "When the ledger cannot be reached", row by row, with a Redis that goes away and comes back and a
// SQLite file that somebody else holds.

import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { openCutover } from '../../src/cutover.ts'
import { testFlags } from '../../src/testing/index.ts'
import { type App, type AppOptions, type Bed, configOf, embeddedBed, openApp, until } from '../support/app.ts'
import { startProxy, type TcpProxy } from '../support/proxy.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.runIf(hasRedis())('a Redis that is gone', () => {
  let server: RedisServer
  let proxy: TcpProxy
  let bed: Bed
  let app: App | undefined
  beforeAll(async () => {
    server = await startRedis({ appendOnly: true })
    proxy = await startProxy({ port: server.port })
  })
  afterEach(async () => {
    proxy.accept()
    proxy.resume()
    await app?.close()
    app = undefined
    await bed?.stop()
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
  })

  /** The test looks at the ledger directly; the cutover under test goes through the proxy. */
  let prefix = 0
  async function start(options: AppOptions = {}): Promise<App> {
    prefix += 1
    const own = { prefix: `gone${prefix}`, timeout: '1500ms' } as const
    bed = { ...embeddedBed(), ledger: redisLedger({ url: server.url, ...own }) }
    app = await openApp(bed, { ...options, ledger: redisLedger({ url: `redis://127.0.0.1:${proxy.port}`, ...own }) })
    return app
  }
  const lost = (a: App): Promise<unknown> => until(() => a.events.some(({ type }) => type === 'ledger-lost'), 'lost')
  const back = (a: App): Promise<unknown> => until(() => a.events.some(({ type }) => type === 'ledger-back'), 'back')

  it.each(['refuses connections', 'answers nothing'])(
    '%s, dials 0: jobs go to legacy unflagged, run, and are told later',
    async (how) => {
      const a = await start()
      await a.cutover.enqueue('mail', { n: 0 }, { delay: '1h' })
      const worker = await a.cutover.work('mail', 'legacy', async (mail, ctx) => {
        if (mail.n === 3) throw new Error('bad mail')
        return a.handler(mail, ctx)
      })
      if (how === 'answers nothing') proxy.pause()
      else proxy.refuse()
      const began = performance.now()
      const sent = await a.cutover.enqueue('mail', { n: 1 })
      expect(performance.now() - began).toBeLessThan(2500)
      expect(sent).toMatchObject({ route: 'legacy', reason: 'ledger-unavailable', duplicate: false })
      const mine = await a.cutover.enqueue('mail', { n: 2 }, { id: 'mine' })
      expect(mine).toMatchObject({ id: 'mine', reason: 'ledger-unavailable' })
      const bad = await a.cutover.enqueue('mail', { n: 3 })
      const queue = await a.queue('legacy')
      await until(async () => {
        const { waiting, running, failed } = await queue.counts()
        return waiting + running === 0 && failed === 1
      }, 'all end without the ledger')
      expect(a.effects).toHaveLength(2)
      await lost(a)
      expect(await a.ledger.row(sent.id)).toBeUndefined()
      proxy.resume()
      proxy.accept()
      await back(a)
      const now = await until(async () => {
        const numbers = await a.numbers()
        return (
          numbers.of('unrecorded.legacy') === 3 &&
          numbers.of('ok.legacy') === 2 &&
          numbers.of('failed.legacy') === 1 &&
          numbers
        )
      }, 'told')
      // a pin that was given up may have been stored all the same: then the job is no longer unflagged
      expect(now.of('dispatched.legacy')).toBe(4)
      expect(now.of('unflagged.legacy')).toBeGreaterThanOrEqual(2)
      expect(await a.cutover.get('mail', bad.id)).toMatchObject({ state: 'failed' })
      expect(await a.cutover.result('mail', 'mine')).toEqual({ n: 2 })
      expect(now.snapshot.gauges.waiting.legacy).toBe(1)
      await worker.stop()
      expect(a.runs).toHaveLength(2)
    },
  )

  it('dials above 0: an id of the library goes to legacy; one of the caller is refused, or goes there if he says so', async () => {
    const a = await start({ dials: { target: 1, shadow: 0 } })
    expect((await a.cutover.enqueue('mail', { n: 0 })).route).toBe('target')
    proxy.refuse()
    const sent = await a.cutover.enqueue('mail', { n: 1 })
    expect(sent).toMatchObject({ route: 'legacy', side: 'legacy', reason: 'ledger-unavailable' })
    await expect(a.cutover.enqueue('mail', { n: 2 }, { id: 'mine' })).rejects.toMatchObject({
      code: 'ledger-unavailable',
      message: expect.stringContaining("whenLedgerIsGone: 'legacy'"),
    })
    const many = await a.cutover.enqueueMany('mail', [{ payload: { n: 3 } }, { payload: { n: 4 } }])
    expect(many.map(({ route }) => route)).toEqual(['legacy', 'legacy'])
    // dials were up: the worker waits, as it cannot know that nobody else has the job
    await a.cutover.work('mail', 'legacy', a.handler)
    await lost(a)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(a.runs).toEqual([])
    proxy.accept()
    for (const { id } of [sent, ...many]) {
      await until(async () => (await a.cutover.get('mail', id).catch(() => undefined))?.state === 'done', 'done')
    }
    const numbers = await a.numbers()
    expect([numbers.of('unflagged.legacy'), numbers.of('unrecorded.legacy')]).toEqual([3, 0])
    // the pins that were given up are taken back: nothing is lost for ever
    expect(numbers.snapshot.gauges.waiting).toEqual({ legacy: 0, target: 1 })
    expect((await a.cutover.enqueue('mail', { n: 2 }, { id: 'mine' })).route).toBe('target')
  })

  it("whenLedgerIsGone: 'legacy' sends the caller's id, and a later call finds it there", async () => {
    const a = await start({ dials: { target: 1, shadow: 0 }, migration: { whenLedgerIsGone: 'legacy' } })
    await a.cutover.enqueue('mail', { n: 0 })
    proxy.refuse()
    expect(await a.cutover.enqueue('mail', { n: 1 }, { id: 'mine' })).toMatchObject({ id: 'mine', route: 'legacy' })
    proxy.accept()
    await back(a)
    expect(await a.cutover.enqueue('mail', { n: 1 }, { id: 'mine' })).toMatchObject({ side: 'legacy', duplicate: true })
    await a.both()
    expect(await a.cutover.result('mail', 'mine')).toEqual({ n: 1 })
    await until(async () => (await a.numbers()).snapshot.gauges.waiting.target === 0, 'all done')
    expect(a.runs.filter(({ id }) => id === 'mine')).toHaveLength(1)
  })

  it('a fenced job waits for the ledger, before its run and after it; nothing is acked, nothing runs twice', async () => {
    const a = await start({ dials: { target: 1, shadow: 0 }, migration: { timeout: '5s', attempts: 1 } })
    const release = Promise.withResolvers<void>()
    await a.cutover.work(
      'mail',
      'target',
      async (mail, ctx) => {
        const given = await a.handler(mail, ctx)
        if (mail.n === 1) await release.promise
        return given
      },
      { concurrency: 2 },
    )
    const queue = await a.queue('target')
    const first = await a.cutover.enqueue('mail', { n: 1 })
    await until(() => a.effects.length === 1, 'running')
    const second = await a.cutover.enqueue('mail', { n: 2 }, { delay: '300ms' })
    proxy.refuse()
    release.resolve()
    await lost(a)
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect((await queue.counts()).running).toBe(2)
    expect(a.runs).toHaveLength(1)
    proxy.accept()
    await until(async () => (await queue.counts()).running === 0, 'both acked')
    expect(await a.cutover.result('mail', first.id)).toEqual({ n: 1 })
    expect(await a.cutover.result('mail', second.id)).toEqual({ n: 2 })
    expect(a.effects).toHaveLength(2)
    expect((await a.numbers()).of('ok.target')).toBe(2)
  })

  it('killed and started again: what was accepted is there, and runs once', async () => {
    const a = await start({ dials: { target: 0.5, shadow: 0 } })
    const sent = await a.cutover.enqueueMany(
      'mail',
      Array.from({ length: 50 }, (_, n) => ({ payload: { n } })),
    )
    await server.kill()
    await lost(a)
    await a.both()
    const during = await a.cutover.enqueue('mail', { n: 50 })
    await server.restart()
    await until(async () => (await a.numbers().catch(() => undefined))?.of('ok.legacy') !== undefined, 'reachable')
    for (const { id } of [...sent, during]) {
      await until(async () => (await a.cutover.get('mail', id).catch(() => undefined))?.state === 'done', `done ${id}`)
    }
    expect(a.effects).toHaveLength(51)
    expect(new Set(a.effects).size).toBe(51)
  })

  it('no memory left: as if it were gone, until there is some', async () => {
    const a = await start({ dials: { target: 1, shadow: 0 } })
    await a.cutover.enqueue('mail', { n: 0 })
    const { Redis } = await import('ioredis')
    const admin = new Redis(server.url)
    await admin.config('SET', 'maxmemory', '1')
    try {
      expect(await a.cutover.enqueue('mail', { n: 1 })).toMatchObject({ route: 'legacy', reason: 'ledger-unavailable' })
      await expect(a.cutover.enqueue('mail', { n: 2 }, { id: 'mine' })).rejects.toMatchObject({
        code: 'ledger-unavailable',
      })
    } finally {
      await admin.config('SET', 'maxmemory', '0')
      admin.disconnect()
    }
    await a.both()
    await until(() => a.effects.length === 2, 'both run')
    await until(async () => (await a.numbers()).of('unflagged.legacy') === 1, 'told')
  })

  it('gone from the start: jobs go to legacy, or the open is refused, as it was asked for', async () => {
    proxy.refuse()
    const a = await start()
    expect(await a.cutover.enqueue('mail', { n: 1 })).toMatchObject({ route: 'legacy', reason: 'ledger-unavailable' })
    const ledger = redisLedger({ url: `redis://127.0.0.1:${proxy.port}`, timeout: '300ms' })
    const refused = openCutover(configOf(bed, testFlags(), { ledger }), { withoutLedger: 'refuse' })
    await expect(refused).rejects.toMatchObject({ code: 'ledger-unavailable' })
    await a.cutover.work('mail', 'legacy', a.handler, { version: '7' })
    proxy.accept()
    await until(async () => (await a.numbers()).of('unrecorded.legacy') === 1, 'told')
    await until(async () => (await a.ledger.control()).epoch.versions.legacy === '7', 'the version opened its epoch')
  })

  it('an answer of the ledger is lost: the pin is repeated and it is one job', async () => {
    const a = await start({ dials: { target: 1, shadow: 0 } })
    await a.both()
    await a.cutover.enqueue('mail', { n: 0 })
    const dropped = proxy.dropAnswer({ when: (chunk) => chunk.includes('pin-me') })
    const sent = await a.cutover.enqueue('mail', { n: 1 }, { id: 'pin-me' })
    await dropped
    expect(sent).toMatchObject({ route: 'target' })
    expect(await a.cutover.result('mail', 'pin-me')).toEqual({ n: 1 })
    expect(a.effects).toHaveLength(2)
    expect((await a.numbers()).of('dispatched.target')).toBe(2)
  })
})

describe('a SQLite ledger that somebody else holds', () => {
  it.each([
    [0, 'unfenced while no dial was ever up'],
    [1, 'to legacy although the flag says target'],
  ])('target %d: an enqueue waits a second or two, then goes %s; afterwards all is told', async (target) => {
    const bed = embeddedBed()
    const a = await openApp(bed, { dials: { target, shadow: 0 } })
    const holder = new DatabaseSync(`${bed.folder}/ledger.db`)
    try {
      await a.cutover.enqueue('mail', { n: 0 }, { delay: '1h' })
      holder.exec('BEGIN IMMEDIATE')
      const began = performance.now()
      const sent = await a.cutover.enqueue('mail', { n: 1 })
      expect(performance.now() - began).toBeLessThan(3500)
      expect(sent).toMatchObject({ route: 'legacy', reason: 'ledger-unavailable' })
      const quick = performance.now()
      await a.cutover.enqueue('mail', { n: 2 })
      expect(performance.now() - quick).toBeLessThan(500)
      holder.exec('ROLLBACK')
      await a.cutover.work('mail', 'legacy', a.handler)
      await until(() => a.effects.length === 2, 'both run')
      const now = await until(async () => {
        const numbers = await a.numbers()
        return numbers.of('ok.legacy') === 2 && numbers.of('unflagged.legacy') >= 1 && numbers
      }, 'told')
      const { waiting } = now.snapshot.gauges
      await until(
        async () => (await a.numbers()).snapshot.gauges.waiting.legacy === (target === 0 ? 1 : 0),
        'pins taken back',
      )
      expect(waiting.target).toBeLessThanOrEqual(1 + target)
    } finally {
      holder.close()
      await a.close()
      await bed.stop()
    }
  })
})

it('a file that holds both queue and ledger, held by somebody else: every enqueue waits for it, none is lost or doubled', async () => {
  const bed = embeddedBed('shared')
  const a = await openApp(bed, { dials: { target: 1, shadow: 0 } })
  const holder = new DatabaseSync(`${bed.folder}/ledger.db`)
  try {
    await a.cutover.enqueue('mail', { n: 0 })
    holder.exec('BEGIN IMMEDIATE')
    const early = a.cutover.enqueue('mail', { n: 1 })
    const many = a.cutover.enqueueMany('mail', [{ payload: { n: 2 } }, { payload: { n: 3 } }])
    await until(() => a.events.some(({ type }) => type === 'ledger-lost'), 'lost')
    const late = a.cutover.enqueue('mail', { n: 4 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    holder.exec('ROLLBACK')
    const sent = [await early, ...(await many), await late]
    expect(new Set(sent.map(({ id }) => id)).size).toBe(4)
    expect(sent.at(-1)).toMatchObject({ route: 'legacy', reason: 'ledger-unavailable' })
    await a.both()
    await until(() => a.effects.length === 5, 'all run')
    await until(
      async () => (await a.numbers()).of('ok.legacy') + (await a.numbers()).of('ok.target') === 5,
      'all counted',
    )
    expect(a.runs.map(({ n }) => n).sort()).toEqual([0, 1, 2, 3, 4])
    // the pins that were given up are taken back
    await until(async () => {
      const { waiting, running } = (await a.numbers()).snapshot.gauges
      return waiting.legacy + waiting.target + running.legacy + running.target === 0
    }, 'nothing left')
  } finally {
    holder.close()
    await a.close()
    await bed.stop()
  }
})
