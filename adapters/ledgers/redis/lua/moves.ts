// Scripts of moves: the commit point, the arrival, and what is kept beside the row meanwhile.

/**
 * Answers now, one letter an item (`m` moving; refused: `b` busy, `d` in doubt, `e` effects begun, `f` finished,
 * `g` generation, `h` elsewhere, `v` moving otherwise, `a` absent) and the rows of those that move, the leases of those
 * that are busy.
 */
export const LUA_MOVE = `
readIds()
local batch, at, letters, rest = ARGV[6], 1, {}, {}
local KINDS = { [0] = 'move', 'force', 'retry' }
local FORCE, RETRY = 1, 2

local function refusal(row, item)
  if row.gen > item.gen then return row.state == 3 and 'f' or 'g' end
  if row.gen < item.gen or row.side ~= item.from then return 'h' end
  if row.state == 3 then
    return not (item.kind == RETRY and (row.class == 1 or row.class == 3)) and 'f' or nil
  end
  if row.state == 2 then return item.kind ~= FORCE and 'v' or nil end
  if row.state == 1 then
    if row.lease > now then return 'b' end
    return row.effects == 1 and item.kind ~= FORCE and 'd' or nil
  end
  return row.effects == 1 and item.kind == 0 and 'e' or nil
end

local function note(id, item, gen)
  local key = base .. 'mn' .. id
  call('RPUSH', key, cjson.encode({ at = now, gen = gen, kind = KINDS[item.kind], from = SIDES[item.from],
    to = SIDES[item.to], by = item.by }))
  call('PERSIST', key)
  call('HSET', base .. 'mv', id, item.payload)
end

local function takeOut(id, row, item)
  local again = row.state == 3
  if not again then count(row, 'moved-out.' .. SIDES[row.side]) end
  countWithdrawn(row)
  count(row, row.verdict == 1 and 'pair.moved' or nil, row.control == 1 and 'control.moved' or nil)
  local reopened = again and 'reopened.' .. CLASSES[row.class] .. '.' .. SIDES[row.side]
  weigh(row, -1)
  if again then row.fails, row.starts, row.class, row.finished, row.producer = 0, 0, 0, 0, 0 end
  if row.side ~= item.to then
    row.st = row.st + (item.to == 1 and 32768 or -32768)
    row.side = item.to
  end
  if row.verdict == 1 then row.verdict = 7 end
  if row.control == 1 then row.control = 7 end
  row.state, row.gen, row.token, row.lease, row.lost, row.shared = 2, row.gen + 1, '', now + item.leaseMs, 0, false
  row.p, row.s, row.c, row.pOut, row.sOut, row.cOut, row.cleared = false, false, false, nil, nil, nil, true
  if row.long == '' then row.long = item.long end
  weigh(row, 1)
  count(row, reopened or 'moved-in.' .. SIDES[item.to])
  save(id, row)
end

local function insert(id, item)
  local absent = item.absent
  local st = absent.st
  local row = newRow(st, absent.epoch, absent.due, absent.max, item.long)
  row.state, row.gen, row.lease = 2, item.gen + 1, now + item.leaseMs
  row.fails = math.min(absent.fails, absent.max - 1)
  local from = SIDES[item.from]
  local how = band(st, 128) ~= 0 and 'adopted.' or DOUBT[band(rshift(st, 2), 15)] and 'unflagged.'
  count(row, 'dispatched.' .. from, 'route.' .. ROUTES[band(st, 3)], how and how .. from or nil,
    'moved-out.' .. from, 'moved-in.' .. SIDES[item.to])
  weigh(row, 1)
  save(id, row)
  return row
end

for i = 1, #ids do
  local id, flags, more = ids[i], nil, nil
  local item, absent = {}, {}
  flags, item.gen, item.leaseMs, item.by, item.long, item.payload, absent.st, absent.epoch, absent.due, absent.max,
    absent.fails, at = unpack('>BI4I4Bc0I2c0I4c0I3I4i6I4I4', batch, at)
  item.from, item.to, item.kind = band(flags, 1), band(rshift(flags, 1), 1), band(rshift(flags, 2), 3)
  if band(flags, 16) ~= 0 then item.absent = absent end
  local row = find(id)
  local why
  if not row then
    if item.absent then
      row = insert(id, item)
      note(id, item, row.gen)
    else why = 'a' end
  elseif not (row.state == 2 and row.gen == item.gen + 1 and row.side == item.to) then
    why = refusal(row, item)
    if not why then
      takeOut(id, row, item)
      note(id, item, row.gen)
    end
  end
  letters[i] = why or 'm'
  if not why then rest[#rest + 1] = writeRow(row) elseif why == 'b' then rest[#rest + 1] = pack('>i6', row.lease) end
end
flush()
return { tostring(now), table.concat(letters), table.concat(rest) }
`

/** One `1` or `0` an item. */
export const LUA_ARRIVE = `
readIds()
local batch, at, letters = ARGV[6], 1, {}
for i = 1, #ids do
  local id, gen = ids[i], nil
  gen, at = unpack('>I4', batch, at)
  local row = load(id)
  local there = row and row.state == 2 and row.gen == gen
  if there then
    weigh(row, -1)
    row.state, row.lease = 0, 0
    weigh(row, 1)
    save(id, row)
  end
  letters[i] = there and '1' or '0'
end
flush()
return table.concat(letters)
`

/** One text an item, or nothing. */
export const LUA_PAYLOADS = `
readIds()
return call('HMGET', base .. 'mv', spread(ids))
`

export const LUA_MOVES = `
readIds()
return call('LRANGE', base .. 'mn' .. ids[1], 0, -1)
`
