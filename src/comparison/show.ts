// What may a person read of a value that differs? A cut copy, without what the migration redacts.

import type { Json } from '../vocabulary/outcome.ts'
import { cutText } from './error.ts'
import { formOf, isArray, type JsonObject, mapChildren, put, tagOf } from './forms.ts'
import { type Rules, step } from './pointer.ts'

export const REDACTED = '[redacted]'
const MAX_TEXT = 200
const MAX_SUBTREE = 500

/** The redaction rules one segment further down; positions of arrays may be left out of a pointer. */
export function redactBelow(redact: Rules<true>, segment: string | number): Rules<true> {
  // what is redacted is so all the way down
  if (redact.length === 0 || isRedacted(redact)) return redact
  const below = step(redact, segment)
  return typeof segment === 'number' ? [...below, ...redact.filter((node) => !below.includes(node))] : below
}

export function isRedacted(redact: Rules<true>): boolean {
  return redact.some((node) => node.value === true)
}

export function show(json: Json, redact: Rules<true>): Json {
  return cut(hide(json, redact), { left: MAX_SUBTREE })
}

const HARMLESS = new Set(['null', 'boolean', 'undefined'])

function hide(json: Json, redact: Rules<true>): Json {
  if (redact.length === 0) return json
  if (isRedacted(redact)) return REDACTED
  const { kind, type } = formOf(json)
  // where a container is expected, with something secret in it, a text may be that secret in another form
  if (kind === 'digest' || (kind === 'leaf' && !HARMLESS.has(type))) return REDACTED
  return mapChildren(json, (child, segment) => hide(child, redactBelow(redact, segment)))
}

function cut(json: Json, budget: { left: number }): Json {
  if (typeof json === 'string') {
    const text = cutText(json, MAX_TEXT)
    budget.left -= text.length + 2
    return text
  }
  if (json === null || typeof json !== 'object') {
    budget.left -= String(json).length
    return json
  }
  budget.left -= 2
  return isArray(json) ? cutItems(json, budget) : cutFields(json as JsonObject, budget)
}

function cutItems(items: readonly Json[], budget: { left: number }): Json {
  const kept: Json[] = []
  for (const item of items) {
    if (budget.left <= 0) return [...kept, `… (${items.length - kept.length} more)`]
    kept.push(cut(item, budget))
  }
  return kept
}

function cutFields(object: JsonObject, budget: { left: number }): Json {
  const keys = Object.keys(object)
  const kept: { [key: string]: Json } = {}
  // the parts of a tagged form belong together
  const whole = tagOf(object) !== undefined
  for (const [i, key] of keys.entries()) {
    if (budget.left <= 0 && !whole) {
      put(kept, '…', `${keys.length - i} more`)
      break
    }
    const name = cutText(key, MAX_TEXT)
    budget.left -= name.length + 4
    put(kept, name, cut(object[key]!, budget))
  }
  return kept
}
