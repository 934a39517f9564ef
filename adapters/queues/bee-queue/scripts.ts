// What bee-queue itself cannot do, as Lua on its own keys: claiming, parking, finding. Each script is one atomic step.
//
// The keys are private to bee-queue; they are the same in 1.7 and 2.0 and held by the tests.

import { PAGES, TYPES_OF_KEYS } from '../../redis-pages.ts'
import { dropParked, NOW, parkedPage } from '../../redis-park.ts'
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

function script(body: string): Script {
  return scriptOf(`${LOCALS}\nlocal call = redis.call\n${body}`)
}

/** `untried(record)`: no run of it has failed, for certain. A search without a pattern, then one look: records are long. */
const UNTRIED = `
local function untried(record)
  local at = string.find(record, '"options":{"timestamp":', 1, true)
  return at and string.find(record, '^"options":{"timestamp":%d+,"stacktraces":%[%]', at)
end`

/**
 * `take(id, record, due)`: true if the job was waiting or delayed and is in no list any more. Taking it from its list is the
 * claim: a worker takes it the same way. The list is searched from its oldest end, where jobs are taken; a job that
 * stalled and then failed may stand in it twice, and an entry without a record would cost a bee-queue worker a place.
 */
const TAKE = `${UNTRIED}
local function take(id, record, due)
  if due then return call('ZREM', delayed, id) == 1 end
  if call('LPOS', active, id) then return false end
  return call('LREM', waiting, record and untried(record) and -1 or 0, id) > 0
end
local function forget(id, record)
  if not record or not string.find(record, '"status":"created"', 1, true) then
    call('SREM', succeeded, id)
    call('SREM', failed, id)
  end
  call('HDEL', jobs, id)
end`

/** ID, ID, … → a digit each: 1 if it waited and is gone. */
export const REMOVE: Script = script(`${TAKE}
local answers = {}
for at, id in ipairs(ARGV) do
  local record = call('HGET', jobs, id)
  local taken = take(id, record, call('ZSCORE', delayed, id))
  if taken then forget(id, record) end
  answers[at] = taken and '1' or '0'
end
return table.concat(answers)`)

/**
 * REASON ID, ID, … → a digit each: 1 if it waited and is parked. Left where they are: one without a record, and one
 * whose id is parked already, as a job of old code that used it before may be.
 */
export const PARK_WAITING: Script = script(`${TAKE}${NOW}
local answers = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local record, due = call('HGET', jobs, id), call('ZSCORE', delayed, id)
  local taken = record and call('HEXISTS', parked, id) == 0 and take(id, record, due)
  if taken then
    local note = '{"reason":"' .. ARGV[1] .. '","parkedAt":' .. now
    if due then note = note .. ',"runAt":' .. string.format('%.0f', due) end
    call('HSET', parked, id, note .. '}\\n' .. record)
    forget(id, record)
  end
  answers[at - 1] = taken and '1' or '0'
end
return table.concat(answers)`)

/** ID NOTE → 1 if this run's job is parked; 0 if it is no longer a running one (it stalled and went elsewhere). */
export const PARK_RUNNING: Script = script(`
local record = call('HGET', jobs, ARGV[1])
if not record or call('LREM', active, 0, ARGV[1]) == 0 then return 0 end
call('HSET', parked, ARGV[1], ARGV[2] .. '\\n' .. record)
call('SREM', stalling, ARGV[1])
call('HDEL', jobs, ARGV[1])
return 1`)

/**
 * NOW ID, ID, … → a digit each: 1 if it is back. Where the same id lives again it stays parked until that one has ended.
 * What a mover took from the old end of the list goes back there.
 */
export const UNPARK: Script = script(`
local now, answers, oldest = tonumber(ARGV[1]), {}, {}
local function back(id)
  local stored = call('HGET', parked, id)
  if not stored then return '0' end
  if call('HEXISTS', jobs, id) == 1 and call('SREM', succeeded, id) + call('SREM', failed, id) == 0 then return '0' end
  call('HDEL', parked, id)
  local split = string.find(stored, '\\n', 1, true)
  call('HSET', jobs, id, string.sub(stored, split + 1))
  local note = cjson.decode(string.sub(stored, 1, split - 1))
  local runAt = note.runAt or 0
  if runAt > now then
    call('ZADD', delayed, runAt, id)
    call('PUBLISH', earlierDelayed, string.format('%.0f', runAt))
  elseif note.reason == 'moving' then
    oldest[#oldest + 1] = id
  else
    call('LPUSH', waiting, id)
  end
  return '1'
end
for at = 2, #ARGV do answers[at - 1] = back(ARGV[at]) end
for at = #oldest, 1, -1 do call('RPUSH', waiting, oldest[at]) end
return table.concat(answers)`)

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

/** ID, ID, … → a digit each: 1 if it was parked. */
export const DROP_PARKED: Script = script(dropParked(1))

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

/**
 * PLACE LIMIT BYTES PIN SEEN… → where the next page begins, and rows of id, record ('' if it is missing) and due time
 * ('' unless delayed), oldest first.
 */
export const LIST: Script = script(`${PAGES}
local source = ARGV[1] == 'delayed' and setOf(delayed) or listOf(waiting)
local limit, bytes, seen = tonumber(ARGV[2]), tonumber(ARGV[3]), {}
for at = 5, #ARGV do seen[#seen + 1] = ARGV[at] end
local from, pin = behind(source, ARGV[4], seen)
local ids, listed, rows = source.read(from, from + limit - 1), {}, {}
for _, id in ipairs(ids) do
  local record = call('HGET', jobs, id) or ''
  local due = ARGV[1] == 'delayed' and string.format('%.0f', call('ZSCORE', delayed, id)) or ''
  listed[#listed + 1] = id
  rows[#rows + 1] = { id, record, due }
  bytes = bytes - #record
  if bytes < 0 then break end
end
return { (#ids == limit or #listed < #ids) and 1 or 0, pin, listed, rows }`)

/** ID → place, record ('' where it is missing), due time ('' unless delayed), park note ('' unless parked). */
export const READ: Script = script(`
local id = ARGV[1]
local record = call('HGET', jobs, id)
local due = call('ZSCORE', delayed, id)
if not record then
  local stored = call('HGET', parked, id)
  if stored then return { 'parked', stored, '' } end
end
local place = 'absent'
if call('SISMEMBER', failed, id) == 1 then place = 'failed'
elseif call('SISMEMBER', succeeded, id) == 1 then place = 'completed'
elseif due then place = 'delayed'
elseif call('LPOS', active, id) then place = 'running'
elseif call('LPOS', waiting, id) then place = 'waiting' end
return { place, record or '', due and string.format('%.0f', due) or '' }`)

/** CURSOR COUNT REASONS ('' for all, else ',late,moving,') → next cursor, id, stored, id, stored, …. */
export const PARKED: Script = script(parkedPage(1))

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
