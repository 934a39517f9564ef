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
 * `tb` lists the open ones by when they close, `te` the epochs. Latencies are appended to a log of the epoch and summed
 * into its hash a few thousand at a time, because hardly two are alike.
 */
export const LUA_COUNTS = `
local TB, TE = base .. 'tb', base .. 'te'
local LOG_MOST = 8000
local tallies, logs, dues = {}, {}, {}
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
-- the sums by family of the bucket of this due time and epoch; both is job and key
local function bucketOf(epoch, due)
  local start = floor(due / bucketMs) * bucketMs
  if start ~= lastStart or epoch ~= lastEpoch then
    lastStart, lastEpoch = start, epoch
    local key = string.format('%d:%.0f:%.0f', epoch, start, bucketMs)
    lastTally = tallies[key]
    if not lastTally then
      local closes = start + bucketMs + deadlineMs + slackMs
      lastTally = { job = {}, both = {}, excluded = {}, late = {}, epoch = epoch, closes = closes, closed = closes <= now }
      tallies[key] = lastTally
    end
  end
  return lastTally
end

-- the sums under which an increment for a row with these static bits and this generation is filed
local function sumsOf(st, epoch, due, gen)
  local tally = bucketOf(epoch, due)
  if tally.closed then return tally.late end
  if gen > 0 or band(st, 128) ~= 0 or DOUBT[band(rshift(st, 2), 15)] then return tally.excluded end
  if band(st, 256) ~= 0 then return tally.both end
  return tally.job
end

local function latency(epoch, code, bucket)
  local log = logs[epoch]
  if not log then
    log = {}
    logs[epoch] = log
  end
  log[#log + 1] = pack('>Bi3', code, bucket)
end

local function foldLog(epoch)
  local key, sums, at = base .. 'hl' .. epoch, {}, 1
  local log = call('GET', key)
  while at <= #log do
    local code, bucket
    code, bucket, at = unpack('>Bi3', log, at)
    local field = LATENCIES[code] .. '/' .. bucket
    sums[field] = (sums[field] or 0) + 1
  end
  for field, n in pairs(sums) do call('HINCRBY', base .. 'h' .. epoch, field, n) end
  call('DEL', key)
end

local function flushTallies()
  for member, tally in pairs(tallies) do
    local key, new = base .. 't' .. member, false
    for _, family in ipairs({ 'job', 'both', 'excluded', 'late' }) do
      local prefix = family == 'both' and 'job/' or family .. '/'
      for measure, n in pairs(tally[family]) do
        if call('HINCRBY', key, prefix .. measure, n) == n then new = true end
        if family == 'both' then call('HINCRBY', key, 'key/' .. measure, n) end
      end
    end
    if new and call('ZADD', TB, tally.closes, member) == 1 then
      call('SADD', TE, tally.epoch)
      freezeClosed(4)
    end
  end
  for epoch, log in pairs(logs) do
    if call('APPEND', base .. 'hl' .. epoch, table.concat(log)) > LOG_MOST then foldLog(epoch) end
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
  for side = 0, 1 do
    gauges['waiting.' .. SIDES[side]] = waiting[side]
    gauges['running.' .. SIDES[side]] = running[side]
    gauges['moving.' .. SIDES[side]] = moving[side]
  end
  for field, n in pairs(gauges) do
    if n ~= 0 then call('HINCRBY', base .. 'g', field, n) end
  end
  flushDues()
end
`
