// From an action to what is written: the next record, what the ledger changes together with it, and what the audit log
// says. Pure.

import type { DriveRequest } from '../../ports/ledger.ts'
import { DIALS_OFF, type Dials } from '../../vocabulary/dials.ts'
import type { Side } from '../../vocabulary/job.ts'
import type { Json } from '../../vocabulary/outcome.ts'
import { latencyRatios, type Plan } from '../plan/types.ts'
import type { DriveAction, DriveReason } from './decide.ts'
import type { DriveFacts } from './facts.ts'
import {
  attemptOf,
  type DriveRecord,
  dialsOf,
  firstStage,
  MOVES_KEPT,
  type Move,
  nextStage,
  recordJson,
  stageOf,
} from './record.ts'

/** What a step was decided from, in the form in which the audit log keeps it. */
export interface Evidence {
  readonly verdict: string
  readonly reasons: readonly string[]
  /** Packed; `snapshot.ts`. */
  readonly snapshot: string
  /** Of the stage's legacy primaries, the share that failed; for the stage at 100 %. */
  readonly legacyRate?: number
}

export interface StepContext {
  readonly by: string
  readonly facts: DriveFacts
  /** What was judged; asked for only where it is written. */
  readonly evidence?: () => Evidence
}

/** All of a `DriveRequest` but what it expects and its token. */
export type Step = Omit<DriveRequest, 'expect' | 'token'>

const JUDGED: readonly string[] = ['hold', 'fail', 'rollback', 'promote', 'finish']
type Written = Exclude<DriveAction['kind'], 'write-flag' | 'rest'>
/** Holds that a record remembers as written in one epoch: what comes after them is shown, not written. */
const TOLD_KEPT = 40

/** Undefined: this action changes nothing in the ledger (the flag is written, or a hold was told before). */
export function stepOf(record: DriveRecord | undefined, action: DriveAction, context: StepContext): Step | undefined {
  if (action.kind === 'write-flag' || action.kind === 'rest') return undefined
  if (action.kind === 'begin') return begin(record, action.plan, context)
  if (record === undefined) return undefined
  switch (action.kind) {
    case 'hold':
      return holdOnce(record, action.reasons, context)
    case 'set-ledger':
      return written('set-ledger', record, context, { ...ledgerOf(record), why: 'not as the stage has it' })
    case 'restart':
      return restart(record, action, context)
    case 'adopt-plan':
      return adopt(record, action.plan, context)
    case 'open-epoch':
      return openEpoch(record, context)
    case 'reopen':
      return written('reopen', enterAgain(record), context, { why: action.why })
    case 'promote':
      return promote(record, action, context)
    case 'finish':
      return written('finish', { ...record, phase: 'done' }, context, { why: 'every gate of the last stage passed' })
    case 'fail': {
      const failed = { at: context.facts.now, reasons: action.reasons }
      return written('fail', { ...record, failed }, context, { why: action.reasons.join(', ') })
    }
    case 'rollback': {
      const why = `${record.stage}: ${action.reasons.join(', ')}`
      return written('rollback', back(record), context, { why, ceiling: 0, controlShare: 0, latch: { why } })
    }
    case 'note-rollback': {
      const { by = 'somebody', why } = context.facts.latch
      const said = `the latch was set by ${by}${why === undefined ? '' : `: ${why}`}`
      return written('note-rollback', back(record), context, { why: said, ceiling: 0, controlShare: 0 })
    }
  }
}

interface More extends Partial<Pick<Step, 'ceiling' | 'controlShare' | 'latch' | 'epoch' | 'driven'>> {
  readonly why?: string
  readonly data?: Readonly<Record<string, Json>>
}

/** The step, its entry in the audit log and its place in the record's own timeline. */
function written(kind: Written, next: DriveRecord, context: StepContext, more: More = {}): Step {
  const { by, facts } = context
  const evidence = JUDGED.includes(kind) ? context.evidence?.() : undefined
  const { why, data, driven = true, ...changes } = more
  const decision = evidence === undefined ? undefined : next.decisions + 1
  const dials = next.phase === 'back' ? DIALS_OFF : dialsOf(stageOf(next))
  const move: Move = {
    ...{ at: facts.now, by, action: kind, stage: next.stage, attempt: attemptOf(next), dials },
    epoch: next.epoch ?? null,
    ...(why === undefined ? {} : { why }),
    ...(decision === undefined ? {} : { decision }),
  }
  const record: DriveRecord = {
    ...next,
    latch: facts.latch.revision + (more.latch === undefined ? 0 : 1),
    decisions: decision ?? next.decisions,
    // a hold is no move: the timeline is of what was done
    moves: kind === 'hold' ? next.moves : [...next.moves, move].slice(-MOVES_KEPT),
  }
  const entry = {
    ...{ stage: next.stage, attempt: attemptOf(next), epoch: next.epoch ?? null, dials: { ...dials } },
    ...(evidence === undefined
      ? {}
      : {
          decision: decision ?? 0,
          verdict: evidence.verdict,
          reasons: [...evidence.reasons],
          snapshot: evidence.snapshot,
        }),
    ...data,
  }
  const audit = [{ action: `plan-${kind}`, ...(why === undefined ? {} : { why }), data: entry }]
  return { ...changes, driven, record: recordJson(record), by, audit }
}

function begin(record: DriveRecord | undefined, plan: Plan, context: StepContext): Step {
  const { now } = context.facts
  const nothing = { attempts: {}, decisions: 0, latch: 0, legacyRate: 0, moves: [] }
  const before: DriveRecord = {
    ...nothing,
    ...record,
    ...{ v: 1, plan, phase: 'entering', stage: firstStage(plan).name, enteredAt: now, told: [] },
  }
  const next = enterStage(before, before.stage, now)
  return written('begin', next, context, { ...ledgerOf(next), data: { plan: planJson(plan) } })
}

function ledgerOf(record: DriveRecord): Pick<Step, 'ceiling' | 'controlShare'> {
  const { target, control } = stageOf(record)
  return { ceiling: target, controlShare: control }
}

function planJson(plan: Plan): Json {
  return JSON.parse(JSON.stringify(plan)) as Json
}

/** The same stage with new counts: its next attempt. */
function enterAgain(record: DriveRecord): DriveRecord {
  const { epoch: _epoch, failed: _failed, approved: _approved, trend: _trend, ...kept } = record
  const attempts = { ...record.attempts, [record.stage]: attemptOf(record) + 1 }
  return { ...kept, phase: 'entering', attempts, told: [] }
}

/** Another stage; `attempts` of it are one more than there were. */
function enterStage(record: DriveRecord, stage: string, now: number): DriveRecord {
  const { epoch: _epoch, failed: _failed, approved: _approved, trend: _trend, ...kept } = record
  const attempts = { ...record.attempts, [stage]: (record.attempts[stage] ?? 0) + 1 }
  return { ...kept, phase: 'entering', stage, attempts, enteredAt: now, told: [] }
}

function back(record: DriveRecord): DriveRecord {
  const { epoch: _epoch, approved: _approved, ...kept } = record
  return { ...kept, phase: 'back', told: [] }
}

function restart(record: DriveRecord, { fresh, why }: { fresh: boolean; why: string }, context: StepContext): Step {
  const { targetVersion: _version, ...kept } = record
  const before = fresh ? { ...kept, attempts: {} } : record
  const next = enterStage(before, firstStage(record.plan).name, context.facts.now)
  return written('restart', next, context, { ...ledgerOf(next), why })
}

function promote(record: DriveRecord, { to, forced }: { to: string; forced: boolean }, context: StepContext): Step {
  const { approved } = record
  const kept = context.evidence?.().legacyRate
  const next = enterStage(record, to, context.facts.now)
  const said = approved === undefined ? '' : `${forced ? 'forced' : 'approved'} by ${approved.by}`
  const because = [`${record.stage} passed`, said, approved?.why].filter((text) => text !== undefined && text !== '')
  const why = forced ? because.slice(1).join(': ') : because.join(', ')
  const rated = kept === undefined ? next : { ...next, legacyRate: kept }
  return written('promote', rated, context, { ...ledgerOf(next), why, data: { from: record.stage, forced } })
}

function adopt(record: DriveRecord, plan: Plan, context: StepContext): Step {
  const next = enterAgain({ ...record, plan })
  return written('adopt-plan', next, context, { ...ledgerOf(next), data: { plan: planJson(plan) } })
}

/** With the dials as the flag gives them, which are those that producers hold against the epoch's. */
function openEpoch(record: DriveRecord, context: StepContext): Step {
  const { facts } = context
  const { reading, revision } = facts.flag
  const { target, shadow } = reading.kind === 'dials' ? reading : DIALS_OFF
  const dials: Dials = { target, shadow, control: facts.controlShare }
  const { legacy, target: onTarget } = facts.versions
  const versions = {
    ...facts.epoch.versions,
    ...oneOf('legacy', legacy, facts.epoch.versions.legacy),
    ...oneOf('target', onTarget, record.targetVersion),
  }
  const { epoch } = facts
  const { rules } = epoch
  const next: DriveRecord = {
    ...record,
    phase: 'watching',
    epoch: epoch.epoch + 1,
    told: [],
    ...(versions.target === undefined ? {} : { targetVersion: versions.target }),
  }
  const ratios = latencyRatios(record.plan)
  const opened = { expect: epoch.epoch, dials, flagRevision: revision, versions, rules, ratios }
  return written('open-epoch', next, context, { epoch: opened, data: { flagRevision: revision, rules } })
}

/** While two versions are live, the one that was there: the other one's day comes when it is alone. */
function oneOf(side: Side, live: readonly string[], known: string | undefined): Partial<Record<Side, string>> {
  const version = known !== undefined && live.includes(known) ? known : live[0]
  return version === undefined ? {} : { [side]: version }
}

/** Each set of reasons once an epoch, so that the audit log does not grow with the ticks. */
function holdOnce(record: DriveRecord, reasons: readonly DriveReason[], context: StepContext): Step | undefined {
  const key = [...reasons].sort().join(' ')
  if (record.told.includes(key) || record.told.length >= TOLD_KEPT) return undefined
  const next = { ...record, told: [...record.told, key] }
  return written('hold', next, context, { why: reasons.join(', ') })
}

// ------------------------------------------------------------------------------------------ what people say

/** A pause, its end, a yes, or letting go: what a command writes into the record. */
export type Saying =
  | { readonly kind: 'pause' }
  /** Also turns the dials back to the stage's where they were moved. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'approve'; readonly force: boolean }
  | { readonly kind: 'release' }

export function saidStep(
  record: DriveRecord,
  saying: Saying,
  said: { readonly at: number; readonly by: string; readonly why?: string; readonly moved?: boolean },
): Step {
  const { moved: _moved, ...who } = said
  const { next, changes } = sayingOf(record, saying, said)
  const attempt = attemptOf(next)
  const { stage, epoch = null } = next
  const move: Move = { ...who, action: saying.kind, stage, attempt, epoch, dials: dialsOf(stageOf(next)) }
  const kept = { ...next, moves: [...next.moves, move].slice(-MOVES_KEPT) }
  const data = { stage, attempt, epoch, ...(saying.kind === 'approve' ? { force: saying.force } : {}) }
  const why = said.why === undefined ? {} : { why: said.why }
  const audit = [{ action: `plan-${saying.kind}`, ...why, data }]
  return { driven: true, ...changes, record: recordJson(kept), by: said.by, audit }
}

function sayingOf(
  record: DriveRecord,
  saying: Saying,
  said: { readonly at: number; readonly by: string; readonly why?: string; readonly moved?: boolean },
): { next: DriveRecord; changes?: Partial<Step> } {
  const { moved, ...who } = said
  switch (saying.kind) {
    case 'pause':
      return { next: { ...record, paused: who } }
    case 'resume': {
      const { paused: _paused, ...running } = record
      return { next: moved === true && record.phase === 'watching' ? enterAgain(running) : running }
    }
    case 'approve': {
      const stage = nextStage(record)?.name ?? record.stage
      return { next: { ...record, approved: { ...who, stage, force: saying.force } } }
    }
    case 'release':
      return { next: record, changes: { driven: false, ceiling: 1 } }
  }
}
