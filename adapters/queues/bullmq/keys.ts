// The keys that BullMQ keeps a queue in, as the scripts see them. They are private to it: held by the tests, for the versions
// that they run with.

import { type Script, scriptOf } from '../../redis-script.ts'

export const TESTED_VERSIONS: readonly string[] = ['6.7']

/** Every script gets the same keys, in this order. */
const KEY_NAMES = [
  ...(['wait', 'active', 'delayed', 'prioritized', 'stalled', 'completed'] as const),
  ...(['failed', 'paused', 'events', 'meta', 'marker', 'pc'] as const),
]
/** What Redis says of each key that is there; the last two are ours. */
export const KEY_TYPES = [
  ...(['list', 'list', 'zset', 'zset', 'set', 'zset'] as const),
  ...(['zset', 'list', 'stream', 'hash', 'zset', 'string', 'hash', 'list'] as const),
]
const LOCALS = [...KEY_NAMES, 'parked', 'ours'].map((name, index) => `local ${name} = KEYS[${index + 1}]`).join('\n')

/** BullMQ keeps a job under `PREFIX + id`, among its own keys: an id must not be one of their names. */
const RESERVED: ReadonlySet<string> = new Set([
  ...KEY_NAMES,
  ...['id', 'waiting-children', 'stalled-check', 'repeat', 'limiter', 'de', 'metrics', 'dn'],
])

/** The id in BullMQ: a dot, which no id of the library has, makes a reserved one harmless. */
export function toJobId(backendId: string): string {
  return RESERVED.has(backendId) ? `${backendId}.` : backendId
}

export function fromJobId(jobId: string): string {
  return jobId.endsWith('.') && RESERVED.has(jobId.slice(0, -1)) ? jobId.slice(0, -1) : jobId
}

/** `bull:email:` → its keys; the park list and our failed jobs live beside them and never expire. */
export function keysOf(prefix: string): readonly string[] {
  return [...KEY_NAMES, 'cutover:parked', 'cutover:failed'].map((name) => prefix + name)
}

/** The first argument is always the prefix of job keys. */
export function script(body: string): Script {
  return scriptOf(`${LOCALS}\nlocal call = redis.call\nlocal prefix = ARGV[1]\n${body}`)
}

export const DROP = `
local function drop(id)
  local key = prefix .. id
  call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful')
end`

export const WAKE = `
local function wake()
  if not call('HGET', meta, 'paused') then call('ZADD', marker, 0, '0') end
end`
