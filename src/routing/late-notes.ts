// Remembers what happened while the ledger could not be reached, and tells it when it is back.

import type { MigrationLedger, NoteRequest } from '../ports/ledger.ts'

/** Beyond this only their number is kept. */
const MOST = 100_000
const RETRY_MS = 500

export interface LateNotesOptions {
  readonly ledger: () => Promise<MigrationLedger>
  readonly reachable: () => boolean
}

export class LateNotes {
  readonly #options: LateNotesOptions
  #notes: NoteRequest[] = []
  #abandoned: string[] = []
  #uncounted = 0
  #timer: NodeJS.Timeout | undefined

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

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, RETRY_MS).unref()
  }

  async flush(): Promise<void> {
    if (this.#notes.length + this.#abandoned.length + this.#uncounted === 0) return
    try {
      if (!this.#options.reachable()) return
      const ledger = await this.#options.ledger()
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
      if (this.#notes.length + this.#abandoned.length + this.#uncounted > 0) this.#schedule()
    }
  }

  async close(timeoutMs: number): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.race([this.flush(), new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())])
    clearTimeout(this.#timer)
  }
}
