// Sends shadow and control copies after their primary was answered, in small batches, so that a failing or slow shadow
// never fails or delays a primary. What cannot be sent is shed: counted, never dropped silently.

import type { MigrationLedger } from '../ports/ledger.ts'
import type { OutgoingJob, Queue } from '../ports/queue.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import type { Side } from '../vocabulary/job.ts'

export interface Copy {
  readonly id: string
  readonly side: Side
  readonly which: 'pair' | 'control'
  /** Made only when the copy is sent. */
  readonly job: () => OutgoingJob
}

export interface ShadowSenderOptions {
  readonly migration: string
  readonly ledger: () => Promise<MigrationLedger>
  /** The opened shadow queue of a side. */
  readonly queue: (side: Side) => Promise<Queue>
  /** Copies that may wait on a side before further ones are shed. */
  readonly backlog: number
  readonly emit: EmitEvent
}

const BATCH = 100
/** Copies kept in this process while the shadow queue is slow; a bound on memory. */
const BUFFER = 5000
const COUNTS_EVERY_MS = 250
const TRIES = 4

export class ShadowSender {
  readonly #options: ShadowSenderOptions
  #buffer: Copy[] = []
  #pump: Promise<void> | undefined
  readonly #waiting: Record<Side, number> = { legacy: 0, target: 0 }
  readonly #countedAt: Record<Side, number> = { legacy: Number.NEGATIVE_INFINITY, target: Number.NEGATIVE_INFINITY }
  #toShed: { id: string; which: 'pair' | 'control' }[] = []
  #closed = false

  constructor(options: ShadowSenderOptions) {
    this.#options = options
  }

  add(copy: Copy): void {
    if (this.#buffer.length >= BUFFER || this.#closed) {
      this.#toShed.push({ id: copy.id, which: copy.which })
    } else {
      this.#buffer.push(copy)
    }
    this.#pump ??= this.#run()
  }

  async #run(): Promise<void> {
    // one turn later: the primaries of this tick go first
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#buffer.length > 0 || this.#toShed.length > 0) {
      await this.#sendBatch(this.#buffer.splice(0, BATCH))
      await this.#shed()
    }
    this.#pump = undefined
  }

  async #sendBatch(batch: readonly Copy[]): Promise<void> {
    for (const side of ['legacy', 'target'] as const) {
      const copies = batch.filter((copy) => copy.side === side)
      if (copies.length === 0) continue
      const room = await this.#room(side)
      for (const copy of copies.slice(room)) this.#toShed.push({ id: copy.id, which: copy.which })
      await this.#send(side, copies.slice(0, room))
    }
  }

  async #room(side: Side): Promise<number> {
    if (performance.now() - this.#countedAt[side] > COUNTS_EVERY_MS) {
      try {
        const counts = await (await this.#options.queue(side)).counts()
        this.#waiting[side] = counts.waiting
        this.#countedAt[side] = performance.now()
      } catch {
        return 0 // a shadow queue that cannot be asked takes nothing: its copies are shed and counted
      }
    }
    return Math.max(0, this.#options.backlog - this.#waiting[side])
  }

  async #send(side: Side, copies: readonly Copy[]): Promise<void> {
    let left = copies
    for (let tries = 0; left.length > 0 && tries < TRIES; tries += 1) {
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** tries))
      try {
        const queue = await this.#options.queue(side)
        const answers = await queue.enqueue(left.map((copy) => copy.job()))
        this.#waiting[side] += answers.filter((answer) => answer.status === 'accepted').length
        const again: Copy[] = []
        answers.forEach((answer, index) => {
          const copy = left[index] as Copy
          if (answer.status === 'refused') this.#toShed.push({ id: copy.id, which: copy.which })
          if (answer.status === 'unknown') again.push(copy)
        })
        left = again
      } catch {
        // the queue could not be opened: the same copies again, then shed
      }
    }
    for (const copy of left) this.#toShed.push({ id: copy.id, which: copy.which })
  }

  async #shed(): Promise<void> {
    const requests = this.#toShed.splice(0, 500)
    if (requests.length === 0) return
    try {
      await (await this.#options.ledger()).shed(requests)
      this.#options.emit({ type: 'shadow-shed', migration: this.#options.migration, count: requests.length })
    } catch (cause) {
      // not lost: the sweeper calls such a pair orphaned once its deadline has passed
      const message = `shed not recorded: ${cause instanceof Error ? cause.message : String(cause)}`
      this.#options.emit({ type: 'sweep-error', migration: this.#options.migration, message })
    }
  }

  /** Sends what is buffered for at most `timeoutMs`; the rest is shed. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true
    const timer = setTimeout(() => {
      for (const copy of this.#buffer.splice(0)) this.#toShed.push({ id: copy.id, which: copy.which })
    }, timeoutMs)
    await this.#pump
    clearTimeout(timer)
  }
}
