// How are two values told apart when one or both are too large to be stored whole? By digests that compose.
//
// The digest of a container is made of its children's canonical texts, in which a child above `INLINE_BYTES` already
// stands as its digest. So a value gives the same digest whether it is whole or parts of it are digests already, and a
// digest can always be held against a whole value.

import { hash } from 'node:crypto'
import type { Json } from '../vocabulary/outcome.ts'
import { type Form, formOf, isArray, isObject, type JsonObject, put, TAG, tagOf } from './forms.ts'
import { leafBytes, stringBytes } from './size.ts'

/** Parts up to this size are told apart by their text. */
const INLINE_BYTES = 128
/** About what a digest takes in the stored form: parts up to this size stay whole. */
const DIGEST_BYTES = 160

function sha256(content: string | Uint8Array): string {
  return hash('sha256', content, 'hex')
}

/** Bytes are digested as they are, not as base64, so that large ones need no second copy. */
function digestOf(bytes: Uint8Array, type: string): string {
  return sha256(`${type} ${bytes.byteLength} ${sha256(bytes)}`)
}

/** The digest form of bytes that were never encoded. */
export function digestOfBytes(bytes: Uint8Array, type: string): JsonObject {
  const whole = `{"${TAG.bytes}":"","type":"${type}"}`.length + Math.ceil(bytes.byteLength / 3) * 4
  return { [TAG.digest]: digestOf(bytes, type), bytes: whole, type }
}

function textBytes(json: Json): number {
  return Buffer.byteLength(JSON.stringify(json))
}

/** Whether the object under this key of a tagged object has the user's own keys, none of which is a tag. */
function isLiteral(tag: string | undefined, key: string): boolean {
  if (tag === TAG.escaped) return key === tag
  return key === 'fields' && (tag === TAG.instance || tag === TAG.error)
}

/** Sizes and canonical texts of one value's parts, each made once. Stored values must not change while in use. */
export class Digester {
  readonly #canons = new Map<object, string>()
  /** As the value was before parts of it became digests, and as it stands. */
  readonly #whole = new Map<object, number>()
  readonly #stored = new Map<object, number>()
  #refusals = 0

  /** Size of the whole value as JSON in UTF-8, digests counted as what they stand for. */
  bytesOf(json: Json): number {
    return this.#size(json, this.#whole)
  }

  /**
   * Equal for two values if and only if they are the same, Maps and Sets in any order, objects in any order of keys.
   * At most about `INLINE_BYTES` long.
   */
  canonOf(json: Json): string {
    if (json === null || typeof json !== 'object') return this.#summary(json)
    let canon = this.#canons.get(json)
    if (canon === undefined) {
      canon = this.#summary(json)
      this.#canons.set(json, canon)
    }
    return canon
  }

  /** The same value in about `budget` bytes: small parts whole, large ones as digests, the outer structure kept first. */
  reduce(json: Json, budget: number): Json {
    const size = this.#size(json, this.#stored)
    if (size <= Math.max(budget, DIGEST_BYTES)) return json
    if (!isArray(json) && (!isObject(json) || tagOf(json) !== undefined)) return this.#digest(json)
    const keys = Object.keys(json)
    const parts = isArray(json) ? json : keys.map((key) => json[key]!)
    const shares = this.#shares(parts, budget - size)
    if (shares === undefined) return this.#digest(json)
    if (isArray(json)) return json.map((item, i) => this.reduce(item, shares[i]!))
    const reduced: { [key: string]: Json } = {}
    for (const [i, key] of keys.entries()) put(reduced, key, this.reduce(parts[i]!, shares[i]!))
    return reduced
  }

  /** Bytes for each part; undefined when there are too many parts for a digest of each. `over` is negative. */
  #shares(parts: readonly Json[], over: number): number[] | undefined {
    const sizes = parts.map((part) => this.#size(part, this.#stored))
    let available = sizes.reduce((sum, size) => sum + size, over)
    let left = parts.length
    const shares = new Array<number>(parts.length)
    // smallest first: what a small part leaves of its share goes to the larger ones
    for (const i of [...sizes.keys()].sort((a, b) => sizes[a]! - sizes[b]!)) {
      const share = Math.floor(available / left--)
      if (sizes[i]! > share && share < DIGEST_BYTES) return undefined
      shares[i] = Math.min(sizes[i]!, share)
      available -= shares[i]
    }
    return shares
  }

  #digest(json: Json): Json {
    const { type } = formOf(json)
    const digest = this.canonOf(json).slice(1)
    const form = { [TAG.digest]: digest, bytes: this.bytesOf(json), type }
    return isArray(json) ? { ...form, length: json.length } : form
  }

  #summary(json: Json): string {
    const form = formOf(json)
    if (form.kind === 'digest') return `#${form.digest.digest}`
    if (form.kind === 'refused') return `!${this.#refusals++}`
    const inline = this.bytesOf(json) <= INLINE_BYTES
    if (!inline && form.kind === 'leaf' && isObject(json) && tagOf(json) === TAG.bytes) {
      return `#${digestOf(Buffer.from(String(json[TAG.bytes]), 'base64'), form.type)}`
    }
    const text = this.#text(json, form)
    return inline ? text : `#${sha256(text)}`
  }

  #text(json: Json, form: Form): string {
    switch (form.kind) {
      case 'array':
        return `[${form.items.map((item) => this.canonOf(item)).join()}]`
      case 'set':
        return `set[${form.items
          .map((item) => this.canonOf(item))
          .sort()
          .join()}]`
      case 'map':
        return `map[${form.entries
          .map(([key, value]) => `${this.canonOf(key)}:${this.canonOf(value)}`)
          .sort()
          .join()}]`
      case 'object':
        return `${this.#prefix(json as JsonObject)}{${this.#fields(form.fields)}}`
      default:
        return JSON.stringify(json)
    }
  }

  #prefix(object: JsonObject): string {
    const tag = tagOf(object)
    return tag === undefined ? '' : `${tag}${tag === TAG.instance ? JSON.stringify(object[tag]) : ''}`
  }

  #fields(fields: JsonObject): string {
    const keys = Object.keys(fields).sort()
    return keys.map((key) => `${JSON.stringify(key)}:${this.canonOf(fields[key]!)}`).join()
  }

  #size(json: Json, memo: Map<object, number>): number {
    if (json === null || typeof json !== 'object') return leafBytes(json)
    let size = memo.get(json)
    if (size === undefined) {
      size = isArray(json) ? this.#arraySize(json, memo) : this.#objectSize(json as JsonObject, memo)
      memo.set(json, size)
    }
    return size
  }

  #arraySize(items: readonly Json[], memo: Map<object, number>): number {
    return items.reduce((sum: number, item) => sum + this.#size(item, memo), 1 + Math.max(1, items.length))
  }

  #objectSize(object: JsonObject, memo: Map<object, number>): number {
    const form = formOf(object)
    if (form.kind === 'digest') return memo === this.#whole ? form.digest.bytes : textBytes(object)
    return this.#fieldsSize(object, memo, tagOf(object))
  }

  #fieldsSize(object: JsonObject, memo: Map<object, number>, tag: string | undefined): number {
    const keys = Object.keys(object)
    let size = 1 + Math.max(1, 2 * keys.length)
    for (const key of keys) {
      const child = object[key]!
      size += stringBytes(key)
      size +=
        isLiteral(tag, key) && isObject(child) ? this.#fieldsSize(child, memo, undefined) : this.#size(child, memo)
    }
    return size
  }
}

/** The order of canonical sorting: any, but the same for equal values. */
export function byCanon(digester: Digester): (a: Json, b: Json) => number {
  return (a, b) => {
    const [left, right] = [digester.canonOf(a), digester.canonOf(b)]
    return left < right ? -1 : Number(left > right)
  }
}
