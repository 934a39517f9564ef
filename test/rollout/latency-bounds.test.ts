// The interval of p50 and p95 holds the true ratio, agrees with the verdict, and is never narrower than the pairs allow.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LATENCY_STEP, latencyBucket } from '../../src/comparison/latency.ts'
import { pairedCounts, thresholds, unpairedCounts } from '../../src/rollout/gates/index.ts'
import { pairedLatency, scanPaired, unpairedLatency } from '../../src/rollout/gates/latency.ts'
import { type LatencyTimes, latencyRatio } from '../../src/rollout/gates/latency-bounds.ts'
import { histogram, type Pair, pairTimes, raised, random } from './kit.ts'

const paired = (pairs: readonly Pair[], tau: number, ratio: number): LatencyTimes => ({
  kind: 'paired',
  ...pairTimes(pairs, tau, ratio),
})
const unpaired = (pairs: readonly Pair[], tau: number, ratio: number): LatencyTimes => ({
  ...{ kind: 'unpaired', tau, ratio },
  ...{ legacy: histogram(pairs.map(([l]) => l)), target: histogram(pairs.map(([, t]) => t)) },
})
const KINDS = [
  ['pairs', paired],
  ['two sides', unpaired],
] as const

/** Little evidence is enough, so that few times have an interval. */
const LEVELS = { passAt: 1, failAt: 1.5 }

const near = fc.integer({ min: 940, max: 1040 })
const pairsOf = fc.oneof(
  // much alike, a few that are not
  fc.array(
    fc.tuple(near, fc.integer({ min: -6, max: 12 })).map(([l, by]): Pair => [l, l + by]),
    { minLength: 60, maxLength: 150 },
  ),
  fc.array(fc.tuple(near, near), { minLength: 60, maxLength: 150 }),
  // much slower on target
  fc.array(
    fc.tuple(near, fc.integer({ min: 20, max: 90 })).map(([l, by]): Pair => [l, l + by]),
    { minLength: 60, maxLength: 150 },
  ),
)
const ratio = fc.constantFrom(1.01, 1.1, 1.15, 1.4)
const tau = fc.constantFrom(0.5, 0.8, 0.95)

describe.each(KINDS)('the interval of %s', (_, timesOf) => {
  it('says what the verdict says of the ratio of the plan', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(pairsOf, tau, ratio, (pairs, q, r) => {
        const times = timesOf(pairs, q, r)
        const { interval } = latencyRatio(times, LEVELS)
        const said =
          times.kind === 'paired' ? pairedLatency(pairedCounts(times)) : unpairedLatency(unpairedCounts(times))
        if (interval === undefined) return
        expect(r >= interval.upper).toBe(said.logEPass >= LEVELS.passAt)
        expect(r <= interval.lower).toBe(said.logEFail >= LEVELS.failAt)
        expect(interval.lower).toBeLessThan(interval.upper)
        seen.add(`${r >= interval.upper} ${r <= interval.lower}`)
      }),
      { numRuns: 80, seed: 11 },
    )
    expect([...seen].sort()).toEqual(['false false', 'false true', 'true false'])
  })

  it('holds the estimate', () => {
    fc.assert(
      fc.property(pairsOf, tau, ratio, (pairs, q, r) => {
        const { estimate = 0, interval } = latencyRatio(timesOf(pairs, q, r), LEVELS)
        if (interval === undefined) return
        expect(interval.lower).toBeLessThanOrEqual(estimate)
        expect(interval.upper).toBeGreaterThanOrEqual(estimate)
      }),
      { numRuns: 60, seed: 12 },
    )
  })

  it('is not told of too few', () => {
    const few: Pair[] = Array.from({ length: 12 }, () => [1000, 1001])
    const told = latencyRatio(timesOf(few, 0.95, 1.15), thresholds({}))
    expect(told).toEqual({ estimate: expect.closeTo(Math.exp(LATENCY_STEP), 9) })
    expect(latencyRatio(timesOf([], 0.95, 1.15), thresholds({}))).toEqual({})
  })

  it.each([
    [0.5, 1.1],
    [0.95, 1.15],
  ])('holds the true ratio at every look, and not every other one: quantile %d', (q, r) => {
    const { wrong, other, told } = looked({ timesOf, q, r })
    // an end is wrong with a chance of 1/40, or 1/1200: of 40 runs more than 5 would be so in one case of 1000
    expect(wrong).toBeLessThanOrEqual(5)
    expect(other).toBeGreaterThan(20)
    expect(told).toBeGreaterThan(35)
  })
})

const TRUE_RATIO = 1.07
const OTHER_RATIO = TRUE_RATIO * 1.6
const RUNS = 40
const LOOKS = [250, 1000, 3000]

/** In how many runs the true ratio, or another, was outside at any look, and how many had an interval at the last one. */
function looked({
  timesOf,
  q,
  r,
}: {
  readonly timesOf: (typeof KINDS)[number][1]
  readonly q: number
  readonly r: number
}): { readonly wrong: number; readonly other: number; readonly told: number } {
  const next = random(2026)
  const runs = Array.from({ length: RUNS }, () => {
    const pairs = drawn(LOOKS.at(-1)!, next, timesOf === paired)
    return LOOKS.map((n) => latencyRatio(timesOf(pairs.slice(0, n), q, r), thresholds({})).interval)
  })
  const outside = (truth: number): number =>
    runs.filter((looks) => looks.some((each) => each !== undefined && (truth < each.lower || truth > each.upper)))
      .length
  const told = runs.filter((looks) => looks.at(-1) !== undefined).length
  return { wrong: outside(TRUE_RATIO), other: outside(OTHER_RATIO), told }
}

/** Lognormal times; those of a pair are alike, those of two sides are of other jobs. */
function drawn(n: number, next: () => number, alike: boolean): Pair[] {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  return Array.from({ length: n }, (): Pair => {
    const shared = alike ? Math.sqrt(0.8) * normal() : 0
    const time = (): number => 200 * Math.exp(0.8 * (shared + Math.sqrt(alike ? 0.2 : 1) * normal()))
    return [latencyBucket(time()), latencyBucket(TRUE_RATIO * time())]
  })
}

describe('of other ratios than that of the plan', () => {
  it('the interval excludes none that the pairs themselves do not', () => {
    let excluded = 0
    fc.assert(
      fc.property(pairsOf, tau, ratio, fc.integer({ min: -80, max: 80 }), (pairs, q, r, steps) => {
        const { interval } = latencyRatio(paired(pairs, q, r), LEVELS)
        if (interval === undefined) return
        const at = Math.exp(steps * LATENCY_STEP)
        const { pass, fail } = scanPaired(byDefinition(pairs, q, steps))
        if (at > interval.upper * 0.999999) expect(pass.logE).toBeGreaterThanOrEqual(LEVELS.passAt)
        if (at < interval.lower * 1.000001) expect(fail.logE).toBeGreaterThanOrEqual(LEVELS.failAt)
        if (at > interval.upper || at < interval.lower) excluded += 1
      }),
      { numRuns: 100, seed: 13 },
    )
    expect(excluded).toBeGreaterThan(20)
  })

  it('is of use: many pairs as fast as legacy bound it within some percent', () => {
    const next = random(5)
    const { interval } = latencyRatio(paired(drawn(6000, next, true), 0.5, 1.15), thresholds({}))
    expect(interval?.lower).toBeGreaterThan(TRUE_RATIO / 1.15)
    expect(interval?.upper).toBeLessThan(TRUE_RATIO * 1.15)
  })
})

it('differences by which more are over a higher edge on target are refused', () => {
  const { differences, ...times } = pairTimes(
    Array.from({ length: 9 }, () => [1000, 1000] as const),
    0.5,
    1.1,
  )
  const upPass = new Map([...differences.upPass, [1100, 2]])
  const asked = () => latencyRatio({ kind: 'paired', ...times, differences: { ...differences, upPass } }, LEVELS)
  expect(raised(asked).code).toBe('contradiction')
})

/** Straight from the definition, at every edge near the times. */
function byDefinition(pairs: readonly Pair[], tau: number, steps: number) {
  const edges = Array.from({ length: 400 }, (_, i) => 800 + i)
  const count = (holds: (l: number, t: number, a: number) => boolean): number[] =>
    edges.map((a) => pairs.filter(([l, t]) => holds(l, t, a)).length)
  return {
    tau,
    n: pairs.length,
    legacyOver: count((l, _, a) => l > a),
    legacyOverPrev: count((l, _, a) => l > a - 1),
    upPass: count((l, t, a) => t > a - 1 + steps && !(l > a)),
    downPass: count((l, t, a) => l > a && !(t > a - 1 + steps)),
    upFail: count((l, t, a) => t > a + steps && !(l > a - 1)),
    downFail: count((l, t, a) => l > a - 1 && !(t > a + steps)),
  }
}
