// The interval of a gate says what its verdict says: proven where the limit is not below its upper end, refuted where it is
// below its lower end.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gateInterval } from '../../src/report/gate-interval.ts'
import { judge } from '../../src/rollout/gates/index.ts'
import { thresholds } from '../../src/rollout/gates/thresholds.ts'
import type { WindowedInput } from '../../src/rollout/gates/types.ts'

const LEVELS = thresholds({})

const parts = (most: number, names: readonly string[]) =>
  fc.tuple(...names.map(() => fc.integer({ min: 0, max: most }))).map((all) => {
    return Object.fromEntries(names.map((name, at) => [name, all[at] ?? 0]))
  })

const inputs: Readonly<Record<string, fc.Arbitrary<WindowedInput>>> = {
  mismatch: parts(200, ['mismatched', 'orphaned']).map((counts) => of('mismatch', { n: 3000, ...counts })),
  'mismatch against controls': parts(200, ['targetOnly', 'controlOnly', 'orphaned']).map((counts) =>
    of('excessMismatch', { n: 3000, ...counts }),
  ),
  'errors of pairs': parts(200, ['targetOnly', 'legacyOnly', 'targetOrphans', 'legacyOrphans']).map((counts) =>
    of('errorsPaired', { n: 3000, ...counts }),
  ),
  'errors of a canary': parts(150, ['legacyFailed', 'targetFailed', 'legacyLost', 'targetLost']).map((counts) =>
    of('errorsCanary', { n: 3000, share: 0.25, nTargetUnits: 750, ...counts }),
  ),
  'errors of target alone': parts(200, ['failed', 'lost']).map((counts) => of('errorsAlone', { n: 3000, ...counts })),
  lost: parts(200, ['lost']).map((counts) => of('lost', { n: 3000, ...counts })),
}

function of(gate: WindowedInput['gate'], counts: object, limit = 0.01): WindowedInput {
  return { gate, limit, counts } as unknown as WindowedInput
}

describe.each(Object.entries(inputs))('%s', (_, input) => {
  test('says what the verdict says', () => {
    fc.assert(
      fc.property(input, fc.double({ min: 0.001, max: 0.3, noNaN: true }), (given, limit) => {
        const interval = gateInterval(given, LEVELS)
        if (interval === null) throw new Error('there are counts')
        const { logEPass, logEFail, passAt, failAt } = judge({ ...given, limit } as WindowedInput)
        // at the very end rounding decides
        if (Math.abs(limit - interval.upper) > 1e-6) expect(limit > interval.upper).toBe((logEPass ?? 0) >= passAt)
        if (Math.abs(limit - interval.lower) > 1e-6) expect(limit < interval.lower).toBe((logEFail ?? 0) >= failAt)
        expect(interval.lower).toBeLessThanOrEqual(interval.upper)
      }),
      { numRuns: 100 },
    )
  })

  test('narrows with the evidence', () => {
    fc.assert(
      fc.property(input, (given) => {
        const counts = Object.entries(given.counts).map(([name, n]) => [name, name === 'share' ? n : (n as number) * 4])
        const more = { ...given, counts: Object.fromEntries(counts) } as WindowedInput
        const width = (interval: ReturnType<typeof gateInterval>) => (interval?.upper ?? 0) - (interval?.lower ?? 0)
        // what never came keeps its share, and its width
        expect(width(gateInterval(more, LEVELS))).toBeLessThan(width(gateInterval(given, LEVELS)))
      }),
      { numRuns: 30 },
    )
  })
})

test('nothing counted: no interval', () => {
  expect(gateInterval(of('errorsPaired', { n: 0 }), LEVELS)).toBeNull()
})
