// What the queue contract's cases of moving share.

import type { MovableJob, OutgoingJob, Queue, StoredJob } from '../../src/ports/queue.ts'
import { type Bench, enqueueAll, everyPage, placed } from './queue-kit.ts'

export const HOUR = 3_600_000
export const YEARS = 10 * 365 * 24 * HOUR

export const idsOf = (list: readonly { readonly backendId: string }[]): string[] => list.map((one) => one.backendId)

export function listed(queue: Queue, place: 'waiting' | 'delayed', limit: number): Promise<MovableJob[]> {
  return everyPage((cursor) => queue.list({ place, limit, ...cursor }))
}

/** What a job becomes on its way to another queue. */
export function onward(stored: StoredJob, now: number): OutgoingJob {
  const { backendId, data, priority, backoff, attempts, attemptsMade, runAt } = stored
  return {
    backendId,
    data,
    delayMs: stored.place === 'delayed' ? Math.max(0, runAt - now) : 0,
    attempts: Math.max(1, attempts - attemptsMade),
    ...(priority === undefined ? {} : { priority }),
    ...(backoff === undefined ? {} : { backoff }),
  }
}

/** Another empty queue of the same kind. */
export async function elsewhere(bench: Bench, queue: Queue): Promise<Queue> {
  const other = queue.shadow()
  bench.onEnd(() => other.close())
  await other.open()
  return other
}

/** Runs jobs once, which then rest for an hour: failed with attempts left, or put back. */
export async function tried(bench: Bench, queue: Queue, list: readonly OutgoingJob[], how: 'failed' | 'deferred') {
  await enqueueAll(queue, list)
  const work = await bench.work(queue, () =>
    how === 'failed' ? { kind: 'fail', error: new Error('once'), retry: true } : { kind: 'defer', delayMs: HOUR },
  )
  await work.until((runs) => runs.length === list.length)
  for (const one of list) await placed(queue, one.backendId, 'delayed')
  await work.consumer?.stop({ timeoutMs: 5_000 })
}
