// The configuration of a soak, the same in every process: one migration `mail`, on real queues, flags in a file.

import { join } from 'node:path'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { defineConfig, openCutover, type } from '../../src/index.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'
import type { SoakJob } from './job.ts'

export interface Place {
  readonly folder: string
  /** Undefined: embedded queues and a SQLite ledger in the folder. */
  readonly url: string | undefined
  readonly unfenced: boolean
  /** BullMQ on legacy, too. */
  readonly bullmqOnly: boolean
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export function configOf({ folder, url, unfenced, bullmqOnly }: Place) {
  const path = (name: string): string => join(folder, name)
  const embedded = (name: string) => embeddedQueue({ path: path('queue.db'), queue: name, leaseMs: 2000, pollMs: 20 })
  // every kill of a worker is a stall to BullMQ
  const worker = { lockDuration: 3000, stalledInterval: 1000, maxStalledCount: 1000 }
  const bull = (queue: string) => bullmq({ queue, connection: url ?? '', worker })
  const legacy = (): QueueSpec => {
    if (url === undefined) return embedded('mail')
    return bullmqOnly ? bull('mail-before') : beeQueue({ queue: 'mail', redis: url, stallInterval: 2000 })
  }
  return defineConfig({
    namespace: 'soak',
    ledger: url === undefined ? sqliteLedger({ path: path('ledger.db') }) : redisLedger({ url }),
    flags: fileFlags({ path: path('flags.yaml') }),
    logger: SILENT,
    migrations: {
      mail: {
        payload: type<SoakJob>(),
        effects: type<{ pay: { n: number } }>(),
        legacy: legacy(),
        target: url === undefined ? embedded('mail-next') : bull('mail'),
        key: ({ n }: SoakJob) => `key-${n % 997}`,
        ...{ timeout: '30s', attempts: 3, backoff: '200ms', lease: '3s', retain: '6h', maxStarts: 1000 },
        shadow: 'effects-declared',
        fence: unfenced ? ('target' as const) : ('always' as const),
        tally: { bucket: '1s', slack: '1s' },
      },
    },
  })
}

export async function openSoak(place: Place, sweepEvery: '500ms' | '1h' = '500ms') {
  return await openCutover(configOf(place), { sweepEvery })
}
