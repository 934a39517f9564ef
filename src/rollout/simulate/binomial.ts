// Between what shares does the truth lie, when `k` of `n` runs did so? Clopper and Pearson's exact interval (1934): its
// promise holds for every share and every number of runs, so it is a little wide.

import { CutoverError } from '../../vocabulary/errors.ts'

export interface Interval {
  readonly lower: number
  readonly upper: number
}

/** Two-sided: each end is wrong with chance (1 − level)/2 at most. `n` runs looked at once, at the end. */
export function clopperPearson(n: number, k: number, level = 0.95): Interval {
  if (!(Number.isSafeInteger(n) && Number.isSafeInteger(k) && k >= 0 && k <= n)) {
    throw new CutoverError(
      'option-invalid',
      `${k} of ${n} runs: both are whole numbers, from 0, the first at most the second`,
    )
  }
  if (!(level > 0 && level < 1)) {
    throw new CutoverError('option-invalid', `the level is ${level}; it lies between 0 and 1, e.g. 0.95`)
  }
  const tail = (1 - level) / 2
  return {
    lower: k === 0 ? 0 : root((p) => 1 - atMost(k - 1, n, p) < tail),
    upper: k === n ? 1 : root((p) => atMost(k, n, p) > tail),
  }
}

/** The share up to which `below` holds. */
function root(below: (p: number) => boolean): number {
  let [low, high] = [0, 1]
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (below(middle)) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** Chance of at most `k` of `n` at share `p`. The terms are summed from the largest down, as ratios of neighbours. */
function atMost(k: number, n: number, p: number): number {
  if (p <= 0) return 1
  if (p >= 1) return k >= n ? 1 : 0
  const odds = p / (1 - p)
  const mode = Math.min(n, Math.floor((n + 1) * p))
  let [below, all, term] = [mode <= k ? 1 : 0, 1, 1]
  for (let i = mode; i > 0 && term > Number.EPSILON * 1e-4; i--) {
    term *= i / ((n - i + 1) * odds)
    all += term
    if (i - 1 <= k) below += term
  }
  term = 1
  for (let i = mode; i < n && term > Number.EPSILON * 1e-4; i++) {
    term *= ((n - i) * odds) / (i + 1)
    all += term
    if (i + 1 <= k) below += term
  }
  return below / all
}
