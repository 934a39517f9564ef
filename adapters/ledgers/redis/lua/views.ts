// Scripts that read: one row, a page of rows, one consistent snapshot; and compaction, which changes no sum.

/** Answers the row, its outcomes by arm and its producer, or nothing. */
export const LUA_ROW = `
readIds()
local id = ids[1]
local row = find(id)
if not row then return false end
local p, s, c = slotsOf(id, row)
local producer = row.producer > 0 and call('LINDEX', base .. 'nl', row.producer - 1)
return { writeRow(row), p or '', s or '', c or '', producer or '' }
`

/** ARGV[5] 'u' or 'f', ARGV[6] cursor, ARGV[7] how many. Answers cursor, then id, row, three outcomes and producer in turn. */
export const LUA_SCAN = `
local page = call('HSCAN', ARGV[5] == 'u' and U or F, ARGV[6], 'COUNT', ARGV[7])
local answer, names = { page[1] }, {}
for i = 1, #page[2], 2 do
  local id, stored = page[2][i], page[2][i + 1]
  local row = readRow(stored)
  local p, s, c = slotsOf(id, row)
  local name = ''
  if row.producer > 0 then
    name = names[row.producer] or call('LINDEX', base .. 'nl', row.producer - 1) or ''
    names[row.producer] = name
  end
  for _, value in ipairs({ id, stored, p or '', s or '', c or '', name }) do answer[#answer + 1] = value end
end
return answer
`

/**
 * Settled rows of these classes. ARGV[5] the classes as digits, ARGV[6] and ARGV[7] slice and bucket to begin with,
 * ARGV[8] how many rows to look at. Answers the next slice and bucket (0: the end), then id, row, outcome and full id in
 * turn.
 */
export const LUA_ENDED = `
readSlices()
local slices, text = {}, (slice and sliceText(slice) or '') .. older
for number, buckets in text:gmatch('(%d+),(%d+),%d+,%d+,%d+;') do
  if tonumber(number) >= tonumber(ARGV[6]) then table.insert(slices, 1, { tonumber(number), tonumber(buckets) }) end
end
local left, asked = tonumber(ARGV[8]), 0
local answer = { '0', '0' }
for _, each in ipairs(slices) do
  local number, buckets = each[1], each[2]
  for bucket = number == tonumber(ARGV[6]) and tonumber(ARGV[7]) or 0, buckets - 1 do
    -- many buckets of a quiet slice are empty: they cost a look, too
    if left <= 0 or asked >= 2000 then
      answer[1], answer[2] = tostring(number), tostring(bucket)
      return answer
    end
    asked = asked + 1
    local flat = call('HGETALL', bucketKey(number, buckets, bucket))
    for i = 1, #flat, 2 do
      local id, value = flat[i], flat[i + 1]
      local row, rest, elsewhere = readHead(value)
      left = left - 1
      if ARGV[5]:find(tostring(row.class), 1, true) then
        local out = elsewhere and (call('GET', base .. 'v' .. id) or '') or value:sub(rest)
        local long = id:sub(1, 1) == '#' and #id == 17 and call('GET', base .. 'i' .. id) or ''
        for _, part in ipairs({ id, writeRow(row), out, long }) do answer[#answer + 1] = part end
      end
    end
  end
end
return answer
`

const LUA_GAUGES = `
-- running rows whose lease is over and whose effects have begun, by side
local function inDoubt()
  local sides, running = { 0, 0 }, call('SMEMBERS', R)
  for i = 1, #running do
    local stored = call('HGET', U, running[i])
    local row = stored and readRow(stored)
    if row and row.lease <= now and row.effects == 1 then sides[row.side + 1] = sides[row.side + 1] + 1 end
  end
  return sides
end

local function overdue()
  local total, limit = 0, now - deadlineMs
  local last = floor(limit / 10000)
  local ticks = call('HGETALL', base .. 'd')
  for i = 1, #ticks, 2 do
    local tick = tonumber(ticks[i])
    if tick < last then total = total + tonumber(ticks[i + 1])
    elseif tick == last then
      local dues = call('HGETALL', base .. 'd' .. ticks[i])
      for j = 1, #dues, 2 do
        if tonumber(dues[j]) < limit then total = total + tonumber(dues[j + 1]) end
      end
    end
  end
  return total
end
`

/**
 * ARGV[5]: one epoch, or empty for all. Answers the control state, gauges, epochs; per epoch: buckets (field and JSON in
 * turn, closed ones as they are stored), packed sums of times, differences and their examples; the logs of times not yet
 * summed (name, when it closes, bytes in turn) and what happened lately (start of the minute, fields in turn).
 */
export const LUA_SNAPSHOT = `${LUA_GAUGES}
local doubt = inDoubt()
local answer = { controlState(), call('HGETALL', base .. 'g'), { doubt[1], doubt[2], overdue() }, call('HGETALL', base .. 'e') }
local open = {}
for _, member in ipairs(call('ZRANGE', TB, 0, -1)) do
  local epoch, field = member:match('^(%d+):(.+)$')
  local flat = call('HGETALL', base .. 't' .. member)
  local sums = {}
  for i = 1, #flat, 2 do sums[flat[i]] = tonumber(flat[i + 1]) end
  local of = open[epoch] or {}
  open[epoch] = of
  of[#of + 1], of[#of + 2] = field, cjson.encode(sums)
end
local epochs = {}
for _, epoch in ipairs(call('SMEMBERS', TE)) do
  if ARGV[5] == '' or ARGV[5] == epoch then
    epochs[#epochs + 1] = { epoch, call('HGETALL', base .. 'tc' .. epoch), open[epoch] or {}, call('GET', base .. 'ls' .. epoch) or '',
      call('HGETALL', base .. 'df' .. epoch), call('HGETALL', base .. 'dr' .. epoch), call('HGETALL', base .. 'de' .. epoch) }
  end
end
answer[5] = epochs
local logs, listed = {}, call('ZRANGE', LZ, 0, -1, 'WITHSCORES')
for i = 1, #listed, 2 do
  if ARGV[5] == '' or listed[i]:match('^%d+') == ARGV[5] then
    logs[#logs + 1], logs[#logs + 2], logs[#logs + 3] = listed[i], listed[i + 1], call('GET', base .. 'll' .. listed[i]) or ''
  end
end
answer[6] = logs
local happenings, minute = {}, floor(now / MINUTE) * MINUTE
for start = minute - 60 * MINUTE, minute, MINUTE do
  local flat = call('HGETALL', string.format('%src%.0f', base, start))
  if #flat > 0 then happenings[#happenings + 1], happenings[#happenings + 2] = string.format('%.0f', start), flat end
end
answer[7] = happenings
answer[8] = call('ZRANGE', base .. 'oz', 0, 0)
return answer
`

/**
 * Logs of closed buckets, at most ARGV[5] of them. Answers the epochs, the logs (name and bytes in turn), and of each of
 * their epochs number, version and packed sums.
 */
export const LUA_TIMES = `
local logs, sums, seen = {}, {}, {}
for _, member in ipairs(call('ZRANGEBYSCORE', LZ, '-inf', now, 'LIMIT', 0, ARGV[5])) do
  logs[#logs + 1], logs[#logs + 2] = member, call('GET', base .. 'll' .. member) or ''
  local epoch = member:match('^%d+')
  if not seen[epoch] then
    seen[epoch] = true
    sums[#sums + 1], sums[#sums + 2] = epoch, call('HGET', base .. 'lv', epoch) or '0'
    sums[#sums + 1] = call('GET', base .. 'ls' .. epoch) or ''
  end
end
return { call('HGETALL', base .. 'e'), logs, sums }
`

/**
 * ARGV[5] epoch, ARGV[6] version of the sums that were read, ARGV[7] the new sums, then each log that is in them and how
 * many bytes of it. Answers 0 when somebody else was faster.
 */
export const LUA_FOLD = `
local epoch = ARGV[5]
if (call('HGET', base .. 'lv', epoch) or '0') ~= ARGV[6] then return 0 end
call('SET', base .. 'ls' .. epoch, ARGV[7])
call('HINCRBY', base .. 'lv', epoch, 1)
for i = 8, #ARGV, 2 do
  local key, taken = base .. 'll' .. ARGV[i], tonumber(ARGV[i + 1])
  if call('STRLEN', key) <= taken then
    call('DEL', key)
    call('ZREM', LZ, ARGV[i])
  else
    -- what was late came meanwhile
    call('SET', key, call('GETRANGE', key, taken, -1))
  end
end
return 1
`

/** ARGV[5] measure, ARGV[6] n, ARGV[7] a name of this call: the same call twice adds once. */
export const LUA_BUMP = `
if call('SET', base .. 'once' .. ARGV[7], '', 'NX', 'PX', 600000) then
  local epoch = tonumber(call('HGET', base .. 'c', 'epoch') or '0')
  bucketOf(epoch, now)[EXCLUDED][ARGV[5]] = tonumber(ARGV[6])
  flushCounts()
end
return tostring(now)
`

/** One step of compaction, at most ARGV[5] buckets. Answers merged, purged rows, and whether there is more to do. */
export const LUA_COMPACT = `
local HOUR, DAY = 3600000, 86400000
local budget, merged = tonumber(ARGV[5]), 0
budget = budget - freezeClosed(budget)

-- the wider bucket that a closed one goes into now, or nil
local function widerOf(start, width)
  local age = now - start - width
  if start + width + deadlineMs + slackMs > now then return nil end
  if age > 2 * DAY and width < DAY then return DAY end
  if age > HOUR and width < HOUR then return HOUR end
end

local function mergeEpoch(epoch)
  local store, cursor = base .. 'tc' .. epoch, '0'
  local sums, gone = {}, {}
  local function merge(field, packed)
    local start, width = field:match('^(-?%d+):(%d+)$')
    local wider = widerOf(tonumber(start), tonumber(width))
    -- a scan may show a field twice
    if not wider or gone[field] then return end
    local into = string.format('%.0f:%.0f', floor(start / wider) * wider, wider)
    local sum = sums[into]
    if not sum then
      local stored = call('HGET', store, into)
      sum = stored and cjson.decode(stored) or {}
      sums[into] = sum
    end
    for key, n in pairs(cjson.decode(packed)) do sum[key] = (sum[key] or 0) + n end
    gone[field] = true
    budget, merged = budget - 1, merged + 1
  end
  repeat
    local page = call('HSCAN', store, cursor, 'COUNT', 100)
    cursor = page[1]
    for i = 1, #page[2], 2 do merge(page[2][i], page[2][i + 1]) end
  until cursor == '0' or budget <= 0
  for into, sum in pairs(sums) do call('HSET', store, into, cjson.encode(sum)) end
  for field in pairs(gone) do call('HDEL', store, field) end
end

local epochs = call('SMEMBERS', TE)
local current = tonumber(call('HGET', base .. 'c', 'epoch') or '0')
for _, epoch in ipairs(epochs) do
  if budget > 0 then mergeEpoch(epoch) end
  -- the first-of-key bits of epochs long over
  if tonumber(epoch) < current - 8 then call('UNLINK', base .. 'k' .. epoch) end
end

-- slices that are over go from the list; their buckets have gone by their time to live
readSlices()
if slice then
  call('HSET', M, 'slices', live(sliceText(slice) .. older))
end
local purged = tonumber(call('HGET', M, 'gone') or '0')
if purged > 0 then call('HSET', M, 'gone', 0) end
local beats = call('HGETALL', P)
for i = 1, #beats, 2 do
  if isForgotten(beats[i + 1]) then call('HDEL', P, beats[i]) end
end
return { merged, purged, budget <= 0 and 1 or 0 }
`
