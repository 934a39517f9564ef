// Scripts of the worker: claim, begin and extend, and the ends of a job that no run of its own brings.

/**
 * Answers now, one letter an item (`g` granted, `b` busy, `f` finished, `d` drop, `e` defer, `k` park) and the packed
 * rest of those that have more to say.
 */
export const LUA_CLAIM = `
local batch, at, letters, rest = ARGV[5], 1, {}, {}

local function answer(letter, more)
  letters[#letters + 1] = letter
  if more then rest[#rest + 1] = more end
end

local function finished(row)
  local out = row.out
  if not out and row.p then out = call('HGET', X, 'p' .. row.id) end
  answer('f', pack('>BI4c0', row.class, #(out or ''), out or ''))
end

while at <= #batch do
  local id, flags, gen, token, leaseMs, max, maxStarts, route, epoch, due, long
  id, flags, gen, token, leaseMs, max, maxStarts, route, epoch, due, long, at = unpack('>Bc0BI4Bc0I4I4I4BI4i6I2c0', batch, at)
  local row = load(id) or findSettled(id)
  if not row then
    if band(flags, 2) ~= 0 then answer('k')
    else
      local adopted = band(flags, 8) ~= 0
      local side = band(flags, 1)
      row = newRow(route + (adopted and R_ADOPTED * 4 + 128 or R_LEDGER_UNAVAILABLE * 4) + side * 32768, epoch, due, max, long)
      row.state, row.gen, row.token, row.lease, row.starts, row.started = 1, gen, token, now + leaseMs, 1, now
      row.effects = band(flags, 4) ~= 0 and 1 or 0
      count(row, 'dispatched.' .. SIDES[side], 'route.' .. ROUTES[route], (adopted and 'adopted.' or 'unflagged.') .. SIDES[side])
      weigh(row, 1)
      save(id, row)
      answer('g', writeRow(row))
    end
  elseif row.state == 3 then
    row.id = id
    finished(row)
  elseif row.gen > gen then answer('d')
  elseif row.gen < gen or row.side ~= band(flags, 1) then answer('e')
  elseif row.state == 1 and row.token == token then answer('g', writeRow(row))
  elseif row.state == 1 and row.lease > now then answer('b', pack('>i6', row.lease))
  elseif row.starts >= maxStarts then
    local out = 'S' .. row.starts
    weigh(row, -1)
    settle(id, row, 1, out)
    weigh(row, 1)
    answer('f', pack('>BI4c0', 1, #out, out))
  else
    weigh(row, -1)
    row.state, row.token, row.lease, row.starts = 1, token, now + leaseMs, row.starts + 1
    if band(flags, 4) ~= 0 then row.effects = 1 end
    if row.started == 0 then row.started = now end
    weigh(row, 1)
    save(id, row)
    answer('g', writeRow(row))
  end
end
flushCounts()
flushSlices()
return { tostring(now), table.concat(letters), table.concat(rest) }
`

/** begin (ARGV[6] = 'b') and extend: one letter an item, \`1\` or \`0\`. */
export const LUA_HOLD = `
local batch, at, letters = ARGV[5], 1, {}
while at <= #batch do
  local id, gen, token, leaseMs
  id, gen, token, leaseMs, at = unpack('>Bc0I4Bc0I4', batch, at)
  local row = load(id)
  local held = row and row.state == 1 and row.token == token and row.gen == gen
  if held then
    if ARGV[6] == 'b' then
      if row.effects == 0 then
        row.effects = 1
        call('HSET', U, id, writeRow(row))
      end
    else
      row.lease = now + leaseMs
      call('HSET', U, id, writeRow(row))
    end
  end
  letters[#letters + 1] = held and '1' or '0'
end
return table.concat(letters)
`

/** cancel, closeFailed, markLost of one id: ARGV[5] id, ARGV[6] what, ARGV[7] error or 1/0. */
export const LUA_END = `
local id, what, detail = ARGV[5], ARGV[6], ARGV[7]
local answer = '0'
if what == 'cancel' then
  local row = find(id)
  if not row then answer = 'absent'
  elseif row.state == 3 then answer = row.class == 2 and 'cancelled' or 'finished'
  elseif row.state ~= 0 then answer = row.state == 1 and 'running' or 'moving'
  else
    weigh(row, -1)
    count(row, row.verdict == 1 and 'pair.orphaned.' .. primarySide(row) or nil,
      row.control == 1 and 'control.orphaned.legacy' or nil)
    if row.verdict == 1 then row.verdict = 3 end
    if row.control == 1 then row.control = 3 end
    row.late = 3
    settle(id, row, 2, nil, true)
    weigh(row, 1)
    answer = 'cancelled'
  end
else
  local row = load(id)
  if row and row.state ~= 3 then
    if what == 'lost' then
      local lost = detail == '1'
      if (row.lost ~= 0) ~= lost then
        weigh(row, -1)
        row.lost = lost and now or 0
        weigh(row, 1)
        call('HSET', U, id, writeRow(row))
      end
    elseif row.state ~= 2 then
      weigh(row, -1)
      settle(id, row, 3, 'B' .. row.starts .. ':' .. detail)
      weigh(row, 1)
      answer = '1'
    end
  end
end
flushCounts()
flushSlices()
return answer
`
