import { describe, expect, it } from 'vitest'
import {
  judge,
  judgeStage,
  PAIR_MEASURES,
  type PairedLatencyCounts,
  pairedCounts,
  pairRanges,
  ratioSteps,
  type StageCounts,
  unpairedCounts,
} from '../../src/rollout/gates/index.ts'
import { defaultPlan, parsePlan, type Stage, testsOf } from '../../src/rollout/plan.ts'

const [plan] = parsePlan(defaultPlan({ migration: 'm', legacy: 'bee-queue', target: 'bullmq' }), 'plan.md')
if (plan === undefined) throw new Error('no plan')
const stageOf = (name: string): Stage => plan.stages.find((each) => each.name === name) as Stage
const HOUR = 3_600_000

/** Buckets 900 to 1099, 40 times each; every pair ran as long on both sides. */
const BUCKETS = Array.from({ length: 200 }, (_, i) => 900 + i)
const times = new Map(BUCKETS.map((bucket) => [bucket, 40]))
function alike(tau: number, ratio: number): PairedLatencyCounts {
  const differences = {
    upPass: new Map<number, number>(),
    downPass: new Map<number, number>(),
    upFail: new Map<number, number>(),
    downFail: new Map<number, number>(),
  }
  for (const bucket of BUCKETS) {
    const ranges = pairRanges(bucket, bucket, ratioSteps(ratio))
    for (const name of PAIR_MEASURES) {
      const [first, last] = ranges[name] ?? []
      if (first === undefined || last === undefined) continue
      differences[name].set(first, (differences[name].get(first) ?? 0) + 40)
      differences[name].set(last + 1, (differences[name].get(last + 1) ?? 0) - 40)
    }
  }
  return pairedCounts({ tau, ratio, legacy: times, differences })
}

/** Good counts for every stage. */
const GOOD: StageCounts = {
  levels: { alpha: plan.alpha, attempt: 1, tests: testsOf(plan) },
  mismatch: { counts: { n: 5000, mismatched: 5 }, control: { n: 500, mismatched: 0 } },
  errorsPaired: { counts: { n: 5000, targetOnly: 3, legacyOnly: 3 } },
  errorsCanary: { counts: { n: 50_000, share: 0, nTargetUnits: 5000, legacyFailed: 200, targetFailed: 20 } },
  errorsAlone: { counts: { n: 5000, failed: 25 }, legacyRate: 0.005 },
  lost: { counts: { n: 8000, lost: 0 } },
  p50: {
    paired: alike(0.5, 1.1),
    unpaired: unpairedCounts({ tau: 0.5, ratio: 1.1, legacy: times, target: times }),
  },
  p95: {
    paired: alike(0.95, 1.15),
    unpaired: unpairedCounts({ tau: 0.95, ratio: 1.15, legacy: times, target: times }),
  },
  queueWait: { n: 400, over: 3 },
  mcp: [
    {
      server: 'mail',
      tools: { probed: true, missing: [], confirmed: false },
      reachable: { target: [true, true], legacy: [true, true] },
    },
  ],
  backlog: { ageMs: 900 },
  shed: { wanted: 5000, shed: 10 },
  sampleRatio: { n: 50_000, target: 0 },
  duplicates: { twice: 0 },
  tripwire: { targetSettled: 900, targetFailed: 2, groups: 2, legacySettled: 900, legacyFailed: 3 },
  soakedMs: 100 * HOUR,
  conditions: {},
}

function good(stage: Stage): StageCounts {
  const { target } = stage
  const nTargetUnits = Math.round(50_000 * target)
  const targetFailed = Math.round(nTargetUnits * 0.005)
  return {
    ...GOOD,
    errorsCanary: {
      counts: {
        n: 50_000,
        share: target,
        nTargetUnits,
        legacyFailed: Math.round((50_000 - nTargetUnits) * 0.005),
        targetFailed,
      },
    },
    sampleRatio: { n: 50_000, target: nTargetUnits },
  }
}

const names = (stage: string): string[] =>
  judgeStage(stageOf(stage), good(stageOf(stage))).gates.map(({ name }) => name)
const judged = (stage: string, more: Partial<StageCounts> = {}) =>
  judgeStage(stageOf(stage), { ...good(stageOf(stage)), ...more })
const said = (stage: string, more: Partial<StageCounts> = {}): string => {
  const { verdict, reasons } = judged(stage, more)
  return `${verdict} ${reasons.join()}`
}

const STATISTICAL = ['mismatch', 'errors', 'lost', 'p50', 'p95']
const ALWAYS = ['queue-wait', 'shed', 'soak']
describe('the gates of a stage', () => {
  it.each<[string, string[]]>([
    ['shadow-all', [...STATISTICAL, 'duplicates', ...ALWAYS]],
    ['canary-10', [...STATISTICAL, 'duplicates', 'tripwire', 'backlog', 'queue-wait', 'shed', 'sample-ratio', 'soak']],
    ['full', [...STATISTICAL, 'duplicates', 'tripwire', 'backlog', ...ALWAYS]],
  ])('%s', (stage, expected) => expect(names(stage)).toEqual([...expected, 'mcp-tools', 'mcp-reachable']))

  it.each(plan.stages.map(({ name }) => name))('%s passes with good counts', (name) => {
    const { verdict, gates } = judged(name)
    expect(gates.filter((gate) => gate.verdict !== 'pass').map((gate) => [gate.name, gate.reason])).toEqual([])
    expect(verdict).toBe('pass')
  })
  it.each(plan.stages.map(({ name }) => name))('%s: every gate holds without its counts', (name) => {
    const empty = { levels: GOOD.levels, soakedMs: 0, conditions: {}, mcp: [{ server: 'mail' }] }
    const { verdict, gates } = judgeStage(stageOf(name), empty)
    expect(verdict).toBe('hold')
    for (const gate of gates)
      expect([gate.name, gate.reason]).toEqual([gate.name, gate.name === 'soak' ? 'soak' : 'no-data'])
  })
  it('can be replayed one by one from what was judged', () => {
    for (const gate of judged('canary-50').gates) {
      const { verdict, reason } = judge(JSON.parse(JSON.stringify(gate.input)))
      expect([gate.name, verdict, reason]).toEqual([gate.name, gate.verdict, gate.reason])
    }
  })
  it('hands limits, rules and levels on', () => {
    const levels = { alpha: 0.01, attempt: 3, tests: 7 }
    const inputs = new Map(judged('full', { levels }).gates.map(({ name, input }) => [name, input]))
    expect(inputs.get('errors')).toMatchObject({ gate: 'errorsAlone', limit: 0.015, rule: 'prove', ...levels })
    expect(inputs.get('lost')).toMatchObject({ limit: 0.001, staleAfterMs: 72 * HOUR })
    expect(inputs.get('mismatch')).not.toHaveProperty('control')
    expect(inputs.get('backlog')).toMatchObject({ gate: 'oldestAge', limit: 120_000 })
    expect(inputs.get('soak')).toMatchObject({ limit: 72 * HOUR })
    expect(judged('canary-10').gates.find(({ name }) => name === 'sample-ratio')?.input).toMatchObject({
      counts: { share: 0.1 },
    })
  })
  it('limits the excess over legacy’s own noise where the plan says so', () => {
    const stage = stageOf('shadow-all')
    const { mismatch, ...gates } = stage.gates
    if (mismatch === undefined) throw new Error('no gate')
    const against: Stage = { ...stage, gates: { ...gates, mismatch: { ...mismatch, against: 'control' } } }
    const counts = { ...GOOD, excessMismatch: { counts: { n: 3000, targetOnly: 300, controlOnly: 300 } } }
    const [gate] = judgeStage(against, counts).gates
    expect(gate).toMatchObject({ name: 'mismatch', input: { gate: 'excessMismatch' } })
    expect(judgeStage(against, GOOD).gates[0]?.reason).toBe('no-data')
  })
})

const bad = { counts: { n: 5000, mismatched: 500 } }
describe('the verdict of a stage', () => {
  it.each<[string, string, Partial<StageCounts>, string]>([
    ['one gate fails', 'canary-10', { duplicates: { twice: 1 } }, 'fail double-run'],
    ['a fail wins over a hold', 'canary-10', { duplicates: { twice: 1 }, soakedMs: 0 }, 'fail double-run'],
    [
      'a fail wins over conditions',
      'canary-10',
      { duplicates: { twice: 1 }, conditions: { flagLost: true } },
      'fail double-run',
    ],
    ['two gates fail', 'canary-10', { duplicates: { twice: 1 }, mismatch: bad }, 'fail over-limit,double-run'],
    ['one gate holds', 'canary-10', { soakedMs: 0 }, 'hold soak'],
    ['a broken split', 'canary-10', { sampleRatio: { n: 50_000, target: 6000 } }, 'hold sample-ratio'],
    ['a control that was never counted', 'shadow-all', { mismatch: bad }, 'hold noise-unknown'],
    ['no control is expected', 'canary-10', { mismatch: bad }, 'fail over-limit'],
    [
      'a stale proof',
      'canary-10',
      { errorsCanary: { ...good(stageOf('canary-10')).errorsCanary!, idleMs: 25 * HOUR } },
      'hold stale',
    ],
    ['a lost flag channel', 'canary-10', { conditions: { flagLost: true } }, 'hold flag-lost'],
    ['missing workers', 'canary-10', { conditions: { workersMissing: true } }, 'hold workers-missing'],
    ['mixed versions', 'canary-10', { conditions: { mixedVersions: true } }, 'hold mixed-versions'],
    ['an old snapshot', 'canary-10', { conditions: { snapshotAgeMs: 60_001 } }, 'hold stale'],
    ['a stay too long', 'canary-10', { conditions: { stayedMs: 14 * 24 * HOUR + 1 } }, 'hold max-stay'],
    ['nobody said yes', 'canary-10', { conditions: { approvalMissing: true } }, 'hold approval'],
    [
      'a tool is missing',
      'canary-10',
      { mcp: [{ server: 'a', tools: { probed: true, missing: ['x'], confirmed: true } }] },
      'fail tools-missing',
    ],
    ['a contradiction never promotes', 'canary-10', { duplicates: { twice: -1 } }, 'hold contradiction'],
    ['another fail still counts', 'canary-10', { duplicates: { twice: -1 }, mismatch: bad }, 'fail over-limit'],
  ])('%s', (_, stage, more, expected) => expect(said(stage, more)).toBe(expected))

  it('tells what contradicts what', () => {
    const gate = judged('canary-10', { lost: { counts: { n: 3, lost: 4 } } }).gates.find(({ name }) => name === 'lost')
    expect(gate).toMatchObject({ verdict: 'hold', reason: 'contradiction', logEPass: null })
    expect(gate?.message).toMatch(/lost are 4 of 3 units/)
  })
  it('names the server', () => {
    const { gates } = judged('full')
    expect(gates.filter(({ server }) => server === 'mail').map(({ name }) => name)).toEqual([
      'mcp-tools',
      'mcp-reachable',
    ])
  })
  it('says of a watch that there was no alarm, never that something was proven', () => {
    const { reasons, gates } = judged('shadow-first')
    expect(gates.slice(0, 5).map(({ reason }) => reason)).toEqual(Array.from({ length: 5 }, () => 'no-alarm'))
    expect(reasons).not.toContain('proven')
  })
})
