// A job of the embedded queue as its handler sees it.

import type { Delivery } from '../../../src/ports/queue.ts'
import type { JobRow } from './store.ts'

/** The embedded queue's own job object: `ctx.native` of a migration's side on this queue. */
export interface EmbeddedJob {
  readonly id: string
  readonly queue: string
  readonly data: unknown
  /** 1 for the first. */
  readonly attempt: number
  readonly attempts: number
  readonly priority: number
  readonly enqueuedAt: number
  /** How often a worker took it, this time included; more than `attempt` after stalls and deferrals. */
  readonly starts: number
  /** How often its worker gave no sign of life for longer than the lease. */
  readonly stalls: number
  progress(value: unknown): Promise<void>
}

/** Port's delivery and native job in one object. */
export class EmbeddedDelivery implements Delivery<EmbeddedJob>, EmbeddedJob {
  readonly id: string
  readonly queue: string
  readonly data: unknown
  readonly attempt: number
  readonly attempts: number
  readonly priority: number
  readonly enqueuedAt: number
  readonly starts: number
  readonly stalls: number
  readonly #progress: (value: unknown) => Promise<void>

  constructor(row: JobRow, data: unknown, queue: string, progress: (value: unknown) => Promise<void>) {
    this.id = row.id
    this.queue = queue
    this.data = data
    this.attempt = row.made + 1
    this.attempts = row.attempts
    this.priority = row.priority
    this.enqueuedAt = row.enqueued
    this.starts = row.starts
    this.stalls = row.stalls
    this.#progress = progress
  }

  get backendId(): string {
    return this.id
  }

  get native(): EmbeddedJob {
    return this
  }

  progress(value: unknown): Promise<void> {
    return this.#progress(value)
  }
}
