// What the ledger keeps of schedules: what is to be enqueued when, and up to which tick that has been done.

import type { Json } from '../vocabulary/outcome.ts'

/** What a schedule says; the same text in every process. */
export interface ScheduleTerms {
  /** Unique within the migration: 1 to 50 letters, digits, `_` and `-`. */
  readonly name: string
  /** As croner reads it: five fields, six with seconds, seven with years. */
  readonly cron: string
  /** IANA name of the zone in which the pattern is read. */
  readonly timezone: string
  readonly payload: Json
  /** Ticks that nobody fired in time are fired later if they are no older than this, ms. */
  readonly catchUpMs: number
  readonly priority?: number
  readonly attempts?: number
}

export interface ScheduleRecord extends ScheduleTerms {
  /** Ticks after this time count: when it was declared, or when its pattern or zone was last changed. */
  readonly since: number
  /** The latest tick whose job is in its queue. Kept as long as the schedule, unlike the job's row. */
  readonly lastTick?: number
}

export interface ScheduleLedger {
  /**
   * Adds a schedule, or replaces the terms of the one with its name. Another pattern or zone starts afresh: `since` is
   * now; other changes keep it. `lastTick` stays. Audited as `schedule` when anything was changed.
   */
  declareSchedule(request: { terms: ScheduleTerms; by: string; why?: string }): Promise<ScheduleRecord>
  /** `lastTick` becomes the later of both; nothing happens to a schedule that is gone. */
  tickFired(name: string, tick: number): Promise<void>
  /** Forgets a schedule; audited as `unschedule` when there was one. Jobs that it enqueued stay. */
  removeSchedule(request: { name: string; by: string; why?: string }): Promise<void>
  /** All, by name, and the ledger's time of the same read. */
  schedules(): Promise<{ readonly now: number; readonly schedules: readonly ScheduleRecord[] }>
}
