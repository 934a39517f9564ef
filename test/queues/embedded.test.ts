// The embedded queue against the contract of every queue, and what only it can do.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import { type EmbeddedJob, embeddedQueue, embeddedWorker } from '../../adapters/queues/embedded/index.ts'
import { queueContract } from '../contract/queue-contract.ts'
import { ACK, enqueueAll, job } from '../contract/queue-kit.ts'

function harness(extra: { removeOnComplete?: boolean } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-embedded-'))
  const path = join(folder, 'queue.db')
  const options = { path, queue: 'mail', leaseMs: 600, ...extra }
  return { folder, path, options }
}

for (const removeOnComplete of [true, false]) {
  queueContract({
    name: removeOnComplete ? 'embedded' : 'embedded, completed jobs kept',
    stallWindowMs: 900,
    async create() {
      const { folder, path, options } = harness({ removeOnComplete })
      const stored = (id: string, column: string): unknown => {
        const db = new DatabaseSync(path, { readOnly: true })
        const row = db.prepare(`SELECT ${column} AS value FROM embedded_jobs WHERE id = ?`).get(id)
        db.close()
        return row?.value
      }
      return {
        spec: () => embeddedQueue(options),
        child: {
          module: new URL('../../adapters/queues/embedded/index.ts', import.meta.url),
          factory: 'embeddedQueue',
          options,
        },
        async native(processor) {
          const worker = await embeddedWorker(options, processor, { onError: (error) => expect.fail(String(error)) })
          return { stop: async () => void (await worker.stop({ timeoutMs: 3_000 })) }
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
    },
  })
}
