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
import { type TestedForm, testedForm } from '../../backend-versions.ts'
import {
  CALL_TIMEOUT_MS,
  failure,
  inChunks,
  inPacks,
  KEPT_FAILED,
  MOST_LOOKED_AT,
  payloadFault,
  refused,
  within,
} from '../../queue-support.ts'
import { unlessEvicting } from '../../redis-eviction.ts'
import { nextCursor, PAGE_BYTES, type PageReply, readCursor } from '../../redis-pages.ts'
import { parkedArgs, parkedJob } from '../../redis-park.ts'
import { command, runScript, type Script } from '../../redis-script.ts'
import { type BullConnection, connect, KIND } from './connection.ts'
import { type BullConsumer, consume } from './consume.ts'
import { send } from './enqueue.ts'
import { KEY_TYPES, TESTED_VERSIONS, toJobId } from './keys.ts'
import * as scripts from './scripts.ts'
import * as moving from './scripts-moving.ts'
import { BullDelivery, type BullJob, MEANINGFUL, type Settler, settle } from './settle.ts'
import { type BullRecord, recordInPark, storedJob } from './stored.ts'

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

/** Whose keys the scripts know. */
const TESTED: TestedForm = { library: 'bullmq', versions: TESTED_VERSIONS, types: KEY_TYPES }

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

  parkRunning(jobId: string, token: string, note: string): Promise<unknown> {
    return this.#run(scripts.PARK_RUNNING, [jobId, token, note])
  }

  get meaningful(): Settler['meaningful'] {
    const module = this.#connection?.module
    return module === undefined ? [] : MEANINGFUL.map((name) => module[name])
  }

  failed(jobId: string): Promise<unknown> {
    return this.#run(scripts.KEEP_FAILED, [jobId, KEPT_FAILED])
  }

  async counts(options: { detail?: boolean } = {}): Promise<QueueCounts> {
    const { job = '' } = this.#options
    const detail =
      options.detail === true ? this.#run(scripts.DETAIL, [MOST_LOOKED_AT, job]) : Promise.resolve(undefined)
    const [reply, more] = (await Promise.all([this.#run(scripts.COUNTS, []), detail])) as [BullCounts, BullDetail?]
    const [waiting, delayed, running, failed, parked, since] = reply
    const [retrying = -1, stalled = -1, others = -1] = more ?? []
    return {
      ...{ waiting, delayed, running, failed, parked },
      ...(since === '' ? {} : { oldestReadyMs: Math.max(0, Date.now() - Number(since)) }),
      ...(retrying < 0 ? {} : { retrying }),
      ...(stalled < 0 ? {} : { stalled }),
      ...(others < 0 || job === '' ? {} : { others }),
    }
  }

  async find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }> {
    const [place, reason] = (await this.#run(scripts.FIND, [toJobId(backendId)])) as [
      QueuePlace,
      string | null | undefined,
    ]
    return typeof reason === 'string' ? { place, reason } : { place }
  }

  async read(backendId: string): Promise<StoredJob | undefined> {
    const reply = await this.#run(moving.READ, [toJobId(backendId)])
    const [place, found] = reply as ['parked', string] | [Exclude<QueuePlace, 'parked'>, BullRecord?]
    if (place === 'parked') return readParked(toJobId(backendId), found)
    return found === undefined ? undefined : storedJob(found, place)
  }

  async list(options: { place: 'waiting' | 'delayed'; limit: number; cursor?: string }): Promise<Page<MovableJob>> {
    const { place, limit } = options
    const { source, pin, seen } = readCursor(KIND, options.cursor)
    const args = [place, Math.max(1, limit), PAGE_BYTES, this.#options.job ?? '', source, pin, ...seen]
    const reply = (await this.#run(moving.LIST, args)) as PageReply<BullRecord>
    const jobs = reply[3].map((record) => storedJob(record, place))
    const cursor = nextCursor(reply)
    return cursor === undefined ? { jobs } : { jobs, cursor }
  }

  refusal(job: OutgoingJob): CutoverError | undefined {
    return payloadFault(KIND, job.data, CAPABILITIES.maxPayloadBytes)
  }

  /** Connections of BullMQ workers, whoever they are; a client's name says which queue it works on. */
  async readers(): Promise<number | undefined> {
    const { queue } = this.#open()
    return await within(queue.getWorkersCount(), CALL_TIMEOUT_MS, KIND).catch(() => undefined)
  }

  async movable(): Promise<Movability> {
    const { client, keys, queue } = this.#open()
    const [types, meta] = await Promise.all([
      this.#run(scripts.TYPES, []),
      within(command(client, 'hget', queue.toKey('meta'), 'version'), CALL_TIMEOUT_MS, KIND),
    ])
    const { version } = queue.getBackend() as unknown as { version?: string }
    // Written by whoever opened the queue last, e.g. an application of another version: `bullmq:6.7.0`.
    const last = typeof meta === 'string' ? [meta.replace(/^bullmq:/, '')] : []
    return await unlessEvicting(client, testedForm(TESTED, [version, ...last], keys, types as string[]))
  }

  park(backendIds: readonly string[], reason: ParkReason): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.PARK_WAITING, [reason, ...ids.map(toJobId)]))
  }

  remove(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.REMOVE, ids.map(toJobId)))
  }

  async parked(options: Parameters<Queue['parked']>[0] = {}): Promise<ParkedPage> {
    const [next, flat, now] = (await this.#run(moving.PARKED, parkedArgs(options))) as [string, string[], string]
    const jobs: ParkedJob[] = []
    for (let at = 0; at < flat.length; at += 2) jobs.push(readParked(flat[at]!, flat[at + 1]!))
    jobs.sort((a, b) => a.parkedAt - b.parkedAt)
    return { jobs, now: Number(now), ...(next === '0' ? {} : { cursor: next }) }
  }

  unpark(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.UNPARK, [Date.now(), ...ids.map(toJobId)]))
  }

  dropParked(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return inPacks(backendIds, (ids) => this.#run(moving.DROP_PARKED, ids.map(toJobId)))
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

type BullCounts = [waiting: number, delayed: number, running: number, failed: number, parked: number, since: string]
type BullDetail = [retrying: number, stalled: number, others: number]

function readParked(jobId: string, stored: string): ParkedJob {
  return parkedJob(stored, (record) => storedJob(recordInPark(jobId, record), 'parked'))
}
