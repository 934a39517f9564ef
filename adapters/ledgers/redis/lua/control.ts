// Scripts of the control state: latch, ceiling, epochs; presence, leases, audit.
//
// \`c\` holds latch, ceiling, control share, the number of the current epoch and how a plan is driven, \`drive\` its controller's
// record; \`e\` the epochs, \`a\` the audit log, \`p\` the heartbeats, \`l\` the leases. JSON texts are made by the client and never decoded here.

import { PRESENCE_TTL_MS } from '../../../../src/ports/ledger.ts'

export const LUA_CONTROL: string = `
local C, E, A, P = base .. 'c', base .. 'e', base .. 'a', base .. 'p'
local PRESENCE_TTL = ${PRESENCE_TTL_MS}

local function controlState()
  local epoch = call('HGET', C, 'epoch') or '0'
  return { tostring(now), call('HGETALL', C), epoch, call('HGET', E, epoch) or '' }
end

-- the epoch's own facts stand before its JSON: started, latched, by
local function openEpoch(latched, by, json)
  local epoch = call('HINCRBY', C, 'epoch', 1)
  call('HSET', E, epoch, pack('>i6BI2c0', now, latched and 1 or 0, #by, by) .. json)
  return epoch
end

local function epochJson()
  local stored = call('HGET', E, call('HGET', C, 'epoch') or '0')
  if not stored then return '' end
  local _, _, _, at = unpack('>i6BI2c0', stored)
  return stored:sub(at)
end

local function audit(json) call('RPUSH', A, pack('>i6', now) .. json) end

local function turnLatch(set, by, why)
  call('HSET', C, 'latch', set and '1' or '0', 'latchBy', by, 'latchWhy', why, 'latchAt', tostring(now))
  call('HINCRBY', C, 'latchRevision', 1)
  if set and call('HGET', C, 'driven') == '1' then call('HSET', C, 'ceiling', '0') end
  openEpoch(set, by, epochJson())
end

-- whether a process of this heartbeat has been gone for longer than the retention
local function isForgotten(stored)
  local at, left = unpack('>i6B', stored)
  return at + (left == 1 and 0 or PRESENCE_TTL) + retainMs < now
end
`

export const LUA_CONTROL_READ = `
return controlState()
`

/** ARGV[5] 1 or 0, ARGV[6] by, ARGV[7] why, ARGV[8] audit entry. Setting what is set changes nothing. */
export const LUA_LATCH = `
local set = ARGV[5] == '1'
if (call('HGET', C, 'latch') == '1') ~= set then
  turnLatch(set, ARGV[6], ARGV[7])
  audit(ARGV[8])
end
return controlState()
`

/** ARGV[5] which field, ARGV[6] its value, ARGV[7] audit entry. */
export const LUA_DIAL = `
if call('HGET', C, ARGV[5]) ~= ARGV[6] then
  call('HSET', C, ARGV[5], ARGV[6])
  audit(ARGV[7])
end
return controlState()
`

/** ARGV[5] the epoch expected, ARGV[6] by, ARGV[7] its JSON, ARGV[8] audit entry, ARGV[9] 1 if a plan is believed to be driven. */
export const LUA_EPOCH = `
if (call('HGET', C, 'epoch') or '0') == ARGV[5] and (call('HGET', C, 'driven') or '0') == ARGV[9] then
  openEpoch(call('HGET', C, 'latch') == '1', ARGV[6], ARGV[7])
  audit(ARGV[8])
end
return controlState()
`

export const LUA_DRIVE_READ = `
return { controlState(), call('GET', base .. 'drive') or '' }
`

/**
 * ARGV[5] revision and ARGV[6] latch revision expected, ARGV[7] token, ARGV[8] driven, ARGV[9] record, ARGV[10] by,
 * ARGV[11] ceiling, ARGV[12] control share, ARGV[13] 1 to latch, ARGV[14] why, ARGV[15] epoch expected, ARGV[16] its
 * JSON, from ARGV[17] audit entries. Answers whether it was done, and what stands then.
 */
export const LUA_DRIVE = `
local function step()
  if call('HGET', C, 'driveToken') == ARGV[7] then return 1 end
  if (call('HGET', C, 'drive') or '0') ~= ARGV[5] or (call('HGET', C, 'latchRevision') or '0') ~= ARGV[6] then return 0 end
  if ARGV[15] ~= '' and (call('HGET', C, 'epoch') or '0') ~= ARGV[15] then return 0 end
  call('HINCRBY', C, 'drive', 1)
  call('HSET', C, 'driveToken', ARGV[7], 'driven', ARGV[8])
  call('SET', base .. 'drive', ARGV[9])
  if ARGV[11] ~= '' then call('HSET', C, 'ceiling', ARGV[11]) end
  if ARGV[12] ~= '' then call('HSET', C, 'controlShare', ARGV[12]) end
  local latched = call('HGET', C, 'latch') == '1'
  if ARGV[13] == '1' and not latched then turnLatch(true, ARGV[10], ARGV[14]) end
  if ARGV[15] ~= '' then openEpoch(latched, ARGV[10], ARGV[16]) end
  for i = 17, #ARGV do audit(ARGV[i]) end
  return 1
end
local done = step()
return { done, controlState(), call('GET', base .. 'drive') or '' }
`

/** ARGV[5] instance, ARGV[6] 1 when it leaves, ARGV[7] JSON. */
export const LUA_BEAT = `
call('HSET', P, ARGV[5], pack('>i6B', now, tonumber(ARGV[6])) .. ARGV[7])
return controlState()
`

/** Answers now and the records in turn, without those gone for longer than the retention. */
export const LUA_PRESENCE = `
local answer, flat = { tostring(now) }, call('HGETALL', P)
for i = 1, #flat, 2 do
  if not isForgotten(flat[i + 1]) then answer[#answer + 1] = flat[i + 1] end
end
return answer
`

/** ARGV[5] name, ARGV[6] holder, ARGV[7] for how long; 0 releases. Answers held, holder, until. */
export const LUA_LEASE = `
local L = base .. 'l'
local stored, ttl = call('HGET', L, ARGV[5]), tonumber(ARGV[7])
local untilMs, holder = 0, ''
if stored then untilMs, holder = unpack('>i6I2c0', stored) end
if ttl == 0 then
  if holder == ARGV[6] then call('HDEL', L, ARGV[5]) end
  return { 0, '', '0' }
end
if holder == ARGV[6] or untilMs <= now then
  untilMs = now + ttl
  call('HSET', L, ARGV[5], pack('>i6I2c0', untilMs, #ARGV[6], ARGV[6]))
  return { 1, ARGV[6], tostring(untilMs) }
end
return { 0, holder, tostring(untilMs) }
`

/** ARGV[5] the entry, ARGV[6] a name of this call: the same call twice appends once. */
export const LUA_AUDIT = `
if call('SET', base .. 'once' .. ARGV[6], '', 'NX', 'PX', 600000) then audit(ARGV[5]) end
return tostring(now)
`

/** ARGV[5] how many, newest last. */
export const LUA_HISTORY = `
return call('LRANGE', A, -tonumber(ARGV[5]), -1)
`
