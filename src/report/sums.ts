// How often was each thing counted? Sums the buckets of a snapshot, per epoch and over all, in one pass.
//
// A report's number is the sum over the families `job`, `excluded` and `late`; `key` is a part of `job` and never added.

import type { CountKey, Family, TallyBucket } from '../ports/ledger.ts'

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
    const n = this.#raw.get(`${family}/${measure}`) ?? 0
    // what is no number at all is told by the laws, it must not turn every sum into NaN
    return Number.isFinite(n) ? n : 0
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

export function sumBuckets(buckets: readonly TallyBucket[]): SummedBuckets {
  const byEpoch = new Map<number, Map<string, number>>()
  const firstStart = new Map<number, number>()
  for (const { epoch, start, counts } of buckets) {
    let sums = byEpoch.get(epoch)
    if (sums === undefined) {
      sums = new Map()
      byEpoch.set(epoch, sums)
    }
    firstStart.set(epoch, Math.min(start, firstStart.get(epoch) ?? start))
    for (const key in counts) sums.set(key, (sums.get(key) ?? 0) + (counts[key as CountKey] ?? 0))
  }
  const all = new Map<string, number>()
  for (const sums of byEpoch.values()) {
    for (const [key, n] of sums) all.set(key, (all.get(key) ?? 0) + n)
  }
  return {
    all: new Sums(all),
    byEpoch: new Map([...byEpoch].map(([epoch, sums]) => [epoch, new Sums(sums)])),
    firstStart,
  }
}
