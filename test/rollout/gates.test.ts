import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  evidence,
  GATE_NAMES,
  type GateInput,
  type Judgement,
  judge,
  thresholds,
} from '../../src/rollout/gates/index.ts'
import { unpairedLatency } from '../../src/rollout/gates/latency.ts'
import { expectClose, raised } from './kit.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

interface Example {
  readonly name: string
  readonly input: GateInput
  readonly expect: Judgement
}
const { cases } = JSON.parse(read('../data/examples.json')) as { cases: Example[] }

function expectNumber(actual: number | null, expected: number | null, tolerance = 1e-9): void {
  if (actual === null || expected === null) expect(actual).toBe(expected)
  else expectClose(actual, expected, tolerance)
}

describe('the published examples', () => {
  it('has them', () => expect(cases.length).toBeGreaterThan(20))
  it.each(cases)('$name', ({ input, expect: expected }) => {
    const judgement = judge(input)
    expect(Object.keys(judgement).sort()).toEqual(['failAt', 'logEFail', 'logEPass', 'passAt', 'reason', 'verdict'])
    expect([judgement.verdict, judgement.reason]).toEqual([expected.verdict, expected.reason])
    expectNumber(judgement.logEPass, expected.logEPass)
    expectNumber(judgement.logEFail, expected.logEFail)
    expectNumber(judgement.passAt, expected.passAt)
    expectNumber(judgement.failAt, expected.failAt)
  })
})

/** `n 2500, mismatched 50`, `probed true, missing [mail/search]`, `targetOverPass [420, 350]`. */
function countsOf(text: string): Record<string, unknown> {
  const value = (raw: string): unknown => {
    if (raw === 'true') return true
    if (!raw.startsWith('[')) return Number(raw)
    const items = raw.slice(1, -1).split(', ')
    return items.map((item) => (Number.isNaN(Number(item)) ? item : Number(item)))
  }
  const parts = [...text.matchAll(/(\w+) (\[[^\]]*\]|[^,;]+)/g)]
  return Object.fromEntries(parts.map(([, name, raw]) => [name, value((raw as string).trim())]))
}

function inputOf(gateCell: string, countsCell: string): GateInput {
  const [head = '', ...options] = gateCell.split('; ')
  const [gate, limit] = head.split(', ')
  const settings = options.map((option) => {
    const [name = '', raw = ''] = option.split(' ')
    return [name, Number.isNaN(Number(raw)) ? raw : Number(raw)]
  })
  const [counts = '', ...others] = countsCell.split('; ')
  const more = others.map((other) => {
    const [name = '', rest = ''] = other.split(': ')
    return [name, countsOf(rest)]
  })
  return {
    gate,
    ...(limit === undefined ? {} : { limit: Number(limit) }),
    ...Object.fromEntries(settings),
    counts: countsOf(counts),
    ...Object.fromEntries(more),
  } as unknown as GateInput
}

describe('the numbered rows of docs/gates.md, section 6', () => {
  const rows = [...read('../../docs/gates.md').matchAll(/^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$/gm)]
  it('has them', () => expect(rows.length).toBe(21))
  it.each(rows.map((row) => row.slice(1)))('%s: %s, %s', (_, gate = '', counts = '', verdict, pass, fail) => {
    const judgement = judge(inputOf(gate, counts))
    expect(`${judgement.verdict} \`${judgement.reason}\``).toBe(verdict)
    const shown = (n: number | null): string => (n === null ? '–' : n.toFixed(6))
    expect([shown(judgement.logEPass), shown(judgement.logEFail)]).toEqual([pass, fail])
  })
})

describe('the quantile cases of the vectors', () => {
  interface Quantile {
    readonly type: string
    readonly nNew: number
    readonly newGT: readonly number[]
    readonly nLegacy: number
    readonly legGT: readonly number[]
    readonly tau: number
    readonly logEPass: number
    readonly logEFail: number
  }
  const { cases: vectors } = JSON.parse(read('../data/vectors.json')) as { cases: Quantile[] }
  const own = vectors.filter(({ type }) => type === 'quantile')
  it('has them', () => expect(own.length).toBe(3))
  it.each(own)('%j', ({ nNew, newGT, nLegacy, legGT, tau, logEPass, logEFail }) => {
    const found = unpairedLatency({
      tau,
      nTarget: nNew,
      targetOverPass: newGT,
      targetOverFail: newGT,
      nLegacy,
      legacyOverPass: legGT,
      legacyOverFail: legGT,
    })
    expectClose(found.logEPass, logEPass, 2e-12)
    expectClose(found.logEFail, logEFail, 2e-12)
  })
})

const mismatch = (counts: object, more: object = {}): GateInput =>
  ({ gate: 'mismatch', limit: 0.01, counts, ...more }) as GateInput
const said = (input: GateInput): string => {
  const { verdict, reason } = judge(input)
  return `${verdict} ${reason}`
}

describe('the order of judging', () => {
  const proven = { n: 1000, mismatched: 0 }
  const bad = { n: 2500, mismatched: 60 }
  it.each<[string, GateInput, string]>([
    ['a control that never came leaves noise unknown', mismatch(bad, { control: { n: 0 } }), 'hold noise-unknown'],
    [
      'noise over the limit holds even what is proven',
      mismatch(proven, { control: { n: 900, mismatched: 90 } }),
      'hold noise-floor',
    ],
    [
      'noise over the limit holds a watch',
      mismatch(proven, { rule: 'watch', control: { n: 900, mismatched: 90 } }),
      'hold noise-floor',
    ],
    ['unknown noise does not hold a pass', mismatch(proven, { control: { n: 9 } }), 'pass proven'],
    ['a fail comes before too few units', mismatch({ n: 19, mismatched: 19 }), 'fail over-limit'],
    ['a watch fails like a proof', mismatch(bad, { rule: 'watch' }), 'fail over-limit'],
    ['too few units', mismatch({ n: 19 }), 'hold too-few-units'],
    ['a watch with too few units', mismatch({ n: 19 }, { rule: 'watch' }), 'hold too-few-units'],
    ['min-units count target units', canary({ n: 5000, nTargetUnits: 19 }), 'hold too-few-units'],
    [
      'a watch does not look at the recent window',
      mismatch({ n: 50 }, { rule: 'watch', recent: { n: 1 } }),
      'pass no-alarm',
    ],
    [
      'undecided comes before the recent window',
      mismatch({ n: 100 }, { recent: { n: 30, mismatched: 9 } }),
      'hold undecided',
    ],
    [
      'an orphan makes the recent window worse',
      mismatch({ n: 4000, orphaned: 1 }, { recent: { n: 50, orphaned: 1 } }),
      'hold recent-worse',
    ],
    [
      'the recent window at the limit is not worse',
      mismatch({ n: 4000, mismatched: 5 }, { recent: { n: 500, mismatched: 5 } }),
      'pass proven',
    ],
    ['no new units for long', mismatch(proven, { idleMs: 2, staleAfterMs: 1 }), 'hold stale'],
    ['no new units, not for long', mismatch(proven, { idleMs: 1, staleAfterMs: 1 }), 'pass proven'],
    ['the keys are used up', mismatch({ n: 300 }, { newUnits: 5 }), 'hold too-few-keys'],
    ['there are new keys', mismatch({ n: 300 }, { newUnits: 6 }), 'hold undecided'],
    ['enough keys, though none is new', mismatch({ n: 500, mismatched: 3 }, { newUnits: 0 }), 'hold undecided'],
    ['a second attempt needs more', mismatch({ n: 418 }, { attempt: 2 }), 'hold undecided'],
    ['a larger plan needs more to fail', mismatch({ n: 2500, mismatched: 50 }, { tests: 300 }), 'hold undecided'],
  ])('%s', (_, input, expected) => expect(said(input)).toBe(expected))

  it.each<[string, GateInput]>([
    ['mismatch', mismatch({ n: 0 })],
    ['lost', { gate: 'lost', limit: 0.01, counts: { n: 0 } }],
    ['errorsCanary', canary({ n: 0, nTargetUnits: 0 })],
    ['latency', { gate: 'latencyUnpaired', counts: unpaired(0, 9) }],
    ['latency without legacy', { gate: 'latencyUnpaired', counts: unpaired(9, 0) }],
    ['sampleRatio', { gate: 'sampleRatio', counts: { n: 0, target: 0, share: 0.5 } }],
    ['queueWait', { gate: 'queueWait', counts: { n: 0, over: 0 } }],
    ['shed', { gate: 'shed', counts: { wanted: 0, shed: 0 } }],
  ])('no data: %s', (_, input) => {
    expect(judge(input)).toMatchObject({ verdict: 'hold', reason: 'no-data', logEPass: null, logEFail: null })
  })
})

function canary(counts: object): GateInput {
  return { gate: 'errorsCanary', limit: 0.02, counts: { share: 0.1, ...counts } } as GateInput
}
function unpaired(nTarget: number, nLegacy: number) {
  const none = [0]
  return {
    tau: 0.5,
    nTarget,
    targetOverPass: none,
    targetOverFail: none,
    nLegacy,
    legacyOverPass: none,
    legacyOverFail: none,
  }
}

describe('each reading', () => {
  it.each<[string, GateInput, number, number]>([
    [
      'excess: an orphan is bad for a pass only',
      { gate: 'excessMismatch', limit: 0.02, counts: { n: 900, targetOnly: 5, controlOnly: 3, orphaned: 2 } },
      evidence.paired(900, 7, 3, 0.02).logEPass,
      evidence.paired(900, 5, 3, 0.02).logEFail,
    ],
    [
      'pairs: an orphan on legacy is no credit for target',
      {
        gate: 'errorsPaired',
        limit: 0.02,
        counts: { n: 900, targetOnly: 5, legacyOnly: 3, targetOrphans: 2, legacyOrphans: 4 },
      },
      evidence.paired(900, 7, 3, 0.02).logEPass,
      evidence.paired(900, 5, 7, 0.02).logEFail,
    ],
    [
      'canary: lost ones',
      canary({ n: 900, nTargetUnits: 90, targetFailed: 3, targetLost: 2, legacyFailed: 7, legacyLost: 4 }),
      evidence.weighted(900, 7, 5, 0.1, 0.02).logEPass,
      evidence.weighted(900, 11, 3, 0.1, 0.02).logEFail,
    ],
    [
      'alone: lost ones',
      { gate: 'errorsAlone', limit: 0.02, counts: { n: 900, failed: 3, lost: 2 } },
      evidence.rate(900, 5, 0.02).logEPass,
      evidence.rate(900, 3, 0.02).logEFail,
    ],
  ])('%s', (_, input, pass, fail) => expect(judge(input)).toMatchObject({ logEPass: pass, logEFail: fail }))
  it('takes rho', () => {
    expect(evidence.weighted(900, 7, 5, 0.1, 0.02, 1.5).logEPass).toBeGreaterThan(
      evidence.weighted(900, 7, 5, 0.1, 0.02).logEPass,
    )
  })
})

const T = true
const F = false
describe('plain gates', () => {
  const mcp = (target: boolean[], legacy: boolean[], more: object = {}): GateInput => ({
    gate: 'mcpReachable',
    counts: { target, legacy },
    ...more,
  })
  const tools = (probed: boolean, missing: string[], confirmed = false, more: object = {}): GateInput => ({
    gate: 'mcpTools',
    counts: { probed, missing, confirmed },
    ...more,
  })
  const age = (ageMs: number | null): GateInput => ({ gate: 'oldestAge', limit: 100, counts: { ageMs } })
  const wire = (more: object): GateInput => ({
    gate: 'tripwire',
    counts: { targetSettled: 100, targetFailed: 20, groups: 3, legacySettled: 1000, legacyFailed: 99, ...more },
  })
  it.each<[GateInput, string]>([
    [tools(F, []), 'hold no-probe'],
    [tools(T, []), 'pass tools-equal'],
    [tools(T, ['a']), 'hold tools-missing-unconfirmed'],
    [tools(T, ['a'], T), 'fail tools-missing'],
    [tools(T, ['a'], T, { limit: 1 }), 'pass within-limit'],
    [mcp([], [T]), 'hold no-probe'],
    [mcp([F, F, F, T], [F]), 'pass reachable'],
    [mcp([T, F, F], [T, T, T]), 'hold last-probe-failed'],
    [mcp([F, F], [T, T, T]), 'hold last-probe-failed'],
    [mcp([F, F, F], [T, F, F]), 'fail server-unreachable'],
    [mcp([F, F, F], [T, F, F, F]), 'hold server-down-everywhere'],
    [mcp([F, F, F], []), 'hold no-probe'],
    [mcp([F], [T], { limit: 1 }), 'fail server-unreachable'],
    [{ gate: 'duplicates', counts: { twice: 0 } }, 'pass none'],
    [{ gate: 'duplicates', counts: { twice: 1 } }, 'fail double-run'],
    [{ gate: 'duplicates', counts: { twice: 1 }, limit: 1 }, 'pass within-limit'],
    [age(null), 'pass within-limit'],
    [age(100), 'pass within-limit'],
    [age(200), 'hold backlog-old'],
    [age(201), 'fail backlog-too-old'],
    [{ gate: 'queueWait', counts: { n: 4, over: 0 } }, 'pass within-limit'],
    [{ gate: 'queueWait', counts: { n: 19, over: 1 } }, 'hold too-few-units'],
    [{ gate: 'queueWait', counts: { n: 20, over: 1 } }, 'pass within-limit'],
    [{ gate: 'queueWait', counts: { n: 20, over: 2 } }, 'hold wait-over-limit'],
    [{ gate: 'shed', counts: { wanted: 100, shed: 5 } }, 'pass within-limit'],
    [{ gate: 'shed', counts: { wanted: 100, shed: 6 } }, 'hold shed-too-many'],
    [{ gate: 'shed', counts: { wanted: 100, shed: 0, compared: 90, ignored: 5 } }, 'hold shed-too-many'],
    [{ gate: 'soak', limit: 10, counts: { ms: 9 } }, 'hold soak'],
    [{ gate: 'soak', limit: 10, counts: { ms: 10 } }, 'pass soaked'],
    [{ gate: 'sampleRatio', counts: { n: 5000, target: 510, share: 0.1 } }, 'pass ratio-ok'],
    [{ gate: 'sampleRatio', counts: { n: 5000, target: 380, share: 0.1 } }, 'hold sample-ratio'],
    [{ gate: 'sampleRatio', counts: { n: 5000, target: 620, share: 0.1 }, limit: 1e-6 }, 'pass ratio-ok'],
    [wire({}), 'fail tripwire'],
    [wire({ targetFailed: 19 }), 'pass within-limit'],
    [wire({ targetSettled: 101 }), 'pass within-limit'],
    [wire({ groups: 2 }), 'pass within-limit'],
    [wire({ legacyFailed: 100 }), 'pass within-limit'],
    [wire({ legacySettled: 0, legacyFailed: 0 }), 'fail tripwire'],
    [wire({ targetSettled: 0, targetFailed: 0, groups: 0 }), 'pass within-limit'],
  ])('%j → %s', (input, expected) => expect(said(input)).toBe(expected))
})

describe('what is refused', () => {
  it.each<[string, GateInput]>([
    ['more mismatches than pairs', mismatch({ n: 3, mismatched: 2, orphaned: 2 })],
    ['negative', mismatch({ n: 3, mismatched: -1 })],
    ['a part of a unit', mismatch({ n: 3.5 })],
    ['no n', mismatch({})],
    ['bad counts although n is 0', mismatch({ n: 0, orphaned: 1 })],
    ['bad controls', mismatch({ n: 3 }, { control: { n: 1, mismatched: 2 } })],
    ['a bad recent window', mismatch({ n: 3 }, { recent: { n: 1, mismatched: 2 } })],
    [
      'more orphans than pairs',
      { gate: 'errorsPaired', limit: 0.01, counts: { n: 3, targetOrphans: 2, legacyOrphans: 2 } },
    ],
    ['more failures than target units', canary({ n: 9, nTargetUnits: 1, targetFailed: 2 })],
    ['more failures than legacy units', canary({ n: 9, nTargetUnits: 8, legacyFailed: 2 })],
    ['share 1', canary({ n: 9, nTargetUnits: 8, share: 1 })],
    [
      'no edges',
      {
        gate: 'latencyUnpaired',
        counts: { ...unpaired(1, 1), targetOverPass: [], targetOverFail: [], legacyOverPass: [], legacyOverFail: [] },
      },
    ],
    ['arrays of different lengths', { gate: 'latencyUnpaired', counts: { ...unpaired(1, 1), targetOverPass: [0, 0] } }],
    [
      'more over an edge than there are',
      { gate: 'latencyUnpaired', counts: { ...unpaired(1, 1), legacyOverPass: [2] } },
    ],
    [
      'more over a higher edge',
      {
        gate: 'latencyUnpaired',
        counts: {
          tau: 0.5,
          nTarget: 2,
          targetOverPass: [1, 2],
          targetOverFail: [0, 0],
          nLegacy: 2,
          legacyOverPass: [1, 0],
          legacyOverFail: [2, 1],
        },
      },
    ],
    [
      'more differing pairs than pairs',
      {
        gate: 'latencyPaired',
        counts: {
          tau: 0.5,
          n: 2,
          legacyOver: [1],
          legacyOverPrev: [1],
          upPass: [2],
          downPass: [1],
          upFail: [0],
          downFail: [0],
        },
      },
    ],
    ['sample ratio', { gate: 'sampleRatio', counts: { n: 2, target: 3, share: 0.5 } }],
    [
      'tripwire',
      { gate: 'tripwire', counts: { targetSettled: 1, targetFailed: 2, groups: 1, legacySettled: 0, legacyFailed: 0 } },
    ],
    ['twice', { gate: 'duplicates', counts: { twice: -1 } }],
    ['age', { gate: 'oldestAge', counts: { ageMs: Number.NaN } }],
  ])('contradiction: %s', (_, input) => expect(raised(() => judge(input)).code).toBe('contradiction'))

  it.each<[string, object, RegExp]>([
    ['an unknown gate', { gate: 'mismatches', counts: {} }, /mismatch, excessMismatch/],
    ['a limit of 0', { gate: 'lost', limit: 0, counts: { n: 1 } }, /lost: limit is 0/],
    ['no limit', { gate: 'lost', counts: { n: 1 } }, /lost: limit is undefined/],
    ['an unknown rule', { gate: 'lost', limit: 0.1, rule: 'hope', counts: { n: 99 } }, /prove, watch/],
    ['attempt 0', { gate: 'lost', limit: 0.1, attempt: 0, counts: { n: 99 } }, /attempt is 0/],
    ['tests 0', { gate: 'lost', limit: 0.1, tests: 0, counts: { n: 99 } }, /tests is 0/],
    ['alpha 0', { gate: 'lost', limit: 0.1, alpha: 0, counts: { n: 99 } }, /alpha is 0/],
    ['min-units 0', { gate: 'lost', limit: 0.1, minUnits: 0, counts: { n: 99 } }, /minUnits is 0/],
    ['tau 1', { gate: 'latencyUnpaired', counts: { ...unpaired(1, 1), tau: 1 } }, /tau is 1/],
  ])('%s', (_, input, message) => {
    const error = raised(() => judge(input as GateInput))
    expect(error.code).toBe('option-invalid')
    expect(error.message).toMatch(message)
  })
})

describe('thresholds', () => {
  it('spend no more than alpha over all attempts', () => {
    const spent = (j: number): number => Math.exp(-thresholds({ alpha: 0.05, attempt: j }).passAt)
    let sum = 0
    for (let j = 1; j <= 10_000; j++) sum += spent(j)
    expect(sum).toBeLessThan(0.05)
    expect(sum).toBeGreaterThan(0.0499)
  })
  it('divide a fail by the tests', () => {
    const { failAt } = thresholds({ alpha: 0.05, attempt: 1, tests: 30 })
    expect(failAt).toBeCloseTo(Math.log(1200), 12)
  })
})

it('names every gate once', () => expect(new Set(GATE_NAMES).size).toBe(17))
