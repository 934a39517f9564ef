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
  readonly #watermark: number
  readonly #buckets: readonly TallyBucket[]
  /** Those that began more than a day ago. */
  readonly #older: readonly TallyBucket[]
  readonly #known: Readonly<Record<Unit, Map<string, number>>> = {
    job: new Map(),
    'key-day': new Map(),
    key: new Map(),
  }

  constructor(snapshot: Snapshot, epoch: number) {
    this.#watermark = watermark(snapshot)
    this.#buckets = snapshot.buckets
      .filter((bucket) => bucket.epoch === epoch && isClosedBucket(bucket, snapshot))
      .sort((a, b) => b.start + b.widthMs - (a.start + a.widthMs))
    this.#older = this.#buckets.filter(({ start }) => start < snapshot.now - DAY_MS)
  }

  total<Counts>(family: Unit, read: (get: Get) => Counts): Counts {
    return read(this.#totals(family, read))
  }

  /** `minUnits`: of the gate; the newest run holds at least as many, and a quarter of all. */
  observe<Counts>(family: Unit, minUnits: number, reading: Reading<Counts>): Observation<Counts> {
    const { read, n, units = n } = reading
    const counts = this.total(family, read)
    const older = new Sums(family, read)
    for (const bucket of this.#older) older.add(bucket)
    return {
      counts,
      newUnits: n(counts) - n(read(older.get)),
      ...this.#newest(family, Math.max(minUnits, units(counts) / 4), reading),
    }
  }

  /** Gates share many counters: each is summed once. */
  #totals(family: Unit, read: (get: Get) => unknown): Get {
    const known = this.#known[family]
    const wanted = new Sums(family, read, known)
    if (wanted.size > 0) for (const bucket of this.#buckets) wanted.add(bucket)
    wanted.into(known)
    return (measure) => known.get(measure) ?? 0
  }

  #newest<Counts>(
    family: Unit,
    wanted: number,
    { read, n, units = n }: Reading<Counts>,
  ): Pick<Observation<Counts>, 'recent' | 'idleMs'> {
    const newest = new Sums(family, read)
    let lastUnit: number | undefined
    for (const bucket of this.#buckets) {
      if (!newest.add(bucket)) continue
      const so = read(newest.get)
      if (lastUnit === undefined && n(so) > 0) lastUnit = bucket.start + bucket.widthMs
      if (units(so) >= wanted) break
    }
    // what is younger than the watermark cannot be known yet, so its absence says nothing
    const idleMs = lastUnit === undefined ? 0 : Math.max(0, this.#watermark - lastUnit)
    return { recent: read(newest.get), idleMs }
  }
}

/** Sums of exactly those counters that `read` asks for. */
class Sums {
  readonly #keys: CountKey[] = []
  readonly #sums: number[] = []
  readonly #at = new Map<string, number>()
  readonly get: Get

  /** `known`: those that need not be summed. */
  constructor(family: Unit, read: (get: Get) => unknown, known?: ReadonlyMap<string, number>) {
    read((measure) => {
      if (this.#at.has(measure) || known?.has(measure) === true) return 0
      this.#at.set(measure, this.#keys.length)
      this.#keys.push(`${family}/${measure}`)
      this.#sums.push(0)
      return 0
    })
    this.get = (measure) => this.#sums[this.#at.get(measure) ?? -1] ?? 0
  }

  get size(): number {
    return this.#keys.length
  }

  into(known: Map<string, number>): void {
    for (const [measure, at] of this.#at) known.set(measure, this.#sums[at] ?? 0)
  }

  /** False: none of them was counted in this bucket. */
  add({ counts }: TallyBucket): boolean {
    const [keys, sums] = [this.#keys, this.#sums]
    let found = false
    for (let i = 0; i < keys.length; i++) {
      const n = counts[keys[i]!]
      if (n === undefined) continue
      sums[i]! += n
      found = true
    }
    return found
  }
}
