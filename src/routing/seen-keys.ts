// The keys that this producer has pinned in this epoch: none of them is the first of its key, so nothing is asked.

/** A bound on memory; forgetting costs a round trip, never a count. */
const MOST = 50_000

export class SeenKeys {
  #epoch = -1
  #keys = new Set<string>()

  has(epoch: number, key: string): boolean {
    return epoch === this.#epoch && this.#keys.has(key)
  }

  /** Only after the ledger has answered for it: a pin that was never stored must be tested again. */
  add(epoch: number, key: string): void {
    if (epoch !== this.#epoch || this.#keys.size >= MOST) {
      if (epoch < this.#epoch) return
      this.#epoch = epoch
      this.#keys = new Set()
    }
    this.#keys.add(key)
  }
}
