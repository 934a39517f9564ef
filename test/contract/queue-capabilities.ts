// The contract's table of capabilities: each is held true where declared, and refused by name where not.

import { expect } from 'vitest'
import type { CapabilityName, Queue } from '../../src/ports/queue.ts'
import type { Case } from './queue-contract.ts'
import type { Bench, UnseenCapability } from './queue-kit.ts'
import {
  ACK,
  allParked,
  enqueueAll,
  eventually,
  expectMissing,
  job,
  jobs,
  placed,
  refusal,
  removeOne,
  unparkOne,
} from './queue-kit.ts'

interface CapabilityCheck {
  declared(queue: Queue, bench: Bench): Promise<void>
  /** What must be refused with `capability-missing`; none where the port has no call that asks for it. */
  undeclared?(queue: Queue, bench: Bench): Promise<void>
}

/** For what the port does not show, the adapter's test brings the proof. */
function proven(capability: UnseenCapability): CapabilityCheck {
  return {
    async declared(queue, bench) {
      const prove = bench.harness.prove?.[capability]
      if (prove === undefined)
        throw new Error(`${queue.kind} declares ${capability}: its factory must give prove.${capability}`)
      await prove(queue, bench)
    },
  }
}

/** One check for each capability of the port; a new one does not compile until it has its check. */
const CHECKS: Readonly<Record<CapabilityName, CapabilityCheck>> = {
  delay: {
    async declared(queue, bench) {
      const late = job({ delayMs: 900 })
      const soon = job({ delayMs: 400 })
      const now = job()
      const work = await bench.work(queue, () => ACK, 3)
      const sentAt = Date.now()
      await enqueueAll(queue, [late, soon, now])
      await placed(queue, late.backendId, 'delayed')
      expect(await queue.counts()).toMatchObject({ delayed: 2 })
      await work.until((runs) => runs.length === 3)
      expect(work.runs.map((run) => run.id)).toEqual([now.backendId, soon.backendId, late.backendId])
      expect(work.runs[1]!.startedAt - sentAt).toBeGreaterThanOrEqual(398)
      expect(work.runs[2]!.startedAt - sentAt).toBeGreaterThanOrEqual(898)
      expect(work.runs[2]!.startedAt - sentAt).toBeLessThan(3_000)
    },
    undeclared: (queue) => expectMissing(queue, 'delay', () => queue.enqueue([job({ delayMs: 1_000 })])),
  },
  priority: {
    async declared(queue, bench) {
      const order = [5, 2_097_151, 1, 5, 0, undefined, 1]
      const list = order.map((priority) => job(priority === undefined ? {} : { priority }))
      await enqueueAll(queue, list)
      expect(await queue.counts()).toMatchObject({ waiting: 7 })
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 7)
      const places = work.runs.map((run) => list.findIndex((one) => one.backendId === run.id))
      expect(places).toEqual([4, 5, 2, 6, 0, 3, 1])
    },
    undeclared: (queue) => expectMissing(queue, 'priority', () => queue.enqueue([job({ priority: 1 })])),
  },
  backoff: {
    async declared(queue, bench) {
      const delayMs = 500
      const one = job({ attempts: 3, backoff: { delayMs } })
      await enqueueAll(queue, [one])
      const work = await bench.work(queue, () => ({ kind: 'fail', error: new Error('again'), retry: true }))
      await work.until((runs) => runs.length >= 1)
      await placed(queue, one.backendId, 'delayed')
      await work.until((runs) => runs.length === 3)
      await placed(queue, one.backendId, 'failed')
      expect(work.runs.map((run) => run.attempt)).toEqual([1, 2, 3])
      const [first, second, third] = work.runs as [(typeof work.runs)[0], (typeof work.runs)[0], (typeof work.runs)[0]]
      const pauses = [second.startedAt - first.endedAt, third.startedAt - second.endedAt]
      expect(pauses[0]).toBeGreaterThanOrEqual(delayMs - 5)
      expect(pauses[0]).toBeLessThan(2 * delayMs - 5)
      expect(pauses[1]).toBeGreaterThanOrEqual(2 * delayMs - 5)
      expect(pauses[1]).toBeLessThan(4 * delayMs - 5)
    },
    undeclared: (queue) =>
      expectMissing(queue, 'backoff', () => queue.enqueue([job({ attempts: 2, backoff: { delayMs: 100 } })])),
  },
  defer: {
    async declared(queue, bench) {
      const one = job({ attempts: 2 })
      await enqueueAll(queue, [one])
      const work = await bench.work(queue, (_delivery, _run, runs) =>
        runs.length <= 4 ? { kind: 'defer', delayMs: runs.length === 1 ? 300 : 0 } : ACK,
      )
      await work.until((runs) => runs.length === 5)
      expect(work.runs.map((run) => run.attempt)).toEqual([1, 1, 1, 1, 1])
      expect(work.runs[1]!.startedAt - work.runs[0]!.endedAt).toBeGreaterThanOrEqual(295)
      const counts = await eventually(
        () => queue.counts(),
        (now) => now.running === 0,
      )
      expect(counts).toMatchObject({ waiting: 0, delayed: 0, failed: 0, parked: 0 })
    },
    async undeclared(queue, bench) {
      const one = job({ attempts: 2 })
      await enqueueAll(queue, [one])
      await bench.work(queue, (_delivery, _run, runs) => (runs.length === 1 ? { kind: 'defer', delayMs: 60_000 } : ACK))
      await placed(queue, one.backendId, 'parked')
      const [parked] = await allParked(queue)
      expect(parked).toMatchObject({
        backendId: one.backendId,
        reason: 'deferred',
        data: one.data,
        attempts: 2,
        attemptsMade: 0,
      })
      expect(parked!.runAt - parked!.parkedAt).toBeGreaterThan(50_000)
      expect(await unparkOne(queue, one.backendId)).toBe(true)
      expect(await allParked(queue)).toEqual([])
    },
  },
  list: {
    async declared(queue) {
      const waiting = jobs(6)
      await enqueueAll(queue, waiting)
      const ids = (list: readonly { backendId: string }[]): string[] => list.map((one) => one.backendId)
      expect((await queue.list({ place: 'waiting', limit: 100 })).jobs).toEqual(
        waiting.map(({ backendId, data }) => expect.objectContaining({ backendId, data, place: 'waiting' })),
      )
      expect(ids((await queue.list({ place: 'waiting', limit: 2 })).jobs)).toEqual(ids(waiting.slice(0, 2)))
      if (!queue.capabilities.delay) return
      const delayed = [job({ delayMs: 60_000 }), job({ delayMs: 120_000 })]
      await enqueueAll(queue, delayed)
      expect(ids((await queue.list({ place: 'delayed', limit: 100 })).jobs)).toEqual(ids(delayed))
      expect((await queue.list({ place: 'waiting', limit: 100 })).jobs).toHaveLength(6)
    },
    undeclared: (queue) => expectMissing(queue, 'list', () => queue.list({ place: 'waiting', limit: 1 })),
  },
  remove: {
    async declared(queue, bench) {
      const gate = bench.gate()
      const [running, waiting, kept] = jobs(3) as [
        ReturnType<typeof job>,
        ReturnType<typeof job>,
        ReturnType<typeof job>,
      ]
      await enqueueAll(queue, [running])
      const work = await bench.work(queue, async () => {
        await gate.passed
        return ACK
      })
      await work.until((runs) => runs.length === 1)
      await enqueueAll(queue, [waiting, kept])
      expect(await removeOne(queue, running.backendId)).toBe(false)
      expect(await removeOne(queue, 'never_seen')).toBe(false)
      expect(await removeOne(queue, waiting.backendId)).toBe(true)
      expect(await removeOne(queue, waiting.backendId)).toBe(false)
      expect(await queue.find(waiting.backendId)).toMatchObject({ place: 'absent' })
      if (queue.capabilities.delay) {
        const delayed = job({ delayMs: 60_000 })
        await enqueueAll(queue, [delayed])
        expect(await removeOne(queue, delayed.backendId)).toBe(true)
        expect(await queue.find(delayed.backendId)).toMatchObject({ place: 'absent' })
      }
      await enqueueAll(queue, [waiting])
      gate.open()
      await work.until((runs) => runs.length === 3)
      expect(work.runs.map((run) => run.id)).toEqual([running.backendId, kept.backendId, waiting.backendId])
    },
    undeclared: (queue) => expectMissing(queue, 'remove', () => removeOne(queue, 'some_id')),
  },
  neverStarted: proven('neverStarted'),
  pause: proven('pause'),
  progress: {
    ...proven('progress'),
    async undeclared(queue, bench) {
      await enqueueAll(queue, [job()])
      let checked: Promise<void> | undefined
      const work = await bench.work(queue, async (delivery) => {
        checked = expectMissing(queue, 'progress', () => delivery.progress(50))
        await checked.catch(() => {})
        return ACK
      })
      await work.until((runs) => runs.length === 1 && checked !== undefined)
      await checked
    },
  },
  result: proven('result'),
  jobNames: proven('jobNames'),
  maxPayloadBytes: {
    async declared(queue) {
      const limit = queue.capabilities.maxPayloadBytes
      expect(limit).toBeGreaterThan(0)
      if (limit > 64_000_000) return
      const error = await refusal(() => queue.enqueue([job({ data: { text: 'x'.repeat(limit) } })]))
      expect(error).toMatchObject({ code: 'payload-too-large' })
      expect(await queue.counts()).toMatchObject({ waiting: 0 })
    },
  },
}

export const CAPABILITY_CASES: readonly Case[] = (Object.keys(CHECKS) as CapabilityName[]).map((capability) => ({
  name: capability,
  needs: (harness) => {
    const declared = harness.spec().capabilities[capability]
    const has = declared !== false && declared !== 'none'
    return has || CHECKS[capability].undeclared !== undefined
      ? undefined
      : 'not declared, and no call of the port asks for it'
  },
  async run(bench) {
    const queue = await bench.queue()
    expect(queue.capabilities).toEqual(bench.harness.spec().capabilities)
    const declared = queue.capabilities[capability]
    const check = CHECKS[capability]
    if (declared !== false && declared !== 'none') await check.declared(queue, bench)
    else await check.undeclared?.(queue, bench)
  },
}))
