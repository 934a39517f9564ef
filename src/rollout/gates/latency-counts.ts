// From latency buckets to counts by edge: how the counts of an epoch become a gate's input. Difference arrays
// (`ports/pair-times.ts`) are summed here, once a look.

import { FIRST_BUCKET, LAST_BUCKET, type LatencyCounts } from '../../comparison/latency.ts'
import { type DifferenceArray, PAIR_MEASURES, type PairMeasure, ratioSteps } from '../../ports/pair-times.ts'
import { contradiction } from './counts.ts'
import type { PairedLatencyCounts, UnpairedLatencyCounts } from './types.ts'

export {
  type DifferenceArray,
  type EdgeRange,
  PAIR_MEASURES,
  type PairMeasure,
  pairRanges,
  type RatioSteps,
  ratioSteps,
} from '../../ports/pair-times.ts'

export interface PairedTimes {
  readonly tau: number
  readonly ratio: number
  /** Legacy's buckets, of complete pairs only. */
  readonly legacy: LatencyCounts
  readonly differences: Readonly<Record<PairMeasure, DifferenceArray>>
}

/** The counts of `latencyPaired`, with only those edges at which a count changes: between them nothing is less. */
export function pairedCounts({ tau, ratio, legacy, differences }: PairedTimes): PairedLatencyCounts {
  const lastEdge = LAST_BUCKET - ratioSteps(ratio).fail
  const changes = PAIR_MEASURES.flatMap((name) => [...differences[name].keys()])
  const edges = edgesOf([...changes, ...shifted(legacy, 0), ...shifted(legacy, 1)], lastEdge)
  const n = total(legacy)
  const over = overs(legacy, n)
  const counted = (name: PairMeasure): number[] => running(differences[name], edges, name)
  return {
    tau,
    n,
    legacyOver: edges.map(over),
    legacyOverPrev: edges.map((a) => over(a - 1)),
    upPass: counted('upPass'),
    downPass: counted('downPass'),
    upFail: counted('upFail'),
    downFail: counted('downFail'),
  }
}

export interface UnpairedTimes {
  readonly tau: number
  readonly ratio: number
  readonly legacy: LatencyCounts
  readonly target: LatencyCounts
}

/** The counts of `latencyUnpaired`, with only those edges at which a count changes. */
export function unpairedCounts({ tau, ratio, legacy, target }: UnpairedTimes): UnpairedLatencyCounts {
  const steps = ratioSteps(ratio)
  const changes = [
    ...shifted(legacy, 0),
    ...shifted(legacy, 1),
    ...shifted(target, 1 - steps.pass),
    ...shifted(target, -steps.fail),
  ]
  const edges = edgesOf(changes, LAST_BUCKET - steps.fail)
  const [nTarget, nLegacy] = [total(target), total(legacy)]
  const [overTarget, overLegacy] = [overs(target, nTarget), overs(legacy, nLegacy)]
  return {
    tau,
    nTarget,
    targetOverPass: edges.map((a) => overTarget(a - 1 + steps.pass)),
    targetOverFail: edges.map((a) => overTarget(a + steps.fail)),
    nLegacy,
    legacyOverPass: edges.map((a) => overLegacy(a)),
    legacyOverFail: edges.map((a) => overLegacy(a - 1)),
  }
}

function total(counts: LatencyCounts): number {
  let n = 0
  for (const count of counts.values()) n += count
  return n
}

/** "Over e_a" changes at a = bucket. */
function shifted(counts: LatencyCounts, by: number): number[] {
  return [...counts.keys()].map((bucket) => bucket + by)
}

/** The first edge, and every later one at which something changes, ascending. */
function edgesOf(changes: readonly number[], lastEdge: number): number[] {
  const within = changes.filter((a) => a > FIRST_BUCKET && a <= lastEdge)
  return [...new Set([FIRST_BUCKET, ...within])].sort((a, b) => a - b)
}

/** How many outcomes lie over edge `a`. */
function overs(counts: LatencyCounts, n: number): (a: number) => number {
  const buckets = [...counts].sort(([a], [b]) => a - b)
  const upTo: number[] = []
  let sum = 0
  for (const [, count] of buckets) {
    sum += count
    upTo.push(sum)
  }
  return (a) => {
    let [low, high] = [0, buckets.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (buckets[middle]![0] > a) high = middle
      else low = middle + 1
    }
    return n - (low === 0 ? 0 : upTo[low - 1]!)
  }
}

/** Sums of a difference array at ascending edges. */
function running(differences: DifferenceArray, edges: readonly number[], name: string): number[] {
  const changes = [...differences].sort(([a], [b]) => a - b)
  let [at, sum] = [0, 0]
  return edges.map((a) => {
    while (at < changes.length && changes[at]![0] <= a) sum += changes[at++]![1]
    if (sum < 0) contradiction('latencyPaired', `${name} is ${sum} at edge ${a}`)
    return sum
  })
}
