// Where does the true share or difference lie? Between the limits that the gate's own evidence does not exclude.
//
// The upper end is the least limit that would be proven, the lower end the greatest that would be refuted: so a gate is
// proven exactly where its limit is not below the upper end, and right at every moment at once as the verdict is.

import { bounds } from '../rollout/evidence.ts'
import { readCounts } from '../rollout/gates/readings.ts'
import type { WindowedInput } from '../rollout/gates/types.ts'

export interface GateInterval {
  readonly lower: number
  readonly upper: number
}

interface Levels {
  readonly passAt: number
  readonly failAt: number
}

/** Null while nothing was counted. */
export function gateInterval(input: WindowedInput, levels: Levels): GateInterval | null {
  const { n } = input.counts
  if (n === 0) return null
  const bad = badOf(input)
  if (bad === undefined) return difference(input, levels)
  return {
    lower: bounds(n, bad.atLeast, Math.exp(-levels.failAt)).lower,
    upper: bounds(n, bad.atMost, Math.exp(-levels.passAt)).upper,
  }
}

/** Of a share. Where something is missing, the upper end takes it for bad and the lower one for good. */
function badOf(input: WindowedInput): { readonly atLeast: number; readonly atMost: number } | undefined {
  switch (input.gate) {
    case 'mismatch': {
      const { mismatched = 0, orphaned = 0 } = input.counts
      return { atLeast: mismatched, atMost: mismatched + orphaned }
    }
    case 'errorsAlone': {
      const { failed = 0, lost = 0 } = input.counts
      return { atLeast: failed, atMost: failed + lost }
    }
    case 'lost': {
      const { lost = 0 } = input.counts
      return { atLeast: lost, atMost: lost }
    }
    default:
      return undefined
  }
}

/** Two shares differ by no more than 1. The evidence is monotone in the limit. */
function difference(input: WindowedInput, { passAt, failAt }: Levels): GateInterval {
  const at = (limit: number) => readCounts({ ...input, limit } as WindowedInput)
  return {
    lower: edge((limit) => at(limit).logEFail < failAt).below,
    upper: edge((limit) => at(limit).logEPass >= passAt).above,
  }
}

const CLOSE = 1e-9

/** Between −1 and 1 the place from which on `holds` does. */
function edge(holds: (limit: number) => boolean): { readonly below: number; readonly above: number } {
  let [below, above] = [-1, 1]
  while (above - below > CLOSE) {
    const middle = (below + above) / 2
    if (holds(middle)) above = middle
    else below = middle
  }
  return { below, above }
}
