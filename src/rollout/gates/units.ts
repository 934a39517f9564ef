// How many units does a gate need? For a spotless version, and for one that goes on as it did so far.

import { paired, rate, weighted } from '../evidence.ts'
import { type Reading, readCounts } from './readings.ts'
import { refuseOption, thresholds } from './thresholds.ts'
import type { WindowedInput } from './types.ts'

/** Beyond this nobody waits. */
const MOST_UNITS = 1e12

export interface UnitsQuestion {
  readonly gate: WindowedInput['gate']
  readonly limit: number
  /** Of `errorsCanary`: the share of keys on target; its answer counts target units. */
  readonly share?: number | undefined
  /** Evidence needed: `thresholds({ alpha, attempt }).passAt`. */
  readonly passAt: number
}

/** Units without a single failure after which the gate passes: what the table of docs/gates.md, section 4, lists. */
export function cleanUnits({ gate, limit, share = 0.1, passAt }: UnitsQuestion): number {
  if (!(limit > 0 && limit < 1)) refuseOption(`${gate}: limit`, limit, 'a share, e.g. 0.01')
  if (gate === 'errorsCanary') {
    return Math.ceil(share * least((n) => weighted.pass(n, 0, 0, share, limit) >= passAt))
  }
  const isDifference = gate === 'errorsPaired' || gate === 'excessMismatch'
  return least((n) => (isDifference ? paired.pass(n, 0, 0, limit) : rate.pass(n, 0, limit)) >= passAt)
}

/** The least whole number from 1 for which `holds`, which stays true from there on. */
function least(holds: (n: number) => boolean): number {
  let high = 1
  while (high < MOST_UNITS && !holds(high)) high *= 2
  let low = Math.floor(high / 2)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle)) high = middle
    else low = middle
  }
  return high
}

export interface UnitsNeeded {
  /** Further units, of those that `minUnits` counts, if no further one fails. */
  readonly atBest: number
  /** Further units if failures go on in the same proportion; null: that will never pass. An estimate, no promise. */
  readonly asSoFar: number | null
}

/** What a gate that is held as undecided still needs; 0 where the evidence suffices already. */
export function unitsNeeded(input: WindowedInput): UnitsNeeded {
  const { passAt } = thresholds(input)
  const now = readCounts(input)
  const enough = (reading: Reading): boolean => reading.logEPass >= passAt
  if (enough(now)) return { atBest: 0, asSoFar: 0 }
  const further = (counts: WindowedInput['counts']): number => readCounts(input, counts).units - now.units
  const clean = least((more) => enough(readCounts(input, withClean(input.counts, more))))
  const atBest = further(withClean(input.counts, clean))
  if (now.n === 0 || now.worst <= 0) return { atBest, asSoFar: atBest }
  if (now.worst >= input.limit) return { atBest, asSoFar: null }
  // in 64ths of what is there: fine enough for an estimate
  const steps = least(
    (step) => scaledUp(now.n, step) > MOST_UNITS || enough(readCounts(input, scaled(input.counts, step))),
  )
  if (scaledUp(now.n, steps) > MOST_UNITS) return { atBest, asSoFar: null }
  return { atBest, asSoFar: Math.max(atBest, further(scaled(input.counts, steps))) }
}

function withClean(counts: WindowedInput['counts'], more: number): WindowedInput['counts'] {
  if (!('nTargetUnits' in counts)) return { ...counts, n: counts.n + more }
  return { ...counts, n: counts.n + more, nTargetUnits: counts.nTargetUnits + Math.round(more * counts.share) }
}

const STEPS = 64

function scaledUp(n: number, steps: number): number {
  return Math.round(n * (1 + steps / STEPS))
}

/** All counts in the same proportion, but for the share; rounding never makes the parts more than the whole. */
function scaled(counts: WindowedInput['counts'], steps: number): WindowedInput['counts'] {
  const up = Object.entries(counts).map(([name, n]) => {
    if (name === 'share') return [name, n]
    const whole = name === 'n' || name === 'nTargetUnits'
    return [name, whole ? scaledUp(n, steps) : Math.floor(n * (1 + steps / STEPS))]
  })
  return Object.fromEntries(up) as WindowedInput['counts']
}
