// Where is an increment filed? Under the epoch and the bucket of due time of its row, and under one family.

import { DOUBTS } from '../vocabulary/job.ts'
import type { TimeEntry } from './latency-log.ts'
import type { JobRow, LedgerSettings, StoredFamily, StoredKey } from './ledger.ts'

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

/** What an increment of a row is filed by. */
export type Filed = Pick<JobRow, 'stamp' | 'gen'>

/** A job that no gate judges, because it was not sent by the flag alone or did not stay where it was sent. */
export function isExcluded({ stamp, gen }: Filed): boolean {
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
