// The embedded queue as the queue port wants it: jobs in one SQLite file, read by any number of processes of a machine.

import type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Delivery,
  Disposition,
  EnqueueAnswer,
  OutgoingJob,
  ParkedJob,
  ParkReason,
  Queue,
  QueueCounts,
  QueuePlace,
} from '../../../src/ports/queue.ts'
import { CutoverError, isCutoverError } from '../../../src/vocabulary/errors.ts'
import { openSqliteFile, type SqliteDb, type SqliteFile } from '../../sqlite-file.ts'
import { EmbeddedConsumer } from './consumer.ts'
import type { EmbeddedSettings } from './index.ts'
import { EmbeddedDelivery, type EmbeddedJob } from './job.ts'
import {
  COMPLETED,
  census,
  DELAYED,
  FAILED,
  insert,
  openStore,
  PARKED,
  type Place,
  promote,
  READY,
  RUNNING,
} from './store.ts'

/** Jobs that one transaction's work stores, so that a large bulk does not hold the event loop. */
const CHUNK = 250
const PLACES: Readonly<Record<Place, QueuePlace>> = {
  [READY]: 'waiting',
  [DELAYED]: 'delayed',
  [RUNNING]: 'running',
  [FAILED]: 'failed',
  [PARKED]: 'parked',
  [COMPLETED]: 'completed',
}

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

  async counts(): Promise<QueueCounts> {
    const now = Date.now()
    const { byPlace, oldest } = await this.#store.read((db) => census(db, this.#queue, now))
    const of = (place: Place): number => byPlace.get(place) ?? 0
    const counts = {
      waiting: of(READY),
      delayed: of(DELAYED),
      running: of(RUNNING),
      failed: of(FAILED),
      parked: of(PARKED),
    }
    return oldest === undefined ? counts : { ...counts, oldestReadyMs: Math.max(0, now - oldest) }
  }

  async find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }> {
    const sql = `SELECT place, reason, place = ${DELAYED} AND rank <= ? AS due FROM embedded_jobs WHERE queue = ? AND id = ?`
    const row = await this.#store.read((db) => db.sql(sql).get(Date.now(), this.#queue, backendId))
    if (row === undefined) return { place: 'absent' }
    const place = row.due === 1 ? 'waiting' : PLACES[row.place as Place]
    return place === 'failed' && row.reason !== null ? { place, reason: String(row.reason) } : { place }
  }

  async remove(backendId: string): Promise<boolean> {
    return this.#change(
      `DELETE FROM embedded_jobs WHERE queue = ? AND id = ? AND place IN (${READY}, ${DELAYED})`,
      backendId,
    )
  }

  async dropParked(backendId: string): Promise<boolean> {
    return this.#change(`DELETE FROM embedded_jobs WHERE queue = ? AND id = ? AND place = ${PARKED}`, backendId)
  }

  async unpark(backendId: string): Promise<boolean> {
    const sql = `UPDATE embedded_jobs SET place = ${READY}, rank = (priority << 42) | ?3, reason = NULL
      WHERE queue = ?1 AND id = ?2 AND place = ${PARKED}`
    const back = await this.#change(sql, backendId, Date.now())
    if (back) this.#wake(0)
    return back
  }

  async #change(sql: string, ...values: (string | number)[]): Promise<boolean> {
    return this.#store.write((db) => db.sql(sql).run(this.#queue, ...values).changes === 1)
  }

  async parked(options: { limit?: number } = {}): Promise<readonly ParkedJob[]> {
    const sql = `SELECT id, data, reason, rank, priority, attempts, made, backoff FROM embedded_jobs
      WHERE queue = ? AND place = ${PARKED} ORDER BY rank, seq LIMIT ?`
    const rows = await this.#store.read((db) => db.sql(sql).all(this.#queue, options.limit ?? 1000))
    return rows.map((row) => ({
      backendId: String(row.id),
      data: parsed(String(row.data)),
      reason: row.reason as ParkReason,
      parkedAt: Number(row.rank),
      runAt: Number(row.rank),
      priority: Number(row.priority),
      attempts: Number(row.attempts),
      attemptsMade: Number(row.made),
      ...(row.backoff === null ? {} : { backoff: { delayMs: Number(row.backoff) } }),
    }))
  }

  async list(options: {
    place: 'waiting' | 'delayed'
    limit: number
  }): Promise<readonly { backendId: string; data: unknown }[]> {
    const sql = 'SELECT id, data FROM embedded_jobs WHERE queue = ? AND place = ? ORDER BY rank, seq LIMIT ?'
    const place = options.place === 'waiting' ? READY : DELAYED
    const look = (db: SqliteDb): Record<string, unknown>[] => {
      promote(db, this.#queue, Date.now())
      return db.sql(sql).all(this.#queue, place, options.limit)
    }
    const rows = await this.#store.write(look)
    return rows.map((row) => ({ backendId: String(row.id), data: parsed(String(row.data)) }))
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

/** Stored data; as text if it was damaged. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
