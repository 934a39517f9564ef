// The contract's races: removing, parking and deferring against live workers; each job ends exactly once.

import { expect } from 'vitest'
import type { Disposition, Queue } from '../../src/ports/queue.ts'
import type { Case } from './queue-contract.ts'
import type { Bench, Deliver, Run } from './queue-kit.ts'
import { ACK, allParked, dropOne, enqueueAll, eventually, job, jobs, removeOne, unparkOne } from './queue-kit.ts'

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Live workers on two handles. */
async function workers(bench: Bench, deliver: Deliver): Promise<{ first: Queue; runs(): Run[]; errors(): unknown[] }> {
  const first = await bench.queue()
  const works = [await bench.work(first, deliver, 4), await bench.work(await bench.queue(), deliver, 4)]
  return {
    first,
    runs: () => works.flatMap((work) => work.runs),
    errors: () => works.flatMap((work) => work.errors),
  }
}

async function drained(queue: Queue): Promise<void> {
  await eventually(
    () => queue.counts(),
    (counts) => counts.waiting + counts.delayed + counts.running + counts.parked === 0,
    25_000,
  )
}

export const RACE_CASES: readonly Case[] = [
  {
    name: 'remove against live workers: removed jobs never run, the others run once',
    needs: (harness) => (harness.spec().capabilities.remove ? undefined : 'no remove'),
    async run(bench) {
      const remover = await bench.queue()
      const list = jobs(700)
      const never = remover.capabilities.delay ? jobs(100, { delayMs: 600_000 }) : []
      await enqueueAll(remover, [...list, ...never])
      const { first, runs } = await workers(bench, async () => {
        await soon()
        return ACK
      })
      const removed = new Set<string>()
      // From the newest to the oldest, so that removers and workers meet in the middle.
      const left = [...never, ...list].map((one) => one.backendId)
      const remove = async (queue: Queue): Promise<void> => {
        for (let id = left.pop(); id !== undefined; id = left.pop()) if (await removeOne(queue, id)) removed.add(id)
      }
      await Promise.all([remove(remover), remove(remover), remove(first)])
      await drained(first)
      const ran = runs().map((run) => run.id)
      expect(ran.filter((id) => removed.has(id))).toEqual([])
      expect(ran).toHaveLength(new Set(ran).size)
      expect(ran.length + removed.size).toBe(list.length + never.length)
      for (const one of never) expect(removed).toContain(one.backendId)
      expect(removed.size).toBeGreaterThan(never.length)
    },
  },
  {
    name: 'two removers: each job is removed by one of them',
    needs: (harness) => (harness.spec().capabilities.remove ? undefined : 'no remove'),
    async run(bench) {
      const queues = [await bench.queue(), await bench.queue()] as const
      const list = jobs(200)
      await enqueueAll(queues[0], list)
      const answers = await Promise.all(
        list.flatMap(({ backendId }) => [removeOne(queues[0], backendId), removeOne(queues[1], backendId)]),
      )
      expect(answers.filter((answer) => answer)).toHaveLength(200)
      expect(await queues[0].counts()).toMatchObject({ waiting: 0 })
    },
  },
  {
    name: 'bulk remove and park against three live consumers: none runs that was taken, every other runs once',
    timeoutMs: () => 60_000,
    async run(bench) {
      const movers = [await bench.queue(), await bench.queue(), await bench.queue()] as const
      const list = jobs(2400)
      const later = movers[0].capabilities.delay ? jobs(200, { delayMs: 600_000 }) : []
      await enqueueAll(movers[0], [...list, ...later])
      const works = await Promise.all(
        movers.map((queue) =>
          bench.work(
            queue,
            async () => {
              await soon()
              return ACK
            },
            3,
          ),
        ),
      )
      const removed = new Set<string>()
      const parked = new Set<string>()
      // From the newest to the oldest, so that movers and workers meet in the middle; two parkers want the same jobs.
      const left = [...later, ...list].map((one) => one.backendId)
      const take = async (
        into: Set<string>,
        ask: (ids: readonly string[]) => Promise<readonly boolean[]>,
        size: number,
      ): Promise<void> => {
        while (left.length > 0) {
          const ids = left.splice(-size)
          for (const [at, taken] of (await ask(ids)).entries()) {
            if (!taken) continue
            expect(removed.has(ids[at]!) || parked.has(ids[at]!)).toBe(false)
            into.add(ids[at]!)
          }
          await soon()
        }
      }
      const parkTwice = async (ids: readonly string[]): Promise<readonly boolean[]> => {
        const [one, two] = await Promise.all([movers[1].park(ids, 'moving'), movers[2].park(ids, 'moving')])
        for (const at of ids.keys()) expect(one![at] === true && two![at] === true).toBe(false)
        return ids.map((_, at) => one![at] === true || two![at] === true)
      }
      await Promise.all([take(removed, (ids) => movers[0].remove(ids), 40), take(parked, parkTwice, 25)])
      const ran = (): string[] => works.flatMap((work) => work.runs.map((run) => run.id))
      await eventually(
        () => movers[0].counts(),
        (counts) => counts.waiting + counts.delayed + counts.running === 0,
        25_000,
      )
      await eventually(
        async () => ran().length + removed.size + parked.size,
        (ended) => ended >= list.length + later.length,
      )
      expect(ran()).toHaveLength(new Set(ran()).size)
      expect(ran().filter((id) => removed.has(id) || parked.has(id))).toEqual([])
      expect(ran().length + removed.size + parked.size).toBe(list.length + later.length)
      for (const one of later) expect(removed.has(one.backendId) || parked.has(one.backendId)).toBe(true)
      expect(removed.size).toBeGreaterThan(0)
      expect(parked.size).toBeGreaterThan(0)
      expect((await allParked(movers[0])).map((one) => one.backendId).sort()).toEqual([...parked].sort())
    },
  },
  {
    name: 'park, unpark and drop against live workers: each job ends exactly once',
    async run(bench) {
      const list = jobs(300)
      const seen = new Map<string, number>()
      const ended = new Map<string, string[]>()
      const end = (id: string, how: string): void => {
        ended.set(id, [...(ended.get(id) ?? []), how])
      }
      const { first, errors } = await workers(bench, async (_, run): Promise<Disposition> => {
        const time = (seen.get(run.id) ?? 0) + 1
        seen.set(run.id, time)
        await soon()
        if (time <= Number(run.id.at(-1)) % 3) return { kind: 'park', reason: 'moving' }
        end(run.id, 'ran')
        return ACK
      })
      const sweeper = await bench.queue()
      await enqueueAll(sweeper, list)
      while (ended.size < list.length) {
        for (const parked of (await sweeper.parked({ limit: 50 })).jobs) {
          // Every job that ends in 5 is dropped the first time it is met; the others go round again.
          if (parked.backendId.endsWith('5')) {
            if (await dropOne(sweeper, parked.backendId)) end(parked.backendId, 'dropped')
          } else await unparkOne(sweeper, parked.backendId)
        }
        await soon()
        if (errors().length > 0) throw new AggregateError(errors(), 'the worker met errors')
      }
      await drained(sweeper)
      expect([...ended.values()].filter((ways) => ways.length !== 1)).toEqual([])
      expect(ended.size).toBe(300)
      for (const [id, [way]] of ended) expect(way).toBe(id.endsWith('5') ? 'dropped' : 'ran')
      expect(await first.counts()).toMatchObject({ failed: 0 })
    },
  },
  {
    name: 'defer against live workers: no attempt is spent, each job ends exactly once',
    needs: (harness) => (harness.spec().capabilities.defer ? undefined : 'no defer'),
    async run(bench) {
      const list = jobs(200, { attempts: 2 })
      const seen = new Map<string, number>()
      const acked: string[] = []
      const { first, runs } = await workers(bench, async (_, run): Promise<Disposition> => {
        const time = (seen.get(run.id) ?? 0) + 1
        seen.set(run.id, time)
        await soon()
        if (time <= 3) return { kind: 'defer', delayMs: time === 2 ? 20 : 0 }
        acked.push(run.id)
        return ACK
      })
      await enqueueAll(first, list)
      await drained(first)
      expect(acked.sort()).toEqual(list.map((one) => one.backendId).sort())
      expect(runs()).toHaveLength(800)
      expect(new Set(runs().map((run) => run.attempt))).toEqual(new Set([1]))
    },
  },
  {
    name: 'the same id from several producers at once: accepted by one',
    async run(bench) {
      const queues = [await bench.queue(), await bench.queue(), await bench.queue()]
      const list = jobs(100)
      const answers = await Promise.all(queues.map((queue) => queue.enqueue(list)))
      for (const [index] of list.entries()) {
        const statuses = answers.map((answer) => answer[index]?.status).sort()
        expect(statuses).toEqual(['accepted', 'duplicate', 'duplicate'])
      }
      const work = await bench.work(queues[0]!, () => ACK, 8)
      await work.until((runs) => runs.length === 100)
      await enqueueAll(queues[0]!, [job()])
      await work.until((runs) => runs.length === 101)
    },
  },
]
