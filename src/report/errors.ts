// In what did jobs and shadows end that failed? Final errors by class and side.

import { MEASURES } from '../ports/row-rules.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'
import { bySide } from './jobs.ts'
import type { ErrorClassReport } from './model.ts'
import type { Sums } from './sums.ts'

const MOST = 30
/** Gathers the classes beyond the bound. */
export const REST_OF_ERRORS = '…'

type Counts = Record<Side, { jobs: number; shadows: number }>

/** Most frequent first; beyond thirty they are gathered. */
export function errorsReport(sums: Sums): ErrorClassReport[] {
  const classes = new Map<string, Counts>()
  for (const arm of ['primary', 'shadow'] as const) {
    for (const side of SIDES) {
      const prefix = MEASURES.failedAs(arm, side, '')
      for (const [name, n] of sums.startingWith(prefix)) {
        const counts = classes.get(name) ?? bySide(() => ({ jobs: 0, shadows: 0 }))
        classes.set(name, counts)
        counts[side][arm === 'primary' ? 'jobs' : 'shadows'] += n
      }
    }
  }
  const sorted = [...classes]
    .map(([name, counts]): ErrorClassReport => ({ class: name, ...counts }))
    .sort((a, b) => weight(b) - weight(a) || (a.class < b.class ? -1 : 1))
  const rest = sorted.splice(MOST)
  return rest.length === 0 ? sorted : [...sorted, gathered(rest)]
}

function weight({ legacy, target }: ErrorClassReport): number {
  return legacy.jobs + legacy.shadows + target.jobs + target.shadows
}

function gathered(rest: readonly ErrorClassReport[]): ErrorClassReport {
  const sum = (side: Side, of: 'jobs' | 'shadows'): number => rest.reduce((all, each) => all + each[side][of], 0)
  return {
    class: REST_OF_ERRORS,
    ...bySide((side) => ({ jobs: sum(side, 'jobs'), shadows: sum(side, 'shadows') })),
  }
}
