// How are a result and the recorded effects of a run stored until they are compared? (docs/comparing.md)
//
// JSON is stored as it is, anything else under a tag (`forms.ts`), what cannot be stored is refused with its path:
// nothing is lost silently. What is returned is a snapshot: whatever the handler does to its objects afterwards, or a
// getter or Proxy would answer the next time, the stored form stays. One difference is not kept on purpose: an object
// without a prototype, or from another realm, is stored like any plain object.

import { types } from 'node:util'
import { CutoverError } from '../vocabulary/errors.ts'
import type { Json } from '../vocabulary/outcome.ts'
import { bytesForm, dateForm, nameOfClass, primitiveForm } from './builtins.ts'
import { Digester } from './digest.ts'
import { isTagKey, type JsonObject, put, TAG } from './forms.ts'
import { copyPlain, isPlainPrototype, NOT_PLAIN } from './plain.ts'
import { formatPointer } from './pointer.ts'

export { decodeValue, isDigested } from './decode.ts'
export { encodeError } from './error.ts'

/** What a result may weigh in the ledger; larger parts stand there as digests. */
export const RESULT_LIMIT_BYTES = 65_536
/** Deeper nesting is refused: it is a mistake or an attack, and recursion has to end somewhere. */
export const MAX_DEPTH = 500
/** More values than this are refused: encoding them would stop the event loop for too long. */
export const MAX_VALUES = 1_000_000

export interface EncodeOptions {
  /** Default {@link RESULT_LIMIT_BYTES}. */
  readonly limitBytes?: number
  /**
   * What happens to a value that cannot be stored: `throw` (the default) refuses the whole with
   * `result-not-comparable`; `note` stores the reason in its place, which never equals anything.
   */
  readonly refused?: 'throw' | 'note'
}

export interface Encoded {
  readonly json: Json
  /** Size of the whole as JSON in UTF-8, before any digest took the place of a part. */
  readonly bytes: number
  /** True when a part stands as its digest: the value can be compared, but not decoded. */
  readonly digested: boolean
}

export function encodeValue(value: unknown, options: EncodeOptions = {}): Encoded {
  const limit = options.limitBytes ?? RESULT_LIMIT_BYTES
  const plain = copyPlain(value)
  if (plain.json !== NOT_PLAIN) {
    if (plain.bytes <= limit) return { json: plain.json, bytes: plain.bytes, digested: false }
    return { json: new Digester().reduce(plain.json, limit), bytes: plain.bytes, digested: true }
  }
  const encoder = new Encoder(limit, options.refused ?? 'throw')
  const json = encoder.encode(value)
  const digester = new Digester()
  const bytes = digester.bytesOf(json)
  if (bytes <= limit) return { json, bytes, digested: encoder.digested }
  return { json: digester.reduce(json, limit), bytes, digested: true }
}

/** Depth of an instance that stands as what its toJSON gave: it has no container to which a cycle could refer. */
const THROUGH_JSON = -1

/** The full encoder: every type, cycles, refusals with their path. One use. */
class Encoder {
  readonly #limitBytes: number
  readonly #refused: 'throw' | 'note'
  readonly #path: (string | number)[] = []
  /** Containers on the way down, with their depth: an object found here again is a cycle. */
  readonly #ancestors = new Map<object, number>()
  #values = 0
  /** Bytes above the limit became a digest at once. */
  digested = false

  constructor(limitBytes: number, refused: 'throw' | 'note') {
    this.#limitBytes = limitBytes
    this.#refused = refused
  }

  encode(value: unknown): Json {
    try {
      return this.#any(value)
    } catch (error) {
      // a stack that overflows in the user's own getters, say; everything expected is a CutoverError already
      if (error instanceof CutoverError) throw error
      return this.#refuse('something that fails when it is read', error)
    }
  }

  #any(value: unknown): Json {
    if (++this.#values > MAX_VALUES) return this.#refuse(`more than ${MAX_VALUES} values`)
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
    if (typeof value === 'function' || typeof value === 'symbol') return this.#refuse(`a ${typeof value}`)
    if (typeof value !== 'object') return primitiveForm(value as number | bigint | undefined)
    const depth = this.#ancestors.get(value)
    if (depth === THROUGH_JSON) return this.#refuse('a cycle through a toJSON')
    if (depth !== undefined) return { [TAG.ref]: this.#ancestors.size - depth }
    if (this.#ancestors.size >= MAX_DEPTH) return this.#refuse(`nested deeper than ${MAX_DEPTH} levels`)
    this.#ancestors.set(value, this.#ancestors.size)
    try {
      return this.#object(value)
    } catch (error) {
      if (error instanceof CutoverError && error.code === 'result-not-comparable') throw error
      return this.#refuse('something that fails when it is read', error)
    } finally {
      this.#ancestors.delete(value)
    }
  }

  #object(value: object): Json {
    if (Array.isArray(value)) return this.#array(value)
    if (types.isDate(value)) return dateForm(value)
    if (types.isRegExp(value)) return { [TAG.regexp]: [value.source, value.flags] }
    if (types.isMap(value)) return { [TAG.map]: this.#entries(value) }
    if (types.isSet(value)) return { [TAG.set]: this.#array([...Set.prototype.values.call(value)]) }
    if (types.isBoxedPrimitive(value)) return this.#boxed(value)
    const bytes = bytesForm(value, this.#limitBytes)
    if (bytes !== undefined) {
      if (TAG.digest in bytes) this.digested = true
      return bytes
    }
    if (types.isNativeError(value) || value instanceof Error) return this.#error(value)
    return this.#fieldsOrInstance(value)
  }

  #array(value: readonly unknown[]): Json {
    const keys = Object.keys(value)
    if (keys.length < value.length) return this.#refuse('an array with holes')
    if (keys.length > value.length) return this.#refuse(`an array with a property of its own, ${keys.at(-1)}`)
    return keys.map((_, i) => this.#child(i, value[i]))
  }

  #entries(map: Map<unknown, unknown>): Json {
    const entries: Json[] = []
    for (const [key, value] of Map.prototype.entries.call(map)) {
      const at = typeof key === 'string' ? key : entries.length
      entries.push([this.#child(at, key), this.#child(at, value)])
    }
    return entries
  }

  #child(segment: string | number, value: unknown): Json {
    this.#path.push(segment)
    const json = this.#any(value)
    this.#path.pop()
    return json
  }

  #boxed(value: object): Json {
    if (types.isSymbolObject(value)) return this.#refuse('a symbol')
    return { [TAG.instance]: nameOfClass(value), json: this.#any((value as { valueOf(): unknown }).valueOf()) }
  }

  #error(error: Error): Json {
    const fields = this.#fields(error)
    for (const key of ['cause', 'errors'] as const) {
      // own, but not enumerable
      if (Object.hasOwn(error, key) && !Object.hasOwn(fields, key)) {
        put(fields, key, this.#child(key, (error as { cause?: unknown; errors?: unknown })[key]))
      }
    }
    return { [TAG.error]: String(error.name), message: String(error.message), fields }
  }

  #fieldsOrInstance(value: object): Json {
    const plain = isPlainPrototype(Object.getPrototypeOf(value))
    const { toJSON } = value as { toJSON?: unknown }
    if (typeof toJSON === 'function') {
      this.#ancestors.set(value, THROUGH_JSON)
      const json: unknown = Reflect.apply(toJSON, value, [this.#path.at(-1)?.toString() ?? ''])
      if (json === value) this.#ancestors.set(value, this.#ancestors.size - 1)
      else return { [TAG.instance]: nameOfClass(value), json: this.#any(json) }
    }
    const fields = this.#fields(value)
    if (!plain) {
      if (Object.keys(fields).length === 0) {
        return this.#refuse(`an instance of ${nameOfClass(value)}, of which nothing can be seen (give it a toJSON)`)
      }
      return { [TAG.instance]: nameOfClass(value), fields }
    }
    return Object.keys(fields).some(isTagKey) ? { [TAG.escaped]: fields } : fields
  }

  #fields(value: object): { [key: string]: Json } {
    const fields: { [key: string]: Json } = {}
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      if (!Object.prototype.propertyIsEnumerable.call(value, symbol)) continue
      fields[String(symbol)] = this.#refuse(`a property named by a symbol, ${String(symbol)}`)
    }
    for (const key of Object.keys(value)) {
      this.#path.push(key)
      put(fields, key, this.#field(value as JsonObject, key))
      this.#path.pop()
    }
    return fields
  }

  #field(object: { readonly [key: string]: unknown }, key: string): Json {
    let value: unknown
    try {
      value = object[key]
    } catch (error) {
      return this.#refuse('a getter that throws', error)
    }
    return this.#any(value)
  }

  #refuse(what: string, cause?: unknown): Json {
    if (this.#refused === 'note') return { [TAG.refused]: what }
    const path = formatPointer(this.#path)
    throw new CutoverError(
      'result-not-comparable',
      `the value at "${path}" cannot be stored and compared: it is ${what}. Return JSON, Date, Map, Set, BigInt, bytes, or leave it out`,
      { details: { path, what }, ...(cause === undefined ? {} : { cause }) },
    )
  }
}
