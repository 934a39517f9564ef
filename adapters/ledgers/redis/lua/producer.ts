// Scripts of the producer: pin, unpin, note.

/** Rows keep a short number for the name of their producer. */
const LUA_PRODUCERS = `
local numbers = {}
local function producerOf(name)
  local number = numbers[name]
  if not number then
    number = call('HGET', base .. 'n', name)
    if not number then
      number = call('RPUSH', base .. 'nl', name)
      call('HSET', base .. 'n', name, number)
    end
    number = tonumber(number)
    numbers[name] = number
  end
  return number
end
`

/** A new open row without a table for it: most calls of a producer insert nothing else. */
const LUA_ADD = `
local function add(sums, measure) sums[measure] = (sums[measure] or 0) + 1 end

local function insertOpen(id, mu, st, epoch, due, max, producer, long)
  local row = pack(ROW, mu, 0, 0, 0, 0, 0, 0, 0, st, epoch, max, now, due, producer, 0, '', #long, long)
  push(uset, id)
  push(uset, row)
  raw[id], cache[id] = row, nil
end
`

/** Answers now, one letter an item (`p` pinned, `e` exists) and the rows of those that exist. */
export const LUA_PIN = `${LUA_PRODUCERS}${LUA_ADD}
local DISPATCHED = { [0] = 'dispatched.legacy', 'dispatched.target' }
local ROUTED = { [0] = 'route.legacy', 'route.legacy-shadowed', 'route.target', 'route.target-shadowed' }

-- the bits of the first-of-key tests: 256 of the epoch, 131072 of the day
local bitmaps = {}
local function setBit(key, slot, expires)
  if not bitmaps[key] then
    bitmaps[key] = true
    -- at once in its full size: one that grows takes up to twice of that
    if call('EXISTS', key) == 0 then
      call('SETBIT', key, LAST_SLOT, 0)
      if expires then call('PEXPIREAT', key, string.format('%.0f', expires)) end
    end
  end
  return call('SETBIT', key, slot, 1) == 0
end

local function first(epoch, due, slot, seen)
  local ofKey = not seen and setBit(base .. 'k' .. epoch, slot)
  -- once a day is over hardly a job is pinned that was due on it
  local day = floor(due / DAY_MS)
  local expires = math.max((day + 1) * DAY_MS, now) + 3600000
  local ofDay = setBit(string.format('%sk%d:%.0f', base, epoch, day), slot, expires)
  return (ofKey and 256 or 0) + ((ofKey or ofDay) and 131072 or 0)
end

readIds()
local batch, at, letters, rows = ARGV[6], 1, {}, {}
for i = 1, #ids do
  local id = ids[i]
  local st, flags, epoch, delay, max, slot, producer, long
  st, flags, epoch, delay, max, slot, producer, long, at = unpack('>I3BI4i6I4I3Bc0I2c0', batch, at)
  local old
  if band(flags, 1) == 0 then old = find(id) elseif raw[id] or cache[id] then old = load(id) end
  if old then
    letters[i] = 'e'
    rows[#rows + 1] = writeRow(old)
    if neverStarted(old) and not old.shared then
      -- another call relies on this row from now on
      old.shared = true
      save(id, old)
    end
  else
    local side, due, mu = band(rshift(st, 15), 1), now + delay, 0
    if band(flags, 4) ~= 0 then st = st + first(epoch, due, slot, band(flags, 16) ~= 0)
    elseif band(flags, 8) == 0 then st = st + 131328 end
    local sums = sumsOf(st, epoch, due, 0)
    if st % 2 == 1 then
      mu = band(flags, 2) ~= 0 and 72 or 8
      add(sums, 'shadow.wanted.' .. SIDES[1 - side])
      gauge('pairs', 1)
      if mu == 72 then
        add(sums, 'control.wanted')
        gauge('controls', 1)
      end
    end
    add(sums, DISPATCHED[side])
    add(sums, ROUTED[st % 4])
    if DOUBT[band(rshift(st, 2), 15)] then add(sums, 'unflagged.' .. SIDES[side]) end
    waiting[side] = waiting[side] + 1
    if side == 1 then readyAt(due, 1) end
    dues[due] = (dues[due] or 0) + 1
    insertOpen(id, mu, st, epoch, due, max, producerOf(producer), long)
    letters[i] = 'p'
  end
end
flush()
return { tostring(now), table.concat(letters), table.concat(rows) }
`

/** ARGV[7]: also those that another call relies on. */
export const LUA_UNPIN = `
readIds()
for i = 1, #ids do
  local id = ids[i]
  local row = load(id)
  -- a copy is sent only after its job was accepted
  if row and neverStarted(row) and not row.s and not row.c and (not row.shared or ARGV[7] == '1') then
    weigh(row, -1)
    local shed = row.verdict == 1
    count(row, 'refused.' .. sideName(row), shed and 'shadow.shed.' .. SIDES[1 - row.side] or nil,
      shed and 'shadow.refused.' .. SIDES[1 - row.side] or nil, row.control == 1 and 'control.shed' or nil,
      isTripleOpen(row) and 'triple.out' or nil)
    row.gone = true
    save(id, row)
    cache[id] = false
  end
end
flush()
return tostring(now)
`

export const LUA_NOTE = `${LUA_PRODUCERS}${LUA_ADD}
readIds()
local batch, at, anyFinished = ARGV[6], 1, call('HLEN', F) > 0
for i = 1, #ids do
  local id = ids[i]
  local st, epoch, due, max, made, producer, long
  st, epoch, due, max, made, producer, long, at = unpack('>I3I4i6I4i6Bc0I2c0', batch, at)
  if not (raw[id] or cache[id] or anyFinished and load(id) or findSettled(id, made)) then
    local sums = sumsOf(st, epoch, due, 0)
    add(sums, 'dispatched.legacy')
    add(sums, 'route.legacy')
    if DOUBT[band(rshift(st, 2), 15)] then add(sums, 'unflagged.legacy') end
    waiting[0] = waiting[0] + 1
    dues[due] = (dues[due] or 0) + 1
    insertOpen(id, 0, st, epoch, due, max, producerOf(producer), long)
  end
end
flush()
return tostring(now)
`
