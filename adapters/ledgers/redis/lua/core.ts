// What every script stands on: the clock, the settings, and the counters that are summed in Lua and written once.
//
// KEYS[1] is the migration's key prefix with its hash tag; ARGV[1..4] are bucket, slack, deadline and retention in ms.

export const LUA_CORE = `
local call, pack, unpack = redis.call, struct.pack, struct.unpack
local band, rshift, floor = bit.band, bit.rshift, math.floor
local base = KEYS[1]
local bucketMs, slackMs, deadlineMs, retainMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local TIME = call('TIME')
local now = TIME[1] * 1000 + floor(TIME[2] / 1000)
local M = base .. 'm'
`

/**
 * First write of every script that changes something. Redis refuses it when memory is full; had a script deleted
 * before that, a row would be lost half way, because nothing rolls back.
 */
export const LUA_GUARD = `
call('HSET', M, 'w', '')
`

/** Tally buckets. A bucket is one hash while it is open and one packed field of its epoch's hash once it is closed. */
export const LUA_COUNTS = `
local TB, TE = base .. 'tb', base .. 'te'
local tallies, latencies, gauges, dues = {}, {}, {}, {}

local function freeze(member)
  local epoch, field = member:match('^(%d+):(.+)$')
  local live, store = base .. 't' .. member, base .. 'tc' .. epoch
  local flat = call('HGETALL', live)
  if #flat > 0 then
    local packed = call('HGET', store, field)
    local sums = packed and cjson.decode(packed) or {}
    for i = 1, #flat, 2 do sums[flat[i]] = (sums[flat[i]] or 0) + tonumber(flat[i + 1]) end
    call('HSET', store, field, cjson.encode(sums))
    call('DEL', live)
  end
  call('ZREM', TB, member)
  return 1
end

local function freezeClosed(limit)
  local closed = call('ZRANGEBYSCORE', TB, '-inf', now, 'LIMIT', 0, limit)
  for i = 1, #closed do freeze(closed[i]) end
  return #closed
end

local lastKey, lastEpoch, lastStart, lastClosed
-- the sums of the bucket of this due time and epoch, and whether that bucket is closed
local function bucketOf(epoch, due)
  local start = floor(due / bucketMs) * bucketMs
  if start ~= lastStart or epoch ~= lastEpoch then
    lastStart, lastEpoch = start, epoch
    lastKey = string.format('%d:%.0f:%.0f', epoch, start, bucketMs)
    lastClosed = start + bucketMs + deadlineMs + slackMs <= now
    if not tallies[lastKey] then
      tallies[lastKey] = { sums = {}, epoch = epoch, closes = start + bucketMs + deadlineMs + slackMs }
    end
  end
  return tallies[lastKey].sums, lastClosed
end

local function add(sums, key) sums[key] = (sums[key] or 0) + 1 end

local function latency(epoch, name, bucket)
  local of = latencies[epoch]
  if not of then of = {} latencies[epoch] = of end
  add(of, name .. '/' .. bucket)
end

local function flushCounts()
  for member, tally in pairs(tallies) do
    if next(tally.sums) then
      if call('ZADD', TB, tally.closes, member) == 1 then
        call('SADD', TE, tally.epoch)
        freezeClosed(4)
        call('ZADD', TB, tally.closes, member)
      end
      local key = base .. 't' .. member
      for field, n in pairs(tally.sums) do call('HINCRBY', key, field, n) end
    end
  end
  for epoch, of in pairs(latencies) do
    local key = base .. 'h' .. epoch
    for field, n in pairs(of) do call('HINCRBY', key, field, n) end
  end
  for field, n in pairs(gauges) do
    if n ~= 0 then call('HINCRBY', base .. 'g', field, n) end
  end
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
`
