// The keys that bee-queue keeps a queue in, as the scripts see them. They are private to it: held by the tests, for the versions
// that they run with.

import { type Script, scriptOf } from '../../redis-script.ts'

/** Every script gets the same keys, in this order. */
const KEY_NAMES = ['jobs', 'waiting', 'active', 'stalling', 'delayed', 'succeeded', 'failed', 'earlierDelayed'] as const
/** What Redis says of each key that is there; the last two are ours. */
export const KEY_TYPES = ['hash', 'list', 'list', 'set', 'zset', 'set', 'set', 'none', 'hash', 'list'] as const
const LOCALS = [...KEY_NAMES, 'parked', 'ours'].map((name, index) => `local ${name} = KEYS[${index + 1}]`).join('\n')

/** `bq:email:` → its keys; the park list and our failed jobs live beside them and never expire. */
export function keysOf(prefix: string): readonly string[] {
  return [...KEY_NAMES, 'cutover:parked', 'cutover:failed'].map((name) => prefix + name)
}

export function parkKey(keys: readonly string[]): string {
  return keys.at(-2)!
}

export function script(body: string): Script {
  return scriptOf(`${LOCALS}\nlocal call = redis.call\n${body}`)
}

/** `untried(record)`: no run of it has failed, for certain. A search without a pattern, then one look: records are long. */
export const UNTRIED = `
local function untried(record)
  local at = string.find(record, '"options":{"timestamp":', 1, true)
  return at and string.find(record, '^"options":{"timestamp":%d+,"stacktraces":%[%]', at)
end`
