// The rows of a migration in Redis: each operation packs its items, runs one script a chunk and reads its letters.

import type { EndScript } from '../../../src/ports/joint.ts'
import type {
  CancelAnswer,
  ClaimAnswer,
  ClaimRequest,
  FinishAnswer,
  FinishClass,
  FinishRequest,
  JobRow,
  PairState,
  PinAnswer,
  PinRequest,
  RowLedger,
} from '../../../src/ports/ledger.ts'
import { isShadowed, sideOf } from '../../../src/vocabulary/job.ts'
import { ARM_WORDS, CLASS_WORDS, codeOf, ROUTE_WORDS, SIDE_WORDS, VERDICT_WORDS, wordOf } from './codes.ts'
import { moveLedger } from './move-ledger.ts'
import { decodeOutcome, encodeOutcome } from './outcome.ts'
import { booleans, lettered, type Port, pack, runBatch, texts } from './port.ts'
import { ADOPTED, FIRST_BITS, jobRow, readRow, slotsOf, staticBits } from './rows.ts'
import { SCRIPTS } from './scripts.ts'
import { idArg, Reader, type Writer } from './wire.ts'

/** Settled rows of one call: a few ms of the server's time. */
const MOST_LOOKED_AT = 1000

const idOf = ({ id }: { readonly id: string }): string => id

export function rowLedger(port: Port): RowLedger {
  return {
    pin: (requests) => runBatch(port, { script: SCRIPTS.pin, items: requests, idOf, write: writePin, read: readPins }),
    unpin: async (ids, { evenIfShared = false } = {}) => {
      await runBatch(port, {
        ...{ script: SCRIPTS.unpin, items: ids, more: [evenIfShared ? '1' : '0'] },
        ...{ idOf: (id: string) => id, write: () => {}, read: () => [] },
      })
    },
    note: async (requests) => {
      await runBatch(port, {
        ...{ script: SCRIPTS.note, items: requests, idOf, read: () => [] },
        write: (w, note) => {
          const { reason, group } = note
          const bits = staticBits({ route: 'legacy', reason, fenced: false, group, side: 'legacy' })
          w.u24(bits | (note.first === true ? FIRST_BITS : 0))
          w.u32(note.epoch)
            .time(note.dueAt)
            .u32(note.maxAttempts)
            .time(note.madeAt ?? 0)
          w.text(note.producer, 1).fullId(note.id)
        },
      })
    },
    claim: (requests) =>
      runBatch(port, { script: SCRIPTS.claim, items: requests, idOf, write: writeClaim, read: readClaims }),
    begin: (requests) =>
      runBatch(port, {
        ...{ script: SCRIPTS.hold, items: requests, idOf, more: ['b'], read: booleans },
        write: (w, { gen, token }) => w.u32(gen).token(token).u32(0),
      }),
    extend: (requests) =>
      runBatch(port, {
        ...{ script: SCRIPTS.hold, items: requests, idOf, more: ['e'], read: booleans },
        write: (w, { gen, token, leaseMs }) => w.u32(gen).token(token).u32(leaseMs),
      }),
    release: (requests) =>
      runBatch(port, {
        ...{ script: SCRIPTS.hold, items: requests, idOf, more: ['r'], read: booleans },
        write: (w, { gen, token }) => w.u32(gen).token(token).u32(0),
      }),
    finish: (requests) => finish(port, requests),
    ...moveLedger(port),
    cancel: async (id) => String(await port.run(SCRIPTS.end, [idArg(id), 'cancel', ''])) as CancelAnswer,
    closeFailed: async (id, error) =>
      String(await port.run(SCRIPTS.end, [idArg(id), 'close', JSON.stringify(error)])) === '1',
    markLost: async (id, lost) => String(await port.run(SCRIPTS.end, [idArg(id), 'lost', lost ? '1' : '0'])) === '1',
    row: async (id) => {
      const reply = (await port.run(SCRIPTS.row, [idArg(id)])) as Buffer[] | null
      if (reply === null) return undefined
      const [row, ...rest] = reply
      const [primary = '', shadow = '', control = '', producer = ''] = texts(rest)
      return jobRow(new Reader(row as Buffer), id, { primary, shadow, control }, producer)
    },
    scan: (options) => scan(port, options),
    settled: (options) => settled(port, options),
  }
}

// --------------------------------------------------------------------------------------------------------- pinning

function writePin(w: Writer, pin: PinRequest, repeated: boolean): void {
  const { route, reason, group, keySlot } = pin
  w.u24(staticBits({ route, reason, fenced: true, group, side: sideOf(route) }))
  // a call whose answer was lost may have stored it, and more may have happened since
  const fresh = pin.fresh && !repeated
  const test = keySlot === undefined ? 0 : keySlot < 0 ? 8 : 4
  w.u8((fresh ? 1 : 0) | (pin.control ? 2 : 0) | test | (pin.keySeen ? 16 : 0))
  w.u32(pin.epoch)
    .time(pin.delayMs)
    .u32(pin.maxAttempts)
    .u24(Math.max(0, keySlot ?? 0))
    .text(pin.producer, 1)
    .fullId(pin.id)
}

function readPins(reply: unknown, requests: readonly PinRequest[]): readonly PinAnswer[] {
  const { now, letters, rest } = lettered(reply)
  return requests.map((pin, at): PinAnswer => {
    if (letters[at] === 'p') {
      const { route, reason, epoch } = pin
      const shadow = isShadowed(route)
      const control = shadow && pin.control
      const place = { state: 'open', side: sideOf(route), gen: 0 } as const
      const dueAt = now + Math.round(pin.delayMs)
      return { status: 'pinned', ...place, route, reason, epoch, dueAt, fenced: true, shadow, control }
    }
    const { row } = readRow(rest)
    const { route, reason, epoch, dueAt, fenced } = row.stamp
    const [shadow, control] = [row.verdict === 'open', row.controlVerdict === 'open']
    const { state, side, gen } = row
    return { status: 'exists', state, side, gen, route, reason, epoch, dueAt, fenced, shadow, control }
  })
}

// -------------------------------------------------------------------------------------------------------- claiming

function writeClaim(w: Writer, claim: ClaimRequest): void {
  const { absent } = claim
  w.u8(
    codeOf(SIDE_WORDS, claim.side) | (claim.fenced ? 2 : 0) | (claim.effectsUnknown ? 4 : 0) | (absent.adopted ? 8 : 0),
  )
  w.u32(claim.gen).token(claim.token).u32(claim.leaseMs).u32(claim.maxAttempts).u32(claim.maxStarts)
  w.u8(codeOf(ROUTE_WORDS, absent.route)).u32(absent.epoch).time(absent.dueAt).fullId(claim.id)
}

function readClaims(reply: unknown): readonly ClaimAnswer[] {
  const { now, letters, rest } = lettered(reply)
  return Array.from(letters, (letter): ClaimAnswer => {
    switch (letter) {
      case 'g': {
        const { row } = readRow(rest)
        const { fails, maxAttempts, starts, stamp, effectsBegun, verdict } = row
        return { status: 'granted', attempt: fails + 1, fails, maxAttempts, starts, stamp, effectsBegun, verdict }
      }
      case 'b':
        return { status: 'busy', leaseUntil: rest.time(), now }
      case 'f': {
        const cls = wordOf(CLASS_WORDS, rest.u8())
        const outcome = decodeOutcome(rest.text(4))
        return { status: 'finished', class: cls, ...(outcome === undefined ? {} : { outcome }) }
      }
      case 'd':
        return { status: 'drop' }
      case 'e':
        return { status: 'defer' }
      default:
        return { status: 'park' }
    }
  })
}

// ------------------------------------------------------------------------------------------------------- finishing

/**
 * Successes without a pair first try the script that knows nothing else; what it does not know asks the whole one. Items
 * of one id are taken in their order, so that such a batch goes the whole way at once.
 */
async function finish(port: Port, requests: readonly FinishRequest[]): Promise<readonly FinishAnswer[]> {
  const whole = (items: readonly FinishRequest[]): Promise<readonly FinishAnswer[]> =>
    runBatch(port, { script: SCRIPTS.finish, items, idOf, write: writeFinish, read: readFinishes })
  const quick = requests.filter(isPlainSuccess)
  if (quick.length === 0 || new Set(requests.map(idOf)).size < requests.length) return await whole(requests)
  const letters = await runBatch(port, { ...ENDS, items: quick })
  const stored = new Set(quick.filter((_, at) => letters[at] === '0').map(idOf))
  if (stored.size === requests.length) return requests.map(() => STORED)
  const left = (await whole(requests.filter(({ id }) => !stored.has(id))))[Symbol.iterator]()
  return requests.map(({ id }) => (stored.has(id) ? STORED : (left.next().value as FinishAnswer)))
}

/** For a queue on the same server: {@link SCRIPTS.succeeded} and its arguments. */
export function endScript(port: Port, place: string): EndScript {
  const { head, key } = port
  return {
    place,
    lua: SCRIPTS.succeeded.source,
    keys: [key],
    args: (ends) => {
      const { ids, rest } = pack({ ...ENDS, items: ends }, 0, ends.length, true)
      return [...head, ids, rest]
    },
  }
}

const ENDS = {
  ...{ script: SCRIPTS.succeeded, idOf, write: writeEnd },
  read: (reply: unknown) => Array.from((reply as Buffer).toString('latin1')),
}

const STORED: FinishAnswer = { status: 'finished', class: 'ok' }

function isPlainSuccess({ arm, outcome, unpaired }: FinishRequest): boolean {
  return arm === 'primary' && outcome.ok && unpaired === true
}

/** What is fixed in the row of a run that had none. */
function absentBits(absent: NonNullable<FinishRequest['unrecorded']>, side: FinishRequest['side']): number {
  const { route, adopted, reason = adopted ? 'adopted' : 'ledger-unavailable', group = 0, first = false } = absent
  const bits = staticBits({ route, reason, fenced: false, group, side })
  return bits | (adopted ? ADOPTED : 0) | (first ? FIRST_BITS : 0)
}

function writeFinish(w: Writer, finish: FinishRequest): void {
  const { unrecorded } = finish
  writeEnd(w, finish)
  w.u32(unrecorded?.epoch ?? 0).time(unrecorded?.dueAt ?? 0)
  w.u24(unrecorded === undefined ? 0 : absentBits(unrecorded, finish.side))
  w.text(finish.errorClass ?? '', 1)
}

function writeEnd(w: Writer, finish: FinishRequest): void {
  const { unrecorded } = finish
  w.u8(
    codeOf(ARM_WORDS, finish.arm) |
      (codeOf(SIDE_WORDS, finish.side) << 2) |
      (finish.outcome.ok ? 8 : 0) |
      (finish.fatal ? 16 : 0) |
      (finish.effectFailed ? 32 : 0) |
      (unrecorded === undefined ? 0 : 64) |
      (finish.unfenced === true ? 128 : 0),
  )
  w.u32(finish.gen).token(finish.token).i32(finish.runBucket).i32(finish.waitBucket)
  w.text(encodeOutcome(finish.outcome), 4)
}

const REFUSALS = { t: 'token', g: 'generation', m: 'moving', a: 'absent' } as const

function readFinishes(reply: unknown): readonly FinishAnswer[] {
  const { letters, rest } = lettered(reply)
  return Array.from(letters, (letter): FinishAnswer => {
    switch (letter) {
      case 'p': {
        const cls = wordOf(CLASS_WORDS, rest.u8())
        return { status: 'finished', class: cls, pair: readPair(rest) }
      }
      case 'r':
        return { status: 'retry', fails: rest.u32(), maxAttempts: rest.u32() }
      case 'd':
        return { status: 'refused', why: 'done', class: wordOf(CLASS_WORDS, rest.u8()) }
      case 't':
      case 'g':
      case 'm':
      case 'a':
        return { status: 'refused', why: REFUSALS[letter] }
      default:
        return { status: 'finished', class: wordOf(CLASS_WORDS, Number(letter)) }
    }
  })
}

function readPair(reader: Reader): PairState {
  const route = wordOf(ROUTE_WORDS, reader.u8())
  const verdict = wordOf(VERDICT_WORDS, reader.u8())
  const controlVerdict = wordOf(VERDICT_WORDS, reader.u8())
  const [primary, shadow, control] = [reader.text(4), reader.text(4), reader.text(4)]
  return { route, verdict, controlVerdict, slots: slotsOf({ primary, shadow, control }) }
}

// -------------------------------------------------------------------------------------------------------- scanning

/** First the unfinished rows, then the finished ones that wait for a comparison: rows only ever move that way. */
async function scan(
  port: Port,
  options: { cursor?: string; limit: number },
): Promise<{ rows: readonly JobRow[]; cursor?: string }> {
  const [hash = 'u', cursor = '0'] = options.cursor?.split(':') ?? []
  const reply = (await port.run(SCRIPTS.scan, [hash, cursor, String(Math.max(1, options.limit))])) as Buffer[]
  const rows: JobRow[] = []
  for (let at = 1; at < reply.length; at += 6) {
    const [id, stored, ...rest] = reply.slice(at, at + 6) as [Buffer, Buffer, ...Buffer[]]
    const [primary = '', shadow = '', control = '', producer = ''] = texts(rest)
    rows.push(jobRow(new Reader(stored), id, { primary, shadow, control }, producer))
  }
  const next = String(reply[0])
  if (next !== '0') return { rows, cursor: `${hash}:${next}` }
  return hash === 'u' ? { rows, cursor: 'f:0' } : { rows }
}

async function settled(
  port: Port,
  { classes, cursor = '0:0', limit }: { classes: readonly FinishClass[]; cursor?: string; limit: number },
): Promise<{ rows: readonly JobRow[]; cursor?: string }> {
  const [slice = '0', bucket = '0'] = cursor.split(':')
  const wanted = classes.map((cls) => codeOf(CLASS_WORDS, cls)).join('')
  const most = String(Math.max(1, Math.min(limit, MOST_LOOKED_AT)))
  const reply = (await port.run(SCRIPTS.ended, [wanted, slice, bucket, most])) as Buffer[]
  const rows: JobRow[] = []
  for (let at = 2; at < reply.length; at += 4) {
    const [id, stored, outcome, long] = reply.slice(at, at + 4) as [Buffer, Buffer, Buffer, Buffer]
    // the long id of a row that was settled by a version before is not kept: its digest stands for it
    const digest = id.length === 17 && id[0] === 0x23 ? `#${id.toString('hex', 1)}` : ''
    const full = long.length > 0 ? long.toString('utf8') : digest
    const outcomes = { primary: outcome.toString('utf8'), shadow: '', control: '' }
    rows.push(jobRow(new Reader(stored), full === '' ? id : full, outcomes, ''))
  }
  const next = `${String(reply[0])}:${String(reply[1])}`
  return next === '0:0' ? { rows } : { rows, cursor: next }
}
