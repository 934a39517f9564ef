// How the run times of a pair are counted, so that target's quantile can be held against `ratio` times legacy's.
//
// A pair changes the counts of a *range* of edges, so it is kept as a difference array: + 1 where the range starts,
// − 1 after its end. That is O(1) a pair and adds up across workers.

import { CutoverError } from '../vocabulary/errors.ts'
import { FIRST_BUCKET, LAST_BUCKET, LATENCY_STEP } from '../vocabulary/latency.ts'

/** Counted while no plan says otherwise: those of the default plan. */
export const DEFAULT_RATIOS: readonly number[] = [1.1, 1.15]

export interface RatioSteps {
  /** Edges between legacy and target in a pass: rounded down. */
  readonly pass: number
  /** The same in a fail: rounded up. Both to the safe side. */
  readonly fail: number
}

/** How many edges apart are a time and `ratio` times it? */
export function ratioSteps(ratio: number): RatioSteps {
  if (!(ratio > 1 && ratio <= 10)) {
    throw new CutoverError(
      'option-invalid',
      `ratio is ${String(ratio)}; allowed: a number over 1, up to 10, e.g. 1.15`,
      {
        details: { where: 'ratio' },
      },
    )
  }
  const steps = Math.log(ratio) / LATENCY_STEP
  return { pass: Math.floor(steps + 1e-9), fail: Math.ceil(steps - 1e-9) }
}

/** The four counts that a pair is added to, each over a range of edges. */
export type PairMeasure = 'upPass' | 'downPass' | 'upFail' | 'downFail'
export const PAIR_MEASURES: readonly PairMeasure[] = ['upPass', 'downPass', 'upFail', 'downFail']

/** `[first, last]` edges, both included. */
export type EdgeRange = readonly [first: number, last: number]

/** The ranges of edges over which one pair of buckets counts; empty ranges are left out. */
export function pairRanges(
  legacyBucket: number,
  targetBucket: number,
  steps: RatioSteps,
): Readonly<Partial<Record<PairMeasure, EdgeRange>>> {
  const [l, t] = [legacyBucket, targetBucket]
  const lastEdge = LAST_BUCKET - steps.fail
  const range = (name: PairMeasure, first: number, last: number): Partial<Record<PairMeasure, EdgeRange>> => {
    const [from, to] = [Math.max(first, FIRST_BUCKET), Math.min(last, lastEdge)]
    return from > to ? {} : { [name]: [from, to] }
  }
  return {
    ...range('upPass', l, t - steps.pass),
    ...range('downPass', t - steps.pass + 1, l - 1),
    ...range('upFail', l + 1, t - steps.fail - 1),
    ...range('downFail', t - steps.fail, l),
  }
}

/** Edge → what is added from there on. */
export type DifferenceArray = ReadonlyMap<number, number>
