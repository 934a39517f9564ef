// Jobs on their way to another queue, as Lua on BullMQ's own keys: listed, read, parked, put back, removed. Each script is
// one atomic step.

import { PAGES } from '../../redis-pages.ts'
import { dropParked, NOW, parkedPage } from '../../redis-park.ts'
import type { Script } from '../../redis-script.ts'
import { DROP, script, WAKE } from './keys.ts'

/**
 * `take(id, job, due)`: true if the job waited or was delayed and is in no list any more; `job` has the named fields of
 * its hash. Taking it from its list is the claim: a worker takes it the same way, and marks it as started. Held jobs are
 * left alone, others count on them: children and parents of a flow, the next run of a schedule, one that its next worker
 * is to fail. The lists are searched from their oldest end, where jobs are taken.
 */
const TAKE = `
local NAMES = { 'parentKey', 'rjk', 'defa', 'deid', 'finishedOn', 'ats' }
local maxEvents = tonumber(call('HGET', meta, 'opts.maxLenEvents') or 10000)
local function take(id, job, due)
  if job.parentKey or job.rjk or job.defa or job.finishedOn then return false end
  local key = prefix .. id
  if call('EXISTS', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful') > 0 then
    return false
  end
  if due then return call('ZREM', delayed, id) == 1 end
  if call('ZREM', prioritized, id) == 1 then return true end
  if job.ats and call('LPOS', active, id) then return false end
  return call('LREM', wait, -1, id) == 1 or call('LREM', paused, -1, id) == 1
end
local function forget(id, job)
  local dedupe = job.deid
  if dedupe and call('GET', prefix .. 'de:' .. dedupe) == id then
    call('DEL', prefix .. 'de:' .. dedupe, prefix .. 'dn:' .. dedupe)
  end
  call('DEL', prefix .. id, prefix .. id .. ':logs')
  call('XADD', events, 'MAXLEN', '~', maxEvents, '*', 'event', 'removed', 'jobId', id, 'prev', 'waiting')
end`

/** ID, ID, … → a digit each: 1 if it waited and is gone. */
export const REMOVE: Script = script(`${TAKE}
local answers = {}
for at = 2, #ARGV do
  local id, job = ARGV[at], {}
  local values = call('HMGET', prefix .. id, unpack(NAMES))
  for place, name in ipairs(NAMES) do job[name] = values[place] end
  local taken = take(id, job, call('ZSCORE', delayed, id))
  if taken then forget(id, job) end
  answers[at - 1] = taken and '1' or '0'
end
return table.concat(answers)`)

/**
 * REASON ID, ID, … → a digit each: 1 if it waited and is parked. Left where they are: one without a record, and one
 * whose id is parked already, as a job of old code that used it before may be.
 */
export const PARK_WAITING: Script = script(`${TAKE}${NOW}
local answers = {}
for at = 3, #ARGV do
  local id, job = ARGV[at], {}
  local fields, due = call('HGETALL', prefix .. id), call('ZSCORE', delayed, id)
  for place = 1, #fields, 2 do job[fields[place]] = fields[place + 1] end
  local taken = #fields > 0 and call('HEXISTS', parked, id) == 0 and take(id, job, due)
  if taken then
    local note = '{"reason":"' .. ARGV[2] .. '","parkedAt":' .. now
    if due then note = note .. ',"runAt":' .. string.format('%.0f', math.floor(due / 4096)) end
    call('HSET', parked, id, note .. '}\\n' .. cjson.encode(fields))
    forget(id, job)
  end
  answers[at - 2] = taken and '1' or '0'
end
return table.concat(answers)`)

/**
 * NOW ID, ID, … → a digit each: 1 if it is back. Where the same id lives again it stays parked until that one has ended.
 * What a mover took from the old end of the list goes back there.
 */
export const UNPARK: Script = script(`${DROP}${WAKE}
local now, answers, oldest = tonumber(ARGV[2]), {}, {}
local function back(id)
  local key, stored = prefix .. id, call('HGET', parked, id)
  if not stored then return '0' end
  if call('EXISTS', key) == 1 then
    if call('ZREM', completed, id) + call('ZREM', failed, id) == 0 then return '0' end
    drop(id)
  end
  call('HDEL', parked, id)
  local split = string.find(stored, '\\n', 1, true)
  call('HSET', key, unpack(cjson.decode(string.sub(stored, split + 1))))
  local note = cjson.decode(string.sub(stored, 1, split - 1))
  local runAt = note.runAt or 0
  local priority = tonumber(call('HGET', key, 'priority') or 0)
  if runAt > now then
    call('HSET', key, 'delay', string.format('%.0f', runAt - now))
    call('ZADD', delayed, string.format('%.0f', runAt * 4096), id)
    local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
    call('ZADD', marker, string.format('%.0f', math.floor(tonumber(first[2]) / 4096)), '1')
  elseif priority > 0 then
    call('ZADD', prioritized, string.format('%.0f', priority * 4294967296 + call('INCR', pc) % 4294967296), id)
    wake()
  elseif note.reason == 'moving' then
    oldest[#oldest + 1] = id
  else
    call('LPUSH', wait, id)
    wake()
  end
  call('XADD', events, 'MAXLEN', '~', 10000, '*', 'event', 'waiting', 'jobId', id)
  return '1'
end
for at = 3, #ARGV do answers[at - 2] = back(ARGV[at]) end
for at = #oldest, 1, -1 do call('RPUSH', wait, oldest[at]) end
if #oldest > 0 then wake() end
return table.concat(answers)`)

/** `recordOf(id, due)`: what `stored.ts` reads; a field that is missing is nil. */
const RECORD = `
local function recordOf(id, due)
  local key = prefix .. id
  local flow = call('EXISTS', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful')
  local fields = call('HMGET', key, 'name', 'data', 'opts', 'timestamp', 'delay', 'priority', 'atm', 'ats', 'parentKey',
    'rjk', 'defa')
  local millis = due and string.format('%.0f', math.floor(due / 4096)) or ''
  return { id, millis, flow, unpack(fields, 1, 11) }
end`

/**
 * PLACE LIMIT BYTES NAME SOURCE PIN SEEN… → where the next page begins, and records, those that run first first; NAME
 * '' for jobs of any name. A job without a record has none. Looks at 10,000 at most.
 */
export const LIST: Script = script(`${PAGES}${RECORD}
local later, limit, bytes, name = ARGV[2] == 'delayed', tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local at, pin, seen, rows, looked = tonumber(ARGV[6]), ARGV[7], {}, {}, 0
for place = 8, #ARGV do seen[#seen + 1] = ARGV[place] end
local sources = later and { setOf(delayed) } or { listOf(paused), listOf(wait), setOf(prioritized) }
while at <= #sources do
  local want = name == '' and limit - #rows or 500
  local from
  from, pin = behind(sources[at], pin, seen)
  local ids = sources[at].read(from, from + want - 1)
  seen = {}
  for _, id in ipairs(ids) do
    looked = looked + 1
    seen[#seen + 1] = id
    if string.sub(id, 1, 2) ~= '0:' then
      local record = recordOf(id, later and call('ZSCORE', delayed, id))
      if not record[4] or name == '' or record[4] == name then
        rows[#rows + 1] = record
        bytes = bytes - #(record[5] or '')
      end
    end
    if #rows >= limit or bytes < 0 or looked >= 10000 then return { at, pin, seen, rows } end
  end
  if #ids < want then at, pin, seen = at + 1, '', {} end
end
return { 0, '', {}, rows }`)

/** ID → place and record; for a parked one place and what is stored. */
export const READ: Script = script(`${RECORD}
local id, key = ARGV[2], prefix .. ARGV[2]
if call('EXISTS', key) == 0 then
  local stored = call('HGET', parked, id)
  if stored then return { 'parked', stored } end
end
local due, place = call('ZSCORE', delayed, id), 'absent'
if call('ZSCORE', failed, id) then place = 'failed'
elseif call('ZSCORE', completed, id) then place = 'completed'
elseif due then place = 'delayed'
elseif call('ZSCORE', prioritized, id) then place = 'waiting'
elseif call('LPOS', active, id) then place = 'running'
elseif call('LPOS', wait, id) or call('LPOS', paused, id) then place = 'waiting'
elseif call('ZSCORE', prefix .. 'waiting-children', id) then place = 'waiting' end
if place == 'absent' and call('EXISTS', key) == 0 then return { 'absent' } end
return { place, recordOf(id, due) }`)

/** CURSOR COUNT REASONS ('' for all, else ',late,moving,') → next cursor, id, stored, id, stored, …. */
export const PARKED: Script = script(parkedPage(2))

/** ID, ID, … → a digit each: 1 if it was parked. */
export const DROP_PARKED: Script = script(dropParked(2))
