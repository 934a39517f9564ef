// What each ledger operation does to one row: the state machine of `docs/protocol.md` as pure functions.
//
// The SQLite ledger runs these functions inside its transaction; the Redis ledger's Lua says the same again, held to
// these by the contract suite. Rows are never changed in place. Pairs are in `pair-rules.ts`, moves in `move-rules.ts`.

import { DOUBTS, isShadowed, otherSide, type Side, sideOf, sideOfArm } from '../vocabulary/job.ts'
import { waitClass } from '../vocabulary/latency.ts'
import type { Outcome, StoredError } from '../vocabulary/outcome.ts'
import { type Change, file, isExcluded, type RuleEnvironment } from './filing.ts'
import type {
  BeginRequest,
  CancelAnswer,
  ClaimAnswer,
  ClaimRequest,
  ExtendRequest,
  FinishAnswer,
  FinishClass,
  FinishRequest,
  JobRow,
  NoteRequest,
  PairState,
  PinAnswer,
  PinRequest,
  RowStamp,
  StoredKey,
  UnpinOptions,
} from './ledger.ts'
import { MEASURES, RECENT } from './measures.ts'
import { COPIES, controlBase, dropSlots, isTripleOpen, verdictOf, withdrawn } from './pair-rules.ts'

export * from './filing.ts'
export * from './measures.ts'
export * from './pair-rules.ts'

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

function pairOf(row: JobRow): PairState | undefined {
  if (row.verdict === 'none' && row.controlVerdict === 'none') return undefined
  return { route: row.stamp.route, verdict: row.verdict, controlVerdict: row.controlVerdict, slots: row.slots }
}

function finishedAnswer(row: JobRow): FinishAnswer {
  const pair = pairOf(row)
  return { status: 'finished', class: row.class ?? 'ok', ...(pair === undefined ? {} : { pair }) }
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
    firstOfKey: request.first === true,
    firstOfDay: request.first === true,
    group: request.group,
    fenced: false,
    adopted: false,
  }
  const inserted: JobRow = {
    ...emptyRow(request.id, 'legacy', stamp, request.maxAttempts, env.now),
    producer: request.producer,
  }
  const measures = [MEASURES.dispatched('legacy'), MEASURES.route('legacy')]
  if (DOUBTS.has(request.reason)) measures.push(MEASURES.unflagged('legacy'))
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
      if (row.state === 'open' && request.unfenced === true) return ended({ ...row, token }, 'failed', request, env)
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
    reason: absent.reason ?? (absent.adopted ? 'adopted' : 'ledger-unavailable'),
    epoch: absent.epoch,
    dueAt: absent.dueAt,
    firstOfKey: absent.first === true,
    firstOfDay: absent.first === true,
    group: absent.group ?? 0,
    fenced: false,
    adopted: absent.adopted,
  }
  const row: JobRow = {
    ...emptyRow(request.id, request.side, stamp, 1, env.now),
    gen: request.gen,
    token: request.token,
  }
  const measures = [MEASURES.dispatched(request.side), MEASURES.route(absent.route)]
  if (absent.adopted) measures.push(MEASURES.adopted(request.side))
  else if (DOUBTS.has(stamp.reason)) measures.push(MEASURES.unflagged(request.side))
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
