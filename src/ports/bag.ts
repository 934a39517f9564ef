// What comes and goes by the thousand a second. A `Set` that is filled and emptied at that pace grows new tables all the
// time, and what stood in an old one is held until a whole garbage collection: jobs with their payloads. A
// slot of this is empty at once.

export class Bag<T> {
  readonly #slots: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#slots.length - this.#free.length
  }

  /** The slot by which it is taken out again. */
  add(value: T): number {
    const slot = this.#free.pop() ?? this.#slots.length
    this.#slots[slot] = value
    return slot
  }

  /** Nothing where the slot was emptied before. */
  take(slot: number): T | undefined {
    const value = this.#slots[slot]
    if (value === undefined) return undefined
    this.#slots[slot] = undefined
    this.#free.push(slot)
    return value
  }

  /** In no order. */
  all(): T[] {
    return this.#slots.filter((value) => value !== undefined)
  }
}
