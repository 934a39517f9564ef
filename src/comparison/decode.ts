// What value does a stored form stand for? For the replay of a finished job, and for the user's own compare functions.
//
// What comes back is a fresh copy, equal to what was encoded, but for three things: an instance of a class comes back
// as what JSON would have made of it (its fields, or what its toJSON gave), an error as a plain `Error` with its name,
// message and fields, an object without prototype as a plain one.

import { CutoverError } from '../vocabulary/errors.ts'
import type { Json } from '../vocabulary/outcome.ts'
import { formOf, isArray, isObject, type JsonObject, put, TAG, tagOf } from './forms.ts'
import { formatPointer } from './pointer.ts'

export interface DecodeOptions {
  /**
   * What stands for a part that is only known as its digest, or was refused: `throw` (the default) raises
   * `result-too-large` or `result-not-comparable`; `keep` leaves its stored form in its place.
   */
  readonly incomplete?: 'throw' | 'keep'
}

export function decodeValue(json: Json, options: DecodeOptions = {}): unknown {
  return new Decoder(options.incomplete ?? 'throw').decode(json)
}

/** Whether a part of a stored value is only known as its digest, so that it can be compared, but not decoded. */
export function isDigested(json: Json): boolean {
  if (json === null || typeof json !== 'object') return false
  const form = formOf(json)
  switch (form.kind) {
    case 'digest':
      return true
    case 'array':
    case 'set':
      return form.items.some(isDigested)
    case 'map':
      return form.entries.some((entry) => entry.some(isDigested))
    case 'object':
      return Object.values(form.fields).some(isDigested)
    default:
      return false
  }
}

const TYPED_ARRAYS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const

class Decoder {
  readonly #incomplete: 'throw' | 'keep'
  readonly #path: (string | number)[] = []
  /** Containers on the way down, for references to them. */
  readonly #ancestors: unknown[] = []

  constructor(incomplete: 'throw' | 'keep') {
    this.#incomplete = incomplete
  }

  decode(json: Json): unknown {
    if (json === null || typeof json !== 'object') return json
    if (isArray(json)) return this.#array(json, [])
    const object = json as JsonObject
    const tag = tagOf(object)
    return tag === undefined ? this.#fields(object, {}) : this.#tagged(object, tag, object[tag]!)
  }

  #tagged(object: JsonObject, tag: string, content: Json): unknown {
    switch (tag) {
      case TAG.undefined:
        return undefined
      case TAG.number:
        return Number(content)
      case TAG.bigint:
        return BigInt(String(content))
      case TAG.date:
        return new Date(content === 'invalid' ? Number.NaN : String(content))
      case TAG.regexp:
        if (isArray(content)) return new RegExp(String(content[0]), String(content[1]))
        break
      case TAG.bytes:
        return bytesOf(String(content), String(object.type))
      case TAG.map:
        if (isArray(content)) return this.#map(content)
        break
      case TAG.set:
        if (isArray(content)) return this.#set(content)
        break
      case TAG.escaped:
        if (isObject(content)) return this.#fields(content, {})
        break
      case TAG.instance:
        return this.#instance(object)
      case TAG.error:
        return this.#error(object, String(content))
      case TAG.ref:
        return this.#ancestors.at(-Number(content))
      case TAG.digest:
      case TAG.refused:
        if (this.#incomplete === 'keep') return structuredClone(object)
        return this.#refuse(tag, content)
    }
    throw new CutoverError(
      'result-not-comparable',
      `the stored value at "${formatPointer(this.#path)}" has the unknown form ${tag}: it was written by a newer version of cutover`,
      { details: { path: formatPointer(this.#path), tag } },
    )
  }

  #within<T>(container: T, fill: () => void): T {
    this.#ancestors.push(container)
    fill()
    this.#ancestors.pop()
    return container
  }

  #child(segment: string | number, json: Json): unknown {
    this.#path.push(segment)
    const value = this.decode(json)
    this.#path.pop()
    return value
  }

  #array(items: readonly Json[], array: unknown[]): unknown[] {
    return this.#within(array, () => {
      for (let i = 0; i < items.length; i++) array.push(this.#child(i, items[i]!))
    })
  }

  #fields<T extends object>(fields: JsonObject, target: T): T {
    return this.#within(target, () => {
      for (const key of Object.keys(fields)) {
        put(target as { [key: string]: unknown }, key, this.#child(key, fields[key]!))
      }
    })
  }

  #map(entries: readonly Json[]): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>()
    return this.#within(map, () => {
      for (const [i, entry] of entries.entries()) {
        if (isArray(entry)) map.set(this.#child(i, entry[0]!), this.#child(i, entry[1]!))
      }
    })
  }

  #set(items: readonly Json[]): Set<unknown> {
    const set = new Set<unknown>()
    return this.#within(set, () => {
      for (const [i, item] of items.entries()) set.add(this.#child(i, item))
    })
  }

  #instance(object: JsonObject): unknown {
    const { fields, json } = object
    if (isObject(fields)) return this.#fields(fields, {})
    // the instance itself was a container on the way down
    this.#ancestors.push(undefined)
    const value = this.decode(json ?? null)
    this.#ancestors.pop()
    return value
  }

  #error(object: JsonObject, name: string): Error {
    const error = new Error(String(object.message))
    Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true })
    // this stack is the decoder's own, of no use to anybody
    error.stack = `${name}: ${error.message}`
    return isObject(object.fields) ? this.#fields(object.fields, error) : error
  }

  #refuse(tag: string, content: Json): never {
    const path = formatPointer(this.#path)
    if (tag === TAG.digest) {
      throw new CutoverError(
        'result-too-large',
        `the value at "${path}" was too large for the ledger and is only known as its digest: it can be compared, not given back`,
        { details: { path } },
      )
    }
    throw new CutoverError('result-not-comparable', `the value at "${path}" could not be stored: it was ${content}`, {
      details: { path },
    })
  }
}

function bytesOf(base64: string, type: string): unknown {
  const buffer = Buffer.from(base64, 'base64')
  if (type === 'Buffer') return buffer
  // a copy of its own: a Buffer's memory may be shared and not aligned
  const memory = new Uint8Array(buffer).buffer
  if (type === 'ArrayBuffer' || type === 'SharedArrayBuffer') return memory
  if (type === 'DataView') return new DataView(memory)
  const Typed = Object.hasOwn(TYPED_ARRAYS, type) ? TYPED_ARRAYS[type as keyof typeof TYPED_ARRAYS] : Uint8Array
  return new Typed(memory)
}
