// The connection to a queue's Redis breaks before or after the store: the same id again to the same side, one job, one run.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type Bed, expectSumLaw, openApp, redisBed, until } from '../support/app.ts'
import { startProxy, type TcpProxy } from '../support/proxy.ts'
import { hasRedis } from '../support/redis.ts'

describe.runIf(hasRedis())('a connection to the queues that breaks', () => {
  let bed: Bed
  let proxy: TcpProxy
  let app: App | undefined
  beforeAll(async () => {
    const made = await redisBed()
    bed = made
    proxy = await startProxy({ port: Number(new URL(made.url).port) })
  })
  afterEach(async () => {
    proxy.accept()
    await app?.close()
    app = undefined
  })
  afterAll(async () => {
    await proxy.stop()
    await bed.stop()
  })

  /** Its queues are reached through the proxy, its ledger and the test's own looks are not. */
  async function start(side: Side, shadow = 0): Promise<App> {
    const url = `redis://127.0.0.1:${proxy.port}`
    const queues = {
      legacy: beeQueue({ queue: 'mail', redis: url, stallInterval: 1000 }),
      target: bullmq({ queue: 'mail', connection: url }),
    }
    app = await openApp(bed, { queues, dials: { target: side === 'target' ? 1 : 0, shadow } })
    return app
  }

  const cases = (['dropCommand', 'dropAnswer'] as const).flatMap((how) =>
    (['legacy', 'target'] as const).map((side) => ({ how, side })),
  )
  it.each(cases)('$how at $side', async ({ how, side }) => {
    const a = await start(side)
    const before = await a.numbers()
    await a.cutover.enqueue('mail', { n: 0 })
    const id = `cut-${how}-${side}`
    const cut = proxy[how]({ when: (chunk) => chunk.includes(id) })
    const sending = a.cutover.enqueue('mail', { n: 1 }, { id })
    await cut
    // flipped while nobody knows whether it was stored
    a.flags.set({ target: side === 'target' ? 0 : 1, shadow: 0 })
    // a command that never arrived may be known as refused: then the caller's own second try is the same job
    const sent = await sending.catch(async (error: { code: string }) => {
      expect(error.code).toBe('enqueue-refused')
      a.flags.set({ target: side === 'target' ? 1 : 0, shadow: 0 })
      return until(() => a.cutover.enqueue('mail', { n: 1 }, { id }).catch(() => undefined), 'sent')
    })
    expect(sent.side).toBe(side)
    await a.both()
    expect(await a.cutover.result('mail', id)).toEqual({ n: 1 })
    const queue = await a.queue(side)
    await until(async () => {
      const { waiting, running, delayed } = await queue.counts()
      return waiting + running + delayed === 0
    }, 'nothing left')
    expect(a.runs.filter((run) => run.id === id)).toHaveLength(1)
    const now = await a.numbers()
    const net = (measure: string): number => now.of(`${measure}.${side}`) - before.of(`${measure}.${side}`)
    expect([net('dispatched') - net('refused'), net('ok')]).toEqual([2, 2])
  })

  it('a shadow whose store is unknown: one shadow, the sum law holds', async () => {
    const a = await start('legacy', 1)
    await a.both()
    await a.cutover.enqueue('mail', { n: 0 })
    const cut = proxy.dropAnswer({ when: (chunk) => chunk.includes('c-fog_s') })
    await a.cutover.enqueue('mail', { n: 1 }, { id: 'fog' })
    await cut
    await until(async () => (await a.cutover.get('mail', 'fog'))?.comparison === 'matched', 'compared', 15_000)
    expect(a.runs.filter(({ id, arm }) => id === 'fog' && arm === 'shadow')).toHaveLength(1)
    await until(async () => (await a.numbers()).snapshot.gauges.pairsOpen === 0, 'all compared')
    expectSumLaw(await a.numbers())
  })

  it('a queue that is down refuses at once or says unknown, and the pin of what was refused is taken back', async () => {
    const a = await start('target')
    await a.cutover.enqueue('mail', { n: 0 })
    proxy.refuse()
    const began = performance.now()
    const error = await a.cutover.enqueue('mail', { n: 1 }, { id: 'down' }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(enqueue-refused|enqueue-unknown|queue-unavailable)$/),
    })
    expect(performance.now() - began).toBeLessThan(15_000)
    proxy.accept()
    await a.both()
    const sent = await until(() => a.cutover.enqueue('mail', { n: 1 }, { id: 'down' }).catch(() => undefined), 'back')
    expect(sent.side).toBe('target')
    expect(await a.cutover.result('mail', 'down')).toEqual({ n: 1 })
    expect(a.runs.filter(({ id }) => id === 'down')).toHaveLength(1)
  })
})
