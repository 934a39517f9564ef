// Unfinished rows, finished rows that wait for a comparison, and what each change of a row does to counters and gauges.
//
// \`u\` holds open, running and moving rows; \`f\` finished ones with an open verdict; \`r\` is the set of running ids;
// \`x\` holds the outcomes of shadowed rows by arm. A row goes from \`u\` to \`f\` to a settled bucket and never back, so
// that a scan of \`u\` and then \`f\` misses none.

export const LUA_ROWS = `
local U, F, R, X = base .. 'u', base .. 'f', base .. 'r', base .. 'x'
local ROW = '>I3I4I4I4I4I4I4i6i6i6i6i6i6I4Bc0I2c0'

-- mu: 0 effects | 1-2 class | 3-5 verdict | 6-8 control verdict | 9-11 late arms | 12-13 state | 14-16 slots p, s, c
local function readRow(s)
  local st, mu, gen, epoch, fails, starts, max, pinned, due, lease, started, finished, lost, producer, token, long = unpack(ROW, s)
  return {
    st = st, gen = gen, epoch = epoch, fails = fails, starts = starts, max = max, pinned = pinned, due = due,
    lease = lease, started = started, finished = finished, lost = lost, producer = producer, token = token, long = long,
    side = band(rshift(st, 15), 1), effects = band(mu, 1), class = band(rshift(mu, 1), 3),
    verdict = band(rshift(mu, 3), 7), control = band(rshift(mu, 6), 7), late = band(rshift(mu, 9), 7),
    state = band(rshift(mu, 12), 3), p = band(mu, 16384) ~= 0, s = band(mu, 32768) ~= 0, c = band(mu, 65536) ~= 0,
  }
end

local function writeRow(row)
  local mu = row.effects + row.class * 2 + row.verdict * 8 + row.control * 64 + row.late * 512 + row.state * 4096
    + (row.p and 16384 or 0) + (row.s and 32768 or 0) + (row.c and 65536 or 0)
  return pack(ROW, row.st, mu, row.gen, row.epoch, row.fails, row.starts, row.max, row.pinned, row.due, row.lease,
    row.started, row.finished, row.lost, row.producer, #row.token, row.token, #row.long, row.long)
end

local function newRow(st, epoch, due, max, long)
  return {
    st = st, gen = 0, epoch = epoch, fails = 0, starts = 0, max = max, pinned = now, due = due, lease = 0, started = 0,
    finished = 0, lost = 0, producer = 0, token = '', long = long, side = band(rshift(st, 15), 1), effects = 0, class = 0,
    verdict = 0, control = 0, late = 0, state = 0, p = false, s = false, c = false,
  }
end

local function routeOf(row) return band(row.st, 3) end
local function sideName(row) return SIDES[row.side] end
-- the side of a route's primary and of its shadow
local function primarySide(row) return SIDES[rshift(routeOf(row), 1)] end
local function shadowSide(row) return SIDES[1 - rshift(routeOf(row), 1)] end

-- files measures under the families of this row; nils are left out
local function count(row, ...)
  local sums, closed = bucketOf(row.epoch, row.due)
  local first, second = 'job/', nil
  if closed then first = 'late/'
  elseif band(row.st, 128) ~= 0 or DOUBT[band(rshift(row.st, 2), 15)] then first = 'excluded/'
  elseif band(row.st, 256) ~= 0 then second = 'key/' end
  for i = 1, select('#', ...) do
    local measure = select(i, ...)
    if measure then
      add(sums, first .. measure)
      if second then add(sums, second .. measure) end
    end
  end
end

local function gauge(name, n) gauges[name] = (gauges[name] or 0) + n end

-- takes a row out of the gauges (-1) before it is changed, or puts it back (+1) after
local function weigh(row, n)
  local state = row.state
  if state ~= 3 then
    gauge((state == 0 and 'waiting.' or state == 1 and 'running.' or 'moving.') .. sideName(row), n)
    if row.lost ~= 0 then gauge('lost.' .. sideName(row), n) end
    dues[row.due] = (dues[row.due] or 0) + n
  end
  if row.verdict == 1 then gauge('pairs', n) end
  if row.control == 1 then gauge('controls', n) end
end

local function isSettled(row) return row.state == 3 and row.verdict ~= 1 and row.control ~= 1 end

-- an unfinished row, or a finished one that is not settled
local function load(id)
  local stored = call('HGET', U, id)
  local home = 'u'
  if not stored then
    stored, home = call('HGET', F, id), 'f'
    if not stored then return nil end
  end
  local row = readRow(stored)
  row.home, row.was = home, row.state
  return row
end
`

export const LUA_SAVE = `
local function slotsOf(id, row)
  if row.home == 's' then return row.out, nil, nil end
  return row.p and call('HGET', X, 'p' .. id), row.s and call('HGET', X, 's' .. id), row.c and call('HGET', X, 'c' .. id)
end

-- stores a changed row where it belongs now; outcome is that of the primary if it came with this change
local function save(id, row, outcome)
  if row.home == 's' then return replaceSettled(id, row) end
  if row.was == 1 and row.state ~= 1 then call('SREM', R, id)
  elseif row.state == 1 and row.was ~= 1 then call('SADD', R, id) end
  if row.state ~= 3 then
    call('HSET', U, id, writeRow(row))
    row.home = 'u'
  elseif isSettled(row) then
    if row.home == 'u' then call('HDEL', U, id) elseif row.home == 'f' then call('HDEL', F, id) end
    if row.p then outcome = call('HGET', X, 'p' .. id) end
    if row.p or row.s or row.c then call('HDEL', X, 'p' .. id, 's' .. id, 'c' .. id) end
    row.p, row.s, row.c = false, false, false
    row.out = outcome or nil
    insertSettled(id, row, outcome or nil)
    row.home = 's'
  else
    if outcome then
      call('HSET', X, 'p' .. id, outcome)
      row.p = true
    end
    call('HSET', F, id, writeRow(row))
    if row.home == 'u' then call('HDEL', U, id) end
    row.home = 'f'
  end
  row.was = row.state
end

-- the primary's end: row, slot and counts in one step; silent: a cancelled job's end is never late
local function settle(id, row, class, outcome, silent)
  local side = sideName(row)
  count(row, CLASSES[class] .. '.' .. side,
    (class == 1 or class == 3) and ('failed.group.' .. side .. '.' .. band(rshift(row.st, 9), 63)) or nil,
    (not silent and row.verdict == 3 and not row.p) and 'late-outcome.primary' or nil)
  row.state, row.class, row.finished, row.lease, row.lost = 3, class, now, 0, 0
  save(id, row, outcome)
end
`
