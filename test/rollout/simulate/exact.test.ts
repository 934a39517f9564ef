// Does the simulation skip only what could not have said otherwise? Beside it the slow way: `judgeStage` after every job.

import { describe, expect, it } from 'vitest'
import { pairedLatency, unpairedLatency } from '../../../src/rollout/gates/latency.ts'
import {
  type PairMeasure,
  pairedCounts,
  pairRanges,
  ratioSteps,
  unpairedCounts,
} from '../../../src/rollout/gates/latency-counts.ts'
import { type Plan, parsePlan } from '../../../src/rollout/plan.ts'
import {
  DEFAULT_TRAFFIC,
  GOOD_VERSION,
  type SimulateOptions,
  simulate,
  type Version,
} from '../../../src/rollout/simulate/index.ts'
import { PairTimes, PrimaryTimes } from '../../../src/rollout/simulate/times.ts'
import { expectClose, random } from '../kit.ts'

/** Large limits and short soaks, so that the slow way ends. */
function smallPlan(times = true): Plan {
  const gates = (rule: string, more = ''): string => {
    const ratios = times ? `, p50: {ratio: 2, rule: ${rule}}, p95: {ratio: 3, rule: ${rule}}` : ''
    return `{mismatch: {limit: 10%, rule: ${rule}${more}}, errors: {limit: 10%, rule: ${rule}}, lost: {limit: 5%, rule: ${rule}, unit: job}${ratios}}`
  }
  const [plan] = parsePlan(
    `\`\`\`yaml cutover
version: 1
migration: small
legacy: bee-queue
target: bullmq
deadline: 1m
stages:
  - {name: shadow, target: 0%, shadow: 100%, control: 50%, min-soak: 1h, max-stay: 2d, gates: ${gates('prove')}}
  - {name: excess, target: 0%, shadow: 100%, control: 100%, min-soak: 1h, max-stay: 1d, gates: ${gates('watch', ', against: control')}}
  - {name: canary, target: 30%, shadow: 50%, min-soak: 1h, max-stay: 2d, gates: ${gates('prove')}}
  - {name: full, target: 100%, shadow: 50%, min-soak: 1h, max-stay: 2d, gates: ${gates('prove')}}
\`\`\`
`,
    'plan.md',
  )
  return plan!
}

const worlds: Readonly<Record<string, Partial<Version>>> = {
  good: {},
  'at the limits': { mismatch: 0.1, errorsMore: 0.1, lost: 0.05, errorsDiffer: false },
  'over them': { mismatch: 0.2 },
  'errors in effects': { errorsInEffects: 0.3 },
  noisy: { noise: 0.08 },
  slow: { slower: 4 },
  'a little slow': { slower: 1.9, slowestTenth: 1.5 },
}

describe('the jumps are exact', () => {
  const plan = smallPlan()
  it.each(Object.entries(worlds))('%s', (_, version) => {
    const options: SimulateOptions = {
      plan,
      version: { ...GOOD_VERSION, ...version },
      traffic: { ...DEFAULT_TRAFFIC, jobsPerDay: 400 },
      runs: 1,
      seed: 7,
    }
    expect([...simulate(options)].map(withoutProof)).toEqual(
      [...simulate({ ...options, thorough: true })].map(withoutProof),
    )
  })
  it.each([
    ['shares alone, spotless', { errors: 0, errorsApart: 0, mismatch: 0 }],
    ['shares alone, some of everything', { mismatch: 0.03, errors: 0.03, errorsApart: 0.02, lost: 0.01 }],
    ['shares alone, too many errors', { errorsMore: 0.15, errorsDiffer: false }],
  ])('%s', (_, version) => {
    const options: SimulateOptions = {
      plan: smallPlan(false),
      version: { ...GOOD_VERSION, ...version },
      traffic: { ...DEFAULT_TRAFFIC, jobsPerDay: 2000 },
      runs: 2,
      seed: 9,
    }
    expect([...simulate(options)].map(withoutProof)).toEqual(
      [...simulate({ ...options, thorough: true })].map(withoutProof),
    )
  })
  it('with few keys, skewed, which fail by key and in bursts', () => {
    const options: SimulateOptions = {
      plan,
      version: { ...GOOD_VERSION, mismatch: 0.05, byKey: true },
      traffic: { jobsPerDay: 400, keys: 150, skew: 0.8, burst: 3 },
      runs: 1,
      seed: 8,
    }
    expect([...simulate(options)].map(withoutProof)).toEqual(
      [...simulate({ ...options, thorough: true })].map(withoutProof),
    )
  })
})

/** The slow way does not look for the moment of the proof. */
function withoutProof(run: ReturnType<typeof simulate> extends Iterable<infer R> ? R : never) {
  return { ...run, stages: run.stages.map(({ proven: _, ...rest }) => rest) }
}

describe('times are counted as the ledger counts them', () => {
  const levels = { alpha: 0.05, attempt: 1, tests: 30 }
  const ratio = 1.15
  const buckets = Array.from({ length: 300 }, (_, i) => {
    const next = random(i)
    return [1000 + Math.floor(200 * next()), 1000 + Math.floor(230 * next())] as const
  })
  it('of pairs', () => {
    const times = new PairTimes({ tau: 0.95, ratio, levels })
    const legacy = new Map<number, number>()
    const differences: Record<PairMeasure, Map<number, number>> = {
      upPass: new Map(),
      downPass: new Map(),
      upFail: new Map(),
      downFail: new Map(),
    }
    const add = (to: Map<number, number>, at: number, n: number): unknown => to.set(at, (to.get(at) ?? 0) + n)
    for (const [l, t] of buckets) {
      times.add(l, t)
      add(legacy, l, 1)
      for (const [measure, [from, to]] of Object.entries(pairRanges(l, t, ratioSteps(ratio)))) {
        add(differences[measure as PairMeasure], from, 1)
        add(differences[measure as PairMeasure], to + 1, -1)
      }
    }
    const expected = pairedLatency(pairedCounts({ tau: 0.95, ratio, legacy, differences }))
    const { logEPass, logEFail } = pairedLatency(times.observed().paired!)
    expectClose(logEPass, expected.logEPass, 1e-12)
    expectClose(logEFail, expected.logEFail, 1e-12)
  })
  it('of primaries', () => {
    const times = new PrimaryTimes({ tau: 0.5, ratio, levels })
    const sides = [new Map<number, number>(), new Map<number, number>()] as const
    for (const pair of buckets) {
      for (const side of [0, 1] as const) {
        sides[side].set(pair[side], (sides[side].get(pair[side]) ?? 0) + 1)
      }
      times.add(pair[0], undefined)
      times.add(undefined, pair[1])
    }
    const expected = unpairedLatency(unpairedCounts({ tau: 0.5, ratio, legacy: sides[0], target: sides[1] }))
    const { logEPass, logEFail } = unpairedLatency(times.observed().unpaired!)
    expectClose(logEPass, expected.logEPass, 1e-12)
    expectClose(logEFail, expected.logEFail, 1e-12)
  })
})
