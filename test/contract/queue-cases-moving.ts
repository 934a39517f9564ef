// The contract's moving: what is listed and read so that a job can go to another queue, whole.

import { expect } from 'vitest'
import type { OutgoingJob, ParkedJob } from '../../src/ports/queue.ts'
import { elsewhere, HOUR, idsOf, listed, onward, tried, YEARS } from './moving-kit.ts'
import type { Case } from './queue-contract.ts'
import { ACK, allParked, enqueueAll, eventually, job, jobs, placed, removeOne } from './queue-kit.ts'

export const MOVING_CASES: readonly Case[] = [
  {
    name: 'list: a quiet queue page by page, each job once, those that run first first, with all that it carries',
    async run(bench) {
      const queue = await bench.queue()
      const before = Date.now()
      const list = jobs(100, { attempts: 4, backoff: { delayMs: 250 }, data: { text: 'ü"\n', list: [1, null] } })
      await enqueueAll(queue, list)
      for (const limit of [1, 7, 100, 1000]) expect(idsOf(await listed(queue, 'waiting', limit))).toEqual(idsOf(list))
      const [first] = await listed(queue, 'waiting', 500)
      expect(first).toMatchObject({ place: 'waiting', data: list[0]!.data, attempts: 4, attemptsMade: 0 })
      expect(first).toMatchObject({ backoff: { delayMs: 250 } })
      for (const time of [first!.runAt, first!.enqueuedAt ?? before]) {
        expect(Math.abs(time - before)).toBeLessThan(5_000)
      }
      for (const absent of ['priority', 'damaged', 'held']) expect(first).not.toHaveProperty(absent)
      expect(await queue.list({ place: 'delayed', limit: 10 })).toEqual({ jobs: [] })
    },
  },
  {
    name: 'list: large jobs make short pages',
    async run(bench) {
      const queue = await bench.queue()
      const list = jobs(24, { data: { text: 'x'.repeat(500_000) } })
      for (let at = 0; at < list.length; at += 4) await enqueueAll(queue, list.slice(at, at + 4))
      const first = await queue.list({ place: 'waiting', limit: 100 })
      expect(first.jobs.length).toBeGreaterThan(3)
      expect(first.jobs.length).toBeLessThan(20)
      expect(idsOf(await listed(queue, 'waiting', 100))).toEqual(idsOf(list))
      expect(await queue.park(idsOf(list), 'moving')).toEqual(list.map(() => true))
      expect(idsOf(await allParked(queue)).sort()).toEqual(idsOf(list).sort())
    },
  },
  {
    name: 'list: a cursor that is none is refused',
    async run(bench) {
      const queue = await bench.queue()
      await expect(queue.list({ place: 'waiting', limit: 1, cursor: 'x' })).rejects.toMatchObject({
        code: 'option-invalid',
      })
    },
  },
  {
    name: 'list: delayed jobs by when they are due, many due at once, some far in the future',
    async run(bench) {
      const queue = await bench.queue()
      const now = Date.now()
      const far = [job({ delayMs: YEARS }), job({ delayMs: YEARS + 5_000 })]
      const same = jobs(40, { delayMs: HOUR })
      await enqueueAll(queue, [far[1]!, ...same, far[0]!])
      const found = await listed(queue, 'delayed', 6)
      expect(idsOf(found).slice(0, 40).sort()).toEqual(idsOf(same).sort())
      expect(idsOf(found).slice(40)).toEqual(idsOf(far))
      expect(found.map((one) => one.runAt)).toEqual(found.map((one) => one.runAt).sort((a, b) => a - b))
      for (const one of found) expect(one.place).toBe('delayed')
      const due = new Map(found.map((one) => [one.backendId, one.runAt - now]))
      for (const one of [...far, ...same]) {
        expect(due.get(one.backendId)).toBeGreaterThanOrEqual(one.delayMs)
        expect(due.get(one.backendId)).toBeLessThan(one.delayMs + 5_000)
      }
    },
  },
  {
    name: 'list: jobs of a page may be taken before the next one is read, no other is passed over',
    async run(bench) {
      const queue = await bench.queue()
      const delayMs = queue.capabilities.delay ? HOUR : 0
      for (const [place, take] of [
        ['waiting', 1],
        ['waiting', 2],
        ['waiting', 13],
        ['delayed', 2],
        ['delayed', 1],
      ] as const) {
        const list = jobs(60, { delayMs: place === 'delayed' ? delayMs : 0 })
        await enqueueAll(queue, list)
        const seen: string[] = []
        let at = 0
        let cursor: string | undefined
        do {
          const page = await queue.list({ place, limit: 10, ...(cursor === undefined ? {} : { cursor }) })
          seen.push(...idsOf(page.jobs))
          // Every one, every second, or all but the thirteenth: what stays must neither hide others nor end the scan.
          const taken = page.jobs.filter(() => (at++ % 13) % take === 0)
          await queue.remove(idsOf(taken))
          cursor = page.cursor
        } while (cursor !== undefined)
        expect([...new Set(seen)].sort()).toEqual(idsOf(list).sort())
        await queue.remove(idsOf(list))
        expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0 })
      }
    },
  },
  {
    name: 'list: what waits from the first page to the last is listed, while workers take, producers add and a mover removes',
    timeoutMs: () => 60_000,
    async run(bench) {
      const queue = await bench.queue()
      const list = jobs(1200)
      await enqueueAll(queue, list)
      const gate = bench.gate()
      let handed = 0
      const work = await bench.work(
        queue,
        async () => {
          handed += 1
          if (handed > 400) await gate.passed
          return ACK
        },
        3,
      )
      const seen = new Set<string>()
      const removed = new Set<string>()
      let cursor: string | undefined
      do {
        const page = await queue.list({ place: 'waiting', limit: 40, ...(cursor === undefined ? {} : { cursor }) })
        for (const one of page.jobs) seen.add(one.backendId)
        const some = idsOf(page.jobs).filter((_, at) => at % 3 === seen.size % 3)
        const answers = await queue.remove(some)
        for (const [at, id] of some.entries()) if (answers[at] === true) removed.add(id)
        await enqueueAll(queue, jobs(5))
        cursor = page.cursor
      } while (cursor !== undefined && seen.size < 20_000)
      const still = new Set(idsOf(await listed(queue, 'waiting', 500)))
      const stayed = idsOf(list).filter((id) => still.has(id))
      expect(stayed.length).toBeGreaterThan(100)
      expect(stayed.filter((id) => !seen.has(id))).toEqual([])
      gate.open()
      const ran = (): Set<string> => new Set(work.runs.map((run) => run.id))
      await eventually(
        async () => idsOf(list).filter((id) => !ran().has(id) && !removed.has(id)).length,
        (left) => left === 0,
        20_000,
      )
      expect([...removed].filter((id) => ran().has(id))).toEqual([])
    },
  },
  {
    name: 'priorities: listed in the order of running, and kept on the way to another queue',
    needs: (harness) => (harness.spec().capabilities.priority ? undefined : 'no priority'),
    async run(bench) {
      const queue = await bench.queue()
      const order = [5, 2_097_151, 1, 5, 0, undefined, 1, 3_000]
      const list = order.map((priority) => job(priority === undefined ? {} : { priority }))
      await enqueueAll(queue, list)
      const wanted = [4, 5, 2, 6, 0, 3, 7, 1].map((at) => list[at]!.backendId)
      const found = await listed(queue, 'waiting', 3)
      expect(idsOf(found)).toEqual(wanted)
      expect(found.map((one) => one.priority ?? 0)).toEqual([0, 0, 1, 1, 5, 5, 3_000, 2_097_151])
      const other = await elsewhere(bench, queue)
      await enqueueAll(
        other,
        found.map((one) => onward(one, Date.now())),
      )
      expect(await queue.remove(idsOf(found))).toEqual(found.map(() => true))
      const work = await bench.work(other)
      await work.until((runs) => runs.length === list.length)
      expect(work.runs.map((run) => run.id)).toEqual(wanted)
    },
  },
  {
    name: 'what remains of attempts and pauses is told, and goes on in another queue',
    async run(bench) {
      const queue = await bench.queue()
      const one = job({ attempts: 5, backoff: { delayMs: 400 } })
      const fixed = job({ attempts: 3, backoff: { delayMs: 700, fixed: true } })
      await enqueueAll(queue, [one, fixed])
      const work = await bench.work(queue, () => ({ kind: 'fail', error: new Error('again'), retry: true }))
      await work.until((runs) => runs.filter((run) => run.id === one.backendId).length === 2)
      await work.consumer?.stop({ timeoutMs: 5_000 })
      const found = await eventually(
        () => listed(queue, 'delayed', 10),
        (all) => all.length === 2,
      )
      const stored = found.find((each) => each.backendId === one.backendId)!
      expect(stored).toMatchObject({ attempts: 5, attemptsMade: 2, backoff: { delayMs: 1_600 } })
      const other = found.find((each) => each.backendId === fixed.backendId)!
      expect(other.backoff).toEqual({ delayMs: 700, fixed: true })
      expect(other.attempts - other.attemptsMade).toBeLessThanOrEqual(2)
      const there = await elsewhere(bench, queue)
      await enqueueAll(there, [{ ...onward(stored, Date.now()), delayMs: 0 }])
      expect(await removeOne(queue, one.backendId)).toBe(true)
      const attempts: number[] = []
      const onwards = await bench.work(there, (delivery) => {
        attempts.push(delivery.attempts)
        return { kind: 'fail', error: new Error('and again'), retry: true }
      })
      await onwards.until((runs) => runs.length === 1)
      const rest = await eventually(
        () => listed(there, 'delayed', 10),
        (all) => all.length === 1,
      )
      expect(attempts).toEqual([3])
      expect(rest[0]).toMatchObject({ attempts: 3, attemptsMade: 1, backoff: { delayMs: 3_200 } })
      expect(rest[0]!.runAt - onwards.runs[0]!.endedAt).toBeGreaterThan(1_500)
      expect(rest[0]!.runAt - onwards.runs[0]!.endedAt).toBeLessThan(3_000)
    },
  },
  {
    name: 'never started: true only for jobs that no worker ever took, undefined where the backend cannot tell',
    async run(bench) {
      const queue = await bench.queue()
      const known = queue.capabilities.neverStarted
      await tried(bench, queue, [job({ attempts: 3, backoff: { delayMs: HOUR } })], 'failed')
      if (queue.capabilities.defer) await tried(bench, queue, [job()], 'deferred')
      const old = await listed(queue, 'delayed', 10)
      expect(old.map((one) => one.neverStarted)).toEqual(old.map(() => false))
      await queue.remove(idsOf(old))
      const fresh = [job(), ...(queue.capabilities.delay ? [job({ delayMs: HOUR })] : [])]
      await enqueueAll(queue, fresh)
      const young = [...(await listed(queue, 'waiting', 10)), ...(await listed(queue, 'delayed', 10))]
      expect(young.map((one) => one.neverStarted)).toEqual(fresh.map(() => (known ? true : undefined)))
      expect(await queue.park(idsOf(young), 'moving')).toEqual(young.map(() => true))
      const parked = await allParked(queue)
      expect(parked.map((one) => one.neverStarted)).toEqual(fresh.map(() => (known ? true : undefined)))
    },
  },
  {
    name: 'read: a job wherever it is',
    async run(bench) {
      const queue = await bench.queue()
      const failing = job({ data: { is: 'failing' }, attempts: 2 })
      const parked = job({ data: { is: 'parked' }, attempts: 4 })
      const running = job({ data: { is: 'running' } })
      const gate = bench.gate()
      const work = await bench.work(queue, async ({ data }) => {
        const { is } = data as { is: string }
        if (is === 'failing') return { kind: 'fail', error: new Error('no'), retry: true }
        if (is === 'parked') return { kind: 'park', reason: 'newer' }
        await gate.passed
        return ACK
      })
      await enqueueAll(queue, [failing])
      await placed(queue, failing.backendId, 'failed')
      await enqueueAll(queue, [parked])
      await placed(queue, parked.backendId, 'parked')
      await enqueueAll(queue, [running])
      await work.until((runs) => runs.length === 4)
      const waiting = job({ attempts: 2 })
      const delayed = job({ delayMs: HOUR, backoff: { delayMs: 10 }, attempts: 2 })
      await enqueueAll(queue, [waiting, delayed])
      const look = async (one: OutgoingJob, place: string, more: Partial<ParkedJob>): Promise<void> => {
        expect(await queue.read(one.backendId)).toMatchObject({
          ...{ backendId: one.backendId, place, data: one.data },
          ...more,
        })
      }
      await look(failing, 'failed', { attempts: 2, attemptsMade: 2 })
      await look(parked, 'parked', { attempts: 4, attemptsMade: 0, reason: 'newer', parkedAt: expect.any(Number) })
      await look(running, 'running', { attempts: 1, attemptsMade: 0 })
      await look(waiting, 'waiting', { attempts: 2 })
      await look(delayed, 'delayed', { attempts: 2, backoff: { delayMs: 10 } })
      expect(await queue.read('never_seen')).toBeUndefined()
      gate.open()
    },
  },
  {
    name: 'counts in detail: what failed before, what runs on without a sign of its worker',
    async run(bench) {
      const queue = await bench.queue()
      expect(await queue.counts({ detail: true })).toMatchObject({ retrying: 0, stalled: 0, running: 0 })
      await tried(bench, queue, jobs(2, { attempts: 3, backoff: { delayMs: HOUR } }), 'failed')
      if (queue.capabilities.defer) await tried(bench, queue, [job()], 'deferred')
      await enqueueAll(queue, jobs(3))
      const counts = await queue.counts({ detail: true })
      expect(counts).toMatchObject({ waiting: 3, retrying: 2 })
      expect(counts.delayed).toBe(queue.capabilities.defer ? 3 : 2)
      expect(await queue.counts()).not.toHaveProperty('retrying')
    },
  },
  {
    name: 'whether a job would be refused is known before anything is sent',
    async run(bench) {
      const queue = await bench.queue()
      const limit = queue.capabilities.maxPayloadBytes
      expect(queue.refusal(job({ delayMs: HOUR, attempts: 3, backoff: { delayMs: 5 } }))).toBeUndefined()
      const text = 'x'.repeat(1024 * 1024)
      const big = job({ data: { list: Array.from({ length: Math.ceil(limit / text.length) }, () => text) } })
      expect(queue.refusal(big)).toMatchObject({ code: 'payload-too-large' })
      const circular: Record<string, unknown> = {}
      circular['self'] = circular
      expect(queue.refusal(job({ data: circular }))).toMatchObject({ code: 'payload-not-json' })
      const urgent = queue.refusal(job({ priority: 1 }))
      if (queue.capabilities.priority) expect(urgent).toBeUndefined()
      else expect(urgent).toMatchObject({ code: 'capability-missing' })
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0 })
    },
  },
  {
    name: 'jobs of this version may be moved',
    async run(bench) {
      const queue = await bench.queue()
      await enqueueAll(queue, jobs(3))
      expect(await queue.movable()).toEqual({ ok: true })
    },
  },
]
