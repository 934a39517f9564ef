// One stage of one run: jobs come one by one, the gates are looked at after each, until they say go on or go back.
//
// The verdict is always `judgeStage`'s. Before it is asked, each gate is asked whether it can have the evidence for a
// pass or a fail at all (`Ceiling`, `Witness`): where it surely has not, `judgeStage` would only say hold.

import { judgeStage } from '../gates/stage.ts'
import type { GateReason } from '../gates/types.ts'
import type { Stage, StatisticalGateName } from '../plan/types.ts'
import { type Gate, type Levels, StageCounters } from './counters.ts'
import type { Jobs } from './jobs.ts'

export interface StageOptions {
  readonly stage: Stage
  readonly levels: Levels
  readonly legacyRate: number
  readonly errorsDiffer: boolean
  /** From a job's due time until its bucket is closed: deadline, slack and bucket, in days. */
  readonly lagDays: number
  /** Beyond so many jobs the clock jumps to the end of the soak, once every statistical gate passes. */
  readonly jobsInDetail: number
  /** Beyond so many jobs the stage counts as held. */
  readonly mostJobs: number
  /** Asks `judgeStage` after every job: slow, and the same. For tests. */
  readonly thorough?: boolean
}

export type StageEnd = 'passed' | 'failed' | 'held'

export interface StageRun {
  readonly end: StageEnd
  /** From the start of the stage to its verdict. */
  readonly days: number
  /** Why it failed or is held; of a pass what was shown. */
  readonly reasons: readonly GateReason[]
  /** Gates that failed; or that hold, each with its reason. */
  readonly causes: readonly string[]
  /** When all statistical gates passed for the first time, whatever the soak. */
  readonly proven?: { readonly days: number; readonly units: Units; readonly last: StatisticalGateName | undefined }
  /** At the verdict. */
  readonly units: Units
  readonly jobs: number
  /** Not every job was simulated. */
  readonly jumped: boolean
  readonly legacyRate: number | undefined
}

/** What `min-units` counts, by gate. */
export type Units = Readonly<Partial<Record<StatisticalGateName, number>>>

const DAY_MS = 86_400_000

export function playStage(jobs: Jobs, options: StageOptions): StageRun {
  return new Playing(jobs, options).play()
}

class Playing {
  readonly #jobs: Jobs
  readonly #options: StageOptions
  readonly #counters: StageCounters
  /** The gate that said no to a pass the last time is asked first. */
  readonly #asked: Gate[]
  readonly #soakEnd: number
  readonly #stayEnd: number
  #proven: StageRun['proven']
  #last: StatisticalGateName | undefined
  #count = 0
  #jumped = false

  constructor(jobs: Jobs, options: StageOptions) {
    this.#jobs = jobs
    this.#options = options
    this.#counters = new StageCounters(options)
    this.#asked = [...this.#counters.gates]
    this.#soakEnd = options.stage.minSoakMs / DAY_MS
    this.#stayEnd = options.stage.maxStayMs / DAY_MS
  }

  play(): StageRun {
    const { stage, lagDays, jobsInDetail, mostJobs } = this.#options
    this.#jobs.begin(stage)
    let before = 0
    for (;;) {
      const job = this.#jobs.next()
      const now = job.at + lagDays
      // nobody comes, and the soak ends
      const soaked = before < this.#soakEnd && now > this.#soakEnd ? this.#look(this.#soakEnd, true) : undefined
      if (soaked !== undefined) return soaked
      if (now > this.#stayEnd) return this.#end('held', this.#stayEnd)
      before = now
      this.#count += 1
      this.#counters.assigned(job)
      const { any, times } = this.#counters.wants(job)
      if (any) {
        this.#counters.add(job, this.#jobs.settle(times), now)
        const ended = this.#look(now, now >= this.#soakEnd)
        if (ended !== undefined) return ended
      }
      if (this.#count >= mostJobs) return this.#giveUp(now)
      if (this.#count >= jobsInDetail && this.#count % CHECK_EVERY === 0 && this.#isSettled(now)) return this.#jump(now)
    }
  }

  /** What the controller would see at `now`; undefined: hold. */
  #look(now: number, soaked: boolean): StageRun | undefined {
    if (this.#options.thorough === true) return this.#judged(now)
    if (this.#canFail(now)) {
      const failed = this.#judged(now)
      if (failed !== undefined) return failed
    }
    if (this.#proven !== undefined && !soaked) return undefined
    if (!this.#canPass(now)) return undefined
    this.#proven ??= { days: now, units: this.#units(), last: this.#last }
    return soaked ? this.#judged(now) : undefined
  }

  #judged(now: number): StageRun | undefined {
    const { verdict } = this.#judge(now)
    if (verdict === 'hold') return undefined
    return this.#end(verdict === 'pass' ? 'passed' : 'failed', now)
  }

  #judge(now: number) {
    return judgeStage(this.#options.stage, this.#counters.observed(now))
  }

  #canFail(now: number): boolean {
    return this.#counters.gates.some(
      (gate) => gate.counter.provesFail() && this.#counters.verdictOf(gate, now) === 'fail',
    )
  }

  #canPass(now: number): boolean {
    const at = this.#asked.findIndex((gate) => !this.#passes(gate, now))
    if (at === -1) return true
    const [no] = this.#asked.splice(at, 1)
    if (no !== undefined) this.#asked.unshift(no)
    this.#last = no?.name
    return false
  }

  #passes(gate: Gate, now: number): boolean {
    if (gate.counter.units < gate.minUnits) return false
    if (gate.rule === 'prove' && !gate.counter.provesPass()) return false
    return this.#counters.verdictOf(gate, now) === 'pass'
  }

  #units(): Units {
    return Object.fromEntries(this.#counters.gates.map(({ name, counter }) => [name, counter.units]))
  }

  /** Every statistical gate passes, or can get no more units: more jobs change nothing but the clock. */
  #isSettled(now: number): boolean {
    const { exhausted } = this.#jobs
    return this.#counters.gates.every((gate) => (exhausted && gate.unit === 'key') || this.#passes(gate, now))
  }

  #jump(now: number): StageRun {
    this.#jumped = true
    const later = Math.max(now, this.#soakEnd)
    // units go on to come, though nobody counts them: the newest is not old
    return this.#look(now, false) ?? this.#judgedAfter(now, later) ?? this.#end('held', this.#stayEnd)
  }

  #judgedAfter(now: number, later: number): StageRun | undefined {
    const counts = this.#counters.observed(now)
    const { verdict } = judgeStage(this.#options.stage, { ...counts, soakedMs: later * DAY_MS })
    return verdict === 'hold' ? undefined : this.#end(verdict === 'pass' ? 'passed' : 'failed', later, now)
  }

  #giveUp(now: number): StageRun {
    this.#jumped = true
    return this.#end('held', now)
  }

  #end(end: StageEnd, days: number, counted = days): StageRun {
    const counts = this.#counters.observed(counted)
    const { gates, reasons } = judgeStage(this.#options.stage, { ...counts, soakedMs: days * DAY_MS })
    const wanted = end === 'passed' ? 'pass' : end === 'failed' ? 'fail' : 'hold'
    const units = this.#units()
    const causes = gates
      .filter(({ verdict }) => verdict === wanted)
      .map(({ name, reason }) => (end === 'held' ? `${name} ${reason}` : name))
    const proven = this.#proven ?? (end === 'passed' ? { days, units, last: undefined } : undefined)
    return {
      end,
      days,
      reasons,
      causes,
      ...(proven === undefined ? {} : { proven }),
      units,
      jobs: this.#count,
      jumped: this.#jumped,
      legacyRate: this.#counters.legacyRate,
    }
  }
}

/** Jobs between two questions whether the clock may jump. */
const CHECK_EVERY = 500
