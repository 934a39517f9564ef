// The contract's faults: killed workers, broken connections, slow jobs at stop, workers and connections of the user's.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { Disposition, QueuePlace } from '../../src/ports/queue.ts'
import type { Case } from './queue-contract.ts'
import { ACK, allParked, type Bench, enqueueAll, eventually, everyPage, job, jobs, placed } from './queue-kit.ts'

const WORKER = fileURLToPath(new URL('./queue-worker.ts', import.meta.url))

/** A worker process on the case's queue; `lines` is what it has printed so far. */
export async function workerProcess(
  bench: Bench,
  mode: 'hold' | 'ack',
): Promise<{ child: ChildProcess; lines: string[]; saw(line: RegExp): Promise<string>; kill(): Promise<void> }> {
  const { child: how } = bench.harness
  if (how === undefined) throw new Error('the factory gives no `child`')
  const args = [WORKER, String(how.module), how.factory, JSON.stringify(how.options), mode]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  // with all that it printed
  const exited = once(child, 'close')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  bench.onEnd(kill)
  const lines: string[] = []
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const reader = createInterface({ input: child.stdout })
  const look = new Set<() => void>()
  reader.on('line', (line) => {
    lines.push(line)
    for (const one of look) one()
  })
  const saw = (wanted: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        end()
        reject(new Error(`${why} before ${wanted}; printed: ${lines.join(', ')}; errors: ${errors}`))
      }
      const check = (): void => {
        const line = lines.find((one) => wanted.test(one))
        if (line === undefined) return
        end()
        resolve(line)
      }
      const timer = setTimeout(() => fail('15 s passed'), 15_000)
      const onExit = (): void => fail('the worker process ended')
      const end = (): void => {
        clearTimeout(timer)
        look.delete(check)
        child.off('exit', onExit)
      }
      child.once('exit', onExit)
      look.add(check)
      check()
    })
  await saw(/^ready$/)
  return { child, lines, saw, kill }
}

export const FAULT_CASES: readonly Case[] = [
  {
    name: 'a job whose worker process is killed runs again elsewhere',
    needs: (harness) => (harness.child === undefined ? 'the factory gives no child process' : undefined),
    timeoutMs: ({ stallWindowMs }) => 30_000 + 4 * stallWindowMs,
    async run(bench, { stallWindowMs }) {
      const queue = await bench.queue()
      const one = job({ attempts: 1 })
      await enqueueAll(queue, [one])
      const worker = await workerProcess(bench, 'hold')
      await worker.saw(new RegExp(`^run ${one.backendId} 1$`))
      await placed(queue, one.backendId, 'running')
      await worker.kill()
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 1, 10_000 + 4 * stallWindowMs)
      expect(work.runs[0]).toMatchObject({ id: one.backendId, data: one.data })
      const found = await eventually(
        () => queue.find(one.backendId),
        ({ place }) => place !== 'running',
      )
      expect(['completed', 'absent']).toContain(found.place)
    },
  },
  {
    name: 'a long job keeps its lease: it is not handed out twice while its worker lives',
    timeoutMs: ({ stallWindowMs }) => 30_000 + 4 * stallWindowMs,
    async run(bench, { stallWindowMs }) {
      const queue = await bench.queue()
      const other = await bench.queue()
      await enqueueAll(queue, [job()])
      const slow = (): Promise<Disposition> =>
        new Promise((resolve) => setTimeout(() => resolve(ACK), 2.5 * stallWindowMs))
      const works = [await bench.work(queue, slow), await bench.work(other, slow)]
      await eventually(
        () => queue.counts(),
        (counts) => counts.waiting + counts.running === 0 && works.some((work) => work.runs.length > 0),
        10_000 + 4 * stallWindowMs,
      )
      expect(works.flatMap((work) => work.runs)).toHaveLength(1)
    },
  },
  {
    name: 'a process of its own and this one share the queue: each job runs once',
    needs: (harness) => (harness.child === undefined ? 'the factory gives no child process' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const worker = await workerProcess(bench, 'ack')
      const work = await bench.work(queue, () => new Promise((resolve) => setImmediate(() => resolve(ACK))), 2)
      const list = jobs(300)
      await enqueueAll(queue, list)
      const ran = (): string[] => [
        ...worker.lines.filter((line) => line.startsWith('run ')).map((line) => line.split(' ')[1] ?? ''),
        ...work.runs.map((run) => run.id),
      ]
      await eventually(
        async () => ({ counts: await queue.counts(), ran: ran().length }),
        (now) => now.counts.waiting + now.counts.running === 0 && now.ran >= 300,
        20_000,
      )
      expect(ran().sort()).toEqual(list.map((one) => one.backendId).sort())
    },
  },
  {
    name: 'a worker process sees a job that another process enqueues while it is idle',
    needs: (harness) => (harness.child === undefined ? 'the factory gives no child process' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const worker = await workerProcess(bench, 'ack')
      for (const one of jobs(3)) {
        const sentAt = Date.now()
        await enqueueAll(queue, [one])
        await worker.saw(new RegExp(`^run ${one.backendId} `))
        expect(Date.now() - sentAt).toBeLessThan(3_000)
      }
    },
  },
  {
    name: 'stop waits for a slow job, takes no other, and says whether all ended',
    async run(bench) {
      const queue = await bench.queue()
      const gate = bench.gate()
      const work = await bench.work(queue, async () => {
        await gate.passed
        return ACK
      })
      const [slow, next] = jobs(2) as [ReturnType<typeof job>, ReturnType<typeof job>]
      await enqueueAll(queue, [slow])
      await work.until((runs) => runs.length === 1)
      expect(await work.consumer?.stop({ timeoutMs: 100 })).toBe(false)
      await enqueueAll(queue, [next])
      const stopped = work.consumer?.stop({ timeoutMs: 10_000 })
      gate.open()
      expect(await stopped).toBe(true)
      expect(work.runs.map((run) => run.id)).toEqual([slow.backendId])
      expect(['completed', 'absent']).toContain((await queue.find(slow.backendId)).place)
      expect((await queue.find(next.backendId)).place).toBe('waiting')
    },
  },
  {
    name: 'stop with nothing to do is true at once, and twice',
    async run(bench) {
      const queue = await bench.queue()
      const work = await bench.work(queue)
      const before = Date.now()
      expect(await work.consumer?.stop({ timeoutMs: 10_000 })).toBe(true)
      expect(await work.consumer?.stop({ timeoutMs: 10_000 })).toBe(true)
      expect(Date.now() - before).toBeLessThan(8_000)
      await enqueueAll(queue, [job()])
      const second = await bench.work(queue)
      await second.until((runs) => runs.length === 1)
      expect(work.runs).toEqual([])
    },
  },
  {
    name: 'an answer that is lost is unknown; the same id again is a duplicate and runs once',
    needs: (harness) => (harness.connection === undefined ? 'no connection that could break' : undefined),
    async run(bench) {
      const { connection } = bench.harness
      if (connection === undefined) throw new Error('unreachable: the case needs a connection')
      const queue = await bench.queue(connection.spec())
      await enqueueAll(queue, [job()])
      await connection.loseAnswers()
      const one = job()
      expect(await queue.enqueue([one])).toMatchObject([{ status: 'unknown' }])
      await connection.heal()
      const answer = await eventually(
        () => queue.enqueue([one]),
        ([again]) => again?.status !== 'unknown' && again?.status !== 'refused',
      )
      expect(answer).toMatchObject([{ status: 'duplicate' }])
      const direct = await bench.queue()
      const work = await bench.work(direct)
      await work.until((runs) => runs.length === 2)
      expect(await direct.counts()).toMatchObject({ waiting: 0 })
    },
  },
  {
    name: 'an answer to park or remove that is lost: each job is taken or still waits, and none is in both places',
    needs: (harness) => (harness.connection === undefined ? 'no connection that could break' : undefined),
    timeoutMs: () => 60_000,
    async run(bench) {
      const { connection } = bench.harness
      if (connection === undefined) throw new Error('unreachable: the case needs a connection')
      const queue = await bench.queue(connection.spec())
      const direct = await bench.queue()
      for (const how of ['park', 'remove'] as const) {
        const list = jobs(600)
        await enqueueAll(direct, list)
        const ids = list.map((one) => one.backendId)
        await connection.loseAnswers()
        const lost = (how === 'park' ? queue.park(ids, 'moving') : queue.remove(ids)).then(
          () => 'answered',
          () => 'failed',
        )
        expect(await lost).toBe('failed')
        await connection.heal()
        await eventually(
          async () => queue.counts().catch(() => undefined),
          (counts) => counts !== undefined,
        )
        const waiting = (await everyPage((cursor) => direct.list({ place: 'waiting', limit: 500, ...cursor }))).map(
          (one) => one.backendId,
        )
        const parked = (await allParked(direct)).map((one) => one.backendId)
        expect(parked.filter((id) => waiting.includes(id))).toEqual([])
        if (how === 'park') expect([...waiting, ...parked].sort()).toEqual([...ids].sort())
        // What had been taken is told as not taken the second time; what had not is taken now.
        const again = how === 'park' ? await queue.park(ids, 'moving') : await queue.remove(ids)
        expect(ids.filter((_, at) => again[at])).toEqual(ids.filter((id) => waiting.includes(id)))
        expect((await allParked(direct)).length).toBe(how === 'park' ? 600 : 0)
        await direct.dropParked(ids)
      }
    },
  },
  {
    name: 'without a connection nothing is accepted; refused means not stored',
    needs: (harness) => (harness.connection === undefined ? 'no connection that could break' : undefined),
    async run(bench) {
      const { connection } = bench.harness
      if (connection === undefined) throw new Error('unreachable: the case needs a connection')
      const queue = await bench.queue(connection.spec())
      const direct = await bench.queue()
      await connection.cut()
      const list = jobs(3)
      const answers = await queue.enqueue(list)
      for (const [index, answer] of answers.entries()) {
        expect(['unknown', 'refused']).toContain(answer.status)
        if (answer.status !== 'refused') continue
        expect((await direct.find(list[index]!.backendId)).place).toBe('absent')
      }
      await connection.heal()
      const again = await eventually(
        () => queue.enqueue(list),
        (now) => now.every((answer) => answer.status === 'accepted' || answer.status === 'duplicate'),
      )
      expect(again).toHaveLength(3)
      expect(await direct.counts()).toMatchObject({ waiting: 3 })
    },
  },
  {
    name: 'a worker is told of its broken connection, and goes on when it is back',
    needs: (harness) => (harness.connection === undefined ? 'no connection that could break' : undefined),
    async run(bench) {
      const { connection } = bench.harness
      if (connection === undefined) throw new Error('unreachable: the case needs a connection')
      const queue = await bench.queue(connection.spec())
      const direct = await bench.queue()
      const work = await bench.work(queue)
      await enqueueAll(direct, [job()])
      await work.until((runs) => runs.length === 1)
      await connection.cut()
      await work.until(() => work.errors.length > 0)
      await enqueueAll(direct, [job()])
      await connection.heal()
      await work.until((runs) => runs.length >= 2)
    },
  },
  {
    name: 'what was handed in stays open after close',
    needs: (harness) => (harness.handedIn === undefined ? 'nothing can be handed in' : undefined),
    async run(bench) {
      const given = await bench.harness.handedIn?.()
      if (given === undefined) throw new Error('unreachable: the case needs handedIn')
      const queue = await bench.queue(given.spec)
      await enqueueAll(queue, [job()])
      const work = await bench.work(queue)
      await work.until((runs) => runs.length === 1)
      await work.consumer?.stop({ timeoutMs: 5_000 })
      await queue.close()
      await queue.close()
      expect(await given.usable()).toBe(true)
    },
  },
  {
    name: "works inside the backend's own plain worker",
    needs: (harness) => (harness.native === undefined ? 'the backend has no worker of its own' : undefined),
    async run(bench) {
      const queue = await bench.queue()
      const kinds = ['ack', 'retry', 'final', 'park', 'defer'] as const
      const list = kinds.map((kind) => job({ data: { kind }, attempts: 2 }))
      await enqueueAll(queue, list)
      const seen: { kind: string; attempt: number; id: string }[] = []
      const worker = await bench.harness.native?.(async (...args) => {
        const delivery = queue.fromNative(args)
        const { kind } = delivery.data as { kind: (typeof kinds)[number] }
        const times = seen.push({ kind, attempt: delivery.attempt, id: delivery.backendId })
        const before = seen.slice(0, times - 1).filter((run) => run.kind === kind).length
        return queue.toNative(delivery, args, asked(kind, before))
      })
      bench.onEnd(async () => worker?.stop())
      const [acked, retried, final, parked, deferred] = list as [(typeof list)[0], ...typeof list]
      await placed(queue, final!.backendId, 'failed')
      await placed(queue, retried!.backendId, 'failed')
      await placed(queue, parked!.backendId, 'parked')
      const over: readonly QueuePlace[] = ['completed', 'absent']
      const last: readonly QueuePlace[] = queue.capabilities.defer ? over : ['parked']
      for (const [one, places] of [
        [acked, over],
        [deferred!, last],
      ] as const) {
        await eventually(
          () => queue.find(one.backendId),
          ({ place }) => places.includes(place),
        )
      }
      const attempts = (kind: string): number[] => seen.filter((run) => run.kind === kind).map((run) => run.attempt)
      expect(attempts('ack')).toEqual([1])
      expect(attempts('retry')).toEqual([1, 2])
      expect(attempts('final')).toEqual([1])
      expect(attempts('park')).toEqual([1])
      expect(attempts('defer')).toEqual(queue.capabilities.defer ? [1, 1] : [1])
      expect(seen.map((run) => run.id)).toEqual(expect.arrayContaining(list.map((one) => one.backendId)))
    },
  },
]

function asked(kind: string, before: number): Disposition {
  switch (kind) {
    case 'retry':
      return { kind: 'fail', error: new Error('once more'), retry: true }
    case 'final':
      return { kind: 'fail', error: new Error('never again'), retry: false }
    case 'park':
      return { kind: 'park', reason: 'late' }
    case 'defer':
      return before === 0 ? { kind: 'defer', delayMs: 0 } : ACK
    default:
      return { kind: 'ack', result: { fine: true } }
  }
}
