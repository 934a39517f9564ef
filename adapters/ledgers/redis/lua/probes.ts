// Scripts of what probes of MCP servers found: a list of each server and place, newest last, and the names of the lists.
//
// An entry is when, the round's id, and JSON that is made by the client and never decoded here.

import { PROBES_KEPT } from '../../../../src/vocabulary/probe.ts'

/** ARGV[5] server and place in one text, ARGV[6] the round's id, ARGV[7] JSON. The same round again replaces. */
export const LUA_PROBE: string = `
local list = base .. 'q' .. ARGV[5]
local entry = pack('>i6I2c0', now, #ARGV[6], ARGV[6]) .. ARGV[7]
local known = call('LRANGE', list, 0, -1)
for i = 1, #known do
  local _, id = unpack('>i6I2c0', known[i])
  if id == ARGV[6] then
    call('LSET', list, i - 1, entry)
    return 0
  end
end
call('SADD', base .. 'qn', ARGV[5])
call('RPUSH', list, entry)
call('LTRIM', list, -${PROBES_KEPT}, -1)
return 1
`

export const LUA_PROBES = `
local answer, names = {}, call('SMEMBERS', base .. 'qn')
table.sort(names)
for i = 1, #names do
  for _, entry in ipairs(call('LRANGE', base .. 'q' .. names[i], 0, -1)) do answer[#answer + 1] = entry end
end
return answer
`
