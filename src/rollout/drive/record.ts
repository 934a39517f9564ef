// What does the controller of a plan remember? One small record in the ledger, changed by compare-and-set only, from which
// any other controller goes on. The plan is in it, so that whoever reads the ledger knows what is being done.

import type { DriveState } from '../../ports/ledger.ts'
import type { Dials } from '../../vocabulary/dials.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import type { Json } from '../../vocabulary/outcome.ts'
import type { Plan, Stage } from '../plan/types.ts'
import type { Trend } from './trend.ts'

/** `entering`: the dials are on their way. `watching`: counted and judged. `back`: rolled back. `done`: at its end. */
export type DrivePhase = 'entering' | 'watching' | 'back' | 'done'

export interface Said {
  readonly at: number
  readonly by: string
  readonly why?: string
}

/** One step that was taken; the record keeps the last `MOVES_KEPT`, the audit log all. */
export interface Move extends Said {
  readonly action: string
  readonly stage: string
  readonly attempt: number
  readonly epoch: number | null
  readonly dials: Dials
  readonly decision?: number
}
export const MOVES_KEPT = 100

export interface DriveRecord {
  readonly v: 1
  readonly plan: Plan
  readonly phase: DrivePhase
  /** Name of the current stage. */
  readonly stage: string
  /** By stage: which attempt of it by this target version is or was the last, from 1. */
  readonly attempts: Readonly<Record<string, number>>
  /** The target handler version that the attempts are of; absent until a worker has told. */
  readonly targetVersion?: string
  /** Since when the stage is the current one, epochs together. Ledger clock, as all times here. */
  readonly enteredAt: number
  /** In which the stage is counted; absent while it is entered. */
  readonly epoch?: number
  /** Revision of the latch that was seen last: another one is a rollback, also one that was lifted since. */
  readonly latch: number
  /** Share of legacy's primaries that failed in the stage before the one at 100 %. */
  readonly legacyRate: number
  /** A gate failed in a stage with `on-fail: hold`: only a human moves it on. */
  readonly failed?: { readonly at: number; readonly reasons: readonly string[] }
  readonly paused?: Said
  /** A human's yes to enter `stage`; `force`: whatever the gates say. */
  readonly approved?: Said & { readonly stage: string; readonly force: boolean }
  /** How many decisions were written into the audit log. */
  readonly decisions: number
  /** Holds that were written in this epoch: each is written once. */
  readonly told: readonly string[]
  /** How the evidence grew in the epoch that is judged or, after a rollback, was. */
  readonly trend?: Trend
  readonly moves: readonly Move[]
}

/** `record-invalid` where the ledger holds something newer. */
export function readRecord({ record }: DriveState): DriveRecord | undefined {
  if (record === null) return undefined
  const read = record as unknown as DriveRecord
  if (read.v === 1) return read
  throw new CutoverError(
    'ledger-schema',
    `the record of the driven plan is of version ${String((read as { v?: unknown }).v)}, this version of cutover knows 1. Update cutover in this process`,
  )
}

export function recordJson(record: DriveRecord): Json {
  return JSON.parse(JSON.stringify(record)) as Json
}

export function stageOf(record: Pick<DriveRecord, 'plan' | 'stage'>): Stage {
  const found = record.plan.stages.find(({ name }) => name === record.stage)
  if (found === undefined) throw new Error(`the plan in the record has no stage ${record.stage}`)
  return found
}

export function nextStage({ plan, stage }: Pick<DriveRecord, 'plan' | 'stage'>): Stage | undefined {
  return plan.stages[plan.stages.findIndex(({ name }) => name === stage) + 1]
}

export function firstStage(plan: Plan): Stage {
  const [first] = plan.stages
  if (first === undefined) throw new Error('a valid plan has a stage')
  return first
}

export function attemptOf({ attempts, stage }: Pick<DriveRecord, 'attempts' | 'stage'>): number {
  return attempts[stage] ?? 1
}

export function dialsOf({ target, shadow, control }: Dials): Dials {
  return { target, shadow, control }
}
