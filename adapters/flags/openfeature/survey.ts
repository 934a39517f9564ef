// What do a vendor's answers for some keys say of the dials? Pure.
//
// A vendor that draws as Unleash does gives each side as one block of positions: then the dials are exact. Any other one
// gives a sample; its flag can declare the dials in its metadata, and the sample is held against them.

import murmurHash3 from 'murmurhash3js'
import type { DialsReading } from '../../../src/ports/flags.ts'
import { dialsOfWeights, type RouteWeights } from '../../../src/vocabulary/dials.ts'
import { isShadowed, ROUTES, type Route, sideOf } from '../../../src/vocabulary/job.ts'
import type { Answer } from './evaluate.ts'

const POSITIONS = 1000
/** The seed with which Unleash chooses variants. */
const VARIANT_SEED = 86028157

/** One key for each of so many positions, evenly spread, in the order of the positions. */
export function probeKeys(flag: string, count: number): readonly string[] {
  const keys = new Array<string | undefined>(POSITIONS)
  for (let n = 0, found = 0; found < POSITIONS; n += 1) {
    const key = `cutover-probe-${n}`
    const at = murmurHash3.x86.hash32(`${flag}:${key}`, VARIANT_SEED) % POSITIONS
    if (keys[at] !== undefined) continue
    keys[at] = key
    found += 1
  }
  return Array.from({ length: count }, (_, n) => keys[Math.floor((n * POSITIONS) / count)] as string)
}

export interface Survey {
  readonly reading: DialsReading
  /** The flag declares other dials than its answers show. */
  readonly contradiction?: string
  /** What kept the flag from being read. */
  readonly fault?: string
}

/** Answers in the order of {@link probeKeys}. */
export function surveyOf(answers: readonly Answer[]): Survey {
  const reasons = new Set(answers.map(({ decision }) => decision.reason))
  if (reasons.size === 1 && reasons.has('flag-missing')) return { reading: { kind: 'missing' } }
  if (reasons.size === 1 && reasons.has('flag-off')) return { reading: { kind: 'off' } }
  const doubted = answers.find(({ decision }) => decision.reason !== 'flag')
  if (doubted !== undefined) {
    const { decision, message } = doubted
    return {
      reading: { kind: 'custom' },
      fault: message === undefined ? decision.reason : `${decision.reason}: ${message}`,
    }
  }
  const routes = answers.map(({ decision }) => decision.route)
  const exact = exactDials(routes)
  if (exact !== undefined) return { reading: { kind: 'dials', ...exact } }
  const declared = answers[0]?.declared
  if (declared === undefined) return { reading: { kind: 'custom' } }
  const wrong = contradiction(routes, declared)
  return wrong === undefined
    ? { reading: { kind: 'dials', ...declared } }
    : { reading: { kind: 'custom' }, contradiction: wrong }
}

/** Where each route is one block of positions, or there is but one route. */
function exactDials(routes: readonly Route[]): { readonly target: number; readonly shadow: number } | undefined {
  const [first] = routes
  if (first !== undefined && routes.every((route) => route === first)) {
    return { target: sideOf(first) === 'target' ? 1 : 0, shadow: isShadowed(first) ? 1 : 0 }
  }
  if (routes.length < POSITIONS) return undefined
  const places = routes.map((route) => ROUTES.indexOf(route))
  if (places.some((place, at) => at > 0 && place < (places[at - 1] as number))) return undefined
  const of = (route: Route): number => routes.filter((each) => each === route).length
  const weights: RouteWeights = {
    legacy: of('legacy'),
    'legacy-shadowed': of('legacy-shadowed'),
    target: of('target'),
    'target-shadowed': of('target-shadowed'),
  }
  return dialsOfWeights(weights)
}

/** More than five standard deviations away from what is declared, which chance gives once in two million looks. */
function contradiction(
  routes: readonly Route[],
  declared: { readonly target: number; readonly shadow: number },
): string | undefined {
  const shares = {
    target: routes.filter((route) => sideOf(route) === 'target').length / routes.length,
    shadow: routes.filter(isShadowed).length / routes.length,
  }
  for (const dial of ['target', 'shadow'] as const) {
    const [is, said] = [shares[dial], declared[dial]]
    const slack = 5 * Math.sqrt((said * (1 - said)) / routes.length)
    if (Math.abs(is - said) > slack) {
      return `its metadata says ${dial} ${percent(said)}, ${percent(is)} of ${routes.length} keys have it`
    }
  }
  return undefined
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`
}
