// What do the looks cost? Units to a pass when nothing fails, against a test with a number of units fixed before.

import { cleanUnits } from '../../src/rollout/gates/index.ts'

export interface UnitsCost {
  readonly limit: number
  readonly alpha: number
  readonly ours: number
  /** The least n with (1 − limit)^n ≤ α: no exact test can do with fewer. */
  readonly fixed: number
  readonly ratio: number
  readonly most: number
}

export function unitsCosts(): readonly UnitsCost[] {
  const most = { 0.05: 1.17, 0.01: 1.13 } as const
  return ([0.05, 0.01] as const).flatMap((alpha) =>
    [0.001, 0.01].map((limit): UnitsCost => {
      const ours = cleanUnits({ gate: 'mismatch', limit, passAt: -Math.log(alpha) })
      const fixed = Math.ceil(Math.log(alpha) / Math.log1p(-limit))
      return { limit, alpha, ours, fixed, ratio: ours / fixed, most: most[alpha] }
    }),
  )
}
