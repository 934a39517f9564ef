// How are the two values of a difference written, so that a person sees what differs?

import { isObject, type JsonObject, TAG, tagOf } from '../comparison/forms.ts'
import type { DifferenceKind } from '../vocabulary/comparison.ts'
import type { Json } from '../vocabulary/outcome.ts'
import { cut, formatCount, safeText } from './format.ts'

/** How much of the equal beginning of two long values is kept before their first difference. */
const LEAD = 16

/**
 * Both values of a difference as one line each, at most `length` long. Where they begin alike for longer than that, the
 * beginning is cut, so that what differs can be seen.
 */
export function formatValues(
  example: { readonly legacy?: Json; readonly target?: Json },
  kind: DifferenceKind,
  length: number,
): { legacy: string; target: string } {
  const [legacy, target] = [written(example.legacy, kind), written(example.target, kind)]
  const same = equalStart(legacy, target)
  if (same <= length - LEAD || Math.max(legacy.length, target.length) <= length) {
    const after = legacy === target ? ' (differs after what was kept)' : ''
    return { legacy: cut(legacy, length), target: `${cut(target, length)}${after}` }
  }
  const from = same - LEAD
  return { legacy: cut(`…${legacy.slice(from)}`, length), target: cut(`…${target.slice(from)}`, length) }
}

function written(value: Json | undefined, kind: DifferenceKind): string {
  if (value === undefined) return kind === 'missing' || kind === 'extra' ? '(not there)' : '(not kept)'
  const tag = isObject(value) ? tagOf(value) : undefined
  return safeText(tag === undefined ? JSON.stringify(value) : taggedText(value as JsonObject, tag))
}

/** What JSON cannot say, as a person would write it; nested inside other values it stays in its stored form. */
function taggedText(value: JsonObject, tag: string): string {
  const content = value[tag]
  switch (tag) {
    case TAG.undefined:
      return 'undefined'
    case TAG.number:
      return String(content)
    case TAG.bigint:
      return `${String(content)}n`
    case TAG.date:
      return `Date ${String(content)}`
    case TAG.digest:
      return `(${String(value.type)} of ${formatCount(Number(value.bytes))} bytes, SHA-256 ${String(content).slice(0, 12)}…)`
    default:
      return JSON.stringify(value)
  }
}

function equalStart(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  let same = 0
  while (same < length && a.charCodeAt(same) === b.charCodeAt(same)) same += 1
  // not into a surrogate pair
  const before = a.charCodeAt(same - 1)
  return before >= 0xd800 && before < 0xdc00 ? same - 1 : same
}
