// How did the evidence of a stage's gates grow? What they said at looks of the controller, spread over the time of the
// stage's counts, as the record keeps it.
//
// Of run times a ledger keeps sums, not how they came: what a gate could read at a moment is known at that moment only.
// So it is noted then, for every gate alike.

import { isDeepStrictEqual } from 'node:util'
import type { StageJudgement } from '../gates/stage.ts'
import type { StageGateName } from '../gates/stage-inputs.ts'
import { STATISTICAL_GATES, type StatisticalGateName } from '../plan/types.ts'
import { type DriveRecord, recordJson } from './record.ts'
import type { Step } from './steps.ts'

export interface TrendPoint {
  /** Ledger clock. */
  readonly at: number
  /** Natural logarithms for and against; a gate without counts is not in it. */
  readonly gates: Readonly<
    Partial<Record<StatisticalGateName, readonly [evidenceFor: number, evidenceAgainst: number]>>
  >
}

export interface Trend {
  /** In which all of it was counted. */
  readonly epoch: number
  /** Oldest first, at most `TREND_KEPT`. */
  readonly points: readonly TrendPoint[]
}

export const TREND_KEPT = 24
/** Looks that lie closer than this say nothing more. */
const LEAST_MS = 1000
/** JSON has no infinity. */
const MOST = 1e6

/** What the gates that have evidence say; undefined where none of them has counts. */
export function trendPoint(at: number, { gates }: StageJudgement): TrendPoint | undefined {
  const told = gates.flatMap(({ name, logEPass, logEFail }) => {
    if (!isTold(name) || logEPass === null || logEFail === null) return []
    return [[name, [finite(logEPass), finite(logEFail)]] as const]
  })
  return told.length === 0 ? undefined : { at, gates: Object.fromEntries(told) }
}

function isTold(name: StageGateName): name is StatisticalGateName {
  return (STATISTICAL_GATES as readonly StageGateName[]).includes(name)
}

export function finite(log: number): number {
  return Math.max(-MOST, Math.min(MOST, log))
}

/**
 * The record with what the gates say now, or the record itself where a point so near to the last one would say nothing
 * more. `decisive`: a step is taken because of it, so it is kept in any case.
 */
export function withTrend(
  record: DriveRecord,
  judgement: StageJudgement,
  { now, startedAt, decisive }: { readonly now: number; readonly startedAt: number; readonly decisive: boolean },
): DriveRecord {
  const { epoch } = record
  const point = trendPoint(now, judgement)
  if (epoch === undefined || point === undefined) return record
  const points = record.trend?.epoch === epoch ? record.trend.points : []
  const last = points.at(-1)
  const apart = decisive ? 1 : Math.max(LEAST_MS, (now - startedAt) / TREND_KEPT)
  if (last !== undefined && now - last.at < apart) return record
  return { ...record, trend: { epoch, points: [...thinned(points), point] } }
}

/** Room for one more: without the point that leaves the smallest gap, so that what is kept is spread evenly. */
function thinned(points: readonly TrendPoint[]): readonly TrendPoint[] {
  if (points.length < TREND_KEPT) return points
  const gap = (at: number): number => (points[at + 1]?.at ?? 0) - (points[at - 1]?.at ?? 0)
  let least = 1
  for (let at = 2; at < points.length - 1; at++) if (gap(at) < gap(least)) least = at
  return points.toSpliced(least, 1)
}

/** Writes the trend and nothing else; a measurement, so the audit log has nothing to say. */
export function trendStep(record: DriveRecord, by: string): Step {
  return { driven: true, record: recordJson(record), by, audit: [] }
}

/**
 * `step`, which was made of `before`, as one of `after`; undefined where more than the trend has changed. Whoever says
 * something to a plan need not say it again because its controller noted how the evidence stood.
 */
export function overTrend(step: Step, before: DriveRecord, after: DriveRecord): Step | undefined {
  const { trend: _before, ...was } = before
  const { trend, ...is } = after
  if (!isDeepStrictEqual(was, is)) return undefined
  const next = step.record as unknown as DriveRecord
  return { ...step, record: recordJson(trend !== undefined && trend.epoch === next.epoch ? { ...next, trend } : next) }
}
