// The simulated tables of docs/gates.md, section 4, played again: the whole default pipeline, watermark, drift.
//
// As that page says: independent units, first attempt, no soak, no orphans but lost ones, no control, an error is no
// mismatch, canary latency gates left out.

import { judge } from '../../src/rollout/gates/index.ts'
import { defaultPlan, type Plan, parsePlan } from '../../src/rollout/plan.ts'
import { DEFAULT_TRAFFIC, GOOD_VERSION, simulate, Tally, type Version } from '../../src/rollout/simulate/index.ts'
import { randomStreams } from '../../src/rollout/simulate/random.ts'
import { ShareCounter } from '../../src/rollout/simulate/shares.ts'

export function tablePlan(): Plan {
  const names = { migration: 'table', legacy: 'bee-queue', target: 'bullmq' }
  const plan = parsePlan(defaultPlan(names), 'default plan')[0]!
  const stages = plan.stages.map((stage) => {
    const { p50: _, p95: __, ...gates } = stage.gates
    const canary = stage.target > 0 && stage.target < 1
    return {
      ...stage,
      control: 0,
      minSoakMs: 0,
      maxStayMs: 1e15,
      staleAfterMs: 1e15,
      gates: canary ? gates : stage.gates,
    }
  })
  return { ...plan, stages }
}

export interface PipelineRow {
  readonly name: string
  readonly version: Partial<Version>
  /** What docs/gates.md has: promoted and failed, in %, and where it was decided. */
  readonly documented: string
}

export const PIPELINE: readonly PipelineRow[] = [
  { name: 'good', version: {}, documented: '100 / 0 %; 3,750, 400, 1,240, 4,200' },
  { name: '0.3 % mismatch', version: { mismatch: 0.003 }, documented: '100 / 0 %' },
  { name: '0.01 % lost', version: { lost: 0.0001 }, documented: '100 / 0 %' },
  { name: 'mismatch 2 %', version: { mismatch: 0.02 }, documented: '0 / 100 %; shadow-all 2,100' },
  { name: 'mismatch exactly 1 %', version: { mismatch: 0.01 }, documented: '0 / 0 %' },
  { name: 'errors +2 %', version: { errorsMore: 0.02 }, documented: '0 / 100 %; shadow-all 3,400' },
  { name: 'errors +2 % in effects', version: { errorsInEffects: 0.02 }, documented: '0 / 1.75 %' },
  { name: 'errors +4 % in effects', version: { errorsInEffects: 0.04 }, documented: '0 / 100 %; canary-10 1,240' },
  { name: 'run time × 1.2', version: { slower: 1.2 }, documented: '0 / 100 %; shadow-all 3,250' },
  { name: 'slowest tenth × 1.2', version: { slowestTenth: 1.2 }, documented: '0 / 5.5 %' },
  { name: 'slowest tenth × 1.4', version: { slowestTenth: 1.4 }, documented: '0 / 100 %; shadow-all 2,750' },
  { name: 'lost 0.5 %', version: { lost: 0.005 }, documented: '0 / 100 %; shadow-all 5,050' },
]

/** Jobs a stage before a run counts as held. */
export const HORIZON = 40_000

export function playPipeline({ version }: PipelineRow, runs: number, seed: number): Tally {
  const plan = tablePlan()
  const tally = new Tally(plan)
  const played = { plan, runs, seed, traffic: DEFAULT_TRAFFIC, jobsInDetail: HORIZON, mostJobs: HORIZON }
  const whole = { ...GOOD_VERSION, errorsDiffer: false, ...version }
  for (const run of simulate({ ...played, version: whole })) tally.add(run)
  return tally
}

const LIMIT = 0.01
const LEVELS = { alpha: 0.05, attempt: 1, tests: 30 }
const question = { gate: 'mismatch', limit: LIMIT, minUnits: 20, levels: LEVELS } as const

/** Three times the limit, failures known 500 jobs after successes; shares promoted within 5,000 jobs without and with a watermark. */
export function playWatermark(runs: number, seed: number): { readonly off: number; readonly on: number } {
  const next = randomStreams(seed)
  const promoted = { off: 0, on: 0 }
  for (let run = 0; run < runs; run++) {
    const random = next()
    const bad = Array.from({ length: 5000 }, () => random.chance(3 * LIMIT))
    for (const mode of ['off', 'on'] as const) {
      const counter = new ShareCounter(question)
      for (let n = 0; n < bad.length; n++) {
        const late = n >= 500 ? bad[n - 500] : undefined
        if (mode === 'on' && late !== undefined) counter.add(late ? 'target-bad' : 'clean', 0)
        if (mode === 'off' && late === true) counter.add('target-bad', 0)
        if (mode === 'off' && !bad[n]) counter.add('clean', 0)
        if (!counter.provesPass()) continue
        promoted[mode] += 1
        break
      }
    }
  }
  return { off: promoted.off / runs, on: promoted.on / runs }
}

export const DRIFT_LOOKS = [100, 300, 600] as const

/** A fifth of the limit for 3,000 units, then three times: share of runs that would pass so many units later. */
export function playDrift(runs: number, seed: number) {
  const next = randomStreams(seed)
  const passed = DRIFT_LOOKS.map((after) => ({ after, whole: 0, recent: 0 }))
  for (let run = 0; run < runs; run++) {
    const random = next()
    const counter = new ShareCounter(question)
    for (let n = 1; n <= 3600; n++) {
      counter.add(random.chance(n <= 3000 ? 0.2 * LIMIT : 3 * LIMIT) ? 'target-bad' : 'clean', 0)
      const look = passed.find(({ after }) => n === 3000 + after)
      if (look === undefined) continue
      const { counts, recent } = counter.observed(0)
      const asked = { gate: 'mismatch', limit: LIMIT, ...LEVELS, counts } as const
      if (judge(asked).verdict === 'pass') look.whole += 1
      if (recent !== undefined && judge({ ...asked, recent }).verdict === 'pass') look.recent += 1
    }
  }
  return passed.map(({ after, whole, recent }) => ({ after, whole: whole / runs, recent: recent / runs }))
}
