// What does the controller do next? Pure: from what it remembers, what the gates say and what is to be seen now, to one
// action. Everything that is not a clear yes holds; nothing that holds keeps it from going back.

import { CLOCK_JUMP_MS } from '../../ports/ledger.ts'
import type { StageJudgement } from '../gates/stage.ts'
import type { GateReason } from '../gates/types.ts'
import type { Plan, Stage } from '../plan/types.ts'
import { type DriveFacts, readsAs } from './facts.ts'
import { type DriveRecord, nextStage, stageOf } from './record.ts'

/** Why a controller waits, besides the reasons of the gates. */
export const DRIVE_REASONS = [
  'latched',
  'paused',
  'plan-broken',
  'plan-refused',
  'dials-moved',
  'flag-not-writable',
  'producers-behind',
] as const
export type DriveReason = GateReason | (typeof DRIVE_REASONS)[number]

export type DriveAction =
  /** No plan is driven yet: this one, at its first stage. */
  | { readonly kind: 'begin'; readonly plan: Plan }
  /** Somebody has set the latch. */
  | { readonly kind: 'note-rollback' }
  /** From the first stage; `fresh`: another target version, whose attempts start at 1. */
  | { readonly kind: 'restart'; readonly fresh: boolean; readonly why: string }
  | { readonly kind: 'adopt-plan'; readonly plan: Plan }
  /** Ceiling and control share in the ledger are not those of the stage. */
  | { readonly kind: 'set-ledger' }
  /** `off`: both dials 0, after a rollback. */
  | { readonly kind: 'write-flag'; readonly to: 'stage' | 'off' }
  | { readonly kind: 'open-epoch' }
  /** New counts for the same stage, as its next attempt. */
  | { readonly kind: 'reopen'; readonly why: string }
  | { readonly kind: 'promote'; readonly to: string; readonly forced: boolean }
  | { readonly kind: 'finish' }
  | { readonly kind: 'rollback'; readonly reasons: readonly DriveReason[] }
  /** A gate failed where `on-fail` is `hold`: remembered until a human decides. */
  | { readonly kind: 'fail'; readonly reasons: readonly DriveReason[] }
  | { readonly kind: 'hold'; readonly reasons: readonly DriveReason[] }
  /** The plan is at its end. */
  | { readonly kind: 'rest' }

/**
 * `record` undefined: no plan is driven. `judgement` null: nothing is counted now (the stage is entered, or it is not this
 * epoch that is watched).
 */
export function decideStep(
  record: DriveRecord | undefined,
  judgement: StageJudgement | null,
  facts: DriveFacts,
): DriveAction {
  if (record === undefined) return begin(facts)
  if (facts.latch.set) return latched(record, facts)
  if (record.phase === 'back') {
    if (record.paused !== undefined) return hold('paused')
    return { kind: 'restart', fresh: isNewVersion(record, facts), why: 'the latch was lifted' }
  }
  if (record.latch !== facts.latch.revision) {
    const why = 'the latch was set and lifted while no controller looked'
    return { kind: 'restart', fresh: isNewVersion(record, facts), why }
  }
  // first what takes back: no pause and no edit of the plan is in its way
  if (judgement?.verdict === 'fail' && record.phase === 'watching' && isCounted(record, facts)) {
    const back = stageOf(record).onFail === 'rollback'
    if (back) return { kind: 'rollback', reasons: judgement.reasons }
  }
  if (record.phase === 'done') return { kind: 'rest' }
  if (isNewVersion(record, facts)) {
    const why = `target's handler version is ${facts.versions.target[0]}, not ${record.targetVersion}`
    return { kind: 'restart', fresh: true, why }
  }
  if (facts.plan.kind === 'changed' && facts.plan.refused === undefined) {
    return { kind: 'adopt-plan', plan: facts.plan.plan }
  }
  return record.phase === 'entering' ? enter(record, facts) : watch(record, judgement, facts)
}

function hold(...reasons: readonly DriveReason[]): DriveAction {
  return { kind: 'hold', reasons: [...new Set(reasons)] }
}

function begin({ latch, plan, flag }: DriveFacts): DriveAction {
  if (latch.set) return hold('latched')
  if (plan.kind !== 'changed') return hold('plan-broken')
  if (!isWritable(flag)) return hold('flag-not-writable')
  return { kind: 'begin', plan: plan.plan }
}

function isWritable({ writable, reading }: DriveFacts['flag']): boolean {
  return writable && reading.kind !== 'custom' && reading.kind !== 'boolean'
}

function latched(record: DriveRecord, { flag }: DriveFacts): DriveAction {
  if (record.phase !== 'back') return { kind: 'note-rollback' }
  const off = readsAs(flag.reading, { target: 0, shadow: 0 })
  if (!off && isWritable(flag) && flag.state === 'ok') return { kind: 'write-flag', to: 'off' }
  return hold('latched')
}

function isNewVersion({ targetVersion }: DriveRecord, { versions }: DriveFacts): boolean {
  const [only, ...others] = versions.target
  return only !== undefined && others.length === 0 && targetVersion !== undefined && only !== targetVersion
}

function isCounted({ epoch }: DriveRecord, facts: DriveFacts): boolean {
  return epoch === facts.epoch.epoch
}

/** The ledger first, then the flag, then the wait for workers and for every producer, then the epoch. */
function enter(record: DriveRecord, facts: DriveFacts): DriveAction {
  const stage = stageOf(record)
  if (facts.ceiling !== stage.target || facts.controlShare !== stage.control) return { kind: 'set-ledger' }
  // a flag that nobody has written yet is made by writing it
  if (facts.flag.state !== 'ok' && facts.flag.reading.kind !== 'missing') return hold('flag-lost')
  if (!readsAs(facts.flag.reading, stage)) {
    return isWritable(facts.flag) ? { kind: 'write-flag', to: 'stage' } : hold('flag-not-writable')
  }
  if (facts.flag.state !== 'ok') return hold('flag-lost')
  // whoever works brings the handler version, and the rules by which is counted
  if (facts.unworked.length > 0) return hold('workers-missing')
  if (facts.producers.some(({ behind }) => behind.length > 0)) return hold('producers-behind')
  return { kind: 'open-epoch' }
}

function watch(record: DriveRecord, judgement: StageJudgement | null, facts: DriveFacts): DriveAction {
  if (!isCounted(record, facts)) return { kind: 'reopen', why: whyAnotherEpoch(record, facts) }
  if (Math.abs(facts.clockJumpMs) > CLOCK_JUMP_MS) {
    const seconds = (facts.clockJumpMs / 1000).toFixed(1)
    return { kind: 'reopen', why: `the ledger's clock jumped by ${seconds} s` }
  }
  if (facts.clockJumped) return { kind: 'reopen', why: "a process saw the ledger's clock jump in this epoch" }
  if (judgement === null) return hold('no-data')
  if (judgement.verdict === 'fail' && record.failed === undefined) return { kind: 'fail', reasons: judgement.reasons }
  const next = nextStage(record)
  const { approved, failed } = record
  if (approved?.force === true && approved.stage === next?.name) return promote(next, true)
  const reasons = reasonsToStay(record, facts)
  if (failed !== undefined) return hold(...(failed.reasons as readonly DriveReason[]), ...reasons)
  if (judgement.verdict === 'hold') return hold(...judgement.reasons, ...reasons)
  if (reasons.length > 0) return hold(...reasons)
  return next === undefined ? { kind: 'finish' } : promote(next, false)
}

function promote(next: Stage, forced: boolean): DriveAction {
  return { kind: 'promote', to: next.name, forced }
}

/** What keeps a stage from being left, whatever its gates say. */
function reasonsToStay(record: DriveRecord, { flag, plan }: DriveFacts): DriveReason[] {
  const reasons: DriveReason[] = []
  if (record.paused !== undefined) reasons.push('paused')
  if (plan.kind === 'broken') reasons.push('plan-broken')
  if (plan.kind === 'changed') reasons.push('plan-refused')
  if (flag.state !== 'ok') reasons.push('flag-lost')
  else if (!readsAs(flag.reading, stageOf(record))) reasons.push('dials-moved')
  return reasons
}

function whyAnotherEpoch(record: DriveRecord, { epoch, versions }: DriveFacts): string {
  const seen = [...versions.legacy, ...versions.target].join(', ')
  return `epoch ${epoch.epoch} is current, the stage was counted in ${record.epoch ?? 'none'} (opened by ${epoch.by || 'nobody'}; handler versions ${seen || 'unknown'})`
}
