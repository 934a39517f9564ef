// How did it go over time? The buckets of a snapshot as at most 120 points, and the evidence on mismatches as it grew.
//
// Buckets are of due time: a job is in the point of the time at which it was due, whenever it ended. Buckets that were
// rolled up are wider than a point; a point tells its own width, so that counts can be shown as rates.

import type { TallyBucket } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import { bounds } from '../rollout/evidence.ts'
import { bySide, endedOn, shareOf } from './jobs.ts'
import type { EvidencePoint, Interval, TimelinePoint } from './model.ts'
import { Sums, sumBuckets } from './sums.ts'

const POINTS = 120
const EVIDENCE_POINTS = 24

/** Oldest first. A stretch in which nothing was due is one point of zeros. */
export function timelineReport(buckets: readonly TallyBucket[]): TimelinePoint[] {
  const points: TimelinePoint[] = []
  let until: number | undefined
  for (const { start, end, sums } of slotsOf(buckets)) {
    if (until !== undefined && start > until) points.push(pointOf({ start: until, end: start, sums: NOTHING }))
    points.push(pointOf({ start, end, sums }))
    until = Math.max(until ?? end, end)
  }
  return points
}

interface Slot {
  readonly start: number
  readonly end: number
  readonly sums: Sums
}

const NOTHING = new Sums(new Map())

/** Stretches of equal width that hold a bucket's start, in order; each as wide as its widest bucket reaches. */
function slotsOf(buckets: readonly TallyBucket[]): Slot[] {
  const [first, last, narrowest] = spanOf(buckets)
  const width = Math.max(1, Math.ceil((last - first) / POINTS / narrowest)) * narrowest
  const bySlot = Map.groupBy(buckets, ({ start }) => Math.floor((start - first) / width))
  return [...bySlot]
    .sort(([a], [b]) => a - b)
    .map(([at, own]) => ({
      start: first + at * width,
      end: own.reduce((end, { start, widthMs }) => Math.max(end, start + widthMs), first + (at + 1) * width),
      sums: sumBuckets(own).all,
    }))
}

function spanOf(buckets: readonly TallyBucket[]): [first: number, last: number, narrowest: number] {
  let [first, last, narrowest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (const { start, widthMs } of buckets) {
    first = Math.min(first, start)
    last = Math.max(last, start + widthMs)
    narrowest = Math.min(narrowest, widthMs)
  }
  return [first, last, narrowest]
}

function pointOf({ start, end, sums }: Slot): TimelinePoint {
  const looks = sums.of(MEASURES.backlogLooks)
  const mismatched = sums.of(MEASURES.compared('pair', 'mismatched'))
  return {
    at: new Date(start).toISOString(),
    widthMs: end - start,
    sides: bySide((side) => ({
      enqueued: sums.of(MEASURES.dispatched(side)),
      done: endedOn(side, 'ok', sums),
      failed: endedOn(side, 'failed', sums) + endedOn(side, 'backend-failed', sums),
      backlog: shareOf(sums.of(MEASURES.backlogSeen(side)), looks),
      oldestMs: shareOf(sums.of(MEASURES.backlogOldest(side)), looks),
    })),
    compared: sums.of(MEASURES.compared('pair', 'matched')) + mismatched,
    mismatched,
  }
}

/** How the interval of the share of mismatches narrowed: cumulative, the last point is the interval itself. */
export function evidenceReport(buckets: readonly TallyBucket[], interval: Interval): EvidencePoint[] {
  const { unit, units, alphaEachSide } = interval
  if (units === 0) return []
  const counted = buckets
    .map(({ start, widthMs, counts }) => {
      const of = (cls: string): number => counts[`${unit}/${MEASURES.compared('pair', cls)}`] ?? 0
      return { end: start + widthMs, matched: of('matched'), mismatched: of('mismatched') }
    })
    .filter(({ matched, mismatched }) => isCount(matched) && isCount(mismatched) && matched + mismatched > 0)
    .sort((a, b) => a.end - b.end)
  const points: EvidencePoint[] = []
  const step = units / EVIDENCE_POINTS
  let sum = { units: 0, mismatched: 0 }
  for (const [at, { end, matched, mismatched }] of counted.entries()) {
    sum = { units: sum.units + matched + mismatched, mismatched: sum.mismatched + mismatched }
    const last = at === counted.length - 1
    if (!last && sum.units < step * (points.length + 1)) continue
    const { lower, upper } = bounds(sum.units, sum.mismatched, alphaEachSide)
    points.push({ at: new Date(end).toISOString(), ...sum, lower, upper })
  }
  return points
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}
