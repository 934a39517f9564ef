// What a producer makes of a queue's answers: an unknown is repeated under the same id, a refusal is one only when nothing
// can have been stored before, and no pin is left for a job that nobody has.

import { afterAll, afterEach, expect, it } from 'vitest'
import type { EnqueueAnswer, OutgoingJob, Queue, QueueSpec } from '../../src/ports/queue.ts'
import { LateNotes } from '../../src/routing/late-notes.ts'
import { ShadowSender } from '../../src/routing/shadow-sender.ts'
import { type App, embeddedBed, openApp, until } from '../support/app.ts'

type Send = (
  jobs: readonly OutgoingJob[],
  pass: () => Promise<readonly EnqueueAnswer[]>,
) => Promise<readonly EnqueueAnswer[]>

/** A queue whose `enqueue` is in the hands of the test; its shadow queue is not. */
function played(spec: QueueSpec, send: Send): QueueSpec {
  const create = (): Queue => {
    const queue = spec.create()
    const enqueue = (jobs: readonly OutgoingJob[]): Promise<readonly EnqueueAnswer[]> =>
      send(jobs, () => queue.enqueue(jobs))
    return new Proxy(queue, {
      get: (target, name) => {
        if (name === 'enqueue') return enqueue
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  return { ...spec, create }
}

const bed = embeddedBed()
const apps: App[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

afterAll(() => bed.stop())

async function start(send: Send, shadow = 0): Promise<App> {
  const app = await openApp(bed, {
    queues: { legacy: played(bed.queue('legacy'), send) },
    dials: { target: 0, shadow },
  })
  apps.push(app)
  return app
}

const all = (jobs: readonly OutgoingJob[], answer: EnqueueAnswer): readonly EnqueueAnswer[] => jobs.map(() => answer)
const UNKNOWN = { status: 'unknown', cause: new Error('cut') } as const
const REFUSED = { status: 'refused', cause: new Error('down') } as const

it('stored with a lost answer, then refused, then there: one job, its shadow is sent', async () => {
  const ids: string[] = []
  const app = await start(async (jobs, pass) => {
    ids.push(...jobs.map(({ backendId }) => backendId))
    if (ids.length === 1) await pass()
    if (ids.length === 1) return all(jobs, UNKNOWN)
    return ids.length === 2 ? all(jobs, REFUSED) : pass()
  }, 1)
  const { id } = await app.cutover.enqueue('mail', { n: 1 })
  expect(ids).toHaveLength(3)
  expect(new Set(ids).size).toBe(1)
  await app.both()
  await until(async () => (await app.cutover.get('mail', id))?.comparison === 'matched', 'compared')
  expect(app.effects).toHaveLength(1)
})

it('refused at once: nothing is stored, the pin is taken back, the error says why', async () => {
  const app = await start(async (jobs) => all(jobs, REFUSED))
  const before = await app.numbers()
  await expect(app.cutover.enqueue('mail', { n: 1 }, { id: 'no' })).rejects.toMatchObject({
    code: 'enqueue-refused',
    message: expect.stringContaining('down; it was not stored'),
  })
  expect(await app.ledger.row('no')).toBeUndefined()
  const many = app.cutover.enqueueMany('mail', [{ payload: { n: 1 } }, { payload: { n: 2 } }])
  await expect(many).rejects.toMatchObject({ code: 'enqueue-refused' })
  expect((await app.numbers()).of('refused.legacy') - before.of('refused.legacy')).toBe(3)
  expect((await app.numbers()).snapshot.gauges.waiting.legacy).toBe(0)
})

it('the call that pinned an id is refused while another stores it: the job keeps its row and runs', async () => {
  const held = Promise.withResolvers<void>()
  const refused = Promise.withResolvers<unknown>()
  const one = await start(async (jobs) => {
    await held.promise
    return all(jobs, REFUSED)
  })
  const two = await start(async (_jobs, pass) => {
    held.resolve()
    await refused.promise
    return pass()
  })
  one.cutover.enqueue('mail', { n: 1 }, { id: 'both' }).catch(refused.resolve)
  await until(() => one.ledger.row('both'), 'pinned')
  expect(await two.cutover.enqueue('mail', { n: 1 }, { id: 'both' })).toMatchObject({ side: 'legacy', duplicate: true })
  expect(await refused.promise).toMatchObject({ code: 'enqueue-refused' })
  expect(await two.ledger.row('both')).toMatchObject({ state: 'open' })
  await two.both()
  expect(await two.cutover.result('mail', 'both')).toEqual({ n: 1 })
})

it('late notes: flushed one at a time, nothing told twice, nothing forgotten when the ledger fails between', async () => {
  const told: string[] = []
  let fail = true
  const ledger = {
    note: async (requests: readonly { id: string }[]) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (fail && told.length >= 250) {
        fail = false
        throw new Error('gone again')
      }
      told.push(...requests.map(({ id }) => id))
    },
    unpin: async (ids: readonly string[]) => {
      told.push(...ids)
    },
  }
  const order: string[] = []
  const notes = new LateNotes({
    ledger: async () => ledger as never,
    reachable: () => true,
    pinsSettled: async () => {
      order.push('pins')
    },
  } as never)
  for (let n = 0; n < 600; n++) notes.note({ id: `n${n}` } as never)
  notes.abandon('given up', 0)
  await Promise.all([notes.flush(), notes.flush(), notes.close(1000)])
  await notes.flush()
  expect(told).toHaveLength(601)
  expect(new Set(told).size).toBe(601)
  expect(told[0]).toBe('given up')
  expect(order.length).toBeGreaterThan(0)
})

it('shadows: what the queue refuses or cannot be asked about is shed, and told; close sends what is left', async () => {
  const shed: string[] = []
  const counted: number[] = []
  const make = (queue: Partial<Queue>, backlog = 100): ShadowSender =>
    new ShadowSender({
      migration: 'mail',
      ledger: async () =>
        ({
          shed: async (requests: readonly { id: string }[]) => {
            shed.push(...requests.map(({ id }) => id))
          },
        }) as never,
      queue: async () => queue as Queue,
      backlog,
      emit: (event) => {
        if (event.type === 'shadow-shed') counted.push(event.count)
      },
    })
  const copy = (id: string): Parameters<ShadowSender['add']>[0] => ({
    ...{ id, side: 'target', which: 'pair' },
    job: () => ({ backendId: id, data: {}, delayMs: 0, attempts: 1 }),
  })
  const sent: string[] = []
  const good = make({
    counts: async () => ({ waiting: 0, delayed: 0, running: 0, failed: 0, parked: 0 }),
    enqueue: async (jobs) => {
      sent.push(...jobs.map(({ backendId }) => backendId))
      return jobs.map(({ backendId }) => (backendId === 'bad' ? REFUSED : { status: 'accepted' }))
    },
  })
  for (const id of ['a', 'bad', 'b']) good.add(copy(id))
  await good.close(1000)
  good.add(copy('after close'))
  await until(() => shed.length === 2, 'shed')
  expect([sent, shed]).toEqual([
    ['a', 'bad', 'b'],
    ['bad', 'after close'],
  ])
  const blind = make({ counts: () => Promise.reject(new Error('away')) })
  blind.add(copy('unasked'))
  await blind.close(1000)
  expect(shed.at(-1)).toBe('unasked')
  expect(counted).toEqual([1, 1, 1])
})
