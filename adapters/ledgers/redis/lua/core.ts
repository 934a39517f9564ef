// What every script stands on: the clock, the settings, and the counters that are summed in Lua and written once.
//
// KEYS[1] is the migration's key prefix with its hash tag; ARGV[1..4] are bucket, slack, deadline and retention in ms.

export const LUA_CORE = `
local spread = unpack
local call, pack, unpack = redis.call, struct.pack, struct.unpack
local band, rshift, floor = bit.band, bit.rshift, math.floor
local base = KEYS[1]
local bucketMs, slackMs, deadlineMs, retainMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local TIME = call('TIME')
local now = TIME[1] * 1000 + floor(TIME[2] / 1000)
local M = base .. 'm'
`

/**
 * Tally buckets. A bucket is one hash while it is open, and one packed field of its epoch's hash once it is closed:
 * `tb` lists the open ones by when they close, `te` the epochs. Times are appended to a log a bucket (`ll`, listed in
 * `lz` by when they close), which whoever compacts adds to the packed sums of the epoch. `rc` counts what happened by
 * the minute, `o` the jobs that wait on target for their first run by the second of their due time, `oz` sorts it.
 */
export const LUA_COUNTS = `
local TB, TE, LZ = base .. 'tb', base .. 'te', base .. 'lz'
local MINUTE, RECENT_KEPT, DAY_MS = 60000, 7200000, 86400000
local tallies, recents, ready, dues = {}, {}, {}, {}
-- by side; lost, pairs and controls are few
local waiting, running, moving, gauges = { [0] = 0, 0 }, { [0] = 0, 0 }, { [0] = 0, 0 }, {}

local function freezeClosed(limit)
  local closed = call('ZRANGEBYSCORE', TB, '-inf', now, 'LIMIT', 0, limit)
  for i = 1, #closed do
    local epoch, field = closed[i]:match('^(%d+):(.+)$')
    local live, store = base .. 't' .. closed[i], base .. 'tc' .. epoch
    local flat = call('HGETALL', live)
    if #flat > 0 then
      local packed = call('HGET', store, field)
      local sums = packed and cjson.decode(packed) or {}
      for j = 1, #flat, 2 do sums[flat[j]] = (sums[flat[j]] or 0) + tonumber(flat[j + 1]) end
      call('HSET', store, field, cjson.encode(sums))
      call('DEL', live)
    end
    call('ZREM', TB, closed[i])
  end
  return #closed
end

local lastTally, lastEpoch, lastStart
-- the sums by family of the bucket of this due time and epoch
local function bucketOf(epoch, due)
  local start = floor(due / bucketMs) * bucketMs
  if start ~= lastStart or epoch ~= lastEpoch then
    lastStart, lastEpoch = start, epoch
    local key = string.format('%d:%.0f:%.0f', epoch, start, bucketMs)
    lastTally = tallies[key]
    if not lastTally then
      local closes = start + bucketMs + deadlineMs + slackMs
      lastTally = { [0] = {}, {}, {}, {}, {}, log = {}, epoch = epoch, closes = closes, closed = closes <= now }
      tallies[key] = lastTally
    end
  end
  return lastTally
end

local function isExcluded(st, gen) return gen > 0 or band(st, 128) ~= 0 or DOUBT[band(rshift(st, 2), 15)] end

-- the family under which a row with these static bits and this generation is filed
local function familyOf(tally, st, gen)
  if tally.closed then return LATE end
  if isExcluded(st, gen) then return EXCLUDED end
  if band(st, 256) ~= 0 then return OF_KEY end
  return band(st, 131072) ~= 0 and OF_DAY or AGAIN
end

local function sumsOf(st, epoch, due, gen)
  local tally = bucketOf(epoch, due)
  return tally[familyOf(tally, st, gen)]
end

local function timed(st, epoch, due, gen, code, bucket, target)
  local tally = bucketOf(epoch, due)
  local entry = pack('>BI2', code * 8 + familyOf(tally, st, gen), bucket)
  tally.log[#tally.log + 1] = target and entry .. pack('>I2', target) or entry
end

-- notes what happened in this minute to a job that gates judge
local function happened(st, epoch, gen, what)
  if isExcluded(st, gen) then return end
  local field = epoch .. ':' .. what
  recents[field] = (recents[field] or 0) + 1
end

-- how long a copy on target waited for its first attempt; 0 when it was a later one
local function waited(st, epoch, gen, side, bucket)
  if side == 1 and bucket > 0 then happened(st, epoch, gen, 'wait.' .. math.max(FIRST_WAIT, math.ceil((bucket - 900) / 20))) end
end

local function readyAt(due, n)
  local second = floor(due / 1000)
  ready[second] = (ready[second] or 0) + n
end

local function flushTallies()
  for member, tally in pairs(tallies) do
    local key, new = base .. 't' .. member, false
    for family = 0, 4 do
      local prefix = FAMILIES[family] .. '/'
      for measure, n in pairs(tally[family]) do
        if call('HINCRBY', key, prefix .. measure, n) == n then new = true end
      end
    end
    if #tally.log > 0 then
      -- what is late has one log an epoch: its buckets are closed already
      local log, name = table.concat(tally.log), tally.closed and tally.epoch .. ':late' or member
      if call('APPEND', base .. 'll' .. name, log) == #log then call('ZADD', LZ, tally.closed and 0 or tally.closes, name) end
    end
    if new and call('ZADD', TB, tally.closes, member) == 1 then
      call('SADD', TE, tally.epoch)
      freezeClosed(4)
    end
  end
end

local function flushRecents()
  local key = string.format('%src%.0f', base, floor(now / MINUTE) * MINUTE)
  for field, n in pairs(recents) do
    if call('HINCRBY', key, field, n) == n then call('PEXPIRE', key, RECENT_KEPT) end
  end
end

local function flushReady()
  for second, n in pairs(ready) do
    if n ~= 0 then
      local field = string.format('%.0f', second)
      local left = call('HINCRBY', base .. 'o', field, n)
      if left <= 0 then
        call('HDEL', base .. 'o', field)
        call('ZREM', base .. 'oz', field)
      elseif left == n then call('ZADD', base .. 'oz', field, field) end
    end
  end
end

-- dues count unfinished rows by due time, in ticks of ten seconds with their milliseconds beside them
local function flushDues()
  local ticks = {}
  for due, n in pairs(dues) do
    if n ~= 0 then
      local tick = floor(due / 10000)
      ticks[tick] = (ticks[tick] or 0) + n
      local key, field = string.format('%sd%.0f', base, tick), string.format('%.0f', due)
      if call('HINCRBY', key, field, n) == 0 then call('HDEL', key, field) end
    end
  end
  for tick, n in pairs(ticks) do
    local field = string.format('%.0f', tick)
    if n ~= 0 and call('HINCRBY', base .. 'd', field, n) == 0 then call('HDEL', base .. 'd', field) end
  end
end

local function flushCounts()
  flushTallies()
  flushRecents()
  for side = 0, 1 do
    gauges['waiting.' .. SIDES[side]] = waiting[side]
    gauges['running.' .. SIDES[side]] = running[side]
    gauges['moving.' .. SIDES[side]] = moving[side]
  end
  for field, n in pairs(gauges) do
    if n ~= 0 then call('HINCRBY', base .. 'g', field, n) end
  end
  flushReady()
  flushDues()
end
`
