// The contract's ended jobs: an id that ended can run again when the caller knows that it ended, and an error's kind
// never takes an attempt away.

import { expect } from 'vitest'
import type { Disposition, OutgoingJob, Queue, QueuePlace } from '../../src/ports/queue.ts'
import type { Case } from './queue-contract.ts'
import {
  ACK,
  allParked,
  type Bench,
  type Deliver,
  enqueueAll,
  eventually,
  job,
  jobs,
  placed,
  type Work,
} from './queue-kit.ts'

const ENDINGS = ['failed', 'parked', 'completed'] as const
const FIRST: Readonly<Record<(typeof ENDINGS)[number], Disposition>> = {
  failed: { kind: 'fail', error: new Error('the first time'), retry: false },
  parked: { kind: 'park', reason: 'late' },
  completed: ACK,
}

async function statuses(queue: Queue, list: readonly OutgoingJob[]): Promise<string[]> {
  return (await queue.enqueue(list)).map((answer) => answer.status)
}

/** The same job again, as a new one. */
function again(one: OutgoingJob, changes: Partial<OutgoingJob> = {}): OutgoingJob {
  return { ...one, data: { again: true }, replaceEnded: true, ...changes }
}

/** Runs a job to each ending; its worker goes on and acks whatever comes then. */
async function endedJobs(bench: Bench, queue: Queue, count = 1): Promise<{ list: OutgoingJob[]; work: Work }> {
  const list = ENDINGS.flatMap((ending) => jobs(count, { data: { ending }, attempts: 3 }))
  await enqueueAll(queue, list)
  const deliver: Deliver = ({ data }) => {
    const { ending } = data as { ending?: (typeof ENDINGS)[number] }
    return ending === undefined ? ACK : FIRST[ending]
  }
  const work = await bench.work(queue, deliver)
  await work.until((runs) => runs.length === list.length)
  await eventually(
    () => queue.counts(),
    (counts) => counts.failed === count && counts.parked === count && counts.running + counts.waiting === 0,
  )
  return { list, work }
}

/** A retry of its own for each error that a backend may know by its class, its name or its message. */
async function specialErrors(): Promise<readonly unknown[]> {
  const bullmq = await import('bullmq')
  class Final extends bullmq.UnrecoverableError {}
  const plain = new Error('by name')
  plain.name = 'UnrecoverableError'
  const renamed = new bullmq.DelayedError('renamed')
  renamed.name = 'Error'
  return [
    ...[new bullmq.UnrecoverableError('by class'), new Final('by subclass'), plain, renamed],
    ...[new bullmq.RateLimitError(), new Error('bullmq:rateLimitExceeded')],
    ...[new bullmq.DelayedError(), new bullmq.WaitingError(), new bullmq.WaitingChildrenError()],
  ]
}

export const ENDED_CASES: readonly Case[] = [
  {
    name: 'an id that failed, completed or was parked as late runs again, as a new job, when the caller asks for it',
    async run(bench) {
      const queue = await bench.queue()
      const { list, work } = await endedJobs(bench, queue)
      const other = await bench.queue()
      expect(
        await statuses(
          other,
          list.map((one) => again(one)),
        ),
      ).toEqual(list.map(() => 'accepted'))
      await work.until((runs) => runs.length === 2 * list.length)
      expect(new Set(work.runs.slice(list.length).map((run) => run.id))).toEqual(
        new Set(list.map((one) => one.backendId)),
      )
      for (const run of work.runs.slice(list.length)) expect(run).toMatchObject({ attempt: 1, data: { again: true } })
      await eventually(
        () => queue.counts(),
        (counts) => counts.waiting + counts.running === 0,
      )
      // No record of the first is left beside.
      expect(await queue.counts()).toMatchObject({ failed: 0, parked: 0, delayed: 0 })
      expect(await allParked(queue)).toEqual([])
    },
  },
  {
    name: 'a job that takes the place of an ended one keeps what it asks for: pause, attempts',
    needs: (harness) => (harness.spec().capabilities.delay ? undefined : 'no delay'),
    async run(bench) {
      const queue = await bench.queue()
      const { list, work } = await endedJobs(bench, queue)
      const sentAt = Date.now()
      const later = list.map((one) => again(one, { delayMs: 700, attempts: 2 }))
      expect(await statuses(queue, later)).toEqual(later.map(() => 'accepted'))
      for (const { backendId } of list) expect((await queue.find(backendId)).place).toBe('delayed')
      // Delayed ones are under way.
      expect(await statuses(queue, later)).toEqual(later.map(() => 'duplicate'))
      await work.until((runs) => runs.length === 2 * list.length)
      for (const run of work.runs.slice(list.length)) expect(run.startedAt - sentAt).toBeGreaterThanOrEqual(690)
    },
  },
  {
    name: 'a job that waits, is delayed or runs is never replaced; without asking nothing is',
    async run(bench) {
      const queue = await bench.queue()
      const [failed, running, waiting, delayed] = [
        job({ data: 'failed' }),
        job({ data: 'running' }),
        job({ data: 'waiting' }),
        job({ data: 'delayed', delayMs: queue.capabilities.delay ? 60_000 : 0 }),
      ]
      const gate = bench.gate()
      const work = await bench.work(queue, async ({ data }) => {
        if (data === 'failed') return FIRST.failed
        await gate.passed
        return ACK
      })
      await enqueueAll(queue, [failed])
      await placed(queue, failed.backendId, 'failed')
      await enqueueAll(queue, [running])
      await work.until((runs) => runs.length === 2)
      await enqueueAll(queue, [waiting, delayed])
      const alive = [running, waiting, delayed]
      expect(await statuses(queue, [again(failed, { replaceEnded: false }), { ...failed }])).toEqual([
        'duplicate',
        'duplicate',
      ])
      expect(
        await statuses(
          queue,
          alive.map((one) => again(one)),
        ),
      ).toEqual(['duplicate', 'duplicate', 'duplicate'])
      // Twice in one call: the second meets the first.
      expect(await statuses(queue, [again(failed), again(failed), again(job())])).toEqual([
        'accepted',
        'duplicate',
        'accepted',
      ])
      gate.open()
      await work.until((runs) => runs.length >= 5)
      const data = (id: string): unknown[] => work.runs.filter((run) => run.id === id).map((run) => run.data)
      expect(data(failed.backendId)).toEqual(['failed', { again: true }])
      expect(data(running.backendId)).toEqual(['running'])
      expect(data(waiting.backendId)).toEqual(['waiting'])
    },
  },
  {
    name: 'what is parked for another reason than `late` is under way: it is not dropped',
    async run(bench) {
      const queue = await bench.queue()
      const reasons = ['deferred', 'moving', 'newer', 'damaged'] as const
      const list = reasons.map((reason) => job({ data: { reason } }))
      await enqueueAll(queue, list)
      const work = await bench.work(queue, ({ data }) => ({
        kind: 'park',
        reason: (data as { reason: 'moving' }).reason,
      }))
      await eventually(
        () => queue.counts(),
        (counts) => counts.parked === 4,
      )
      await work.consumer?.stop({ timeoutMs: 5_000 })
      // Whether a parked id is known to `enqueue` is the backend's affair.
      await queue.enqueue(list.map((one) => again(one)))
      const left = await allParked(queue)
      expect(left.map(({ data }) => (data as { reason: string }).reason).sort()).toEqual([...reasons].sort())
    },
  },
  {
    name: 'several producers replace the same ended jobs at once: accepted by one',
    async run(bench) {
      const queues = [await bench.queue(), await bench.queue(), await bench.queue()]
      const { list, work } = await endedJobs(bench, queues[0]!, 30)
      await work.consumer?.stop({ timeoutMs: 5_000 })
      const failed = list.filter((one) => (one.data as { ending: string }).ending === 'failed')
      const answers = await Promise.all(
        queues.map((queue) =>
          statuses(
            queue,
            failed.map((one) => again(one)),
          ),
        ),
      )
      for (const [index] of failed.entries()) {
        expect(answers.map((answer) => answer[index]).sort()).toEqual(['accepted', 'duplicate', 'duplicate'])
      }
      const second = await bench.work(queues[1]!, () => ACK, 8)
      await second.until((runs) => runs.length === 30)
      expect(await queues[0]!.counts()).toMatchObject({ waiting: 0, failed: 0 })
    },
  },
  {
    name: 'a job that failed, ran again and failed again is kept as any other failed one',
    async run(bench) {
      const queue = await bench.queue()
      const one = job()
      let failures = 0
      await bench.work(queue, () => {
        failures += 1
        return { kind: 'fail', error: new Error(`failure ${failures}`), retry: false }
      })
      await enqueueAll(queue, [one])
      for (const times of [2, 3]) {
        await placed(queue, one.backendId, 'failed')
        expect(await statuses(queue, [again(one)])).toEqual(['accepted'])
        await eventually(
          async () => failures,
          (now) => now === times,
        )
      }
      const reason = await placed(queue, one.backendId, 'failed')
      if (reason !== undefined) expect(reason).toContain('failure 3')
      expect(await queue.counts()).toMatchObject({ failed: 1, waiting: 0, delayed: 0, running: 0 })
    },
  },
  {
    name: 'whatever error a handler throws, a retry is a retry, and the end is an end',
    async run(bench) {
      const queue = await bench.queue()
      const errors = await specialErrors()
      const list = errors.flatMap((_, index) => [
        job({ data: { index, retry: true }, attempts: 3 }),
        job({ data: { index, retry: false }, attempts: 3 }),
      ])
      await enqueueAll(queue, list)
      const work = await bench.work(queue, ({ data }) => special(data, errors), 4)
      await allFailed(queue, list)
      checkSpecial(list, (id) => work.runs.filter((run) => run.id === id).map((run) => run.attempt))
    },
  },
  {
    name: "whatever error a handler throws in the backend's own plain worker, a retry is a retry",
    needs: (harness) => (harness.native === undefined ? 'the backend has no worker of its own' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const errors = await specialErrors()
      const list = errors.flatMap((_, index) => [
        job({ data: { index, retry: true }, attempts: 3 }),
        job({ data: { index, retry: false }, attempts: 3 }),
      ])
      await enqueueAll(queue, list)
      const seen = new Map<string, number[]>()
      const worker = await bench.harness.native?.(async (...args) => {
        const delivery = queue.fromNative(args)
        seen.set(delivery.backendId, [...(seen.get(delivery.backendId) ?? []), delivery.attempt])
        return queue.toNative(delivery, args, special(delivery.data, errors))
      })
      bench.onEnd(async () => worker?.stop())
      await allFailed(queue, list)
      checkSpecial(list, (id) => seen.get(id) ?? [])
    },
  },
]

function special(data: unknown, errors: readonly unknown[]): Disposition {
  const { index, retry } = data as { index: number; retry: boolean }
  return { kind: 'fail', error: errors[index], retry }
}

async function allFailed(queue: Queue, list: readonly OutgoingJob[]): Promise<void> {
  const places = (): Promise<QueuePlace[]> =>
    Promise.all(list.map(async ({ backendId }) => (await queue.find(backendId)).place))
  await eventually(places, (now) => now.every((place) => place === 'failed'))
}

function checkSpecial(list: readonly OutgoingJob[], attempts: (id: string) => number[]): void {
  for (const { backendId, data } of list) {
    const { index, retry } = data as { index: number; retry: boolean }
    expect(attempts(backendId), `error ${index}, retry ${retry}`).toEqual(retry ? [1, 2, 3] : [1])
  }
}
