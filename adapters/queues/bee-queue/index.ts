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
  Movability,
  MovableJob,
  OutgoingJob,
  Page,
  ParkedJob,
  ParkedPage,
  ParkReason,
  Queue,
  QueueCounts,
  QueuePlace,
  QueueSpec,
  StoredJob,
} from '../../../src/ports/queue.ts'
import type { CutoverError } from '../../../src/vocabulary/errors.ts'
import { type TestedForm, testedForm, versionOfClass } from '../../backend-versions.ts'
import {
  CALL_TIMEOUT_MS,
  failure,
  inChunks,
  inPacks,
  KEPT_FAILED,
  MOST_LOOKED_AT,
  refused,
  within,
} from '../../queue-support.ts'
import { unlessEvicting } from '../../redis-eviction.ts'
import { nextCursor, PAGE_BYTES, type PageReply, readCursor } from '../../redis-pages.ts'
import { parkedArgs, parkedJob } from '../../redis-park.ts'
import { runScript, type Script } from '../../redis-script.ts'
import { type BeeConnection, connect } from './connection.ts'
import { type BeeConsumer, consume } from './consume.ts'
import { faultOf, MAX_PAYLOAD_BYTES, send } from './enqueue.ts'
import { KEY_TYPES } from './keys.ts'
import { type BeeJob, KIND } from './library.ts'
import * as scripts from './scripts.ts'
import * as moving from './scripts-moving.ts'
import { BeeDelivery, type Settler, settle } from './settle.ts'
import { storedJob } from './stored.ts'

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

/** Whose keys the scripts know. */
const TESTED: TestedForm = { library: 'bee-queue', versions: ['1.7.1', '2.0.0'], types: KEY_TYPES }

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
      versionOfClass(this.#connection.Class, KIND)
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

  parkRunning(id: string, note: string): Promise<unknown> {
    return this.#run(scripts.PARK_RUNNING, [id, note])
  }

  failed(id: string): Promise<unknown> {
    return this.#run(scripts.KEEP_FAILED, [id, KEPT_FAILED])
  }

  async counts(options: { detail?: boolean } = {}): Promise<QueueCounts> {
    const detail = options.detail === true ? this.#run(scripts.DETAIL, [MOST_LOOKED_AT]) : Promise.resolve(undefined)
    const [reply, more] = (await Promise.all([this.#run(scripts.COUNTS, []), detail])) as [BeeCounts, [number, number]?]
    const [waiting, delayed, running, failed, parked, since] = reply
    return {
      ...{ waiting, delayed, running, failed, parked },
      ...(since === '' ? {} : { oldestReadyMs: Math.max(0, Date.now() - Number(since)) }),
      ...(more === undefined ? {} : { stalled: more[1] }),
      ...(more === undefined || more[0] < 0 ? {} : { retrying: more[0] }),
    }
  }

  async find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }> {
    const [place, record] = (await this.#run(scripts.FIND, [backendId])) as [QueuePlace, string | undefined]
    const reason = record === undefined ? undefined : reasonIn(record)
    return reason === undefined ? { place } : { place, reason }
  }

  async read(backendId: string): Promise<StoredJob | undefined> {
    const [place, stored, due] = (await this.#run(moving.READ, [backendId])) as [QueuePlace, string, string]
    if (place === 'parked') return readParked(backendId, stored)
    return place === 'absent' && stored === '' ? undefined : storedJob(backendId, place, stored, due)
  }

  async list(options: { place: 'waiting' | 'delayed'; limit: number; cursor?: string }): Promise<Page<MovableJob>> {
    const { place, limit } = options
    const { pin, seen } = readCursor(KIND, options.cursor)
    const args = [place, Math.max(1, limit), PAGE_BYTES, pin, ...seen]
    const reply = (await this.#run(moving.LIST, args)) as PageReply<readonly [id: string, record: string, due: string]>
    const jobs = reply[3].map(([id, record, due]) => storedJob(id, place, record, due))
    const cursor = nextCursor(reply)
    return cursor === undefined ? { jobs } : { jobs, cursor }
  }

  refusal(job: OutgoingJob): CutoverError | undefined {
    return faultOf(job)
  }

  async movable(): Promise<Movability> {
    const { Class, keys, client } = this.#open()
    const types = (await this.#run(scripts.TYPES, [])) as string[]
    return await unlessEvicting(client, testedForm(TESTED, [versionOfClass(Class, KIND)], keys, types))
  }

  park(backendIds: readonly string[], reason: ParkReason): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.PARK_WAITING, [reason, ...ids]))
  }

  remove(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.REMOVE, ids))
  }

  async parked(options: Parameters<Queue['parked']>[0] = {}): Promise<ParkedPage> {
    const [next, flat, now] = (await this.#run(moving.PARKED, parkedArgs(options))) as [string, string[], string]
    const jobs: ParkedJob[] = []
    for (let at = 0; at < flat.length; at += 2) jobs.push(readParked(flat[at]!, flat[at + 1]!))
    jobs.sort((a, b) => a.parkedAt - b.parkedAt)
    return { jobs, now: Number(now), ...(next === '0' ? {} : { cursor: next }) }
  }

  unpark(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.UNPARK, [Date.now(), ...ids]))
  }

  dropParked(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.DROP_PARKED, ids))
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

  #run(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { client, keys } = this.#open()
    return within(runScript(client, script, keys, args), CALL_TIMEOUT_MS, KIND)
  }

  #raise(): void {
    // A lost connection is met again in a second; the jobs are no later than that.
    this.#raising = setInterval(() => this.#run(scripts.RAISE, [Date.now()]).catch(() => {}), 1_000).unref()
  }
}

type BeeCounts = [waiting: number, delayed: number, running: number, failed: number, parked: number, since: string]

function readParked(backendId: string, stored: string): ParkedJob {
  return parkedJob(stored, (record) => storedJob(backendId, 'parked', record, ''))
}

/** The first line of the newest stack. */
function reasonIn(record: string): string | undefined {
  const { options } = JSON.parse(record) as { options?: { stacktraces?: unknown[] } }
  const stack = options?.stacktraces?.[0]
  return typeof stack === 'string' ? stack.split('\n', 1)[0] : undefined
}
