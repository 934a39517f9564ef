// May a rate or a difference go on? The order of judging: no data → fail → noise floor → too few units → prove →
// recent window → pass.

import { rate } from '../evidence.ts'
import { checkParts } from './counts.ts'
import { type Reading, readCounts } from './readings.ts'
import { minUnitsOf, refuseOption, thresholds } from './thresholds.ts'
import type { Judged, Judgement, MismatchInput, Rule, Thresholds, WindowedInput } from './types.ts'
import { cleanUnits } from './units.ts'

/** Noise counts as proven below the limit from here on, whatever the attempt. */
const NOISE_PROVEN_AT = Math.log(20)
/** Fewer new units than this share of all within 24 h: the keys are used up. */
const NEW_UNITS_SHARE = 0.02

export const hold = (reason: Extract<Judged, { verdict: 'hold' }>['reason']): Judged => ({ verdict: 'hold', reason })
export const pass = (reason: Extract<Judged, { verdict: 'pass' }>['reason']): Judged => ({ verdict: 'pass', reason })
export const fail = (reason: Extract<Judged, { verdict: 'fail' }>['reason']): Judged => ({ verdict: 'fail', reason })

export function judgeWindowed(input: WindowedInput): Judgement {
  if (!(input.limit > 0 && input.limit < 1)) refuseOption(`${input.gate}: limit`, input.limit, 'a share, e.g. 0.01')
  const levels = thresholds(input)
  const reading = readCounts(input)
  const noise = noiseOf(input, levels)
  if (reading.n === 0) return { ...hold('no-data'), logEPass: null, logEFail: null, ...levels }
  const recent = input.recent === undefined ? undefined : readCounts(input, input.recent)
  const judged = alarm(reading, noise, levels) ?? shortage(input, reading) ?? proof(input, { reading, recent, levels })
  return { ...judged, logEPass: reading.logEPass, logEFail: reading.logEFail, ...levels }
}

type Noise = 'none' | 'unknown' | 'below' | 'over'

/** Does legacy differ from itself less than the limit? `none`: nobody asks. */
function noiseOf(input: WindowedInput, { passAt }: Thresholds): Noise {
  const control = input.gate === 'mismatch' ? (input as MismatchInput).control : undefined
  if (control === undefined) return 'none'
  const { n, mismatched = 0 } = control
  checkParts('control', n, { mismatched })
  if (rate.fail(n, mismatched, input.limit) >= passAt) return 'over'
  return rate.pass(n, mismatched, input.limit) >= NOISE_PROVEN_AT ? 'below' : 'unknown'
}

/** A comparison that is too strict blames target for legacy's own noise: no fail before noise is known. */
function alarm({ logEFail }: Reading, noise: Noise, { failAt }: Thresholds): Judged | undefined {
  if (noise === 'over') return hold('noise-floor')
  if (logEFail < failAt) return undefined
  return noise === 'unknown' ? hold('noise-unknown') : fail('over-limit')
}

function shortage(input: WindowedInput, { units }: Reading): Judged | undefined {
  return units < minUnitsOf(input) ? hold('too-few-units') : undefined
}

export function ruleOf({ gate, rule = 'prove' }: { readonly gate: string; readonly rule?: Rule }): Rule {
  if (rule !== 'prove' && rule !== 'watch') refuseOption(`${gate}: rule`, rule, 'prove, watch')
  return rule
}

interface Read {
  readonly reading: Reading
  readonly recent: Reading | undefined
  readonly levels: Thresholds
}

function proof(input: WindowedInput, { reading, recent, levels }: Read): Judged {
  const { passAt } = levels
  if (ruleOf(input) === 'watch') return pass('no-alarm')
  if (reading.logEPass < passAt) return hold(usedUp(input, reading, passAt) ? 'too-few-keys' : 'undecided')
  return staleness(input, recent) ?? pass('proven')
}

/** Hardly a unit is new, and there are fewer than a spotless version needs: waiting will not help. */
function usedUp(input: WindowedInput, { n, units }: Reading, passAt: number): boolean {
  const { newUnits } = input
  if (newUnits === undefined || newUnits >= NEW_UNITS_SHARE * n) return false
  const share = input.gate === 'errorsCanary' ? input.counts.share : undefined
  return units < cleanUnits({ gate: input.gate, limit: input.limit, share, passAt })
}

/** Evidence counts all history: a version that went bad a while ago still passes, so the newest units are looked at. */
function staleness(input: WindowedInput, recent: Reading | undefined): Judged | undefined {
  const { limit, idleMs = 0, staleAfterMs = Number.POSITIVE_INFINITY } = input
  if (recent !== undefined && recent.units < minUnitsOf(input)) return hold('recent-too-few')
  if (recent !== undefined && recent.worst > limit) return hold('recent-worse')
  return idleMs > staleAfterMs ? hold('stale') : undefined
}
