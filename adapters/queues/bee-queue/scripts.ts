// What bee-queue itself cannot do, as Lua on its own keys: claiming, parking, finding. Each script is one atomic step.
//
// The keys are private to bee-queue; they are the same in 1.7 and 2.0 and held by the tests.

import { type Script, scriptOf } from '../../redis-script.ts'

/** Every script gets the same keys, in this order. */
const KEY_NAMES = ['jobs', 'waiting', 'active', 'stalling', 'delayed', 'succeeded', 'failed', 'earlierDelayed'] as const
const LOCALS = [...KEY_NAMES, 'parked', 'ours'].map((name, index) => `local ${name} = KEYS[${index + 1}]`).join('\n')

/** `bq:email:` → its keys; the park list and our failed jobs live beside them and never expire. */
export function keysOf(prefix: string): readonly string[] {
  return [...KEY_NAMES, 'cutover:parked', 'cutover:failed'].map((name) => prefix + name)
}

export function parkKey(keys: readonly string[]): string {
  return keys.at(-2)!
}

function script(body: string): Script {
  return scriptOf(`${LOCALS}\nlocal call = redis.call\n${body}`)
}

/** ID → 1 if it waited and is gone. Taking it from its list is the claim: a worker takes it the same way. */
export const REMOVE: Script = script(`
if call('LREM', waiting, 0, ARGV[1]) + call('ZREM', delayed, ARGV[1]) == 0 then return 0 end
call('SREM', stalling, ARGV[1])
call('HDEL', jobs, ARGV[1])
return 1`)

/** ID NOTE → 1 if this run's job is parked; 0 if it is no longer a running one (it stalled and went elsewhere). */
export const PARK: Script = script(`
local record = call('HGET', jobs, ARGV[1])
if not record or call('LREM', active, 0, ARGV[1]) == 0 then return 0 end
call('HSET', parked, ARGV[1], ARGV[2] .. '\\n' .. record)
call('SREM', stalling, ARGV[1])
call('HDEL', jobs, ARGV[1])
return 1`)

/** ID NOW → 1 if it was parked. Where the same id lives again, that one goes on. */
export const UNPARK: Script = script(`
local stored = call('HGET', parked, ARGV[1])
if not stored then return 0 end
call('HDEL', parked, ARGV[1])
if call('HEXISTS', jobs, ARGV[1]) == 1 then
  if call('SREM', succeeded, ARGV[1]) + call('SREM', failed, ARGV[1]) == 0 then return 1 end
end
local split = string.find(stored, '\\n', 1, true)
call('HSET', jobs, ARGV[1], string.sub(stored, split + 1))
local runAt = cjson.decode(string.sub(stored, 1, split - 1)).runAt
if runAt > tonumber(ARGV[2]) then
  call('ZADD', delayed, runAt, ARGV[1])
  call('PUBLISH', earlierDelayed, string.format('%.0f', runAt))
else
  call('LPUSH', waiting, ARGV[1])
end
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

/** PLACE LIMIT → id, record, id, record, …, oldest first. */
export const LIST: Script = script(`
local ids, result = {}, {}
if ARGV[1] == 'delayed' then
  ids = call('ZRANGE', delayed, 0, ARGV[2] - 1)
else
  local newestFirst = call('LRANGE', waiting, -ARGV[2], -1)
  for at = #newestFirst, 1, -1 do ids[#ids + 1] = newestFirst[at] end
end
for _, id in ipairs(ids) do
  local record = call('HGET', jobs, id)
  if record then
    result[#result + 1] = id
    result[#result + 1] = record
  end
end
return result`)

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
