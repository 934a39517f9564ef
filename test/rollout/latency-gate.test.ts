import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LAST_BUCKET, latencyBucket } from '../../src/comparison/latency.ts'
import {
  judge,
  PAIR_MEASURES,
  type PairedLatencyCounts,
  type PairMeasure,
  pairedCounts,
  pairRanges,
  ratioSteps,
  type UnpairedLatencyCounts,
  unpairedCounts,
} from '../../src/rollout/gates/index.ts'
import { pairedLatency, unpairedLatency } from '../../src/rollout/gates/latency.ts'
import { expectClose, histogram, type Pair, pairTimes, raised, random } from './kit.ts'

function counted(pairs: readonly Pair[], tau: number, ratio: number): PairedLatencyCounts {
  return pairedCounts(pairTimes(pairs, tau, ratio))
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const times = (n: number, holds: (i: number) => boolean): number => range(0, n - 1).filter(holds).length

/** Straight from the definition: every edge, every pair. */
function byDefinition(
  pairs: readonly Pair[],
  tau: number,
  ratio: number,
  edges: readonly number[],
): PairedLatencyCounts {
  const { pass: sp, fail: sf } = ratioSteps(ratio)
  const count = (holds: (l: number, t: number, a: number) => boolean): number[] =>
    edges.map((a) => times(pairs.length, (i) => holds(...(pairs[i] as Pair), a)))
  return {
    tau,
    n: pairs.length,
    legacyOver: count((l, _, a) => l > a),
    legacyOverPrev: count((l, _, a) => l > a - 1),
    upPass: count((l, t, a) => t > a - 1 + sp && !(l > a)),
    downPass: count((l, t, a) => l > a && !(t > a - 1 + sp)),
    upFail: count((l, t, a) => t > a + sf && !(l > a - 1)),
    downFail: count((l, t, a) => l > a - 1 && !(t > a + sf)),
  }
}

const near = fc.integer({ min: 1, max: 120 })
const bucket = fc.oneof(near, fc.integer({ min: LAST_BUCKET - 60, max: LAST_BUCKET }))
const pairsOf = fc.array(fc.tuple(bucket, bucket), { minLength: 1, maxLength: 30 })
const ratio = fc.constantFrom(1.01, 1.1, 1.15, 2)
const tau = fc.constantFrom(0.5, 0.95)

describe('the steps of a ratio', () => {
  it.each([
    [1.1, 20, 20],
    [1.15, 29, 30],
    [1.21, 40, 40],
  ])('%d: %d down, %d up', (r, pass, fail) => expect(ratioSteps(r)).toEqual({ pass, fail }))
  it.each([1, 0.5, 11, Number.NaN])('%d is refused', (r) => {
    expect(raised(() => ratioSteps(r)).code).toBe('option-invalid')
  })
})

describe('counts by edge', () => {
  it('of pairs: difference arrays give what the definition says, at every edge', () => {
    fc.assert(
      fc.property(pairsOf, ratio, (pairs, r) => {
        const { fail: sf } = ratioSteps(r)
        const edges = range(1, LAST_BUCKET - sf).filter((a) => a < 200 || a > LAST_BUCKET - sf - 120)
        const all = byDefinition(pairs, 0.5, r, edges)
        const found = counted(pairs, 0.5, r)
        const rows = (counts: PairedLatencyCounts): Set<string> =>
          new Set(
            counts.legacyOver.map((_, i) =>
              [counts.legacyOver, counts.legacyOverPrev, ...PAIR_MEASURES.map((name) => counts[name])]
                .map((array) => array[i])
                .join(),
            ),
          )
        expect(rows(found)).toEqual(rows(all))
      }),
      { numRuns: 60 },
    )
  })
  it('of pairs: the evidence is the least over all edges', () => {
    fc.assert(
      fc.property(pairsOf, ratio, tau, (pairs, r, q) => {
        const edges = range(1, LAST_BUCKET - ratioSteps(r).fail).filter((a) => a < 200 || a > LAST_BUCKET - 300)
        const all = byDefinition(pairs, q, r, edges)
        const least = { logEPass: Number.POSITIVE_INFINITY, logEFail: Number.POSITIVE_INFINITY }
        for (let i = 0; i < edges.length; i++) {
          const at = pairedLatency(pick(all, i))
          least.logEPass = Math.min(least.logEPass, at.logEPass)
          least.logEFail = Math.min(least.logEFail, at.logEFail)
        }
        const found = pairedLatency(counted(pairs, q, r))
        expectClose(found.logEPass, least.logEPass, 1e-12)
        expectClose(found.logEFail, least.logEFail, 1e-12)
      }),
      { numRuns: 25 },
    )
  })
  it('of two sides: the evidence is the least over all edges', () => {
    const side = fc.array(bucket, { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(side, side, ratio, tau, (legacy, target, r, q) => {
        const { pass: sp, fail: sf } = ratioSteps(r)
        const over = (buckets: readonly number[], a: number): number => buckets.filter((b) => b > a).length
        const least = { logEPass: Number.POSITIVE_INFINITY, logEFail: Number.POSITIVE_INFINITY }
        for (const a of range(1, LAST_BUCKET - sf).filter((e) => e < 200 || e > LAST_BUCKET - 300)) {
          const at = unpairedLatency({
            tau: q,
            nTarget: target.length,
            targetOverPass: [over(target, a - 1 + sp)],
            targetOverFail: [over(target, a + sf)],
            nLegacy: legacy.length,
            legacyOverPass: [over(legacy, a)],
            legacyOverFail: [over(legacy, a - 1)],
          })
          least.logEPass = Math.min(least.logEPass, at.logEPass)
          least.logEFail = Math.min(least.logEFail, at.logEFail)
        }
        const counts = unpairedCounts({ tau: q, ratio: r, legacy: histogram(legacy), target: histogram(target) })
        const found = unpairedLatency(counts)
        expectClose(found.logEPass, least.logEPass, 1e-12)
        expectClose(found.logEFail, least.logEFail, 1e-12)
      }),
      { numRuns: 25 },
    )
  })
})

function pick(counts: PairedLatencyCounts, i: number): PairedLatencyCounts {
  const arrays = ['legacyOver', 'legacyOverPrev', ...PAIR_MEASURES] as const
  return { ...counts, ...Object.fromEntries(arrays.map((name) => [name, [counts[name][i]]])) } as PairedLatencyCounts
}

/** Lognormal times, the two of a pair alike; `slow` times as long on target. */
function drawn(n: number, slow: number, seed: number): { pairs: Pair[]; counts: UnpairedLatencyCounts } {
  const next = random(seed)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const pairs = range(1, n).map((): Pair => {
    const shared = Math.sqrt(0.8) * normal()
    const time = (): number => 200 * Math.exp(0.8 * (shared + Math.sqrt(0.2) * normal()))
    return [latencyBucket(time()), latencyBucket(slow * time())]
  })
  const [legacy, target] = [histogram(pairs.map(([l]) => l)), histogram(pairs.map(([, t]) => t))]
  return { pairs, counts: unpairedCounts({ tau: 0.5, ratio: 1.1, legacy, target }) }
}

describe('drawn times', () => {
  it.each<[string, number, string]>([
    ['as fast', 1, 'pass proven'],
    ['a little slower than allowed', 1.1, 'hold undecided'],
    ['much slower', 1.5, 'fail over-limit'],
  ])('%s', (_, slow, expected) => {
    const { pairs, counts } = drawn(6000, slow, 7)
    const said = [
      judge({ gate: 'latencyPaired', limit: 1.1, counts: counted(pairs, 0.5, 1.1) }),
      judge({ gate: 'latencyUnpaired', limit: 1.1, counts }),
    ].map(({ verdict, reason }) => `${verdict} ${reason}`)
    expect(said[0]).toBe(expected)
    // two unpaired samples say less
    expect([expected, 'hold undecided']).toContain(said[1])
  })
  it('a watch passes without an alarm, and needs its units', () => {
    const { pairs } = drawn(40, 1, 3)
    const counts = counted(pairs, 0.95, 1.15)
    expect(judge({ gate: 'latencyPaired', rule: 'watch', counts }).reason).toBe('no-alarm')
    expect(judge({ gate: 'latencyPaired', rule: 'watch', minUnits: 41, counts }).reason).toBe('too-few-units')
  })
  it('are judged within a few milliseconds', () => {
    const { pairs } = drawn(20_000, 1, 5)
    const counts = counted(pairs, 0.95, 1.15)
    judge({ gate: 'latencyPaired', counts })
    const start = performance.now()
    judge({ gate: 'latencyPaired', counts })
    expect(performance.now() - start).toBeLessThan(50)
  })
})

it('evidence of two sides is never NaN up to 1e10 units a side', () => {
  const sides = fc.array(fc.tuple(fc.integer({ min: 1, max: LAST_BUCKET }), fc.integer({ min: 0, max: 1e9 })), {
    minLength: 1,
    maxLength: 10,
  })
  const ratios = fc.double({ min: 1.001, max: 10, noNaN: true })
  fc.assert(
    fc.property(sides, sides, ratios, fc.constantFrom(0.5, 0.95), (legacy, target, ratio, tau) => {
      const counts = unpairedCounts({ tau, ratio, legacy: new Map(legacy), target: new Map(target) })
      const { logEPass, logEFail } = unpairedLatency(counts)
      expect([logEPass, logEFail].filter(Number.isNaN)).toEqual([])
    }),
  )
})

it('evidence of pairs is never NaN up to 1e10 pairs', () => {
  const weights = fc.array(
    fc.tuple(
      fc.integer({ min: 1, max: LAST_BUCKET }),
      fc.integer({ min: 1, max: LAST_BUCKET }),
      fc.integer({ min: 1, max: 1e9 }),
    ),
    { minLength: 1, maxLength: 10 },
  )
  fc.assert(
    fc.property(weights, fc.double({ min: 1.001, max: 10, noNaN: true }), (pairs, ratio) => {
      const legacy = new Map<number, number>()
      const differences = Object.fromEntries(PAIR_MEASURES.map((name) => [name, new Map<number, number>()])) as Record<
        PairMeasure,
        Map<number, number>
      >
      const add = (to: Map<number, number>, at: number, n: number): unknown => to.set(at, (to.get(at) ?? 0) + n)
      for (const [l, t, n] of pairs) {
        add(legacy, l, n)
        for (const [name, [first, last]] of Object.entries(pairRanges(l, t, ratioSteps(ratio)))) {
          add(differences[name as PairMeasure], first, n)
          add(differences[name as PairMeasure], last + 1, -n)
        }
      }
      const { logEPass, logEFail } = pairedLatency(pairedCounts({ tau: 0.95, ratio, legacy, differences }))
      expect([logEPass, logEFail].filter(Number.isNaN)).toEqual([])
    }),
  )
})

describe('difference arrays that cannot be', () => {
  it('are refused', () => {
    const none = new Map<number, number>()
    const differences = { upPass: new Map([[5, -1]]), downPass: none, upFail: none, downFail: none }
    const legacy = new Map([[9, 1]])
    expect(raised(() => pairedCounts({ tau: 0.5, ratio: 1.1, legacy, differences })).code).toBe('contradiction')
  })
})
