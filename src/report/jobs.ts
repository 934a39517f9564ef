// Where are the jobs? Numbers of jobs by state, side and route, from the counters and the gauges of one snapshot.

import type { FinishClass, Gauges, PresenceRecord } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import { ROUTES, type Route, SIDES, type Side } from '../vocabulary/job.ts'
import type { JobsReport, RouteReport, SideReport } from './model.ts'
import type { Sums } from './sums.ts'

/** `part` of `whole`; null where there is no whole. */
export function shareOf(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null
}

export function bySide<T>(make: (side: Side) => T): Record<Side, T> {
  return { legacy: make('legacy'), target: make('target') }
}

function total(per: (side: Side) => number): number {
  return SIDES.reduce((sum, side) => sum + per(side), 0)
}

export function jobsReport(sums: Sums, gauges: Gauges): JobsReport {
  const counted = (measure: (side: Side) => string): number => total((side) => sums.of(measure(side)))
  const settled = (cls: FinishClass) => total((side) => endedOn(side, cls, sums))
  const late = (['ok', 'failed', 'cancelled', 'backend-failed'] as const).map((cls) =>
    total((side) => sums.in('late', MEASURES.settled(cls, side))),
  )
  return {
    enqueued: counted(MEASURES.dispatched),
    done: settled('ok'),
    failed: settled('failed') + settled('backend-failed'),
    backendFailed: settled('backend-failed'),
    cancelled: settled('cancelled'),
    refused: counted(MEASURES.refused),
    waiting: total((side) => gauges.waiting[side]),
    running: total((side) => gauges.running[side]),
    moving: gauges.moving,
    inDoubt: total((side) => gauges.inDoubt[side]),
    lost: total((side) => gauges.lost[side]),
    overdue: gauges.overdue,
    twice: sums.of(MEASURES.twice),
    adopted: counted(MEASURES.adopted),
    unflagged: counted(MEASURES.unflagged),
    late: late.reduce((a, b) => a + b, 0),
    retried: counted(MEASURES.retried),
    zombie: counted(MEASURES.zombie),
    effectFailed: counted(MEASURES.effectFailed),
    unrecorded: counted(MEASURES.unrecorded),
    moved: counted(MEASURES.movedIn),
    reopened: total((side) => reopenedOn(side, sums)),
  }
}

/** Ends that still stand: those of jobs that were run again do not. */
export function endedOn(side: Side, cls: FinishClass, sums: Sums): number {
  return sums.of(MEASURES.settled(cls, side)) - sums.of(MEASURES.reopened(cls, side))
}

function reopenedOn(side: Side, sums: Sums): number {
  return sums.of(MEASURES.reopened('failed', side)) + sums.of(MEASURES.reopened('backend-failed', side))
}

export function sideReport(side: Side, sums: Sums, gauges: Gauges, live: readonly PresenceRecord[]): SideReport {
  const backendFailed = endedOn(side, 'backend-failed', sums)
  const workers = live.filter((process) => process.works[side] !== undefined)
  return {
    enqueued: sums.of(MEASURES.dispatched(side)),
    done: sums.of(MEASURES.settled('ok', side)),
    failed: endedOn(side, 'failed', sums) + backendFailed,
    backendFailed,
    cancelled: sums.of(MEASURES.settled('cancelled', side)),
    refused: sums.of(MEASURES.refused(side)),
    waiting: gauges.waiting[side],
    running: gauges.running[side],
    backlog: gauges.waiting[side] + gauges.running[side],
    inDoubt: gauges.inDoubt[side],
    lost: gauges.lost[side],
    adopted: sums.of(MEASURES.adopted(side)),
    unflagged: sums.of(MEASURES.unflagged(side)),
    retried: sums.of(MEASURES.retried(side)),
    zombie: sums.of(MEASURES.zombie(side)),
    effectFailed: sums.of(MEASURES.effectFailed(side)),
    unrecorded: sums.of(MEASURES.unrecorded(side)),
    movedIn: sums.of(MEASURES.movedIn(side)),
    movedOut: sums.of(MEASURES.movedOut(side)),
    reopened: reopenedOn(side, sums),
    shadows: {
      wanted: sums.of(MEASURES.shadowWanted(side)),
      shed: sums.of(MEASURES.shadowShed(side)),
      done: sums.of(MEASURES.shadowEnded(true, side)),
      failed: sums.of(MEASURES.shadowEnded(false, side)),
    },
    workers: workers.length,
    shadowWorkers: live.filter((process) => process.shadows.includes(side)).length,
    versions: [...new Set(workers.map((process) => process.works[side] ?? ''))].sort(),
  }
}

export function routesReport(sums: Sums): Record<Route, RouteReport> {
  const counts = ROUTES.map((route) => sums.of(MEASURES.route(route)))
  const all = counts.reduce((a, b) => a + b, 0)
  const report = (route: Route): RouteReport => {
    const enqueued = sums.of(MEASURES.route(route))
    return { enqueued, share: shareOf(enqueued, all) }
  }
  return {
    legacy: report('legacy'),
    'legacy-shadowed': report('legacy-shadowed'),
    target: report('target'),
    'target-shadowed': report('target-shadowed'),
  }
}
