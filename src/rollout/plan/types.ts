// A plan as the machines read it: every default filled in, shares from 0 to 1, times in ms. Plain data: its JSON is
// what an epoch's rules and the audit log remember of it.

import type { Rule } from '../gates/types.ts'

/** What counts as one observation: the first job of a key, the first of a key a day, or every job. */
export type Unit = 'key' | 'key-day' | 'job'

interface StatisticalGate {
  readonly rule: Rule
  readonly unit: Unit
  readonly minUnits: number
}
export interface ShareGate extends StatisticalGate {
  readonly limit: number
}
export interface MismatchGate extends ShareGate {
  /** `control`: the limit is on the excess over legacy's own noise. */
  readonly against: 'nothing' | 'control'
}
export interface RatioGate extends StatisticalGate {
  readonly ratio: number
}

/** Limits of the gates that are always on. */
export interface PlainLimits {
  readonly queueWaitMs: number
  readonly backlogMs: number
  readonly shed: number
  readonly sampleRatio: number
  readonly duplicates: number
  readonly mcpTools: number
  readonly mcpReachable: number
  readonly tripwire: number
}

export const STATISTICAL_GATES = ['mismatch', 'errors', 'lost', 'p50', 'p95'] as const
export type StatisticalGateName = (typeof STATISTICAL_GATES)[number]

export interface StageGates {
  readonly mismatch?: MismatchGate
  readonly errors?: ShareGate
  readonly lost?: ShareGate
  readonly p50?: RatioGate
  readonly p95?: RatioGate
  readonly plain: PlainLimits
}

export interface Stage {
  readonly name: string
  readonly target: number
  readonly shadow: number
  /** Share of the shadowed jobs. */
  readonly control: number
  readonly minSoakMs: number
  readonly maxStayMs: number
  /** `manual`: a human is needed to enter this stage. */
  readonly approval: 'auto' | 'manual'
  readonly staleAfterMs: number
  readonly onFail: 'rollback' | 'hold'
  readonly gates: StageGates
}

export interface Plan {
  readonly version: 1
  readonly migration: string
  readonly legacy: string
  readonly target: string
  readonly alpha: number
  readonly unit: Unit
  /** Absent: the migration's own. */
  readonly deadlineMs?: number
  readonly stages: readonly Stage[]
}

/** The ratios of all of its latency gates: pairs are counted for each of them. */
export function latencyRatios({ stages }: Plan): readonly number[] {
  const ratios = stages.flatMap(({ gates: { p50, p95 } }) => [p50?.ratio, p95?.ratio])
  return [...new Set(ratios.filter((ratio) => ratio !== undefined))].sort((a, b) => a - b)
}

/** (stage, gate) pairs over which a wrong rollback is shared out: `tests` of the gates. */
export function testsOf(plan: Plan): number {
  let tests = 0
  for (const { gates } of plan.stages) {
    for (const name of STATISTICAL_GATES) if (gates[name] !== undefined) tests++
  }
  return Math.max(1, tests)
}
