import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cleanUnits,
  evidence,
  type GateInput,
  judge,
  thresholds,
  unitsNeeded,
  type WindowedInput,
} from '../../src/rollout/gates/index.ts'
import { random } from './kit.ts'

const total = fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 1e10 }))
/** `n` cut into `parts` + what is left. */
const cut = (parts: number) =>
  total.chain((n) =>
    fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: parts, maxLength: parts }).map((shares) => {
      let rest = n
      const sizes = shares.map((share) => {
        const size = Math.floor(rest * share)
        rest -= size
        return size
      })
      return { n, sizes }
    }),
  )

const input = fc
  .record({
    four: cut(4),
    limit: fc.double({ min: 1e-4, max: 0.49, noNaN: true }),
    share: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
    gate: fc.constantFrom('mismatch', 'excessMismatch', 'errorsPaired', 'errorsCanary', 'errorsAlone', 'lost' as const),
    rule: fc.constantFrom('prove', 'watch' as const),
  })
  .map(({ four: { n, sizes }, limit, share, gate, rule }): WindowedInput => {
    const [a = 0, b = 0, c = 0, d = 0] = sizes
    const counts = {
      mismatch: { n, mismatched: a, orphaned: b },
      excessMismatch: { n, targetOnly: a, controlOnly: b, orphaned: c },
      errorsPaired: { n, targetOnly: a, legacyOnly: b, targetOrphans: c, legacyOrphans: d },
      errorsCanary: { n, share, nTargetUnits: a + b, targetFailed: a, targetLost: b, legacyFailed: c, legacyLost: d },
      errorsAlone: { n, failed: a, lost: b },
      lost: { n, lost: a },
    }[gate]
    return { gate, limit, rule, counts } as unknown as WindowedInput
  })

describe('every rate and difference gate', () => {
  it('is never NaN up to 1e10 units, and says one of its words', () => {
    fc.assert(
      fc.property(input, (each) => {
        const { logEPass, logEFail, verdict, reason } = judge(each)
        expect([logEPass, logEFail].some((log) => Number.isNaN(log))).toBe(false)
        expect(['pass', 'hold', 'fail']).toContain(verdict)
        expect(reason).not.toBe('')
      }),
      { numRuns: 500 },
    )
  })
  it('never both passes and fails: one limit is not proven and refuted', () => {
    fc.assert(
      fc.property(input, (each) => {
        const { logEPass, logEFail, passAt, failAt } = judge(each)
        expect((logEPass ?? 0) >= passAt && (logEFail ?? 0) >= failAt).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
  it('depends on totals only: a replayed or serialised input is judged alike', () => {
    fc.assert(
      fc.property(input, (each) => {
        const reversed = Object.fromEntries(Object.entries(each.counts).reverse())
        expect(judge({ ...each, counts: reversed } as unknown as GateInput)).toEqual(judge(each))
        expect(judge(JSON.parse(JSON.stringify(each)) as GateInput)).toEqual(judge(each))
      }),
      { numRuns: 100 },
    )
  })
  it('a unit that turns bad for target never helps a pass and never hinders a fail', () => {
    const worse = {
      mismatch: 'mismatched',
      excessMismatch: 'targetOnly',
      errorsPaired: 'targetOnly',
      errorsAlone: 'failed',
      lost: 'lost',
    }
    fc.assert(
      fc.property(input, (each) => {
        if (each.gate === 'errorsCanary') return
        const counts = each.counts as unknown as Record<string, number>
        const { n = 0, ...parts } = counts
        const rest = n - Object.values(parts).reduce((sum, part) => sum + part, 0)
        if (rest < 1) return
        const name = worse[each.gate]
        const more = { ...each, counts: { ...counts, [name]: (counts[name] ?? 0) + 1 } } as unknown as GateInput
        const [before, after] = [judge(each), judge(more)]
        const slack = 1e-9 * Math.max(1, n)
        expect(after.logEPass).toBeLessThanOrEqual((before.logEPass ?? 0) + slack)
        expect(after.logEFail).toBeGreaterThanOrEqual((before.logEFail ?? 0) - slack)
      }),
    )
  })
})

describe('units', () => {
  const first = thresholds().passAt
  it.each([
    [0.05, 82, 105, 108],
    [0.02, 208, 266, 268],
    [0.01, 418, 534, 536],
  ])('limit %d: %d for a rate, %d to %d for a difference', (limit, rate, from, to) => {
    expect(cleanUnits({ gate: 'mismatch', limit, passAt: first })).toBe(rate)
    const differences = [
      cleanUnits({ gate: 'errorsPaired', limit, passAt: first }),
      ...[0.01, 0.1, 0.5, 0.9].map((share) => cleanUnits({ gate: 'errorsCanary', limit, share, passAt: first })),
    ]
    for (const units of differences) expect(units).toBeGreaterThanOrEqual(from)
    for (const units of differences) expect(units).toBeLessThanOrEqual(to)
  })
  it.each([
    [0.002, 2099],
    [0.001, 4199],
  ])('lost %d: %d', (limit, units) => expect(cleanUnits({ gate: 'lost', limit, passAt: first })).toBe(units))
  it.each([
    [0.001, 0.05, 1.17],
    [0.01, 0.05, 1.17],
    [0.001, 0.01, 1.13],
    [0.01, 0.01, 1.13],
  ])('limit %d at level %d: at most %d times what a fixed sample takes', (limit, alpha, most) => {
    const fixed = Math.ceil(Math.log(alpha) / Math.log1p(-limit))
    const units = cleanUnits({ gate: 'mismatch', limit, passAt: -Math.log(alpha) })
    expect(units / fixed).toBeLessThanOrEqual(most)
  })
  it('says what a gate still needs', () => {
    const lost = (n: number, k: number): WindowedInput => ({ gate: 'lost', limit: 0.01, counts: { n, lost: k } })
    expect(unitsNeeded(lost(400, 0))).toEqual({ atBest: 18, asSoFar: 18 })
    expect(unitsNeeded(lost(500, 0))).toEqual({ atBest: 0, asSoFar: 0 })
    expect(unitsNeeded(lost(500, 5)).asSoFar).toBeNull()
    const { atBest, asSoFar } = unitsNeeded(lost(1000, 4))
    expect(judge(lost(1000 + atBest, 4)).verdict).toBe('pass')
    expect(judge(lost(999 + atBest, 4)).verdict).toBe('hold')
    expect(asSoFar).toBeGreaterThan(atBest)
    const n = 1000 + (asSoFar ?? 0)
    expect(judge(lost(n, Math.floor(n * 0.004))).verdict).toBe('pass')
  })
  it('counts target units of a canary', () => {
    const counts = { n: 1000, share: 0.1, nTargetUnits: 100 }
    const { atBest } = unitsNeeded({ gate: 'errorsCanary', limit: 0.02, counts })
    expect(100 + atBest).toBeGreaterThanOrEqual(266)
    expect(100 + atBest).toBeLessThanOrEqual(268)
  })
  it('needs the table from nothing', () => {
    expect(unitsNeeded({ gate: 'mismatch', limit: 0.01, counts: { n: 0 } })).toEqual({ atBest: 418, asSoFar: 418 })
  })
})

describe('looked at after every unit', () => {
  const RUNS = 400
  /** Of 400 runs at 2.5 %, more than 22 come with a chance below 0.1 %. */
  const MOST = 22

  /** How many of the runs ever say so within `units`, one failure with chance `rate` a unit. */
  function ever(rate: number, units: number, says: (n: number, k: number) => boolean): number {
    let found = 0
    for (let run = 0; run < RUNS; run++) {
      const next = random(1000 + run)
      let k = 0
      for (let n = 1; n <= units; n++) {
        if (next() < rate) k++
        // without a failure a pass comes at the table's number, and a fail only with one
        if (says(n, k)) {
          found++
          break
        }
      }
    }
    return found
  }

  it('a version at the limit is promoted in no more runs than promised, where a plain threshold promotes most', () => {
    const { passAt } = thresholds()
    const least = cleanUnits({ gate: 'mismatch', limit: 0.05, passAt })
    const proven = ever(0.05, 1000, (n, k) => n >= least && evidence.rate(n, k, 0.05).logEPass >= passAt)
    expect(proven).toBeLessThanOrEqual(MOST)
    const threshold = ever(0.05, 1000, (n, k) => n >= least && k / n <= 0.05)
    expect(threshold).toBeGreaterThan(RUNS / 2)
  })
  it('a version at the limit is sent back in no more runs than promised', () => {
    const failAt = -Math.log(0.025)
    const failed = ever(0.05, 600, (n, k) => k > 0.05 * n && evidence.rate(n, k, 0.05).logEFail >= failAt)
    expect(failed).toBeLessThanOrEqual(MOST)
  })
  it('a good version is promoted, and one at twice the limit sent back', () => {
    const { passAt, failAt } = thresholds()
    expect(ever(0.005, 1000, (n, k) => n % 20 === 0 && evidence.rate(n, k, 0.05).logEPass >= passAt)).toBe(RUNS)
    expect(ever(0.15, 1000, (n, k) => n % 20 === 0 && evidence.rate(n, k, 0.05).logEFail >= failAt)).toBe(RUNS)
  })
})
