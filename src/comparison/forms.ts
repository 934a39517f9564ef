// What does a stored value stand for? The one place that knows the tags of the stored form, written by `encode.ts`.
//
// JSON is stored as it is. Anything else is an object with one key that begins with `$cutover:`; an object of the
// user's that has such a key itself is wrapped as `escaped`, so a tag can never be mistaken.

import type { Json } from '../vocabulary/outcome.ts'

export type JsonObject = { readonly [key: string]: Json }

export const TAG_PREFIX = '$cutover:'
export const TAG = {
  /** `true` */
  undefined: '$cutover:undefined',
  /** `"NaN"`, `"Infinity"`, `"-Infinity"`, `"-0"` */
  number: '$cutover:number',
  /** decimal digits */
  bigint: '$cutover:bigint',
  /** ISO 8601, or `"invalid"` */
  date: '$cutover:date',
  /** `[source, flags]`; `lastIndex` is not kept */
  regexp: '$cutover:regexp',
  /** base64, beside `type`: `Buffer`, `Uint8Array`, …, `ArrayBuffer`, `DataView` */
  bytes: '$cutover:bytes',
  /** `[[key, value], …]` in order of insertion; compared without order */
  map: '$cutover:map',
  /** `[…]` in order of insertion; compared without order */
  set: '$cutover:set',
  /** the class's name, beside `fields` (own enumerable properties) or `json` (what its `toJSON` gave) */
  instance: '$cutover:instance',
  /** the error's name, beside `message` and `fields` (own properties but the stack) */
  error: '$cutover:error',
  /** how many containers further up the one is that is meant: a cycle */
  ref: '$cutover:ref',
  /** the user's object, its keys taken literally */
  escaped: '$cutover:escaped',
  /** SHA-256 of what stood here, beside its `bytes`, `type` and, for arrays, `length` */
  digest: '$cutover:digest',
  /** why the value could not be stored, where that is noted instead of thrown; never equal to anything */
  refused: '$cutover:refused',
} as const

export const UNDEFINED: Json = Object.freeze({ [TAG.undefined]: true })

export function isTagKey(key: string): boolean {
  // one character decides nearly always
  return key.charCodeAt(0) === 36 && key.startsWith(TAG_PREFIX)
}

/** The tag of a stored object; undefined for plain ones. */
export function tagOf(object: JsonObject): string | undefined {
  for (const key in object) if (isTagKey(key)) return key
  return undefined
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

export function isArray(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json)
}

export interface DigestForm {
  readonly digest: string
  readonly bytes: number
  readonly type: string
  readonly length?: number
}

/** A stored value by what can be done with it. `type` is what a person would call it. */
export type Form =
  /** Equal if and only if the stored text is. */
  | { readonly kind: 'leaf'; readonly type: string }
  | { readonly kind: 'array'; readonly type: 'array'; readonly items: readonly Json[] }
  | { readonly kind: 'object'; readonly type: string; readonly fields: JsonObject }
  | { readonly kind: 'map'; readonly type: 'map'; readonly entries: readonly (readonly [Json, Json])[] }
  | { readonly kind: 'set'; readonly type: 'set'; readonly items: readonly Json[] }
  | { readonly kind: 'digest'; readonly type: string; readonly digest: DigestForm }
  | { readonly kind: 'refused'; readonly type: string }

export function formOf(json: Json): Form {
  if (json === null) return { kind: 'leaf', type: 'null' }
  if (typeof json !== 'object') return { kind: 'leaf', type: typeof json }
  if (isArray(json)) return { kind: 'array', type: 'array', items: json }
  const object = json as JsonObject
  const tag = tagOf(object)
  return tag === undefined ? { kind: 'object', type: 'object', fields: object } : taggedForm(object, tag)
}

function taggedForm(object: JsonObject, tag: string): Form {
  const content = object[tag]
  switch (tag) {
    case TAG.number:
      return { kind: 'leaf', type: 'number' }
    case TAG.bytes:
      return { kind: 'leaf', type: String(object.type) }
    case TAG.map:
      if (isArray(content) && content.every(isEntry)) return { kind: 'map', type: 'map', entries: content }
      break
    case TAG.set:
      if (isArray(content)) return { kind: 'set', type: 'set', items: content }
      break
    case TAG.escaped:
      if (isObject(content)) return { kind: 'object', type: 'object', fields: content }
      break
    case TAG.error:
      return { kind: 'object', type: 'error', fields: errorFields(object) }
    case TAG.instance:
      return instanceForm(object, String(content))
    case TAG.digest:
      return digestForm(object, String(content))
    case TAG.refused:
      return { kind: 'refused', type: String(content) }
  }
  return { kind: 'leaf', type: tag.slice(TAG_PREFIX.length) }
}

function isEntry(json: Json): json is readonly [Json, Json] {
  return isArray(json) && json.length === 2
}

/** An error is compared as its name, message and fields. */
function errorFields(object: JsonObject): JsonObject {
  const own = object.fields
  const named = { name: object[TAG.error] ?? '', message: object.message ?? '' }
  return isObject(own) ? { ...own, ...named } : named
}

function instanceForm(object: JsonObject, name: string): Form {
  const fields = object.fields
  if (isObject(fields)) return { kind: 'object', type: name, fields }
  const json = object.json
  const inner = json === undefined ? undefined : formOf(json)
  // seen through: paths run into what toJSON gave, the type stays the class's
  if (inner?.kind === 'object') return { ...inner, type: name }
  return { kind: 'object', type: name, fields: { json: json ?? null } }
}

function digestForm(object: JsonObject, digest: string): Form {
  const { bytes, type, length } = object
  const form = { digest, bytes: Number(bytes), type: String(type) }
  return {
    kind: 'digest',
    type: form.type,
    digest: typeof length === 'number' ? { ...form, length } : form,
  }
}

/** What a person would call this value. */
export function typeOf(json: Json): string {
  return formOf(json).type
}

/** Sets a key as an own property, `__proto__` too. */
export function put<T>(object: { [key: string]: T }, key: string, value: T): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  } else object[key] = value
}

/** An own field; never one inherited from the prototype. */
export function fieldOf(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** How a map's key reads in a path. */
export function keySegment(key: Json): string {
  return typeof key === 'string' ? key : JSON.stringify(key)
}

/**
 * The same stored value with every child replaced by what `change` answers; undefined leaves a field, an entry or an
 * element of a set out (in an array `null` takes its place: positions stay).
 */
export function mapChildren(json: Json, change: (child: Json, segment: string | number) => Json | undefined): Json {
  const form = formOf(json)
  switch (form.kind) {
    case 'array':
      return form.items.map((item, i) => change(item, i) ?? null)
    case 'set':
      return { [TAG.set]: form.items.map((item, i) => change(item, i)).filter((item) => item !== undefined) }
    case 'map': {
      const entries: Json[] = []
      for (const [key, value] of form.entries) {
        const changed = change(value, keySegment(key))
        if (changed !== undefined) entries.push([key, changed])
      }
      return { [TAG.map]: entries }
    }
    case 'object':
      return rebuild(json as JsonObject, mapFields(form.fields, change))
    default:
      return json
  }
}

function mapFields(fields: JsonObject, change: (child: Json, key: string) => Json | undefined): JsonObject {
  const changed: { [key: string]: Json } = {}
  for (const key of Object.keys(fields)) {
    const child = change(fields[key]!, key)
    if (child !== undefined) put(changed, key, child)
  }
  return changed
}

/** Puts changed fields back under the tag that they came from. */
function rebuild(object: JsonObject, fields: JsonObject): Json {
  const tag = tagOf(object)
  if (tag === undefined) return fields
  if (tag === TAG.escaped) return { [tag]: fields }
  if (tag === TAG.instance) return { [tag]: object[tag]!, fields }
  const { name, message, ...own } = fields
  return { [tag]: name ?? '', message: message ?? '', fields: own }
}
