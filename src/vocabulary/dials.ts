// The numbers behind routes, and how they are written as weights of a flag's four variants.

import { CutoverError } from './errors.ts'
import { ROUTES, type Route } from './job.ts'

/** Shares from 0 to 1. */
export interface Dials {
  /** Share of keys whose primary runs on target. */
  readonly target: number
  /** Share of keys that also get a shadow. */
  readonly shadow: number
  /** Share of the shadowed jobs that also get a control; kept in the ledger, not in the flag. */
  readonly control: number
}

export const DIALS_OFF: Dials = Object.freeze({ target: 0, shadow: 0, control: 0 })

/** Permille of keys a route; they sum to 1000. */
export type RouteWeights = Readonly<Record<Route, number>>

/**
 * Weights of the four variants for these dials (`t = round(1000·target)`, `ts = round(t·shadow)`,
 * `ls = round((1000−t)·shadow)`); always sums to 1000, so that no vendor rescales them.
 */
export function weightsOf(dials: { readonly target: number; readonly shadow: number }): RouteWeights {
  const target = Math.round(1000 * dials.target)
  const targetShadowed = Math.round(target * dials.shadow)
  const legacyShadowed = Math.round((1000 - target) * dials.shadow)
  return {
    legacy: 1000 - target - legacyShadowed,
    'legacy-shadowed': legacyShadowed,
    target: target - targetShadowed,
    'target-shadowed': targetShadowed,
  }
}

/** Permille; where several shares have the same weights the coarser one is what somebody wrote. */
const STEPS = [100, 50, 10, 1] as const

/** The dials whose weights these are; undefined where no two dials say it. */
export function dialsOfWeights(
  weights: RouteWeights,
): { readonly target: number; readonly shadow: number } | undefined {
  const target = (weights.target + weights['target-shadowed']) / 1000
  for (const step of STEPS) {
    for (let permille = 0; permille <= 1000; permille += step) {
      const shadow = permille / 1000
      if (ROUTES.every((route) => weightsOf({ target, shadow })[route] === weights[route])) return { target, shadow }
    }
  }
  return undefined
}

/** Reads a share written as `25%`; steps of 0.1 %, the sign is required. */
export function parseShare(text: string, where: string): number {
  const match = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text.trim())
  const percent = match === null ? Number.NaN : Number(match[1])
  if (!(percent >= 0 && percent <= 100)) {
    throw new CutoverError('option-invalid', `${where}: "${text}" is not a share; write 0% to 100%, e.g. 25%`, {
      details: { where },
    })
  }
  const permille = percent * 10
  if (Math.abs(permille - Math.round(permille)) > 1e-9) {
    throw new CutoverError('option-invalid', `${where}: "${text}" is too fine; the steps are 0.1%`, {
      details: { where },
    })
  }
  return Math.round(permille) / 1000
}

/** `0.25` → `25%`. */
export function formatShare(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`
}
