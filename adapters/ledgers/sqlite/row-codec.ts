// How a row is written into the file: what the gauges select by in columns, the rest packed, because each bound column
// costs as much as a short text.

import type { FinishClass, JobRow, RowState, Slots, Verdict } from '../../../src/ports/ledger.ts'
import { isReady } from '../../../src/ports/row-rules.ts'
import { ARMS, type Arm, type DecisionReason, ROUTES, SIDES } from '../../../src/vocabulary/job.ts'

/** A key of 16 bytes for UUIDs, the text itself for other ids. */
export type RowKey = string | Uint8Array

/** Value of each hexadecimal digit in lower case by its character code. */
const DIGITS = new Int8Array(128).fill(-1)
for (let digit = 0; digit < 16; digit++) DIGITS[digit.toString(16).charCodeAt(0)] = digit

export function keyOf(id: string): RowKey {
  return (id.length === 36 ? uuidBytes(id) : undefined) ?? id
}

/** Undefined: not a UUID in its usual form. By hand: a pattern, a replacement and a conversion cost three times this. */
function uuidBytes(id: string): Uint8Array | undefined {
  const bytes = Buffer.allocUnsafe(16)
  let at = 0
  for (let byte = 0; byte < 16; byte++) {
    if (byte === 4 || byte === 6 || byte === 8 || byte === 10) {
      if (id.charCodeAt(at++) !== 45) return undefined
    }
    const high = DIGITS[id.charCodeAt(at++)] ?? -1
    const low = DIGITS[id.charCodeAt(at++)] ?? -1
    if ((high | low) < 0) return undefined
    bytes[byte] = (high << 4) | low
  }
  return bytes
}

export function idOf(key: RowKey): string {
  if (typeof key === 'string') return key
  const hex = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

// Positions in these lists are stored: add at the end only.
const STATES: readonly RowState[] = ['open', 'running', 'moving', 'finished']
const VERDICTS: readonly Verdict[] = [
  ...(['none', 'open', 'shed', 'orphaned', 'matched', 'mismatched', 'ignored', 'moved'] as const),
]
const CLASSES: readonly (FinishClass | undefined)[] = [undefined, 'ok', 'failed', 'cancelled', 'backend-failed']
const REASONS: readonly DecisionReason[] = [
  ...(['flag', 'forced', 'latch', 'ceiling', 'not-shadowable', 'flag-doubt', 'flag-missing', 'flag-off'] as const),
  ...(['flag-unknown-value', 'flag-stale', 'flag-error', 'empty-key', 'ledger-stale', 'ledger-unavailable'] as const),
  ...(['epoch-behind', 'adopted'] as const),
]

/** Bits of `status` that the gauges read in SQL. */
export const BITS = { side: 2, effects: 3, verdict: 4, control: 7, class: 10, seen: 13, lost: 16, ready: 29 } as const
const REASON = 17
const ROUTE = 22
const FIRST = 24
const FENCED = 25
const ADOPTED = 26
const SHARED = 27
const FIRST_OF_DAY = 28

/** Number of a state and of the verdict `open`, for SQL. */
export const STATE = { open: 0, running: 1, moving: 2, finished: 3 } as const
export const VERDICT_OPEN = 1

const REASON_CODES: ReadonlyMap<DecisionReason, number> = new Map(REASONS.map((reason, code) => [reason, code]))

export function statusOf(row: JobRow): number {
  const { stamp } = row
  let seen = 0
  for (const arm of row.seenArms ?? []) seen |= 1 << ARMS.indexOf(arm)
  return (
    STATES.indexOf(row.state) |
    ((row.side === 'target' ? 1 : 0) << BITS.side) |
    (Number(row.effectsBegun) << BITS.effects) |
    (VERDICTS.indexOf(row.verdict) << BITS.verdict) |
    (VERDICTS.indexOf(row.controlVerdict) << BITS.control) |
    (CLASSES.indexOf(row.class) << BITS.class) |
    (seen << BITS.seen) |
    ((row.lostAt === undefined ? 0 : 1) << BITS.lost) |
    ((REASON_CODES.get(stamp.reason) ?? 0) << REASON) |
    (ROUTES.indexOf(stamp.route) << ROUTE) |
    (Number(stamp.firstOfKey) << FIRST) |
    (Number(stamp.fenced) << FENCED) |
    (Number(stamp.adopted) << ADOPTED) |
    (Number(row.shared === true) << SHARED) |
    (Number(stamp.firstOfDay) << FIRST_OF_DAY) |
    (Number(isReady(row)) << BITS.ready)
  )
}

/** The numbers of a row that are not in `status`. */
export interface RowNumbers {
  readonly gen: number
  readonly fails: number
  readonly starts: number
  readonly maxAttempts: number
  readonly epoch: number
  readonly group: number
  readonly dueAt: number
  readonly leaseUntil: number
  readonly pinnedAt: number
  readonly startedAt: number | undefined
  readonly finishedAt: number | undefined
  readonly lostAt: number | undefined
}

export function rowOf(
  id: string,
  status: number,
  n: RowNumbers,
  texts: { readonly token?: string | undefined; readonly producer?: string | undefined; readonly slots: Slots },
): JobRow {
  const cls = CLASSES[(status >> BITS.class) & 7]
  const seen = (status >> BITS.seen) & 7
  // one literal, then what is there: spreading what may be there costs several times as much
  const row: Mutable<JobRow> = {
    id,
    state: STATES[status & 3] as RowState,
    side: SIDES[(status >> BITS.side) & 1] as JobRow['side'],
    gen: n.gen,
    leaseUntil: n.leaseUntil,
    effectsBegun: ((status >> BITS.effects) & 1) === 1,
    fails: n.fails,
    starts: n.starts,
    maxAttempts: n.maxAttempts,
    stamp: {
      route: ROUTES[(status >> ROUTE) & 3] as JobRow['stamp']['route'],
      reason: REASONS[(status >> REASON) & 31] as DecisionReason,
      epoch: n.epoch,
      dueAt: n.dueAt,
      firstOfKey: ((status >> FIRST) & 1) === 1,
      firstOfDay: ((status >> FIRST_OF_DAY) & 1) === 1,
      group: n.group,
      fenced: ((status >> FENCED) & 1) === 1,
      adopted: ((status >> ADOPTED) & 1) === 1,
    },
    pinnedAt: n.pinnedAt,
    verdict: VERDICTS[(status >> BITS.verdict) & 7] as Verdict,
    controlVerdict: VERDICTS[(status >> BITS.control) & 7] as Verdict,
    slots: texts.slots,
  }
  if (texts.token !== undefined) row.token = texts.token
  if (texts.producer !== undefined) row.producer = texts.producer
  if (n.startedAt !== undefined) row.startedAt = n.startedAt
  if (n.finishedAt !== undefined) row.finishedAt = n.finishedAt
  if (cls !== undefined) row.class = cls
  if (seen !== 0) row.seenArms = ARMS.filter((_arm: Arm, bit) => (seen & (1 << bit)) !== 0)
  if (n.lostAt !== undefined) row.lostAt = n.lostAt
  if (((status >> SHARED) & 1) === 1) row.shared = true
  return row
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What columns do not hold: numbers, then the lengths of the two texts, then the texts. */
export function bodyOf(row: JobRow): string {
  const { stamp, producer = '', token = '' } = row
  return `${row.gen} ${row.fails} ${row.starts} ${row.maxAttempts} ${stamp.epoch} ${stamp.group} ${row.pinnedAt} ${
    row.startedAt ?? ''
  } ${row.finishedAt ?? ''} ${row.lostAt ?? ''} ${row.producer === undefined ? '' : producer.length} ${
    row.token === undefined ? '' : token.length
  }\n${producer}${token}`
}

export interface LiveRecord {
  readonly status: number
  readonly due: number
  readonly lease: number
  readonly body: string
  readonly slots: string | null
}

export function rowOfLive(record: LiveRecord, id: string): JobRow {
  const { body } = record
  const end = body.indexOf('\n')
  const parts = numbersOf(body, end)
  const number = (at: number): number => parts[at] ?? 0
  const middle = end + 1 + number(10)
  const numbers: RowNumbers = {
    gen: number(0),
    fails: number(1),
    starts: number(2),
    maxAttempts: number(3),
    epoch: number(4),
    group: number(5),
    dueAt: record.due,
    leaseUntil: record.lease,
    pinnedAt: number(6),
    startedAt: parts[7],
    finishedAt: parts[8],
    lostAt: parts[9],
  }
  return rowOf(id, record.status, numbers, {
    producer: parts[10] === undefined ? undefined : body.slice(end + 1, middle),
    token: parts[11] === undefined ? undefined : body.slice(middle),
    slots: record.slots === null ? {} : (JSON.parse(record.slots) as Slots),
  })
}

/** The numbers before `end`, by hand where all are whole: cutting the text into parts costs more than the query. */
function numbersOf(body: string, end: number): (number | undefined)[] {
  const parts: (number | undefined)[] = []
  let value: number | undefined
  for (let at = 0; at < end; at++) {
    const code = body.charCodeAt(at)
    if (code === 32) {
      parts.push(value)
      value = undefined
    } else if (code >= 48 && code <= 57) {
      value = (value ?? 0) * 10 + code - 48
    } else {
      const texts = body.slice(0, end).split(' ')
      return texts.map((text) => (text === '' ? undefined : Number(text)))
    }
  }
  parts.push(value)
  return parts
}

/** Null when nothing is in them: most rows have no outcome before they are settled. */
export function slotsText(slots: Slots): string | null {
  for (const _arm in slots) return JSON.stringify(slots)
  return null
}
