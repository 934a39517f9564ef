// What BullMQ itself cannot do, as Lua on its own keys: claiming, parking, finding. Each script is one atomic step.
//
// The keys are private to BullMQ; they are those of 6.7, and the tests hold them.

import { type Script, scriptOf } from '../../redis-script.ts'

/** Every script gets the same keys, in this order. */
const KEY_NAMES = [
  ...(['wait', 'active', 'delayed', 'prioritized', 'stalled', 'completed'] as const),
  ...(['failed', 'paused', 'events', 'meta', 'marker', 'pc'] as const),
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
function script(body: string): Script {
  return scriptOf(`${LOCALS}\nlocal call = redis.call\nlocal prefix = ARGV[1]\n${body}`)
}

const DROP = `
local function drop(id)
  local key = prefix .. id
  call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful')
end`

const WAKE = `
local function wake()
  if not call('HGET', meta, 'paused') then call('ZADD', marker, 0, '0') end
end`

/**
 * ID → 1 if it waited and is gone. Taking it from its list is the claim: a worker takes it the same way. Children of a
 * flow and the next run of a schedule are left alone: others count on them.
 */
export const REMOVE: Script = script(`${DROP}
local id = ARGV[2]
local parent, schedule, dedupe = unpack(call('HMGET', prefix .. id, 'parentKey', 'rjk', 'deid'))
if parent or schedule then return 0 end
local taken = call('LREM', wait, 0, id) + call('ZREM', delayed, id) + call('ZREM', prioritized, id)
if taken == 0 and call('LREM', paused, 0, id) == 0 then return 0 end
if dedupe and call('GET', prefix .. 'de:' .. dedupe) == id then
  call('DEL', prefix .. 'de:' .. dedupe, prefix .. 'dn:' .. dedupe)
end
drop(id)
call('XADD', events, 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', id, 'prev', 'waiting')
return 1`)

/** ID TOKEN NOTE → 1 if this run's job is parked; 0 if its lock is lost: then another run has it. */
export const PARK: Script = script(`
local id, key = ARGV[2], prefix .. ARGV[2]
if call('GET', key .. ':lock') ~= ARGV[3] then return 0 end
local fields = call('HGETALL', key)
if #fields == 0 or call('LREM', active, -1, id) == 0 then return 0 end
call('HSET', parked, id, ARGV[4] .. '\\n' .. cjson.encode(fields))
call('SREM', stalled, id)
call('DEL', key, key .. ':lock')
return 1`)

/** ID NOW → 1 if it was parked. Where the same id lives again, that one goes on. */
export const UNPARK: Script = script(`${DROP}${WAKE}
local id, key = ARGV[2], prefix .. ARGV[2]
local stored = call('HGET', parked, id)
if not stored then return 0 end
call('HDEL', parked, id)
if call('EXISTS', key) == 1 then
  if call('ZREM', completed, id) + call('ZREM', failed, id) == 0 then return 1 end
  drop(id)
end
local split = string.find(stored, '\\n', 1, true)
call('HSET', key, unpack(cjson.decode(string.sub(stored, split + 1))))
local runAt = cjson.decode(string.sub(stored, 1, split - 1)).runAt
local priority = tonumber(call('HGET', key, 'priority') or 0)
if runAt > tonumber(ARGV[3]) then
  call('HSET', key, 'delay', string.format('%.0f', runAt - tonumber(ARGV[3])))
  call('ZADD', delayed, string.format('%.0f', runAt * 4096), id)
  local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  call('ZADD', marker, string.format('%.0f', math.floor(tonumber(first[2]) / 4096)), '1')
elseif priority > 0 then
  call('ZADD', prioritized, string.format('%.0f', priority * 4294967296 + call('INCR', pc) % 4294967296), id)
  wake()
else
  call('LPUSH', wait, id)
  wake()
end
call('XADD', events, 'MAXLEN', '~', 10000, '*', 'event', 'waiting', 'jobId', id)
return 1`)

const LATE = `
local function dropLate(id)
  local stored = call('HGET', parked, id)
  if stored and cjson.decode(string.sub(stored, 1, string.find(stored, '\\n', 1, true) - 1)).reason == 'late' then
    call('HDEL', parked, id)
  end
end`

/** ID, ID, …: drops those that are parked as `late`. */
export const DROP_LATE: Script = script(`${LATE}
for at = 2, #ARGV do dropLate(ARGV[at]) end
return 1`)

/** ID → 1 if the id is free: no record, or an ended one that is gone now; 0 if its job is under way. */
export const DROP_ENDED: Script = script(`${DROP}${LATE}
local id = ARGV[2]
if call('EXISTS', prefix .. id) == 1 then
  if call('ZREM', completed, id) + call('ZREM', failed, id) == 0 then return 0 end
  drop(id)
end
call('LREM', ours, 0, id)
dropLate(id)
return 1`)

/** ID → place and, for a failed one, the reason. Without a record there is no list to search. */
export const FIND: Script = script(`
local id, key = ARGV[2], prefix .. ARGV[2]
if call('EXISTS', key) == 1 then
  if call('ZSCORE', failed, id) then return { 'failed', call('HGET', key, 'failedReason') } end
  if call('ZSCORE', completed, id) then return { 'completed' } end
  if call('ZSCORE', delayed, id) then return { 'delayed' } end
  if call('ZSCORE', prioritized, id) then return { 'waiting' } end
  if call('LPOS', active, id) then return { 'running' } end
  if call('LPOS', wait, id) or call('LPOS', paused, id) then return { 'waiting' } end
  if call('ZSCORE', prefix .. 'waiting-children', id) then return { 'waiting' } end
end
if call('HEXISTS', parked, id) == 1 then return { 'parked' } end
return { 'absent' }`)

/** → the five counts and since when the oldest waiting job is ready ('' without one). */
export const COUNTS: Script = script(`
local oldest, since = call('LINDEX', wait, -1), ''
if oldest then
  local timestamp, opts, started = unpack(call('HMGET', prefix .. oldest, 'timestamp', 'opts', 'processedOn'))
  if timestamp then
    local delay = cjson.decode(opts or '{}').delay or 0
    since = string.format('%.0f', math.max(tonumber(timestamp) + delay, tonumber(started or 0)))
  end
end
local waiting = call('LLEN', wait) + call('LLEN', paused) + call('ZCARD', prioritized)
return { waiting, call('ZCARD', delayed), call('LLEN', active), call('ZCARD', failed), call('HLEN', parked), since }`)

/** PLACE LIMIT NAME → id, data, id, data, …, oldest first; NAME '' for jobs of any name. Looks at 10,000 at most. */
export const LIST: Script = script(`
local limit, name, result, seen = tonumber(ARGV[3]), ARGV[4], {}, 0
local function look(ids, from, to, step)
  for at = from, to, step do
    local data = call('HMGET', prefix .. ids[at], 'name', 'data')
    seen = seen + 1
    if data[1] and (name == '' or data[1] == name) and #result < 2 * limit then
      result[#result + 1] = ids[at]
      result[#result + 1] = data[2]
    end
  end
end
local function pages(read, forward)
  local page, at = name == '' and math.min(limit, 500) or 500, 0
  while #result < 2 * limit and seen < 10000 do
    local ids = read(at, page)
    if #ids == 0 then return end
    if forward then look(ids, 1, #ids, 1) else look(ids, #ids, 1, -1) end
    at = at + #ids
  end
end
if ARGV[2] == 'delayed' then
  pages(function(at, page) return call('ZRANGE', delayed, at, at + page - 1) end, true)
else
  for _, key in ipairs({ wait, paused }) do
    pages(function(at, page) return call('LRANGE', key, -at - page, -at - 1) end, false)
  end
  pages(function(at, page) return call('ZRANGE', prioritized, at, at + page - 1) end, true)
end
return result`)

/** ID KEEP: remembers a failed job of ours and removes the oldest ones beyond KEEP; those of others stay. */
export const KEEP_FAILED: Script = script(`${DROP}
call('LPUSH', ours, ARGV[2])
while call('LLEN', ours) > tonumber(ARGV[3]) do
  local old = call('RPOP', ours)
  if call('ZREM', failed, old) == 1 then drop(old) end
end
return 1`)
