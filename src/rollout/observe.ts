// From one ledger snapshot to everything that a stage is judged by. Pure: the same snapshot gives the same counts, so
// that any verdict can be replayed from the audit log.
//
// Statistical gates read closed buckets of one epoch, each in its own unit. What is not in the snapshot (MCP probes,
// presence, the flag) is handed in.

import type { CountKey, Family, Snapshot } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import type { LatencyObserved, McpCounts, StageConditions, StageCounts } from './gates/stage.ts'
import { ClosedBuckets } from './observe/buckets.ts'
import {
  ALONE_ERRORS,
  assigned,
  canaryErrors,
  controls,
  EXCESS,
  LOST,
  legacyFailures,
  MISMATCH,
  PAIRED_ERRORS,
  shedding,
} from './observe/readings.ts'
import { latencyObserved, oldestReadyMs, queueWaitCounts, tripwireCounts } from './observe/times.ts'
import { type Plan, type RatioGate, type Stage, testsOf, type Unit } from './plan/types.ts'

export interface StageQuestion {
  readonly plan: Plan
  readonly stage: Stage
  /** Of this stage by this target version, from 1. */
  readonly attempt: number
  /** Whose counts; default the current one. */
  readonly epoch?: number
  /** First epoch of this attempt: an id that finished twice is looked for from there on. Default `epoch`. */
  readonly since?: number
  /** Share of legacy's primaries that failed, frozen in the stage before (`legacyErrorRate`); read at target 100 %. */
  readonly legacyRate?: number
  /** One entry a configured server. */
  readonly mcp?: readonly McpCounts[]
  readonly conditions?: StageConditions
  /** The reader has seen the ledger's clock jump since it looked last; what processes saw is in the counts. */
  readonly clockJumped?: boolean
}

/** What of the stage's gates the snapshot has no counts for is absent, and holds. */
export function stageCounts(snapshot: Snapshot, question: StageQuestion): StageCounts {
  const { plan, stage, attempt, mcp, conditions = {} } = question
  const epoch = question.epoch ?? snapshot.control.epoch.epoch
  const closed = new ClosedBuckets(snapshot, epoch)
  const startedAt = snapshot.epochs.find((record) => record.epoch === epoch)?.startedAt ?? snapshot.now
  const contradictions = clockTrouble(snapshot, { epoch, startedAt, clockJumped: question.clockJumped ?? false })
  return {
    levels: { alpha: plan.alpha, attempt, tests: testsOf(plan) },
    ...comparisonCounts(stage, closed),
    ...errorCounts(stage, closed, question),
    ...latencyCounts(stage, snapshot, epoch),
    // after a jump of the clock nobody knows which jobs have had their deadline, or how long one has waited
    ...(contradictions.length > 0 ? {} : timelyCounts(stage, closed, { snapshot, startedAt })),
    shed: closed.total('job', shedding),
    // per key whatever the unit: jobs of one key go the same way and would raise false alarms
    sampleRatio: closed.total('key', assigned),
    duplicates: { twice: finishedTwice(snapshot, question.since ?? epoch) },
    tripwire: tripwireCounts(snapshot, epoch),
    queueWait: queueWaitCounts(snapshot, epoch, stage.gates.plain.queueWaitMs),
    ...(mcp === undefined ? {} : { mcp }),
    soakedMs: snapshot.now - startedAt,
    conditions: contradictions.length === 0 ? conditions : { ...conditions, contradictions },
  }
}

function timelyCounts(
  { gates: { lost } }: Stage,
  closed: ClosedBuckets,
  { snapshot, startedAt }: { readonly snapshot: Snapshot; readonly startedAt: number },
): Partial<StageCounts> {
  const backlog = { ageMs: oldestReadyMs(snapshot, startedAt) }
  return lost === undefined ? { backlog } : { backlog, lost: closed.observe(lost.unit, lost.minUnits, LOST) }
}

function clockTrouble(
  snapshot: Snapshot,
  {
    epoch,
    startedAt,
    clockJumped,
  }: { readonly epoch: number; readonly startedAt: number; readonly clockJumped: boolean },
): string[] {
  const found: string[] = []
  if (startedAt > snapshot.now) found.push("the epoch began in the future of the ledger's clock")
  if (clockJumped || sawClockJump(snapshot, epoch)) found.push("the ledger's clock jumped in this epoch")
  return found
}

/** A process noted that the ledger's clock jumped in this epoch. */
export function sawClockJump({ buckets }: Snapshot, epoch: number): boolean {
  const key: CountKey = `excluded/${MEASURES.clockJumped}`
  return buckets.some((bucket) => bucket.epoch === epoch && (bucket.counts[key] ?? 0) > 0)
}

function comparisonCounts({ gates: { mismatch }, control }: Stage, closed: ClosedBuckets): Partial<StageCounts> {
  if (mismatch === undefined) return {}
  const { unit, minUnits, against } = mismatch
  if (against === 'control') return { excessMismatch: closed.observe(unit, minUnits, EXCESS) }
  const observed = closed.observe(unit, minUnits, MISMATCH)
  return { mismatch: { ...observed, ...(control > 0 ? { control: closed.total(unit, controls) } : {}) } }
}

function errorCounts(stage: Stage, closed: ClosedBuckets, { legacyRate }: StageQuestion): Partial<StageCounts> {
  const { errors } = stage.gates
  if (errors === undefined) return {}
  const { unit, minUnits } = errors
  if (stage.target === 0) return { errorsPaired: closed.observe(unit, minUnits, PAIRED_ERRORS) }
  if (stage.target < 1) return { errorsCanary: closed.observe(unit, minUnits, canaryErrors(stage.target)) }
  if (legacyRate === undefined) return {}
  return { errorsAlone: { ...closed.observe(unit, minUnits, ALONE_ERRORS), legacyRate } }
}

function latencyCounts(stage: Stage, snapshot: Snapshot, epoch: number): Partial<StageCounts> {
  const { p50, p95 } = stage.gates
  const of = (tau: number, gate: RatioGate | undefined): LatencyObserved | undefined =>
    gate === undefined ? undefined : latencyObserved(snapshot, { stage, epoch, tau, gate })
  const [half, most] = [of(0.5, p50), of(0.95, p95)]
  return { ...(half === undefined ? {} : { p50: half }), ...(most === undefined ? {} : { p95: most }) }
}

/** Whatever the family: a broken promise is one for adopted jobs and in a closed bucket, too. */
function finishedTwice(snapshot: Snapshot, since: number): number {
  const families: readonly Family[] = ['job', 'excluded', 'late']
  const keys = families.map((family) => `${family}/${MEASURES.twice}` as CountKey)
  let twice = 0
  for (const { epoch, counts } of snapshot.buckets) {
    if (epoch < since) continue
    for (const key of keys) twice += counts[key] ?? 0
  }
  return twice
}

/** Share of legacy's primaries that failed in an epoch; to be frozen before a stage at target 100 %, which has none. */
export function legacyErrorRate(snapshot: Snapshot, epoch: number, unit: Unit): number | undefined {
  return new ClosedBuckets(snapshot, epoch).total(unit, legacyFailures)
}
