// Drives a plan: looks, decides one step, takes it, and looks again.
//
// Nothing is remembered here that matters. What is done is one compare-and-set in the ledger; the flag is written after
// it and read back, so that whoever is killed anywhere leaves a state from which the next one goes on. The lease keeps
// two from working against each other; that one of them cannot undo the other is the compare-and-set.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { MigrationSettings } from '../config/resolve.ts'
import { DoubtLog } from '../ports/doubt-log.ts'
import type { FlagSource } from '../ports/flags.ts'
import type { MigrationLedger, Presence } from '../ports/ledger.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { type DriveAction, type DriveReason, decideStep } from './drive/decide.ts'
import { type DriveFacts, readsAs } from './drive/facts.ts'
import { driveFacts, flagFacts, type Judged, judgeDriven, type LedgerView } from './drive/look.ts'
import { planReading } from './drive/plan-reading.ts'
import { type DriveRecord, readRecord, stageOf } from './drive/record.ts'
import { packSnapshot } from './drive/snapshot.ts'
import { type Evidence, stepOf } from './drive/steps.ts'
import { trendStep, withTrend } from './drive/trend.ts'
import type { McpCounts } from './gates/stage.ts'
import { legacyErrorRate } from './observe.ts'
import type { PlanFile } from './plan-file.ts'

/** One holds it; the others wait until it is over. */
export const DRIVE_LEASE = 'drive'

export interface ControllerOptions {
  readonly settings: MigrationSettings
  readonly ledger: MigrationLedger
  readonly flags: FlagSource
  /** Read anew at every look: a plan may change while it runs. */
  readonly planFile: () => PlanFile
  readonly by: string
  /** Between two looks while nothing changes. Default: half a bucket, from 250 ms to 5 s. */
  readonly everyMs?: number
  /** After this long without a look another controller takes over. Default: three looks, at least 3 s. */
  readonly leaseMs?: number
  /** Results of MCP probes. */
  readonly mcp?: () => Promise<readonly McpCounts[] | undefined>
  readonly onTick?: (tick: Tick) => void
}

/** What one look came to. */
export interface Tick {
  /** `waiting`: another controller holds the lease. `lost`: the ledger did not answer. */
  readonly state: 'acted' | 'held' | 'rests' | 'waiting' | 'lost'
  readonly action?: DriveAction
  /** As they are after the action. */
  readonly record?: DriveRecord
  readonly facts?: DriveFacts
  readonly judged?: Judged | null
  /** Who holds the lease, or what went wrong. */
  readonly message?: string
}

const LEASE_LEAST_MS = 3000
const BEAT_MS = 1000
const FLAG_WRITE_MS = 20_000
/** While a stage is entered, producers tell what they have seen once a second. */
const ENTERING_MS = 250

export class Controller {
  readonly instance: string = randomUUID().replaceAll('-', '').slice(0, 16)
  readonly #o: ControllerOptions
  readonly #everyMs: number
  readonly #startedAt = Date.now()
  readonly #doubts = new DoubtLog()
  #clock: { readonly ledger: number; readonly own: number } | undefined
  #wake: (() => void) | undefined

  constructor(options: ControllerOptions) {
    this.#o = options
    this.#everyMs = options.everyMs ?? Math.min(5000, Math.max(250, options.settings.ledger.bucketMs / 2))
  }

  /** Until the plan is at its end, or `signal`. Never rejects because of a ledger or flag that is away: it holds. */
  async run(signal: AbortSignal): Promise<Tick> {
    const unsubscribe = this.#o.flags.onChange(() => this.#wake?.())
    const beats = setInterval(() => void this.#beat().catch(() => {}), BEAT_MS) // the next look meets the same fault
    await this.#beat().catch(() => {})
    try {
      for (;;) {
        const tick = await this.tick()
        if (tick.state === 'rests' || signal.aborted) return tick
        if (tick.state !== 'acted') await this.#sleep(tick, signal)
        if (signal.aborted) return tick
      }
    } finally {
      clearInterval(beats)
      unsubscribe()
      await this.#leave()
    }
  }

  /** Steps until there is nothing more to do at this moment; answers the last look. */
  async once(most = 20): Promise<Tick> {
    await this.#beat().catch(() => {})
    try {
      for (let left = most; ; left -= 1) {
        const tick = await this.tick()
        if (tick.state !== 'acted' || left <= 1) return tick
      }
    } finally {
      await this.#leave()
    }
  }

  /** One look and one step. */
  async tick(): Promise<Tick> {
    let tick: Tick
    try {
      const lease = await this.#lease()
      tick = lease.held ? await this.#step() : { state: 'waiting', message: lease.holder }
    } catch (cause) {
      if (!(cause instanceof CutoverError)) throw cause
      if (cause.code === 'ledger-schema') throw cause
      tick = { state: 'lost', message: cause.message }
    }
    this.#o.onTick?.(tick)
    return tick
  }

  #lease(): Promise<{ held: boolean; holder: string }> {
    const ttlMs = this.#o.leaseMs ?? Math.max(LEASE_LEAST_MS, 3 * this.#everyMs)
    return this.#o.ledger.acquireLease(DRIVE_LEASE, this.instance, ttlMs)
  }

  async #step(): Promise<Tick> {
    const began = performance.now()
    const view = await this.#look()
    const record = view.drive.driven ? readRecord(view.drive) : undefined
    const { flags, settings, planFile, mcp } = this.#o
    const flag = flagFacts(flags, settings.flag)
    const plan = planReading(record, planFile())
    const facts = driveFacts(record, view, { flag, plan, clockJumpMs: this.#clockJump(view.snapshot.now) })
    const probed = await mcp?.()
    const more = { facts, ageMs: performance.now() - began, ...(probed === undefined ? {} : { mcp: probed }) }
    const judged = record === undefined ? null : judgeDriven(record, view, more)
    const action = decideStep(record, judged?.judgement ?? null, facts)
    const seen = { action, facts, judged, ...(record === undefined ? {} : { record }) }
    if (action.kind === 'rest') return { state: 'rests', ...seen }
    if (action.kind === 'write-flag') return await this.#writeFlag(action.to, view, seen)
    return await this.#write(action, view, seen)
  }

  async #look(): Promise<LedgerView> {
    const { ledger } = this.#o
    const drive = await ledger.driveState()
    const epoch = drive.driven ? readRecord(drive)?.epoch : undefined
    // while nothing is counted, no counts are read
    const [snapshot, presence] = await Promise.all([
      ledger.snapshot({ epoch: epoch ?? Number.MAX_SAFE_INTEGER }),
      ledger.presence(),
    ])
    return { drive, snapshot, presence }
  }

  #clockJump(ledger: number): number {
    const own = performance.now()
    const before = this.#clock
    this.#clock = { ledger, own }
    return before === undefined ? 0 : ledger - before.ledger - (own - before.own)
  }

  /** One compare-and-set; who loses it looks again. */
  async #write(action: DriveAction, view: LedgerView, seen: Omit<Tick, 'state'>): Promise<Tick> {
    const { ledger, by } = this.#o
    const { facts, judged } = seen
    const stored = readRecord(view.drive)
    const held = action.kind === 'hold'
    const now = { now: view.snapshot.now, startedAt: facts?.epoch.startedAt ?? 0, decisive: !held }
    const before = stored && judged ? withTrend(stored, judged.judgement, now) : stored
    const evidence = judged == null ? {} : { evidence: () => this.#evidence(judged, view) }
    const noted = before === undefined || before === stored ? undefined : trendStep(before, by)
    const step = facts && (stepOf(before, action, { by, facts, ...evidence }) ?? noted)
    if (step === undefined) return { state: 'held', ...seen }
    const expect = { drive: view.drive.revision, latch: view.snapshot.control.latch.revision }
    const { done, drive } = await ledger.drive({ ...step, expect, token: randomUUID() })
    const record = readRecord(drive)
    // who lost looks again at once
    return { state: held && done ? 'held' : 'acted', ...seen, ...(record === undefined ? {} : { record }) }
  }

  #evidence({ stage, counts, judgement }: Judged, { snapshot }: LedgerView): Evidence {
    const { migration } = this.#o.ledger
    const { verdict, reasons } = judgement
    const at = new Date(snapshot.now).toISOString()
    const unit = stage.gates.errors?.unit ?? 'key'
    const legacyRate = legacyErrorRate(snapshot, snapshot.control.epoch.epoch, unit)
    return {
      ...{
        verdict,
        reasons,
        snapshot: packSnapshot({ schema: 'cutover-decision/1', migration, at, stage, counts, verdict, reasons }),
      },
      ...(legacyRate === undefined ? {} : { legacyRate }),
    }
  }

  /** After the ledger, and only as long as nobody else has taken over. */
  async #writeFlag(to: 'stage' | 'off', view: LedgerView, seen: Omit<Tick, 'state'>): Promise<Tick> {
    const { flags, settings } = this.#o
    const { record } = seen
    const dials = to === 'off' || record === undefined ? { target: 0, shadow: 0 } : stageOf(record)
    if (!(await this.#lease()).held) return { state: 'acted', ...seen }
    try {
      const writing = flags.writer?.write(settings.flag, { target: dials.target, shadow: dials.shadow })
      await inTime(writing, FLAG_WRITE_MS, `writing the flag "${settings.flag}" to ${flags.origin}`)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      const hold: DriveAction = { kind: 'hold', reasons: ['flag-lost' satisfies DriveReason] }
      const tick = await this.#write(hold, view, { ...seen, action: hold })
      return { ...tick, state: 'held', message }
    }
    // a source that polls sees it a little later
    return { state: readsAs(flags.read(settings.flag), dials) ? 'acted' : 'held', ...seen }
  }

  async #sleep(tick: Tick, signal: AbortSignal): Promise<void> {
    const entering = tick.record?.phase === 'entering'
    const ms = entering ? Math.min(ENTERING_MS, this.#everyMs) : this.#everyMs
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await delay(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => {}) // woken early
    this.#wake = undefined
  }

  async #beat(): Promise<void> {
    const { flags, ledger } = this.#o
    await ledger.beat(this.#presence(flags))
  }

  #presence(flags: FlagSource): Presence {
    const { flag, flagKind } = this.#o.settings
    return {
      ...{ instance: this.instance, pid: process.pid, host: hostname(), startedAt: this.#startedAt },
      ...{ works: {}, shadows: [], produces: false, drives: true, inFlight: 0, skewMs: 0, latchRevision: 0 },
      ...{ flagRevision: flags.revision(), flagHealth: flags.health().state },
      ...this.#doubts.told(flags.inspect?.({ flag, flagKind }) ?? [], Date.now()),
      confirmedBefore: Number.MAX_SAFE_INTEGER,
    }
  }

  /** What cannot be told to a ledger that is away ends by itself. */
  async #leave(): Promise<void> {
    const { ledger, flags } = this.#o
    await Promise.allSettled([ledger.releaseLease(DRIVE_LEASE, this.instance), ledger.leave(this.#presence(flags))])
  }
}

async function inTime(writing: Promise<unknown> | undefined, ms: number, what: string): Promise<void> {
  const late = new AbortController()
  const timeout = delay(ms, undefined, { signal: late.signal }).then(() => {
    throw new CutoverError('flag-unavailable', `${what} gave no answer within ${ms / 1000} s`)
  })
  try {
    await Promise.race([writing, timeout])
  } finally {
    timeout.catch(() => {}) // aborted below, or reported already
    writing?.catch(() => {}) // what it does after the time-out is nobody's concern
    late.abort()
  }
}
