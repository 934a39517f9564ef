// The end of a migration from bee-queue to BullMQ: `finish` refuses while anything is left; after it the plain application,
// with BullMQ alone, works off what is there and enqueues what comes.

import { Queue as BullQueue, Worker as BullWorker } from 'bullmq'
import { describe, expect, it } from 'vitest'
import { readFinish } from '../../src/backlog/finish.ts'
import { resolveMigration } from '../../src/config/resolve.ts'
import type { Queue } from '../../src/ports/queue.ts'
import { testFlags } from '../../src/testing/index.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { configOf, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'

describe.runIf(hasRedis())('bee-queue to BullMQ', () => {
  it('takes its steps in order, and leaves a plain application', async ({ onTestFinished }) => {
    const bed = await redisBed()
    onTestFinished(() => bed.stop())
    const app = await openApp(bed, { dials: { target: 1, shadow: 0 } })
    let open = true
    onTestFinished(async () => {
      if (open) await app.close()
    })
    const settings = resolveMigration(configOf(bed, testFlags({ target: 1, shadow: 0 })), 'mail')
    const shadows = new Map<Side, Queue>()
    const shadowQueue = async (side: Side): Promise<Queue> => {
      const queue = shadows.get(side) ?? (await app.queue(side)).shadow()
      await queue.open()
      shadows.set(side, queue)
      return queue
    }
    const reading = { settings, ledger: app.ledger, queue: app.queue, shadowQueue, keep: 'target', share: 1 } as const
    const finish = (windowMs = 0) => readFinish({ ...reading, windowMs })
    const notYet = async () => (await finish()).items.filter(({ may }) => !may).map(({ step }) => step)

    await app.both()
    const { id } = await app.cutover.enqueue('mail', { n: 1 })
    await app.cutover.result('mail', id)
    const late = await app.cutover.enqueue('mail', { n: 2 }, { delay: '1h' })
    expect(await notYet()).toEqual(['flag', 'old-worker', 'old-queue', 'shadow-queues', 'cutover'])
    expect((await finish()).left).toEqual([{ side: 'target', id: late.id, where: 'delayed' }])

    // the producer is changed: plain jobs, run by the workers that are still there, as adopted ones
    await app.cutover.close()
    const workers = await openApp(bed, { dials: { target: 1, shadow: 0 } })
    await workers.both()
    const plain = new BullQueue('mail', { connection: { url: bed.url } })
    onTestFinished(() => plain.close())
    await plain.add('mail', { n: 3 })
    await until(() => workers.runs.some(({ n }) => n === 3), 'the plain job is run')
    expect(await notYet()).toEqual(['cutover'])
    expect((await finish(60_000)).items.find(({ step }) => step === 'old-worker')?.why).toEqual([
      expect.stringMatching(/legacy is empty, but not yet for 60 s/),
    ])
    await workers.cutover.discard('mail', late.id, { why: 'sent by hand' })
    await until(async () => (await notYet()).length === 0, 'everything may go')
    const proof = await finish()
    expect(proof).toMatchObject({ done: true, left: [], more: 0 })
    await workers.close()
    for (const queue of shadows.values()) await queue.close()
    await app.close()
    open = false

    // the plain application: what was left is plain
    await plain.add('mail', { n: 4 })
    await plain.add('mail', { n: 5 }, { delay: 50 })
    expect((await plain.getJobs(['waiting', 'delayed'])).map(({ data }) => Object.keys(data))).toEqual([['n'], ['n']])
    const seen: number[] = []
    const worker = new BullWorker('mail', async (job) => seen.push(job.data.n), {
      connection: { url: bed.url, maxRetriesPerRequest: null },
    })
    onTestFinished(() => worker.close())
    await until(() => seen.length === 2, 'both are worked off')
    expect(seen.toSorted()).toEqual([4, 5])
  })
})
