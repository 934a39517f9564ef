// What a move does to one row: docs/protocol.md, mover. As pure functions, like `row-rules.ts`, and held to them in the
// same way.
//
// A move is one change of side and generation. Whatever copy of an older generation is left anywhere is dropped by
// whoever meets it, so a move that was committed needs nothing from the side that the job has left.

import { DOUBTS } from '../vocabulary/job.ts'
import type { DiscardAnswer, JobRow, MoveAnswer, MoveRefusal, MoveRequest, RowStamp } from './ledger.ts'
import {
  type Change,
  cancelled,
  emptyRow,
  file,
  isFailed,
  MEASURES,
  type RuleEnvironment,
  withdrawn,
} from './row-rules.ts'

export function move(row: JobRow | undefined, request: MoveRequest, env: RuleEnvironment): Change<MoveAnswer> {
  if (row === undefined) return insertMoving(request, env)
  if (isThisMove(row, request)) return { answer: moving(row), counts: [] }
  const why = refusalOf(row, request, env)
  if (why !== undefined) return { answer: refused(why, row), counts: [] }
  const reopened = row.state === 'finished'
  const next = takenOut(row, request, env)
  const out = reopened ? [] : file(row, [MEASURES.movedOut(row.side)], env)
  const inwards = reopened ? MEASURES.reopened(row.class ?? 'failed', row.side) : MEASURES.movedIn(request.to)
  return {
    answer: moving(next),
    row: next,
    counts: [...out, ...verdictCounts(row, env), ...file(next, [inwards], env)],
  }
}

/** The answer of an earlier call was lost, or another mover came to the same end. */
function isThisMove(row: JobRow, { gen, to }: MoveRequest): boolean {
  return row.state === 'moving' && row.gen === gen + 1 && row.side === to
}

function refusalOf(row: JobRow, request: MoveRequest, { now }: RuleEnvironment): MoveRefusal | undefined {
  const { gen, from, kind } = request
  if (row.gen > gen) return row.state === 'finished' ? 'finished' : 'generation'
  if (row.gen < gen || row.side !== from) return 'elsewhere'
  switch (row.state) {
    case 'finished':
      return kind === 'retry' && isFailed(row) ? undefined : 'finished'
    case 'moving':
      return kind === 'force' ? undefined : 'moving'
    case 'running':
      if (row.leaseUntil > now) return 'busy'
      return row.effectsBegun && kind !== 'force' ? 'in-doubt' : undefined
    default:
      return row.effectsBegun && kind === 'move' ? 'effects-begun' : undefined
  }
}

function refused(why: MoveRefusal, { leaseUntil }: JobRow): MoveAnswer {
  return { status: 'refused', why, ...(why === 'busy' ? { leaseUntil } : {}) }
}

function moving({ gen, fails, maxAttempts, stamp }: JobRow): MoveAnswer {
  return { status: 'moving', gen, fails, maxAttempts, stamp }
}

/** The row under way: no run holds it, nothing is compared any more. */
function takenOut(row: JobRow, { to, leaseMs }: MoveRequest, { now }: RuleEnvironment): JobRow {
  const { token: _run, lostAt: _found, shared: _relied, class: _end, finishedAt: _ended, producer, ...kept } = row
  const again = row.state === 'finished'
  return {
    ...kept,
    // of a settled row the producer is forgotten
    ...(again || producer === undefined ? {} : { producer }),
    state: 'moving',
    side: to,
    gen: row.gen + 1,
    leaseUntil: now + leaseMs,
    verdict: row.verdict === 'open' ? 'moved' : row.verdict,
    controlVerdict: row.controlVerdict === 'open' ? 'moved' : row.controlVerdict,
    slots: {},
    // a job that is run again has all of its attempts before it
    ...(again ? { fails: 0, starts: 0 } : {}),
  }
}

function verdictCounts(row: JobRow, env: RuleEnvironment): Change<unknown>['counts'] {
  const measures = withdrawn(row)
  if (row.verdict === 'open') measures.push(MEASURES.verdictMoved('pair'))
  if (row.controlVerdict === 'open') measures.push(MEASURES.verdictMoved('control'))
  return file(row, measures, env)
}

function insertMoving(request: MoveRequest, env: RuleEnvironment): Change<MoveAnswer> {
  const { absent, to, gen, leaseMs } = request
  if (absent === undefined) return { answer: { status: 'refused', why: 'absent' }, counts: [] }
  const { route, epoch, dueAt, maxAttempts, fails, adopted, fenced } = absent
  const stamp: RowStamp = {
    route,
    reason: absent.reason ?? (adopted ? 'adopted' : 'ledger-unavailable'),
    epoch,
    dueAt,
    firstOfKey: false,
    firstOfDay: false,
    group: 0,
    fenced,
    adopted,
  }
  const next: JobRow = {
    ...emptyRow(request.id, to, stamp, maxAttempts, env.now),
    state: 'moving',
    gen: gen + 1,
    fails: Math.min(fails, maxAttempts - 1),
    leaseUntil: env.now + leaseMs,
  }
  const measures = [MEASURES.dispatched(request.from), MEASURES.route(route)]
  if (adopted) measures.push(MEASURES.adopted(request.from))
  else if (DOUBTS.has(stamp.reason)) measures.push(MEASURES.unflagged(request.from))
  const crossed = [MEASURES.movedOut(request.from), MEASURES.movedIn(to)]
  return { answer: moving(next), row: next, counts: file(next, [...measures, ...crossed], env) }
}

export function arrive(row: JobRow | undefined, gen: number): Change<boolean> {
  if (row?.state !== 'moving' || row.gen !== gen) return { answer: false, counts: [] }
  return { answer: true, row: { ...row, state: 'open', leaseUntil: 0 }, counts: [] }
}

export function discard(row: JobRow | undefined, env: RuleEnvironment): Change<DiscardAnswer> {
  if (row === undefined) return { answer: 'absent', counts: [] }
  if (row.state === 'finished') {
    return { answer: row.class === 'cancelled' ? 'discarded' : 'finished', counts: [] }
  }
  if (row.state === 'running' && row.leaseUntil > env.now) return { answer: 'running', counts: [] }
  return { ...cancelled(row, env), answer: 'discarded' }
}
