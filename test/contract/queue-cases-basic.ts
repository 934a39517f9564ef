// The contract's plain rules: accepting, duplicates, attempts, places, park list, shadow queue, handles.

import { expect } from 'vitest'
import type { ParkReason } from '../../src/ports/queue.ts'
import type { Case } from './queue-contract.ts'
import { ACK, allParked, dropOne, enqueueAll, eventually, job, jobs, placed, refusal, unparkOne } from './queue-kit.ts'

const MINUTES = 600_000

export const BASIC_CASES: readonly Case[] = [
  {
    name: 'runs an accepted job once, with its data, its id and attempt 1',
    async run(bench) {
      const queue = await bench.queue()
      const data = { text: 'zażółć 🙂 \u2028 "\\', list: [1, null, { a: true }], empty: {}, 'a.b:c': -0.5 }
      const one = job({ data, attempts: 3 })
      const before = Date.now()
      await enqueueAll(queue, [one])
      const seen: unknown[] = []
      const work = await bench.work(queue, (delivery) => {
        seen.push(delivery.attempts, delivery.native !== undefined, delivery.enqueuedAt)
        return ACK
      })
      await work.until((runs) => runs.length === 1)
      expect(work.runs[0]).toMatchObject({ id: one.backendId, attempt: 1, data })
      expect(seen.slice(0, 2)).toEqual([3, true])
      if (seen[2] !== undefined) expect(Math.abs((seen[2] as number) - before)).toBeLessThan(5_000)
      const found = await eventually(
        () => queue.find(one.backendId),
        ({ place }) => place !== 'running',
      )
      expect(['completed', 'absent']).toContain(found.place)
    },
  },
  {
    name: 'answers a known id with duplicate, in the same call and from another handle, and keeps the first data',
    async run(bench) {
      const queue = await bench.queue()
      const other = await bench.queue()
      const one = job({ data: { first: true } })
      const two = job()
      const again = { ...one, data: { first: false } }
      const status = (answers: readonly { status: string }[]): string[] => answers.map((answer) => answer.status)
      expect(status(await queue.enqueue([one, again, two]))).toEqual(['accepted', 'duplicate', 'accepted'])
      expect(status(await queue.enqueue([again]))).toEqual(['duplicate'])
      expect(status(await other.enqueue([job(), two]))).toEqual(['accepted', 'duplicate'])
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 3)
      expect(work.runs.find((run) => run.id === one.backendId)?.data).toEqual({ first: true })
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0 })
    },
  },
  {
    name: 'accepts every id of the form that the library makes',
    async run(bench) {
      const queue = await bench.queue()
      const ids = [
        'a',
        '1_0',
        '12345_0',
        '-',
        '_',
        '0-0',
        'A-z_9',
        `${'9'.repeat(118)}_0`,
        'x'.repeat(120),
        '1e3',
        '0x1f',
        'wait',
        'id',
      ]
      await enqueueAll(
        queue,
        ids.map((backendId) => job({ backendId })),
      )
      const work = await bench.work(queue, () => ACK, 4)
      await work.until((runs) => runs.length === ids.length)
      expect(work.runs.map((run) => run.id).sort()).toEqual([...ids].sort())
    },
  },
  {
    name: 'takes no job, one, or a thousand in a call, and hands them out oldest first',
    async run(bench) {
      const queue = await bench.queue()
      expect(await queue.enqueue([])).toEqual([])
      const many = jobs(1000)
      await enqueueAll(queue, many)
      expect(await queue.counts()).toMatchObject({ waiting: 1000, delayed: 0, running: 0, failed: 0, parked: 0 })
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 1000)
      expect(work.runs.map((run) => run.id)).toEqual(many.map((one) => one.backendId))
    },
  },
  {
    name: 'a failing job runs attempts times, then it is failed with a reason',
    async run(bench) {
      const queue = await bench.queue()
      const one = job({ attempts: 3 })
      await enqueueAll(queue, [one])
      const work = await bench.work(queue, () => ({ kind: 'fail', error: new Error('boom 42'), retry: true }))
      await work.until((runs) => runs.length === 3)
      const reason = await placed(queue, one.backendId, 'failed')
      if (reason !== undefined) expect(reason).toContain('boom 42')
      expect(work.runs.map((run) => run.attempt)).toEqual([1, 2, 3])
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0, running: 0, failed: 1 })
    },
  },
  {
    name: 'fail without retry ends at once, also for what is not an Error',
    async run(bench) {
      const queue = await bench.queue()
      const errors: unknown[] = [new Error('final'), 'a text', undefined, { circular: null }]
      const list = errors.map(() => job({ attempts: 5 }))
      await enqueueAll(queue, list)
      const work = await bench.work(queue, (_, run) => {
        const error = errors[list.findIndex((one) => one.backendId === run.id)]
        return { kind: 'fail', error, retry: false }
      })
      for (const one of list) await placed(queue, one.backendId, 'failed')
      expect(work.runs.map((run) => run.attempt)).toEqual([1, 1, 1, 1])
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0, running: 0, failed: 4 })
    },
  },
  {
    name: 'carries 1 MB there and back, or refuses by size',
    async run(bench) {
      const queue = await bench.queue()
      const data = { text: 'ä'.repeat(524_288), tail: 'x'.repeat(1000) }
      const one = job({ data })
      if (queue.capabilities.maxPayloadBytes < 1_100_000) {
        expect(await refusal(() => queue.enqueue([one]))).toMatchObject({ code: 'payload-too-large' })
        return
      }
      await enqueueAll(queue, [one])
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 1)
      expect(work.runs[0]?.data).toEqual(data)
    },
  },
  {
    name: 'finds a job in each place, and counts it there',
    async run(bench) {
      const queue = await bench.queue()
      const gate = bench.gate()
      const [failing, parking, running, waiting] = jobs(4) as [ReturnType<typeof job>, ...ReturnType<typeof job>[]]
      await enqueueAll(queue, [failing, parking!, running!])
      const work = await bench.work(queue, async (_, run) => {
        if (run.id === failing.backendId) return { kind: 'fail', error: new Error('no'), retry: false }
        if (run.id === parking!.backendId) return { kind: 'park', reason: 'late' }
        await gate.passed
        return ACK
      })
      await work.until((runs) => runs.length === 3)
      await enqueueAll(queue, [waiting!])
      await placed(queue, failing.backendId, 'failed')
      await placed(queue, parking!.backendId, 'parked')
      await placed(queue, running!.backendId, 'running')
      await placed(queue, waiting!.backendId, 'waiting')
      expect(await queue.find('never_seen')).toMatchObject({ place: 'absent' })
      const counts = await queue.counts()
      expect(counts).toMatchObject({ waiting: 1, delayed: 0, running: 1, failed: 1, parked: 1 })
      if (counts.oldestReadyMs !== undefined) expect(counts.oldestReadyMs).toBeGreaterThanOrEqual(0)
      gate.open()
      await work.until((runs) => runs.length === 4)
      const rest = await eventually(
        () => queue.counts(),
        (now) => now.running === 0,
      )
      expect(rest).toMatchObject({ waiting: 0, running: 0, failed: 1, parked: 1 })
      expect(rest.oldestReadyMs).toBeUndefined()
    },
  },
  {
    name: 'parks durably: listed from another handle, put back under its id, or dropped',
    async run(bench) {
      const queue = await bench.queue()
      const reasons: ParkReason[] = ['late', 'deferred', 'moving', 'newer', 'damaged']
      const list = reasons.map((reason) => job({ data: { reason }, attempts: 2 }))
      await enqueueAll(queue, list)
      let parking = true
      const work = await bench.work(queue, (delivery) =>
        parking ? { kind: 'park', reason: (delivery.data as { reason: ParkReason }).reason } : ACK,
      )
      const other = await bench.queue()
      const parked = await eventually(
        () => allParked(other),
        (all) => all.length === 5,
      )
      for (const one of list) {
        const copy = parked.find((candidate) => candidate.backendId === one.backendId)
        expect(copy).toMatchObject({ data: one.data, reason: (one.data as { reason: string }).reason, attempts: 2 })
        expect(copy?.attemptsMade).toBeLessThan(2)
        expect(Math.abs((copy?.parkedAt ?? 0) - Date.now())).toBeLessThan(10_000)
        expect(copy?.runAt).toBeTypeOf('number')
      }
      parking = false
      const [back, gone] = list as [(typeof list)[0], (typeof list)[0]]
      expect(await unparkOne(other, back.backendId)).toBe(true)
      expect(await unparkOne(other, back.backendId)).toBe(false)
      await work.until((runs) => runs.filter((run) => run.id === back.backendId).length === 2)
      expect(work.runs.at(-1)).toMatchObject({ id: back.backendId, data: back.data })
      expect(await dropOne(queue, gone.backendId)).toBe(true)
      expect(await dropOne(queue, gone.backendId)).toBe(false)
      expect(await unparkOne(queue, gone.backendId)).toBe(false)
      expect(await queue.find(gone.backendId)).toMatchObject({ place: 'absent' })
      expect(await allParked(queue)).toHaveLength(3)
      expect(await queue.counts()).toMatchObject({ waiting: 0, parked: 3 })
    },
  },
  {
    name: 'the shadow queue is a queue of its own',
    async run(bench) {
      const queue = await bench.queue()
      const shadow = queue.shadow()
      bench.onEnd(() => shadow.close())
      await shadow.open()
      expect(shadow.name).toBe(`${queue.name}.shadow`)
      expect(shadow.kind).toBe(queue.kind)
      const same = job({ data: { queue: 'main' } })
      await enqueueAll(queue, [same])
      await enqueueAll(shadow, [{ ...same, data: { queue: 'shadow' } }, job()])
      expect(await queue.counts()).toMatchObject({ waiting: 1 })
      expect(await shadow.counts()).toMatchObject({ waiting: 2 })
      const inShadow = await bench.work(shadow)
      await inShadow.until((runs) => runs.length === 2)
      expect(inShadow.runs[0]?.data).toEqual({ queue: 'shadow' })
      expect(await queue.counts()).toMatchObject({ waiting: 1 })
      const inMain = await bench.work(queue)
      await inMain.until((runs) => runs.length === 1)
      expect(inMain.runs[0]?.data).toEqual({ queue: 'main' })
      await inShadow.consumer?.stop({ timeoutMs: 5_000 })
      await shadow.close()
      await enqueueAll(queue, [job()])
      await inMain.until((runs) => runs.length === 2)
    },
  },
  {
    name: 'two handles share one queue: each job runs once',
    async run(bench) {
      const first = await bench.queue()
      const second = await bench.queue()
      const list = jobs(200)
      const tick = (): Promise<typeof ACK> => new Promise((resolve) => setImmediate(() => resolve(ACK)))
      const works = [await bench.work(first, tick, 3), await bench.work(second, tick, 3)]
      await Promise.all([enqueueAll(first, list.slice(0, 100)), enqueueAll(second, list.slice(100))])
      const ran = (): string[] => works.flatMap((work) => work.runs.map((run) => run.id))
      await eventually(
        async () => ({ ...(await first.counts()), ran: ran().length }),
        (now) => now.waiting + now.running === 0 && now.ran >= 200,
      )
      expect(ran().sort()).toEqual(list.map((one) => one.backendId).sort())
    },
  },
  {
    name: 'runs up to its concurrency at the same time, and no more',
    async run(bench) {
      const queue = await bench.queue()
      const gate = bench.gate()
      let at = 0
      let most = 0
      await enqueueAll(queue, jobs(12))
      const deliver = async (): Promise<typeof ACK> => {
        at += 1
        most = Math.max(most, at)
        await gate.passed
        at -= 1
        return ACK
      }
      const work = await bench.work(queue, deliver, 4)
      await work.until((runs) => runs.length === 4)
      expect(await queue.counts()).toMatchObject({ running: 4, waiting: 8 })
      gate.open()
      await work.until((runs) => runs.length === 12)
      expect(most).toBe(4)
    },
  },
  {
    name: 'opens and closes repeatedly; nothing is accepted after close',
    async run(bench) {
      const queue = await bench.queue()
      await queue.open()
      await enqueueAll(queue, [job({ delayMs: queue.capabilities.delay ? MINUTES : 0 })])
      await queue.close()
      await queue.close()
      await refusal(() => queue.enqueue([job()]))
      const other = await bench.queue()
      expect(await other.counts()).toMatchObject(queue.capabilities.delay ? { delayed: 1 } : { waiting: 1 })
    },
  },
]
