// What bee-queue itself cannot do for a worker or a producer, as Lua on its own keys. Each script is one atomic step.

import { TYPES_OF_KEYS } from '../../redis-pages.ts'
import type { Script } from '../../redis-script.ts'
import { script, UNTRIED } from './keys.ts'

/** ID NOTE → 1 if this run's job is parked; 0 if it is no longer a running one (it stalled and went elsewhere). */
export const PARK_RUNNING: Script = script(`
local record = call('HGET', jobs, ARGV[1])
if not record or call('LREM', active, 0, ARGV[1]) == 0 then return 0 end
call('HSET', parked, ARGV[1], ARGV[2] .. '\\n' .. record)
call('SREM', stalling, ARGV[1])
call('HDEL', jobs, ARGV[1])
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
for _, id in ipairs(ARGV) do dropLate(id) end
return 1`)

/** ID RECORD DUE ('' for now) → 1 if the record is stored, in place of an ended one; 0 if the id's job is under way. */
export const REPLACE: Script = script(`${LATE}
local id, due = ARGV[1], ARGV[3]
if call('HEXISTS', jobs, id) == 1 and call('SREM', succeeded, id) + call('SREM', failed, id) == 0 then return 0 end
call('LREM', ours, 0, id)
dropLate(id)
call('HSET', jobs, id, ARGV[2])
if due == '' then
  call('LPUSH', waiting, id)
else
  call('ZADD', delayed, due, id)
  if call('ZRANGE', delayed, 0, 0)[1] == id then call('PUBLISH', earlierDelayed, due) end
end
return 1`)

/** ID → place and, for a failed one, its record. Without a record there is no list to search. */
export const FIND: Script = script(`
if call('HEXISTS', jobs, ARGV[1]) == 1 then
  if call('SISMEMBER', failed, ARGV[1]) == 1 then return { 'failed', call('HGET', jobs, ARGV[1]) } end
  if call('SISMEMBER', succeeded, ARGV[1]) == 1 then return { 'completed' } end
  if call('ZSCORE', delayed, ARGV[1]) then return { 'delayed' } end
  if call('LPOS', active, ARGV[1]) then return { 'running' } end
  if call('LPOS', waiting, ARGV[1]) then return { 'waiting' } end
end
if call('HEXISTS', parked, ARGV[1]) == 1 then return { 'parked' } end
return { 'absent' }`)

/** → the five counts and since when the oldest job is ready ('' if it is large, was tried before or is not there). */
export const COUNTS: Script = script(`
local oldest, since = call('LINDEX', waiting, -1), ''
if oldest and call('HSTRLEN', jobs, oldest) < 65536 then
  local record = call('HGET', jobs, oldest)
  local ok, job = pcall(cjson.decode, record or '')
  if ok and job.options and job.options.timestamp and #(job.options.stacktraces or {}) == 0 then
    since = string.format('%.0f', math.max(job.options.timestamp, job.options.delay or 0))
  end
end
return { call('LLEN', waiting), call('ZCARD', delayed), call('LLEN', active), call('SCARD', failed), call('HLEN', parked), since }`)

/** → the type of each key. */
export const TYPES: Script = script(TYPES_OF_KEYS)

/** MOST → of at most MOST waiting and delayed jobs those with a failed attempt (-1: there are more), stalled ones. */
export const DETAIL: Script = script(`${UNTRIED}
local stalled, retrying, most = 0, 0, tonumber(ARGV[1])
for _, id in ipairs(call('LRANGE', active, 0, most - 1)) do stalled = stalled + call('SISMEMBER', stalling, id) end
if call('LLEN', waiting) + call('ZCARD', delayed) > most then return { -1, stalled } end
local function look(ids)
  for _, id in ipairs(ids) do
    local record = call('HGET', jobs, id)
    if record and not untried(record) then
      local ok, job = pcall(cjson.decode, record)
      local stacks = ok and type(job) == 'table' and type(job.options) == 'table' and job.options.stacktraces
      if type(stacks) == 'table' then
        for _, stack in ipairs(stacks) do
          if stack ~= 'deferred by cutover' then retrying = retrying + 1 break end
        end
      end
    end
  end
end
look(call('LRANGE', waiting, 0, -1))
look(call('ZRANGE', delayed, 0, -1))
return { retrying, stalled }`)

/** ID KEEP: remembers a failed job of ours and removes the oldest ones beyond KEEP; those of others stay. */
export const KEEP_FAILED: Script = script(`
call('LPUSH', ours, ARGV[1])
while call('LLEN', ours) > tonumber(ARGV[2]) do
  local old = call('RPOP', ours)
  if call('SREM', failed, old) == 1 then call('HDEL', jobs, old) end
end
return 1`)

/** NOW → jobs made ready. For workers of the user's own that never look at delayed jobs. */
export const RAISE: Script = script(`
local due = call('ZRANGEBYSCORE', delayed, 0, ARGV[1], 'LIMIT', 0, 1000)
for _, id in ipairs(due) do
  call('ZREM', delayed, id)
  call('LPUSH', waiting, id)
end
return #due`)
