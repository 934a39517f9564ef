// The embedded queue: jobs in a file of the project's own folder, no server, several processes of one machine.

import type { Capabilities, Consumer, QueueSpec } from '../../../src/ports/queue.ts'
import { type Duration, parseDuration } from '../../../src/vocabulary/duration.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { SqliteDurability } from '../../sqlite-file.ts'
import type { EmbeddedJob } from './job.ts'
import { EmbeddedQueue, EmbeddedVerdict } from './queue.ts'

export type { EmbeddedJob } from './job.ts'
export { EmbeddedVerdict } from './queue.ts'

export interface EmbeddedQueueOptions {
  /** The file; default `.cutover/queue.db`. Several queues may share it, and the ledger too. On a local disk. */
  readonly path?: string
  readonly queue: string
  /** A worker that gives no sign of life for this long loses its jobs to others; default 30 s. */
  readonly leaseMs?: Duration
  /** Longest pause between two looks of an idle worker for jobs of other processes; default 100 ms. */
  readonly pollMs?: Duration
  /** How often a job may lose its worker before it is failed; default 20. */
  readonly maxStalls?: number
  /** `normal` (default) survives killed processes, `full` also a power loss. */
  readonly durability?: SqliteDurability
  /** False keeps completed jobs and their results until the file is deleted, and their ids taken; default true. */
  readonly removeOnComplete?: boolean
}

/** Options with everything filled in. */
export interface EmbeddedSettings {
  readonly path: string
  readonly queue: string
  readonly leaseMs: number
  readonly pollMs: number
  readonly maxStalls: number
  readonly durability: SqliteDurability
  readonly keepCompleted: boolean
}

/** With default options; `result` is there with `removeOnComplete: false`. */
export const EMBEDDED_CAPABILITIES: Capabilities = Object.freeze({
  delay: true,
  priority: true,
  backoff: true,
  defer: true,
  list: true,
  remove: true,
  neverStarted: true,
  pause: 'none',
  progress: true,
  result: false,
  jobNames: false,
  maxPayloadBytes: 33_554_432,
})

export function embeddedQueue(options: EmbeddedQueueOptions): QueueSpec<EmbeddedJob> {
  const settings = settingsOf(options)
  const capabilities = settings.keepCompleted
    ? Object.freeze({ ...EMBEDDED_CAPABILITIES, result: true })
    : EMBEDDED_CAPABILITIES
  return { kind: 'embedded', capabilities, create: () => new EmbeddedQueue(settings, capabilities) }
}

/** A plain worker of an embedded queue, without a migration: `processor` returns the result or throws. */
export async function embeddedWorker(
  options: EmbeddedQueueOptions,
  processor: (job: EmbeddedJob) => Promise<unknown>,
  how: { readonly concurrency?: number; readonly onError: (error: unknown) => void },
): Promise<Consumer> {
  const queue = embeddedQueue(options).create()
  await queue.open()
  const consumer = await queue.consume(
    async ({ native }) => {
      try {
        return { kind: 'ack', result: await processor(native) }
      } catch (error) {
        return error instanceof EmbeddedVerdict ? error.disposition : { kind: 'fail', error, retry: true }
      }
    },
    { concurrency: how.concurrency ?? 1, onError: how.onError },
  )
  return {
    async stop(stopping) {
      const ended = await consumer.stop(stopping)
      await queue.close()
      return ended
    },
  }
}

function settingsOf(options: EmbeddedQueueOptions): EmbeddedSettings {
  const refuse = (option: string, allowed: string): never => {
    throw new CutoverError('option-invalid', `embeddedQueue: ${option} must be ${allowed}`, { details: { option } })
  }
  if (typeof options.queue !== 'string' || options.queue === '') refuse('queue', 'a name, e.g. "email"')
  const leaseMs = parseDuration(options.leaseMs ?? '30s', 'embeddedQueue: leaseMs')
  const pollMs = parseDuration(options.pollMs ?? 100, 'embeddedQueue: pollMs')
  const maxStalls = options.maxStalls ?? 20
  if (leaseMs < 100) refuse('leaseMs', 'at least 100 ms')
  if (pollMs < 1) refuse('pollMs', 'at least 1 ms')
  if (!Number.isInteger(maxStalls) || maxStalls < 0) refuse('maxStalls', 'a whole number from 0 on')
  return {
    path: options.path ?? '.cutover/queue.db',
    queue: options.queue,
    leaseMs,
    pollMs,
    maxStalls,
    durability: options.durability ?? 'normal',
    keepCompleted: options.removeOnComplete === false,
  }
}
