// bee-queue (1.7 and 2.0) as a queue backend. It translates and decides nothing; importing it loads and opens nothing.
//
// What bee-queue lacks is refused by name (priority); what it does not do itself is done by one atomic script each
// (remove, park). Failed jobs stay to be found, the newest 1,000 of ours; completed ones are removed at once.

import type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Delivery,
  Disposition,
  EnqueueAnswer,
  OutgoingJob,
  ParkedJob,
  Queue,
  QueueCounts,
  QueuePlace,
  QueueSpec,
} from '../../../src/ports/queue.ts'
import {
  CALL_TIMEOUT_MS,
  failure,
  inChunks,
  KEPT_FAILED,
  parkedJob,
  refused,
  scanParked,
  within,
} from '../../queue-support.ts'
import { command, runScript } from '../../redis-script.ts'
import { type BeeConnection, connect } from './connection.ts'
import { type BeeConsumer, consume } from './consume.ts'
import { MAX_PAYLOAD_BYTES, send } from './enqueue.ts'
import { type BeeClient, type BeeJob, KIND } from './library.ts'
import { COUNTS, FIND, KEEP_FAILED, LIST, PARK, parkKey, RAISE, REMOVE, UNPARK } from './scripts.ts'
import { BeeDelivery, type Settler, settle } from './settle.ts'

export type { BeeJob } from './library.ts'

/** An instance of bee-queue's `Queue`, of whichever version. */
export interface BeeQueueInstance {
  readonly name: string
  createJob(data: unknown): unknown
  ready(): Promise<unknown>
}

export interface BeeQueueOptions {
  /** The queue's name, or a function that gives your instance: called when needed, never closed. */
  readonly queue: string | (() => BeeQueueInstance)
  /** A `redis://` URL, node_redis settings, or a function that gives a node_redis or ioredis client; default 127.0.0.1:6379. */
  readonly redis?: string | Readonly<Record<string, unknown>> | (() => object)
  /** In front of every key; default `bq`, as in bee-queue. */
  readonly prefix?: string
  /** A job without a sign of life of its worker for this long runs again; default 5000 ms, as in bee-queue. */
  readonly stallInterval?: number
  /** Where bee-queue comes from, if not from `import('bee-queue')`. */
  readonly module?: () => Promise<unknown>
}

const CAPABILITIES: Capabilities = Object.freeze({
  delay: true,
  priority: false,
  backoff: true,
  defer: true,
  list: true,
  remove: true,
  // A job that stalled leaves no trace in its record.
  neverStarted: false,
  pause: 'none',
  progress: true,
  // Results are published, never stored.
  result: false,
  jobNames: false,
  maxPayloadBytes: MAX_PAYLOAD_BYTES,
})

/** bee-queue as one side of a migration. */
export function beeQueue(options: BeeQueueOptions): QueueSpec<BeeJob> {
  return { kind: KIND, capabilities: CAPABILITIES, create: () => new BeeQueueAdapter(options) }
}

class BeeQueueAdapter implements Queue<BeeJob>, Settler {
  readonly kind: string = KIND
  readonly capabilities: Capabilities = CAPABILITIES
  readonly #options: BeeQueueOptions
  readonly #suffix: string
  #opening: Promise<BeeConnection> | undefined
  #connection: BeeConnection | undefined
  #closed = false
  readonly #consumers = new Set<BeeConsumer>()
  #raising: NodeJS.Timeout | undefined

  constructor(options: BeeQueueOptions, suffix = '') {
    this.#options = options
    this.#suffix = suffix
  }

  get name(): string {
    const { queue } = this.#options
    if (typeof queue === 'string') return queue + this.#suffix
    // Asking for the instance would open its connection.
    return this.#connection?.name ?? `${KIND}${this.#suffix}`
  }

  async open(): Promise<void> {
    this.#closed = false
    this.#opening ??= connect(this.#options, this.#suffix)
    try {
      this.#connection = await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  async enqueue(jobs: readonly OutgoingJob[]): Promise<readonly EnqueueAnswer[]> {
    let connection: BeeConnection
    try {
      connection = this.#open()
    } catch (cause) {
      return jobs.map(() => refused(cause))
    }
    return inChunks(jobs, (chunk) => send(connection, chunk))
  }

  async consume(
    deliver: (delivery: Delivery<BeeJob>) => Promise<Disposition>,
    options: ConsumeOptions,
  ): Promise<Consumer> {
    const { Class, name, prefix, client, stallInterval } = this.#open()
    const consumer = await consume({ Class, name, prefix, client, stallInterval, settler: this }, deliver, options)
    this.#consumers.add(consumer)
    return {
      stop: async (limit) => {
        const ended = await consumer.stop(limit)
        if (ended) this.#consumers.delete(consumer)
        return ended
      },
    }
  }

  fromNative(args: readonly unknown[]): Delivery<BeeJob> {
    const job = args[0] as BeeJob
    // Retries with a pause and deferred jobs wait among the delayed ones, which such a worker would never look at.
    if (this.#raising === undefined && job.queue.settings.activateDelayedJobs !== true) this.#raise()
    return new BeeDelivery(job)
  }

  toNative(delivery: Delivery<BeeJob>, _args: readonly unknown[], disposition: Disposition): Promise<unknown> {
    return settle(delivery, disposition, this)
  }

  park(id: string, note: string): Promise<unknown> {
    return this.#run(PARK, [id, note])
  }

  failed(id: string): Promise<unknown> {
    return this.#run(KEEP_FAILED, [id, KEPT_FAILED])
  }

  async counts(): Promise<QueueCounts> {
    const reply = (await this.#run(COUNTS, [])) as [number, number, number, number, number, string]
    const [waiting, delayed, running, failed, parked, since] = reply
    const counts = { waiting, delayed, running, failed, parked }
    return since === '' ? counts : { ...counts, oldestReadyMs: Math.max(0, Date.now() - Number(since)) }
  }

  async find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }> {
    const [place, record] = (await this.#run(FIND, [backendId])) as [QueuePlace, string | undefined]
    const reason = record === undefined ? undefined : reasonIn(record)
    return reason === undefined ? { place } : { place, reason }
  }

  async remove(backendId: string): Promise<boolean> {
    return (await this.#run(REMOVE, [backendId])) === 1
  }

  async parked(options: { limit?: number } = {}): Promise<readonly ParkedJob[]> {
    const { client, keys } = this.#open()
    const scan = (cursor: string, count: number): Promise<unknown> =>
      this.#command(client, 'hscan', parkKey(keys), cursor, 'COUNT', count)
    const read = (id: string, stored: string): ParkedJob =>
      parkedJob(id, stored, (record) => (JSON.parse(record) as { data: unknown }).data)
    return scanParked(scan, options.limit ?? Number.POSITIVE_INFINITY, read)
  }

  async unpark(backendId: string): Promise<boolean> {
    return (await this.#run(UNPARK, [backendId, Date.now()])) === 1
  }

  async dropParked(backendId: string): Promise<boolean> {
    const { client, keys } = this.#open()
    return (await this.#command(client, 'hdel', parkKey(keys), backendId)) === 1
  }

  async list({
    place,
    limit,
  }: {
    place: 'waiting' | 'delayed'
    limit: number
  }): Promise<readonly { backendId: string; data: unknown }[]> {
    const flat = limit < 1 ? [] : ((await this.#run(LIST, [place, limit])) as string[])
    const found: { backendId: string; data: unknown }[] = []
    for (let at = 0; at < flat.length; at += 2) {
      found.push({ backendId: flat[at]!, data: (JSON.parse(flat[at + 1]!) as { data: unknown }).data })
    }
    return found
  }

  shadow(): Queue<BeeJob> {
    const parent = this.#connection
    // Over this queue's connection while it is open; opened before it, the shadow makes one of its own.
    const options = parent === undefined ? this.#options : { ...this.#options, shared: parent }
    return new BeeQueueAdapter(options, `${this.#suffix}.shadow`)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#raising)
    this.#raising = undefined
    await Promise.all([...this.#consumers].map((consumer) => consumer.abandon()))
    this.#consumers.clear()
    const opening = this.#opening
    this.#opening = undefined
    this.#connection = undefined
    await (await opening?.catch(() => undefined))?.close()
  }

  #open(): BeeConnection {
    if (this.#connection !== undefined) return this.#connection
    throw failure('closed', KIND, this.name, this.#closed ? 'it is closed' : 'it is not open; call open() first')
  }

  #run(script: typeof FIND, args: readonly (string | number)[]): Promise<unknown> {
    const { client, keys } = this.#open()
    return within(runScript(client, script, keys, args), CALL_TIMEOUT_MS, KIND)
  }

  #command(client: BeeClient, name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return within(command(client, name, ...args), CALL_TIMEOUT_MS, KIND)
  }

  #raise(): void {
    // A lost connection is met again in a second; the jobs are no later than that.
    this.#raising = setInterval(() => this.#run(RAISE, [Date.now()]).catch(() => {}), 1_000).unref()
  }
}

/** The first line of the newest stack. */
function reasonIn(record: string): string | undefined {
  const { options } = JSON.parse(record) as { options?: { stacktraces?: unknown[] } }
  const stack = options?.stacktraces?.[0]
  return typeof stack === 'string' ? stack.split('\n', 1)[0] : undefined
}
