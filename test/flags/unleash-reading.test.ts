// Definitions of Unleash: which dials they say, and what is wrong with them. Pure.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DoubtId, faultsOf, stickyOn, UNLEASH_DOUBTS } from '../../adapters/flags/unleash/doubts.ts'
import { readDials } from '../../adapters/flags/unleash/reading.ts'
import { encodeBoolean, encodeDials, type FlagDefinition, type FlagStrategy } from '../../adapters/unleash-engine.ts'
import { DOUBTS } from '../../src/vocabulary/job.ts'

const FLAG = 'mail'
const good = encodeDials(FLAG, { target: 0.25, shadow: 0.5 })
const [strategy] = good.strategies as [FlagStrategy]

function withStrategy(change: Partial<FlagStrategy>): FlagDefinition {
  return { ...good, strategies: [{ ...strategy, ...change }] }
}
function withParameters(change: Record<string, string>): FlagDefinition {
  return withStrategy({ parameters: { ...strategy.parameters, ...change } })
}
function withVariant(at: number, change: object): FlagDefinition {
  return withStrategy({ variants: strategy.variants.map((one, index) => (index === at ? { ...one, ...change } : one)) })
}

describe('dials', () => {
  const permille = fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000)

  test('whatever was written reads as the same flag', () => {
    fc.assert(
      fc.property(permille, permille, (target, shadow) => {
        const written = encodeDials(FLAG, { target, shadow })
        const read = readDials(written)
        if (read.kind !== 'dials') throw new Error(`reads as ${read.kind}`)
        expect(read.target).toBe(target)
        expect(encodeDials(FLAG, read)).toEqual(written)
      }),
    )
  })

  test('every whole percent reads as itself', () => {
    for (let target = 0; target <= 100; target += 1) {
      for (const shadow of [0, 1, 5, 10, 25, 50, 75, 90, 99, 100]) {
        const dials = { target: target / 100, shadow: shadow / 100 }
        const read = readDials(encodeDials(FLAG, dials))
        expect(encodeDials(FLAG, read as never)).toEqual(encodeDials(FLAG, dials))
        if (target === 0 || shadow % 10 === 0) expect(read).toEqual({ kind: 'dials', ...dials })
      }
    }
  })

  test.each<[string, FlagDefinition | undefined, string]>([
    ['no flag', undefined, 'missing'],
    ['off', { ...good, enabled: false }, 'off'],
    ['on, without routes', encodeBoolean(FLAG, true), 'boolean'],
    ['a constraint', withStrategy({ constraints: [{}] }), 'custom'],
    ['a segment', withStrategy({ segments: [3] }), 'custom'],
    ['two strategies', { ...good, strategies: [strategy, strategy] }, 'custom'],
    ['a parent flag', { ...good, dependencies: [{ feature: 'parent' }] }, 'custom'],
    ['a partial rollout', withParameters({ rollout: '50' }), 'custom'],
    ['shares that no two dials say', withVariantWeights([0, 500, 500, 0]), 'custom'],
    ['anything wrong with it', withParameters({ groupId: 'other' }), 'custom'],
  ])('%s', (_name, definition, kind) => {
    expect(readDials(definition).kind).toBe(kind)
  })

  function withVariantWeights(weights: readonly number[]): FlagDefinition {
    return withStrategy({ variants: strategy.variants.map((one, at) => ({ ...one, weight: weights[at] ?? 0 })) })
  }
})

describe('what is wrong', () => {
  const ids = (definition: FlagDefinition | undefined, flagKind: 'string' | 'boolean' = 'string'): DoubtId[] =>
    faultsOf(definition, { flagKind }).map(({ id }) => id)

  test.each<[string, FlagDefinition | undefined, DoubtId[]]>([
    ['nothing', good, []],
    ['nothing, with constraints', withStrategy({ constraints: [{}] }), []],
    ['no strategy for anybody', { ...good, strategies: [] }, ['no-variants']],
    ['sticky on a session', withParameters({ stickiness: 'sessionId' }), ['stickiness']],
    ['sticky on whatever there is', withParameters({ stickiness: 'default' }), ['stickiness']],
    ['a variant that draws lots', withVariant(2, { stickiness: 'random' }), ['stickiness']],
    ['another group', withParameters({ groupId: 'other' }), ['group-id']],
    ['a name that is not the payload', withVariant(3, { name: 'new' }), ['renamed']],
    ['an old strategy that draws lots', withStrategy({ name: 'gradualRolloutRandom' }), ['stickiness']],
    ['an unknown strategy', withStrategy({ name: 'moonPhase' }), ['unknown-strategy']],
    ['no payload', withVariant(0, { payload: undefined }), ['unknown-payload']],
    ['weights of 900', withVariant(0, { weight: 275 }), ['weights-sum']],
  ])('%s', (_name, definition, expected) => {
    expect(ids(definition)).toEqual(expected)
  })

  test('a boolean flag needs no variants, and may not have any', () => {
    expect(ids(encodeBoolean(FLAG, true), 'boolean')).toEqual([])
    expect(ids(good, 'boolean')).toEqual(['has-variants'])
  })

  test('what a key’s context has may be what a flag is sticky on', () => {
    const tenant = withParameters({ stickiness: 'tenant' })
    expect(stickyOn(tenant)).toEqual(['tenant'])
    expect(faultsOf(tenant, { flagKind: 'string', sticky: (name) => name === 'tenant' })).toEqual([])
  })

  test('the table: every doubt once, and every reason but "off" is one that no gate judges', () => {
    expect(new Set(UNLEASH_DOUBTS.map(({ id }) => id)).size).toBe(UNLEASH_DOUBTS.length)
    for (const { reason, fix, what } of UNLEASH_DOUBTS) {
      if (reason !== 'last' && reason !== 'flag-off') expect(DOUBTS).toContain(reason)
      expect(fix.length).toBeGreaterThan(10)
      expect(what.length).toBeGreaterThan(10)
    }
  })
})
