// Can a flag be said with two dials? From a definition to the dials that would write it, and the other way for the
// Admin API.

import type { DialsReading } from '../../../src/ports/flags.ts'
import { dialsOfWeights, type RouteWeights } from '../../../src/vocabulary/dials.ts'
import { ROUTES, type Route } from '../../../src/vocabulary/job.ts'
import type { FlagDefinition, FlagStrategy, FlagVariant } from '../../unleash-engine.ts'
import { faultsOf } from './doubts.ts'

/** The dials of a definition, or why there are none. Pure. */
export function readDials(definition: FlagDefinition | undefined): DialsReading {
  if (definition === undefined) return { kind: 'missing' }
  if (!definition.enabled) return { kind: 'off' }
  const strategy = theOnly(definition)
  if (strategy === undefined) return { kind: 'custom' }
  if (strategy.variants.length === 0) {
    const bare = definition.variants === undefined
    return bare ? { kind: 'boolean', on: true } : { kind: 'custom' }
  }
  if (faultsOf(definition, { flagKind: 'string' }).length > 0) return { kind: 'custom' }
  const dials = dialsOfWeights(weightsFrom(strategy.variants))
  return dials === undefined ? { kind: 'custom' } : { kind: 'dials', ...dials }
}

/** The one strategy, for everybody; undefined where there are rules that dials cannot say. */
export function theOnly({ strategies, dependencies }: FlagDefinition): FlagStrategy | undefined {
  const [strategy, ...more] = strategies
  if (strategy === undefined || more.length > 0 || (dependencies ?? []).length > 0) return undefined
  if (strategy.constraints.length > 0 || (strategy.segments ?? []).length > 0) return undefined
  const whole = strategy.name === 'flexibleRollout' && Number(strategy.parameters['rollout'] ?? 100) === 100
  return whole || (strategy.name === 'default' && strategy.variants.length === 0) ? strategy : undefined
}

/** What may be written over: everything that dials say, and nothing that somebody else made. */
export function isOurs(strategy: FlagStrategy): boolean {
  return strategy.variants.every(({ name }) => (ROUTES as readonly string[]).includes(name))
}

function weightsFrom(variants: readonly FlagVariant[]): RouteWeights {
  const of = (route: Route): number => variants.find(({ name }) => name === route)?.weight ?? 0
  return {
    legacy: of('legacy'),
    'legacy-shadowed': of('legacy-shadowed'),
    target: of('target'),
    'target-shadowed': of('target-shadowed'),
  }
}
