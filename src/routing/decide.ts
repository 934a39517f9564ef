// Which route does this job get, and why? Pure: the flag's answer, cut down by what the ledger allows.
//
// Nothing here ever gives a job more than its flag does; whatever is not known for certain is legacy.

import type { FlagDecision } from '../ports/flags.ts'
import { type Decision, type DecisionReason, isShadowed, type Route, sideOf } from '../vocabulary/job.ts'
import { POSITIONS } from './hash.ts'

/** A latch and ceiling read that began longer ago than this allows no target: the latch may be set by now. */
export const MAX_CONTROL_AGE_MS = 1000

/** What this process last read of latch and ceiling. */
export interface ControlView {
  /** False until the ledger answered once; the other fields then mean nothing. */
  readonly known: boolean
  /** Time since the last good read *began*, on a monotonic clock. */
  readonly ageMs: number
  readonly latchSet: boolean
  /** Highest target share allowed, 0 to 1. */
  readonly ceiling: number
}

export interface DecideInput {
  readonly flag: FlagDecision
  readonly control: ControlView
  /** `keyPosition` of the flag's name and the key; called only where a ceiling below 100 % matters. */
  readonly position: () => number
  /** False with `shadow: 'off'`: nothing is known of the handler's effects, so no copy may run. */
  readonly shadowable: boolean
  /** A route given by hand, for tests: neither flag nor ledger is asked. */
  readonly forced?: Route
}

/**
 * In this order: forced; the ledger not known or its last read too old; the latch; the flag in doubt or off; the
 * ceiling; what the migration allows. A doubt and the latch drop the shadow as well, the ceiling only moves the
 * primary to legacy.
 */
export function decide({ flag, control, position, shadowable, forced }: DecideInput): Decision {
  if (forced !== undefined) return allowed({ route: forced, reason: 'forced' }, shadowable)
  if (!control.known) return legacy('ledger-unavailable')
  // Written so that NaN and a clock that ran backwards are doubts too.
  if (!(control.ageMs >= 0 && control.ageMs <= MAX_CONTROL_AGE_MS)) return legacy('ledger-stale')
  if (control.latchSet) return legacy('latch')
  if (flag.reason !== 'flag') return legacy(flag.reason)
  if (sideOf(flag.route) === 'target' && !underCeiling(control.ceiling, position)) {
    return { route: isShadowed(flag.route) && shadowable ? 'legacy-shadowed' : 'legacy', reason: 'ceiling' }
  }
  return allowed(flag, shadowable)
}

/** The ceiling's share is a block at the upper end of the positions, as the flag's own target share is. */
function underCeiling(ceiling: number, position: () => number): boolean {
  return ceiling >= 1 || position() > POSITIONS - Math.round(POSITIONS * ceiling)
}

function allowed(decision: Decision, shadowable: boolean): Decision {
  if (shadowable || !isShadowed(decision.route)) return decision
  return { route: sideOf(decision.route), reason: 'not-shadowable' }
}

function legacy(reason: DecisionReason): Decision {
  return { route: 'legacy', reason }
}
