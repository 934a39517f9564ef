// Jobs on their way to another queue, as Lua on bee-queue's own keys: listed, read, parked, put back, removed. Each script is
// one atomic step.

import { PAGES } from '../../redis-pages.ts'
import { dropParked, NOW, parkedPage } from '../../redis-park.ts'
import type { Script } from '../../redis-script.ts'
import { script, UNTRIED } from './keys.ts'

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

/** ID, ID, … → a digit each: 1 if it was parked. */
export const DROP_PARKED: Script = script(dropParked(1))

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
