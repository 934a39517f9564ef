// What do the counts of a rate or difference gate say? Both kinds of evidence, how many units, and the worst mean score.
//
// Where an outcome is missing, a pass reads it as bad for target and a fail reads it as good for target.

import { paired, rate, weighted } from '../evidence.ts'
import { checkParts, checkShare } from './counts.ts'
import type {
  AloneErrorCounts,
  CanaryErrorCounts,
  ExcessCounts,
  LostCounts,
  MismatchCounts,
  PairedErrorCounts,
  WindowedInput,
} from './types.ts'

export interface Reading {
  readonly n: number
  /** What `minUnits` counts. */
  readonly units: number
  readonly logEPass: number
  readonly logEFail: number
  /** The mean score as a pass reads it, which the limit bounds. */
  readonly worst: number
}

type Gate = WindowedInput['gate']
type CountsOf<G extends Gate> = Extract<WindowedInput, { readonly gate: G }>['counts']

const READINGS: { readonly [G in Gate]: (counts: CountsOf<G>, limit: number) => Reading } = {
  mismatch: readMismatch,
  excessMismatch: readExcess,
  errorsPaired: readPairedErrors,
  errorsCanary: readCanaryErrors,
  errorsAlone: readAloneErrors,
  lost: readLost,
}

/** Reads `counts` (the input's own, or those of its newest buckets). Refuses what contradicts itself. */
export function readCounts(input: WindowedInput, counts: WindowedInput['counts'] = input.counts): Reading {
  const read = READINGS[input.gate] as (counts: WindowedInput['counts'], limit: number) => Reading
  return read(counts, input.limit)
}

function readMismatch({ n, mismatched = 0, orphaned = 0 }: MismatchCounts, limit: number): Reading {
  checkParts('mismatch', n, { mismatched, orphaned })
  const bad = mismatched + orphaned
  return shareReading({ n, forPass: bad, forFail: mismatched, limit })
}

function readAloneErrors({ n, failed = 0, lost = 0 }: AloneErrorCounts, limit: number): Reading {
  checkParts('errorsAlone', n, { failed, lost })
  return shareReading({ n, forPass: failed + lost, forFail: failed, limit })
}

function readLost({ n, lost = 0 }: LostCounts, limit: number): Reading {
  checkParts('lost', n, { lost })
  return shareReading({ n, forPass: lost, forFail: lost, limit })
}

function shareReading(o: { n: number; forPass: number; forFail: number; limit: number }): Reading {
  const { n, forPass, forFail, limit } = o
  return {
    n,
    units: n,
    logEPass: rate.pass(n, forPass, limit),
    logEFail: rate.fail(n, forFail, limit),
    worst: forPass / n,
  }
}

function readExcess({ n, targetOnly = 0, controlOnly = 0, orphaned = 0 }: ExcessCounts, limit: number): Reading {
  checkParts('excessMismatch', n, { targetOnly, controlOnly, orphaned })
  return {
    n,
    units: n,
    logEPass: paired.pass(n, targetOnly + orphaned, controlOnly, limit),
    logEFail: paired.fail(n, targetOnly, controlOnly, limit),
    worst: (targetOnly + orphaned - controlOnly) / n,
  }
}

function readPairedErrors(counts: PairedErrorCounts, limit: number): Reading {
  const { n, targetOnly = 0, legacyOnly = 0, targetOrphans = 0, legacyOrphans = 0 } = counts
  checkParts('errorsPaired', n, { targetOnly, legacyOnly, targetOrphans, legacyOrphans })
  return {
    n,
    units: n,
    logEPass: paired.pass(n, targetOnly + targetOrphans, legacyOnly, limit),
    logEFail: paired.fail(n, targetOnly, legacyOnly + legacyOrphans, limit),
    worst: (targetOnly + targetOrphans - legacyOnly) / n,
  }
}

function readCanaryErrors(counts: CanaryErrorCounts, limit: number): Reading {
  const { n, share, nTargetUnits, legacyFailed = 0, targetFailed = 0, legacyLost = 0, targetLost = 0 } = counts
  const gate = 'errorsCanary'
  checkShare(gate, share)
  checkParts(gate, n, { nTargetUnits })
  checkParts(gate, nTargetUnits, { targetFailed, targetLost })
  checkParts(gate, n - nTargetUnits, { legacyFailed, legacyLost })
  const bad = targetFailed + targetLost
  return {
    n,
    units: nTargetUnits,
    logEPass: weighted.pass(n, legacyFailed, bad, share, limit),
    logEFail: weighted.fail(n, legacyFailed + legacyLost, targetFailed, share, limit),
    worst: (bad / share - legacyFailed / (1 - share)) / n,
  }
}
