// Which buckets of an epoch may a gate read, and what do they come to: in all, lately, in the newest run?
//
// Only closed ones: a bucket is closed once every job that was due in it has had its deadline, so what is missing in it
// is missing for good. Without this, successes arrive before failures.

import type { CountKey, LedgerSettings, Snapshot, TallyBucket } from '../../ports/ledger.ts'
import type { Unit } from '../plan/types.ts'

/** Closed buckets are merged into hours and days. */
const MERGED_MS = 3_600_000
const DAY_MS = 24 * 3_600_000

/** What `measure` comes to. */
export type Get = (measure: string) => number

/** Everything up to here (due time) is known: all that was due before has an outcome, or is without one for good. */
export function watermark({ now, settings }: Pick<Snapshot, 'now' | 'settings'>): number {
  return now - settings.deadlineMs - settings.slackMs
}

export function isClosedBucket(
  { start, widthMs }: Pick<TallyBucket, 'start' | 'widthMs'>,
  snapshot: { readonly now: number; readonly settings: LedgerSettings },
): boolean {
  // only closed ones are merged; the merged one may reach beyond them
  const merged = widthMs >= MERGED_MS && widthMs > snapshot.settings.bucketMs
  return merged || start + widthMs <= watermark(snapshot)
}

/** What a gate reads, linear in the counters: the sum of two buckets' readings is the reading of their sums. */
export interface Reading<Counts> {
  readonly read: (get: Get) => Counts
  /** All units. */
  readonly n: (counts: Counts) => number
  /** What `min-units` counts; default `n`. */
  readonly units?: (counts: Counts) => number
}

export interface Observation<Counts> {
  readonly counts: Counts
  readonly recent: Counts
  readonly idleMs: number
  readonly newUnits: number
}

/** The closed buckets of one epoch, the newest first. */
export class ClosedBuckets {
  readonly #now: number
  readonly #watermark: number
  readonly #buckets: readonly TallyBucket[]

  constructor(snapshot: Snapshot, epoch: number) {
    this.#now = snapshot.now
    this.#watermark = watermark(snapshot)
    this.#buckets = snapshot.buckets
      .filter((bucket) => bucket.epoch === epoch && isClosedBucket(bucket, snapshot))
      .sort((a, b) => b.start + b.widthMs - (a.start + a.widthMs))
  }

  total<Counts>(family: Unit, read: (get: Get) => Counts): Counts {
    const sums = sumsOf(family, read)
    for (const bucket of this.#buckets) sums.add(bucket)
    return read(sums.get)
  }

  /** `minUnits`: of the gate; the newest run holds at least as many, and a quarter of all. */
  observe<Counts>(family: Unit, minUnits: number, reading: Reading<Counts>): Observation<Counts> {
    const { read, n, units = n } = reading
    const [all, day] = [sumsOf(family, read), sumsOf(family, read)]
    const dayAgo = this.#now - DAY_MS
    for (const bucket of this.#buckets) {
      all.add(bucket)
      if (bucket.start >= dayAgo) day.add(bucket)
    }
    const counts = read(all.get)
    const wanted = Math.max(minUnits, units(counts) / 4)
    const newest = sumsOf(family, read)
    let lastUnit: number | undefined
    for (const bucket of this.#buckets) {
      if (!newest.add(bucket)) continue
      const so = read(newest.get)
      if (lastUnit === undefined && n(so) > 0) lastUnit = bucket.start + bucket.widthMs
      if (units(so) >= wanted) break
    }
    return {
      counts,
      recent: read(newest.get),
      // what is younger than the watermark cannot be known yet, so its absence says nothing
      idleMs: lastUnit === undefined ? 0 : Math.max(0, this.#watermark - lastUnit),
      newUnits: n(read(day.get)),
    }
  }
}

/** Sums of exactly those counters that `read` asks for. */
function sumsOf(family: Unit, read: (get: Get) => unknown): { add: (bucket: TallyBucket) => boolean; get: Get } {
  const sums = new Map<string, number>()
  read((measure) => {
    sums.set(measure, 0)
    return 0
  })
  const keys = [...sums.keys()].map((measure) => ({ measure, key: `${family}/${measure}` as CountKey }))
  return {
    add: ({ counts }) => {
      let found = false
      for (const { measure, key } of keys) {
        const n = counts[key]
        if (n === undefined) continue
        sums.set(measure, (sums.get(measure) ?? 0) + n)
        found = true
      }
      return found
    },
    get: (measure) => sums.get(measure) ?? 0,
  }
}
