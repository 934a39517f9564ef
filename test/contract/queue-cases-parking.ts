// The contract's parking: what waits is taken out whole, is found again, and comes back as it was.

import { expect } from 'vitest'
import { HOUR, idsOf, listed, tried, YEARS } from './moving-kit.ts'
import type { Case } from './queue-contract.ts'
import { ACK, allParked, enqueueAll, eventually, everyPage, job, jobs, removeOne, unparkOne } from './queue-kit.ts'

export const PARKING_CASES: readonly Case[] = [
  {
    name: 'park: what waits or is delayed goes into the park list whole, and comes back as it was',
    async run(bench) {
      const queue = await bench.queue()
      const gate = bench.gate()
      const running = job()
      await enqueueAll(queue, [running])
      const work = await bench.work(queue, async () => {
        await gate.passed
        return ACK
      })
      await work.until((runs) => runs.length === 1)
      const extra = queue.capabilities.priority ? { priority: 9 } : {}
      const waiting = job({ attempts: 3, backoff: { delayMs: 100 }, ...extra })
      const delayed = job({ attempts: 2, delayMs: YEARS })
      await enqueueAll(queue, [waiting, delayed])
      const [later] = await listed(queue, 'delayed', 5)
      const ids = [waiting.backendId, running.backendId, delayed.backendId, 'never_seen', waiting.backendId]
      expect(await queue.park(ids, 'moving')).toEqual([true, false, true, false, false])
      expect(await queue.park([], 'moving')).toEqual([])
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0, running: 1, parked: 2 })
      const other = await bench.queue()
      const parked = new Map((await allParked(other)).map((one) => [one.backendId, one]))
      expect(parked.get(waiting.backendId)).toMatchObject({ place: 'parked', reason: 'moving', data: waiting.data })
      expect(parked.get(waiting.backendId)).toMatchObject({ attempts: 3, backoff: { delayMs: 100 }, ...extra })
      expect(parked.get(delayed.backendId)).toMatchObject({ attempts: 2, runAt: later!.runAt })
      const {
        now,
        jobs: [one],
      } = await other.parked()
      expect(now - one!.parkedAt).toBeGreaterThanOrEqual(0)
      expect(now - one!.parkedAt).toBeLessThan(10_000)
      expect(await removeOne(queue, waiting.backendId)).toBe(false)
      expect((await queue.find(waiting.backendId)).place).toBe('parked')
      gate.open()
      expect(await other.unpark([delayed.backendId, waiting.backendId, running.backendId])).toEqual([true, true, false])
      await work.until((runs) => runs.length === 2)
      expect(work.runs[1]).toMatchObject({ id: waiting.backendId, data: waiting.data, attempt: 1 })
      expect(await listed(queue, 'delayed', 5)).toEqual([later])
      expect(await allParked(queue)).toEqual([])
    },
  },
  {
    name: 'park: jobs that a mover gives back run before those that came after them, in their order',
    async run(bench) {
      const queue = await bench.queue()
      const [old, young] = [jobs(20), jobs(5)]
      await enqueueAll(queue, [...old, ...young])
      expect(await queue.park(idsOf(old), 'moving')).toEqual(old.map(() => true))
      expect(await queue.unpark(idsOf(old))).toEqual(old.map(() => true))
      expect(idsOf(await listed(queue, 'waiting', 10))).toEqual(idsOf([...old, ...young]))
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 25)
      expect(work.runs.map((run) => run.id)).toEqual(idsOf([...old, ...young]))
    },
  },
  {
    name: 'park: a delayed job put back after its time runs at once; a job that failed before keeps its attempts',
    async run(bench) {
      const queue = await bench.queue()
      const soon = job({ delayMs: 150 })
      const failed = job({ attempts: 3, backoff: { delayMs: HOUR } })
      await tried(bench, queue, [failed], 'failed')
      await enqueueAll(queue, [soon])
      expect(await queue.park([soon.backendId, failed.backendId], 'moving')).toEqual([true, true])
      expect((await queue.read(failed.backendId))?.attemptsMade).toBe(1)
      const { runAt } = (await queue.read(soon.backendId))!
      await eventually(
        async () => Date.now(),
        (now) => now >= runAt,
      )
      expect(await queue.unpark([soon.backendId, failed.backendId])).toEqual([true, true])
      expect((await queue.find(failed.backendId)).place).toBe('delayed')
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 1)
      expect(work.runs[0]!.id).toBe(soon.backendId)
      const [rest] = await listed(queue, 'delayed', 5)
      expect(rest).toMatchObject({ backendId: failed.backendId, attempts: 3, attemptsMade: 1 })
    },
  },
  {
    name: 'park: an id that old code uses again meanwhile is another job, and neither of the two is lost',
    needs: (harness) => (harness.plain === undefined ? 'an id that is parked is taken there' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const first = job({ data: { first: true } })
      const second = { ...first, data: { first: false } }
      await enqueueAll(queue, [first])
      expect(await queue.park([first.backendId], 'moving')).toEqual([true])
      await enqueueAll(queue, [second])
      expect(await queue.park([first.backendId], 'moving')).toEqual([false])
      expect(await allParked(queue)).toMatchObject([{ data: { first: true } }])
      expect(await unparkOne(queue, first.backendId)).toBe(false)
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 1)
      await eventually(
        async () => unparkOne(queue, first.backendId),
        (back) => back === true,
      )
      await work.until((runs) => runs.length === 2)
      expect(work.runs.map((run) => run.data)).toEqual([{ first: false }, { first: true }])
      expect(await allParked(queue)).toEqual([])
    },
  },
  {
    name: 'parked jobs are found by reason, however many others there are',
    async run(bench) {
      const queue = await bench.queue()
      const late = jobs(1500)
      const [moving, deferred] = [jobs(4), jobs(3)]
      await enqueueAll(queue, [...late, ...moving, ...deferred])
      await queue.park(idsOf(late.slice(0, 700)), 'late')
      await queue.park(idsOf(moving), 'moving')
      await queue.park(idsOf(deferred), 'deferred')
      await queue.park(idsOf(late.slice(700)), 'late')
      const of = async (...reasons: ('late' | 'moving' | 'deferred' | 'newer')[]): Promise<string[]> => {
        const found = await everyPage((cursor) => queue.parked({ reasons, limit: 50, ...cursor }))
        for (const one of found) expect(reasons).toContain(one.reason)
        return [...new Set(idsOf(found))].sort()
      }
      expect(await of('moving')).toEqual(idsOf(moving).sort())
      expect(await of('deferred', 'moving', 'newer')).toEqual(idsOf([...moving, ...deferred]).sort())
      expect(await of('newer')).toEqual([])
      expect(await of('late')).toEqual(idsOf(late).sort())
      expect(new Set(idsOf(await allParked(queue))).size).toBe(1507)
      expect(await queue.counts()).toMatchObject({ waiting: 0, parked: 1507 })
      const gone = await queue.dropParked([...idsOf(late), 'never_seen', late[0]!.backendId])
      expect(gone.filter(Boolean)).toHaveLength(1500)
      expect(gone.slice(-2)).toEqual([false, false])
      expect(new Set(idsOf(await allParked(queue)))).toEqual(new Set(idsOf([...moving, ...deferred])))
    },
  },
  {
    name: 'jobs of plain producers are listed, parked and put back like any other',
    needs: (harness) => (harness.plain === undefined ? 'has no producers but this library' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const payloads = [{ mailbox: 'a', n: 1 }, { $other: true }, {}]
      const ids = await bench.harness.plain!(payloads)
      const found = await listed(queue, 'waiting', 2)
      expect(idsOf(found)).toEqual(ids)
      expect(found.map((one) => one.data)).toEqual(payloads)
      for (const one of found)
        expect(one).toMatchObject({ attempts: 1, attemptsMade: 0, enqueuedAt: expect.any(Number) })
      expect(await queue.park(ids, 'moving')).toEqual([true, true, true])
      expect(await unparkOne(queue, ids[1]!)).toBe(true)
      const enqueuedAt: unknown[] = []
      const work = await bench.work(queue, (delivery) => {
        enqueuedAt.push(delivery.enqueuedAt)
        return ACK
      })
      await work.until((runs) => runs.length === 1)
      expect(work.runs[0]).toMatchObject({ id: ids[1], data: { $other: true } })
      // The same as a worker is told: the id of an adopted job is made of it.
      expect(enqueuedAt).toEqual([found[1]!.enqueuedAt])
    },
  },
  {
    name: 'a damaged record is listed with what is wrong, and stays where it is',
    needs: (harness) => (harness.damage === undefined ? 'the factory damages nothing' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const damage = bench.harness.damage!
      const places = queue.capabilities.delay ? (['waiting', 'delayed'] as const) : (['waiting'] as const)
      for (const place of places) {
        const list = jobs(5, { delayMs: place === 'delayed' ? HOUR : 0 })
        await enqueueAll(queue, list)
        await damage(list[1]!.backendId, 'cut')
        const lost = await damage(list[3]!.backendId, 'missing')
        const found = await listed(queue, place, 2)
        const wrong = lost ? [1, 3] : [1]
        expect(idsOf(found)).toEqual(idsOf(list))
        expect(found.flatMap((one, at) => (one.damaged === undefined ? [] : [at]))).toEqual(wrong)
        for (const at of wrong) expect(found[at]!.damaged).toMatch(/JSON|missing/)
        expect(await listed(queue, place, 2)).toEqual(found)
        expect(await queue.read(list[1]!.backendId)).toMatchObject({ place, damaged: expect.any(String) })
        if (lost) expect(await queue.park([list[3]!.backendId], 'moving')).toEqual([false])
        expect(await queue.park([list[1]!.backendId], 'damaged')).toEqual([true])
        expect(await allParked(queue)).toMatchObject([{ backendId: list[1]!.backendId, damaged: expect.any(String) }])
        expect(await unparkOne(queue, list[1]!.backendId)).toBe(true)
        expect(await queue.remove(idsOf(list))).toEqual(list.map(() => true))
        expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0, parked: 0 })
      }
    },
  },
]
