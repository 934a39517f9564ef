// Fires schedules: for each tick of a pattern one job, with an id made of schedule and tick.
//
// Schedules are stored in the ledger, so any process that has the migration open can fire them; a lease says which one
// does. Nothing hangs on the lease: two owners at once send the same ids, and the ledger's pin makes them one job. A
// tick is noted as fired after its job is in the queue, so an owner that dies leaves it to the next one. The note
// outlives the job's row: it is what keeps a tick from being fired again once the row is purged.

import type { MigrationLedger } from '../ports/ledger.ts'
import type { ScheduleRecord } from '../ports/schedules.ts'
import { isCutoverError } from '../vocabulary/errors.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import { dueTicks, nextTick, tickId } from './ticks.ts'

/** The longest time for which nobody fires after the death of the owner. */
export const SCHEDULE_LEASE_MS = 5000
/** The owner looks at least this often: for schedules that another process declared. */
const LOOK_MS = 1000
/** How often a process looks that has never seen a schedule. */
const IDLE_MS = 5000
/** Jobs of one schedule that are sent before the ledger is read again. */
const PAGE = 50
const STOP_MS = 2000

export interface SchedulerOptions {
  readonly migration: string
  readonly instance: string
  readonly ledger: () => Promise<MigrationLedger>
  /** Enqueues the tick's job under this id; resolves when it is in its queue. */
  readonly send: (schedule: ScheduleRecord, id: string) => Promise<void>
  readonly emit: EmitEvent
}

export class Scheduler {
  readonly #o: SchedulerOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #wokenUp = false
  #stopped = false
  /** By this process's monotonic clock: when its lease is over at the earliest. */
  #leaseOver = Number.NEGATIVE_INFINITY
  /** What was last told of each schedule, so that it is told once. */
  readonly #told = new Map<string, string>()

  constructor(options: SchedulerOptions) {
    this.#o = options
  }

  start(): void {
    if (this.#timer === undefined && this.#running === undefined) this.#after(0)
  }

  /** Looks now: something was declared. */
  wake(): void {
    if (this.#running === undefined) this.#after(0)
    else this.#wokenUp = true
  }

  #after(ms: number): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#running = this.#turn().then((pause) => {
        this.#running = undefined
        this.#after(this.#wokenUp ? 0 : pause)
        this.#wokenUp = false
      })
    }, ms).unref()
  }

  /** One pass; answers after how many ms the next is due. Never rejects. */
  async #turn(): Promise<number> {
    try {
      const pause = await this.#pass(await this.#o.ledger())
      this.#told.delete('')
      return pause
    } catch (cause) {
      // that the ledger is away is told by whoever reads it four times a second
      if (!isCutoverError(cause, 'ledger-unavailable')) this.#tell('', messageOf(cause))
      return LOOK_MS
    }
  }

  async #pass(ledger: MigrationLedger): Promise<number> {
    if (!this.#holds) {
      if ((await ledger.schedules()).schedules.length === 0) return IDLE_MS
      if (!(await this.#acquire(ledger))) return LOOK_MS
    } else if (this.#leaseOver - performance.now() < SCHEDULE_LEASE_MS / 2 && !(await this.#acquire(ledger))) {
      return LOOK_MS
    }
    // read under the lease: what the owner before has fired is in it
    const began = performance.now()
    const { now, schedules } = await ledger.schedules()
    const more = await Promise.all(schedules.map((schedule) => this.#fireDue(ledger, schedule, now)))
    if (more.includes(true)) return 0
    const next = schedules.map((schedule) => nextTick(schedule, now) ?? Number.POSITIVE_INFINITY)
    return Math.max(0, Math.min(LOOK_MS, ...next.map((tick) => tick - now - (performance.now() - began))))
  }

  get #holds(): boolean {
    return performance.now() < this.#leaseOver
  }

  async #acquire(ledger: MigrationLedger): Promise<boolean> {
    const began = performance.now()
    const { held } = await ledger.acquireLease('schedules', this.#o.instance, SCHEDULE_LEASE_MS)
    this.#leaseOver = held ? began + SCHEDULE_LEASE_MS : Number.NEGATIVE_INFINITY
    return held
  }

  /** True: there is more to fire at once. */
  async #fireDue(ledger: MigrationLedger, schedule: ScheduleRecord, now: number): Promise<boolean> {
    const { ticks, more, skippedFrom } = dueTicks(schedule, now, PAGE)
    const [first] = ticks
    for (const tick of ticks) {
      // An owner that was stopped meanwhile knows nothing of what was fired since: it reads again before it sends.
      if (this.#stopped || !this.#holds) return !this.#stopped
      try {
        await this.#o.send(schedule, tickId(schedule.name, tick))
        await ledger.tickFired(schedule.name, tick)
      } catch (cause) {
        if (isCutoverError(cause, 'ledger-unavailable')) throw cause
        this.#tell(schedule.name, `the job of ${iso(tick)} is not enqueued yet: ${messageOf(cause)}`)
        return false
      }
      this.#told.delete(schedule.name)
      if (tick === first && skippedFrom !== undefined) this.#skipped(schedule, skippedFrom, tick)
    }
    return more
  }

  #skipped({ name }: ScheduleRecord, from: number, until: number): void {
    this.#o.emit({ type: 'schedule-skipped', migration: this.#o.migration, schedule: name, from, until })
  }

  #tell(schedule: string, message: string): void {
    if (this.#told.get(schedule) === message) return
    this.#told.set(schedule, message)
    this.#o.emit({ type: 'schedule-error', migration: this.#o.migration, schedule, message })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await Promise.race([this.#running, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())])
    if (!this.#holds) return
    try {
      await (await this.#o.ledger()).releaseLease('schedules', this.#o.instance)
    } catch {
      // the lease runs out by itself
    }
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
