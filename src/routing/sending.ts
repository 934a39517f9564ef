// One job on its way into a queue: its copy, the same one until it is known to be stored, and what is said if it is not.

import { ENQUEUE_TIMEOUT_MS, type MigrationSettings } from '../config/resolve.ts'
import type { PinAnswer } from '../ports/ledger.ts'
import type { EnqueueAnswer, OutgoingJob } from '../ports/queue.ts'
import { makeEnvelope } from '../vocabulary/envelope.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { backendIdOf } from '../vocabulary/ids.ts'
import {
  type Arm,
  type Decision,
  ENVELOPE_VERSION,
  type Route,
  type Side,
  type Stamp,
  type UnfencedStamp,
} from '../vocabulary/job.ts'
import type { Prepared } from './prepare.ts'

/** What `enqueue` answers. */
export interface Enqueued {
  readonly id: string
  readonly route: Route
  readonly side: Side
  readonly reason: Decision['reason']
  /** The id was known: this call sent nothing new. */
  readonly duplicate: boolean
}

/** Hands one copy to a side's queue. */
export type Send = (side: Side, outgoing: OutgoingJob) => Promise<EnqueueAnswer>
export type Stored = 'accepted' | 'duplicate'

type Pin = Pick<PinAnswer, 'route' | 'epoch' | 'gen' | 'dueAt' | 'fenced'> & {
  readonly status?: PinAnswer['status']
  /** Of an unfenced job. */
  readonly plain?: UnfencedStamp
}

export function outgoingJob(settings: MigrationSettings, job: Prepared, answer: Pin, arm: Arm): OutgoingJob {
  const { route, epoch, gen, dueAt, fenced, plain } = answer
  const known = { v: ENVELOPE_VERSION, id: job.id, route, arm, epoch, gen, due: dueAt, fenced }
  const stamp: Stamp = plain === undefined ? known : { ...known, plain }
  return {
    backendId: backendIdOf(job.id, gen, arm),
    data: makeEnvelope(job.payload, stamp),
    delayMs: job.delayMs,
    ...(job.priority === undefined ? {} : { priority: job.priority }),
    attempts: job.attempts,
    ...(settings.backoff === undefined ? {} : { backoff: settings.backoff }),
    // A new row for an id of the caller's own: what a backend still has of it ended before its last row was purged.
    ...(answer.status === 'pinned' && !job.fresh ? { replaceEnded: true } : {}),
  }
}

export interface Sending {
  readonly send: Send
  /** What the queue answered already, where it was asked together with the pin. */
  readonly first?: EnqueueAnswer
  /** Takes the pin back: the job is known not to be stored. */
  readonly takeBack: (id: string) => Promise<void>
}

/** `unknown` → the same id to the same side, until it is known. Never decides again. */
export async function sendUntilKnown(
  settings: MigrationSettings,
  job: Prepared,
  answer: PinAnswer,
  { send, first, takeBack }: Sending,
): Promise<Stored> {
  const { side } = answer
  const outgoing = outgoingJob(settings, job, answer, 'primary')
  const began = performance.now()
  let maybeStored = false
  for (let tries = 0; ; tries += 1) {
    let given: EnqueueAnswer
    try {
      given = tries === 0 && first !== undefined ? first : await send(side, outgoing)
    } catch (cause) {
      given = { status: 'refused', cause } // the queue could not be opened: nothing was sent
    }
    if (given.status === 'accepted' || given.status === 'duplicate') return given.status
    // what is refused now may have been stored by the try before it, whose answer was lost
    if (given.status === 'refused' && !maybeStored) {
      if (answer.status === 'pinned') await takeBack(job.id)
      throw refused(settings, job.id, side, given.cause)
    }
    maybeStored = true
    if (performance.now() - began > ENQUEUE_TIMEOUT_MS) throw unknown(settings, job.id, side, given.cause)
    await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 25 * 2 ** tries) * (0.5 + Math.random() / 2)))
  }
}

export function refused(settings: MigrationSettings, id: string, side: Side, cause: unknown): CutoverError {
  if (cause instanceof CutoverError) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  return new CutoverError(
    'enqueue-refused',
    `${settings.name}: the ${side} queue (${settings[side].kind}) refused the job: ${why}; it was not stored`,
    { cause, details: { migration: settings.name, id, side } },
  )
}

function unknown(settings: MigrationSettings, id: string, side: Side, cause: unknown): CutoverError {
  return new CutoverError(
    'enqueue-unknown',
    `${settings.name}: the ${side} queue (${settings[side].kind}) did not say within ${ENQUEUE_TIMEOUT_MS} ms whether it stored job ${id}; call again with { id: '${id}' }: it will be one job`,
    { cause, details: { migration: settings.name, id, side } },
  )
}

/** All answers in order, or the first refusal together with what was stored all the same. */
export function allOrRefusal(migration: string, results: readonly PromiseSettledResult<Enqueued>[]): Enqueued[] {
  const failed = results.find((result) => result.status === 'rejected')
  const stored = results.filter((result) => result.status === 'fulfilled').map(({ value }) => value)
  if (failed === undefined) return stored
  const { reason } = failed as PromiseRejectedResult
  if (stored.length === 0) throw reason
  const why = reason instanceof Error ? reason.message : String(reason)
  throw new CutoverError(
    reason instanceof CutoverError ? reason.code : 'enqueue-refused',
    `${migration}: ${stored.length} of ${results.length} jobs were stored, the others were not: ${why}; send only those whose ids are not in details.stored again`,
    { cause: reason, details: { migration, stored: stored.map(({ id }) => id) } },
  )
}
