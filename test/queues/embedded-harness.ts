// A fresh embedded queue in a folder of its own, for the contract and for the embedded queue's own tests.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import {
  type EmbeddedJob,
  type EmbeddedQueueOptions,
  embeddedQueue,
  embeddedWorker,
} from '../../adapters/queues/embedded/index.ts'
import { ACK, enqueueAll, job, type QueueHarness } from '../contract/queue-kit.ts'

export interface EmbeddedHarness extends QueueHarness {
  readonly path: string
  /** Another connection to the file, as another process would have one. */
  sql(text: string, ...values: (string | number)[]): Record<string, unknown> | undefined
}

export function embeddedHarness(extra: Partial<EmbeddedQueueOptions> = {}): EmbeddedHarness {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-embedded-'))
  const path = join(folder, 'queue.db')
  const options = { path, queue: 'mail', leaseMs: 600, ...extra }
  const sql: EmbeddedHarness['sql'] = (text, ...values) => {
    const db = new DatabaseSync(path, { timeout: 2_000 })
    try {
      return db.prepare(text).get(...values)
    } finally {
      db.close()
    }
  }
  const stored = (id: string, column: string): unknown =>
    sql(`SELECT ${column} AS value FROM embedded_jobs WHERE id = ?`, id)?.value
  return {
    path,
    sql,
    spec: () => embeddedQueue(options),
    child: {
      module: new URL('../../adapters/queues/embedded/index.ts', import.meta.url),
      factory: 'embeddedQueue',
      options,
    },
    async native(processor) {
      const worker = await embeddedWorker(options, processor, { onError: (error) => expect.fail(String(error)) })
      return {
        stop: async () => {
          await worker.stop({ timeoutMs: 3_000 })
        },
      }
    },
    async damage(id, how) {
      if (how === 'missing') return false
      sql(`UPDATE embedded_jobs SET data = '{"cut' WHERE id = ? RETURNING seq`, id)
      return true
    },
    prove: {
      async neverStarted(queue, bench) {
        const one = job({ attempts: 2 })
        await enqueueAll(queue, [one])
        expect(stored(one.backendId, 'starts')).toBe(0)
        const work = await bench.work(queue, () => ({ kind: 'defer', delayMs: 60_000 }))
        await work.until((runs) => runs.length === 1)
        await expect.poll(() => stored(one.backendId, 'place')).toBe(1)
        expect(stored(one.backendId, 'starts')).toBe(1)
      },
      async progress(queue, bench) {
        const one = job()
        await enqueueAll(queue, [one])
        let seen: unknown
        const work = await bench.work(queue, async (delivery) => {
          await delivery.progress({ part: 1 })
          seen = stored((delivery.native as EmbeddedJob).id, 'progress')
          return ACK
        })
        await work.until(() => seen !== undefined)
        expect(JSON.parse(String(seen))).toEqual({ part: 1 })
      },
      async result(queue, bench) {
        const one = job()
        await enqueueAll(queue, [one])
        await bench.work(queue, () => ({ kind: 'ack', result: { parsed: ['ä'] } }))
        await expect.poll(() => stored(one.backendId, 'result')).toBe('{"parsed":["ä"]}')
        expect(await queue.find(one.backendId)).toEqual({ place: 'completed' })
      },
    },
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
}
