// Scripts of schedules. \`sc\` holds them by name: since, the last tick (0: none), the pattern with its zone, then the
// terms as the client wrote them, which are never decoded here.

const LUA_SCHEDULES = `
local SC, HEAD = base .. 'sc', '>i6i6I2c0'
`

/** ARGV[5] name, ARGV[6] pattern with zone, ARGV[7] terms, ARGV[8] audit entry. Answers the stored schedule. */
export const LUA_DECLARE = `${LUA_SCHEDULES}
local since, tick = now, 0
local known = call('HGET', SC, ARGV[5])
if known then
  local from, last, pattern, at = unpack(HEAD, known)
  if pattern == ARGV[6] then since = from end
  if pattern == ARGV[6] and known:sub(at) == ARGV[7] then return known end
  tick = last
end
local stored = pack(HEAD, since, tick, #ARGV[6], ARGV[6]) .. ARGV[7]
call('HSET', SC, ARGV[5], stored)
audit(ARGV[8])
return stored
`

/** ARGV[5] name, ARGV[6] tick. */
export const LUA_TICK = `${LUA_SCHEDULES}
local known = call('HGET', SC, ARGV[5])
if known then
  local since, last, pattern, at = unpack(HEAD, known)
  if tonumber(ARGV[6]) > last then
    call('HSET', SC, ARGV[5], pack(HEAD, since, tonumber(ARGV[6]), #pattern, pattern) .. known:sub(at))
  end
end
return tostring(now)
`

/** ARGV[5] name, ARGV[6] audit entry. */
export const LUA_UNSCHEDULE = `${LUA_SCHEDULES}
if call('HDEL', SC, ARGV[5]) == 1 then audit(ARGV[6]) end
return tostring(now)
`

/** Answers now, then the schedules. */
export const LUA_SCHEDULED = `${LUA_SCHEDULES}
local answer = call('HVALS', SC)
table.insert(answer, 1, tostring(now))
return answer
`
