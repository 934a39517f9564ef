// Is this plain JSON data (with Dates and undefined), and how large? The fast path of `encode.ts`: one pass that copies
// as it looks.
//
// The copy is what makes the answer lasting: shallow copies of objects cost little more than looking at them, and
// getters and proxies are read exactly once.

import { types } from 'node:util'
import type { Json } from '../vocabulary/outcome.ts'
import { dateForm, isJsonNumber } from './builtins.ts'
import { isTagKey, UNDEFINED } from './forms.ts'
import { numberBytes, stringBytes } from './size.ts'

/** Not plain JSON data, or too deep or hostile to tell: the full encoder decides. */
export const NOT_PLAIN: unique symbol = Symbol('not plain')

/** Fast-path bounds: beyond them the full encoder looks again, and refuses or digests. */
const PLAIN_DEPTH = 100
const PLAIN_VALUES = 100_000

const UNDEFINED_BYTES = JSON.stringify(UNDEFINED).length

export function isPlainPrototype(prototype: object | null): boolean {
  if (prototype === Object.prototype || prototype === null) return true
  // another realm's Object.prototype
  return (
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'hasOwnProperty') &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  )
}

let bytes = 0
let values = 0

/** A copy with its size as JSON in UTF-8, or {@link NOT_PLAIN}. */
export function copyPlain(value: unknown): { json: Json | typeof NOT_PLAIN; bytes: number } {
  bytes = 0
  values = 0
  try {
    const json = copy(value, 0)
    return { json, bytes }
  } catch {
    // a getter or a trap that throws: the full encoder meets it again and says where
    return { json: NOT_PLAIN, bytes: 0 }
  }
}

function copy(value: unknown, depth: number): Json | typeof NOT_PLAIN {
  switch (typeof value) {
    case 'string':
      bytes += stringBytes(value)
      return value
    case 'number':
      if (!isJsonNumber(value)) return NOT_PLAIN
      bytes += numberBytes(value)
      return value
    case 'boolean':
      bytes += value ? 4 : 5
      return value
    case 'object':
      if (value === null) {
        bytes += 4
        return null
      }
      if (depth >= PLAIN_DEPTH || ++values > PLAIN_VALUES) return NOT_PLAIN
      return Array.isArray(value) ? copyArray(value, depth) : copyObject(value, depth)
    case 'undefined':
      bytes += UNDEFINED_BYTES
      return UNDEFINED
    default:
      return NOT_PLAIN
  }
}

function copyArray(source: readonly unknown[], depth: number): Json | typeof NOT_PLAIN {
  const length = source.length
  if (length > PLAIN_VALUES || Object.keys(source).length !== length) return NOT_PLAIN
  const target: Json[] = new Array(length)
  for (let i = 0; i < length; i++) {
    const item = copy(source[i], depth + 1)
    if (item === NOT_PLAIN) return NOT_PLAIN
    target[i] = item as Json
  }
  values += length
  bytes += length === 0 ? 2 : length + 1
  return target
}

function copyObject(source: object, depth: number): Json | typeof NOT_PLAIN {
  const prototype: object | null = Object.getPrototypeOf(source)
  if (prototype === Date.prototype && types.isDate(source)) {
    const form = dateForm(source)
    bytes += JSON.stringify(form).length
    return form
  }
  if (!isPlainPrototype(prototype)) return NOT_PLAIN
  const target: { [key: string]: unknown } = { ...source }
  if (typeof target.toJSON === 'function' || typeof (source as { toJSON?: unknown }).toJSON === 'function')
    return NOT_PLAIN
  if (Object.getOwnPropertySymbols(target).length > 0) return NOT_PLAIN
  let fields = 0
  for (const key of Object.keys(target)) {
    if (isTagKey(key)) return NOT_PLAIN
    const value = target[key]
    const field = copy(value, depth + 1)
    if (field === NOT_PLAIN) return NOT_PLAIN
    if (field !== value) target[key] = field
    bytes += stringBytes(key)
    fields++
  }
  values += fields
  bytes += fields === 0 ? 2 : 2 * fields + 1
  return target as Json
}
