// How does a parked job lie in Redis? In one hash beside the queue's own keys: its id → a line of ours, then the
// backend's own record as it was.

import type { ParkedJob, ParkReason, StoredJob } from '../src/ports/queue.ts'
import { PAGE_BYTES } from './redis-pages.ts'
import { countIn, fieldsOf } from './stored-fields.ts'

/** The line in front of a parked job's record. */
interface ParkNote {
  readonly reason: ParkReason
  readonly parkedAt: number
  /** Where the job was due later; else it waited. */
  readonly runAt?: number
}

/** `reason` stands first: a page of the list is filtered by it without parsing. */
export function parkNote(reason: ParkReason): string {
  const now = Date.now()
  return JSON.stringify({ reason, parkedAt: now, runAt: now } satisfies ParkNote)
}

/** Lua: `now`, the server's time in ms, as text. */
export const NOW = `
local time = call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))`

/**
 * Lua of a page of the park list, its arguments from `first` on: CURSOR LIMIT REASONS ('' for all, else `,late,moving,`)
 * → next cursor, id, stored, id, stored, …, and the server's time. It looks at some thousands of entries, so that a long list blocks nobody.
 */
export function parkedPage(first: number): string {
  return `
local cursor, limit, wanted = ARGV[${first}], tonumber(ARGV[${first + 1}]), ARGV[${first + 2}]
local found, looked, bytes = {}, 0, 0
repeat
  local reply = call('HSCAN', parked, cursor, 'COUNT', math.min(limit, 50))
  cursor = reply[1]
  for at = 1, #reply[2], 2 do
    looked = looked + 1
    local reason = string.match(reply[2][at + 1], '^{"reason":"(%a+)"') or 'damaged'
    if wanted == '' or string.find(wanted, ',' .. reason .. ',', 1, true) then
      found[#found + 1] = reply[2][at]
      found[#found + 1] = reply[2][at + 1]
      bytes = bytes + #reply[2][at + 1]
    end
  end
until cursor == '0' or #found >= 2 * limit or looked >= 5000 or bytes >= ${PAGE_BYTES}
${NOW}
return { cursor, found, now }`
}

/** Lua, its arguments from `first` on: ID, ID, … → a digit each: 1 if it was parked. */
export function dropParked(first: number): string {
  return `
local answers = {}
for at = ${first}, #ARGV do answers[#answers + 1] = call('HDEL', parked, ARGV[at]) end
return table.concat(answers)`
}

/** Arguments for {@link parkedPage}. */
export function parkedArgs(options: {
  readonly reasons?: readonly ParkReason[]
  readonly limit?: number
  readonly cursor?: string
}): readonly (string | number)[] {
  const { reasons, limit = 500, cursor = '0' } = options
  return [cursor, Math.max(1, limit), reasons === undefined ? '' : `,${reasons.join(',')},`]
}

/** `read` makes a job of the backend's record. */
export function parkedJob(stored: string, read: (record: string) => StoredJob): ParkedJob {
  const end = stored.indexOf('\n')
  const job = { ...read(stored.slice(end + 1)), place: 'parked' as const }
  const note = noteIn(stored.slice(0, Math.max(0, end)))
  if (note === undefined) return { ...job, reason: 'damaged', parkedAt: 0, damaged: 'its park note cannot be read' }
  return { ...job, ...note }
}

function noteIn(line: string): Required<ParkNote> | undefined {
  try {
    const { reason, parkedAt, runAt } = fieldsOf(JSON.parse(line))
    if (typeof reason !== 'string') return undefined
    return { reason: reason as ParkReason, parkedAt: countIn(parkedAt), runAt: countIn(runAt) }
  } catch {
    return undefined
  }
}
