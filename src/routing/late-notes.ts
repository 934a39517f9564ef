// Remembers what happened while the ledger could not be reached, and tells it when it is back.

import type { MigrationLedger, NoteRequest } from '../ports/ledger.ts'

/** Beyond this only their number is kept. */
const MOST = 100_000
const RETRY_MS = 500

export interface LateNotesOptions {
  readonly ledger: () => Promise<MigrationLedger>
  readonly reachable: () => boolean
  /** Resolves when no pin is under way: one that was given up may still be stored, and only then taken back. */
  readonly pinsSettled: () => Promise<void>
}

export class LateNotes {
  readonly #options: LateNotesOptions
  #notes: NoteRequest[] = []
  #abandoned: string[] = []
  #uncounted = 0
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined

  constructor(options: LateNotesOptions) {
    this.#options = options
  }

  /** A job that went to legacy without a pin. */
  note(request: NoteRequest): void {
    if (this.#notes.length < MOST) this.#notes.push(request)
    else this.#uncounted += 1
    this.#schedule()
  }

  /** A pin that may have been stored and is not to be used. */
  abandon(id: string): void {
    if (this.#abandoned.length < MOST) this.#abandoned.push(id)
    this.#schedule()
  }

  /** Something is still to be told. */
  get waiting(): boolean {
    return this.#notes.length + this.#abandoned.length + this.#uncounted > 0
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, RETRY_MS).unref()
  }

  /** One at a time: two would drop what neither has told. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #flush(): Promise<void> {
    if (!this.waiting) return
    try {
      if (!this.#options.reachable()) return
      const ledger = await this.#options.ledger()
      await this.#options.pinsSettled()
      while (this.#abandoned.length > 0) {
        await ledger.unpin(this.#abandoned.slice(0, 250))
        this.#abandoned = this.#abandoned.slice(250)
      }
      while (this.#notes.length > 0) {
        await ledger.note(this.#notes.slice(0, 250))
        this.#notes = this.#notes.slice(250)
      }
      if (this.#uncounted > 0) {
        const count = this.#uncounted
        this.#uncounted = 0
        await ledger.bump('unnoted.legacy', count)
      }
    } catch {
      // still away: the watch tells of it; what is noted stays noted and is tried again
    } finally {
      if (this.waiting) this.#schedule()
    }
  }

  async close(timeoutMs: number): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.race([this.flush(), new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())])
    clearTimeout(this.#timer)
  }
}
