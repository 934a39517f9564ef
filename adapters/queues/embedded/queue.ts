// The embedded queue as the queue port wants it: jobs in one SQLite file, read by any number of processes of a machine.

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
  ParkedPage,
  ParkReason,
  Queue,
  QueueCounts,
  QueuePlace,
  StoredJob,
} from '../../../src/ports/queue.ts'
import { CutoverError, isCutoverError } from '../../../src/vocabulary/errors.ts'
import { openSqliteFile, type SqliteDb, type SqliteFile } from '../../sqlite-file.ts'
import { EmbeddedConsumer } from './consumer.ts'
import type { EmbeddedSettings } from './index.ts'
import { EmbeddedDelivery, type EmbeddedJob } from './job.ts'
import { census, DELAYED, FAILED, insert, openStore, PARKED, type Place, promote, READY, RUNNING } from './store.ts'
import { detail, movable, park, parkedJobs, placeOf, read, removeFrom, unpark } from './stored.ts'

/** Jobs that one transaction's work stores, so that a large bulk does not hold the event loop. */
const CHUNK = 250

/** Consumers of this process by file and queue, to be told of new jobs at once. */
const consumers = new Map<string, Set<EmbeddedConsumer>>()

/** What a plain worker's processor throws for an ending that is neither a result nor a failure to be retried. */
export class EmbeddedVerdict extends Error {
  readonly disposition: Disposition
  constructor(disposition: Disposition) {
    super(`the job ends with ${disposition.kind}`)
    this.name = 'EmbeddedVerdict'
    this.disposition = disposition
  }
}

export class EmbeddedQueue implements Queue<EmbeddedJob> {
  readonly kind = 'embedded'
  readonly name: string
  readonly capabilities: Capabilities
  readonly #settings: EmbeddedSettings
  readonly #own = new Set<EmbeddedConsumer>()
  #opening: Promise<void> | undefined
  #file: SqliteFile | undefined
  #queue = 0
  #closed = false

  constructor(settings: EmbeddedSettings, capabilities: Capabilities) {
    this.#settings = settings
    this.name = settings.queue
    this.capabilities = capabilities
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    const file = await this.#openFile()
    try {
      this.#queue = await openStore(file, this.name)
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
  }

  #openFile(): Promise<SqliteFile> {
    return openSqliteFile({ path: this.#settings.path, durability: this.#settings.durability })
  }

  get store(): string | undefined {
    return this.#file === undefined ? undefined : `sqlite:${this.#file.path}`
  }

  get #store(): SqliteFile {
    if (this.#file === undefined || this.#closed) {
      throw new CutoverError(
        'closed',
        `embedded: the queue ${this.name} is not open; call open() first, and nothing after close()`,
      )
    }
    return this.#file
  }

  async enqueue(jobs: readonly OutgoingJob[]): Promise<readonly EnqueueAnswer[]> {
    const file = this.#store
    if (jobs.length <= CHUNK) return this.#enqueue(file, jobs)
    const chunks: Promise<readonly EnqueueAnswer[]>[] = []
    for (let at = 0; at < jobs.length; at += CHUNK) chunks.push(this.#enqueue(file, jobs.slice(at, at + CHUNK)))
    return (await Promise.all(chunks)).flat()
  }

  async #enqueue(file: SqliteFile, jobs: readonly OutgoingJob[]): Promise<readonly EnqueueAnswer[]> {
    const texts = jobs.map((job) => this.#encode(job))
    let answers: EnqueueAnswer[]
    try {
      answers = await file.write((db) => {
        const now = Date.now()
        return jobs.map((job, at): EnqueueAnswer => {
          const text = texts[at] as string | CutoverError
          if (typeof text !== 'string') return { status: 'refused', cause: text }
          return insert(db, this.#queue, job, text, now) ? ACCEPTED : DUPLICATE
        })
      })
    } catch (cause) {
      return jobs.map(() => ({ status: mayBeStored(cause) ? 'unknown' : 'refused', cause }))
    }
    this.#wake(Math.min(...jobs.map((job) => job.delayMs)))
    return answers
  }

  #encode(job: OutgoingJob): string | CutoverError {
    const { maxPayloadBytes } = this.capabilities
    let text: string | undefined
    try {
      text = JSON.stringify(job.data)
    } catch (cause) {
      return new CutoverError('payload-not-json', `embedded: the data of job ${job.backendId} is not JSON`, { cause })
    }
    if (text === undefined)
      return new CutoverError('payload-not-json', `embedded: the data of job ${job.backendId} is not JSON`)
    if (text.length * 3 <= maxPayloadBytes || Buffer.byteLength(text) <= maxPayloadBytes) return text
    const message = `embedded: the data of job ${job.backendId} is larger than ${maxPayloadBytes} bytes; store it elsewhere and enqueue where it is`
    return new CutoverError('payload-too-large', message, { details: { maxPayloadBytes } })
  }

  async consume(
    deliver: (delivery: Delivery<EmbeddedJob>) => Promise<Disposition>,
    options: ConsumeOptions,
  ): Promise<Consumer> {
    const { path } = this.#store
    const file = await this.#openFile()
    const key = `${path}\n${this.#queue}`
    const consumer: EmbeddedConsumer = new EmbeddedConsumer({
      ...options,
      ...this.#settings,
      file,
      queue: this.#queue,
      queueName: this.name,
      deliver,
      onEnd: () => {
        this.#own.delete(consumer)
        consumers.get(key)?.delete(consumer)
      },
    })
    this.#own.add(consumer)
    const known = consumers.get(key) ?? new Set()
    consumers.set(key, known.add(consumer))
    return consumer
  }

  #wake(delayMs: number): void {
    const known = consumers.get(`${this.#file?.path}\n${this.#queue}`)
    if (known === undefined || known.size === 0) return
    const dueAt = delayMs <= 0 ? 0 : Date.now() + Math.ceil(delayMs)
    for (const consumer of known) consumer.wake(dueAt)
  }

  fromNative(args: readonly unknown[]): Delivery<EmbeddedJob> {
    const [job] = args
    if (job instanceof EmbeddedDelivery) return job
    throw new CutoverError(
      'usage',
      'embedded: expected what a processor of embeddedWorker() is called with, a job of the embedded queue',
    )
  }

  async toNative(
    _delivery: Delivery<EmbeddedJob>,
    _args: readonly unknown[],
    disposition: Disposition,
  ): Promise<unknown> {
    if (disposition.kind === 'ack') return disposition.result
    if (disposition.kind === 'fail' && disposition.retry) throw disposition.error
    throw new EmbeddedVerdict(disposition)
  }

  async counts(options: { detail?: boolean } = {}): Promise<QueueCounts> {
    const now = Date.now()
    const { byPlace, oldest, more } = await this.#store.read((db) => ({
      ...census(db, this.#queue, now),
      more: options.detail === true ? detail(db, this.#queue, now) : {},
    }))
    const of = (place: Place): number => byPlace.get(place) ?? 0
    const counts = {
      waiting: of(READY),
      delayed: of(DELAYED),
      running: of(RUNNING),
      failed: of(FAILED),
      parked: of(PARKED),
      ...more,
    }
    return oldest === undefined ? counts : { ...counts, oldestReadyMs: Math.max(0, now - oldest) }
  }

  async find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }> {
    return this.#store.read((db) => placeOf(db, this.#queue, backendId, Date.now()))
  }

  async read(backendId: string): Promise<StoredJob | undefined> {
    return this.#store.read((db) => read(db, this.#queue, backendId))
  }

  async list(options: { place: 'waiting' | 'delayed'; limit: number; cursor?: string }): Promise<Page<MovableJob>> {
    // What is due waits; a scan begins with that once.
    if (options.cursor === undefined) await this.#store.write((db) => promote(db, this.#queue, Date.now()))
    return this.#store.read((db) => movable(db, this.#queue, options))
  }

  refusal(job: OutgoingJob): CutoverError | undefined {
    const text = this.#encode(job)
    return typeof text === 'string' ? undefined : text
  }

  /** The form is our own, and its version was looked at when the file was opened. */
  async movable(): Promise<Movability> {
    return { ok: true }
  }

  async park(backendIds: readonly string[], reason: ParkReason): Promise<readonly boolean[]> {
    return this.#inPacks(backendIds, (db, ids) => park(db, this.#queue, ids, reason, Date.now()))
  }

  async remove(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return this.#inPacks(backendIds, (db, ids) => removeFrom(db, this.#queue, ids, 'waiting'))
  }

  async parked(
    options: { reasons?: readonly ParkReason[]; limit?: number; cursor?: string } = {},
  ): Promise<ParkedPage> {
    const page = await this.#store.read((db) => parkedJobs(db, this.#queue, { limit: 500, ...options }))
    return { ...page, now: Date.now() }
  }

  async unpark(backendIds: readonly string[]): Promise<readonly boolean[]> {
    const back = await this.#inPacks(backendIds, (db, ids) => unpark(db, this.#queue, ids, Date.now()))
    if (back.includes(true)) this.#wake(0)
    return back
  }

  async dropParked(backendIds: readonly string[]): Promise<readonly boolean[]> {
    return this.#inPacks(backendIds, (db, ids) => removeFrom(db, this.#queue, ids, 'parked'))
  }

  async #inPacks(
    ids: readonly string[],
    change: (db: SqliteDb, ids: readonly string[]) => boolean[],
  ): Promise<readonly boolean[]> {
    const packs: Promise<boolean[]>[] = []
    for (let at = 0; at < ids.length; at += CHUNK) {
      const pack = ids.slice(at, at + CHUNK)
      packs.push(this.#store.write((db) => change(db, pack)))
    }
    return (await Promise.all(packs)).flat()
  }

  shadow(): EmbeddedQueue {
    return new EmbeddedQueue({ ...this.#settings, queue: `${this.name}.shadow` }, this.capabilities)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#opening?.catch(() => {})
    // Runs that are still at work end on their consumer's own handle of the file.
    await Promise.all([...this.#own].map((consumer) => consumer.stop({ timeoutMs: 0 })))
    await this.#file?.close()
  }
}

const ACCEPTED: EnqueueAnswer = { status: 'accepted' }
const DUPLICATE: EnqueueAnswer = { status: 'duplicate' }

/** SQLite's class of errors of the disk itself: only after these a transaction may be there in spite of the error. */
const IOERR = 10
function mayBeStored(error: unknown): boolean {
  const cause = isCutoverError(error) ? error.cause : error
  return cause instanceof Error && 'errcode' in cause && (Number(cause.errcode) & 0xff) === IOERR
}
