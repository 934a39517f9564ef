// Are two stored values the same, text for text? The fast answer, without rules; most pairs need no other.

import type { Json } from '../vocabulary/outcome.ts'
import { TAG } from './forms.ts'

/** False for what only a full comparison can tell (Maps in another order) and for values that were refused. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b)
  return !Array.isArray(b) && sameFields(a as Fields, b as Fields)
}

type Fields = { readonly [key: string]: Json }

function sameItems(a: readonly Json[], b: readonly Json[]): boolean {
  const { length } = a
  if (b.length !== length) return false
  for (let i = 0; i < length; i++) if (!same(a[i], b[i])) return false
  return true
}

function sameFields(a: Fields, b: Fields): boolean {
  const keys = Object.keys(a)
  const others = Object.keys(b)
  if (others.length !== keys.length) return false
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    // keys mostly come in the same order; otherwise only an own property counts, never one of the prototype's
    if (others[i] !== key && !Object.hasOwn(b, key)) return false
    if (key === TAG.refused || !same(a[key], b[key])) return false
  }
  return true
}
