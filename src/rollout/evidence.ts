// How strong is the evidence that a mean lies below, or above, a limit? Bets of play money on bounded scores.
//
// Each unit gives one score in a known range. Money is bet against a hypothesis, spread over a fixed grid of bet sizes;
// if the hypothesis is true, the chance that the money *ever* reaches 1/α is at most α, however often one looks. The
// functions answer the natural logarithm of that money. They depend on the counts alone, never on an order, and the
// arguments stand in the order of docs/gates.md, section 1, which defines them.

import { CutoverError } from '../vocabulary/errors.ts'

/** `[score, how many units had it]`. */
export type ScoreCount = readonly [score: number, n: number]

/** Bet sizes with the logarithms of their weights, which sum to 1. */
export interface Grid {
  readonly sizes: Float64Array
  readonly logWeights: Float64Array
}

function grid(sizes: readonly number[], weights: readonly number[]): Grid {
  return { sizes: Float64Array.from(sizes), logWeights: Float64Array.from(weights, Math.log) }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

function scaled(weights: readonly number[], total: number): number[] {
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => (total * weight) / sum)
}

const HALVING = range(1, 24)
const PASS_SIZES = [1, 0.95, 0.85, ...HALVING.map((j) => 2 ** (-j / 2))]

function passGrid(large: readonly number[], rest: number, knee: number): Grid {
  const small = HALVING.map((j) => 1 / (1 + (Math.max(0, j - knee) / 4) ** 2))
  return grid(PASS_SIZES, [...large, ...scaled(small, rest)])
}

/** For shares: much of the money on large bets, since good versions show few failures. */
export const PASS_GRID: Grid = passGrid([0.4, 0.15, 0.1], 0.35, 4)
/** For differences, whose noise punishes large bets. */
export const DIFFERENCE_GRID: Grid = passGrid([0.1, 0.05, 0.05], 0.8, 6)

const DOUBLING = range(-16, 40)
const FAIL_GRID: Grid = grid(
  DOUBLING.map((i) => 2 ** (i / 2)),
  scaled(
    DOUBLING.map((i) => 1 / (1 + ((i - 1) / 4) ** 2)),
    1,
  ),
)

function contradiction(message: string): never {
  throw new CutoverError('contradiction', `${message}: the tallies are wrong, this is a bug of whatever counted them`)
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}

function checkCount(name: string, n: number): void {
  if (!isCount(n)) contradiction(`${name} is ${n}, not a count`)
}

function checkWithin(parts: number, n: number, what: string): void {
  if (parts > n) contradiction(`${parts} ${what} among ${n} units`)
}

function checkRange(counts: readonly ScoreCount[], limit: number, min: number, max: number): void {
  if (Number.isNaN(limit)) contradiction('the limit is not a number')
  for (const [score, n] of counts) {
    // the message is made only where it is needed: this is asked millions of times
    if (!isCount(n)) checkCount(`the count of score ${score}`, n)
    if (!(score >= min && score <= max)) contradiction(`score ${score} is outside ${min} to ${max}`)
  }
}

/** Scratch for the terms of one call: calls never overlap. */
const terms = new Float64Array(Math.max(PASS_SIZES.length, DOUBLING.length))
/** A term so far below the largest changes no digit of the sum. */
const NEGLIGIBLE = -60

function logSumOfTerms(length: number): number {
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < length; i++) if (terms[i]! > largest) largest = terms[i]!
  if (largest === Number.NEGATIVE_INFINITY) return largest
  let sum = 0
  for (let i = 0; i < length; i++) {
    const below = terms[i]! - largest
    if (below > NEGLIGIBLE) sum += Math.exp(below)
  }
  return largest + Math.log(sum)
}

/** One question: the bets of a grid against a limit. */
interface Bets {
  readonly grid: Grid
  readonly limit: number
  /** The end of the range that decides how large a bet may be, and the other one; a pass has none. */
  readonly max: number
  readonly min: number | undefined
}

/** Logarithms of what each bet makes of one unit with this score. */
interface Factors extends Bets {
  readonly score: number
  readonly logs: Float64Array
}

/** Looks ask the same few questions over and over: the newest are kept. */
const KEPT = 16
const kept: Factors[] = []

function factorsOf(bets: Bets, score: number): Float64Array {
  const { grid, limit, max, min } = bets
  for (let i = 0; i < kept.length; i++) {
    const known = kept[i]!
    if (known.score !== score || known.limit !== limit || known.max !== max) continue
    if (known.min !== min || known.grid !== grid) continue
    if (i > 0) {
      kept[i] = kept[i - 1]!
      kept[i - 1] = known
    }
    return known.logs
  }
  const logs = min === undefined ? passFactors(bets, score) : failFactors({ ...bets, min }, score)
  if (kept.length === KEPT) kept.pop()
  kept.push({ ...bets, score, logs })
  return logs
}

function passFactors({ grid, limit, max }: Bets, score: number): Float64Array {
  const largest = 1 / (max - limit)
  // a bet of everything that loses: the logarithm is exactly -∞, rounding must not save a little of it
  return grid.sizes.map((size) =>
    size === 1 && score === max ? Number.NEGATIVE_INFINITY : Math.log1p(size * largest * (limit - score)),
  )
}

function failFactors({ grid, limit, min, max }: Bets & { readonly min: number }, score: number): Float64Array {
  const largest = 1 / (limit - min)
  return grid.sizes.map((size) => {
    const clipped = size / max >= largest
    if (clipped && score === min) return Number.NEGATIVE_INFINITY
    return Math.log1p((clipped ? largest : size / max) * (score - limit))
  })
}

/** `log Σ over bets of weight · Π over counts of factor^n`. A score that nobody has (n = 0) counts for nothing. */
function logMixture(counts: readonly ScoreCount[], bets: Bets): number {
  const { logWeights } = bets.grid
  terms.set(logWeights)
  for (const [score, n] of counts) {
    if (n === 0) continue
    const factors = factorsOf(bets, score)
    for (let i = 0; i < factors.length; i++) terms[i]! += n * factors[i]!
  }
  return logSumOfTerms(logWeights.length)
}

/** Evidence against "mean ≥ limit": large means proven good. Scores are at most `max`. */
export function logEPass(
  counts: readonly ScoreCount[],
  limits: { readonly limit: number; readonly max: number; readonly grid: Grid },
): number {
  const { limit, max, grid } = limits
  checkRange(counts, limit, Number.NEGATIVE_INFINITY, max)
  if (limit >= max) return limit > max ? Number.POSITIVE_INFINITY : 0
  return logMixture(counts, { grid, limit, max, min: undefined })
}

/** Evidence against "mean ≤ limit": large means proven bad. Scores lie between `min` and `max`. */
export function logEFail(
  counts: readonly ScoreCount[],
  limits: { readonly limit: number; readonly min: number; readonly max: number },
): number {
  const { limit, min, max } = limits
  checkRange(counts, limit, min, max)
  if (limit <= min) {
    const above = limit < min || counts.some(([score, n]) => n > 0 && score > min)
    return above ? Number.POSITIVE_INFINITY : 0
  }
  return logMixture(counts, { grid: FAIL_GRID, limit, max, min })
}

function rateCounts(n: number, k: number): ScoreCount[] {
  checkCount('n', n)
  checkCount('k', k)
  checkWithin(k, n, 'cases')
  return [
    [1, k],
    [0, n - k],
  ]
}

/** A share of units: `k` of `n` against the limit `m`. */
export interface RateEvidence {
  pass(n: number, k: number, m: number, grid?: Grid): number
  fail(n: number, k: number, m: number): number
}
export const rate: RateEvidence = Object.freeze({
  pass: (n: number, k: number, m: number, grid: Grid = PASS_GRID): number =>
    logEPass(rateCounts(n, k), { limit: m, max: 1, grid }),
  fail: (n: number, k: number, m: number): number => logEFail(rateCounts(n, k), { limit: m, min: 0, max: 1 }),
})

function pairedCounts(n: number, b: number, c: number): ScoreCount[] {
  checkCount('n', n)
  checkCount('target only', b)
  checkCount('legacy only', c)
  checkWithin(b + c, n, 'differing pairs')
  return [
    [1, b],
    [-1, c],
    [0, n - b - c],
  ]
}

/** A difference on the same jobs: `b` of `n` on target only, `c` on legacy only, against the margin `delta`. */
export interface PairedEvidence {
  pass(n: number, b: number, c: number, delta: number): number
  fail(n: number, b: number, c: number, delta: number): number
}
export const paired: PairedEvidence = Object.freeze({
  pass: (n: number, b: number, c: number, delta: number): number =>
    logEPass(pairedCounts(n, b, c), { limit: delta, max: 1, grid: DIFFERENCE_GRID }),
  fail: (n: number, b: number, c: number, delta: number): number =>
    logEFail(pairedCounts(n, b, c), { limit: delta, min: -1, max: 1 }),
})

interface Weighted {
  readonly counts: ScoreCount[]
  readonly min: number
  readonly max: number
}

function weightedCounts(n: number, legacy: number, target: number, share: number, rho: number): Weighted {
  checkCount('n', n)
  checkCount('cases on legacy', legacy)
  checkCount('cases on target', target)
  checkWithin(legacy + target, n, 'cases')
  if (!(share > 0 && share < 1)) contradiction(`the target share is ${share}, not between 0 and 1`)
  if (!(rho > 0 && rho < Number.POSITIVE_INFINITY)) contradiction(`rho is ${rho}, not a positive number`)
  const max = 1 / share
  const min = -rho / (1 - share)
  return {
    max,
    min,
    counts: [
      [max, target],
      [min, legacy],
      [0, n - legacy - target],
    ],
  }
}

/** A difference under a random split with a known target share: `pT − rho · pL` against the margin `delta`. */
export interface WeightedEvidence {
  pass(n: number, kLegacy: number, kTarget: number, share: number, delta: number, rho?: number): number
  fail(n: number, kLegacy: number, kTarget: number, share: number, delta: number, rho?: number): number
}
export const weighted: WeightedEvidence = Object.freeze({
  pass: (n: number, kLegacy: number, kTarget: number, share: number, delta: number, rho = 1): number => {
    const { counts, max } = weightedCounts(n, kLegacy, kTarget, share, rho)
    return logEPass(counts, { limit: delta, max, grid: DIFFERENCE_GRID })
  },
  fail: (n: number, kLegacy: number, kTarget: number, share: number, delta: number, rho = 1): number => {
    const { counts, min, max } = weightedCounts(n, kLegacy, kTarget, share, rho)
    return logEFail(counts, { limit: delta, min, max })
  },
})

/** Smallest share in `[lo, hi]` from which on `above` holds, to full double precision, as the last pair of neighbours. */
function bisect(lo: number, hi: number, above: (m: number) => boolean): { lo: number; hi: number } {
  for (;;) {
    const middle = Math.sqrt(lo * hi)
    if (!(middle > lo && middle < hi)) return { lo, hi }
    if (above(middle)) hi = middle
    else lo = middle
  }
}

/**
 * The share of `k` in `n`, each end one-sided at `alpha` and right at every moment at once (a 95 % interval takes
 * `alpha` 0.025 for each end).
 */
export function bounds(n: number, k: number, alpha: number): { readonly lower: number; readonly upper: number } {
  if (!(alpha > 0 && alpha < 1)) {
    throw new CutoverError('option-invalid', `alpha is ${alpha}; it lies between 0 and 1, e.g. 0.05`)
  }
  rateCounts(n, k)
  const needed = -Math.log(alpha)
  return { lower: lowerBound(n, k, needed), upper: upperBound(n, k, needed) }
}

const SMALLEST_SHARE = 1e-300
const LARGEST_SHARE = 1 - 1e-15

function upperBound(n: number, k: number, needed: number): number {
  if (n === 0 || k === n || rate.pass(n, k, LARGEST_SHARE) < needed) return 1
  return bisect(Math.max(k / n, SMALLEST_SHARE), LARGEST_SHARE, (m) => rate.pass(n, k, m) >= needed).hi
}

function lowerBound(n: number, k: number, needed: number): number {
  if (k === 0) return 0
  return bisect(SMALLEST_SHARE, k / n, (m) => rate.fail(n, k, m) < needed).lo
}
