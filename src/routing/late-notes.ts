// Remembers what happened while the ledger could not be reached, and tells it when it is back.

import type { MigrationLedger, NoteRequest } from '../ports/ledger.ts'
import { Retelling } from '../ports/retelling.ts'
import { neverStarted } from '../ports/row-rules.ts'

/** Beyond this only their number is kept. */
const MOST = 100_000

export interface LateNotesOptions {
  readonly ledger: () => Promise<MigrationLedger>
  readonly reachable: () => boolean
  /** Resolves when no pin is under way: one that was given up may still be stored, and only then taken back. */
  readonly pinsSettled: () => Promise<void>
}

export class LateNotes {
  readonly #options: LateNotesOptions
  #notes: NoteRequest[] = []
  #abandoned: { readonly id: string; readonly since: number }[] = []
  readonly #toTarget = new Map<string, () => Promise<void>>()
  #uncounted = 0
  readonly #retelling = new Retelling({
    tell: () => this.#tell(),
    waiting: () => this.#notes.length + this.#abandoned.length + this.#uncounted + this.#toTarget.size,
  })

  constructor(options: LateNotesOptions) {
    this.#options = options
  }

  /**
   * A job that went to legacy without a pin. `toTarget` sends it to target instead: for an id of the caller's own, whose
   * row may turn out to have been there, on target, before this copy (the row's stamp wins).
   */
  note(request: NoteRequest, toTarget?: () => Promise<void>): void {
    if (this.#notes.length < MOST) {
      this.#notes.push(request)
      if (toTarget !== undefined) this.#toTarget.set(request.id, toTarget)
    } else this.#uncounted += 1
    this.#retelling.schedule()
  }

  async #followRows(ledger: MigrationLedger): Promise<void> {
    for (const [id, toTarget] of this.#toTarget) {
      const row = await ledger.row(id)
      if (row?.side === 'target' && neverStarted(row)) await toTarget()
      this.#toTarget.delete(id)
    }
  }

  /** A pin that may have been stored and is not to be used; it was not asked for before `since`, ledger time. */
  abandon(id: string, since: number): void {
    if (this.#abandoned.length < MOST) this.#abandoned.push({ id, since })
    this.#retelling.schedule()
  }

  /** Before what no pin was given up that the ledger was not told of; undefined where there is none. */
  get abandonedSince(): number | undefined {
    // in the order in which they were given up, and the oldest send under way only ever grows younger
    return this.#abandoned[0]?.since
  }

  /** Something is still to be told. */
  get waiting(): boolean {
    return this.#notes.length + this.#abandoned.length + this.#uncounted > 0
  }

  flush(): Promise<void> {
    return this.#retelling.flush()
  }

  async #tell(): Promise<void> {
    if (!this.#options.reachable()) return
    const ledger = await this.#options.ledger()
    await this.#options.pinsSettled()
    while (this.#abandoned.length > 0) {
      const some = this.#abandoned.slice(0, 250)
      await ledger.unpin(some.map(({ id }) => id))
      // what was added meanwhile stands behind those that were told
      this.#abandoned = this.#abandoned.slice(some.length)
    }
    while (this.#notes.length > 0) {
      const some = this.#notes.slice(0, 250)
      await ledger.note(some)
      this.#notes = this.#notes.slice(some.length)
    }
    await this.#followRows(ledger)
    if (this.#uncounted > 0) {
      const count = this.#uncounted
      await ledger.bump('unnoted.legacy', count)
      this.#uncounted -= count
    }
  }

  /** Answers how many things could not be told. */
  close(timeoutMs: number): Promise<number> {
    return this.#retelling.close(timeoutMs)
  }
}
