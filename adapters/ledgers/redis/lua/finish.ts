// Script of finish: the row, the write-once slot and the counters in one transaction.

/** The usual end without a table: the success of a job that is not shadowed. */
const LUA_SUCCEED = `
local OK = { [0] = 'ok.legacy', 'ok.target' }
local SETTLED = { [0] = 'settled.legacy', 'settled.target' }
local EFFECT_FAILED = { [0] = 'effect-failed.legacy', 'effect-failed.target' }

-- true when it was stored
local function succeed(id, gen, token, run, wait, out, effectFailed)
  local stored = raw[id]
  if not stored or cache[id] then return false end
  local mu, rowGen, fails, starts, _, started, _, lost, st, epoch, max, pinned, due, producer = unpack(ROW_FIXED, stored)
  -- neither moving, nor with a verdict, nor lost
  if mu > 8191 or band(mu, 504) ~= 0 or rowGen ~= gen or lost ~= 0 then return false end
  local side = band(rshift(st, 15), 1)
  local tally = bucketOf(epoch, due)
  local family = familyOf(tally, st, gen)
  local sums, log = tally[family], tally.log
  sums[OK[side]] = (sums[OK[side]] or 0) + 1
  if effectFailed then sums[EFFECT_FAILED[side]] = (sums[EFFECT_FAILED[side]] or 0) + 1 end
  -- both entries of \`timed\` at once
  log[#log + 1] = wait > 0 and pack('>BI2BI2', side * 8 + family, run, (6 + side) * 8 + family, wait)
    or pack('>BI2', side * 8 + family, run)
  happened(st, epoch, gen, SETTLED[side])
  waited(st, epoch, gen, side, wait)
  putSettled(id, head(st, mu % 2, gen, fails, starts, max, epoch, pinned, due, started, now, producer, token), out)
  if mu > 4095 then
    running[side] = running[side] - 1
    push(srem, id)
  else
    waiting[side] = waiting[side] - 1
    if side == 1 and gen == 0 and started == 0 then readyAt(due, -1) end
  end
  dues[due] = (dues[due] or 0) - 1
  push(udel, id)
  raw[id] = false
  if gen > 0 then keepMoves(id) end
  return true
end
`

/** One letter an item: `0` stored, `?` it is no such case and {@link LUA_FINISH} is to be asked. */
export const LUA_SUCCEEDED = `${LUA_SUCCEED}
readIds()
local batch, at, letters = ARGV[6], 1, {}
for i = 1, #ids do
  local flags, gen, token, run, wait, out
  flags, gen, token, run, wait, out, at = unpack('>BI4Bc0i4i4I4c0', batch, at)
  letters[i] = succeed(ids[i], gen, token, run, wait, out, band(flags, 32) ~= 0) and '0' or '?'
end
flushCounts()
flushPuts()
if #udel > 1 then call('HDEL', spread(udel)) end
if #srem > 1 then call('SREM', spread(srem)) end
flushSlices()
return table.concat(letters)
`

/**
 * Answers now, one letter an item and the packed rest. Letters: `0`-`3` finished with this class and nothing to
 * compare, `p` with a pair, `r` retry, `d` refused because done, `t`, `g`, `m`, `a` the other refusals.
 */
export const LUA_FINISH = `${LUA_SUCCEED}
readIds()
local batch, at, letters, rest = ARGV[6], 1, {}, {}

local function answer(letter, more)
  letters[#letters + 1] = letter
  if more then rest[#rest + 1] = more end
end

local function slot(text) return pack('>I4c0', text and #text or 0, text or '') end

local function finished(id, row, class)
  if row.verdict == 0 and row.control == 0 then return answer(tostring(class)) end
  local p, s, c = slotsOf(id, row)
  answer('p', pack('>BBBB', class, routeOf(row), row.verdict, row.control) .. slot(p) .. slot(s) .. slot(c))
end

local function ended(id, row, class, item)
  settle(id, row, class, item.out)
  if band(item.flags, 32) ~= 0 then count(row, 'effect-failed.' .. sideName(row)) end
  if class == 1 and item.cls ~= '' then count(row, 'error.primary.' .. sideName(row) .. '.' .. item.cls) end
  time(row, row.side, item.run)
  if item.wait > 0 then time(row, 6 + row.side, item.wait) end
  waited(row.st, row.epoch, row.gen, row.side, item.wait)
  finished(id, row, class)
end

local function unrecorded(id, item)
  if band(item.flags, 64) == 0 then return answer('a') end
  local st = item.st
  local row = newRow(st, item.epoch, item.due, 1, '')
  row.gen, row.token = item.gen, item.token
  local side = SIDES[item.side]
  local how = band(st, 128) ~= 0 and 'adopted.' or DOUBT[band(rshift(st, 2), 15)] and 'unflagged.'
  count(row, 'dispatched.' .. side, 'route.' .. ROUTES[band(st, 3)], how and how .. side or nil)
  weigh(row, 1)
  ended(id, row, item.ok and 0 or 1, item)
end

local function primary(id, item)
  if item.ok and succeed(id, item.gen, item.token, item.run, item.wait, item.out, band(item.flags, 32) ~= 0) then return answer('0') end
  local row = find(id)
  if not row then return unrecorded(id, item) end
  local side = SIDES[item.side]
  if row.state == 3 then
    if row.token == (row.home == 's' and kept(item.token) or item.token) then return finished(id, row, row.class) end
    if item.ok then
      count(row, (row.side == item.side and row.gen == item.gen) and 'zombie.' .. side or 'finished-twice')
    end
    return answer('d', pack('>B', row.class))
  end
  if row.gen ~= item.gen or row.state == 2 then
    count(row, 'zombie.' .. side)
    return answer(row.state == 2 and 'm' or 'g')
  end
  if item.ok then
    row.token = item.token
    return ended(id, row, 0, item)
  end
  if row.state == 0 and band(item.flags, 128) ~= 0 then
    row.token = item.token
    return ended(id, row, 1, item)
  end
  if row.token ~= item.token then return answer('t') end
  if row.state == 0 then return answer('r', pack('>I4I4', row.fails, row.max)) end
  if row.fails + 1 < row.max and band(item.flags, 16) == 0 then
    weigh(row, -1)
    row.fails, row.state, row.lease = row.fails + 1, 0, 0
    weigh(row, 1)
    save(id, row)
    count(row, 'retried.' .. side)
    return answer('r', pack('>I4I4', row.fails, row.max))
  end
  row.fails = row.fails + 1
  ended(id, row, 1, item)
end

local function copy(id, item)
  local row = find(id)
  local isShadow = item.arm == 1
  local verdict = row and (isShadow and row.verdict or row.control)
  if not row or verdict == 0 then return answer('a') end
  local class = item.ok and 0 or 1
  local filled
  if isShadow then filled = row.s else filled = row.c end
  if filled or row.seen > 2 or row.seen == item.arm then return finished(id, row, class) end
  if verdict ~= 1 then
    if verdict == 2 or verdict == 3 then
      see(row, item.arm)
      save(id, row)
      count(row, 'late-outcome.' .. ARMS[item.arm])
    end
    return finished(id, row, class)
  end
  if isShadow then row.s, row.sOut = true, item.out else row.c, row.cOut = true, item.out end
  save(id, row)
  local side, result = SIDES[item.side], item.ok and 'ok' or 'failed'
  count(row, isShadow and 'shadow.' .. result .. '.' .. side or 'control.' .. result)
  if isShadow and not item.ok and item.cls ~= '' then count(row, 'error.shadow.' .. side .. '.' .. item.cls) end
  time(row, item.arm * 2 + item.side, item.run)
  waited(row.st, row.epoch, row.gen, item.side, item.wait)
  finished(id, row, class)
end

local item = {}
for i = 1, #ids do
  local id, flags = ids[i], nil
  flags, item.gen, item.token, item.run, item.wait, item.out, item.epoch, item.due, item.st, item.cls, at =
    unpack('>BI4Bc0i4i4I4c0I4i6I3Bc0', batch, at)
  item.flags, item.arm, item.side, item.ok = flags, band(flags, 3), band(rshift(flags, 2), 1), band(flags, 8) ~= 0
  if item.arm == 0 then primary(id, item) else copy(id, item) end
end
flush()
return { tostring(now), table.concat(letters), table.concat(rest) }
`
