// BullMQ's own scripts, as it defines them on a client: to be run inside scripts of ours, so that what they do stays
// BullMQ's business and what costs a round trip a job costs one a chunk.

/** What ioredis keeps of a script that was defined on a client. */
interface Defined {
  readonly lua: string
  readonly numberOfKeys: number
}

/** The script whose name, version and all, begins like this; undefined where the client has none. */
export function definedOn(client: unknown, beginning: string): (Defined & { readonly name: string }) | undefined {
  const { scriptsSet = {} } = client as { scriptsSet?: Record<string, Partial<Defined> | undefined> }
  const name = Object.keys(scriptsSet).find((one) => one.startsWith(beginning))
  const { lua, numberOfKeys } = (name === undefined ? undefined : scriptsSet[name]) ?? {}
  if (name === undefined || typeof lua !== 'string' || typeof numberOfKeys !== 'number') return undefined
  return { name, lua, numberOfKeys }
}

/**
 * A whole script as a function of a larger one, with keys and arguments of its own. What it only defines, before it first
 * looks at them, is defined once and not at each call, where that can be told for certain.
 */
export function asFunction(name: string, lua: string): string {
  const [definitions, rest] = split(lua)
  return `local ${name}\ndo\n${definitions}\n${name} = function(KEYS, ARGV)\n${rest}\nend\nend\n`
}

const COMMENT = /--\[\[.*?\]\]|--[^\n]*/gs
/** At the beginning of a line stand only definitions of functions, their ends, and the usual short name. */
const ONLY_DEFINES = /^(?:\s.*|end|local function .*|local \w+ = function ?\(.*|local rcall = redis\.call|)$/

/** A function of Lua may use 60 names from outside of it; of names of its own it may have as many as a script. */
const MOST_DEFINITIONS = 50

/** Definitions, and what is to be run each time. */
function split(lua: string): readonly [definitions: string, rest: string] {
  const lines = lua.split('\n')
  const code = lua.replaceAll(COMMENT, (comment) => comment.replaceAll(/[^\n]/g, '')).split('\n')
  const looks = code.findIndex((line) => /\b(?:KEYS|ARGV)\b/.test(line))
  const ends = code.slice(0, Math.max(0, looks)).lastIndexOf('end') + 1
  const definitions = code.slice(0, ends)
  if (!definitions.every((line) => ONLY_DEFINES.test(line))) return ['', lua]
  if (definitions.filter((line) => line.startsWith('local ')).length > MOST_DEFINITIONS) return ['', lua]
  return [lines.slice(0, ends).join('\n'), lines.slice(ends).join('\n')]
}

/**
 * What a loop makes of a job's error. That of a replica is the same for all jobs and nothing was changed: it is the answer
 * of the whole command, because clients look for it (`reconnectOnError`) to find the server that takes writes.
 */
export const ERRORS = `
local function textOf(got) return type(got) == 'table' and got.err or tostring(got) end
local function ofReplica(text)
  local at = string.find(text, 'READONLY ', 1, true)
  return at and redis.error_reply(string.sub(text, at))
end`
