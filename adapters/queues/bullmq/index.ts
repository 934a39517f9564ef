// BullMQ 6.7 as a queue backend. It translates and decides nothing; importing it loads and opens nothing.
//
// What BullMQ does not do itself is done by one atomic script each (remove, park), and whether an id was there already is
// asked in the transaction that adds it. Failed jobs stay to be found, the newest 1,000 of ours; completed ones are
// removed at once, while jobs that others added keep their own settings.

import type { Job, WorkerOptions } from 'bullmq'
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
  payloadFault,
  refused,
  scanParked,
  within,
} from '../../queue-support.ts'
import { command, runScript, type Script } from '../../redis-script.ts'
import { type BullConnection, connect, KIND } from './connection.ts'
import { type BullConsumer, consume } from './consume.ts'
import { send } from './enqueue.ts'
import { COUNTS, FIND, fromJobId, KEEP_FAILED, LIST, PARK, REMOVE, toJobId, UNPARK } from './scripts.ts'
import { BullDelivery, type BullJob, MEANINGFUL, type Settler, settle } from './settle.ts'

export type { BullJob } from './settle.ts'

export interface BullmqOptions {
  /** The queue's name, or a function that gives your `Queue`: called when needed, never closed. */
  readonly queue: string | (() => object)
  /** The jobs' name, for a queue that carries several; unset: jobs of every name, and new ones get the queue's name. */
  readonly job?: string
  /** A `redis://` URL, ioredis options, or a function that gives an ioredis client; default 127.0.0.1:6379. */
  readonly connection?: string | Readonly<Record<string, unknown>> | (() => object)
  /** In front of every key; default `bull`, as in BullMQ. On a cluster with braces: `{bull}`. */
  readonly prefix?: string
  /** More of BullMQ's worker options: `lockDuration`, `stalledInterval`, `maxStalledCount`, … */
  readonly worker?: Partial<Omit<WorkerOptions, 'connection' | 'concurrency' | 'prefix' | 'autorun'>>
}

const CAPABILITIES: Capabilities = Object.freeze({
  delay: true,
  priority: true,
  backoff: true,
  defer: true,
  list: true,
  remove: true,
  neverStarted: true,
  pause: 'global',
  progress: true,
  // A completed job is removed at once, its result with it.
  result: false,
  jobNames: true,
  maxPayloadBytes: 64 * 1024 * 1024,
})

/** BullMQ as one side of a migration. */
export function bullmq(options: BullmqOptions): QueueSpec<BullJob> {
  return { kind: KIND, capabilities: CAPABILITIES, create: () => new BullmqAdapter(options) }
}

class BullmqAdapter implements Queue<BullJob>, Settler {
  readonly kind: string = KIND
  readonly capabilities: Capabilities = CAPABILITIES
  readonly #options: BullmqOptions
  readonly #suffix: string
  #opening: Promise<BullConnection> | undefined
  #connection: BullConnection | undefined
  #closed = false
  readonly #consumers = new Set<BullConsumer>()

  constructor(options: BullmqOptions, suffix = '') {
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
    let connection: BullConnection
    try {
      connection = this.#open()
    } catch (cause) {
      return jobs.map(() => refused(cause))
    }
    const name = this.#options.job ?? connection.name
    return inChunks(jobs, (chunk) => this.#send(connection, name, chunk))
  }

  async #send(
    connection: BullConnection,
    name: string,
    jobs: readonly OutgoingJob[],
  ): Promise<readonly EnqueueAnswer[]> {
    const answers: EnqueueAnswer[] = []
    const fit: OutgoingJob[] = []
    const places: number[] = []
    for (const [index, job] of jobs.entries()) {
      const fault = payloadFault(KIND, job.data, CAPABILITIES.maxPayloadBytes)
      if (fault !== undefined) answers[index] = refused(fault)
      else places[fit.push(job) - 1] = index
    }
    const sent = fit.length === 0 ? [] : await send(connection, name, fit)
    for (const [at, answer] of sent.entries()) answers[places[at]!] = answer
    return answers
  }

  async consume(
    deliver: (delivery: Delivery<BullJob>) => Promise<Disposition>,
    options: ConsumeOptions,
  ): Promise<Consumer> {
    const { job: jobName, worker } = this.#options
    const consumer = await consume(
      { connection: this.#open(), jobName, worker: worker as Partial<WorkerOptions> | undefined, settler: this },
      deliver,
      options,
    )
    this.#consumers.add(consumer)
    return {
      stop: async (limit) => {
        const ended = await consumer.stop(limit)
        if (ended) this.#consumers.delete(consumer)
        return ended
      },
    }
  }

  fromNative(args: readonly unknown[]): Delivery<BullJob> {
    return new BullDelivery(args[0] as BullJob)
  }

  toNative(delivery: Delivery<BullJob>, args: readonly unknown[], disposition: Disposition): Promise<unknown> {
    const token = typeof args[1] === 'string' ? args[1] : ((args[0] as Job).token ?? '')
    return settle(delivery, token, disposition, this)
  }

  park(jobId: string, token: string, note: string): Promise<unknown> {
    return this.#run(PARK, [jobId, token, note])
  }

  get meaningful(): Settler['meaningful'] {
    const module = this.#connection?.module
    return module === undefined ? [] : MEANINGFUL.map((name) => module[name])
  }

  failed(jobId: string): Promise<unknown> {
    return this.#run(KEEP_FAILED, [jobId, KEPT_FAILED])
  }

  async counts(): Promise<QueueCounts> {
    const reply = (await this.#run(COUNTS, [])) as [number, number, number, number, number, string]
    const [waiting, delayed, running, failed, parked, since] = reply
    const counts = { waiting, delayed, running, failed, parked }
    return since === '' ? counts : { ...counts, oldestReadyMs: Math.max(0, Date.now() - Number(since)) }
  }

  async find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }> {
    const [place, reason] = (await this.#run(FIND, [toJobId(backendId)])) as [QueuePlace, string | null | undefined]
    return typeof reason === 'string' ? { place, reason } : { place }
  }

  async remove(backendId: string): Promise<boolean> {
    return (await this.#run(REMOVE, [toJobId(backendId)])) === 1
  }

  async parked(options: { limit?: number } = {}): Promise<readonly ParkedJob[]> {
    const { client, keys } = this.#open()
    const scan = (cursor: string, count: number): Promise<unknown> =>
      within(command(client, 'hscan', parkKey(keys), cursor, 'COUNT', count), CALL_TIMEOUT_MS, KIND)
    const read = (id: string, stored: string): ParkedJob => parkedJob(fromJobId(id), stored, dataIn)
    return scanParked(scan, options.limit ?? Number.POSITIVE_INFINITY, read)
  }

  async unpark(backendId: string): Promise<boolean> {
    return (await this.#run(UNPARK, [toJobId(backendId), Date.now()])) === 1
  }

  async dropParked(backendId: string): Promise<boolean> {
    const { client, keys } = this.#open()
    const dropped = command(client, 'hdel', parkKey(keys), toJobId(backendId))
    return (await within(dropped, CALL_TIMEOUT_MS, KIND)) === 1
  }

  async list(options: {
    place: 'waiting' | 'delayed'
    limit: number
  }): Promise<readonly { backendId: string; data: unknown }[]> {
    if (options.limit < 1) return []
    const flat = (await this.#run(LIST, [options.place, options.limit, this.#options.job ?? ''])) as string[]
    const found: { backendId: string; data: unknown }[] = []
    for (let at = 0; at < flat.length; at += 2) {
      found.push({ backendId: fromJobId(flat[at]!), data: JSON.parse(flat[at + 1]!) as unknown })
    }
    return found
  }

  shadow(): Queue<BullJob> {
    const parent = this.#connection
    // Over this queue's connection while it is open; opened before it, the shadow makes one of its own.
    const options = parent === undefined ? this.#options : { ...this.#options, shared: parent }
    return new BullmqAdapter(options, `${this.#suffix}.shadow`)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.abandon()))
    this.#consumers.clear()
    const opening = this.#opening
    this.#opening = undefined
    this.#connection = undefined
    await (await opening?.catch(() => undefined))?.close()
  }

  #open(): BullConnection {
    if (this.#connection !== undefined) return this.#connection
    throw failure('closed', KIND, this.name, this.#closed ? 'it is closed' : 'it is not open; call open() first')
  }

  #run(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { client, keys, keyPrefix } = this.#open()
    return within(runScript(client, script, keys, [keyPrefix, ...args]), CALL_TIMEOUT_MS, KIND)
  }
}

function parkKey(keys: readonly string[]): string {
  return keys.at(-2)!
}

/** A parked record is the job's hash as Redis lists it: field, value, field, value. */
function dataIn(record: string): unknown {
  const fields = JSON.parse(record) as string[]
  return JSON.parse(fields[fields.indexOf('data') + 1] ?? 'null') as unknown
}
