// Is a valid plan also a good one? Keys that would move unseen, and stages that this traffic will never get through.

import { formatShare } from '../../vocabulary/dials.ts'
import { thresholds } from '../gates/thresholds.ts'
import type { WindowedInput } from '../gates/types.ts'
import { cleanUnits } from '../gates/units.ts'
import {
  type Plan,
  type RatioGate,
  type ShareGate,
  STATISTICAL_GATES,
  type Stage,
  type StatisticalGateName,
  type Unit,
} from './types.ts'

export interface PlanWarning {
  readonly code: 'never-compared' | 'stage-slow' | 'keys-too-few'
  readonly stage: string
  readonly message: string
}

/** The traffic of the last week; what is absent is not known, and nothing is said of it. */
export interface LintFacts {
  readonly jobsLastWeek?: number
  /** Distinct keys; without a key function that is the jobs. */
  readonly keysLastWeek?: number
  /** Distinct (key, day) pairs; estimated from the others where it is absent. */
  readonly keyDaysLastWeek?: number
}

/** All warnings, in the order of the stages. */
export function lintPlan(plan: Plan, facts: LintFacts = {}): PlanWarning[] {
  const unseen = neverCompared(plan)
  return plan.stages.flatMap((stage) => [
    ...unseen.filter((warning) => warning.stage === stage.name),
    ...slowness(plan, stage, facts),
  ])
}

/**
 * Keys move nested: legacy → legacy-shadowed → target. A step of the target dial moves only compared keys as long as it
 * is not larger than what was shadowed, or once everything was.
 */
function neverCompared({ stages }: Plan): PlanWarning[] {
  const warnings: PlanWarning[] = []
  let before = { target: 0, shadow: 0 }
  let everything = false
  for (const stage of stages) {
    const step = stage.target - before.target
    const compared = before.shadow * (1 - before.target)
    if (!everything && step > compared + 1e-9) {
      const most = formatShare(compared)
      const message =
        `stage ${stage.name} moves ${formatShare(step)} of the keys to target, and the stage before compares ${most}: ` +
        `keys would move that were never compared; shadow 100% in an earlier stage, or take a smaller step`
      warnings.push({ code: 'never-compared', stage: stage.name, message })
    }
    everything ||= stage.shadow === 1
    before = stage
  }
  return warnings
}

/** What one gate of a stage needs until it can pass. */
export interface StageNeed {
  readonly gate: StatisticalGateName
  readonly rule: 'prove' | 'watch'
  /** Units without a failure at the first attempt; of latency, a simulated median. Null: nobody knows. */
  readonly units: number | null
  readonly unit: Unit
  /** Which part of all keys or jobs gives units here. */
  readonly share: number
}

export function stageNeeds(plan: Plan, stage: Stage): StageNeed[] {
  const { passAt } = thresholds({ alpha: plan.alpha })
  return STATISTICAL_GATES.flatMap((name) => {
    const gate = stage.gates[name]
    if (gate === undefined) return []
    const { rule, unit, minUnits } = gate
    const proof = 'ratio' in gate ? latencyUnits(name, gate, stage) : shareUnits(name, gate, { stage, passAt })
    const units = rule === 'watch' ? minUnits : proof === null ? null : Math.max(minUnits, proof)
    return [{ gate: name, rule, units, unit, share: unitShare(name, stage) }]
  })
}

function shareUnits(name: StatisticalGateName, gate: ShareGate, o: { stage: Stage; passAt: number }): number {
  const { target } = o.stage
  const errors = target === 0 ? 'errorsPaired' : target < 1 ? 'errorsCanary' : 'errorsAlone'
  const excess = 'against' in gate && gate.against === 'control'
  const judged: WindowedInput['gate'] =
    name === 'lost' ? 'lost' : name === 'errors' ? errors : excess ? 'excessMismatch' : 'mismatch'
  return cleanUnits({ gate: judged, limit: gate.limit, share: target, passAt: o.passAt })
}

/** Simulated with equal times, for the default ratios over pairs (docs/gates.md, section 4). */
const PAIRS_P50 = { ratio: 1.1, units: 1500 } as const
const PAIRS_P95 = { ratio: 1.15, units: 4000 } as const

function latencyUnits(name: StatisticalGateName, { ratio }: RatioGate, { target }: Stage): number | null {
  const known = name === 'p50' ? PAIRS_P50 : PAIRS_P95
  return (target === 0 || target === 1) && ratio === known.ratio ? known.units : null
}

/** Pairs are of the shadowed; the canary counts target's units, and `lost` every copy that is sent to target. */
function unitShare(name: StatisticalGateName, { target, shadow, control, gates }: Stage): number {
  if (name === 'mismatch') return gates.mismatch?.against === 'control' ? shadow * control : shadow
  if (name === 'lost') return target + (1 - target) * shadow
  if (name === 'errors') return target === 0 ? shadow : target
  return target === 0 || target === 1 ? shadow : target
}

const DAY_MS = 86_400_000

interface Slow {
  readonly need: StageNeed
  readonly units: number
  /** Units that the traffic of a week gives. */
  readonly weekly: number
  readonly days: number
}

/** One warning a stage, about the gate that takes longest. */
function slowness(plan: Plan, stage: Stage, facts: LintFacts): PlanWarning[] {
  const slow = stageNeeds(plan, stage).flatMap((need): Slow[] => {
    const traffic = trafficOf(need.unit, facts)
    if (traffic === undefined || need.units === null) return []
    const weekly = traffic * need.share
    return [{ need, units: need.units, weekly, days: (7 * need.units) / weekly }]
  })
  const slowest = slow.reduce<Slow | undefined>(
    (most, each) => (each.days > (most?.days ?? 0) ? each : most),
    undefined,
  )
  if (slowest !== undefined && slowest.days * DAY_MS > stage.maxStayMs) return [tooSlow(stage, slowest, facts)]
  const short = slow.find((each) => runsOut(each, facts))
  return short === undefined ? [] : [tooFew(stage, short)]
}

function trafficOf(unit: Unit, facts: LintFacts): number | undefined {
  const { jobsLastWeek: jobs, keysLastWeek: keys = jobs } = facts
  if (unit === 'job') return jobs
  if (unit === 'key') return keys
  if (facts.keyDaysLastWeek !== undefined) return facts.keyDaysLastWeek
  return keys === undefined ? undefined : Math.min(jobs ?? Number.POSITIVE_INFINITY, 7 * keys)
}

/** Only the first job of a key counts: where the same keys come again, a week's keys are all there are. */
function runsOut({ need, units, weekly }: Slow, { jobsLastWeek, keysLastWeek }: LintFacts): boolean {
  return need.unit === 'key' && keysLastWeek !== undefined && keysLastWeek !== jobsLastWeek && units > weekly
}

const REMEDY = 'choose larger limits, `unit: key-day`, `cutover init --keys few`, or `approval: manual`'

function tooSlow({ name }: Stage, slow: Slow, facts: LintFacts): PlanWarning {
  const time = Number.isFinite(slow.days)
    ? `would need ${Math.ceil(slow.days).toLocaleString('en')} days`
    : 'would never end'
  const rest = runsOut(slow, facts) ? `; if the same keys come again it never ends: ${REMEDY}` : ''
  return { code: 'stage-slow', stage: name, message: `stage ${name} ${time}: ${arithmetic(slow)}${rest}` }
}

function tooFew({ name }: Stage, slow: Slow): PlanWarning {
  const message = `stage ${name} may never end: ${arithmetic(slow)}; if the same keys come again there are no more: ${REMEDY}`
  return { code: 'keys-too-few', stage: name, message }
}

function arithmetic({ need: { gate, rule, unit }, units, weekly }: Slow): string {
  const things = `${unit === 'job' ? 'jobs' : unit === 'key' ? 'keys' : 'key-days'}`
  const given = weekly.toLocaleString('en', { maximumFractionDigits: weekly < 10 ? 1 : 0 })
  const what = rule === 'prove' ? `to prove ${gate}` : `to watch ${gate}`
  return `${what} takes ${units.toLocaleString('en')} ${things}, and the last week had ${given} that count here`
}
