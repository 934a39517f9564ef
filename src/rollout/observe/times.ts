// Times as the gates read them: run times of closed buckets, and what happened in the last minutes.

import { type LatencyCounts, mergeLatencies } from '../../comparison/latency.ts'
import { type PairTimes, RECENT_KEPT_MS, RECENT_MS, type Snapshot, type StoredFamily } from '../../ports/ledger.ts'
import { type DifferenceArray, PAIR_MEASURES, type PairMeasure } from '../../ports/pair-times.ts'
import { RECENT } from '../../ports/row-rules.ts'
import type { Side } from '../../vocabulary/job.ts'
import { waitClassEdge } from '../../vocabulary/latency.ts'
import type { LatencyTimes } from '../gates/latency-bounds.ts'
import { pairedCounts, unpairedCounts } from '../gates/latency-counts.ts'
import type { LatencyObserved } from '../gates/stage.ts'
import type { TripwireCounts } from '../gates/types.ts'
import type { RatioGate, Stage, Unit } from '../plan/types.ts'

/** What a unit is stored as. */
const FAMILIES: Readonly<Record<Unit, readonly StoredFamily[]>> = {
  key: ['of-key'],
  'key-day': ['of-key', 'of-day'],
  job: ['of-key', 'of-day', 'again'],
}

export interface LatencyQuestion {
  readonly stage: Stage
  readonly epoch: number
  /** The quantile, e.g. 0.95. */
  readonly tau: number
  readonly gate: RatioGate
}

/** What the gate counts of the snapshot, by edge. */
export function latencyObserved(snapshot: Snapshot, question: LatencyQuestion): LatencyObserved {
  const times = latencyTimes(snapshot, question)
  return times.kind === 'paired' ? { paired: pairedCounts(times) } : { unpaired: unpairedCounts(times) }
}

/** Pairs at target 0 and 100 %, primaries of both sides in between. */
export function latencyTimes(snapshot: Snapshot, { stage, epoch, tau, gate }: LatencyQuestion): LatencyTimes {
  const families = FAMILIES[gate.unit]
  const { ratio } = gate
  if (stage.target === 0 || stage.target === 1) {
    const found = snapshot.pairTimes.filter(
      (times) => times.epoch === epoch && times.ratio === ratio && families.includes(times.family),
    )
    const legacy = mergeLatencies(found.map((times) => times.legacy))
    return { kind: 'paired', tau, ratio, legacy, differences: mergedDifferences(found) }
  }
  const of = (side: Side): LatencyCounts =>
    mergeLatencies(
      snapshot.histograms
        .filter((each) => each.epoch === epoch && each.closed && families.includes(each.family))
        .filter(({ name }) => name === `run.primary.${side}`)
        .map(({ counts }) => counts),
    )
  return { kind: 'unpaired', tau, ratio, legacy: of('legacy'), target: of('target') }
}

function mergedDifferences(found: readonly PairTimes[]): Readonly<Record<PairMeasure, DifferenceArray>> {
  const merged = PAIR_MEASURES.map((measure) => [measure, mergeLatencies(found.map((times) => times[measure]))])
  return Object.fromEntries(merged) as Record<PairMeasure, DifferenceArray>
}

const TRIPWIRE_MS = 5 * 60_000

/** Primaries of the epoch that ended within the last five minutes, and the minute that began before. */
export function tripwireCounts(snapshot: Snapshot, epoch: number): TripwireCounts {
  const sums = recentSums(snapshot, epoch, TRIPWIRE_MS)
  const of = (key: string): number => sums.get(key) ?? 0
  const groups = [...sums.keys()].filter((key) => key.startsWith(GROUP))
  return {
    targetSettled: of(RECENT.settled('target')),
    targetFailed: of(RECENT.failed('target')),
    groups: groups.length,
    legacySettled: of(RECENT.settled('legacy')),
    legacyFailed: of(RECENT.failed('legacy')),
  }
}
const GROUP = 'failed.group.'
const WAIT = 'wait.'

/** Copies on target of the last hour, and those that waited for longer; a class that the limit lies in is over it. */
export function queueWaitCounts(snapshot: Snapshot, epoch: number, limitMs: number): { n: number; over: number } {
  let [n, over] = [0, 0]
  for (const [key, count] of recentSums(snapshot, epoch, RECENT_KEPT_MS)) {
    if (!key.startsWith(WAIT)) continue
    n += count
    if (waitClassEdge(Number(key.slice(WAIT.length))) > limitMs) over += count
  }
  return { n, over }
}

function recentSums({ now, recent }: Snapshot, epoch: number, withinMs: number): Map<string, number> {
  const sums = new Map<string, number>()
  for (const minute of recent) {
    if (minute.epoch !== epoch || minute.start + RECENT_MS <= now - withinMs) continue
    for (const [key, n] of Object.entries(minute.counts)) sums.set(key, (sums.get(key) ?? 0) + n)
  }
  return sums
}

/**
 * Null: nothing waits, or it is not due yet. Counted from the start of the epoch: what waited before is not of this stage,
 * and may be due by a clock that was set since.
 */
export function oldestReadyMs({ now, gauges: { oldestReadyAt } }: Snapshot, startedAt: number): number | null {
  return oldestReadyAt === null || oldestReadyAt > now ? null : now - Math.max(oldestReadyAt, startedAt)
}
