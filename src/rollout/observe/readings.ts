// What does each gate read of the counters? Lost and orphaned are what is missing: dispatched or sent, and never ended.
//
// Nothing is cut off at 0: a count that comes out negative is a contradiction, and the gate that meets it holds.

import { MEASURES } from '../../ports/row-rules.ts'
import type { Side } from '../../vocabulary/job.ts'
import type {
  AloneErrorCounts,
  CanaryErrorCounts,
  ExcessCounts,
  LostCounts,
  MismatchCounts,
  PairedErrorCounts,
  ShareCounts,
} from '../gates/types.ts'
import type { Get, Reading } from './buckets.ts'

const n = ({ n: all }: { readonly n: number }): number => all

/** Primaries of a side: what was to end there, how it ended, and what never did. */
export interface Primaries {
  readonly n: number
  readonly failed: number
  readonly lost: number
}

export function primaries(get: Get, side: Side): Primaries {
  const { dispatched, refused, settled, movedOut } = MEASURES
  // whoever cancels or moves a job has not seen how it would have ended here
  const all = get(dispatched(side)) - get(refused(side)) - get(settled('cancelled', side)) - get(movedOut(side))
  const failed = get(settled('failed', side)) + get(settled('backend-failed', side))
  return { n: all, failed, lost: all - failed - get(settled('ok', side)) }
}

/** Shadow copies that were to run on a side, and those of them that never ended. */
export function shadows(get: Get, side: Side): { readonly sent: number; readonly lost: number } {
  const { shadowWanted, shadowShed, shadowWithdrawn, shadowEnded } = MEASURES
  const sent = get(shadowWanted(side)) - get(shadowShed(side)) - get(shadowWithdrawn(side))
  return { sent, lost: sent - get(shadowEnded(true, side)) - get(shadowEnded(false, side)) }
}

interface Pairs {
  /** Without those that were shed, withdrawn or ignored. */
  readonly n: number
  readonly mismatched: number
  readonly orphaned: number
}

function pairs(get: Get): Pairs {
  const compared = (cls: string): number => get(MEASURES.compared('pair', cls))
  const { shadowWanted, shadowShed, pairCancelled, verdictMoved } = MEASURES
  const both = (measure: (side: Side) => string): number => get(measure('legacy')) + get(measure('target'))
  const sent = both(shadowWanted) - both(shadowShed) - get(pairCancelled) - get(verdictMoved('pair'))
  const all = sent - compared('ignored')
  const mismatched = compared('mismatched')
  return { n: all, mismatched, orphaned: all - mismatched - compared('matched') }
}

export const MISMATCH: Reading<MismatchCounts> = { n, read: pairs }

export function controls(get: Get): ShareCounts {
  const [matched, mismatched] = [
    get(MEASURES.compared('control', 'matched')),
    get(MEASURES.compared('control', 'mismatched')),
  ]
  return { n: matched + mismatched, mismatched }
}

/** A triple that is not complete is target's fault where a pass is asked for, whichever of its runs is missing. */
export const EXCESS: Reading<ExcessCounts> = {
  n,
  read: (get) => {
    const of = (pair: boolean, control: boolean): number => get(MEASURES.triple(pair, control))
    const all = get(MEASURES.controlWanted) - get(MEASURES.tripleOut)
    const [targetOnly, controlOnly] = [of(true, false), of(false, true)]
    const orphaned = all - targetOnly - controlOnly - of(true, true) - of(false, false)
    return { n: all, targetOnly, controlOnly, orphaned }
  },
}

export const PAIRED_ERRORS: Reading<PairedErrorCounts> = {
  n,
  read: (get) => {
    const { n: all, orphaned } = pairs(get)
    // at target 0 % every shadow runs on target: what of it never ended is target's, the rest legacy's
    const { lost } = shadows(get, 'target')
    return {
      n: all,
      targetOnly: get(MEASURES.errors('target-only')),
      legacyOnly: get(MEASURES.errors('legacy-only')),
      targetOrphans: lost,
      legacyOrphans: orphaned - lost,
    }
  },
}

export function canaryErrors(share: number): Reading<CanaryErrorCounts> {
  return {
    n,
    units: ({ nTargetUnits }) => nTargetUnits,
    read: (get) => {
      const [legacy, target] = [primaries(get, 'legacy'), primaries(get, 'target')]
      return {
        n: legacy.n + target.n,
        share,
        nTargetUnits: target.n,
        legacyFailed: legacy.failed,
        targetFailed: target.failed,
        legacyLost: legacy.lost,
        targetLost: target.lost,
      }
    },
  }
}

export const ALONE_ERRORS: Reading<AloneErrorCounts> = { n, read: (get) => primaries(get, 'target') }

/** Copies sent to target: primaries, and shadows that were not shed. */
export const LOST: Reading<LostCounts> = {
  n,
  read: (get) => {
    const [primary, shadow] = [primaries(get, 'target'), shadows(get, 'target')]
    return { n: primary.n + shadow.sent, lost: primary.lost + shadow.lost }
  },
}

export function assigned(get: Get): { n: number; target: number } {
  const of = (side: Side): number => get(MEASURES.dispatched(side)) - get(MEASURES.refused(side))
  return { n: of('legacy') + of('target'), target: of('target') }
}

export function shedding(get: Get): { wanted: number; shed: number; compared: number; ignored: number } {
  const { shadowWanted, shadowShed, shadowRefused, compared } = MEASURES
  const ignored = get(compared('pair', 'ignored'))
  const both = (measure: (side: Side) => string): number => get(measure('legacy')) + get(measure('target'))
  // of a job that its queue refused the shadow was not shed by load
  return {
    wanted: both(shadowWanted) - both(shadowRefused),
    shed: both(shadowShed) - both(shadowRefused),
    compared: get(compared('pair', 'matched')) + get(compared('pair', 'mismatched')) + ignored,
    ignored,
  }
}

/** Share of legacy's primaries that failed, of those that ended; undefined where none did. */
export function legacyFailures(get: Get): number | undefined {
  const { n: all, failed, lost } = primaries(get, 'legacy')
  const ended = all - lost
  return ended > 0 ? failed / ended : undefined
}
