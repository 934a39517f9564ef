// What the tests of rollout share.

import { expect } from 'vitest'
import {
  PAIR_MEASURES,
  type PairedTimes,
  type PairMeasure,
  pairRanges,
  ratioSteps,
} from '../../src/rollout/gates/index.ts'
import { CutoverError } from '../../src/vocabulary/errors.ts'

export function expectClose(actual: number, expected: number, tolerance: number): void {
  if (actual === expected) return
  expect(Math.abs(actual - expected), `${actual} for ${expected}`).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(expected)),
  )
}

/** The CutoverError that `call` throws. */
export function raised(call: () => unknown): CutoverError {
  try {
    call()
  } catch (error) {
    if (error instanceof CutoverError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export type Pair = readonly [legacy: number, target: number]

export function histogram(buckets: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const bucket of buckets) counts.set(bucket, (counts.get(bucket) ?? 0) + 1)
  return counts
}

/** As a ledger keeps them: + 1 at the start of a range, − 1 after its end. */
export function pairTimes(pairs: readonly Pair[], tau: number, ratio: number): PairedTimes {
  const differences = Object.fromEntries(PAIR_MEASURES.map((name) => [name, new Map<number, number>()])) as Record<
    PairMeasure,
    Map<number, number>
  >
  for (const [l, t] of pairs) {
    for (const [name, range] of Object.entries(pairRanges(l, t, ratioSteps(ratio)))) {
      const array = differences[name as PairMeasure]
      array.set(range[0], (array.get(range[0]) ?? 0) + 1)
      array.set(range[1] + 1, (array.get(range[1] + 1) ?? 0) - 1)
    }
  }
  return { tau, ratio, legacy: histogram(pairs.map(([l]) => l)), differences }
}
