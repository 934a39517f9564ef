// What BullMQ itself cannot do for a worker or a producer, as Lua on its own keys. Each script is one atomic step.

import { TYPES_OF_KEYS } from '../../redis-pages.ts'
import type { Script } from '../../redis-script.ts'
import { DROP, script } from './keys.ts'

/** ID TOKEN NOTE → 1 if this run's job is parked; 0 if its lock is lost: then another run has it. */
export const PARK_RUNNING: Script = script(`
local id, key = ARGV[2], prefix .. ARGV[2]
if call('GET', key .. ':lock') ~= ARGV[3] then return 0 end
local fields = call('HGETALL', key)
if #fields == 0 or call('LREM', active, -1, id) == 0 then return 0 end
call('HSET', parked, id, ARGV[4] .. '\\n' .. cjson.encode(fields))
call('SREM', stalled, id)
call('DEL', key, key .. ':lock')
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
  + call('ZCARD', prefix .. 'waiting-children')
return { waiting, call('ZCARD', delayed), call('LLEN', active), call('ZCARD', failed), call('HLEN', parked), since }`)

/** → the type of each key. */
export const TYPES: Script = script(TYPES_OF_KEYS)

/**
 * MOST NAME → of at most MOST jobs those that failed before, those that run without a lock, those of another name; the
 * first and last are -1 where there are more.
 */
export const DETAIL: Script = script(`
local most, name, retrying, stalled, others = tonumber(ARGV[2]), ARGV[3], 0, 0, 0
local function look(ids)
  for _, id in ipairs(ids) do
    local found, made = unpack(call('HMGET', prefix .. id, 'name', 'atm'))
    if tonumber(made or 0) > 0 then retrying = retrying + 1 end
    if name ~= '' and found and found ~= name then others = others + 1 end
  end
end
local running = call('LRANGE', active, 0, most - 1)
for _, id in ipairs(running) do stalled = stalled + 1 - call('EXISTS', prefix .. id .. ':lock') end
local total = call('LLEN', wait) + call('LLEN', paused) + call('ZCARD', prioritized) + call('ZCARD', delayed)
if total + call('LLEN', active) > most then return { -1, stalled, -1 } end
look(running)
retrying = 0
look(call('LRANGE', wait, 0, -1))
look(call('LRANGE', paused, 0, -1))
look(call('ZRANGE', prioritized, 0, -1))
look(call('ZRANGE', delayed, 0, -1))
return { retrying, stalled, others }`)

/** ID KEEP: remembers a failed job of ours and removes the oldest ones beyond KEEP; those of others stay. */
export const KEEP_FAILED: Script = script(`${DROP}
call('LPUSH', ours, ARGV[2])
while call('LLEN', ours) > tonumber(ARGV[3]) do
  local old = call('RPOP', ours)
  if call('ZREM', failed, old) == 1 then drop(old) end
end
return 1`)
