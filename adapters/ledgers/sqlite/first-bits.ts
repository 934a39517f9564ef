// The first-of-key bits, 2^20 an epoch and 2^20 a day of it, in pages: whatever the traffic, they take 128 KiB each.

import type { PinRequest } from '../../../src/ports/ledger.ts'
import type { First } from '../../../src/ports/row-rules.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

const PAGE_BITS = 4096
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** In place of a day: the bits of the whole epoch. */
const WHOLE_EPOCH = -1

interface Page {
  readonly key: readonly [epoch: number, day: number, page: number]
  readonly bits: Uint8Array
  changed: boolean
}

/** Test-and-set within one call; what changed is written at its end. */
export class FirstBits {
  readonly #db: SqliteDb
  readonly #mid: number
  readonly #pages = new Map<string, Page>()

  constructor(db: SqliteDb, mid: number) {
    this.#db = db
    this.#mid = mid
  }

  test({ epoch, keySlot, keySeen = false }: PinRequest, dueAt: number): First {
    if (keySlot === undefined) return { ofKey: true, ofDay: true }
    if (keySlot < 0) return { ofKey: false, ofDay: false }
    const ofKey = !keySeen && this.#set(epoch, WHOLE_EPOCH, keySlot)
    return { ofKey, ofDay: this.#set(epoch, Math.floor(dueAt / DAY_MS), keySlot) }
  }

  /** True: the bit was not set before. */
  #set(epoch: number, day: number, slot: number): boolean {
    const page = this.#page(epoch, day, Math.floor(slot / PAGE_BITS))
    const [byte, mask] = [(slot % PAGE_BITS) >> 3, 1 << (slot & 7)]
    const before = page.bits[byte] ?? 0
    if ((before & mask) !== 0) return false
    page.bits[byte] = before | mask
    page.changed = true
    return true
  }

  #page(epoch: number, day: number, number: number): Page {
    const name = `${epoch} ${day} ${number}`
    let page = this.#pages.get(name)
    if (page === undefined) {
      const find = this.#db.sql('SELECT bits FROM ledger_first WHERE mid = ? AND epoch = ? AND day = ? AND page = ?')
      const stored = find.get(this.#mid, epoch, day, number)?.bits as Uint8Array | undefined
      page = { key: [epoch, day, number], bits: stored ?? new Uint8Array(PAGE_BITS / 8), changed: false }
      this.#pages.set(name, page)
    }
    return page
  }

  write(): void {
    const put = this.#db.sql('INSERT OR REPLACE INTO ledger_first VALUES (?, ?, ?, ?, ?)')
    for (const { key, bits, changed } of this.#pages.values()) if (changed) put.run(this.#mid, ...key, bits)
  }
}

/** No job is pinned for an epoch that ended so long ago, and hardly one that was due on a day that is over. */
export function forgetFirst(db: SqliteDb, mid: number, now: number, retainMs: number): void {
  db.sql(`DELETE FROM ledger_first WHERE mid = ?1 AND epoch IN (SELECT epoch - 1 FROM ledger_epoch
    WHERE mid = ?1 AND record ->> 'startedAt' < ?2)`).run(mid, now - retainMs)
  db.sql(`DELETE FROM ledger_first WHERE mid = ? AND day >= 0 AND day < ?`).run(
    mid,
    Math.floor((now - HOUR_MS) / DAY_MS),
  )
}
