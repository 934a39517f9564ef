// Which elements of two arrays could be the same? A cheap number, equal for equal values; likes are confirmed after.

import type { Json } from '../vocabulary/outcome.ts'
import { formOf, isObject, type JsonObject, TAG, tagOf } from './forms.ts'

const double = new Float64Array(1)
const halves = new Int32Array(double.buffer)
/** Of a long text only both ends and the length count. */
const END = 128

function mix(a: number, b: number): number {
  const x = Math.imul(a ^ b, 0x9e3779b1)
  return (x ^ (x >>> 15)) | 0
}

function ofText(text: string): number {
  const { length } = text
  let sum = length
  const head = Math.min(length, END)
  for (let i = 0; i < head; i++) sum = (Math.imul(sum, 31) + text.charCodeAt(i)) | 0
  for (let i = Math.max(head, length - END); i < length; i++) sum = (Math.imul(sum, 31) + text.charCodeAt(i)) | 0
  return sum
}

function ofNumber(value: number): number {
  double[0] = value
  return mix(halves[0]!, halves[1]!)
}

/** Undefined where a part is only known as its digest: nothing cheap can tell whether a whole value is the same. */
export function fingerprint(json: Json): number | undefined {
  if (typeof json === 'string') return ofText(json)
  if (typeof json === 'number') return ofNumber(json)
  if (json === null || typeof json === 'boolean') return json === null ? 1 : json ? 2 : 3
  if (!isObject(json)) return ofItems(json as readonly Json[])
  const tag = tagOf(json)
  if (tag === TAG.digest) return undefined
  return tag === TAG.map || tag === TAG.set ? ofUnordered(json) : ofFields(json)
}

function ofItems(items: readonly Json[]): number | undefined {
  let sum = items.length
  for (const item of items) {
    const print = fingerprint(item)
    if (print === undefined) return undefined
    sum = mix(sum, print)
  }
  return sum
}

function ofFields(object: JsonObject): number | undefined {
  let sum = 7
  for (const key of Object.keys(object)) {
    const print = fingerprint(object[key]!)
    if (print === undefined) return undefined
    // a sum, since keys come in any order
    sum = (sum + mix(ofText(key), print)) | 0
  }
  return sum
}

function ofUnordered(object: JsonObject): number | undefined {
  const form = formOf(object)
  const items: readonly Json[] = form.kind === 'map' ? form.entries : form.kind === 'set' ? form.items : []
  let sum = 11
  for (const item of items) {
    const print = fingerprint(item)
    if (print === undefined) return undefined
    sum = (sum + mix(11, print)) | 0
  }
  return sum
}
