// Does an id whose row was purged run again, although its queues still keep the failed jobs of its last time?

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Queue } from '../../src/ports/queue.ts'
import { backendIdOf } from '../../src/vocabulary/ids.ts'
import type { Arm } from '../../src/vocabulary/job.ts'
import { type App, type Bed, embeddedBed, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'

/** A job of `arm` that ended in this queue, as one of an earlier row. */
async function leaveFailed(queue: Queue, id: string, arm: Arm): Promise<void> {
  const backendId = backendIdOf(id, 0, arm)
  await queue.enqueue([{ backendId, data: { n: 0 }, delayMs: 0, attempts: 1 }])
  const deliver = async () => ({ kind: 'fail', error: new Error('the last time'), retry: false }) as const
  const consumer = await queue.consume(deliver, { concurrency: 1, onError: () => {} })
  await until(async () => (await queue.find(backendId)).place === 'failed', 'failed')
  await consumer.stop({ timeoutMs: 5_000 })
}

const BEDS = [
  { name: 'embedded', skip: false, make: async (): Promise<Bed> => embeddedBed() },
  { name: 'redis', skip: !hasRedis(), make: async (): Promise<Bed> => redisBed() },
]

describe.each(BEDS)('an id that comes again: $name', ({ skip, make }) => {
  let bed: Bed
  let app: App | undefined
  beforeAll(async () => {
    if (!skip) bed = await make()
  })
  afterEach(() => app?.close())
  afterAll(() => bed?.stop())

  it.skipIf(skip)('runs as a new job, its shadow copy too', async () => {
    app = await openApp(bed, { dials: { target: 0, shadow: 1 } })
    await leaveFailed(await app.queue('legacy'), 'again', 'primary')
    const target = await app.queue('target')
    const shadow = target.shadow()
    await shadow.open()
    await leaveFailed(shadow, 'again', 'shadow')
    await shadow.close()
    expect(await app.cutover.enqueue('mail', { n: 1 }, { id: 'again' })).toMatchObject({ duplicate: false })
    await app.both()
    const seen = app
    await until(async () => (await seen.cutover.get('mail', 'again'))?.comparison === 'matched', 'compared')
    expect(app.effects).toHaveLength(1)
    expect(await app.cutover.enqueue('mail', { n: 1 }, { id: 'again' })).toMatchObject({ duplicate: true })
  })
})
