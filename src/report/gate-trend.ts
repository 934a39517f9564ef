// How did the evidence of a stage's gates grow? The stage judged again as it stood at moments of its past.
//
// Counts are kept by due time, so what a gate could read at a moment is known: the buckets that were closed then. Times
// are not kept so, which is why the gates of p50 and p95 are not told. Rolled-up buckets count from their end on.

import type { Snapshot } from '../ports/ledger.ts'
import type { StageJudgement } from '../rollout/gates/stage.ts'
import type { TrendPoint } from './rollout-model.ts'

const POINTS = 12
/** Gates whose counts are all in buckets. */
const TOLD: ReadonlySet<string> = new Set(['mismatch', 'errors', 'lost'])

/** Oldest first; the last point is now. `judge` is what judges now. */
export function gateTrend(
  snapshot: Snapshot,
  epoch: number,
  judge: (snapshot: Snapshot) => StageJudgement | undefined,
): TrendPoint[] {
  const startedAt = snapshot.epochs.find((record) => record.epoch === epoch)?.startedAt ?? snapshot.now
  if (startedAt >= snapshot.now) return []
  // neither times nor differences are judged here: without them a look costs next to nothing
  const own = { ...snapshot, histograms: [], differences: [] }
  const buckets = snapshot.buckets.filter((bucket) => bucket.epoch === epoch)
  const points: TrendPoint[] = []
  for (let at = 1; at <= POINTS; at += 1) {
    const now = Math.round(startedAt + ((snapshot.now - startedAt) * at) / POINTS)
    const until = buckets.filter(({ start, widthMs }) => start + widthMs <= now || at === POINTS)
    const judgement = judge({ ...own, now, buckets: until })
    if (judgement !== undefined) points.push(pointOf(now, judgement))
  }
  return points
}

function pointOf(now: number, { gates }: StageJudgement): TrendPoint {
  return {
    at: new Date(now).toISOString(),
    gates: gates
      .filter(({ name }) => TOLD.has(name))
      .map(({ name, logEPass, logEFail }) => ({
        name,
        evidenceFor: finite(logEPass),
        evidenceAgainst: finite(logEFail),
      })),
  }
}

/** JSON has no infinity. */
export function finite(log: number | null): number | null {
  if (log === null) return null
  return Math.max(-1e6, Math.min(1e6, log))
}
