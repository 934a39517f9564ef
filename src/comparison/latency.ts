// What do the buckets of a latency histogram say about quantiles?

import { CutoverError } from '../vocabulary/errors.ts'
import { latencyEdge } from '../vocabulary/latency.ts'

export { FIRST_BUCKET, LAST_BUCKET, LATENCY_STEP, latencyBucket, latencyEdge } from '../vocabulary/latency.ts'

/** How many outcomes fell into which bucket. */
export type LatencyCounts = ReadonlyMap<number, number>

/** Adds histograms; the given ones stay as they are. */
export function mergeLatencies(histograms: Iterable<LatencyCounts>): Map<number, number> {
  const sum = new Map<number, number>()
  for (const counts of histograms) {
    for (const [bucket, n] of counts) sum.set(bucket, (sum.get(bucket) ?? 0) + n)
  }
  return sum
}

/**
 * The time in ms that a share `q` of the outcomes did not exceed (nearest rank), read at the upper edge of its bucket:
 * never less than it was, and at most 0.48 % more. Undefined for an empty histogram.
 */
export function quantile(counts: LatencyCounts, q: number): number | undefined {
  return quantiles(counts, [q])[0]
}

export interface LatencySummary {
  readonly n: number
  readonly p50?: number
  readonly p95?: number
  readonly p99?: number
}

export function summarise(counts: LatencyCounts): LatencySummary {
  let n = 0
  for (const count of counts.values()) n += count
  const [p50, p95, p99] = quantiles(counts, [0.5, 0.95, 0.99])
  return p50 === undefined || p95 === undefined || p99 === undefined ? { n: 0 } : { n, p50, p95, p99 }
}

/** Several quantiles, ascending, with one sorting. */
export function quantiles(counts: LatencyCounts, wanted: readonly number[]): (number | undefined)[] {
  const buckets = [...counts].filter(([, n]) => n > 0).sort(([a], [b]) => a - b)
  const total = buckets.reduce((sum, [, n]) => sum + n, 0)
  let at = 0
  let seen = buckets[0]?.[1] ?? 0
  return wanted.map((q) => {
    if (!(q >= 0 && q <= 1)) {
      throw new CutoverError('option-invalid', `quantile ${q} is not between 0 and 1, e.g. 0.95`)
    }
    // 1e-9 against products such as 0.07 · 100 = 7.000000000000001
    const rank = Math.max(1, Math.ceil(q * total - 1e-9))
    while (seen < rank && at + 1 < buckets.length) seen += buckets[++at]![1]
    const bucket = buckets[at]
    return bucket === undefined ? undefined : latencyEdge(bucket[0])
  })
}
