// How a row stands in the store (the scripts' format `ROW`) and how it is read as a `JobRow`.

import type { JobRow, RowStamp, RowState } from '../../../src/ports/ledger.ts'
import type { DecisionReason, Route, Side } from '../../../src/vocabulary/job.ts'
import {
  CLASS_WORDS,
  codeOf,
  REASON_WORDS,
  ROUTE_WORDS,
  SEEN_WORDS,
  SIDE_WORDS,
  VERDICT_WORDS,
  wordOf,
} from './codes.ts'
import { decodeOutcome } from './outcome.ts'
import { idOf, type Reader } from './wire.ts'

const STATES: readonly RowState[] = ['open', 'running', 'moving', 'finished']

/** In what changes of a row. */
const SHARED = 1 << 17

const FENCED = 1 << 6
export const ADOPTED: number = 1 << 7
const FIRST = 1 << 8
const FIRST_OF_DAY = 1 << 17
/** First of its key, in the epoch and on its day. */
export const FIRST_BITS: number = FIRST | FIRST_OF_DAY

/** What is fixed in a row, as one number: route, reason, fenced, adopted, first of key, group, side. */
export function staticBits(of: {
  readonly route: Route
  readonly reason: DecisionReason
  readonly fenced: boolean
  readonly group: number
  readonly side: Side
}): number {
  return (
    codeOf(ROUTE_WORDS, of.route) |
    (codeOf(REASON_WORDS, of.reason) << 2) |
    (of.fenced ? FENCED : 0) |
    ((of.group & 63) << 9) |
    (codeOf(SIDE_WORDS, of.side) << 15)
  )
}

/** A row without its id and outcomes, as scripts answer it. */
export interface StoredRow {
  readonly row: Omit<JobRow, 'id' | 'slots' | 'producer'>
  /** The full id, where the stored form is a digest. */
  readonly fullId: string
}

export function readRow(reader: Reader): StoredRow {
  const mu = reader.u32()
  const gen = reader.u32()
  const fails = reader.u32()
  const starts = reader.u32()
  const leaseUntil = reader.time()
  const startedAt = reader.time()
  const finishedAt = reader.time()
  const lostAt = reader.time()
  const st = reader.u24()
  const epoch = reader.u32()
  const maxAttempts = reader.u32()
  const pinnedAt = reader.time()
  const dueAt = reader.time()
  reader.u32() // the producer's number; its name comes beside the row where it is asked for
  const token = reader.text(1)
  const fullId = reader.text(2)
  const stamp: RowStamp = {
    route: wordOf(ROUTE_WORDS, st & 3),
    reason: wordOf(REASON_WORDS, (st >> 2) & 15),
    epoch,
    dueAt,
    firstOfKey: (st & FIRST) !== 0,
    firstOfDay: (st & FIRST_OF_DAY) !== 0,
    group: (st >> 9) & 63,
    fenced: (st & FENCED) !== 0,
    adopted: (st & ADOPTED) !== 0,
  }
  const state = wordOf(STATES, (mu >> 12) & 3)
  const seen = wordOf(SEEN_WORDS, (mu >> 9) & 7)
  const row: StoredRow['row'] = {
    state,
    side: wordOf(SIDE_WORDS, (st >> 15) & 1),
    gen,
    ...(token === '' ? {} : { token }),
    leaseUntil,
    effectsBegun: (mu & 1) !== 0,
    fails,
    starts,
    maxAttempts,
    stamp,
    pinnedAt,
    ...(startedAt === 0 ? {} : { startedAt }),
    ...(finishedAt === 0 ? {} : { finishedAt }),
    ...(state === 'finished' ? { class: wordOf(CLASS_WORDS, (mu >> 1) & 3) } : {}),
    verdict: wordOf(VERDICT_WORDS, (mu >> 3) & 7),
    controlVerdict: wordOf(VERDICT_WORDS, (mu >> 6) & 7),
    ...(seen.length === 0 ? {} : { seenArms: seen }),
    ...(lostAt === 0 ? {} : { lostAt }),
    ...((mu & SHARED) === 0 ? {} : { shared: true }),
  }
  return { row, fullId }
}

/** Puts together what a script answers of one row: the row, the outcomes by arm, the producer's name. */
export function jobRow(
  reader: Reader,
  id: string | Buffer,
  outcomes: { readonly primary: string; readonly shadow: string; readonly control: string },
  producer: string,
): JobRow {
  const { row, fullId } = readRow(reader)
  return {
    id: typeof id === 'string' ? id : idOf(id, fullId),
    ...row,
    ...(producer === '' ? {} : { producer }),
    slots: slotsOf(outcomes),
  }
}

export function slotsOf(texts: {
  readonly primary: string
  readonly shadow: string
  readonly control: string
}): JobRow['slots'] {
  const [primary, shadow, control] = [texts.primary, texts.shadow, texts.control].map(decodeOutcome)
  return {
    ...(primary === undefined ? {} : { primary }),
    ...(shadow === undefined ? {} : { shadow }),
    ...(control === undefined ? {} : { control }),
  }
}
