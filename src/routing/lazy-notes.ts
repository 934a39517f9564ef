// Tells the ledger of unfenced jobs that were sent: a few ms late, many at a time. Whoever comes first, this note, the
// end of the run or a move, inserts the row and counts it.

import type { MigrationLedger, NoteRequest } from '../ports/ledger.ts'

const WAIT_MS = 5
const MOST = 250

export interface LazyNotesOptions {
  readonly ledger: () => Promise<MigrationLedger>
  /** Keeps what could not be told now. */
  readonly later: (request: NoteRequest) => void
}

export class LazyNotes {
  readonly #o: LazyNotesOptions
  #waiting: NoteRequest[] = []
  #timer: NodeJS.Timeout | undefined
  readonly #telling = new Set<Promise<void>>()

  constructor(options: LazyNotesOptions) {
    this.#o = options
  }

  add(request: NoteRequest): void {
    this.#waiting.push(request)
    if (this.#waiting.length >= MOST) this.#send()
    else this.#timer ??= setTimeout(() => this.#send(), WAIT_MS)
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const requests = this.#waiting
    if (requests.length === 0) return
    this.#waiting = []
    const telling: Promise<void> = this.#tell(requests).finally(() => this.#telling.delete(telling))
    this.#telling.add(telling)
  }

  async #tell(requests: readonly NoteRequest[]): Promise<void> {
    try {
      await (await this.#o.ledger()).note(requests)
    } catch {
      for (const request of requests) this.#o.later(request)
    }
  }

  /** Resolves when everything so far was told, or is kept for later. */
  async flush(): Promise<void> {
    this.#send()
    while (this.#telling.size > 0) await Promise.all(this.#telling)
  }
}
