// The counters of one stage: which jobs does each gate count, and as what? As docs/gates.md, sections 2 and 3, have it.

import { judge } from '../gates/judge.ts'
import type { McpCounts, Observed, StageCounts } from '../gates/stage.ts'
import { inputsOf } from '../gates/stage-inputs.ts'
import type { GateInput, ShareCounts, WindowedInput } from '../gates/types.ts'
import { STATISTICAL_GATES, type Stage, type StatisticalGateName, type Unit } from '../plan/types.ts'
import type { Fate, Job } from './jobs.ts'
import { ShareCounter, type UnitKind } from './shares.ts'
import { PairTimes, PrimaryTimes, type TimesCounter } from './times.ts'

export interface Levels {
  readonly alpha: number
  readonly attempt: number
  readonly tests: number
}

export interface CountersOptions {
  readonly stage: Stage
  readonly levels: Levels
  /** Share of legacy's jobs that failed in the stage before; for `errors` at 100 %. */
  readonly legacyRate: number
  /** An error on one side alone is a mismatch. */
  readonly errorsDiffer: boolean
}

/** One statistical gate of the stage with what it has counted. */
export interface Gate {
  readonly name: StatisticalGateName
  readonly unit: Unit
  readonly rule: 'prove' | 'watch'
  readonly minUnits: number
  readonly counter: ShareCounter | TimesCounter
}

const NOTHING_MISSING: readonly McpCounts[] = []

export class StageCounters {
  readonly gates: readonly Gate[]
  readonly #stage: Stage
  readonly #options: CountersOptions
  readonly #by: Partial<Record<StatisticalGateName, Gate>> = {}
  readonly #control = { n: 0, mismatched: 0 }
  readonly #keys = { n: 0, target: 0 }
  readonly #legacy = { n: 0, failed: 0 }

  constructor(options: CountersOptions) {
    this.#options = options
    this.#stage = options.stage
    for (const name of STATISTICAL_GATES) {
      const gate = options.stage.gates[name]
      if (gate === undefined) continue
      const { unit, rule, minUnits } = gate
      this.#by[name] = { name, unit, rule, minUnits, counter: this.#counter(name) }
    }
    this.gates = STATISTICAL_GATES.flatMap((name) => this.#by[name] ?? [])
  }

  #counter(name: StatisticalGateName): ShareCounter | TimesCounter {
    const { levels, legacyRate } = this.#options
    const { gates, target } = this.#stage
    if (name === 'p50' || name === 'p95') {
      const question = { tau: name === 'p50' ? 0.5 : 0.95, ratio: gates[name]!.ratio, levels }
      return target === 0 || target === 1 ? new PairTimes(question) : new PrimaryTimes(question)
    }
    const { limit, minUnits } = gates[name]!
    const gate = this.#shareGate(name)
    return new ShareCounter({
      gate,
      // what `inputsOf` makes of it
      limit: gate === 'errorsAlone' ? Math.min(legacyRate + limit, 1 - Number.EPSILON) : limit,
      minUnits,
      levels,
      ...(gate === 'errorsCanary' ? { share: target } : {}),
    })
  }

  #shareGate(name: 'mismatch' | 'errors' | 'lost'): WindowedInput['gate'] {
    const { gates, target } = this.#stage
    if (name === 'mismatch') return gates.mismatch?.against === 'control' ? 'excessMismatch' : 'mismatch'
    if (name === 'lost') return 'lost'
    return target === 0 ? 'errorsPaired' : target < 1 ? 'errorsCanary' : 'errorsAlone'
  }

  /** Of what was counted here, the share that failed on legacy; undefined where nothing ran there. */
  get legacyRate(): number | undefined {
    return this.#legacy.n === 0 ? undefined : this.#legacy.failed / this.#legacy.n
  }

  /** Whether anything counts this job at all, and whether its times are asked for. */
  wants(job: Job): { readonly any: boolean; readonly times: boolean } {
    let [any, times] = [false, false]
    for (const { name, unit } of this.gates) {
      if (!counts(unit, job)) continue
      any = true
      times ||= name === 'p50' || name === 'p95'
    }
    return { any, times }
  }

  /** Whether a key that was not seen before has come; counted whatever becomes of its job. */
  assigned(job: Job): void {
    if (!job.firstOfKey) return
    this.#keys.n += 1
    if (job.onTarget) this.#keys.target += 1
  }

  /** Counts a job whose bucket is closed at `at`, in days. */
  add(job: Job, fate: Fate, at: number): void {
    const { mismatch, errors, lost, p50, p95 } = this.#by
    if (mismatch !== undefined && job.shadowed && counts(mismatch.unit, job)) this.#addPair(mismatch, { job, fate, at })
    if (errors !== undefined && counts(errors.unit, job)) this.#addErrors(errors, { job, fate, at })
    if (lost !== undefined && counts(lost.unit, job) && (job.onTarget || job.shadowed)) {
      shares(lost).add(fate.lost ? 'target-missing' : 'clean', at)
    }
    if (p50 !== undefined && counts(p50.unit, job)) this.#addTimes(p50, job, fate)
    if (p95 !== undefined && counts(p95.unit, job)) this.#addTimes(p95, job, fate)
  }

  #addPair(gate: Gate, { job, fate, at }: Settled): void {
    const targetFails = job.onTarget ? fate.targetFails : fate.targetShadowFails
    const errorsDiffer = this.#options.errorsDiffer && fate.legacyFails !== targetFails
    const differs = errorsDiffer || (fate.differs && !fate.legacyFails && !targetFails)
    const counter = shares(gate)
    if (counter.gate === 'mismatch') {
      counter.add(fate.lost ? 'target-missing' : differs ? 'target-bad' : 'clean', at)
      if (!job.controlled) return
      this.#control.n += 1
      if (fate.controlDiffers) this.#control.mismatched += 1
      return
    }
    if (!job.controlled) return
    const alike = differs === fate.controlDiffers
    counter.add(fate.lost ? 'target-missing' : alike ? 'clean' : differs ? 'target-bad' : 'legacy-bad', at)
  }

  #addErrors(gate: Gate, { job, fate, at }: Settled): void {
    const { target } = this.#stage
    if (target === 0 && !job.shadowed) return
    if (target === 1) {
      shares(gate).add(fate.lost ? 'target-missing' : fate.targetFails ? 'target-bad' : 'clean', at)
      return
    }
    if (!job.onTarget) {
      this.#legacy.n += 1
      if (fate.legacyFails) this.#legacy.failed += 1
    }
    shares(gate).add(target === 0 ? pairKind(fate) : primaryKind(job, fate), at, job.onTarget)
  }

  #addTimes(gate: Gate, job: Job, { lost, legacyBucket, targetBucket }: Fate): void {
    const counter = gate.counter as TimesCounter
    if (counter instanceof PairTimes) {
      if (job.shadowed && !lost) counter.add(legacyBucket, targetBucket)
    } else if (!job.onTarget) counter.add(legacyBucket, undefined)
    else if (!lost) counter.add(undefined, targetBucket)
  }

  /** Everything that `judgeStage` reads, as of `now`, in days since the stage began. Plain gates are seen as in order. */
  observed(now: number): StageCounts {
    const { p50, p95 } = this.#by
    const ms = now * DAY_MS
    return {
      levels: this.#options.levels,
      ...this.#shareCounts(now),
      ...(p50 === undefined ? {} : { p50: (p50.counter as TimesCounter).observed() }),
      ...(p95 === undefined ? {} : { p95: (p95.counter as TimesCounter).observed() }),
      ...PLAIN_IN_ORDER,
      sampleRatio: { ...this.#keys },
      soakedMs: ms,
      conditions: { stayedMs: ms },
    }
  }

  #shareCounts(now: number): Partial<StageCounts> {
    const counted: Record<string, Observed<never>> = {}
    for (const { counter } of this.gates) {
      if (counter instanceof ShareCounter) counted[counter.gate] = counter.observed(now)
    }
    const { mismatch, errorsAlone } = counted
    const control: ShareCounts = { ...this.#control }
    return {
      ...counted,
      ...(mismatch === undefined ? {} : { mismatch: { ...mismatch, control } }),
      ...(errorsAlone === undefined ? {} : { errorsAlone: { ...errorsAlone, legacyRate: this.#options.legacyRate } }),
    } as Partial<StageCounts>
  }

  /** What one statistical gate says, asked as `judgeStage` asks it. */
  verdictOf(gate: Gate, now: number): 'pass' | 'hold' | 'fail' {
    const observed = this.#observedOf(gate, now)
    const input: GateInput | null | undefined = inputsOf(this.#stage, observed).find(
      ({ name }) => name === gate.name,
    )?.input
    return input === null || input === undefined ? 'hold' : judge(input).verdict
  }

  #observedOf({ name, counter }: Gate, now: number): StageCounts {
    const rest = { levels: this.#options.levels, soakedMs: 0, conditions: {} }
    if (counter instanceof ShareCounter) return { ...rest, ...this.#shareCounts(now) }
    return { ...rest, [name]: counter.observed() }
  }
}

/** What this simulation leaves out: queues that are long, probes that fail, shadows that are shed. */
const PLAIN_IN_ORDER = {
  queueWait: { n: 1000, over: 0 },
  mcp: NOTHING_MISSING,
  backlog: { ageMs: null },
  shed: { wanted: 1000, shed: 0 },
  duplicates: { twice: 0 },
  tripwire: { targetSettled: 0, targetFailed: 0, groups: 0, legacySettled: 0, legacyFailed: 0 },
} as const

const DAY_MS = 86_400_000

interface Settled {
  readonly job: Job
  readonly fate: Fate
  readonly at: number
}

function shares({ counter }: Gate): ShareCounter {
  return counter as ShareCounter
}

function counts(unit: Unit, job: Job): boolean {
  return unit === 'job' || (unit === 'key' ? job.firstOfKey : job.firstOfKeyDay)
}

function pairKind({ lost, legacyFails, targetShadowFails }: Fate): UnitKind {
  if (lost) return 'target-missing'
  if (legacyFails === targetShadowFails) return 'clean'
  return targetShadowFails ? 'target-bad' : 'legacy-bad'
}

function primaryKind({ onTarget }: Job, { lost, legacyFails, targetFails }: Fate): UnitKind {
  if (!onTarget) return legacyFails ? 'legacy-bad' : 'clean'
  if (lost) return 'target-missing'
  return targetFails ? 'target-bad' : 'clean'
}
