// How often was each thing counted? Sums the buckets of a snapshot, per epoch and over all, in one pass.
//
// A report's number is the sum over the families `job`, `excluded` and `late`; `key` is a part of `job` and never added.

import type { CountKey, Family, Gauges, TallyBucket } from '../ports/ledger.ts'

/** Raw counts by `family/measure`. */
export type RawCounts = ReadonlyMap<string, number>

const REPORTED: readonly Family[] = ['job', 'excluded', 'late']

export class Sums {
  readonly #raw: RawCounts

  constructor(raw: RawCounts) {
    this.#raw = raw
  }

  /** How often `measure` was counted. */
  of(measure: string): number {
    let sum = 0
    for (const family of REPORTED) sum += this.in(family, measure)
    return sum
  }

  in(family: Family, measure: string): number {
    return readable(this.#raw.get(`${family}/${measure}`) ?? 0)
  }

  /** What was counted under measures that begin so: the rest of each name, and how often. */
  startingWith(prefix: string): Map<string, number> {
    const found = new Map<string, number>()
    for (const family of REPORTED) {
      const start = `${family}/${prefix}`
      for (const [key, n] of this.#raw) {
        if (!key.startsWith(start)) continue
        const rest = key.slice(start.length)
        found.set(rest, (found.get(rest) ?? 0) + readable(n))
      }
    }
    return found
  }

  /** Everything that was counted, for the laws that look at each counter. */
  entries(): IterableIterator<[string, number]> {
    return this.#raw.entries()
  }
}

export interface SummedBuckets {
  readonly all: Sums
  readonly byEpoch: ReadonlyMap<number, Sums>
  /** Start of the earliest bucket by epoch. */
  readonly firstStart: ReadonlyMap<number, number>
}

/** A running sum; a cell, since a bucket's keys are mostly known and then cost one look-up. */
interface Cell {
  n: number
}

export function sumBuckets(buckets: readonly TallyBucket[]): SummedBuckets {
  const cells = new Map<number, Map<string, Cell>>()
  const firstStart = new Map<number, number>()
  for (const { epoch, start, counts } of buckets) {
    let sums = cells.get(epoch)
    if (sums === undefined) {
      sums = new Map()
      cells.set(epoch, sums)
    }
    firstStart.set(epoch, Math.min(start, firstStart.get(epoch) ?? start))
    for (const key in counts) {
      const n = counts[key as CountKey] ?? 0
      const cell = sums.get(key)
      if (cell === undefined) sums.set(key, { n })
      else cell.n += n
    }
  }
  const all = new Map<string, number>()
  const byEpoch = new Map<number, Sums>()
  for (const [epoch, sums] of cells) {
    const raw = new Map<string, number>()
    for (const [key, { n }] of sums) {
      raw.set(key, n)
      all.set(key, (all.get(key) ?? 0) + n)
    }
    byEpoch.set(epoch, new Sums(raw))
  }
  return { all: new Sums(all), byEpoch, firstStart }
}

/** What is not even a whole number is told by the laws; it must not turn every sum into NaN. */
function readable(n: number): number {
  return Number.isSafeInteger(n) ? n : 0
}

export function readableGauges(gauges: Gauges): Gauges {
  const sides = ({ legacy, target }: Gauges['waiting']): Gauges['waiting'] => {
    return { legacy: readable(legacy), target: readable(target) }
  }
  return {
    waiting: sides(gauges.waiting),
    running: sides(gauges.running),
    moving: readable(gauges.moving),
    inDoubt: sides(gauges.inDoubt),
    lost: sides(gauges.lost),
    overdue: readable(gauges.overdue),
    pairsOpen: readable(gauges.pairsOpen),
    controlsOpen: readable(gauges.controlsOpen),
    oldestReadyAt: gauges.oldestReadyAt,
  }
}
