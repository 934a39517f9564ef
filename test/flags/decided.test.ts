// Decisions that are kept are those that the engine gives, key by key.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Decided } from '../../adapters/flag-support.ts'
import { encodeDials, type FlagDefinition, type FlagStrategy, loadEngine } from '../../adapters/unleash-engine.ts'

const evaluate = await loadEngine((error) => {
  throw error
})

const share = fc.constantFrom(0, 0.001, 0.5, 1)
const changed = fc.constantFrom<(definition: FlagDefinition) => FlagDefinition>(
  (same) => same,
  (same) => ({ ...same, enabled: false }),
  (same) => ({ ...same, strategies: [] }),
  (same) => ({ ...same, strategies: [...same.strategies, ...same.strategies] }),
  (same) => each(same, (one) => ({ ...one, parameters: { ...one.parameters, rollout: '40' } })),
  (same) => each(same, (one) => ({ ...one, parameters: { ...one.parameters, stickiness: 'sessionId' } })),
  (same) => each(same, (one) => ({ ...one, name: 'userWithId', parameters: { userIds: 'a,b' } })),
  (same) => each(same, (one) => ({ ...one, constraints: [{ contextName: 'userId', operator: 'IN', values: ['a'] }] })),
  (same) => each(same, (one) => ({ ...one, variants: [] })),
  (same) => ({ ...same, dependencies: [{ feature: 'other', enabled: true }] }),
)
function each(definition: FlagDefinition, change: (one: FlagStrategy) => FlagStrategy): FlagDefinition {
  return { ...definition, strategies: definition.strategies.map(change) }
}

it('is the decision of the engine for every key, whatever keys were asked before', () => {
  const keys = fc.array(fc.oneof(fc.constantFrom('', '*', 'a', 'b'), fc.string()), { minLength: 2, maxLength: 30 })
  fc.assert(
    fc.property(share, share, changed, keys, (target, shadow, change, asked) => {
      const definition = change(encodeDials('flag', { target, shadow }))
      const decided = new Decided()
      for (const key of asked) {
        const question = { flag: 'flag', key, flagKind: 'string' as const }
        expect(decided.decide(definition, question, evaluate)).toEqual(evaluate(definition, question))
      }
    }),
    { numRuns: 500 },
  )
})

it('asks the engine once for a flag that is the same for all', () => {
  let asked = 0
  const decided = new Decided()
  const definition = encodeDials('flag', { target: 0, shadow: 0 })
  for (let n = 0; n < 100; n += 1) {
    decided.decide(definition, { flag: 'flag', key: `k${n}`, flagKind: 'string' }, (...args) => {
      asked += 1
      return evaluate(...args)
    })
  }
  expect(asked).toBe(1)
})
