// What is this copy to a mover? Pure: from a job as its backend holds it to what the ledger is asked, and to the copy
// that the other side gets.

import type { MoveKind, MoveRefusal, MoveRequest, RowStamp } from '../ports/ledger.ts'
import type { OutgoingJob, StoredJob } from '../ports/queue.ts'
import { makeEnvelope, openEnvelope } from '../vocabulary/envelope.ts'
import { adoptedId, backendIdOf } from '../vocabulary/ids.ts'
import { type Backoff, type DecisionReason, ENVELOPE_VERSION, type Route, type Side } from '../vocabulary/job.ts'

/** Why a job was not moved. */
export type LeftReason =
  | MoveRefusal
  /** A worker took it before the mover could. */
  | 'taken'
  /** Its queue says that it was started, the ledger knows of no start: a worker without the fence had it. */
  | 'unfenced-run'
  /** Its record or its stamp cannot be read. */
  | 'damaged'
  /** It is not fenced, and may have run here already. */
  | 'started'
  /** Something else of the backend counts on it where it is. */
  | 'held'
  /** Written by a newer version of this library. */
  | 'newer'
  /** A shadow or control copy. */
  | 'copy'
  /** No job of the user's. */
  | 'probe'
  /** The destination takes no job like this, by its size or its options. */
  | 'not-accepted'

/** What each reason means, for people. */
export const LEFT_REASONS: Readonly<Record<LeftReason, string>> = {
  busy: 'a worker is running it',
  'in-doubt': 'its worker went away after its effects had begun: look at it, then cutover force',
  'effects-begun': 'an attempt here has begun its effects; it is tried again here',
  finished: 'it has ended: the copy that was left is removed',
  generation: 'it was moved before: the copy that was left is removed',
  elsewhere: 'the ledger has it on the other side',
  moving: 'another move of it is under way',
  absent: 'the ledger does not know it: it ended longer ago than retain',
  taken: 'a worker took it first',
  'unfenced-run': 'a worker without cutover has begun it; it is tried again here',
  damaged: 'its record cannot be read',
  started: 'it is not fenced, and its queue cannot say that no worker ever took it',
  held: 'something else in its queue counts on it (a flow, a schedule)',
  newer: 'it was written by a newer version of cutover',
  copy: 'it is a shadow or control copy',
  probe: 'it is a probe of an MCP server, for this side',
  'not-accepted': 'the other queue does not take it',
}

/** The copies that are left of these are removed where they are. */
export const STALE: ReadonlySet<LeftReason> = new Set<LeftReason>(['finished', 'generation'])

/** A copy that may be moved. */
export interface MovableCopy {
  readonly backendId: string
  readonly id: string
  readonly gen: number
  readonly route: Route
  readonly epoch: number
  readonly due: number
  readonly fenced: boolean
  readonly adopted: boolean
  /** Of an unfenced one: why it was sent to legacy. */
  readonly reason?: DecisionReason
  readonly payload: unknown
  readonly runAt: number
  readonly priority: number | undefined
  readonly backoff: Backoff | undefined
  readonly attempts: number
  readonly attemptsMade: number
}

export type Looked = { readonly copy: MovableCopy } | { readonly left: LeftReason; readonly why?: string }

export function lookAt(job: StoredJob, side: Side, epoch: number): Looked {
  if (job.damaged !== undefined) return { left: 'damaged', why: job.damaged }
  if (job.held !== undefined) return { left: 'held', why: job.held }
  const { backendId, priority, backoff, attempts, attemptsMade } = job
  // what waits is due, whatever the clock of its producer said
  const runAt = job.place === 'waiting' ? 0 : job.runAt
  const stored = { backendId, runAt, priority, backoff, attempts, attemptsMade }
  const opened = openEnvelope(job.data)
  if (opened.kind === 'probe') return { left: 'probe' }
  if (opened.kind === 'newer') return { left: 'newer' }
  if (opened.kind === 'damaged') return { left: 'damaged', why: opened.why }
  if (opened.kind === 'plain') {
    const id = adoptedId(side, backendId, job.enqueuedAt)
    const due = job.enqueuedAt ?? job.runAt
    const own = { id, gen: 0, route: side, epoch, due, fenced: false, adopted: true, payload: opened.payload } as const
    return { copy: { ...own, ...stored } }
  }
  const { id, gen, route, arm, due, fenced, plain } = opened.stamp
  if (arm !== 'primary') return { left: 'copy' }
  // no row would tell of a run that is under way, or was
  if (plain !== undefined && job.neverStarted !== true) return { left: 'started' }
  const why = plain === undefined ? {} : { reason: plain.why }
  const own = {
    id,
    gen,
    route,
    epoch: opened.stamp.epoch,
    due,
    fenced,
    adopted: false,
    payload: opened.payload,
    ...why,
  }
  return { copy: { ...own, ...stored } }
}

/** What the ledger keeps of a job under way, so that whoever finds the row can go on with its move. */
export interface MovePayload {
  readonly v: 1
  readonly payload: unknown
  /** When it is to run, ms since 1970; in the past: at once. */
  readonly runAt: number
  readonly priority?: number
  readonly backoff?: Backoff
  /** The copy that is left behind. */
  readonly source: { readonly side: Side; readonly backendId: string }
}

export interface MoveWay {
  readonly from: Side
  readonly to: Side
  readonly kind: MoveKind
  readonly leaseMs: number
  readonly by: string
}

export function moveRequest(copy: MovableCopy, { from, to, kind, leaseMs, by }: MoveWay, late = false): MoveRequest {
  const { id, gen, route, epoch, due, payload, runAt, priority, backoff, attempts, attemptsMade } = copy
  const kept: MovePayload = {
    v: 1,
    payload,
    runAt,
    ...(priority === undefined ? {} : { priority }),
    ...(backoff === undefined ? {} : { backoff }),
    source: { side: from, backendId: copy.backendId },
  }
  const { fenced, adopted } = copy
  const reason = copy.reason === undefined ? {} : { reason: copy.reason }
  const absent = {
    route,
    epoch,
    dueAt: due,
    maxAttempts: Math.max(1, attempts),
    fails: attemptsMade,
    adopted,
    fenced,
    ...reason,
  }
  return {
    ...{ id, gen, from, to, kind, leaseMs, by, payload: JSON.stringify(kept) },
    // a fenced copy without a row ended long ago: only an operator takes it up again
    ...(fenced && !late ? {} : { absent }),
  }
}

/** A job under way, as the ledger has it. */
export interface UnderWay {
  readonly id: string
  readonly gen: number
  readonly fails: number
  readonly maxAttempts: number
  readonly stamp: Pick<RowStamp, 'route' | 'epoch' | 'dueAt'>
}

/** The copy for the destination: always fenced, with the attempts that the row has left. */
export function movedJob(job: UnderWay, kept: MovePayload, now: number): OutgoingJob {
  const { id, gen, fails, maxAttempts } = job
  const { route, epoch, dueAt } = job.stamp
  const stamp = { v: ENVELOPE_VERSION, id, route, arm: 'primary', epoch, gen, due: dueAt, fenced: true } as const
  return {
    backendId: backendIdOf(id, gen, 'primary'),
    data: makeEnvelope(kept.payload, stamp),
    delayMs: Math.max(0, kept.runAt - now),
    ...(kept.priority === undefined ? {} : { priority: kept.priority }),
    attempts: Math.max(1, maxAttempts - fails),
    ...(kept.backoff === undefined ? {} : { backoff: kept.backoff }),
    // the ledger has just made this generation: a record under its name is of an earlier job with the same id
    replaceEnded: true,
  }
}

/** `undefined`: written by a newer version, which is to go on with it. */
export function readMovePayload(text: string): MovePayload | undefined {
  const kept = JSON.parse(text) as MovePayload
  return kept.v === 1 ? kept : undefined
}
