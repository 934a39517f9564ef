// BullMQ's own scripts, as it defines them on a client: to be run inside scripts of ours, so that what they do stays
// BullMQ's business and what costs a round trip a job costs one a chunk.

import { TESTED_VERSIONS } from './keys.ts'

/** What ioredis keeps of a script that was defined on a client. */
interface Defined {
  readonly lua: string
  readonly numberOfKeys: number
}

export interface OwnScript extends Defined {
  /** `moveToFinished:6.7.0`. */
  readonly name: string
}

/** The script whose name, which ends with BullMQ's version, begins like this; undefined where the client has none. */
export function definedOn(client: unknown, beginning: string): OwnScript | undefined {
  const { scriptsSet = {} } = client as { scriptsSet?: Record<string, Partial<Defined> | undefined> }
  const name = Object.keys(scriptsSet).find((one) => one.startsWith(beginning))
  const { lua, numberOfKeys } = (name === undefined ? undefined : scriptsSet[name]) ?? {}
  if (name === undefined || typeof lua !== 'string' || typeof numberOfKeys !== 'number') return undefined
  return { name, lua, numberOfKeys }
}

/**
 * A whole script as a function of a larger one, with keys and arguments of its own. Of versions that the tests run with,
 * the functions that it defines are defined once and not at each call: Redis makes them anew each time.
 */
export function asFunction(name: string, { name: command, lua }: Pick<OwnScript, 'name' | 'lua'>): string {
  const version = command.slice(command.indexOf(':') + 1)
  const isKnown = TESTED_VERSIONS.some((one) => version.startsWith(`${one}.`))
  const { first, definitions, rest } = isKnown ? split(lua) : { ...WHOLE, rest: lua }
  const body = `${name} = function(KEYS, ARGV)\n${first}\n${rest}\nend`
  return `local ${name}\ndo\nlocal rcall = redis.call\n${definitions}\n${body}\nend\n`
}

const WHOLE = { first: '', definitions: '' }
const COMMENT = /--\[\[.*?\]\]|--[^\n]*/gs
const BEGINS = /^local (?:function \w+|\w+ = function) ?\(/

/** A function of Lua may use 60 names from outside of it; of names of its own it may have as many as a script. */
const MOST_DEFINITIONS = 50

interface Parts {
  /** What stands before the functions. */
  readonly first: string
  readonly definitions: string
  readonly rest: string
}

/** BullMQ's scripts are a few variables, then functions, then what is done. Of another form: all is `rest`. */
function split(lua: string): Parts {
  const whole = { ...WHOLE, rest: lua }
  const lines = lua.split('\n')
  const code = lua.replaceAll(COMMENT, (comment) => comment.replaceAll(/[^\n]/g, '')).split('\n')
  const from = code.findIndex((line) => BEGINS.test(line))
  if (from < 0) return whole
  const functions: string[] = []
  let to = from
  for (let at = from; at < code.length; at += 1) {
    if (code[at]?.trim() === '') continue
    const end = BEGINS.test(code[at] ?? '') ? code.indexOf('end', at) : -1
    if (end < 0) break
    functions.push(code.slice(at, end + 1).join('\n'))
    to = end + 1
    at = end
  }
  if (functions.length > MOST_DEFINITIONS) return whole
  const variables = code.slice(0, from).flatMap((line) => /^local (\w+)/.exec(line)?.[1] ?? [])
  const foreign = ['KEYS', 'ARGV', ...variables.filter((name) => name !== 'rcall')]
  if (functions.some((text) => foreign.some((name) => usesForeign(text, name)))) return whole
  const part = (start: number, end?: number): string => lines.slice(start, end).join('\n')
  return { first: part(0, from), definitions: part(from, to), rest: part(to) }
}

/** The name stands in this function, and not as one of its own: nowhere as a parameter or a variable. */
function usesForeign(text: string, name: string): boolean {
  if (!new RegExp(`(?<![.\\w'"])${name}\\b(?!['"])`).test(text)) return false
  const parameters = /\(([^)]*)\)/.exec(text)?.[1] ?? ''
  if (parameters.split(',').some((one) => one.trim() === name)) return false
  return !new RegExp(`\\blocal (?:\\w+, ?)*${name}\\b`).test(text)
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
