// Keeps one process current on one migration: latch, ceiling, epoch and flag, and tells the ledger that it is alive.
//
// A read that failed or is old never sends a job to target: `ageMs` says how long ago the last good read *began*.

import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { DoubtLog } from '../ports/doubt-log.ts'
import type { FlagQuestion, FlagSource } from '../ports/flags.ts'
import { CLOCK_JUMP_MS, type ControlState, type MigrationLedger, type Presence } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import type { Dials } from '../vocabulary/dials.ts'
import { CutoverError, isCutoverError } from '../vocabulary/errors.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import { newId } from '../vocabulary/ids.ts'
import type { Side } from '../vocabulary/job.ts'

/** How often the control state is read; every producer obeys the latch within a second. */
const READ_EVERY_MS = 250
/** A ledger that does not answer a read for this long is lost, until it does. */
const LOST_AFTER_MS = 1000
/** Every so many reads the read is a heartbeat. */
const BEAT_EVERY = 4

/** How often a lost compare-and-set is tried again at once; after that the next change does. */
const EPOCH_TRIES = 6

export interface ControlWatchOptions {
  readonly migration: string
  /** Opens the ledger if need be; rejects with `ledger-unavailable` while it cannot be reached. */
  readonly ledger: () => Promise<MigrationLedger>
  readonly flags: FlagSource
  readonly flag: string
  readonly flagKind: FlagQuestion['flagKind']
  /** Fingerprint of deadline, compare rules and the like. */
  readonly rules: string
  readonly by: string
  readonly emit: EmitEvent
  /** Where the dispatcher says what is under way. */
  readonly inFlight: () => { count: number; oldest: number | undefined }
}

export class ControlWatch {
  readonly instance: string = newId().replaceAll('-', '').slice(8, 24)
  readonly #options: ControlWatchOptions
  readonly #startedAt = Date.now()
  readonly #works: Partial<Record<Side, string>> = {}
  readonly #shadows = new Set<Side>()
  readonly #doubts = new DoubtLog()
  readonly #stop = new AbortController()
  #produces = false
  #state: ControlState | undefined
  #readBegan = Number.NEGATIVE_INFINITY
  #skewMs = 0
  #reachable = true
  /** A read that was given up and may still be answered: no further one is sent before. */
  #late = false
  readonly #onLost = new Set<() => void>()
  #seenRevision: string | undefined
  #epochOwed = false
  #jumpOwed = false
  #stampEpoch = 0
  #epochPending: Promise<void> | undefined
  #loop: Promise<void> | undefined
  #everDialled = false
  #flagWasWell = true
  #unsubscribe: (() => void) | undefined

  constructor(options: ControlWatchOptions) {
    this.#options = options
  }

  /** The last state read; undefined before the first. */
  get state(): ControlState | undefined {
    return this.#state
  }
  /** ms since the last good read began. */
  get ageMs(): number {
    return performance.now() - this.#readBegan
  }
  /** False while the last read failed. */
  get reachable(): boolean {
    return this.#reachable
  }
  /** This process has seen a dial above 0 since it started. */
  get everDialled(): boolean {
    return this.#everDialled
  }
  /** The ledger's clock, by this process's own and the skew last seen. */
  ledgerNow(): number {
    return Date.now() - this.#skewMs
  }

  /** Reads once, then keeps reading. Never rejects: without a ledger the state stays unknown. */
  async start(): Promise<void> {
    if (this.#loop !== undefined) return
    this.#noteDials()
    this.#unsubscribe = this.#options.flags.onChange(() => {
      this.#noteDials()
      void this.syncEpoch().catch(() => {}) // told by the read loop, which meets the same fault
    })
    this.#loop = Promise.resolve()
    await this.read(true)
    this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    let turn = 0
    while (!this.#stop.signal.aborted) {
      await delay(READ_EVERY_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {}) // aborted: ends
      if (this.#stop.signal.aborted) return
      turn += 1
      const good = await this.read(turn % BEAT_EVERY === 0)
      if (good && this.#jumpOwed) await this.#noteJump()
      if (!good || !(this.#epochOwed || (this.#seenRevision !== undefined && this.epochIsStale))) continue
      await this.syncEpoch().catch(() => {}) // the ledger went away again: the next good read tries once more
    }
  }

  /** One read (or heartbeat) now; answers whether it was good, at the latest after `LOST_AFTER_MS`. */
  async read(beat: boolean): Promise<boolean> {
    if (this.#late) return false
    const answer = this.#read(beat)
    const good = await within(answer, LOST_AFTER_MS)
    if (good !== 'late') return good
    this.#late = true
    void answer.finally(() => {
      this.#late = false
    })
    this.#lose(`it has not answered for ${LOST_AFTER_MS} ms`)
    return false
  }

  /** Never rejects. */
  async #read(beat: boolean): Promise<boolean> {
    const began = performance.now()
    try {
      const ledger = await this.#options.ledger()
      const state = beat ? await ledger.beat(this.presence()) : await ledger.control()
      this.#take(state, began)
      this.#tellFlag()
      return true
    } catch (cause) {
      this.#lose(cause instanceof Error ? cause.message : String(cause))
      return false
    }
  }

  #lose(message: string): void {
    const { emit, migration } = this.#options
    if (this.#reachable) {
      this.#reachable = false
      emit({ type: 'ledger-lost', migration, message })
    }
    for (const lost of this.#onLost) lost()
    this.#onLost.clear()
  }

  /**
   * The answer, or `ledger-unavailable` as soon as the ledger is lost. What was asked may be done all the same: ask only
   * what may be repeated or taken back.
   */
  guard<T>(asked: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { migration } = this.#options
      const lost = (): void =>
        reject(new CutoverError('ledger-unavailable', `${migration}: the ledger does not answer`))
      this.#onLost.add(lost)
      asked
        .finally(() => {
          this.#onLost.delete(lost)
        })
        .then(resolve, reject)
      if (!this.#reachable && this.ageMs > LOST_AFTER_MS) lost()
    })
  }

  #take(state: ControlState, began: number): void {
    if (began < this.#readBegan) return // overtaken by a younger answer
    const before = this.#state
    if (before !== undefined) this.#checkClock(before, state, began - this.#readBegan)
    this.#state = state
    this.#readBegan = began
    this.#skewMs = Date.now() - state.now
    this.#settleEpoch()
    const { emit, migration } = this.#options
    if (!this.#reachable) {
      this.#reachable = true
      emit({ type: 'ledger-back', migration })
    }
    if (before === undefined) return
    if (before.latch.set !== state.latch.set) {
      const { by, why } = state.latch
      const who = { ...(by === undefined ? {} : { by }), ...(why === undefined ? {} : { why }) }
      emit({ type: state.latch.set ? 'latch-set' : 'latch-cleared', migration, ...who })
    }
    if (before.epoch.epoch !== state.epoch.epoch) emit({ type: 'epoch-opened', migration, epoch: state.epoch.epoch })
  }

  /** What was due then may be taken for late or lost, or be counted too early: whoever judges has to know. */
  #checkClock(before: ControlState, after: ControlState, passedMs: number): void {
    const expected = before.now + passedMs
    const byMs = after.now - expected
    if (Math.abs(byMs) <= CLOCK_JUMP_MS) return
    this.#options.emit({ type: 'clock-jumped', migration: this.#options.migration, byMs: Math.round(byMs) })
    // an epoch that was opened after the jump has nothing to do with it
    const fresh = after.epoch.epoch !== before.epoch.epoch
    if (!fresh || Math.abs(after.epoch.startedAt - expected) <= CLOCK_JUMP_MS) this.#jumpOwed = true
  }

  async #noteJump(): Promise<void> {
    this.#jumpOwed = false
    try {
      await (await this.#options.ledger()).bump(MEASURES.clockJumped, 1)
    } catch {
      this.#jumpOwed = true // the next good read tries again
    }
  }

  #tellFlag(): void {
    const health = this.#options.flags.health()
    const well = health.state === 'ok'
    if (well === this.#flagWasWell || health.state === 'starting') return
    this.#flagWasWell = well
    const { emit, migration } = this.#options
    emit(
      well
        ? { type: 'flag-back', migration }
        : { type: 'flag-lost', migration, message: health.message ?? health.state },
    )
  }

  #noteDials(): void {
    const reading = this.#options.flags.read(this.#options.flag)
    if (reading.kind === 'custom') this.#everDialled = true
    if (reading.kind === 'boolean' && reading.on) this.#everDialled = true
    if (reading.kind === 'dials' && (reading.target > 0 || reading.shadow > 0)) this.#everDialled = true
  }

  /** The dials as this process sees them now. */
  dials(): Dials {
    const reading = this.#options.flags.read(this.#options.flag)
    const control = this.#state?.controlShare ?? 0
    if (reading.kind === 'dials') return { target: reading.target, shadow: reading.shadow, control }
    return { target: reading.kind === 'boolean' && reading.on ? 1 : 0, shadow: 0, control }
  }

  /** The flag's values have changed since they were last held against the epoch. */
  get epochIsStale(): boolean {
    return this.#seenRevision !== this.#revision()
  }

  #revision(): string {
    const { controlShare = 0, drive } = this.#state ?? {}
    return `${this.#options.flags.revision()} ${controlShare} ${drive?.driven ?? false}`
  }

  /** Opens the next epoch if the dials of this process are not those of the current one. Rejects without a ledger. */
  syncEpoch(): Promise<void> {
    this.#epochPending ??= this.#syncEpoch().finally(() => {
      this.#epochPending = undefined
    })
    return this.#epochPending
  }

  async #syncEpoch(): Promise<void> {
    // who loses the compare-and-set looks again: what the winner opened may not have this process's dials or versions
    for (let tries = 0; tries < EPOCH_TRIES; tries += 1) {
      if (tries > 0) await delay(10 * 2 ** tries * Math.random(), undefined, { ref: false })
      if (await this.#syncEpochOnce()) return
    }
  }

  /** True: the epoch is this process's own, or there is no ledger to ask. */
  async #syncEpochOnce(): Promise<boolean> {
    if (this.#state === undefined && !(await this.read(false))) return true
    const state = this.#state
    if (state === undefined) return true
    const revision = this.#revision()
    // while a plan is driven, its controller alone opens epochs for dials: once every producer has them
    const { driven } = state.drive
    const dials = driven ? state.epoch.dials : this.dials()
    const versions = { ...state.epoch.versions, ...this.#works }
    const { rules } = this.#options
    const same = sameDials(dials, state.epoch.dials) && sameVersions(versions, state.epoch.versions)
    if (!same || state.epoch.rules !== rules || state.epoch.epoch === 0) {
      const began = performance.now()
      const ledger = await this.#options.ledger()
      const request = {
        expect: state.epoch.epoch,
        dials,
        flagRevision: driven ? state.epoch.flagRevision : this.#options.flags.revision(),
        versions,
        rules,
        driven,
        by: this.#options.by,
      }
      const opened = await this.guard(ledger.openEpoch(request))
      this.#take(opened, began)
      const { epoch } = opened
      if (!sameDials(dials, epoch.dials) || !sameVersions(versions, { ...epoch.versions }) || epoch.rules !== rules) {
        return false
      }
    }
    this.#seenRevision = revision
    this.#epochOwed = false
    this.#settleEpoch()
    return true
  }

  /** The epoch to stamp: the current one, or 0 (outside of any) while this process sees other dials than it has. */
  get epochNow(): number {
    return this.#stampEpoch
  }

  #settleEpoch(): void {
    const epoch = this.#state?.epoch
    this.#stampEpoch = epoch !== undefined && sameDials(this.dials(), epoch.dials) ? epoch.epoch : 0
  }

  get isProducing(): boolean {
    return this.#produces
  }

  async produces(): Promise<void> {
    if (this.#produces) return
    this.#produces = true
    await this.read(true)
  }

  /** Announces a worker; its version may open an epoch. */
  async works(side: Side, version: string, what: { primary: boolean; shadow: boolean }): Promise<void> {
    if (what.primary) this.#works[side] = version
    if (what.shadow) this.#shadows.add(side)
    this.#epochOwed = true
    if (!(await this.read(true))) return // synced by the first good read
    await this.syncEpoch().catch((cause: unknown) => {
      if (!isCutoverError(cause, 'ledger-unavailable') && !isCutoverError(cause, 'ledger-full')) throw cause
    })
  }

  async worksNoMore(side: Side): Promise<void> {
    delete this.#works[side]
    this.#shadows.delete(side)
    await this.read(true)
  }

  /** A job went to legacy as its key was empty: told with the heartbeats. */
  sawEmptyKey(): void {
    this.#doubts.sawEmptyKey(this.ledgerNow())
  }

  presence(): Presence {
    const { inFlight, flags, flag, flagKind } = this.#options
    const { count, oldest } = inFlight()
    return {
      instance: this.instance,
      pid: process.pid,
      host: hostname(),
      startedAt: this.#startedAt,
      works: { ...this.#works },
      shadows: [...this.#shadows],
      produces: this.#produces,
      flagRevision: flags.revision(),
      flagHealth: flags.health().state,
      ...this.#doubts.told(flags.inspect?.({ flag, flagKind }) ?? [], this.ledgerNow()),
      latchRevision: this.#state?.latch.revision ?? 0,
      inFlight: count,
      confirmedBefore: oldest ?? this.ledgerNow(),
      skewMs: this.#skewMs,
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#unsubscribe?.()
    await this.#loop
    if (this.#state === undefined || !this.#reachable) return
    const confirmedBefore = this.#options.inFlight().oldest ?? Number.MAX_SAFE_INTEGER
    const last = { works: {}, shadows: [], inFlight: 0, confirmedBefore }
    const left = this.#options.ledger().then((ledger) => ledger.leave({ ...this.presence(), ...last }))
    await within(left, LOST_AFTER_MS).catch((cause: unknown) => {
      // its heartbeats end all the same; whoever looks sees it gone a little later
      this.#lose(cause instanceof Error ? cause.message : String(cause))
    })
  }
}

/** The answer, or `late`. An event loop that was blocked for so long first hears what has come meanwhile. */
function within<T>(answer: Promise<T>, ms: number): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => setImmediate(() => resolve('late'))), ms)
    answer.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}

function sameDials(a: Dials, b: Dials): boolean {
  return a.target === b.target && a.shadow === b.shadow && a.control === b.control
}

function sameVersions(a: Partial<Record<Side, string>>, b: Partial<Record<Side, string>>): boolean {
  return a.legacy === b.legacy && a.target === b.target
}
