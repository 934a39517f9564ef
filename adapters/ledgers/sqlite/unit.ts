// One call of the ledger inside its transaction: rows are found, changed by the row rules and stored, and what they
// count is summed, so that each counter is written once a call.

import type { JobRow, LedgerSettings } from '../../../src/ports/ledger.ts'
import { bucketStart, type Change, isSettled, type RuleEnvironment } from '../../../src/ports/row-rules.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { bodyOf, keyOf, type LiveRecord, type RowKey, rowOfLive, slotsText, statusOf } from './row-codec.ts'
import { type RowTexts, rowTexts } from './schema.ts'
import { currentSlice, findSettled, putSettled, type Slice, slicesOf } from './slices.ts'
import { Tallies } from './tallies.ts'

type Place = 'live' | Slice | undefined

export class Unit {
  readonly db: SqliteDb
  readonly mid: number
  readonly env: RuleEnvironment
  readonly tallies: Tallies
  readonly #texts: RowTexts
  #slices: readonly Slice[] | undefined
  /** Of the row found last. */
  #key: RowKey = ''
  #place: Place

  constructor(db: SqliteDb, mid: number, settings: LedgerSettings) {
    this.db = db
    this.mid = mid
    this.env = { now: Date.now(), settings }
    this.tallies = new Tallies(mid)
    this.#texts = rowTexts(mid)
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

  /** Inserts a row that is known to be in no slice; undefined: there is one with this id. */
  insert<A>(id: string, change: Change<A>): A | undefined {
    if (change.row === undefined) return change.answer
    this.#key = keyOf(id)
    if (this.#write(this.#texts.insert, change.row) === 0) return undefined
    this.#count(change.row, change)
    return change.answer
  }

  /** First job of its key in this epoch. */
  firstOfKey(epoch: number, slot: number | undefined): boolean {
    if (slot === undefined) return true
    if (slot < 0) return false
    return (
      Number(this.db.sql('INSERT OR IGNORE INTO ledger_key VALUES (?, ?, ?)').run(this.mid, epoch, slot).changes) === 1
    )
  }

  /** Writes the sums; the last thing that a call does. */
  end(): void {
    this.tallies.write(this.db, this.env.settings.bucketMs)
  }

  #known(): readonly Slice[] {
    this.#slices ??= slicesOf(this.db, this.mid)
    return this.#slices
  }

  #store<A>(before: JobRow | undefined, change: Change<A>): A {
    const { row } = change
    if (row !== undefined) this.#put(row)
    else if (change.removed === true) this.#remove()
    const of = row ?? before
    if (of !== undefined) this.#count(of, change)
    return change.answer
  }

  #put(row: JobRow): void {
    const place = this.#place
    if (!isSettled(row)) {
      this.#write(this.#texts.replace, row)
    } else if (place !== undefined && place !== 'live') {
      putSettled(this.db, place, this.#key, row)
    } else {
      if (place === 'live') this.#remove()
      const slices = this.#known()
      const slice = currentSlice(this.db, this.mid, slices, this.env.now, this.env.settings)
      if (slice !== slices[0]) this.#slices = [slice, ...slices]
      putSettled(this.db, slice, this.#key, row)
    }
  }

  #write(text: string, row: JobRow): number {
    const write = this.db.sql(text)
    const done = write.run(this.#key, statusOf(row), row.stamp.dueAt, row.leaseUntil, bodyOf(row), slotsText(row.slots))
    return Number(done.changes)
  }

  #remove(): void {
    this.db.sql(this.#texts.remove).run(this.#key)
  }

  #count(row: JobRow, { counts, latencies }: Change<unknown>): void {
    const { epoch, dueAt } = row.stamp
    if (counts.length > 0) this.tallies.count(epoch, bucketStart(dueAt, this.env.settings), counts)
    if (latencies === undefined) return
    for (const { name, bucket } of latencies) this.tallies.latency(epoch, name, bucket)
  }
}
