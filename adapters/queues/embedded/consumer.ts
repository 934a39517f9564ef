// How a worker of the embedded queue takes jobs and ends them.
//
// One turn is one transaction: it carries out what the runs of the last tick asked for, then claims as many jobs as
// there are free places. A turn may be run twice before it is committed, so it changes nothing but the database; what
// it did counts only when its promise resolves.

import type { ConsumeOptions, Consumer, Delivery, Disposition } from '../../../src/ports/queue.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { SqliteDb, SqliteFile } from '../../sqlite-file.ts'
import { EmbeddedDelivery, type EmbeddedJob } from './job.ts'
import { claim, type Ending, extend, type JobRow, peek, promote, reap, settle } from './store.ts'

export interface ConsumerSettings extends ConsumeOptions {
  /** Of this consumer's own; closed when its last run has ended. */
  readonly file: SqliteFile
  readonly queue: number
  readonly queueName: string
  readonly leaseMs: number
  readonly pollMs: number
  readonly maxStalls: number
  readonly keepCompleted: boolean
  readonly deliver: (delivery: Delivery<EmbeddedJob>) => Promise<Disposition>
  readonly onEnd: () => void
}

interface Settled {
  readonly job: JobRow
  readonly token: number
  readonly ending: Ending
  readonly result: string | null
}

interface Turn {
  readonly settled: number
  readonly lost: readonly Settled[]
  readonly asked: number
  readonly claimed: readonly JobRow[]
  readonly token: number
}

const POLL_MIN_MS = 4
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 2_000

// Tokens differ between processes by their upper part and within one by the lower: below 2^53.
const TOKEN_BASE = crypto.getRandomValues(new Uint32Array(1))[0] as number
let tokens = 0
function newToken(): number {
  tokens = (tokens + 1) % 2 ** 21
  return TOKEN_BASE * 2 ** 21 + tokens
}

export class EmbeddedConsumer implements Consumer {
  readonly #settings: ConsumerSettings
  /** Runs whose handler is at work, by row; the value is the claim's token. */
  readonly #running = new Map<JobRow, number>()
  /** Runs that ended and are not yet committed. */
  #settled: Settled[] = []
  #turning = false
  /** Something happened during a turn that the turn may not have seen. */
  #again = false
  #stopped = false
  #ended = false
  #pollMs = POLL_MIN_MS
  #retryMs = RETRY_MIN_MS
  #reapAt = 0
  #wakeAt = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  readonly #heartbeat: NodeJS.Timeout
  readonly #idle = new Set<() => void>()
  /** Runs whose lease is known to be lost; each is told once. */
  readonly #lost = new WeakSet<JobRow>()

  constructor(settings: ConsumerSettings) {
    this.#settings = settings
    this.#heartbeat = setInterval(() => this.#extend(), settings.leaseMs / 3).unref()
    this.#turn()
  }

  /** Somebody in this process stored a job that is due at `dueAt`. */
  wake(dueAt: number): void {
    if (this.#stopped) return
    if (dueAt > Date.now()) this.#pollAt(dueAt)
    else this.#turn()
  }

  async stop({ timeoutMs }: { timeoutMs: number }): Promise<boolean> {
    this.#stopped = true
    this.#clearTimer()
    if (this.#turning) this.#again = true
    else this.#turn()
    const idle = (): boolean => this.#running.size === 0 && this.#settled.length === 0 && !this.#turning
    if (idle()) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.add(resolve)
    const timer = setTimeout(resolve, timeoutMs)
    await promise
    clearTimeout(timer)
    this.#idle.delete(resolve)
    return idle()
  }

  #turn(): void {
    if (this.#ended) return
    if (this.#turning) {
      this.#again = true
      return
    }
    const free = this.#stopped ? 0 : this.#settings.concurrency - this.#running.size
    if (free <= 0 && this.#settled.length === 0) {
      this.#endIfDone()
      return
    }
    this.#clearTimer()
    this.#turning = true
    this.#again = false
    // Not in this tick: quick handlers would follow one turn with the next for ever, and no timer or socket got its turn.
    setImmediate(this.#write)
  }

  readonly #write = (): void => {
    this.#settings.file.write((db) => this.#transaction(db)).then(this.#committed, this.#refused)
  }

  #transaction(db: SqliteDb): Turn {
    const { queue, concurrency, leaseMs, maxStalls, keepCompleted } = this.#settings
    const now = Date.now()
    const lost: Settled[] = []
    for (const one of this.#settled) {
      const options = { now, result: one.result, keep: keepCompleted }
      if (!settle(db, one.job, one.token, one.ending, options)) lost.push(one)
    }
    const settled = this.#settled.length
    const asked = this.#stopped ? 0 : concurrency - this.#running.size
    if (asked <= 0) return { settled, lost, asked, claimed: [], token: 0 }
    if (now >= this.#reapAt) reap(db, queue, now, maxStalls)
    promote(db, queue, now)
    const token = newToken()
    return { settled, lost, asked, claimed: claim(db, queue, asked, token, now + leaseMs), token }
  }

  readonly #committed = (turn: Turn): void => {
    this.#turning = false
    this.#retryMs = RETRY_MIN_MS
    this.#settled.splice(0, turn.settled)
    const now = Date.now()
    if (turn.asked > 0 && now >= this.#reapAt) this.#reapAt = now + this.#settings.leaseMs / 4
    for (const { job } of turn.lost) this.#tellLost(job)
    for (const job of turn.claimed) this.#start(job, turn.token)
    if (turn.claimed.length > 0) this.#pollMs = POLL_MIN_MS
    if (this.#again || this.#settled.length > 0) this.#turn()
    // A turn that got all it asked for is followed by the turn of the first run that ends.
    else if (turn.claimed.length < turn.asked) this.#pollAt(now + this.#pollMs)
    this.#endIfDone()
  }

  /** Nothing of the turn was stored: the runs' endings are kept and tried again. */
  readonly #refused = (error: unknown): void => {
    this.#turning = false
    this.#again = false
    this.#settings.onError(error)
    this.#clearTimer()
    this.#timer = setTimeout(() => this.#turn(), this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS)
  }

  #start(job: JobRow, token: number): void {
    if (this.#stopped) {
      this.#settle(job, token, { kind: 'release' })
      return
    }
    let data: unknown
    try {
      data = JSON.parse(job.data)
    } catch (error) {
      this.#settings.onError(error)
      this.#settle(job, token, { kind: 'park', reason: 'damaged' })
      return
    }
    this.#running.set(job, token)
    const delivery = new EmbeddedDelivery(job, data, this.#settings.queueName, (value) =>
      this.#progress(job, token, value),
    )
    this.#settings.deliver(delivery).then(
      (disposition) => this.#settle(job, token, disposition),
      (error) => {
        // `deliver` never rejects; should it, the job must not hang.
        this.#settings.onError(error)
        this.#settle(job, token, { kind: 'fail', error, retry: true })
      },
    )
  }

  #settle(job: JobRow, token: number, ending: Ending): void {
    this.#running.delete(job)
    const result = ending.kind === 'ack' && this.#settings.keepCompleted ? this.#encode(ending.result) : null
    this.#settled.push({ job, token, ending, result })
    this.#turn()
  }

  #encode(result: unknown): string | null {
    try {
      return JSON.stringify(result) ?? null
    } catch (cause) {
      const message = `embedded: the result of a job of ${this.#settings.queueName} is not JSON and is not kept; the job is completed`
      this.#settings.onError(new CutoverError('payload-not-json', message, { cause }))
      return null
    }
  }

  async #progress(job: JobRow, token: number, value: unknown): Promise<void> {
    const text = JSON.stringify(value) ?? null
    const sql = 'UPDATE embedded_jobs SET progress = ? WHERE seq = ? AND token = ?'
    await this.#settings.file.write((db) => db.sql(sql).run(text, job.seq, token))
  }

  #extend(): void {
    if (this.#running.size === 0) return
    const { file, leaseMs, onError } = this.#settings
    const held = [...this.#running]
    const beat = (db: SqliteDb): JobRow[] => {
      const until = Date.now() + leaseMs
      return held.filter(([job, token]) => !extend(db, job.seq, token, until)).map(([job]) => job)
    }
    // A run that has ended meanwhile gave its row away by itself.
    file.write(beat).then((lost) => {
      for (const job of lost) if (this.#running.has(job)) this.#tellLost(job)
    }, onError)
  }

  #tellLost(job: JobRow): void {
    if (this.#lost.has(job)) return
    this.#lost.add(job)
    const { queueName, leaseMs } = this.#settings
    const message = `embedded: the lease of job ${job.id} in ${queueName} was lost: this process gave no sign of life for ${leaseMs} ms, and the job runs again elsewhere. Do not block the event loop, or raise leaseMs`
    this.#settings.onError(new CutoverError('backend-failed', message, { details: { queue: queueName, id: job.id } }))
  }

  /** The next look at the store, at `time` or earlier if one is already planned for earlier. */
  #pollAt(time: number): void {
    if (this.#stopped || this.#turning) return
    if (this.#timer !== undefined && this.#wakeAt <= time) return
    this.#clearTimer()
    this.#wakeAt = time
    // It keeps the process alive as another queue's socket would: a worker that has nothing to do is still a worker.
    this.#timer = setTimeout(() => this.#poll(), Math.max(1, time - Date.now()))
  }

  #poll(): void {
    this.#timer = undefined
    if (this.#settings.concurrency <= this.#running.size) return
    this.#settings.file
      .read((db) => peek(db, this.#settings.queue))
      .then(({ ready, next }) => {
        const now = Date.now()
        if (next !== undefined && next <= now) this.#reapAt = 0
        if (ready || (next !== undefined && next <= now)) {
          this.#turn()
          return
        }
        this.#pollMs = Math.min(2 * this.#pollMs, this.#settings.pollMs)
        this.#pollAt(Math.min(now + this.#pollMs, next ?? Number.POSITIVE_INFINITY))
      })
      .catch((error) => {
        this.#settings.onError(error)
        this.#pollAt(Date.now() + RETRY_MAX_MS)
      })
  }

  #clearTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  #endIfDone(): void {
    if (!this.#stopped || this.#turning || this.#running.size > 0 || this.#settled.length > 0) return
    for (const resolve of this.#idle) resolve()
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#heartbeat)
    this.#settings.onEnd()
    this.#settings.file.close().catch(this.#settings.onError)
  }
}
