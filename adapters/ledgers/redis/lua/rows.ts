// The rows that a script works on: read at once at its start, changed in Lua, written at once at its end.
//
// `u` holds open, running and moving rows; `f` finished ones with an open verdict; `r` is the set of running ids; `x`
// holds the outcomes of shadowed rows by arm. A row goes from `u` to `f` to a settled bucket, so that a scan of `u` and
// then `f` misses none; it comes back only when a failed job is run again. `mv` holds what a moving job is to be sent
// with, `mn` and the id its moves. The first write of a script is always one that full memory refuses: nothing is
// deleted in a script that fails, because nothing rolls back.

/** The batch of ids and the stored rows among them. */
export const LUA_BATCH = `
local U, F, R, X = base .. 'u', base .. 'f', base .. 'r', base .. 'x'
-- what changes, what is fixed; a row also has its token and the full id
local ROW_FIXED = '>I4I4I4I4i6i6i6i6I3I4I4i6i6I4'

-- ARGV[5]: the ids of the batch. raw: their stored rows; cache: what became of them in this script, false for none
local ids, raw, cache = {}, {}, {}
local function readIds()
  local list, at, n = ARGV[5], 1, 0
  while at <= #list do
    n = n + 1
    ids[n], at = unpack('>Bc0', list, at)
  end
  local stored = call('HMGET', U, spread(ids))
  for i = 1, n do raw[ids[i]] = stored[i] end
end

-- what the end of the script writes at once
local udel, srem = { U }, { R }
local function push(list, value) list[#list + 1] = value end
`

export const LUA_ROWS = `
local ROW = ROW_FIXED .. 'Bc0I2c0'
local HOT, HOT_ST, HOT_SIZE, COLD_DUE, COLD_END = '>I4I4I4I4i6i6i6i6', '>I4I4I4I4i6i6i6i6I3', 40, 58, 67

-- mu: 0 effects | 1-2 class | 3-5 verdict | 6-8 control verdict | 9-11 copies seen | 12-13 state | 14-16 slots p, s, c
-- 17 shared
local function readRow(s)
  local mu, gen, fails, starts, lease, started, finished, lost, st, epoch, max, pinned, due, producer, token, long = unpack(ROW, s)
  local state, verdict = band(rshift(mu, 12), 3), band(rshift(mu, 3), 7)
  return {
    st = st, gen = gen, epoch = epoch, fails = fails, starts = starts, max = max, pinned = pinned, due = due,
    lease = lease, started = started, finished = finished, lost = lost, producer = producer, token = token, long = long,
    side = band(rshift(st, 15), 1), effects = band(mu, 1), class = band(rshift(mu, 1), 3), verdict = verdict,
    control = band(rshift(mu, 6), 7), seen = band(rshift(mu, 9), 7), state = state, was = state,
    p = band(mu, 16384) ~= 0, s = band(mu, 32768) ~= 0, c = band(mu, 65536) ~= 0, slotted = band(mu, 114688) ~= 0,
    shared = band(mu, 131072) ~= 0,
  }
end

local function writeRow(row)
  local mu = row.effects + row.class * 2 + row.verdict * 8 + row.control * 64 + row.seen * 512 + row.state * 4096 + (row.shared and 131072 or 0)
  if row.verdict ~= 0 then mu = mu + (row.p and 16384 or 0) + (row.s and 32768 or 0) + (row.c and 65536 or 0) end
  return pack(ROW, mu, row.gen, row.fails, row.starts, row.lease, row.started, row.finished, row.lost, row.st, row.epoch,
    row.max, row.pinned, row.due, row.producer, #row.token, row.token, #row.long, row.long)
end

local function newRow(st, epoch, due, max, long)
  return {
    st = st, gen = 0, epoch = epoch, fails = 0, starts = 0, max = max, pinned = now, due = due, lease = 0, started = 0,
    finished = 0, lost = 0, producer = 0, token = '', long = long, side = band(rshift(st, 15), 1), effects = 0, class = 0,
    verdict = 0, control = 0, seen = 0, state = 0, p = false, s = false, c = false,
  }
end

-- open, generation 0, no run was ever granted: its copy may not be there
local function neverStarted(row) return row.state == 0 and row.gen == 0 and row.started == 0 end

-- nothing more is counted of this copy; 1 shadow, 2 control, then both in the order in which they came
local function see(row, arm)
  if row.seen == 0 then row.seen = arm elseif row.seen < 3 and row.seen ~= arm then row.seen = row.seen + 2 end
end

local function routeOf(row) return band(row.st, 3) end
local function sideName(row) return SIDES[row.side] end
-- the side of a route's primary and of its shadow
local function primarySide(row) return SIDES[rshift(routeOf(row), 1)] end
local function shadowSide(row) return SIDES[1 - rshift(routeOf(row), 1)] end

-- files measures under the families of this row; nils are left out
local function count(row, ...)
  local sums = sumsOf(row.st, row.epoch, row.due, row.gen)
  for i = 1, select('#', ...) do
    local measure = select(i, ...)
    if measure then sums[measure] = (sums[measure] or 0) + 1 end
  end
end

local function time(row, code, bucket, target) timed(row.st, row.epoch, row.due, row.gen, code, bucket, target) end

local function isCompared(verdict) return verdict == 4 or verdict == 5 end

-- primary, shadow and control are not yet all compared, and still may be
local function isTripleOpen(row)
  local pair, control = isCompared(row.verdict), isCompared(row.control)
  return (pair or row.verdict == 1) and (control or row.control == 1) and not (pair and control)
end

-- what a job that is cancelled or moved leaves of its pair and its triple
local function countWithdrawn(row)
  count(row, row.verdict == 1 and not row.s and 'shadow.withdrawn.' .. shadowSide(row) or nil,
    isTripleOpen(row) and 'triple.out' or nil)
end

local GAUGES = { [0] = waiting, running, moving }
local function gauge(name, n) gauges[name] = (gauges[name] or 0) + n end

-- takes a row out of the gauges (-1) before it is changed, or puts it back (+1) after
local function weigh(row, n)
  local state = row.state
  if state ~= 3 then
    GAUGES[state][row.side] = GAUGES[state][row.side] + n
    if row.lost ~= 0 then gauge('lost.' .. SIDES[row.side], n) end
    if row.side == 1 and neverStarted(row) then readyAt(row.due, n) end
    dues[row.due] = (dues[row.due] or 0) + n
  end
  if row.verdict == 1 then gauge('pairs', n) end
  if row.control == 1 then gauge('controls', n) end
end

local function isSettled(row) return row.state == 3 and row.verdict ~= 1 and row.control ~= 1 end

-- an unfinished row, or a finished one that is not settled
local function load(id)
  local row = cache[id]
  if row ~= nil then return row or nil end
  local stored, home = raw[id], 'u'
  if not stored then
    stored, home = call('HGET', F, id), 'f'
    if not stored then return nil end
  end
  row = readRow(stored)
  row.home = home
  cache[id] = row
  return row
end

-- the outcomes by arm
local function slotsOf(id, row)
  return row.p and (row.pOut or call('HGET', X, 'p' .. id)), row.s and (row.sOut or call('HGET', X, 's' .. id)),
    row.c and (row.cOut or call('HGET', X, 'c' .. id))
end

-- what the end of the script writes at once, beside what it deletes of open and running rows
local uset, fset, xset, fdel, xdel, sadd, mdel = { U }, { F }, { X }, { F }, { X }, { R }, { base .. 'mv' }

local changed = {}
-- notes a new or changed row; once it is settled only the primary's outcome is kept
local function save(id, row)
  cache[id] = row
  if not row.noted then
    row.noted = true
    changed[#changed + 1] = id
    changed[#changed + 1] = row
  end
  if isSettled(row) then
    if row.p and not row.pOut then row.pOut = call('HGET', X, 'p' .. id) or nil end
    row.s, row.c, row.sOut, row.cOut = false, false, nil, nil
  end
end
`

/** Writes what the script changed. */
export const LUA_SAVE = `
local function flushRows()
  for i = 1, #changed, 2 do
    local id, row = changed[i], changed[i + 1]
    local home = row.home
    local settled = isSettled(row)
    if row.was == 2 and row.state ~= 2 then push(mdel, id) end
    if row.gen > 0 and row.state == 3 and row.was ~= 3 then keepMoves(id) end
    if row.state == 1 and not row.gone then
      if row.was ~= 1 then push(sadd, id) end
    elseif row.was == 1 then push(srem, id) end
    if row.gone then
      if home then push(udel, id) end
    elseif settled then
      if home == 's' then replaceSettled(id, row) else insertSettled(id, row, row.pOut) end
      if home == 'u' then push(udel, id) elseif home == 'f' then push(fdel, id) end
    else
      if row.pOut then push(xset, 'p' .. id) push(xset, row.pOut) end
      if row.sOut then push(xset, 's' .. id) push(xset, row.sOut) end
      if row.cOut then push(xset, 'c' .. id) push(xset, row.cOut) end
      if row.state == 3 then
        push(fset, id)
        push(fset, writeRow(row))
        if home == 'u' then push(udel, id) end
      else
        push(uset, id)
        push(uset, writeRow(row))
        if home == 'f' then push(fdel, id) elseif home == 's' then removeSettled(id, row) end
      end
    end
    if row.slotted and (settled or row.gone or row.cleared) then
      push(xdel, 'p' .. id)
      push(xdel, 's' .. id)
      push(xdel, 'c' .. id)
    end
  end
  if #uset > 1 then call('HSET', spread(uset)) end
  if #fset > 1 then call('HSET', spread(fset)) end
  if #xset > 1 then call('HSET', spread(xset)) end
  if #sadd > 1 then call('SADD', spread(sadd)) end
  if #udel > 1 then call('HDEL', spread(udel)) end
  if #fdel > 1 then call('HDEL', spread(fdel)) end
  if #xdel > 1 then call('HDEL', spread(xdel)) end
  if #srem > 1 then call('SREM', spread(srem)) end
  if #mdel > 1 then call('HDEL', spread(mdel)) end
end

-- the primary's end: row, slot and counts in one step; silent: a cancelled job's end is never late
local function settle(id, row, class, outcome, silent)
  local side = SIDES[row.side]
  weigh(row, -1)
  count(row, CLASSES[class] .. '.' .. side, (not silent and row.verdict == 3 and not row.p) and 'late-outcome.primary' or nil)
  if class ~= 2 then happened(row.st, row.epoch, row.gen, 'settled.' .. side) end
  if class == 1 or class == 3 then
    happened(row.st, row.epoch, row.gen, 'failed.' .. side)
    if row.side == 1 then happened(row.st, row.epoch, row.gen, 'failed.group.' .. band(rshift(row.st, 9), 63)) end
  end
  row.state, row.class, row.finished, row.lease, row.lost, row.shared = 3, class, now, 0, 0, false
  if outcome then row.p, row.pOut = true, outcome end
  weigh(row, 1)
  save(id, row)
end

local function flush()
  flushCounts()
  flushRows()
  flushPuts()
  flushSlices()
end
`
