// Does the simulation say what docs/gates.md says of the default plan, the same at every call, and refuse nonsense?

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultPlan, parsePlan } from '../../../src/rollout/plan.ts'
import {
  clopperPearson,
  DEFAULT_TRAFFIC,
  GOOD_VERSION,
  presetVersion,
  type SimulateOptions,
  type Summary,
  simulate,
  Tally,
  type Traffic,
  type Version,
} from '../../../src/rollout/simulate/index.ts'
import { randomStreams } from '../../../src/rollout/simulate/random.ts'
import { raised } from '../kit.ts'

const names = { migration: 'mail', legacy: 'bee-queue', target: 'bullmq' }
const plan = parsePlan(defaultPlan(names), 'plan.md')[0]!

function options(version: Partial<Version> = {}, traffic: Partial<Traffic> = {}): SimulateOptions {
  return {
    plan,
    version: { ...GOOD_VERSION, ...version },
    traffic: { ...DEFAULT_TRAFFIC, ...traffic },
    runs: 12,
    seed: 3,
  }
}

function summaryOf(played: SimulateOptions): Summary {
  const tally = new Tally(played.plan)
  for (const run of simulate(played)) tally.add(run)
  return tally.summary()
}

describe('the default plan at 1,000 jobs a day', () => {
  it('lets a good version through, after the units of the table', () => {
    const { promoted, days, stages } = summaryOf(options())
    expect(promoted.n).toBe(12)
    expect(days!.median).toBeGreaterThan(11)
    expect(days!.median).toBeLessThan(23)
    const unitsOf = (name: string) => stages.find((stage) => stage.name === name)!.units
    expect(unitsOf('shadow-first').mismatch).toEqual({ median: 20, p90: 20 })
    // 266 and 534 without any error; one on legacy alone shortens it
    expect(unitsOf('canary-10').errors!.median).toBeGreaterThan(150)
    expect(unitsOf('canary-10').errors!.median).toBeLessThan(800)
    expect(unitsOf('canary-50').errors!.median).toBeGreaterThan(500)
    expect(unitsOf('canary-50').errors!.median).toBeLessThan(2500)
    expect(unitsOf('full').lost!.median).toBe(4199)
  })
  it.each([
    ['mismatch-2x', 'mismatch'],
    ['errors-2x', undefined],
    ['slow', 'p50'],
    ['loses', 'lost'],
  ] as const)('sends %s back', (preset, gate) => {
    const { promoted, rolledBack, stages } = summaryOf({ ...options(presetVersion(preset, plan)), runs: 5 })
    expect(promoted.n).toBe(0)
    expect(rolledBack.n).toBeGreaterThanOrEqual(4)
    const failed = stages.find((stage) => stage.failed > 0)!
    if (gate !== undefined) expect(Object.keys(failed.failedBy)).toContain(gate)
  })
  it('holds a version whose effects fail at the limit', () => {
    const { promoted, held, stages } = summaryOf({ ...options({ errorsInEffects: 0.02 }), runs: 5 })
    expect(promoted.n).toBe(0)
    expect(held.n).toBeGreaterThanOrEqual(4)
    const heldBy = stages.flatMap((stage) => Object.keys(stage.heldBy))
    expect(heldBy).toContain('errors undecided')
  })
  it('holds a comparison that is noisier than the limit, whatever target does', () => {
    const { rolledBack, stages } = summaryOf({ ...options({ noise: 0.03 }), runs: 5 })
    expect(rolledBack.n).toBe(0)
    expect(Object.keys(stages[1]!.heldBy)).toContain('mismatch noise-floor')
  })
})

it('300 keys cannot prove 1 %, and the plan for few keys lets them through', () => {
  const few = parsePlan(defaultPlan({ ...names, few: true }), 'plan.md')[0]!
  const played = options({ mismatch: 0, errors: 0, errorsApart: 0, correlation: 0.95 }, { keys: 300 })
  const many = summaryOf({ ...played, runs: 3 })
  expect(many.promoted.n).toBe(0)
  expect(Object.keys(many.stages[1]!.heldBy)).toContain('mismatch too-few-keys')
  expect(summaryOf({ ...played, plan: few, runs: 3 }).promoted.n).toBeGreaterThanOrEqual(2)
})

it('at 10 million jobs a day soaking is what takes time, and what was not played is told', () => {
  const { promoted, days, stages } = summaryOf({ ...options({}, { jobsPerDay: 1e7 }), runs: 3 })
  expect(promoted.n).toBe(3)
  expect(days!.median).toBeCloseTo((1 + 24 + 4 + 24 + 24 + 72) / 24, 1)
  expect(stages.at(-1)!.jumped).toBe(3)
})

describe('random numbers', () => {
  it('are the same for the same seed, and a run does not hang on how many are played', () => {
    const three = [...simulate({ ...options(), runs: 3 })]
    expect([...simulate({ ...options(), runs: 3 })]).toEqual(three)
    expect([...simulate({ ...options(), runs: 2 })]).toEqual(three.slice(0, 2))
    expect([...simulate({ ...options(), runs: 2, seed: 4 })]).not.toEqual(three.slice(0, 2))
  })
  it('have the moments that they should', () => {
    const random = randomStreams(1)()
    const n = 40_000
    const mean = (draw: () => number): number => Array.from({ length: n }, draw).reduce((sum, x) => sum + x, 0) / n
    expect(mean(() => random.uniform())).toBeCloseTo(0.5, 1)
    expect(mean(() => random.exponential())).toBeCloseTo(1, 1)
    expect(mean(() => random.normal())).toBeCloseTo(0, 1)
    expect(mean(() => random.normal() ** 2)).toBeCloseTo(1, 1)
    expect(mean(() => random.normal() ** 4)).toBeGreaterThan(2.7)
  })
})

describe('what is refused', () => {
  it.each<[string, Partial<Version>, Partial<Traffic>, Partial<SimulateOptions>]>([
    ['mismatch', { mismatch: 1.5 }, {}, {}],
    ['lost', { lost: Number.NaN }, {}, {}],
    ['errorsApart', { errors: 0.001, errorsApart: 0.002 }, {}, {}],
    ['sigma', { sigma: -1 }, {}, {}],
    ['correlation', { correlation: 1.2 }, {}, {}],
    ['slower', { slower: 0 }, {}, {}],
    ['jobsPerDay', {}, { jobsPerDay: 0 }, {}],
    ['keys', {}, { keys: 1.5 }, {}],
    ['skew', {}, { skew: 1 }, {}],
    ['burst', {}, { burst: 0 }, {}],
    ['runs', {}, {}, { runs: 0 }],
    ['seed', {}, {}, { seed: -1 }],
    ['attempt', {}, {}, { attempt: 1.5 }],
  ])('%s', (where, version, traffic, more) => {
    const error = raised(() => simulate({ ...options(version, traffic), ...more }))
    expect(error.code).toBe('option-invalid')
    expect(error.details['where']).toBe(where)
    expect(error.message).toContain(where)
  })
})

describe("Clopper and Pearson's interval", () => {
  // the defining sums, bisected with 60 digits
  it.each([
    [100, 10, 0.0490047, 0.1762226],
    [400, 0, 0, 0.0091801],
    [20, 20, 0.8315665, 1],
    [1000, 25, 0.0162425, 0.0366848],
  ])('%d runs, %d of them: %d to %d', (n, k, lower, upper) => {
    const found = clopperPearson(n, k)
    expect(found.lower).toBeCloseTo(lower, 6)
    expect(found.upper).toBeCloseTo(upper, 6)
  })
  it('holds the share that was seen, and narrows with the level', () => {
    const cases = fc
      .integer({ min: 1, max: 20_000 })
      .chain((n) => fc.tuple(fc.constant(n), fc.integer({ min: 0, max: n })))
    fc.assert(
      fc.property(cases, ([n, k]) => {
        const [wide, narrow] = [clopperPearson(n, k, 0.99), clopperPearson(n, k, 0.9)]
        expect(wide.lower).toBeLessThanOrEqual(narrow.lower)
        expect(narrow.lower).toBeLessThanOrEqual(k / n)
        expect(k / n).toBeLessThanOrEqual(narrow.upper)
        expect(narrow.upper).toBeLessThanOrEqual(wide.upper)
      }),
    )
  })
})
