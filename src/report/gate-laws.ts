// Do the counts that gates read agree with each other? What ended was sent, in each unit by itself.
//
// A gate that meets such a contradiction holds; here it is told whatever stage is watched.

import type { Family } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import { EXCESS, MISMATCH, primaries, shadows } from '../rollout/observe/readings.ts'
import { SIDES } from '../vocabulary/job.ts'
import type { Contradiction } from './model.ts'
import type { Sums } from './sums.ts'

const UNITS: readonly Family[] = ['job', 'key-day', 'key']

export function gateLaws(sums: Sums): Contradiction[] {
  const laws: Contradiction[] = []
  for (const family of UNITS) {
    const get = (measure: string): number => sums.in(family, measure)
    const atMost = (law: string, expected: number, found: number): void => {
      if (found > expected) laws.push({ law: `${family}: ${law}`, expected, found })
    }
    const missing = (what: string, of: { readonly n: number }, gone: number): void =>
      atMost(`${what} that ended were sent`, of.n, of.n - gone)
    for (const side of SIDES) {
      const [primary, shadow] = [primaries(get, side), shadows(get, side)]
      missing(`jobs on ${side}`, primary, primary.lost)
      missing(`shadows on ${side}`, { n: shadow.sent }, shadow.lost)
      const shed = get(MEASURES.shadowShed(side))
      atMost(`shadows of refused jobs on ${side} are shed ones`, shed, get(MEASURES.shadowRefused(side)))
    }
    const [pairs, triples] = [MISMATCH.read(get), EXCESS.read(get)]
    missing('pairs', pairs, pairs.orphaned ?? 0)
    missing('triples', triples, triples.orphaned ?? 0)
  }
  return laws
}
