// How much evidence is enough? Thresholds that keep their promise over every attempt, stage and gate of a plan.

import { CutoverError } from '../../vocabulary/errors.ts'
import type { Thresholds } from './types.ts'

export const DEFAULT_ALPHA = 0.05
/** Statistical gates × stages of the default plan. */
export const DEFAULT_TESTS = 30
export const DEFAULT_MIN_UNITS = 20

/** Refuses an option of a gate: the path to it, what it is, what is allowed. */
export function refuseOption(where: string, value: unknown, allowed: string): never {
  throw new CutoverError('option-invalid', `${where} is ${shown(value)}; allowed: ${allowed}`, { details: { where } })
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/**
 * `α / (j(j+1))` sums to `α` over all attempts `j`, so retries never exceed the budget. A pass needs no further
 * division, as every gate must prove itself; any gate may fail, so a fail is divided by their number.
 */
export function thresholds(
  options: { readonly alpha?: number; readonly attempt?: number; readonly tests?: number } = {},
): Thresholds {
  const { alpha = DEFAULT_ALPHA, attempt = 1, tests = DEFAULT_TESTS } = options
  if (!(alpha > 0 && alpha < 1)) refuseOption('alpha', alpha, 'a number between 0 and 1, e.g. 0.05')
  if (!Number.isSafeInteger(attempt) || attempt < 1) refuseOption('attempt', attempt, 'a whole number from 1')
  if (!Number.isSafeInteger(tests) || tests < 1) refuseOption('tests', tests, 'a whole number from 1')
  const passAt = -Math.log(alpha / (attempt * (attempt + 1)))
  return { passAt, failAt: -Math.log(alpha / (tests * attempt * (attempt + 1))) }
}

/** Below so few units a gate says nothing. */
export function minUnitsOf({ minUnits = DEFAULT_MIN_UNITS }: { readonly minUnits?: number }): number {
  if (!Number.isSafeInteger(minUnits) || minUnits < 1) refuseOption('minUnits', minUnits, 'a whole number from 1')
  return minUnits
}
