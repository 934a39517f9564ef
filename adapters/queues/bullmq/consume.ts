// One worker of our own on a BullMQ queue. It works jobs of one name, if one is given, and puts others back.

import type { Worker, WorkerOptions } from 'bullmq'
import type { Redis } from 'ioredis'
import type { EndScript } from '../../../src/ports/joint.ts'
import type { ConsumeOptions, Consumer, Delivery, Disposition } from '../../../src/ports/queue.ts'
import { cleanError, failure, OPEN_TIMEOUT_MS, settles } from '../../queue-support.ts'
import { placeOf } from '../../redis-place.ts'
import type { BullConnection } from './connection.ts'
import { KIND } from './connection.ts'
import { type Ends, gatherEnds } from './ends.ts'
import { BullDelivery, type BullJob, type Settler, settle } from './settle.ts'

/** How long a job of another name rests before its own worker can meet it again. */
const OTHER_NAME_MS = 5_000
/** How long a job rests whose run's end the ledger did not take. */
const END_LOST_MS = 1_000

export interface WorkerPlan {
  readonly connection: BullConnection
  readonly jobName: string | undefined
  readonly worker: Partial<WorkerOptions> | undefined
  readonly settler: Settler
}

export interface BullConsumer extends Consumer {
  /** Gives up what still runs: its jobs stall and are handed out again. */
  abandon(): Promise<void>
}

export async function consume(
  plan: WorkerPlan,
  deliver: (delivery: Delivery<BullJob>) => Promise<Disposition>,
  options: ConsumeOptions,
): Promise<BullConsumer> {
  const { connection, jobName, settler } = plan
  const { module, name, prefix } = connection
  const active = new Active()
  let ends: Ends | undefined
  const strangers = new Set<string>()
  const run = async (job: BullJob, token = ''): Promise<unknown> => {
    active.enter()
    try {
      const delivery = new BullDelivery(job, ends?.jointly === true)
      if (jobName !== undefined && job.name !== jobName) {
        if (!strangers.has(job.name)) options.onError(stranger(name, job.name, jobName))
        strangers.add(job.name)
        return await settle(delivery, token, { kind: 'defer', delayMs: OTHER_NAME_MS }, settler)
      }
      const disposition = await deliver(delivery)
      if (disposition.kind === 'ack' && disposition.joint !== undefined) {
        const putBack = async (cause: unknown): Promise<never> => {
          options.onError(cause)
          return (await settle(delivery, token, { kind: 'defer', delayMs: END_LOST_MS }, settler)) as never
        }
        ends?.join(job.id ?? '', { joint: disposition.joint, putBack })
      }
      return await settle(delivery, token, disposition, settler)
    } finally {
      active.leave()
    }
  }
  const client = connection.forWorker()
  const worker = new module.Worker(name, (job: BullJob, token?: string) => run(job, token), {
    runRetryDelay: 1_000,
    ...plan.worker,
    connection: client,
    prefix,
    concurrency: options.concurrency,
  })
  worker.on('error', (error) => options.onError(cleanError(error)))
  // Stalled too often: BullMQ fails such a job without running it, so that no disposition is asked for.
  worker.on('failed', (job) => {
    if (job?.deferredFailure !== undefined) settler.failed(job.id ?? '').catch(options.onError)
  })
  const consumer = consumerOf(worker, client, active)
  if (await settles(worker.waitUntilReady(), OPEN_TIMEOUT_MS)) {
    ends = gatherEnds(client, await sameServer(client, options.endScript))
    return consumer
  }
  await consumer.abandon()
  throw failure('queue-unavailable', KIND, name, 'a worker cannot connect to its Redis')
}

async function sameServer(client: Redis, endScript: EndScript | undefined): Promise<EndScript | undefined> {
  if (endScript === undefined) return undefined
  const place = await placeOf((command, ...args) => client.call(command, ...args))
  return place === endScript.place ? endScript : undefined
}

function stranger(queue: string, found: string, wanted: string): Error {
  return failure(
    'option-invalid',
    KIND,
    queue,
    `it also holds jobs named "${found}", and this worker is for "${wanted}"; they were put back for ${OTHER_NAME_MS} ms. ` +
      'Where one queue carries several names use one Worker of your own that calls `cutover.wrap` for this name',
  )
}

/** How many runs are on their way, and when the last one ends. */
class Active {
  #count = 0
  readonly #waiting = new Set<() => void>()

  enter(): void {
    this.#count += 1
  }

  leave(): void {
    this.#count -= 1
    if (this.#count > 0) return
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  none(): Promise<void> {
    return this.#count === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.add(resolve))
  }
}

/** BullMQ waits for ever for a blocking connection that it closes in the middle of reconnecting. */
async function reachable(worker: Worker): Promise<void> {
  const blocking = (await worker.getBackend().blockingClient) as unknown as Redis | undefined
  if (blocking === undefined || blocking.status === 'ready') return
  await new Promise((resolve) => blocking.once('ready', () => resolve(undefined)))
}

function consumerOf(worker: Worker, client: Redis, active: Active): BullConsumer {
  let closing: Promise<void> | undefined
  const close = (force: boolean): Promise<void> => {
    closing ??= worker.close(force).finally(() => client.disconnect())
    return closing
  }
  return {
    stop: async ({ timeoutMs }) => {
      const end = Date.now() + timeoutMs
      // Takes no further job, but keeps the locks of those that run; `close` would wait for them without a bound.
      await worker.pause(true)
      const left = (): number => Math.max(1, end - Date.now())
      if (
        closing === undefined &&
        !(await settles(
          active.none().then(() => reachable(worker)),
          left(),
        ))
      )
        return false
      return settles(close(false), left())
    },
    abandon: async () => {
      if (await settles(close(true), 2_000)) return
      await settles(worker.disconnect(), 1_000)
      client.disconnect()
    },
  }
}
