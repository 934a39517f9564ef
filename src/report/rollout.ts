// Where does a staged cutover stand? From the controller's record and the counts of the same read, judged by the code that
// the controller uses.

import type { DriveState, PresenceRecord, Snapshot } from '../ports/ledger.ts'
import { type DriveReason, decideStep } from '../rollout/drive/decide.ts'
import type { DriveFacts, FlagFacts, PlanReading } from '../rollout/drive/facts.ts'
import { driveFacts, type Judged, judgeDriven } from '../rollout/drive/look.ts'
import { attemptOf, type DriveRecord, dialsOf, type Move, readRecord, type Said } from '../rollout/drive/record.ts'
import { type TrendPoint as StoredPoint, trendPoint } from '../rollout/drive/trend.ts'
import { waitsOf } from '../rollout/drive/words.ts'
import type { McpCounts } from '../rollout/gates/stage.ts'
import { thresholds } from '../rollout/gates/thresholds.ts'
import { latencyTimes } from '../rollout/observe/times.ts'
import { STATISTICAL_GATES, type Stage, testsOf } from '../rollout/plan/types.ts'
import { type GateContext, gateReport } from './gates.ts'
import type {
  RolloutReport,
  RolloutStage,
  Said as SaidReport,
  StageLimit,
  TimelineEntry,
  TrendPoint,
} from './rollout-model.ts'

export interface RolloutSource {
  readonly snapshot: Snapshot
  readonly presence: readonly PresenceRecord[]
  readonly drive: DriveState
}

/** What only a live look knows; without it the ledger alone is believed. */
export interface Seen {
  readonly flag?: FlagFacts
  readonly plan?: PlanReading
  readonly mcp?: readonly McpCounts[]
}

/** Null: no plan was ever driven. */
export function rolloutReport(source: RolloutSource, seen: Seen = {}): RolloutReport | null {
  const record = readRecord(source.drive)
  if (record === undefined) return null
  const { flag = flagByLedger(source), plan = { kind: 'same' }, mcp } = seen
  const facts = driveFacts(record, source, { flag, plan })
  const { driven } = source.drive
  const judged = driven ? judgeDriven(record, source, { facts, ...(mcp === undefined ? {} : { mcp }) }) : null
  const { reasons, waits } = driven ? reasonsOf(record, judged, facts) : { reasons: [], waits: false }
  return {
    ...{ driven, phase: record.phase, stage: record.stage, attempt: attemptOf(record), epoch: record.epoch ?? null },
    ...{ enteredAt: iso(record.enteredAt), targetVersion: record.targetVersion ?? null, alpha: record.plan.alpha },
    stages: stagesOf(record),
    ...{ paused: saidReport(record.paused), approved: saidReport(record.approved) },
    ...{ verdict: judged?.judgement.verdict ?? null, reasons },
    waits: waits ? waitsOf({ record, reasons, judgement: judged?.judgement ?? null, facts }) : [],
    gates: judged === null ? [] : gatesOf(judged, source.snapshot, record),
    ...trendOf(record, judged, source.snapshot.now),
    timeline: record.moves.map(timelineEntry),
  }
}

/** As the controller's looks found it, and as it is now; after a rollback, as it was until then. */
function trendOf(
  record: DriveRecord,
  judged: Judged | null,
  now: number,
): Pick<RolloutReport, 'trend' | 'trendLevels'> {
  const { trend, epoch } = record
  const looks = trend === undefined || (epoch !== undefined && epoch !== trend.epoch) ? [] : trend.points
  const last = judged === null ? undefined : trendPoint(now, judged.judgement)
  const points = [...looks.filter(({ at }) => at < now || last === undefined), ...(last === undefined ? [] : [last])]
  const { alpha } = record.plan
  const levels = { alpha, attempt: attemptOf(record), tests: testsOf(record.plan) }
  return { trend: points.map(pointReport), trendLevels: points.length === 0 ? null : thresholds(levels) }
}

function pointReport({ at, gates }: StoredPoint): TrendPoint {
  const told = STATISTICAL_GATES.flatMap((name) => {
    const [evidenceFor, evidenceAgainst] = gates[name] ?? []
    return evidenceFor === undefined || evidenceAgainst === undefined ? [] : [{ name, evidenceFor, evidenceAgainst }]
  })
  return { at: iso(at), gates: told }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

/** As its live producers tell: the report reads no flag. */
function flagByLedger({ snapshot, presence }: RolloutSource): FlagFacts {
  const { epoch } = snapshot.control
  const told = presence.filter(({ gone, produces }) => !gone && produces)
  const revision = told[0]?.flagRevision ?? epoch.flagRevision
  return { state: 'ok', reading: { kind: 'dials', ...epoch.dials }, revision, writable: true }
}

/** What the controller would say now; `waits`: whether that is why it does not go on. */
function reasonsOf(
  record: DriveRecord,
  judged: Judged | null,
  facts: DriveFacts,
): { readonly reasons: readonly DriveReason[]; readonly waits: boolean } {
  const action = decideStep(record, judged?.judgement ?? null, facts)
  if (action.kind === 'hold' || action.kind === 'rollback' || action.kind === 'fail') {
    return { reasons: action.reasons, waits: true }
  }
  return { reasons: judged?.judgement.reasons ?? [], waits: false }
}

function saidReport(said: Said | undefined): SaidReport | null {
  return said === undefined ? null : { at: iso(said.at), by: said.by, why: said.why ?? null }
}

function stagesOf(record: DriveRecord): RolloutStage[] {
  const { stages } = record.plan
  const current = stages.findIndex(({ name }) => name === record.stage)
  const state = (at: number): RolloutStage['state'] => {
    if (at < current || record.phase === 'done') return 'passed'
    return at === current ? 'current' : 'ahead'
  }
  return stages.map((stage, at) => {
    const { name, approval, onFail, minSoakMs, maxStayMs } = stage
    const attempts = record.attempts[name] ?? 0
    const told = { name, state: state(at), dials: dialsOf(stage), approval, onFail, minSoakMs, maxStayMs, attempts }
    return { ...told, limits: limitsOf(stage) }
  })
}

function limitsOf({ gates }: Stage): StageLimit[] {
  return STATISTICAL_GATES.flatMap((name) => {
    const gate = gates[name]
    if (gate === undefined) return []
    const { rule, unit } = gate
    return [{ gate: name, rule, limit: 'ratio' in gate ? gate.ratio : gate.limit, unit }]
  })
}

function gatesOf(
  { stage, counts, judgement }: Judged,
  snapshot: Snapshot,
  record: DriveRecord,
): RolloutReport['gates'] {
  const epoch = record.epoch ?? snapshot.control.epoch.epoch
  const times: GateContext['times'] = (tau, gate) => latencyTimes(snapshot, { stage, epoch, tau, gate })
  return judgement.gates.map((gate) => gateReport(gate, { stage, counts, times }))
}

function timelineEntry({ at, action, by, why, stage, attempt, epoch, dials, decision }: Move): TimelineEntry {
  return { at: iso(at), action, by, why: why ?? null, stage, attempt, epoch, dials, decision: decision ?? null }
}
