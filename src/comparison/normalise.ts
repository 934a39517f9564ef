// What of a result is compared? What is left when the migration's `normalise` and the rules about places have spoken.

import type { Json } from '../vocabulary/outcome.ts'
import { decodeValue } from './decode.ts'
import { byCanon, type Digester } from './digest.ts'
import { encodeValue } from './encode.ts'
import { formOf, mapChildren } from './forms.ts'
import type { PathRule } from './options.ts'
import { type Rules, step } from './pointer.ts'

/** What `normalise` makes is never stored: its bound is there for the time that a comparison takes. */
const NORMALISED_LIMIT_BYTES = 1_048_576

/** The stored form of what `normalise` makes of a result. Parts known only by their digest are given as such. */
export function normalised(result: Json, normalise: (result: unknown) => unknown): Json {
  const value = normalise(decodeValue(result, { incomplete: 'keep' }))
  return encodeValue(value, { limitBytes: NORMALISED_LIMIT_BYTES, refused: 'note' }).json
}

export function isIgnored(rules: Rules<PathRule>): boolean {
  return rules.some((node) => node.value?.ignore === true)
}

export function isUnordered(rules: Rules<PathRule>): boolean {
  return rules.some((node) => node.value?.unordered === true)
}

/** One rule of each kind for a place: where several pointers fit, the first that says anything. */
export function ruleAt<K extends keyof PathRule>(rules: Rules<PathRule>, key: K): PathRule[K] | undefined {
  for (const node of rules) {
    const value = node.value?.[key]
    if (value !== undefined) return value
  }
  return undefined
}

/** The value without what is ignored and with its unordered arrays sorted: equal texts for equal values. */
export function canonicalise(json: Json, rules: Rules<PathRule>, digester: Digester): Json {
  if (rules.length === 0) return json
  const changed = mapChildren(json, (child, segment) => {
    const below = step(rules, segment)
    return isIgnored(below) ? undefined : canonicalise(child, below, digester)
  })
  const form = isUnordered(rules) ? formOf(changed) : undefined
  return form?.kind === 'array' ? form.items.toSorted(byCanon(digester)) : changed
}
