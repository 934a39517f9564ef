// One call of the ledger inside its transaction: rows are found, changed by the row rules and stored, and what they
// count is summed, so that each counter is written once a call.

import type { FinishAnswer, FinishRequest, JobRow, LedgerSettings, PinRequest } from '../../../src/ports/ledger.ts'
import {
  bucketStart,
  type Change,
  type First,
  familyOf,
  finish,
  isSettled,
  type RuleEnvironment,
} from '../../../src/ports/row-rules.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { FirstBits } from './first-bits.ts'
import { dropPayload, keepMoves } from './moves.ts'
import { bodyOf, keyOf, type LiveRecord, type RowKey, rowOfLive, slotsText, statusOf } from './row-codec.ts'
import { type RowTexts, rowTexts, sliceTexts } from './schema.ts'
import { currentSlice, findSettled, putSettled, type Slice, slicesOf } from './slices.ts'
import { Tallies } from './tallies.ts'

/** `taken`: it was live, and this call has taken it out. */
type Place = 'live' | 'taken' | Slice | undefined

/** A row that a run of this process holds, as it was written last. */
interface HeldRow {
  readonly key: RowKey
  readonly row: JobRow
  readonly status: number
  readonly body: string
}

const HELD_MOST = 4096

/**
 * The rows that runs of this process hold, so that their end need not read them again. It only says what a row may
 * look like: the statement that uses it asks the file whether the row still stands exactly so.
 */
export class HeldRows {
  readonly #rows = new Map<string, HeldRow>()

  put(id: string, held: HeldRow): void {
    this.#rows.set(id, held)
    if (this.#rows.size <= HELD_MOST) return
    const [oldest] = this.#rows.keys()
    this.#rows.delete(oldest as string)
  }

  get(id: string): HeldRow | undefined {
    return this.#rows.get(id)
  }

  forget(id: string): void {
    this.#rows.delete(id)
  }
}

export class Unit {
  readonly db: SqliteDb
  readonly mid: number
  readonly env: RuleEnvironment
  readonly tallies: Tallies
  readonly #texts: RowTexts
  readonly #held: HeldRows
  #slices: readonly Slice[] | undefined
  #bits: FirstBits | undefined
  /** Of the row found last. */
  #key: RowKey = ''
  #place: Place

  constructor(db: SqliteDb, mid: number, settings: LedgerSettings, held: HeldRows) {
    this.db = db
    this.mid = mid
    this.env = { now: Date.now(), settings }
    this.tallies = new Tallies(mid)
    this.#texts = rowTexts(mid)
    this.#held = held
  }

  /** `token`: of the call in hand, to know a repeated call of a settled row by. */
  find(id: string, token?: string): JobRow | undefined {
    this.#key = keyOf(id)
    const live = this.db.sql(this.#texts.find).get(this.#key)
    if (live !== undefined) {
      this.#place = 'live'
      return rowOfLive(live as unknown as LiveRecord, id)
    }
    const settled = findSettled(this.db, this.#known(), this.#key, id, token)
    this.#place = settled?.slice
    return settled?.row
  }

  /** Applies a rule to the row with this id. */
  change<A>(id: string, rule: (row: JobRow | undefined, env: RuleEnvironment) => Change<A>, token?: string): A {
    const row = this.find(id, token)
    return this.#store(row, rule(row, this.env))
  }

  /** The end of a run: of a row that this process holds it is known what is stored, and it is taken out unread. */
  finish(request: FinishRequest): FinishAnswer {
    const row = this.#take(request) ?? this.find(request.id, request.token)
    const change = finish(row, request, this.env)
    // the rules leave no row unchanged that its own run ends; should they, it must not be gone
    if (row !== undefined && this.#place === 'taken' && change.row === undefined) this.#put(row)
    return this.#store(row, change)
  }

  #take({ id, arm, gen, token }: FinishRequest): JobRow | undefined {
    const held = this.#held.get(id)
    if (held === undefined || arm !== 'primary') return undefined
    this.#held.forget(id)
    const { key, row, status, body } = held
    if (row.token !== token || row.gen !== gen) return undefined
    const taken = this.db.sql(this.#texts.take).run(key, status, row.stamp.dueAt, body)
    if (taken.changes !== 1) return undefined
    this.#key = key
    this.#place = 'taken'
    return row
  }

  /** Inserts a row without outcomes that is known to be in no slice; undefined: there is one with this id. */
  insert<A>(id: string, change: Change<A>): A | undefined {
    if (change.row === undefined) return change.answer
    this.#key = keyOf(id)
    if (this.#write(this.#texts.insert, change.row, false) === 0) return undefined
    this.#count(change.row, change)
    return change.answer
  }

  /** Of the row found last. */
  get key(): RowKey {
    return this.#key
  }

  /** The first-of-key tests of a job that is to be pinned now. */
  first(request: PinRequest): First {
    this.#bits ??= new FirstBits(this.db, this.mid)
    return this.#bits.test(request, this.env.now + request.delayMs)
  }

  /** Writes the sums; the last thing that a call does. */
  end(): void {
    this.#bits?.write()
    this.tallies.write(this.db, this.env.now, this.env.settings)
  }

  #known(): readonly Slice[] {
    this.#slices ??= slicesOf(this.db, this.mid)
    return this.#slices
  }

  #store<A>(before: JobRow | undefined, change: Change<A>): A {
    const { row } = change
    if (before?.state === 'moving' && row !== undefined && row.state !== 'moving') dropPayload(this)
    if (row !== undefined) this.#put(row, before)
    else if (change.removed === true) this.#remove()
    const of = row ?? before
    if (of !== undefined) this.#count(of, change)
    return change.answer
  }

  #put(row: JobRow, before?: JobRow): void {
    const place = this.#place
    if (!isSettled(row)) {
      if (typeof place === 'object') this.db.sql(sliceTexts(place.sid).remove).run(this.#key)
      const sameSlots = place === 'live' && row.slots === before?.slots
      this.#write(sameSlots ? this.#texts.update : this.#texts.replace, row, !sameSlots)
    } else if (typeof place === 'object') {
      putSettled(this.db, place, this.#key, row)
    } else {
      if (place === 'live') this.#remove()
      const slices = this.#known()
      const slice = currentSlice(this.db, this.mid, slices, this.env.now, this.env.settings)
      if (slice !== slices[0]) this.#slices = [slice, ...slices]
      putSettled(this.db, slice, this.#key, row)
      if (row.gen > 0) keepMoves(this, slice.last + this.env.settings.retainMs)
    }
  }

  #write(text: string, row: JobRow, slots: boolean): number {
    const key = this.#key
    const status = statusOf(row)
    const body = bodyOf(row)
    const { dueAt } = row.stamp
    const write = this.db.sql(text)
    const done = slots
      ? write.run(key, status, dueAt, row.leaseUntil, body, slotsText(row.slots))
      : write.run(key, status, dueAt, row.leaseUntil, body)
    if (row.state === 'running') this.#held.put(row.id, { key, row, status, body })
    return Number(done.changes)
  }

  #remove(): void {
    this.db.sql(this.#texts.remove).run(this.#key)
  }

  #count(row: JobRow, { counts, times, recent }: Change<unknown>): void {
    const { epoch, dueAt } = row.stamp
    const start = bucketStart(dueAt, this.env.settings)
    if (counts.length > 0) this.tallies.count(epoch, start, counts)
    if (times !== undefined) this.tallies.times(epoch, start, familyOf(row, this.env), times)
    if (recent !== undefined && recent.length > 0) this.tallies.recent(epoch, recent)
  }
}
