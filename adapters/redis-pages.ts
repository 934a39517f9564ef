// How is a list or sorted set on Redis read page by page while others push, take and remove? No job that stays is passed
// over: a page begins behind the newest job of the page before that is still there, never at a remembered number.
//
// A cursor names the ids of the page before (`seen`) and an older job that was still there then (`pin`). If all of them
// are gone, what was before them is gone too, as workers take the oldest first: the scan begins anew, which is always
// right and then costs nothing.

import { CutoverError } from '../src/vocabulary/errors.ts'

export interface RedisCursor {
  /** Which of the queue's lists, from 0. */
  readonly source: number
  readonly pin: string
  readonly seen: readonly string[]
}

/** What a script that used {@link PAGES} answers; source 0: that was the last page. */
export type PageReply<Row> = readonly [source: number, pin: string, seen: readonly string[], rows: readonly Row[]]

/** Bytes of records after which a page is full. */
export const PAGE_BYTES: number = 4 * 1024 * 1024

/**
 * Lua: `listOf(key)` and `setOf(key)` are sources, oldest first; `behind(source, pin, seen)` is where the next page
 * begins, and the newest job of the earlier ones that is still there.
 */
export const PAGES = `
local function listOf(key)
  local function read(from, to)
    local newestFirst, ids = call('LRANGE', key, -to - 1, -from - 1), {}
    for at = #newestFirst, 1, -1 do ids[#ids + 1] = newestFirst[at] end
    return ids
  end
  local function place(id)
    local at = call('LPOS', key, id, 'RANK', -1)
    return at and call('LLEN', key) - 1 - at
  end
  return { read = read, place = place }
end
local function setOf(key)
  local function read(from, to) return call('ZRANGE', key, from, to) end
  local function place(id) return call('ZRANK', key, id) end
  return { read = read, place = place }
end
local function behind(source, pin, seen)
  local at = pin ~= '' and source.place(pin)
  local from = at and at + 1 or 0
  if not at then pin = '' end
  if #seen == 0 then return from, pin end
  local known = {}
  for _, id in ipairs(seen) do known[id] = true end
  local window = source.read(from, from + 2 * #seen - 1)
  for place = #window, 1, -1 do
    if known[window[place]] then return from + place, window[place] end
  end
  return from, pin
end
`

/** Lua: the type of each key of the script. */
export const TYPES_OF_KEYS = `
local types = {}
for at, key in ipairs(KEYS) do types[at] = call('TYPE', key).ok end
return types`

export function readCursor(adapter: string, cursor: string | undefined): RedisCursor {
  if (cursor === undefined) return { source: 1, pin: '', seen: [] }
  try {
    const [source, pin, seen] = JSON.parse(cursor) as [unknown, unknown, unknown]
    if (typeof source === 'number' && typeof pin === 'string' && Array.isArray(seen)) return { source, pin, seen }
  } catch {
    // told below
  }
  throw new CutoverError('option-invalid', `${adapter}: this is no cursor of list(); begin again without one`)
}

/** Undefined after the last page. */
export function nextCursor([source, pin, seen]: PageReply<unknown>): string | undefined {
  return source === 0 ? undefined : JSON.stringify([source, pin, seen])
}
