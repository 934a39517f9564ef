// How many bytes of JSON text in UTF-8 does a value take?

import type { Json } from '../vocabulary/outcome.ts'

/** What JSON escapes, and what UTF-8 needs more than a byte for. */
const NOT_SIMPLE = /[^ !#-[\]-~]/

export function stringBytes(text: string): number {
  return NOT_SIMPLE.test(text) ? Buffer.byteLength(JSON.stringify(text)) : text.length + 2
}

export function numberBytes(value: number): number {
  if (value >= 0 && value < 1_000_000 && Number.isInteger(value)) {
    return value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10_000 ? 4 : value < 100_000 ? 5 : 6
  }
  return String(value).length
}

/** Of a leaf. */
export function leafBytes(json: Json): number {
  if (typeof json === 'string') return stringBytes(json)
  if (typeof json === 'number') return numberBytes(json)
  return json === false ? 5 : 4
}
