// What did the server say? Text in, flags and revision out, or a fault: an answer is taken whole or not at all.

import { createHash } from 'node:crypto'
import type { FlagDefinition, FlagStrategy, FlagVariant, FlagWorld } from '../../unleash-engine.ts'
import { ChannelFault } from './http.ts'

export interface Answer extends FlagWorld {
  /** The server's revision; undefined where it tells none (a proxy in between). */
  readonly revision: number | undefined
  /** Text of the revision: `#44`, or a digest of the answer. */
  readonly mark: string
}

/** Reads the body of `GET /api/client/features`, also from a bootstrap file. */
export function parseAnswer(text: string, etag: string | null, where: string): Answer {
  const broken = (why: string): ChannelFault => new ChannelFault('broken', `${where}: ${why}`)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 40))
    const why = text === '' ? 'the answer is empty' : `not JSON, it starts with ${start}`
    throw new ChannelFault('broken', `${where}: ${why}; is this an Unleash server?`, { cause })
  }
  if (!isObject(body) || !Array.isArray(body['features'])) throw broken('there is no list "features" in the answer')
  const flags = new Map<string, FlagDefinition>()
  for (const [at, feature] of body['features'].entries()) {
    const flag = readFlag(feature)
    if (typeof flag === 'string') throw broken(`features[${at}]: ${flag}`)
    flags.set(flag.name, flag)
  }
  const segments = new Map<number, unknown>()
  for (const segment of Array.isArray(body['segments']) ? body['segments'] : []) {
    if (isObject(segment) && typeof segment['id'] === 'number') segments.set(segment['id'], segment)
  }
  const revision = revisionOf(body['meta'], etag)
  const mark = revision === undefined ? createHash('sha256').update(text).digest('hex').slice(0, 12) : `#${revision}`
  return { flags, segments, revision, mark }
}

/** `meta.revisionId`, or the second part of an ETag such as `"6ef7ec5a:9:v1"`. */
function revisionOf(meta: unknown, etag: string | null): number | undefined {
  const told = isObject(meta) ? meta['revisionId'] : undefined
  if (typeof told === 'number' && Number.isSafeInteger(told) && told >= 0) return told
  const [, inTag] = /^(?:W\/)?"[0-9a-f]+:(\d{1,15})(?::[^"]*)?"$/.exec(etag ?? '') ?? []
  return inTag === undefined ? undefined : Number(inTag)
}

/** A flag in the form that the client evaluates, or what is wrong with it. */
function readFlag(value: unknown): FlagDefinition | string {
  if (!isObject(value)) return 'not an object'
  const { name, enabled, strategies = [], variants = [], dependencies } = value
  if (typeof name !== 'string' || name === '') return 'it has no name'
  if (typeof enabled !== 'boolean') return `${name}: "enabled" is not true or false`
  if (!Array.isArray(strategies)) return `${name}: "strategies" is not a list`
  const read = strategies.map(readStrategy)
  const wrong = read.find((one) => typeof one === 'string')
  if (typeof wrong === 'string') return `${name}: ${wrong}`
  const own = readVariants(variants)
  if (typeof own === 'string') return `${name}: ${own}`
  return {
    name,
    enabled,
    strategies: read as FlagStrategy[],
    ...(own.length === 0 ? {} : { variants: own }),
    ...(Array.isArray(dependencies) && dependencies.length > 0 ? { dependencies } : {}),
  }
}

function readStrategy(value: unknown): FlagStrategy | string {
  if (!isObject(value) || typeof value['name'] !== 'string') return 'a strategy has no name'
  const { name, parameters, constraints, segments, variants } = value
  const read = readVariants(variants ?? [])
  if (typeof read === 'string') return read
  return {
    name,
    parameters: (isObject(parameters) ? parameters : {}) as Record<string, string>,
    constraints: Array.isArray(constraints) ? constraints : [],
    ...(Array.isArray(segments) && segments.length > 0 ? { segments: segments as number[] } : {}),
    variants: read,
  }
}

function readVariants(value: unknown): FlagVariant[] | string {
  if (!Array.isArray(value)) return '"variants" is not a list'
  for (const variant of value) {
    if (!isObject(variant) || typeof variant['name'] !== 'string') return 'a variant has no name'
    if (typeof variant['weight'] !== 'number') return `the variant ${variant['name']} has no weight`
  }
  return value as FlagVariant[]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
