// A ledger in plain maps: what a store has to agree with. It applies `row-rules.ts` one request after the other and adds
// nothing of its own but the bookkeeping, so that it can be read at a glance.

import { addStored } from '../../src/ports/families.ts'
import type {
  BeginRequest,
  CancelAnswer,
  ClaimAnswer,
  ClaimRequest,
  CompareRequest,
  DiscardAnswer,
  ExtendRequest,
  FinishAnswer,
  FinishRequest,
  Gauges,
  JobRow,
  LedgerSettings,
  MoveAnswer,
  MoveRequest,
  NoteRequest,
  PinAnswer,
  PinRequest,
  UnpinOptions,
} from '../../src/ports/ledger.ts'
import * as moves from '../../src/ports/move-rules.ts'
import * as rules from '../../src/ports/row-rules.ts'
import type { StoredError } from '../../src/vocabulary/outcome.ts'

type Which = 'pair' | 'control'

export class ReferenceLedger {
  readonly rows: Map<string, JobRow> = new Map()
  /** Sees each single change of a row that there was. */
  watch: ((before: JobRow, after: JobRow | undefined) => void) | undefined
  /** By `epoch family/measure`, over all buckets. */
  readonly counts: Map<string, number> = new Map()
  /** By `epoch histogram family bucket`. */
  readonly latencies: Map<string, number> = new Map()
  /** Run times of pairs, by `epoch family legacy target`. */
  readonly pairs: Map<string, number> = new Map()
  /** By `epoch measure`, over all minutes. */
  readonly recent: Map<string, number> = new Map()
  readonly #payloads = new Map<string, string>()
  readonly #keys = new Set<string>()
  readonly #settings: LedgerSettings
  readonly #now: () => number

  constructor(settings: LedgerSettings, now: () => number = Date.now) {
    this.#settings = settings
    this.#now = now
  }

  pin(request: PinRequest): PinAnswer {
    const first = this.rows.has(request.id) ? { ofKey: false, ofDay: false } : this.#first(request)
    return this.#apply(request.id, (row, env) => rules.pin(row, request, first, env))
  }
  #first({ epoch, keySlot, keySeen, delayMs }: PinRequest): rules.First {
    if (keySlot === undefined) return { ofKey: true, ofDay: true }
    if (keySlot < 0) return { ofKey: false, ofDay: false }
    const day = Math.floor((this.#now() + delayMs) / (24 * 3_600_000))
    const set = (bit: string): boolean => !this.#keys.has(bit) && this.#keys.add(bit).has(bit)
    return { ofKey: keySeen !== true && set(`${epoch} ${keySlot}`), ofDay: set(`${epoch} ${day} ${keySlot}`) }
  }
  unpin(id: string, options: UnpinOptions = {}): undefined {
    return this.#apply(id, (row, env) => rules.unpin(row, options, env))
  }
  note(request: NoteRequest): undefined {
    return this.#apply(request.id, (row, env) => rules.note(row, request, env))
  }
  claim(request: ClaimRequest): ClaimAnswer {
    return this.#apply(request.id, (row, env) => rules.claim(row, request, env))
  }
  begin(request: BeginRequest): boolean {
    return this.#apply(request.id, (row) => rules.begin(row, request))
  }
  extend(request: ExtendRequest): boolean {
    return this.#apply(request.id, (row, env) => rules.extend(row, request, env))
  }
  release(request: BeginRequest): boolean {
    return this.#apply(request.id, (row) => rules.release(row, request))
  }
  finish(request: FinishRequest): FinishAnswer {
    return this.#apply(request.id, (row, env) => rules.finish(row, request, env))
  }
  move(request: MoveRequest): MoveAnswer {
    return this.#apply(request.id, (row, env) => {
      const change = moves.move(row, request, env)
      if (change.row !== undefined) this.#payloads.set(request.id, request.payload)
      return change
    })
  }
  arrive(id: string, gen: number): boolean {
    return this.#apply(id, (row) => moves.arrive(row, gen))
  }
  payload(id: string): string | undefined {
    return this.rows.get(id)?.state === 'moving' ? this.#payloads.get(id) : undefined
  }
  discard(id: string): DiscardAnswer {
    return this.#apply(id, (row, env) => moves.discard(row, env))
  }
  cancel(id: string): CancelAnswer {
    return this.#apply(id, (row, env) => rules.cancel(row, env))
  }
  closeFailed(id: string, error: StoredError): boolean {
    return this.#apply(id, (row, env) => rules.closeFailed(row, error, env))
  }
  markLost(id: string, lost: boolean): boolean {
    return this.#apply(id, (row, env) => rules.markLost(row, lost, env))
  }
  shed(id: string, which: Which): undefined {
    return this.#apply(id, (row, env) => rules.shed(row, which, env))
  }
  compare(request: CompareRequest): boolean {
    return this.#apply(request.id, (row, env) => rules.compare(row, request, env))
  }
  orphan(id: string, which: Which): boolean {
    return this.#apply(id, (row, env) => rules.orphan(row, which, env))
  }

  gauges(): Gauges {
    const env = this.#env()
    const rows = [...this.rows.values()]
    const bySide = (test: (row: JobRow) => boolean): { legacy: number; target: number } => ({
      legacy: rows.filter((row) => row.side === 'legacy' && test(row)).length,
      target: rows.filter((row) => row.side === 'target' && test(row)).length,
    })
    return {
      waiting: bySide((row) => row.state === 'open'),
      running: bySide((row) => row.state === 'running'),
      moving: rows.filter((row) => row.state === 'moving').length,
      inDoubt: bySide((row) => rules.isInDoubt(row, env.now)),
      lost: bySide((row) => row.state !== 'finished' && row.lostAt !== undefined),
      overdue: rows.filter((row) => rules.isOverdue(row, env)).length,
      pairsOpen: rows.filter((row) => row.verdict === 'open').length,
      controlsOpen: rows.filter((row) => row.controlVerdict === 'open').length,
      oldestReadyAt: oldest(rows.filter(rules.isReady)),
    }
  }

  #env(): rules.RuleEnvironment {
    return { now: this.#now(), settings: this.#settings }
  }

  #apply<A>(id: string, rule: (row: JobRow | undefined, env: rules.RuleEnvironment) => rules.Change<A>): A {
    const before = this.rows.get(id)
    const change = rule(before, this.#env())
    if (change.row !== undefined) this.rows.set(id, change.row)
    if (change.removed === true) this.rows.delete(id)
    if (before !== undefined) this.watch?.(before, this.rows.get(id))
    const epoch = (change.row ?? before)?.stamp.epoch
    for (const key of change.counts) {
      const counts: Record<string, number> = {}
      addStored(counts, key, 1)
      for (const name of Object.keys(counts)) add(this.counts, `${epoch} ${name}`)
    }
    const of = change.row ?? before
    for (const { name, bucket, target } of change.times ?? []) {
      const family = of && rules.familyOf(of, this.#env())
      if (target === undefined) add(this.latencies, `${epoch} ${name} ${family} ${bucket}`)
      else add(this.pairs, `${epoch} ${family} ${bucket} ${target}`)
    }
    for (const key of change.recent ?? []) add(this.recent, `${epoch} ${key}`)
    return change.answer
  }
}

function oldest(rows: readonly JobRow[]): number | null {
  return rows.length === 0 ? null : Math.floor(Math.min(...rows.map(({ stamp }) => stamp.dueAt)) / 1000) * 1000
}

function add(into: Map<string, number>, key: string): void {
  into.set(key, (into.get(key) ?? 0) + 1)
}
