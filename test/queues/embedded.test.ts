// The embedded queue against the contract of every queue, and what only it can do: leases, stalls, a file that refuses.

import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { type EmbeddedQueueOptions, embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { openSqliteFile } from '../../adapters/sqlite-file.ts'
import { workerProcess } from '../contract/queue-cases-faults.ts'
import { queueContract } from '../contract/queue-contract.ts'
import { ACK, allParked, Bench, enqueueAll, eventually, job, jobs, placed } from '../contract/queue-kit.ts'
import { type EmbeddedHarness, embeddedHarness } from './embedded-harness.ts'

const contract = { stallWindowMs: 900 }
queueContract({ ...contract, name: 'embedded', create: async () => embeddedHarness() })
queueContract({
  ...contract,
  name: 'embedded, completed jobs kept, durability full',
  create: async () => embeddedHarness({ removeOnComplete: false, durability: 'full' }),
})

function withBench(
  name: string,
  run: (bench: Bench, harness: EmbeddedHarness) => Promise<void>,
  extra: Partial<EmbeddedQueueOptions> = {},
): void {
  test(name, async () => {
    const harness = embeddedHarness(extra)
    const bench = new Bench(harness)
    try {
      await run(bench, harness)
    } finally {
      await bench.end()
    }
  })
}

describe('embedded queue: leases', () => {
  withBench('two worker processes, one killed in the middle: every job runs, none is failed or left', async (bench) => {
    const queue = await bench.queue()
    const list = jobs(2000)
    const [first, second] = [await workerProcess(bench, 'ack'), await workerProcess(bench, 'ack')]
    await enqueueAll(queue, list)
    await eventually(
      async () => first.lines.length,
      (printed) => printed > 20,
    )
    await first.kill()
    await eventually(
      () => queue.counts(),
      (counts) => counts.waiting + counts.running + counts.delayed === 0,
      20_000,
    )
    // What was committed and not yet printed when the process died is not in its lines: at most the runs it held. What the
    // other one printed may still be on its way to here.
    const notPrinted = async (): Promise<number> => {
      const ran = new Set([...first.lines, ...second.lines].map((line) => line.split(' ')[1]))
      return list.filter((one) => !ran.has(one.backendId)).length
    }
    await eventually(notPrinted, (count) => count <= 2)
    expect(second.lines.length).toBeGreaterThan(1)
    expect(await queue.counts()).toMatchObject({ waiting: 0, running: 0, failed: 0, parked: 0 })
  })

  for (const kind of ['ack', 'fail', 'park', 'defer'] as const) {
    withBench(`a run whose lease was taken over cannot ${kind}`, async (bench, { sql }) => {
      const queue = await bench.queue()
      const one = job({ attempts: 1 })
      await enqueueAll(queue, [one])
      const gate = bench.gate()
      const work = await bench.work(queue, async () => {
        await gate.passed
        if (kind === 'ack') return ACK
        if (kind === 'fail') return { kind, error: new Error('zombie'), retry: false }
        return kind === 'park' ? { kind, reason: 'late' } : { kind, delayMs: 0 }
      })
      await work.until((runs) => runs.length === 1)
      sql('UPDATE embedded_jobs SET token = 1, rank = ? WHERE id = ? RETURNING seq', Date.now() + 60_000, one.backendId)
      gate.open()
      await work.until(() => work.errors.length > 0)
      expect(work.errors).toMatchObject([{ code: 'backend-failed', details: { id: one.backendId } }])
      expect(sql('SELECT place, token, made FROM embedded_jobs WHERE id = ?', one.backendId)).toEqual({
        place: 2,
        token: 1,
        made: 0,
      })
    })
  }

  withBench(
    'a run whose lease is over and that nobody has taken back yet counts as stalled',
    async (bench, { sql }) => {
      const queue = await bench.queue()
      const [over, held] = jobs(2) as [ReturnType<typeof job>, ReturnType<typeof job>]
      await enqueueAll(queue, [over, held])
      sql('UPDATE embedded_jobs SET place = 2, token = 1, rank = 1 WHERE id = ? RETURNING seq', over.backendId)
      const later = Date.now() + 60_000
      sql('UPDATE embedded_jobs SET place = 2, token = 1, rank = ? WHERE id = ? RETURNING seq', later, held.backendId)
      expect(await queue.counts({ detail: true })).toMatchObject({ running: 2, stalled: 1, waiting: 0 })
    },
  )

  withBench(
    'a job that loses its worker again and again is failed with a reason, without an attempt spent before',
    async (bench, { sql }) => {
      const queue = await bench.queue()
      const one = job({ attempts: 1 })
      await enqueueAll(queue, [one])
      for (const stalls of [0, 1, 2]) {
        const worker = await workerProcess(bench, 'hold')
        await worker.saw(/^run .* 1$/)
        expect(sql('SELECT stalls, made FROM embedded_jobs')).toEqual({ stalls, made: 0 })
        await worker.kill()
        // as if the lease had run out
        sql('UPDATE embedded_jobs SET rank = 1 RETURNING seq')
      }
      const work = await bench.work(queue)
      expect(await placed(queue, one.backendId, 'failed')).toMatch(/stalled more than 2 times/)
      expect(work.runs).toEqual([])
    },
    { maxStalls: 2, leaseMs: 60_000 },
  )

  withBench('a run that stalls wakes an idle worker, which runs it', async (bench, { sql }) => {
    const queue = await bench.queue()
    const one = job()
    await enqueueAll(queue, [one])
    const worker = await workerProcess(bench, 'hold')
    await worker.saw(/^run /)
    await worker.kill()
    const work = await bench.work(queue)
    await work.until((runs) => runs.length === 1)
    expect(work.runs[0]?.attempt).toBe(1)
    await eventually(
      async () => sql('SELECT 1 FROM embedded_jobs'),
      (row) => row === undefined,
    )
  })
})

describe('embedded queue: a file that refuses', () => {
  withBench('a file that is locked is waited for, with the event loop free', async (bench, { path }) => {
    const queue = await bench.queue()
    const work = await bench.work(queue)
    await enqueueAll(queue, [job()])
    await work.until((runs) => runs.length === 1)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const answer = queue.enqueue([job()])
    let longest = 0
    let last = performance.now()
    const ticks = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 2)
    const settled = await Promise.race([answer, new Promise((resolve) => setTimeout(() => resolve('waits'), 400))])
    expect(settled).toBe('waits')
    other.exec('COMMIT')
    other.close()
    expect(await answer).toEqual([{ status: 'accepted' }])
    await work.until((runs) => runs.length === 2)
    clearInterval(ticks)
    expect(longest).toBeLessThan(100)
  })

  withBench(
    'a full disk refuses and stores nothing; an ack that found it full is kept and done later',
    async (bench, { path, sql }) => {
      const queue = await bench.queue()
      const gate = bench.gate()
      const held = job()
      await enqueueAll(queue, [held])
      const work = await bench.work(queue, async () => {
        await gate.passed
        return ACK
      })
      await work.until((runs) => runs.length === 1)
      // The connection is this process's own: a limit on it is met like a full disk.
      const file = await openSqliteFile({ path })
      bench.onEnd(() => file.close())
      const limit = (pages: number): Promise<void> => file.read((db) => db.exec(`PRAGMA max_page_count = ${pages}`))
      await limit(1)
      const big = jobs(3, { data: { text: 'x'.repeat(200_000) } })
      const answers = await queue.enqueue(big)
      expect(answers).toMatchObject(big.map(() => ({ status: 'refused', cause: { code: 'ledger-full' } })))
      expect(await queue.counts()).toMatchObject({ waiting: 0, running: 1 })
      await limit(1_000_000)
      await enqueueAll(queue, big)
      gate.open()
      await work.until((runs) => runs.length === 4)
      await eventually(
        async () => sql('SELECT 1 FROM embedded_jobs'),
        (row) => row === undefined,
      )
    },
  )

  withBench('a file that is no database is refused at open, by name', async (_bench, { path, spec }) => {
    writeFileSync(path, 'this is a text file, long enough to be read as a database header '.repeat(20))
    const queue = spec().create()
    await expect(queue.open()).rejects.toMatchObject({
      code: 'ledger-unavailable',
      message: expect.stringContaining(path),
    })
    await queue.close()
  })

  withBench('a file of a newer version is refused', async (bench, { sql, spec }) => {
    await bench.queue()
    sql('UPDATE embedded_queues SET schema = 2 RETURNING queue')
    await expect(spec().create().open()).rejects.toMatchObject({ code: 'adapter-version' })
  })

  withBench('damaged data is parked, visible, and the worker goes on', async (bench, { sql }) => {
    const queue = await bench.queue()
    const [damaged, fine] = jobs(2) as [ReturnType<typeof job>, ReturnType<typeof job>]
    await enqueueAll(queue, [damaged, fine])
    sql(`UPDATE embedded_jobs SET data = '{"cut' WHERE id = ? RETURNING seq`, damaged.backendId)
    const work = await bench.work(queue)
    await work.until((runs) => runs.length === 1)
    expect(work.runs[0]?.id).toBe(fine.backendId)
    await placed(queue, damaged.backendId, 'parked')
    expect(await allParked(queue)).toMatchObject([{ backendId: damaged.backendId, reason: 'damaged', data: '{"cut' }])
  })

  withBench('data that is not JSON is refused, the rest of the call is stored', async (bench) => {
    const queue = await bench.queue()
    const circular: Record<string, unknown> = {}
    circular.self = circular
    const answers = await queue.enqueue([job({ data: circular }), job({ data: undefined }), job({ data: 1n }), job()])
    const refused = { status: 'refused', cause: { code: 'payload-not-json' } }
    expect(answers).toMatchObject([refused, refused, refused, { status: 'accepted' }])
  })
})

describe('embedded queue: options', () => {
  test.each([
    [{ queue: '' }, 'queue'],
    [{ queue: 'a', leaseMs: 5 }, 'leaseMs'],
    [{ queue: 'a', leaseMs: 'soon' as never }, 'leaseMs'],
    [{ queue: 'a', pollMs: 0 }, 'pollMs'],
    [{ queue: 'a', maxStalls: -1 }, 'maxStalls'],
  ])('%j is refused', (options, named) => {
    expect(() => embeddedQueue(options)).toThrow(named)
  })
})
