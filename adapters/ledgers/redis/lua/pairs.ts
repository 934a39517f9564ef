// Scripts of comparisons: shed, compare and orphan close a verdict once; mismatches leave samples and groups.

const LUA_VERDICTS = `
local function verdictOf(row, which) return which == 0 and row.verdict or row.control end

-- the arm with which a control is compared is whichever ran on legacy
local function filledOf(row, which)
  if which == 0 then return row.p, row.s end
  if routeOf(row) < 2 then return row.p, row.c end
  return row.s, row.c
end

local function close(id, row, which, verdict, ...)
  weigh(row, -1)
  if verdict == 2 or verdict == 3 then
    -- shed or orphaned: the copies that were there are not late when they come again
    if row.s then see(row, 1) end
    if row.c then see(row, 2) end
  end
  if which == 0 then row.verdict = verdict else row.control = verdict end
  weigh(row, 1)
  count(row, ...)
  save(id, row)
end
`

export const LUA_SHED = `${LUA_VERDICTS}
readIds()
for i = 1, #ids do
  local id, which = ids[i], ARGV[6]:byte(i)
  local row = load(id)
  if row and verdictOf(row, which) == 1 then
    local _, second = filledOf(row, which)
    if not second then
      close(id, row, which, 2, which == 0 and 'shadow.shed.' .. shadowSide(row) or 'control.shed',
        isTripleOpen(row) and 'triple.out' or nil)
    end
  end
end
flush()
return tostring(now)
`

export const LUA_ORPHAN = `${LUA_VERDICTS}
readIds()
local letters = {}
for i = 1, #ids do
  local id, which = ids[i], ARGV[6]:byte(i)
  local row = load(id)
  local orphaned = false
  if row and verdictOf(row, which) == 1 and row.due + deadlineMs + slackMs < now then
    local first, second = filledOf(row, which)
    if which == 0 then
      orphaned = first ~= second
      if orphaned then close(id, row, 0, 3, 'pair.orphaned.' .. (second and primarySide(row) or shadowSide(row))) end
    else
      orphaned = row.verdict ~= 1 and not (first and second)
      -- a control and the run that it is compared with both belong on legacy
      if orphaned then close(id, row, 1, 3, 'control.orphaned.legacy') end
    end
  end
  letters[#letters + 1] = orphaned and '1' or '0'
end
flush()
return table.concat(letters)
`

/**
 * Samples: \`sm\` number → head and JSON, \`sg\` number → its groups, \`sr\` group → its newest sample. A sample goes when
 * it is not among the newest and the newest of no group. Groups: \`df\` counts and \`de\` examples by epoch; those beyond
 * the bound are \`dr\`.
 */
export const LUA_COMPARE = `${LUA_VERDICTS}
readIds()
local batch, at, letters = ARGV[6], 1, {}
local ERRORS = { 'pair.errors.both', 'pair.errors.target-only', 'pair.errors.legacy-only' }
local SM, SG, SR = base .. 'sm', base .. 'sg', base .. 'sr'

local function drop(number)
  local groups = call('HGET', SG, number)
  if not groups then return end
  for group in groups:gmatch('[^\\n]+') do
    if call('HGET', SR, group) == number then return end
  end
  call('HDEL', SM, number)
  call('HDEL', SG, number)
end

local function sample(id, epoch, json, groups)
  local number = call('HINCRBY', M, 'samples', 1)
  local name = tostring(number)
  call('HSET', SM, name, pack('>i6I4Bc0', now, epoch, #id, id) .. json)
  call('HSET', SG, name, table.concat(groups, '\\n'))
  for i = 1, #groups do
    local before = call('HGET', SR, groups[i])
    call('HSET', SR, groups[i], name)
    if before and tonumber(before) <= number - SAMPLES_KEPT then drop(before) end
  end
  drop(tostring(number - SAMPLES_KEPT))
end

local function group(epoch, key, example, seen)
  local counts = base .. 'df' .. epoch
  local examples = base .. 'de' .. epoch
  if call('HEXISTS', counts, key) == 0 and call('HLEN', counts) >= GROUPS_KEPT then
    key = key:match('^%l+|%l+|') .. '…'
    counts = base .. 'dr' .. epoch
  end
  if not seen[key] then
    seen[key] = true
    seen[#seen + 1] = key
    if call('HINCRBY', counts, key, 1) == 1 then call('HSET', examples, key, example) end
  end
end

-- what this comparison makes of the triple
local function tripleOf(row, which, verdict)
  if not isTripleOpen(row) then return nil end
  if verdict == 6 then return 'triple.out' end
  local other = which == 0 and row.control or row.verdict
  if not isCompared(other) then return nil end
  local pair, control = which == 0 and verdict or other, which == 0 and other or verdict
  if pair == 5 then return control == 5 and 'triple.both' or 'triple.target-only' end
  return control == 5 and 'triple.control-only' or 'triple.neither'
end

for i = 1, #ids do
  local id = ids[i]
  local which, verdict, errors, legacyTime, targetTime, json, n
  which, verdict, errors, legacyTime, targetTime, json, n, at = unpack('>BBBI2I2I4c0I2', batch, at)
  local row = load(id)
  local closes = false
  if row and verdictOf(row, which) == 1 then
    local first, second = filledOf(row, which)
    closes = first and second
  end
  if closes then
    if which == 0 and verdict ~= 6 and legacyTime > 0 then time(row, PAIR, legacyTime, targetTime) end
    close(id, row, which, verdict, (which == 0 and 'pair.' or 'control.') .. VERDICTS[verdict],
      which == 0 and ERRORS[errors] or nil, tripleOf(row, which, verdict))
  end
  local seen = {}
  for _ = 1, n do
    local key, example
    key, example, at = unpack('>I2c0I4c0', batch, at)
    if closes then group(row.epoch, key, example, seen) end
  end
  if closes and #json > 0 then sample(id, row.epoch, json, seen) end
  letters[#letters + 1] = closes and '1' or '0'
end
flush()
return table.concat(letters)
`

/** ARGV[5]: of this job only, or empty. Answers number and text in turn. */
export const LUA_SAMPLES = `
local flat, found = call('HGETALL', base .. 'sm'), {}
for i = 1, #flat, 2 do
  local _, _, id = unpack('>i6I4Bc0', flat[i + 1])
  if ARGV[5] == '' or id == ARGV[5] then
    found[#found + 1] = flat[i]
    found[#found + 1] = flat[i + 1]
  end
end
return found
`
