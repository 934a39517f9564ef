// What each ledger operation does to one row: the state machine of `docs/protocol.md` as pure functions.
//
// The SQLite ledger runs these functions inside its transaction; the Redis ledger's Lua says the same again, held to
// these by the contract suite. Rows are never changed in place.

import type { ComparisonClass, ErrorSplit } from '../vocabulary/comparison.ts'
import { type Arm, DOUBTS, isShadowed, otherSide, type Side, sideOf, sideOfArm } from '../vocabulary/job.ts'
import { waitClass } from '../vocabulary/latency.ts'
import type { Outcome, StoredError } from '../vocabulary/outcome.ts'
import type { TimeEntry } from './latency-log.ts'
import type {
  BeginRequest,
  CancelAnswer,
  ClaimAnswer,
  ClaimRequest,
  CompareRequest,
  ExtendRequest,
  FinishAnswer,
  FinishClass,
  FinishRequest,
  JobRow,
  LedgerSettings,
  NoteRequest,
  PairState,
  PinAnswer,
  PinRequest,
  RowStamp,
  StoredFamily,
  StoredKey,
  UnpinOptions,
  Verdict,
} from './ledger.ts'

/** The measures, each `name.side` but for those of pairs and controls; `CountKey` is `family/measure`. */
export const MEASURES = {
  /** Rows inserted; `dispatched − refused − settled` is what is on its way. */
  dispatched: (side: Side): string => `dispatched.${side}`,
  refused: (side: Side): string => `refused.${side}`,
  route: (route: string): string => `route.${route}`,
  adopted: (side: Side): string => `adopted.${side}`,
  unflagged: (side: Side): string => `unflagged.${side}`,
  settled: (cls: FinishClass, side: Side): string => `${cls}.${side}`,
  effectFailed: (side: Side): string => `effect-failed.${side}`,
  retried: (side: Side): string => `retried.${side}`,
  zombie: (side: Side): string => `zombie.${side}`,
  twice: 'finished-twice',
  unrecorded: (side: Side): string => `unrecorded.${side}`,
  /** Once a process that saw the ledger's clock jump, in the epoch in which it did. */
  clockJumped: 'clock-jumped',
  shadowWanted: (side: Side): string => `shadow.wanted.${side}`,
  shadowShed: (side: Side): string => `shadow.shed.${side}`,
  /** Shed because the job itself was refused; a part of what was shed. */
  shadowRefused: (side: Side): string => `shadow.refused.${side}`,
  /** Was not there when its job was cancelled or moved: nobody waits for it any more. */
  shadowWithdrawn: (side: Side): string => `shadow.withdrawn.${side}`,
  shadowEnded: (ok: boolean, side: Side): string => `shadow.${ok ? 'ok' : 'failed'}.${side}`,
  controlWanted: 'control.wanted',
  controlShed: 'control.shed',
  controlEnded: (ok: boolean): string => `control.${ok ? 'ok' : 'failed'}`,
  compared: (which: 'pair' | 'control', cls: string): string => `${which}.${cls}`,
  errors: (split: Exclude<ErrorSplit, 'none'>): string => `pair.errors.${split}`,
  /** `side`: where the run that never came should have run. */
  orphaned: (which: 'pair' | 'control', side: Side): string => `${which}.orphaned.${side}`,
  /** A pair that was closed because its job was cancelled; a part of those orphaned. */
  pairCancelled: 'pair.cancelled',
  /** Primary, shadow and control of a job, all compared: which of the two copies differed from the run on legacy. */
  triple: (pair: boolean, control: boolean): string => `triple.${TRIPLES[Number(pair)]?.[Number(control)]}`,
  /** Will never be complete, and it is nobody's fault: a part was shed, ignored, moved, cancelled or refused. */
  tripleOut: 'triple.out',
  lateOutcome: (arm: Arm): string => `late-outcome.${arm}`,
  /** Filed as what the job was until then; what comes after is `excluded`. */
  movedOut: (side: Side): string => `moved-out.${side}`,
  movedIn: (side: Side): string => `moved-in.${side}`,
  /** A failed job that runs again: its end is taken back, so `settled − reopened` have ended. */
  reopened: (cls: FinishClass, side: Side): string => `reopened.${cls}.${side}`,
  /** A verdict that was closed because the job was moved. */
  verdictMoved: (which: 'pair' | 'control'): string => `${which}.moved`,
  /** Final errors of jobs (`primary`) and of shadows, by class. */
  failedAs: (arm: 'primary' | 'shadow', side: Side, errorClass: string): string => `error.${arm}.${side}.${errorClass}`,
  /** Jobs not finished on a side, added up at each look of the sweeper; divided by the looks it is their mean. */
  backlogSeen: (side: Side): string => `backlog.seen.${side}`,
  /** ms that the job that has waited longest for its first start was due, added up alike. */
  backlogOldest: (side: Side): string => `backlog.oldest.${side}`,
  backlogLooks: 'backlog.looks',
} as const

/** By whether target differs, and whether the control does. */
const TRIPLES = [
  ['neither', 'control-only'],
  ['target-only', 'both'],
] as const

/** What happened within the last minutes, whenever the job was due; see `RecentCounts`. */
export const RECENT = {
  settled: (side: Side): string => `settled.${side}`,
  failed: (side: Side): string => `failed.${side}`,
  failedGroup: (group: number): string => `failed.group.${group}`,
  waited: (wait: number): string => `wait.${wait}`,
} as const

export interface RuleEnvironment {
  readonly now: number
  readonly settings: LedgerSettings
}

/** What an operation did. `row` undefined: unchanged (`removed` says whether it is to be deleted). */
export interface Change<Answer> {
  readonly answer: Answer
  readonly row?: JobRow
  readonly removed?: boolean
  /** Each + 1, in the bucket of the row's due time and the row's epoch. */
  readonly counts: readonly StoredKey[]
  /** Times to add, under the row's family (`familyOf`), in the same bucket. */
  readonly times?: readonly TimeEntry[]
  /** Each + 1, in this minute and the row's epoch. */
  readonly recent?: readonly string[]
}

export function bucketStart(dueAt: number, settings: LedgerSettings): number {
  return Math.floor(dueAt / settings.bucketMs) * settings.bucketMs
}

/** Watermark: nothing but `late` is written into a bucket after this. */
export function isClosed(dueAt: number, { now, settings }: RuleEnvironment): boolean {
  return bucketStart(dueAt, settings) + settings.bucketMs + settings.deadlineMs + settings.slackMs <= now
}

export function isOverdue(row: JobRow, { now, settings }: RuleEnvironment): boolean {
  return row.state !== 'finished' && row.stamp.dueAt + settings.deadlineMs < now
}

/** Ended, and not as it should have: what `retry` takes up again. */
export function isFailed(row: JobRow): boolean {
  return row.class === 'failed' || row.class === 'backend-failed'
}

export function isInDoubt(row: JobRow, now: number): boolean {
  return row.state === 'running' && row.leaseUntil <= now && row.effectsBegun
}

/** Finished and nothing left to compare: the row may go to the compact store of finished rows. */
export function isSettled(row: JobRow): boolean {
  return row.state === 'finished' && row.verdict !== 'open' && row.controlVerdict !== 'open'
}

/** What an increment of a row is filed by. */
export type Filed = Pick<JobRow, 'stamp' | 'gen'>

/** A job that no gate judges, because it was not sent by the flag alone or did not stay where it was sent. */
function isExcluded({ stamp, gen }: Filed): boolean {
  return gen > 0 || stamp.adopted || DOUBTS.has(stamp.reason)
}

/** The family under which an increment for this row is filed; a job that was moved is judged by no gate. */
export function familyOf(row: Filed, env: RuleEnvironment): StoredFamily {
  const { stamp } = row
  if (isClosed(stamp.dueAt, env)) return 'late'
  if (isExcluded(row)) return 'excluded'
  return stamp.firstOfKey ? 'of-key' : stamp.firstOfDay ? 'of-day' : 'again'
}

export function file(row: Filed, measures: readonly string[], env: RuleEnvironment): StoredKey[] {
  const family = familyOf(row, env)
  return measures.map((measure): StoredKey => `${family}/${measure}`)
}

function pairOf(row: JobRow): PairState | undefined {
  if (row.verdict === 'none' && row.controlVerdict === 'none') return undefined
  return { route: row.stamp.route, verdict: row.verdict, controlVerdict: row.controlVerdict, slots: row.slots }
}

function finishedAnswer(row: JobRow): FinishAnswer {
  const pair = pairOf(row)
  return { status: 'finished', class: row.class ?? 'ok', ...(pair === undefined ? {} : { pair }) }
}

/** Once nothing is left to compare, only the primary's outcome is kept, for replay. */
function dropSlots(row: JobRow): JobRow {
  if (!isSettled(row) || (row.slots.shadow === undefined && row.slots.control === undefined)) return row
  return { ...row, slots: row.slots.primary === undefined ? {} : { primary: row.slots.primary } }
}

// ------------------------------------------------------------------------------------------------------- producer

function pinAnswer(row: JobRow, status: PinAnswer['status']): PinAnswer {
  const { route, reason, epoch, dueAt, fenced } = row.stamp
  const copies = { shadow: row.verdict === 'open', control: row.controlVerdict === 'open' }
  return { status, state: row.state, side: row.side, gen: row.gen, route, reason, epoch, dueAt, fenced, ...copies }
}

/** The answers of the first-of-key tests, which are made only when the row is absent. */
export interface First {
  readonly ofKey: boolean
  readonly ofDay: boolean
}

export function pin(
  row: JobRow | undefined,
  request: PinRequest,
  first: First,
  env: RuleEnvironment,
): Change<PinAnswer> {
  if (row !== undefined) {
    const answer = pinAnswer(row, 'exists')
    const relied = neverStarted(row) && row.shared !== true
    return relied ? { answer, row: { ...row, shared: true }, counts: [] } : { answer, counts: [] }
  }
  const side = sideOf(request.route)
  const shadowed = isShadowed(request.route)
  const stamp: RowStamp = {
    route: request.route,
    reason: request.reason,
    epoch: request.epoch,
    dueAt: env.now + request.delayMs,
    firstOfKey: first.ofKey,
    firstOfDay: first.ofKey || first.ofDay,
    group: request.group,
    fenced: true,
    adopted: false,
  }
  const inserted: JobRow = {
    id: request.id,
    state: 'open',
    side,
    gen: 0,
    leaseUntil: 0,
    effectsBegun: false,
    fails: 0,
    starts: 0,
    maxAttempts: request.maxAttempts,
    stamp,
    pinnedAt: env.now,
    producer: request.producer,
    verdict: shadowed ? 'open' : 'none',
    controlVerdict: shadowed && request.control ? 'open' : 'none',
    slots: {},
  }
  const measures = [MEASURES.dispatched(side), MEASURES.route(request.route)]
  if (DOUBTS.has(request.reason)) measures.push(MEASURES.unflagged(side))
  if (shadowed) measures.push(MEASURES.shadowWanted(otherSide(side)))
  if (inserted.controlVerdict === 'open') measures.push(MEASURES.controlWanted)
  return { answer: pinAnswer(inserted, 'pinned'), row: inserted, counts: file(inserted, measures, env) }
}

/** Not `starts`: a run that was released has given its start back, and its copy is there all the same. */
export function neverStarted(row: JobRow): boolean {
  return row.state === 'open' && row.gen === 0 && row.startedAt === undefined
}

/** Waits on target for its first run; a moved job has waited elsewhere, too, and does not count. */
export function isReady(row: JobRow): boolean {
  return row.side === 'target' && neverStarted(row)
}

export function unpin(
  row: JobRow | undefined,
  { evenIfShared = false }: UnpinOptions,
  env: RuleEnvironment,
): Change<undefined> {
  // a copy is sent only after its job was accepted
  const accepted = row?.slots.shadow !== undefined || row?.slots.control !== undefined
  if (row === undefined || accepted || !neverStarted(row) || (row.shared === true && !evenIfShared)) {
    return { answer: undefined, counts: [] }
  }
  const measures = [MEASURES.refused(row.side)]
  if (row.verdict === 'open') {
    measures.push(MEASURES.shadowShed(otherSide(row.side)), MEASURES.shadowRefused(otherSide(row.side)))
  }
  if (row.controlVerdict === 'open') measures.push(MEASURES.controlShed)
  if (isTripleOpen(row)) measures.push(MEASURES.tripleOut)
  return { answer: undefined, removed: true, counts: file(row, measures, env) }
}

export function note(row: JobRow | undefined, request: NoteRequest, env: RuleEnvironment): Change<undefined> {
  if (row !== undefined) return { answer: undefined, counts: [] }
  const stamp: RowStamp = {
    route: 'legacy',
    reason: request.reason,
    epoch: request.epoch,
    dueAt: request.dueAt,
    firstOfKey: false,
    firstOfDay: false,
    group: request.group,
    fenced: false,
    adopted: false,
  }
  const inserted: JobRow = {
    ...emptyRow(request.id, 'legacy', stamp, request.maxAttempts, env.now),
    producer: request.producer,
  }
  const measures = [MEASURES.dispatched('legacy'), MEASURES.route('legacy'), MEASURES.unflagged('legacy')]
  return { answer: undefined, row: inserted, counts: file(inserted, measures, env) }
}

export function emptyRow(id: string, side: Side, stamp: RowStamp, maxAttempts: number, now: number): JobRow {
  return {
    id,
    state: 'open',
    side,
    gen: 0,
    leaseUntil: 0,
    effectsBegun: false,
    fails: 0,
    starts: 0,
    maxAttempts,
    stamp,
    pinnedAt: now,
    verdict: 'none',
    controlVerdict: 'none',
    slots: {},
  }
}

// --------------------------------------------------------------------------------------------------------- worker

function granted(row: JobRow): ClaimAnswer {
  return {
    status: 'granted',
    attempt: row.fails + 1,
    fails: row.fails,
    maxAttempts: row.maxAttempts,
    starts: row.starts,
    stamp: row.stamp,
    effectsBegun: row.effectsBegun,
    verdict: row.verdict,
  }
}

export function claim(row: JobRow | undefined, request: ClaimRequest, env: RuleEnvironment): Change<ClaimAnswer> {
  if (row === undefined) {
    if (request.fenced) return { answer: { status: 'park' }, counts: [] }
    return insertClaimed(request, env)
  }
  if (row.state === 'finished') {
    const outcome = row.slots.primary
    const cls = row.class ?? 'ok'
    return {
      answer: { status: 'finished', class: cls, ...(outcome === undefined ? {} : { outcome }) },
      counts: [],
    }
  }
  if (row.gen > request.gen) return { answer: { status: 'drop' }, counts: [] }
  if (row.gen < request.gen || row.side !== request.side) return { answer: { status: 'defer' }, counts: [] }
  if (row.state === 'running' && row.token === request.token) return { answer: granted(row), counts: [] }
  if (row.state === 'running' && row.leaseUntil > env.now) {
    return { answer: { status: 'busy', leaseUntil: row.leaseUntil, now: env.now }, counts: [] }
  }
  // open, moving to this side at this generation (the copy proves the enqueue), or running with its lease over
  if (row.starts >= request.maxStarts) return failForStarts(row, env)
  const next: JobRow = {
    ...row,
    state: 'running',
    token: request.token,
    leaseUntil: env.now + request.leaseMs,
    effectsBegun: row.effectsBegun || request.effectsUnknown,
    starts: row.starts + 1,
    startedAt: row.startedAt ?? env.now,
  }
  return { answer: granted(next), row: next, counts: [] }
}

function insertClaimed(request: ClaimRequest, env: RuleEnvironment): Change<ClaimAnswer> {
  const { route, epoch, dueAt, adopted } = request.absent
  const stamp: RowStamp = {
    route,
    reason: adopted ? 'adopted' : 'ledger-unavailable',
    epoch,
    dueAt,
    firstOfKey: false,
    firstOfDay: false,
    group: 0,
    fenced: false,
    adopted,
  }
  const next: JobRow = {
    ...emptyRow(request.id, request.side, stamp, request.maxAttempts, env.now),
    state: 'running',
    gen: request.gen,
    token: request.token,
    leaseUntil: env.now + request.leaseMs,
    effectsBegun: request.effectsUnknown,
    starts: 1,
    startedAt: env.now,
  }
  const how = adopted ? MEASURES.adopted(request.side) : MEASURES.unflagged(request.side)
  const measures = [MEASURES.dispatched(request.side), MEASURES.route(route), how]
  return { answer: granted(next), row: next, counts: file(next, measures, env) }
}

function failForStarts(row: JobRow, env: RuleEnvironment): Change<ClaimAnswer> {
  const error: StoredError = {
    name: 'CutoverError',
    code: 'starts-exceeded',
    message: `started ${row.starts} times without an end: it seems to kill its workers`,
  }
  const outcome: Outcome = { ok: false, error, effects: [], waitMs: 0, runMs: 0, attempts: row.starts, version: '' }
  const settled = settle(row, 'failed', outcome, env)
  return { answer: { status: 'finished', class: 'failed', outcome }, ...settled }
}

export function begin(row: JobRow | undefined, request: BeginRequest): Change<boolean> {
  if (row?.state !== 'running' || row.token !== request.token || row.gen !== request.gen) {
    return { answer: false, counts: [] }
  }
  return row.effectsBegun
    ? { answer: true, counts: [] }
    : { answer: true, row: { ...row, effectsBegun: true }, counts: [] }
}

export function extend(row: JobRow | undefined, request: ExtendRequest, env: RuleEnvironment): Change<boolean> {
  if (row?.state !== 'running' || row.token !== request.token || row.gen !== request.gen) {
    return { answer: false, counts: [] }
  }
  return { answer: true, row: { ...row, leaseUntil: env.now + request.leaseMs }, counts: [] }
}

export function release(row: JobRow | undefined, request: BeginRequest): Change<boolean> {
  if (row?.state !== 'running' || row.token !== request.token || row.gen !== request.gen) {
    return { answer: false, counts: [] }
  }
  return { answer: true, row: { ...row, state: 'open', leaseUntil: 0, starts: row.starts - 1 }, counts: [] }
}

/** Without the notes that only an unfinished row has. */
function plain({ lostAt: _found, shared: _relied, ...row }: JobRow): JobRow {
  return row
}

/** The primary's end: row, slot and counts in one step. */
function settle(
  row: JobRow,
  cls: FinishClass,
  outcome: Outcome | undefined,
  env: RuleEnvironment,
): { row: JobRow; counts: StoredKey[]; recent: readonly string[] } {
  const measures = [MEASURES.settled(cls, row.side)]
  if (row.verdict === 'orphaned' && row.slots.primary === undefined) measures.push(MEASURES.lateOutcome('primary'))
  const next: JobRow = {
    ...(row.lostAt === undefined && row.shared === undefined ? row : plain(row)),
    state: 'finished',
    class: cls,
    finishedAt: env.now,
    leaseUntil: 0,
    slots: outcome === undefined ? row.slots : { ...row.slots, primary: outcome },
  }
  return { row: dropSlots(next), counts: file(row, measures, env), recent: recentEnd(row, cls) }
}

function recentEnd(row: JobRow, cls: FinishClass): readonly string[] {
  if (cls === 'cancelled' || isExcluded(row)) return []
  const { side, stamp } = row
  if (cls === 'ok') return [RECENT.settled(side)]
  const group = side === 'target' ? [RECENT.failedGroup(stamp.group)] : []
  return [RECENT.settled(side), RECENT.failed(side), ...group]
}

/** How long a copy on target waited for its first attempt. */
function recentWait(row: JobRow, side: Side, waitBucket: number): readonly string[] {
  return side === 'target' && waitBucket > 0 && !isExcluded(row) ? [RECENT.waited(waitClass(waitBucket))] : []
}

export function finish(row: JobRow | undefined, request: FinishRequest, env: RuleEnvironment): Change<FinishAnswer> {
  return request.arm === 'primary' ? finishPrimary(row, request, env) : finishCopy(row, request, request.arm, env)
}

function finishPrimary(row: JobRow | undefined, request: FinishRequest, env: RuleEnvironment): Change<FinishAnswer> {
  const { outcome, side, token } = request
  if (row === undefined) {
    if (request.unrecorded === undefined) return { answer: { status: 'refused', why: 'absent' }, counts: [] }
    return finishUnrecorded(request, request.unrecorded, env)
  }
  if (row.state === 'finished') {
    if (row.token === token) return { answer: finishedAnswer(row), counts: [] }
    const refused = { status: 'refused', why: 'done', class: row.class ?? 'ok' } as const
    if (!outcome.ok) return { answer: refused, counts: [] }
    // A second completion: on the row's own side and generation it is a zombie, elsewhere the promise is broken.
    const same = row.side === side && row.gen === request.gen
    return { answer: refused, counts: file(row, [same ? MEASURES.zombie(side) : MEASURES.twice], env) }
  }
  if (row.gen !== request.gen || row.state === 'moving') {
    const why = row.state === 'moving' ? 'moving' : 'generation'
    return { answer: { status: 'refused', why }, counts: file(row, [MEASURES.zombie(side)], env) }
  }
  if (!outcome.ok) {
    const held = row.state === 'running' && row.token === token
    if (!held) {
      if (row.state === 'open' && row.token === token) return retry(row)
      return { answer: { status: 'refused', why: 'token' }, counts: [] }
    }
    const failed: JobRow = { ...row, fails: row.fails + 1 }
    if (failed.fails < row.maxAttempts && !request.fatal) {
      const open: JobRow = { ...failed, state: 'open', leaseUntil: 0 }
      return { ...retry(open), row: open, counts: file(row, [MEASURES.retried(side)], env) }
    }
    return ended(failed, 'failed', request, env)
  }
  return ended(row.token === token ? row : { ...row, token }, 'ok', request, env)
}

function retry(row: JobRow): Change<FinishAnswer> {
  return { answer: { status: 'retry', fails: row.fails, maxAttempts: row.maxAttempts }, counts: [] }
}

function ended(row: JobRow, cls: FinishClass, request: FinishRequest, env: RuleEnvironment): Change<FinishAnswer> {
  const settled = settle(row, cls, request.outcome, env)
  const extra = request.effectFailed ? file(row, [MEASURES.effectFailed(row.side)], env) : []
  if (cls === 'failed' && request.errorClass !== undefined) {
    extra.push(...file(row, [MEASURES.failedAs('primary', row.side, request.errorClass)], env))
  }
  return {
    // the answer carries both slots even where the stored row has dropped them
    answer: finishedAnswer(settled.row),
    row: settled.row,
    counts: [...settled.counts, ...extra],
    times: [
      { name: `run.primary.${row.side}`, bucket: request.runBucket },
      ...(request.waitBucket > 0 ? [{ name: `wait.${row.side}`, bucket: request.waitBucket }] : []),
    ],
    recent: [...settled.recent, ...recentWait(row, row.side, request.waitBucket)],
  }
}

function finishUnrecorded(
  request: FinishRequest,
  absent: NonNullable<FinishRequest['unrecorded']>,
  env: RuleEnvironment,
): Change<FinishAnswer> {
  const stamp: RowStamp = {
    route: absent.route,
    reason: absent.adopted ? 'adopted' : 'ledger-unavailable',
    epoch: absent.epoch,
    dueAt: absent.dueAt,
    firstOfKey: false,
    firstOfDay: false,
    group: 0,
    fenced: false,
    adopted: absent.adopted,
  }
  const row: JobRow = {
    ...emptyRow(request.id, request.side, stamp, 1, env.now),
    gen: request.gen,
    token: request.token,
  }
  const how = absent.adopted ? MEASURES.adopted(request.side) : MEASURES.unflagged(request.side)
  const measures = [MEASURES.dispatched(request.side), MEASURES.route(absent.route), how]
  const end = ended(row, request.outcome.ok ? 'ok' : 'failed', request, env)
  return { ...end, counts: [...file(row, measures, env), ...end.counts] }
}

function finishCopy(
  row: JobRow | undefined,
  request: FinishRequest,
  arm: 'shadow' | 'control',
  env: RuleEnvironment,
): Change<FinishAnswer> {
  const verdict = arm === 'shadow' ? row?.verdict : row?.controlVerdict
  if (row === undefined || verdict === undefined || verdict === 'none') {
    return { answer: { status: 'refused', why: 'absent' }, counts: [] }
  }
  const cls: FinishClass = request.outcome.ok ? 'ok' : 'failed'
  const pair = pairOf(row)
  const answer: FinishAnswer = { status: 'finished', class: cls, ...(pair === undefined ? {} : { pair }) }
  if (row.slots[arm] !== undefined || row.seenArms?.includes(arm)) return { answer, counts: [] }
  if (verdict !== 'open') {
    if (verdict !== 'shed' && verdict !== 'orphaned') return { answer, counts: [] }
    const next: JobRow = { ...row, seenArms: [...(row.seenArms ?? []), arm] }
    return { answer, row: next, counts: file(row, [MEASURES.lateOutcome(arm)], env) }
  }
  const next: JobRow = { ...row, slots: { ...row.slots, [arm]: request.outcome } }
  const measures =
    arm === 'shadow'
      ? [MEASURES.shadowEnded(request.outcome.ok, request.side)]
      : [MEASURES.controlEnded(request.outcome.ok)]
  if (arm === 'shadow' && !request.outcome.ok && request.errorClass !== undefined) {
    measures.push(MEASURES.failedAs('shadow', request.side, request.errorClass))
  }
  const filled = pairOf(next)
  return {
    answer: { status: 'finished', class: cls, ...(filled === undefined ? {} : { pair: filled }) },
    row: next,
    counts: file(row, measures, env),
    times: [{ name: `run.${arm}.${request.side}`, bucket: request.runBucket }],
    recent: recentWait(row, request.side, request.waitBucket),
  }
}

// ---------------------------------------------------------------------------------------------------------- pairs

const COPIES = ['shadow', 'control'] as const

/** The arm with which a control is compared: whichever of the two runs ran on legacy. */
export function controlBase(row: { readonly stamp: { readonly route: RowStamp['route'] } }): 'primary' | 'shadow' {
  return sideOf(row.stamp.route) === 'legacy' ? 'primary' : 'shadow'
}

function close(row: JobRow, which: 'pair' | 'control', verdict: JobRow['verdict']): JobRow {
  return dropSlots(which === 'pair' ? { ...row, verdict } : { ...row, controlVerdict: verdict })
}

/** Remembers which copies were there: their slots are forgotten with the verdicts, and they are not late. */
function noteSeen(row: JobRow): JobRow {
  const seen = row.seenArms ?? []
  const more = COPIES.filter((arm) => row.slots[arm] !== undefined && !seen.includes(arm))
  return more.length === 0 ? row : { ...row, seenArms: [...seen, ...more] }
}

function verdictOf(row: JobRow, which: 'pair' | 'control'): JobRow['verdict'] {
  return which === 'pair' ? row.verdict : row.controlVerdict
}

function filledOf(row: JobRow, which: 'pair' | 'control'): { first: boolean; second: boolean } {
  const first = which === 'pair' ? 'primary' : controlBase(row)
  const second = which === 'pair' ? 'shadow' : 'control'
  return { first: row.slots[first] !== undefined, second: row.slots[second] !== undefined }
}

export function shed(row: JobRow | undefined, which: 'pair' | 'control', env: RuleEnvironment): Change<undefined> {
  if (row === undefined || verdictOf(row, which) !== 'open' || filledOf(row, which).second) {
    return { answer: undefined, counts: [] }
  }
  const shadowSide = sideOfArm(row.stamp.route, 'shadow')
  const measures = [which === 'pair' ? MEASURES.shadowShed(shadowSide) : MEASURES.controlShed]
  if (isTripleOpen(row)) measures.push(MEASURES.tripleOut)
  return { answer: undefined, row: close(noteSeen(row), which, 'shed'), counts: file(row, measures, env) }
}

export function compare(row: JobRow | undefined, request: CompareRequest, env: RuleEnvironment): Change<boolean> {
  if (row === undefined || verdictOf(row, request.which) !== 'open') return { answer: false, counts: [] }
  const filled = filledOf(row, request.which)
  if (!filled.first || !filled.second) return { answer: false, counts: [] }
  const { which, times, comparison } = request
  const { class: cls, errors } = comparison
  const measures = [MEASURES.compared(which, cls)]
  if (which === 'pair' && errors !== 'none') measures.push(MEASURES.errors(errors))
  const triple = tripleMeasure(row, which, cls)
  if (triple !== undefined) measures.push(triple)
  const timed = which === 'pair' && cls !== 'ignored' && times !== undefined
  return {
    answer: true,
    row: close(row, which, cls),
    counts: file(row, measures, env),
    ...(timed ? { times: [{ name: 'pair', bucket: times.legacy, target: times.target }] } : {}),
  }
}

/** Not yet complete, and it may still be. */
export function isTripleOpen({ verdict, controlVerdict }: JobRow): boolean {
  const may = (each: Verdict): boolean => each === 'open' || isCompared(each)
  const complete = isCompared(verdict) && isCompared(controlVerdict)
  return may(verdict) && may(controlVerdict) && !complete
}

function isCompared(verdict: Verdict): boolean {
  return verdict === 'matched' || verdict === 'mismatched'
}

/** What the comparison `which`, which came to `cls`, makes of the triple. */
function tripleMeasure(row: JobRow, which: 'pair' | 'control', cls: ComparisonClass): string | undefined {
  if (!isTripleOpen(row)) return undefined
  if (cls === 'ignored') return MEASURES.tripleOut
  const other = which === 'pair' ? row.controlVerdict : row.verdict
  if (!isCompared(other)) return undefined
  const [differs, otherDiffers] = [cls === 'mismatched', other === 'mismatched']
  return which === 'pair' ? MEASURES.triple(differs, otherDiffers) : MEASURES.triple(otherDiffers, differs)
}

/** What a job that is cancelled or moved leaves of its pair and its triple. */
export function withdrawn(row: JobRow): string[] {
  const measures: string[] = []
  if (row.verdict === 'open' && row.slots.shadow === undefined) {
    measures.push(MEASURES.shadowWithdrawn(sideOfArm(row.stamp.route, 'shadow')))
  }
  if (isTripleOpen(row)) measures.push(MEASURES.tripleOut)
  return measures
}

/** Whether a pair (or control) may be called orphaned now. */
export function isOrphan(row: JobRow, which: 'pair' | 'control', { now, settings }: RuleEnvironment): boolean {
  if (verdictOf(row, which) !== 'open') return false
  if (row.stamp.dueAt + settings.deadlineMs + settings.slackMs >= now) return false
  const { first, second } = filledOf(row, which)
  if (which === 'pair') return first !== second
  return row.verdict !== 'open' && !(first && second)
}

export function orphan(row: JobRow | undefined, which: 'pair' | 'control', env: RuleEnvironment): Change<boolean> {
  if (row === undefined || !isOrphan(row, which, env)) return { answer: false, counts: [] }
  const { second } = filledOf(row, which)
  const missing: Arm = which === 'pair' ? (second ? 'primary' : 'shadow') : second ? controlBase(row) : 'control'
  const measure = MEASURES.orphaned(which, sideOfArm(row.stamp.route, missing))
  return { answer: true, row: close(noteSeen(row), which, 'orphaned'), counts: file(row, [measure], env) }
}

// ------------------------------------------------------------------------------------------- cancel, sweeper's notes

export function cancel(row: JobRow | undefined, env: RuleEnvironment): Change<CancelAnswer> {
  if (row === undefined) return { answer: 'absent', counts: [] }
  if (row.state === 'finished') return { answer: row.class === 'cancelled' ? 'cancelled' : 'finished', counts: [] }
  if (row.state !== 'open') return { answer: row.state, counts: [] }
  return { ...cancelled(row, env), answer: 'cancelled' }
}

/** The end of an unfinished row that will not run, whatever copies are left of it. */
export function cancelled(row: JobRow, env: RuleEnvironment): Omit<Change<unknown>, 'answer'> {
  const measures = withdrawn(row)
  if (row.verdict === 'open') measures.push(MEASURES.pairCancelled)
  let closed = row
  for (const which of ['pair', 'control'] as const) {
    if (verdictOf(row, which) !== 'open') continue
    measures.push(MEASURES.orphaned(which, sideOfArm(row.stamp.route, which === 'pair' ? 'primary' : controlBase(row))))
    closed = { ...closed, ...(which === 'pair' ? { verdict: 'orphaned' } : { controlVerdict: 'orphaned' }) }
  }
  // A cancelled job's copies may still come in: they are not late, nobody waits for them.
  const settled = settle({ ...closed, seenArms: COPIES }, 'cancelled', undefined, env)
  const late: string = MEASURES.lateOutcome('primary')
  const counts = settled.counts.filter((key) => !key.endsWith(`/${late}`))
  return { ...settled, counts: [...counts, ...file(row, measures, env)] }
}

export function closeFailed(row: JobRow | undefined, error: StoredError, env: RuleEnvironment): Change<boolean> {
  if (row === undefined || row.state === 'finished' || row.state === 'moving') return { answer: false, counts: [] }
  const outcome: Outcome = { ok: false, error, effects: [], waitMs: 0, runMs: 0, attempts: row.starts, version: '' }
  const settled = settle(row, 'backend-failed', outcome, env)
  return { answer: true, ...settled }
}

export function markLost(row: JobRow | undefined, lost: boolean, env: RuleEnvironment): Change<boolean> {
  if (row === undefined || row.state === 'finished' || (row.lostAt !== undefined) === lost) {
    return { answer: false, counts: [] }
  }
  const { lostAt: _before, ...kept } = row
  return { answer: true, row: lost ? { ...kept, lostAt: env.now } : kept, counts: [] }
}
