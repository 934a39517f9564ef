// The keys that this producer has pinned in this epoch: none of them is the first of its key, so little is asked.

/** A bound on memory; forgetting costs a test in the ledger, never a count. */
const MOST = 50_000
const DAY_MS = 24 * 3_600_000

export class SeenKeys {
  #epoch = -1
  /** Key → the UTC day of due time on which it was seen last. */
  #days = new Map<string, number>()

  /** `day`: seen in this epoch and on the day of this due time; `epoch`: in this epoch on another day. */
  seen(epoch: number, key: string, dueAt: number): 'day' | 'epoch' | undefined {
    const day = epoch === this.#epoch ? this.#days.get(key) : undefined
    if (day === undefined) return undefined
    return day === dayOf(dueAt) ? 'day' : 'epoch'
  }

  /** Only after the ledger has answered for it: a pin that was never stored must be tested again. */
  add(epoch: number, key: string, dueAt: number): void {
    if (epoch !== this.#epoch || this.#days.size >= MOST) {
      if (epoch < this.#epoch) return
      this.#epoch = epoch
      this.#days = new Map()
    }
    this.#days.set(key, dayOf(dueAt))
  }
}

function dayOf(dueAt: number): number {
  return Math.floor(dueAt / DAY_MS)
}
