// States of a row, how a job gets there, and the vocabulary in which the cases of the row operations are written.

import type { JobRow, MigrationLedger } from '../../../src/ports/ledger.ts'
import { claimOf, failure, finishOf, newId, pinOf } from './bed.ts'

export type State =
  | 'absent'
  | 'open'
  | 'retried'
  | 'running'
  | 'expired'
  | 'begun'
  | 'ok'
  | 'failed'
  | 'cancelled'
  | 'closed'
export const STATES = 'absent open retried running expired begun ok failed cancelled closed'.split(' ') as State[]

/** Brings a new job into a state by the operations that lead there. */
export async function jobIn(state: State, m: MigrationLedger): Promise<string> {
  const id = newId()
  if (state === 'absent') return id
  await m.pin([pinOf(id)])
  if (state === 'open') return id
  if (state === 'cancelled') {
    await m.cancel(id)
    return id
  }
  await m.claim([claimOf(id, state === 'expired' ? { leaseMs: 0 } : {})])
  const error = failure().error ?? { name: 'Error', message: '' }
  if (state === 'begun') await m.begin([{ id, gen: 0, token: 'token-1' }])
  if (state === 'ok') await m.finish([finishOf(id)])
  if (state === 'retried') await m.finish([finishOf(id, { outcome: failure() })])
  if (state === 'failed') await m.finish([finishOf(id, { outcome: failure(), fatal: true })])
  if (state === 'closed') await m.closeFailed(id, error)
  return id
}

export interface Case {
  readonly answer: unknown
  /** Of the row after it. */
  readonly row?: Partial<JobRow>
  /** There is no row after it. */
  readonly gone?: boolean
  readonly counts?: Record<string, number>
  /** What the row says more after the operation was asked for once more. */
  readonly repeated?: Partial<JobRow>
}

export interface Operation {
  readonly run: (m: MigrationLedger, id: string) => Promise<unknown>
  /** What it answers when it is asked once more, where that is not the same. */
  readonly again?: (answer: unknown) => unknown
  readonly cases: Readonly<Record<State, Case>>
}

export const judged = (measures: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(measures).flatMap(([k, n]) => ['job', 'key-day', 'key'].map((family) => [`${family}/${k}`, n])),
  )
export const granted = (over: object = {}): object => ({
  status: 'granted',
  attempt: 1,
  fails: 0,
  starts: 1,
  maxAttempts: 3,
  ...over,
})
export const done = (cls: string): Partial<JobRow> => ({ state: 'finished', class: cls as 'ok' })
export const failedBy = { 'failed.legacy': 1 }
export const closedBy = { 'backend-failed.legacy': 1 }
export const refused = (why: string, cls?: string): object => ({
  status: 'refused',
  why,
  ...(cls ? { class: cls } : {}),
})
export const exists = (state: string): object => ({
  status: 'exists',
  state,
  side: 'legacy',
  gen: 0,
  route: 'legacy',
  epoch: 0,
})
export const running = { state: 'running', token: 'token-1', starts: 1 } as const

/** One case for all unfinished states, one for all finished ones, one for an absent row. */
export function sameFor(unfinished: Case, finished: Case, absent: Case): Record<State, Case> {
  const over = ['ok', 'failed', 'cancelled', 'closed']
  const of = (state: State): Case => (state === 'absent' ? absent : over.includes(state) ? finished : unfinished)
  return Object.fromEntries(STATES.map((state) => [state, of(state)])) as Record<State, Case>
}
