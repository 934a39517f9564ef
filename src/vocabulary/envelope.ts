// Puts the stamp into what is stored in the queue, and takes it out again (envelope, version 1).
//
// An object payload keeps its fields and gains one reserved key; anything else is `{ $cutover, value }`. So workers
// without this library still read their jobs.

import { CutoverError } from './errors.ts'
import { ARMS, ENVELOPE_KEY, ENVELOPE_VERSION, ROUTES, type Stamp } from './job.ts'
import { isProbeJob, PROBE_ENVELOPE_VERSION, type ProbeJob } from './probe.ts'

type Fields = Record<string, unknown>

function isPlainObject(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && typeof (value as Fields)['toJSON'] !== 'function'
}

/** The envelope of a payload that `checkPayload` has passed. */
export function makeEnvelope(payload: unknown, stamp: Stamp): Fields {
  if (!isPlainObject(payload)) return { [ENVELOPE_KEY]: { ...stamp, bare: true }, value: payload }
  return { ...payload, [ENVELOPE_KEY]: stamp }
}

/**
 * The envelope of a probe. Of a version that workers before probes do not know: they put it back and never run their
 * handler on it.
 */
export function makeProbeEnvelope(probe: ProbeJob): Fields {
  return { [ENVELOPE_KEY]: { v: PROBE_ENVELOPE_VERSION, probe } }
}

export type Opened =
  | { readonly kind: 'stamped'; readonly stamp: Stamp; readonly payload: unknown }
  /** No job of the user's: an MCP server is to be tried from inside the worker. */
  | { readonly kind: 'probe'; readonly probe: ProbeJob }
  /** Put there by code without this library. */
  | { readonly kind: 'plain'; readonly payload: unknown }
  /** Written by a newer version: to be deferred, for a worker that can read it. */
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'damaged'; readonly why: string }

export function openEnvelope(data: unknown): Opened {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, ENVELOPE_KEY)) {
    return { kind: 'plain', payload: data }
  }
  const { [ENVELOPE_KEY]: stamp, ...rest } = data as Fields
  if (typeof stamp !== 'object' || stamp === null) return { kind: 'damaged', why: `${ENVELOPE_KEY} is no object` }
  const { v: version, probe } = stamp as Fields
  if (version === PROBE_ENVELOPE_VERSION && isProbeJob(probe)) return { kind: 'probe', probe }
  if (typeof version === 'number' && version > ENVELOPE_VERSION) return { kind: 'newer', version }
  if (!isStamp(stamp)) return { kind: 'damaged', why: `${ENVELOPE_KEY} lacks a field or has one of another type` }
  return { kind: 'stamped', stamp, payload: stamp.bare === true ? rest['value'] : rest }
}

function isStamp(value: object): value is Stamp {
  const s = value as Partial<Record<keyof Stamp, unknown>>
  return (
    s.v === ENVELOPE_VERSION &&
    typeof s.id === 'string' &&
    s.id !== '' &&
    ROUTES.includes(s.route as never) &&
    ARMS.includes(s.arm as never) &&
    isCount(s.epoch) &&
    isCount(s.gen) &&
    typeof s.due === 'number' &&
    typeof s.fenced === 'boolean'
  )
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0
}

const MAX_DEPTH = 200

/**
 * Refuses a payload that cannot travel as JSON or is too large, before anything is stored; answers its size in bytes,
 * a lower bound. `payload-reserved`, `payload-not-json`, `payload-too-large`.
 */
export function checkPayload(payload: unknown, migration: string, maxBytes: number): number {
  if (typeof payload === 'object' && payload !== null && Object.hasOwn(payload, ENVELOPE_KEY)) {
    throw new CutoverError(
      'payload-reserved',
      `${migration}: the payload has a field "${ENVELOPE_KEY}", which is reserved for the stamp: rename it`,
    )
  }
  if (payload === undefined || typeof payload === 'function' || typeof payload === 'symbol') {
    throw notJson(migration, '', `is ${typeof payload}`)
  }
  const bytes = measure(payload, 0)
  if (Number.isNaN(bytes)) throw explainNotJson(payload, migration, '', 0) ?? notJson(migration, '', 'is not JSON')
  if (bytes > maxBytes) {
    throw new CutoverError(
      'payload-too-large',
      `${migration}: the payload has at least ${bytes} bytes, the smaller of the two queues takes ${maxBytes}: store it elsewhere and enqueue a reference`,
      { details: { migration, bytes, maxBytes } },
    )
  }
  return bytes
}

function notJson(migration: string, path: string, what: string): CutoverError {
  return new CutoverError(
    'payload-not-json',
    `${migration}: the payload ${path === '' ? '' : `at ${path} `}${what}; payloads travel as JSON: convert it first`,
    { details: { migration, path } },
  )
}

/** Bytes, at least; NaN (which a sum hands on) where something is no JSON. */
function measure(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object') return typeof value === 'bigint' ? Number.NaN : 4
  if (value === null) return 4
  if (depth > MAX_DEPTH) return Number.NaN
  if (typeof (value as Fields)['toJSON'] === 'function') return 2
  let bytes = 2
  if (Array.isArray(value)) {
    for (const item of value) bytes += 1 + measure(item, depth + 1)
    return bytes
  }
  if (ArrayBuffer.isView(value)) return 2 + 4 * value.byteLength
  for (const name in value) {
    if (Object.hasOwn(value, name)) bytes += name.length + 4 + measure((value as Fields)[name], depth + 1)
  }
  return bytes
}

/** The slow way over the same ground, with the path: only for a payload that is refused. */
function explainNotJson(value: unknown, migration: string, path: string, depth: number): CutoverError | undefined {
  if (typeof value === 'bigint') return notJson(migration, path, 'is a BigInt')
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined
  if (typeof (value as Fields)['toJSON'] === 'function') return undefined
  if (depth > MAX_DEPTH) {
    return notJson(migration, path.slice(0, 60), `is nested deeper than ${MAX_DEPTH} levels, or goes round in a cycle`)
  }
  for (const [name, item] of Object.entries(value)) {
    const found = explainNotJson(item, migration, `${path}/${name}`, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
