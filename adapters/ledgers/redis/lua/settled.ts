// Settled rows: finished, nothing left to compare. They are kept for replay, a retention long, in as few bytes as
// possible.
//
// Rows lie in listpack buckets (short field, value of 64 bytes at most, some 50 rows) of a numbered slice of time. A
// slice has a number of buckets that fits the rate; one TTL a bucket purges it. \`m\`.\`slices\` lists the live slices,
// newest first, as \`number,buckets,rows,made,start;\`. An outcome that does not fit lies in a key of its own.

/** Stores settled rows. */
export const LUA_PUT = `
local SLICE_MIN, SLICE_MAX, FILL, VALUE_MAX = 16, 65536, 48, 64
local NONE = {[0] = -32768, -8388608, -2147483648, -140737488355328}
local HEAD = {[0] = '>I3I2I2I2I5i2i2i2I2Bc0', '>I3I2I2I2I5i3i3i3I2Bc0', '>I3I2I2I2I5i4i4i4I2Bc0', '>I3I2I2I2I5i6i6i6I2Bc0'}
local NEAR = {[0] = '>I3I2I2I2I5i2i2I2Bc0', '>I3I2I2I2I5i3i3I2Bc0', '>I3I2I2I2I5i4i4I2Bc0', '>I3I2I2I2I5i6i6I2Bc0'}
local WIDE = {[0] = '>I3I2I4I4I4I4I4I5i2i2i2I2Bc0', '>I3I2I4I4I4I4I4I5i3i3i3I2Bc0', '>I3I2I4I4I4I4I4I5i4i4i4I2Bc0', '>I3I2I4I4I4I4I4I5i6i6i6I2Bc0'}
-- times of settled rows count from 2020: five bytes reach to 2054
local FROM = 1577836800000
local sliceMs = floor(retainMs / 8) + 1

-- ids that the library made one after the other share a bucket by eights: jobs mostly end in the order in which they
-- came, so that the rows of a batch are few writes. The eights go round the buckets in the steps of the golden ratio, which
-- fill them evenly, also where these jobs are one in many that a process makes ids for, at a steady pace
local function hashOf(id)
  if #id == 16 then
    local a, b, c, d = unpack('>I4I4I4I4', id)
    -- UUID version 7: its counter, but for the lowest three bits
    if band(b, 61440) == 28672 then return band(rshift(c, 13), 131071) * 40503 % 131071 end
    return a * 3 + b * 5 + c * 7 + d
  end
  return tonumber(redis.sha1hex(id):sub(1, 8), 16)
end

-- a token as settled rows keep it
local function kept(token)
  if #token <= TOKEN_KEPT then return token end
  local hex = redis.sha1hex(token)
  return '~' .. pack('>I3I3', tonumber(hex:sub(1, 6), 16), tonumber(hex:sub(7, 12), 16))
end

-- mu: the low twelve bits of a row's
local function head(st, mu, gen, fails, starts, max, epoch, pinned, due, started, finished, producer, token)
  local absent = started == 0
  due, started, finished = due - pinned, started - pinned, finished - pinned
  if absent then started = 0 end
  local far = math.max(due, -due, finished, -finished, started, -started)
  local k = far < 32768 and 0 or far < 8388608 and 1 or far < 2147483648 and 2 or 3
  if absent then started = NONE[k] end
  if #token > TOKEN_KEPT then token = kept(token) end
  if producer > 65535 then producer = 0 end
  mu = mu + k * 4096
  if gen > 15 or fails > 15 or starts > 15 or max > 15 or epoch > 65535 then
    return pack(WIDE[k], st, mu + 16384, gen, fails, starts, max, epoch, pinned - FROM, due, started, finished, producer, #token, token)
  end
  local small = gen * 4096 + fails * 256 + starts * 16 + max
  -- most jobs are due at once: bit 16 stands for it
  if due == 0 then
    return pack(NEAR[k], st + 65536, mu, small, epoch, pinned - FROM, started, finished, producer, #token, token)
  end
  return pack(HEAD[k], st, mu, small, epoch, pinned - FROM, due, started, finished, producer, #token, token)
end

-- the newest slice, and the text of the older ones
local slice, older

local function readSlices()
  if older then return end
  local text = call('HGET', M, 'slices') or ''
  local number, buckets, rows, made, start, rest = text:match('^(%d+),(%d+),(%d+),(%d+),(%d+);(.*)$')
  if number then
    slice = { number = tonumber(number), buckets = tonumber(buckets), rows = tonumber(rows), made = tonumber(made), start = tonumber(start) }
  end
  older = rest or ''
end

local function sliceText(of)
  return string.format('%.0f,%.0f,%.0f,%.0f,%.0f;', of.number, of.buckets, of.rows, of.made, of.start)
end

local function flushSlices()
  if slice and slice.dirty then call('HSET', M, 'slices', sliceText(slice) .. older) end
end

-- forgets slices whose rows have all been kept long enough (their buckets go by TTL); answers what is left
local function live(text)
  local left, gone = {}, 0
  for number, buckets, rows, made, start in text:gmatch('(%d+),(%d+),(%d+),(%d+),(%d+);') do
    if start + sliceMs + retainMs > now then
      left[#left + 1] = table.concat({ number, buckets, rows, made, start }, ',') .. ';'
    else
      gone = gone + rows
    end
  end
  if gone > 0 then call('HINCRBY', M, 'gone', gone) end
  return table.concat(left)
end

-- the slice that takes rows now; a new one when this one's time is over or its buckets are full
local function currentSlice()
  readSlices()
  if slice and now < slice.start + sliceMs and slice.rows < FILL * slice.buckets then return slice end
  local buckets = SLICE_MIN
  if slice then
    local wanted = slice.rows / math.max(1, now - slice.start) * sliceMs / 48
    buckets = math.max(SLICE_MIN, math.min(SLICE_MAX, slice.buckets * 2, math.ceil(wanted)))
    older = live(sliceText(slice) .. older)
  end
  -- numbers are never used again, so that a new slice meets no bucket of an old one
  slice = { number = call('HINCRBY', M, 'slice', 1), buckets = buckets, rows = 0, made = 0, start = now }
  return slice
end

local function bucketKey(number, buckets, hash)
  return string.format('%sb%d.%d', base, number, hash % buckets)
end

-- by bucket: its key, then ids and rows that are to be stored in it
local puts, anyPuts = {}, false

local function flushPuts()
  if not anyPuts then return end
  for key, put in pairs(puts) do
    local new, into = call('HSET', key, spread(put)), put.into
    if into.made < into.buckets and call('HLEN', key) == new then
      call('PEXPIREAT', key, string.format('%.0f', put.expires))
      into.made = into.made + 1
    end
  end
  puts, anyPuts = {}, false
end

-- stores a settled row: its head, and its outcome beside it or, where that is too long, in a key of its own
local function putSettled(id, headed, outcome)
  local into = currentSlice()
  local expires = into.start + sliceMs + retainMs
  if #outcome > OUTCOME_KEPT then outcome = '' end
  local value
  if #headed + #outcome <= VALUE_MAX then value = headed .. outcome
  else
    call('SET', base .. 'v' .. id, outcome, 'PX', math.max(1, expires - now))
    -- bit 15 of mu says so
    value = headed:sub(1, 3) .. string.char(headed:byte(4) + 128) .. headed:sub(5)
  end
  local key = bucketKey(into.number, into.buckets, hashOf(id))
  local put = puts[key]
  if not put then
    put = { into = into, expires = expires }
    puts[key], anyPuts = put, true
  end
  put[#put + 1] = id
  put[#put + 1] = value
  into.rows, into.dirty = into.rows + 1, true
end

-- of a job that has ended: the notes of its moves go with its row
local function keepMoves(id) call('PEXPIRE', base .. 'mn' .. id, string.format('%.0f', retainMs + sliceMs)) end
`

/** Finds and changes them. */
export const LUA_SETTLED = `
local function headOf(row, elsewhere)
  local mu = row.effects + row.class * 2 + row.verdict * 8 + row.control * 64 + row.seen * 512 + (elsewhere and 32768 or 0)
  return head(row.st, mu, row.gen, row.fails, row.starts, row.max, row.epoch, row.pinned, row.due, row.started,
    row.finished, row.producer, row.token)
end

local function readHead(value)
  local st, mu = unpack('>I3I2', value)
  local _
  local k = band(rshift(mu, 12), 3)
  local gen, fails, starts, max, epoch, pinned, due, started, finished, producer, token, rest
  if band(mu, 16384) ~= 0 then
    _, _, gen, fails, starts, max, epoch, pinned, due, started, finished, producer, token, rest = unpack(WIDE[k], value)
  else
    local small
    if band(st, 65536) ~= 0 then
      st, due = st - 65536, 0
      _, _, small, epoch, pinned, started, finished, producer, token, rest = unpack(NEAR[k], value)
    else
      _, _, small, epoch, pinned, due, started, finished, producer, token, rest = unpack(HEAD[k], value)
    end
    gen, fails, starts, max = floor(small / 4096), band(rshift(small, 8), 15), band(rshift(small, 4), 15), band(small, 15)
  end
  pinned = pinned + FROM
  return {
    st = st, gen = gen, epoch = epoch, fails = fails, starts = starts, max = max, pinned = pinned, due = pinned + due,
    lease = 0, started = started == NONE[k] and 0 or pinned + started, finished = pinned + finished, lost = 0,
    producer = producer, token = token, long = '', side = band(rshift(st, 15), 1), effects = band(mu, 1),
    class = band(rshift(mu, 1), 3), verdict = band(rshift(mu, 3), 7), control = band(rshift(mu, 6), 7),
    seen = band(rshift(mu, 9), 7), state = 3, p = false, s = false, c = false, home = 's', was = 3,
  }, rest, band(mu, 32768) ~= 0
end

local function insertSettled(id, row, outcome)
  -- of a failed one somebody may ask by looking: then its full id is wanted
  if row.long ~= '' and (row.class == 1 or row.class == 3) then
    call('SET', base .. 'i' .. id, row.long, 'PX', string.format('%.0f', retainMs + sliceMs))
  end
  putSettled(id, headOf(row, false), outcome or '')
end

-- number, buckets and start of each live slice in turn, newest first
local listed, listedOf
local function sliceList()
  readSlices()
  if not listed or listedOf ~= slice then
    listed, listedOf = {}, slice
    for number, buckets, start in ((slice and sliceText(slice) or '') .. older):gmatch('(%d+),(%d+),%d+,%d+,(%d+);') do
      listed[#listed + 1], listed[#listed + 2], listed[#listed + 3] = tonumber(number), tonumber(buckets), tonumber(start)
    end
  end
  return listed
end

-- a settled row with its outcome in \`out\`, or nil; since: it cannot have been settled a minute before that
local function findSettled(id, since)
  flushPuts()
  local list = sliceList()
  if #list == 0 then return nil end
  local hash, from = hashOf(id), since and math.min(since, now) - 60000 or 0
  for i = 1, #list, 3 do
    local key = bucketKey(list[i], list[i + 1], hash)
    local value = call('HGET', key, id)
    if value then
      local row, rest, elsewhere = readHead(value)
      row.bucket, row.elsewhere = key, elsewhere
      row.pOut = elsewhere and (call('GET', base .. 'v' .. id) or '') or value:sub(rest)
      if row.pOut == '' then row.pOut = nil end
      row.p = row.pOut ~= nil
      cache[id] = row
      return row
    end
    -- what is in older slices was settled before this one began
    if list[i + 2] < from then return nil end
  end
end

local function replaceSettled(id, row)
  local value = headOf(row, row.elsewhere)
  if not row.elsewhere then value = value .. (row.pOut or '') end
  call('HSET', row.bucket, id, value)
end

-- a failed job that is run again
local function removeSettled(id, row)
  call('HDEL', row.bucket, id)
  -- an empty bucket is gone with its time to live, and is made once more
  if slice and row.bucket == bucketKey(slice.number, slice.buckets, hashOf(id)) and call('EXISTS', row.bucket) == 0 then
    slice.made, slice.dirty = slice.made - 1, true
  end
  if row.elsewhere then call('DEL', base .. 'v' .. id) end
  call('DEL', base .. 'i' .. id)
end

local function find(id)
  local row = load(id)
  if row or cache[id] == false then return row end
  row = findSettled(id)
  if not row then cache[id] = false end
  return row
end
`
