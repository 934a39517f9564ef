// Scripts of the worker: claim, begin and extend, and the ends of a job that no run of its own brings.

/**
 * Answers now, one letter an item (`g` granted, `b` busy, `f` finished, `d` drop, `e` defer, `k` park) and the packed
 * rest of those that have more to say.
 */
export const LUA_CLAIM = `
readIds()
local batch, at, letters, rest = ARGV[6], 1, {}, {}

local function answer(letter, more)
  letters[#letters + 1] = letter
  if more then rest[#rest + 1] = more end
end

local function finished(id, row)
  local out = row.p and (row.pOut or call('HGET', X, 'p' .. id))
  answer('f', pack('>BI4c0', row.class, #(out or ''), out or ''))
end

-- the usual case without a table: an open row of this side and generation; true when it was granted
local function take(id, flags, gen, token, leaseMs, maxStarts)
  local stored = raw[id]
  if not stored or cache[id] then return false end
  local mu, rowGen, fails, starts, _, started, finished, lost, st = unpack(HOT_ST, stored)
  if band(mu, 12288) ~= 0 or rowGen ~= gen or starts >= maxStarts then return false end
  local side = band(rshift(st, 15), 1)
  if side ~= band(flags, 1) then return false end
  if side == 1 and gen == 0 and started == 0 then readyAt(unpack('>i6', stored, COLD_DUE), -1) end
  mu = mu + 4096
  if band(flags, 4) ~= 0 and mu % 2 == 0 then mu = mu + 1 end
  if started == 0 then started = now end
  local changed = pack(HOT, mu, gen, fails, starts + 1, now + leaseMs, started, finished, lost)
    .. stored:sub(HOT_SIZE + 1, COLD_END) .. string.char(#token) .. token
    .. stored:sub(COLD_END + 2 + stored:byte(COLD_END + 1))
  waiting[side], running[side] = waiting[side] - 1, running[side] + 1
  push(uset, id)
  push(uset, changed)
  push(sadd, id)
  raw[id] = changed
  return true
end

for i = 1, #ids do
  local id = ids[i]
  local flags, gen, token, leaseMs, max, maxStarts, route, epoch, due, long
  flags, gen, token, leaseMs, max, maxStarts, route, epoch, due, long, at = unpack('>BI4Bc0I4I4I4BI4i6I2c0', batch, at)
  local taken = take(id, flags, gen, token, leaseMs, maxStarts)
  local row = not taken and find(id)
  if taken then answer('g', raw[id])
  elseif not row then
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
    finished(id, row)
  elseif row.gen > gen then answer('d')
  elseif row.gen < gen or row.side ~= band(flags, 1) then answer('e')
  elseif row.state == 1 and row.token == token then answer('g', writeRow(row))
  elseif row.state == 1 and row.lease > now then answer('b', pack('>i6', row.lease))
  elseif row.starts >= maxStarts then
    local out = 'S' .. row.starts
    settle(id, row, 1, out)
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
flush()
return { tostring(now), table.concat(letters), table.concat(rest) }
`

/** begin (ARGV[7] = 'b'), release (\`r\`) and extend (\`e\`): one letter an item, \`1\` or \`0\`. */
export const LUA_HOLD = `
readIds()
local batch, at, letters = ARGV[6], 1, {}
for i = 1, #ids do
  local id = ids[i]
  local gen, token, leaseMs
  gen, token, leaseMs, at = unpack('>I4Bc0I4', batch, at)
  local row = load(id)
  local held = row and row.state == 1 and row.token == token and row.gen == gen
  if held then
    if ARGV[7] == 'e' then
      row.lease = now + leaseMs
      save(id, row)
    elseif ARGV[7] == 'r' then
      weigh(row, -1)
      row.state, row.lease, row.starts = 0, 0, row.starts - 1
      weigh(row, 1)
      save(id, row)
    elseif row.effects == 0 then
      row.effects = 1
      save(id, row)
    end
  end
  letters[i] = held and '1' or '0'
end
if ARGV[7] == 'r' then flushCounts() end
flushRows()
return table.concat(letters)
`

/** cancel, discard, closeFailed, markLost of one id: ARGV[6] what, ARGV[7] error or 1/0. */
export const LUA_END = `
readIds()
local id, what, detail = ids[1], ARGV[6], ARGV[7]
local answer = '0'
if what == 'cancel' or what == 'discard' then
  local row = find(id)
  local done = what == 'cancel' and 'cancelled' or 'discarded'
  if not row then answer = 'absent'
  elseif row.state == 3 then answer = row.class == 2 and done or 'finished'
  elseif what == 'discard' and row.state == 1 and row.lease > now then answer = 'running'
  elseif what == 'cancel' and row.state ~= 0 then answer = row.state == 1 and 'running' or 'moving'
  else
    countWithdrawn(row)
    count(row, row.verdict == 1 and 'pair.cancelled' or nil, row.verdict == 1 and 'pair.orphaned.' .. primarySide(row) or nil,
      row.control == 1 and 'control.orphaned.legacy' or nil)
    weigh(row, -1)
    if row.verdict == 1 then row.verdict = 3 end
    if row.control == 1 then row.control = 3 end
    row.seen = 3
    weigh(row, 1)
    settle(id, row, 2, nil, true)
    answer = done
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
        save(id, row)
        answer = '1'
      end
    elseif row.state ~= 2 then
      settle(id, row, 3, 'B' .. row.starts .. ':' .. detail)
      answer = '1'
    end
  end
end
flush()
return answer
`
