// Many runs, added up: how often which end, with bounds; units and days by stage; what decided.

import type { Plan, StatisticalGateName } from '../plan/types.ts'
import { clopperPearson, type Interval } from './binomial.ts'
import type { Run, RunEnd } from './play.ts'
import type { StageRun } from './stage.ts'

/** How often, of how many; bounds at 95 % (Clopper and Pearson). */
export interface Often extends Interval {
  readonly n: number
  readonly share: number
}

/** Null: there was none. */
export interface Spread {
  readonly median: number
  readonly p90: number
}

export interface StageSummary {
  readonly name: string
  readonly target: number
  /** What a fail does here. */
  readonly onFail: 'rollback' | 'hold'
  readonly entered: number
  readonly passed: number
  readonly failed: number
  readonly held: number
  /** Units of each gate when all statistical gates passed for the first time. */
  readonly units: Readonly<Partial<Record<StatisticalGateName, Spread>>>
  /** Days until then, and until the stage was left. */
  readonly provenDays: Spread | null
  readonly days: Spread | null
  /** Which gate passed last, by how many runs. */
  readonly last: Readonly<Partial<Record<StatisticalGateName, number>>>
  /** Days until a gate failed, and the units of each when one did. */
  readonly failedDays: Spread | null
  readonly failedUnits: Readonly<Partial<Record<StatisticalGateName, Spread>>>
  /** Gates that failed, and reasons to hold at the end, by how many runs. */
  readonly failedBy: Readonly<Record<string, number>>
  readonly heldBy: Readonly<Record<string, number>>
  /** Runs in which not every job of this stage was played. */
  readonly jumped: number
}

export interface Summary {
  readonly runs: number
  readonly promoted: Often
  readonly rolledBack: Often
  readonly held: Often
  /** Of the promoted runs, from the first stage's start to the last one's pass. */
  readonly days: Spread | null
  readonly stages: readonly StageSummary[]
}

export class Tally {
  readonly #plan: Plan
  readonly #ends: Record<RunEnd, number> = { promoted: 0, 'rolled-back': 0, held: 0 }
  readonly #days: number[] = []
  readonly #stages: StageRun[][]

  constructor(plan: Plan) {
    this.#plan = plan
    this.#stages = plan.stages.map(() => [])
  }

  get runs(): number {
    return this.#ends.promoted + this.#ends['rolled-back'] + this.#ends.held
  }

  add({ end, stages, days }: Run): void {
    this.#ends[end] += 1
    if (end === 'promoted') this.#days.push(days)
    for (const [i, stage] of stages.entries()) this.#stages[i]!.push(stage)
  }

  /** Of at least one run. */
  summary(): Summary {
    const { runs } = this
    const often = (end: RunEnd): Often => {
      const n = this.#ends[end]
      return { n, share: n / runs, ...clopperPearson(runs, n) }
    }
    return {
      runs,
      promoted: often('promoted'),
      rolledBack: often('rolled-back'),
      held: often('held'),
      days: spread(this.#days),
      stages: this.#plan.stages.map(({ name, target, onFail }, i) => ({
        name,
        target,
        onFail,
        ...stageSummary(this.#stages[i]!),
      })),
    }
  }
}

function stageSummary(runs: readonly StageRun[]): Omit<StageSummary, 'name' | 'target' | 'onFail'> {
  const of = (end: StageRun['end']): StageRun[] => runs.filter((run) => run.end === end)
  const [passed, failed, held] = [of('passed'), of('failed'), of('held')]
  const proven = passed.flatMap((run) => run.proven ?? [])
  return {
    entered: runs.length,
    passed: passed.length,
    failed: failed.length,
    held: held.length,
    units: unitSpreads(proven),
    provenDays: spread(proven.map(({ days }) => days)),
    days: spread(passed.map(({ days }) => days)),
    last: tallied(proven.flatMap(({ last }) => last ?? [])),
    failedDays: spread(failed.map(({ days }) => days)),
    failedUnits: unitSpreads(failed),
    failedBy: tallied(failed.flatMap(({ causes }) => causes)),
    heldBy: tallied(held.flatMap(({ causes, reasons }) => heldReasons(causes, reasons))),
    jumped: runs.filter(({ jumped }) => jumped).length,
  }
}

/** The gates that held; where all passed, what else did. */
function heldReasons(causes: readonly string[], reasons: readonly string[]): readonly string[] {
  return causes.length > 0 ? causes : reasons
}

function unitSpreads(runs: readonly { readonly units: StageRun['units'] }[]): StageSummary['units'] {
  const names = new Set(runs.flatMap(({ units }) => Object.keys(units) as StatisticalGateName[]))
  return Object.fromEntries([...names].map((name) => [name, spread(runs.map(({ units }) => units[name] ?? 0))]))
}

function tallied(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a))
}

/** Nearest rank. */
function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
  return { median: at(0.5), p90: at(0.9) }
}
