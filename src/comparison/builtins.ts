// The stored forms of values that hold no others: numbers that JSON lacks, BigInt, undefined, bytes.

import { types } from 'node:util'
import type { Json } from '../vocabulary/outcome.ts'
import { digestOfBytes } from './digest.ts'
import { type JsonObject, TAG, UNDEFINED } from './forms.ts'

export function isJsonNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0)
}

export function primitiveForm(value: number | bigint | undefined): Json {
  if (value === undefined) return UNDEFINED
  if (typeof value === 'bigint') return { [TAG.bigint]: value.toString() }
  return isJsonNumber(value) ? value : { [TAG.number]: Object.is(value, -0) ? '-0' : String(value) }
}

export function dateForm(date: Date): JsonObject {
  // the method, not the object's own: it may be overridden
  const time = Date.prototype.getTime.call(date)
  return { [TAG.date]: Number.isNaN(time) ? 'invalid' : new Date(time).toISOString() }
}

/** Bytes with their type; undefined for anything else. Above the limit they are digested without being encoded first. */
export function bytesForm(value: object, limitBytes: number): JsonObject | undefined {
  const bytes = bytesOf(value)
  if (bytes === undefined) return undefined
  const type = bytesType(value)
  if (bytes.byteLength > limitBytes) return digestOfBytes(bytes, type)
  return { [TAG.bytes]: bytes.toString('base64'), type }
}

function bytesOf(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return types.isAnyArrayBuffer(value) ? Buffer.from(value) : undefined
}

function bytesType(value: object): string {
  if (Buffer.isBuffer(value)) return 'Buffer'
  // the internal slot, not a `constructor` that anybody can set
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

export function nameOfClass(value: object): string {
  const made: unknown = value.constructor
  const name: unknown = typeof made === 'function' ? made.name : undefined
  return typeof name === 'string' && name !== '' ? name.slice(0, 40) : 'Object'
}
