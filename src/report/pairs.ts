// How often did the two runs of one job differ? Comparisons, the controls' noise, and what differed, with an interval.

import type { DifferenceGroup, Gauges } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import { bounds } from '../rollout/evidence.ts'
import { SIDES } from '../vocabulary/job.ts'
import { bySide, shareOf } from './jobs.ts'
import type { ComparisonsReport, DifferenceReport, Interval, NoiseReport, PairCounts } from './model.ts'
import type { Sums } from './sums.ts'

/** Confidence of the printed interval, and what that leaves each of its ends. */
export const INTERVAL_LEVEL = 0.95
const ALPHA_EACH_SIDE = 0.025

/** Where the ledger gathers the groups beyond those that it keeps by name. */
export const GATHERED_PATH = '…'

type Which = 'pair' | 'control'

/**
 * The anytime-valid interval of the share of mismatches. Units are first jobs of keys where any such pair was counted
 * (jobs of one key fail together, counting each would claim too much), else pairs of the family `job`.
 */
export function intervalOf(sums: Sums, which: Which): Interval {
  const counted = (unit: 'key' | 'job'): { mismatched: number; units: number } => {
    const of = (cls: string): number => wholeOr0(sums.in(unit, MEASURES.compared(which, cls)))
    const mismatched = of('mismatched')
    return { mismatched, units: mismatched + of('matched') }
  }
  const keys = counted('key')
  const unit = keys.units > 0 ? 'key' : 'job'
  const { units, mismatched } = unit === 'key' ? keys : counted('job')
  const { lower, upper } = bounds(units, mismatched, ALPHA_EACH_SIDE)
  return {
    lower,
    upper,
    level: INTERVAL_LEVEL,
    alphaEachSide: ALPHA_EACH_SIDE,
    unit,
    units,
    mismatched,
    share: shareOf(mismatched, units),
  }
}

/** A count that contradicts itself is told by the laws; the interval goes on without it. */
function wholeOr0(n: number): number {
  return Number.isSafeInteger(n) && n > 0 ? n : 0
}

function pairCounts(sums: Sums, which: Which, rest: { open: number; shed: number; late: number }): PairCounts {
  const matched = sums.of(MEASURES.compared(which, 'matched'))
  const mismatched = sums.of(MEASURES.compared(which, 'mismatched'))
  const compared = matched + mismatched
  return {
    compared,
    matched,
    mismatched,
    ignored: sums.of(MEASURES.compared(which, 'ignored')),
    orphaned: SIDES.reduce((sum, side) => sum + sums.of(MEASURES.orphaned(which, side)), 0),
    moved: sums.of(MEASURES.verdictMoved(which)),
    ...rest,
    share: shareOf(mismatched, compared),
    interval: intervalOf(sums, which),
  }
}

export function comparisonsReport(sums: Sums, gauges: Gauges): ComparisonsReport {
  return {
    shadowed: SIDES.reduce((sum, side) => sum + sums.of(MEASURES.shadowWanted(side)), 0),
    ...pairCounts(sums, 'pair', {
      open: gauges.pairsOpen,
      shed: SIDES.reduce((sum, side) => sum + sums.of(MEASURES.shadowShed(side)), 0),
      late: sums.of(MEASURES.lateOutcome('primary')) + sums.of(MEASURES.lateOutcome('shadow')),
    }),
    orphanedOn: bySide((side) => sums.of(MEASURES.orphaned('pair', side))),
    errors: {
      both: sums.of(MEASURES.errors('both')),
      targetOnly: sums.of(MEASURES.errors('target-only')),
      legacyOnly: sums.of(MEASURES.errors('legacy-only')),
    },
  }
}

export function noiseReport(sums: Sums, gauges: Gauges, groups: readonly DifferenceGroup[]): NoiseReport {
  const counts = pairCounts(sums, 'control', {
    open: gauges.controlsOpen,
    shed: sums.of(MEASURES.controlShed),
    late: sums.of(MEASURES.lateOutcome('control')),
  })
  const merged = mergeGroups(groups, 'control')
  const differences = merged.map((group) => differenceReport(group, counts.compared, null))
  return { wanted: sums.of(MEASURES.controlWanted), ...counts, differences }
}

/** Groups of all epochs, most frequent first, each beside its like among the controls. */
export function differencesReport(
  groups: readonly DifferenceGroup[],
  compared: number,
  noise: NoiseReport,
): DifferenceReport[] {
  const controls = new Map(noise.differences.map((group) => [nameOf(group), group]))
  return mergeGroups(groups, 'pair').map((group) => {
    const like = controls.get(nameOf(group))
    const count = like?.count ?? 0
    return differenceReport(group, compared, { count, share: shareOf(count, noise.compared) })
  })
}

function differenceReport(
  group: DifferenceGroup,
  compared: number,
  noise: DifferenceReport['noise'],
): DifferenceReport {
  const { path, kind, pairs } = group
  const { id, legacy, target } = group.example
  const example = { id, ...(legacy === undefined ? {} : { legacy }), ...(target === undefined ? {} : { target }) }
  return { path, kind, count: pairs, share: shareOf(pairs, compared), noise, example }
}

function nameOf(group: { readonly path: string; readonly kind: string }): string {
  return `${group.kind} ${group.path}`
}

/** One group a path and kind over all epochs; the example is of the latest epoch. */
function mergeGroups(groups: readonly DifferenceGroup[], which: Which): DifferenceGroup[] {
  const merged = new Map<string, DifferenceGroup>()
  for (const group of groups) {
    if (group.which !== which) continue
    const name = nameOf(group)
    const before = merged.get(name)
    if (before === undefined) merged.set(name, group)
    else merged.set(name, { ...(group.epoch >= before.epoch ? group : before), pairs: group.pairs + before.pairs })
  }
  return [...merged.values()].sort(byWeight)
}

/** Most frequent first, what was gathered without a name last. */
function byWeight(a: DifferenceGroup, b: DifferenceGroup): number {
  const gathered = Number(a.path === GATHERED_PATH) - Number(b.path === GATHERED_PATH)
  if (gathered !== 0) return gathered
  if (a.pairs !== b.pairs) return b.pairs - a.pairs
  const [left, right] = [nameOf(a), nameOf(b)]
  return left < right ? -1 : Number(left > right)
}
