// Tells the ledger later what it could not be told at once: again and again, one telling at a time, until nothing waits.

const RETRY_MS = 500

export interface RetellingOptions {
  /** Tells what waits and forgets what was told; a rejection means that it is tried again. */
  readonly tell: () => Promise<void>
  /** How many things wait. */
  readonly waiting: () => number
}

export class Retelling {
  readonly #o: RetellingOptions
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined

  constructor(options: RetellingOptions) {
    this.#o = options
  }

  /** Something waits: it is told soon. */
  schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, RETRY_MS).unref()
  }

  /** Tells now, one telling at a time: two would tell the same thing twice. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #flush(): Promise<void> {
    if (this.#o.waiting() === 0) return
    try {
      await this.#o.tell()
    } catch {
      // still away: the watch tells of it; what waits is told at the next try
    } finally {
      if (this.#o.waiting() > 0) this.schedule()
    }
  }

  /** A last try for at most `timeoutMs`; answers how many things were never told. */
  async close(timeoutMs: number): Promise<number> {
    clearTimeout(this.#timer)
    await Promise.race([this.flush(), new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())])
    clearTimeout(this.#timer)
    return this.#o.waiting()
  }
}
