// Four ways to ask, after every unit, "may it go on?" and "must it go back?"; each is given the same units.
//
// A unit gives a score, e.g. 1 for a mismatch; the limit is on the mean score. Ours are the gates' own counters. The
// others are given more than anybody has: the true variance of a score at the limit.

import { ShareCounter, type UnitKind } from '../../src/rollout/simulate/shares.ts'

/** Chance of a wrong answer that is promised, on each side. */
export const PROMISE = 0.025
/** Nobody is asked before so many units: what `min-units` is by default. */
const LEAST_UNITS = 20

export interface Scores {
  readonly gate: 'mismatch' | 'errorsPaired' | 'errorsCanary'
  readonly limit: number
  /** Of a canary: the share of keys on target. */
  readonly share?: number
  /** Variance of one score, at the limit. */
  readonly variance: number
}

/** One run of one way: units in, answers out. */
export interface Asked {
  add(kind: UnitKind, onTarget: boolean): void
  pass(): boolean
  fail(): boolean
}

export interface Method {
  readonly name: string
  begin(scores: Scores): Asked
}

/** α for one gate looked at alone, in its first attempt: `PROMISE` on each side. */
export const LEVELS = { alpha: 2 * PROMISE, attempt: 1, tests: 1 }

const ours: Method = {
  name: 'e-values (ours)',
  begin({ gate, limit, share }) {
    const counter = new ShareCounter({
      gate,
      limit,
      minUnits: LEAST_UNITS,
      levels: LEVELS,
      ...(share === undefined ? {} : { share }),
    })
    return {
      add: (kind, onTarget) => counter.add(kind, 0, onTarget),
      pass: () => counter.provesPass(),
      fail: () => counter.provesFail(),
    }
  },
}

/** Mean and number of scores so far. */
class Mean {
  n = 0
  sum = 0
  readonly #bad: number
  readonly #good: number

  constructor({ gate, share = 0.5 }: Scores) {
    this.#bad = gate === 'errorsCanary' ? 1 / share : 1
    this.#good = gate === 'errorsCanary' ? -1 / (1 - share) : -1
  }

  add(kind: UnitKind): void {
    this.n += 1
    if (kind === 'target-bad') this.sum += this.#bad
    else if (kind === 'legacy-bad') this.sum += this.#good
  }
}

function meanMethod(
  name: string,
  answers: (mean: Mean, scores: Scores) => { readonly pass: boolean; readonly fail: boolean },
): Method {
  return {
    name,
    begin(scores) {
      const mean = new Mean(scores)
      const asked = (): { pass: boolean; fail: boolean } =>
        mean.n < Math.max(LEAST_UNITS, 1 / scores.limit) ? { pass: false, fail: false } : answers(mean, scores)
      return { add: (kind) => mean.add(kind), pass: () => asked().pass, fail: () => asked().fail }
    },
  }
}

/** (a) Within the limit: go on. Over it: go back. */
const threshold = meanMethod('threshold', ({ n, sum }, { limit }) => ({
  pass: sum <= limit * n,
  fail: sum > limit * n,
}))

/** (b) A one-sided z-test at 2.5 %, made for a number of units that was fixed before, looked at after each. */
const zTest = meanMethod('z-test, peeked', ({ n, sum }, { limit, variance }) => {
  const z = (sum - limit * n) / Math.sqrt(n * variance)
  return { pass: z <= -Z, fail: z >= Z }
})
const Z = 1.959963984540054

/**
 * (c) The mixture sequential probability ratio test with a normal mixture of standard deviation `limit` around the
 * limit (Robbins 1970; Johari et al. 2017), two-sided at 5 %. It is made for looking at all the time, and its promise
 * for normal scores; rare failures are not normal.
 */
const msprt = meanMethod('mSPRT', ({ n, sum }, { limit, variance }) => {
  const tau2 = limit * limit
  const spread = variance + n * tau2
  const away = sum - limit * n
  const log = 0.5 * Math.log(variance / spread) + (tau2 * away * away) / (2 * variance * spread)
  const far = log >= -Math.log(2 * PROMISE)
  return { pass: far && away < 0, fail: far && away > 0 }
})

export const METHODS: readonly Method[] = [ours, threshold, zTest, msprt]
