// One look at everything that a step is decided from: the controller, `status`, `promote --dry-run` and the report see the
// same, because they look with this.

import { coversRevision, type FlagSource } from '../../ports/flags.ts'
import { CLOCK_JUMP_MS, type DriveState, type PresenceRecord, type Snapshot } from '../../ports/ledger.ts'
import { SIDES, type Side } from '../../vocabulary/job.ts'
import { judgeStage, type McpCounts, type StageCounts, type StageJudgement } from '../gates/stage.ts'
import { sawClockJump, stageCounts } from '../observe.ts'
import type { Stage } from '../plan/types.ts'
import type { DriveFacts, FlagFacts, PlanReading, ProducerFacts } from './facts.ts'
import { attemptOf, type DriveRecord, nextStage, stageOf } from './record.ts'

/** What is read of a migration's ledger, together. */
export interface LedgerView {
  readonly snapshot: Snapshot
  readonly presence: readonly PresenceRecord[]
  readonly drive: DriveState
}

export function flagFacts(source: FlagSource, flag: string): FlagFacts {
  const { state, message } = source.health()
  return {
    state,
    reading: source.read(flag),
    revision: source.revision(),
    writable: source.writer !== undefined,
    ...(message === undefined ? {} : { message }),
  }
}

export function driveFacts(
  record: DriveRecord | undefined,
  { snapshot, presence }: LedgerView,
  seen: { readonly flag: FlagFacts; readonly plan: PlanReading; readonly clockJumpMs?: number },
): DriveFacts {
  const { control, now } = snapshot
  const live = presence.filter(({ gone }) => !gone)
  const { by, why } = control.latch
  return {
    now,
    clockJumpMs: seen.clockJumpMs ?? 0,
    clockJumped: record?.epoch !== undefined && sawClockJump(snapshot, record.epoch),
    latch: {
      set: control.latch.set,
      revision: control.latch.revision,
      ...(by === undefined ? {} : { by }),
      ...(why === undefined ? {} : { why }),
    },
    epoch: control.epoch,
    ceiling: control.ceiling,
    controlShare: control.controlShare,
    flag: seen.flag,
    producers: producersOf(live, seen.flag.revision, control.latch.revision),
    versions: { legacy: versionsOf(live, 'legacy'), target: versionsOf(live, 'target') },
    unworked: record === undefined ? [] : unworkedQueues(stageOf(record), live),
    plan: seen.plan,
  }
}

function producersOf(live: readonly PresenceRecord[], flag: string, latch: number): readonly ProducerFacts[] {
  return live
    .filter(({ produces }) => produces)
    .map(({ instance, host, pid, flagHealth, flagRevision, latchRevision }) => ({
      ...{ instance, host, pid, flagHealth },
      behind: [
        ...(coversRevision(flagRevision, flag) ? [] : ['flag' as const]),
        ...(latchRevision >= latch ? [] : ['latch' as const]),
      ],
    }))
}

function versionsOf(live: readonly PresenceRecord[], side: Side): readonly string[] {
  return [...new Set(live.flatMap(({ works }) => works[side] ?? []))].sort()
}

/** Queues into which this stage sends jobs and that no live process reads. */
export function unworkedQueues({ target, shadow, control }: Stage, live: readonly PresenceRecord[]): string[] {
  const wanted: readonly (readonly [boolean, Side, 'primaries' | 'shadows'])[] = [
    [target < 1, 'legacy', 'primaries'],
    [target > 0, 'target', 'primaries'],
    [shadow > 0 && target < 1, 'target', 'shadows'],
    [shadow > 0 && (target > 0 || control > 0), 'legacy', 'shadows'],
  ]
  return wanted
    .filter(([needed]) => needed)
    .filter(([, side, what]) => {
      return !live.some(({ works, shadows }) =>
        what === 'primaries' ? works[side] !== undefined : shadows.includes(side),
      )
    })
    .map(([, side, what]) => (what === 'primaries' ? side : `${side} (shadows)`))
}

export interface Judged {
  readonly stage: Stage
  readonly counts: StageCounts
  readonly judgement: StageJudgement
}

/** Null: nothing is counted now, as the stage is entered or another epoch is current. */
export function judgeDriven(
  record: DriveRecord,
  { snapshot }: LedgerView,
  {
    facts,
    mcp,
    ageMs = 0,
  }: { readonly facts: DriveFacts; readonly mcp?: readonly McpCounts[]; readonly ageMs?: number },
): Judged | null {
  const { epoch, phase } = record
  if (phase === 'entering' || phase === 'back' || epoch === undefined || epoch !== facts.epoch.epoch) return null
  const stage = stageOf(record)
  const next = nextStage(record)
  const approved = record.approved !== undefined && record.approved.stage === next?.name
  const counts = stageCounts(snapshot, {
    ...{ plan: record.plan, stage, attempt: attemptOf(record), epoch, legacyRate: record.legacyRate },
    ...(mcp === undefined ? {} : { mcp }),
    clockJumped: Math.abs(facts.clockJumpMs) > CLOCK_JUMP_MS,
    conditions: {
      flagLost: isFlagLost(facts),
      workersMissing: facts.unworked.length > 0,
      mixedVersions: isMixed(facts),
      approvalMissing: next?.approval === 'manual' && !approved,
      // a human's yes is what max-stay waits for
      stayedMs: approved ? 0 : Math.max(0, facts.now - record.enteredAt),
      snapshotAgeMs: ageMs,
    },
  })
  return { stage, counts, judgement: judgeStage(stage, counts) }
}

function isFlagLost({ flag, producers }: DriveFacts): boolean {
  return flag.state !== 'ok' || producers.some(({ flagHealth }) => flagHealth !== 'ok' && flagHealth !== 'starting')
}

function isMixed({ producers, versions }: DriveFacts): boolean {
  return producers.some(({ behind }) => behind.length > 0) || SIDES.some((side) => versions[side].length > 1)
}
