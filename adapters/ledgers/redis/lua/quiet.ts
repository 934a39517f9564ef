// Scripts of the drain proof. \`qt\` holds for each side since when it has been seen empty, and with which print.

/** ARGV[5] side, ARGV[6] 1 if it is empty, ARGV[7] print. Answers what is noted then, or nothing. */
export const LUA_NOTE_QUIET = `
local QT = base .. 'qt'
if ARGV[6] == '0' then
  call('HDEL', QT, ARGV[5])
  return {}
end
local noted = call('HGET', QT, ARGV[5])
if not noted or noted:sub(noted:find(' ', 1, true) + 1) ~= ARGV[7] then
  noted = string.format('%.0f', now) .. ' ' .. ARGV[7]
  call('HSET', QT, ARGV[5], noted)
end
return { noted }
`

export const LUA_QUIET = `
return call('HGETALL', base .. 'qt')
`
