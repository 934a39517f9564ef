// Fault test 19: every answer of the ledger and of the queues is lost once. Each operation is done twice, what it answered
// first is thrown away; every job still runs once, goes where it is to, and is counted once.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LedgerSpec, MigrationLedger } from '../../src/ports/ledger.ts'
import type { Queue, QueueSpec } from '../../src/ports/queue.ts'
import { type App, type Bed, embeddedBed, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'

const BEDS: [string, boolean, () => Promise<Bed>][] = [
  ['embedded, two files', true, async () => embeddedBed('apart')],
  ['bee-queue and BullMQ', hasRedis(), redisBed],
]

/** Operations whose answer may be lost. */
const LEDGER = [
  ...(['pin', 'unpin', 'note', 'claim', 'begin', 'extend', 'release', 'finish', 'move', 'arrive', 'cancel'] as const),
  ...(['closeFailed', 'markLost', 'discard', 'shed', 'compare', 'orphan', 'beat', 'setLatch', 'openEpoch'] as const),
] satisfies readonly (keyof MigrationLedger)[]
const QUEUE = ['enqueue', 'park', 'remove', 'unpark', 'dropParked'] satisfies readonly (keyof Queue)[]

const lost = new Set<string>()

function losing<T extends object>(object: T, names: readonly string[]): T {
  return new Proxy(object, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const real = value.bind(target) as (...args: unknown[]) => Promise<unknown>
      if (name === 'migration' || name === 'shadow')
        return (...args: unknown[]) => losing(real(...args) as never, names)
      if (!names.includes(String(name))) return real
      return async (...args: unknown[]) => {
        await real(...args)
        lost.add(String(name))
        const again = await real(...args)
        // a queue whose first answer was lost says of the second call that it had the job
        return again
      }
    },
  })
}

const losingLedger = (spec: LedgerSpec): LedgerSpec => ({
  ...spec,
  create: (context) => {
    const ledger = losing(spec.create(context), LEDGER)
    return new Proxy(ledger, {
      get: (target, name) => (name === 'store' ? undefined : Reflect.get(target, name, target)),
    })
  },
})
const losingQueue = (spec: QueueSpec): QueueSpec => ({ ...spec, create: () => losing(spec.create(), QUEUE) })

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed
  let app: App

  beforeEach(async () => {
    lost.clear()
    if (possible) bed = await make()
  })
  afterEach(async () => {
    await app?.close()
    await bed?.stop()
  })

  it.runIf(possible)('19: jobs are sent, moved, run, compared and cancelled, each once', async () => {
    app = await openApp(bed, {
      ledger: losingLedger(bed.ledger),
      queues: { legacy: losingQueue(bed.queue('legacy')), target: losingQueue(bed.queue('target')) },
      migration: { timeout: '10s' },
      open: { sweepEvery: '100ms' },
    })
    const { cutover } = app
    const own = Array.from({ length: 40 }, (_, n) => `own-${n}`)
    const first = await cutover.enqueueMany(
      'mail',
      own.map((id, n) => ({ id, payload: { n } })),
    )
    const cancelled = await cutover.enqueue('mail', { n: 99 }, { delay: '400ms' })
    expect(['cancelled', 'finished']).toContain(await cutover.cancel('mail', cancelled.id))
    await cutover.work('mail', 'target', app.handler, { concurrency: 4 })
    const moved = await cutover.move('mail', { from: 'legacy', to: 'target' })
    expect(Object.keys(moved.left).filter((why) => why !== 'taken')).toEqual([])
    app.flags.set({ target: 0, shadow: 1 })
    await cutover.work('mail', 'legacy', app.handler, { concurrency: 4 })
    const shadowed = []
    for (let n = 0; n < 20; n++) shadowed.push(await cutover.enqueue('mail', { n }))
    await cutover.rollback('mail')
    await cutover.unlatch('mail')
    for (const { id } of [...first, ...shadowed]) expect(await cutover.result('mail', id)).toMatchObject({})
    await until(async () => (await app.numbers()).snapshot.gauges.pairsOpen === 0, 'every pair is compared')
    const ids = new Set(app.effects)
    expect([ids.size, app.effects.length]).toEqual([60, 60])
    const [mail] = (await cutover.report('mail')).migrations
    expect(mail).toMatchObject({
      contradictions: [],
      jobs: { enqueued: 61, done: 60, cancelled: 1, lost: 0, twice: 0, inDoubt: 0 },
      comparisons: { shadowed: 20, matched: 20 },
    })
    for (const name of [
      'pin',
      'claim',
      'begin',
      'finish',
      'move',
      'arrive',
      'compare',
      'setLatch',
      'enqueue',
      'park',
    ]) {
      expect([...lost], name).toContain(name)
    }
  })
})
