// What is looked at before a step is decided: plain data of one moment.

import type { DialsReading, FlagHealth } from '../../ports/flags.ts'
import type { EpochRecord } from '../../ports/ledger.ts'
import { type Dials, weightsOf } from '../../vocabulary/dials.ts'
import type { Side } from '../../vocabulary/job.ts'
import type { Plan } from '../plan/types.ts'

/** What the plan's file says, held against the plan that is driven. */
export type PlanReading =
  | { readonly kind: 'same' }
  /** Valid, and not the one that is driven; `refused` says why it may not take its place. */
  | { readonly kind: 'changed'; readonly plan: Plan; readonly refused?: string }
  | { readonly kind: 'broken'; readonly message: string }

export interface FlagFacts {
  readonly state: FlagHealth['state']
  readonly reading: DialsReading
  readonly revision: string
  readonly writable: boolean
  readonly message?: string
}

/** A live producer, and what it has not seen yet. */
export interface ProducerFacts {
  readonly instance: string
  readonly host: string
  readonly pid: number
  readonly behind: readonly ('flag' | 'latch')[]
  readonly flagHealth: string
}

export interface DriveFacts {
  /** The ledger's clock. */
  readonly now: number
  /** How far the ledger's clock has moved away from this process's own since the last look; 0 at the first. */
  readonly clockJumpMs: number
  /** Some process has seen it jump in the epoch that is counted. */
  readonly clockJumped: boolean
  readonly latch: { readonly set: boolean; readonly revision: number; readonly by?: string; readonly why?: string }
  readonly epoch: EpochRecord
  readonly ceiling: number
  readonly controlShare: number
  readonly flag: FlagFacts
  readonly producers: readonly ProducerFacts[]
  /** Handler versions of the live workers. */
  readonly versions: Readonly<Record<Side, readonly string[]>>
  /** Queues that the stage needs worked on and that nobody works on, e.g. `target (shadows)`. */
  readonly unworked: readonly string[]
  readonly plan: PlanReading
}

/** Whether a flag's reading is these dials, in the steps in which a flag can hold them. */
export function readsAs(reading: DialsReading, dials: Pick<Dials, 'target' | 'shadow'>): boolean {
  const off = reading.kind === 'missing' || reading.kind === 'off'
  if (!off && reading.kind !== 'dials') return false
  const [is, wanted] = [weightsOf(off ? { target: 0, shadow: 0 } : reading), weightsOf(dials)]
  return Object.entries(wanted).every(([route, weight]) => is[route as keyof typeof is] === weight)
}
