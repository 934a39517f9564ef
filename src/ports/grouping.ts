// Gathers single calls of one tick into one call of the ledger or the backend (group commit).
//
// There is no timer: what was asked for in one turn of the event loop is sent at its end, so nothing waits for company
// that may not come, and under load the groups grow by themselves.

export interface GroupOptions {
  /** Largest group; a fuller one is sent in several calls at once. */
  readonly most: number
}

interface Waiting<Q, A> {
  readonly request: Q
  readonly resolve: (answer: A) => void
  readonly reject: (cause: unknown) => void
}

/** Calls `send` once for all requests of one tick; its answers go back in order. A failing call fails its whole group. */
export class Grouper<Q, A> {
  readonly #send: (requests: readonly Q[]) => Promise<readonly A[]>
  readonly #most: number
  #waiting: Waiting<Q, A>[] = []
  #scheduled = false
  #underway = 0
  #idle: (() => void)[] = []

  constructor(send: (requests: readonly Q[]) => Promise<readonly A[]>, options: GroupOptions) {
    this.#send = send
    this.#most = options.most
  }

  ask(request: Q): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      // nextTick runs before promise jobs of the next turn but after those queued now by the same turn's callers
      queueMicrotask(() => process.nextTick(() => this.#flush()))
    })
  }

  #flush(): void {
    this.#scheduled = false
    const all = this.#waiting
    this.#waiting = []
    for (let start = 0; start < all.length; start += this.#most) {
      void this.#sendGroup(all.length <= this.#most ? all : all.slice(start, start + this.#most))
    }
  }

  async #sendGroup(group: readonly Waiting<Q, A>[]): Promise<void> {
    this.#underway += 1
    try {
      const answers = await this.#send(group.map((waiting) => waiting.request))
      if (answers.length !== group.length) throw new Error(`${group.length} requests, ${answers.length} answers`)
      group.forEach((waiting, index) => {
        waiting.resolve(answers[index] as A)
      })
    } catch (cause) {
      for (const waiting of group) waiting.reject(cause)
    } finally {
      this.#underway -= 1
      if (this.#underway === 0) for (const idle of this.#idle.splice(0)) idle()
    }
  }

  /** Resolves when nothing is waiting for an answer. */
  async settled(): Promise<void> {
    while (this.#waiting.length > 0 || this.#underway > 0) {
      if (this.#underway === 0) this.#flush()
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
  }
}
