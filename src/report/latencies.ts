// How long did jobs wait and run? Quantiles of the ledger's histograms, summed over epochs.

import { type LatencyCounts, mergeLatencies, quantiles, summarise } from '../comparison/latency.ts'
import type { Histogram } from '../ports/ledger.ts'
import { bySide } from './jobs.ts'
import type { LatencyReport, Quantiles, SideCurves } from './model.ts'

/** Denser towards the tail, where the promises are. */
const CURVE_AT: readonly number[] = [
  ...[0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985],
  ...[0.99, 0.9925, 0.995, 0.9975, 0.999],
]

export function latencyReport(histograms: readonly Histogram[]): LatencyReport {
  const byName = Map.groupBy(histograms, ({ name }) => name)
  const merged = (name: string): LatencyCounts => mergeLatencies((byName.get(name) ?? []).map(({ counts }) => counts))
  return {
    ...bySide((side) => ({
      wait: quantilesOf(merged(`wait.${side}`)),
      run: quantilesOf(merged(`run.primary.${side}`)),
      shadowRun: quantilesOf(merged(`run.shadow.${side}`)),
    })),
    controlRun: quantilesOf(merged('run.control.legacy')),
    curves: {
      at: CURVE_AT,
      ...bySide(
        (side): SideCurves => ({
          wait: curveOf(merged(`wait.${side}`)),
          run: curveOf(merged(`run.primary.${side}`)),
          shadowRun: curveOf(merged(`run.shadow.${side}`)),
        }),
      ),
    },
  }
}

function quantilesOf(counts: LatencyCounts): Quantiles {
  const { n, p50, p95, p99 } = summarise(counts)
  return { n, p50: p50 ?? null, p95: p95 ?? null, p99: p99 ?? null }
}

/** A quantile of which less than one run lies beyond is only the largest run once more: it is left out. */
function curveOf(counts: LatencyCounts): (number | null)[] {
  const n = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return quantiles(counts, CURVE_AT).map((ms, at) => (n * (1 - (CURVE_AT[at] ?? 1)) < 1 ? null : (ms ?? null)))
}
