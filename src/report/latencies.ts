// How long did jobs wait and run? Quantiles of the ledger's histograms, summed over epochs.

import { mergeLatencies, summarise } from '../comparison/latency.ts'
import type { Histogram } from '../ports/ledger.ts'
import { bySide } from './jobs.ts'
import type { LatencyReport, Quantiles } from './model.ts'

export function latencyReport(histograms: readonly Histogram[]): LatencyReport {
  const byName = Map.groupBy(histograms, ({ name }) => name)
  const of = (name: string): Quantiles => {
    const { n, p50, p95, p99 } = summarise(mergeLatencies((byName.get(name) ?? []).map(({ counts }) => counts)))
    return { n, p50: p50 ?? null, p95: p95 ?? null, p99: p99 ?? null }
  }
  return {
    ...bySide((side) => ({
      wait: of(`wait.${side}`),
      run: of(`run.primary.${side}`),
      shadowRun: of(`run.shadow.${side}`),
    })),
    controlRun: of('run.control.legacy'),
  }
}
