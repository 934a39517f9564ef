// Which MCP servers are there, how are they started or reached, and how long may each phase take? From what the user
// wrote in `cutover.config.ts` (`mcp: { … }`) and in an `mcp.json` to settled values, everything wrong refused by its path.
//
// What exists beside it: `config-file.ts` reads the `mcp.json` form; `ready.ts` fills in a process's environment, late,
// so that a variable that is missing in one worker is found there and not at the start of every process.
// Nothing here loads the SDK. Arguments, values of `env` and headers may be secrets: `describeServer` prints names only.

import { type Duration, parseDuration } from '../vocabulary/duration.ts'
import { CutoverError, isCutoverError } from '../vocabulary/errors.ts'
import type { Side } from '../vocabulary/job.ts'
import { readServersFile } from './config-file.ts'

/** What happens to a server in its life, in order; each has a time-out of its own. */
export const MCP_PHASES = ['spawn', 'initialize', 'list', 'call', 'close'] as const
/** `spawn` is, of a server that is reached over HTTP, the opening of the connection. */
export type McpPhase = (typeof MCP_PHASES)[number]

/** Ms. */
export type McpTimeouts = Readonly<Record<McpPhase, number>>
export const MCP_TIMEOUTS: McpTimeouts = Object.freeze({
  spawn: 5_000,
  initialize: 10_000,
  list: 10_000,
  call: 10_000,
  close: 2_000,
})

/**
 * The call that shows that a server works, not only that it lists. `'read-only'`: the first tool that declares
 * `readOnlyHint` and needs no arguments. Or a tool by name, whatever it does.
 */
export type McpSample = 'read-only' | { readonly tool: string; readonly arguments?: Readonly<Record<string, unknown>> }

interface McpServerBase {
  /** How long each phase may take. Default spawn `'5s'`, initialize, list and call `'10s'`, close `'2s'`. */
  readonly timeouts?: Readonly<Partial<Record<McpPhase, Duration>>>
  /** Default: none; a probe ends with the list. */
  readonly sample?: McpSample
}

/** A server that is started as a child process and spoken to over its standard streams. No shell is involved. */
export interface McpStdioConfig extends McpServerBase {
  readonly type?: 'stdio'
  readonly command: string
  readonly args?: readonly string[]
  /**
   * Given to the server beside HOME, LOGNAME, PATH, SHELL, TERM and USER; nothing else of the worker's environment is.
   * A value that is `undefined` (`process.env.TOKEN` where there is none) counts as missing in this process.
   */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Names of variables that are handed on from the worker's own environment. */
  readonly passEnv?: readonly string[]
  readonly cwd?: string
}

/** A server that is reached over HTTP: `http` is streamable HTTP, the default; `sse` the older form. */
export interface McpHttpConfig extends McpServerBase {
  readonly type?: 'http' | 'sse'
  readonly url: string
  readonly headers?: Readonly<Record<string, string | undefined>>
}

export type McpServerConfig = McpStdioConfig | McpHttpConfig

/** `mcp` of the configuration. */
export interface McpConfig {
  /** Servers by name. */
  readonly servers?: Readonly<Record<string, McpServerConfig>>
  /** Path of a file in the usual form, `{ "mcpServers": { … } }`; a server of the same name in `servers` wins. */
  readonly file?: string
  /** Each worker probes its servers once when it starts. Default false. */
  readonly probeAtStart?: boolean
  /**
   * A guard that you have in front of your tools: answers why this worker must not try this server, or undefined.
   * What is guarded counts as a failure (`skipped-by-guard`), never as "no tools, ok".
   */
  readonly guard?: (server: string, side: Side) => string | undefined
}

interface ServerSettingsBase {
  readonly name: string
  readonly timeouts: McpTimeouts
  readonly sample?: McpSample
  /** `${NAME}` in its texts stands for a variable of the process's environment: it came from an `mcp.json`. */
  readonly expands: boolean
}
/** One server, every default filled in; before the environment is: `ready.ts`. */
export type McpServerSettings = ServerSettingsBase &
  (
    | {
        readonly transport: 'stdio'
        readonly command: string
        readonly args: readonly string[]
        readonly env: Readonly<Record<string, string | undefined>>
        readonly passEnv: readonly string[]
        readonly cwd?: string
      }
    | {
        readonly transport: 'http' | 'sse'
        readonly url: string
        readonly headers: Readonly<Record<string, string | undefined>>
      }
  )

/** What one migration may use; undefined in its settings where nothing is configured. */
export interface McpSettings {
  /** In the order of the configuration. */
  readonly servers: readonly McpServerSettings[]
  readonly probeAtStart: boolean
  readonly guard?: (server: string, side: Side) => string | undefined
}

/**
 * The servers of one migration: all that are configured, or those it names (`mcp: ['files']`; `[]`: none).
 * `config-invalid` by the path of what is wrong. Reads `file`, relative to the working folder; starts nothing.
 */
export function resolveMcp(given: unknown, names: unknown, path: string): McpSettings | undefined {
  if (given === undefined && names === undefined) return undefined
  const { servers, probeAtStart, guard } = resolveAll(given ?? {})
  const chosen = choose(servers, names, path)
  if (chosen.length === 0) return undefined
  return { servers: chosen, probeAtStart, ...(guard === undefined ? {} : { guard }) }
}

const KNOWN = {
  mcp: ['servers', 'file', 'probeAtStart', 'guard'],
  stdio: ['type', 'command', 'args', 'env', 'passEnv', 'cwd', 'timeouts', 'sample'],
  http: ['type', 'url', 'headers', 'timeouts', 'sample'],
} as const

interface All {
  readonly servers: readonly McpServerSettings[]
  readonly probeAtStart: boolean
  readonly guard?: McpSettings['guard']
}

function resolveAll(given: unknown): All {
  if (!isObject(given)) refuse('mcp', 'is not an object', 'e.g. { servers: { files: { command: "…" } } }')
  refuseUnknown(given, KNOWN.mcp, 'mcp')
  const { servers = {}, file, probeAtStart = false, guard } = given
  if (typeof probeAtStart !== 'boolean') refuse('mcp.probeAtStart', 'is not true or false', 'leave it out for false')
  if (guard !== undefined && typeof guard !== 'function')
    refuse('mcp.guard', 'is not a function', 'e.g. (server, side) => undefined')
  if (!isObject(servers)) refuse('mcp.servers', 'is not an object', 'servers by name')
  const found = new Map<string, McpServerSettings>()
  for (const [name, server] of Object.entries(fileServers(file)))
    found.set(name, resolveServer(name, server, { at: `mcp.file: mcpServers.${name}`, expands: true }))
  for (const [name, server] of Object.entries(servers))
    found.set(name, resolveServer(name, server, { at: `mcp.servers.${name}`, expands: false }))
  return {
    servers: [...found.values()],
    probeAtStart,
    ...(guard === undefined ? {} : { guard: guard as Exclude<McpSettings['guard'], undefined> }),
  }
}

function fileServers(file: unknown): Readonly<Record<string, unknown>> {
  if (file === undefined) return {}
  if (typeof file !== 'string' || file === '') refuse('mcp.file', 'is not a path', 'e.g. "mcp.json"')
  return readServersFile(file, (wrong, allowed) => refuse('mcp.file', wrong, allowed))
}

function choose(servers: readonly McpServerSettings[], names: unknown, path: string): readonly McpServerSettings[] {
  if (names === undefined) return servers
  const there = servers.map(({ name }) => name)
  const allowed = there.length === 0 ? 'no server is configured under mcp' : `there are: ${there.join(', ')}`
  if (!Array.isArray(names)) refuse(path, 'is not a list of names', allowed)
  for (const name of names)
    if (!there.includes(name as string)) refuse(path, `names ${JSON.stringify(name)}, which is not configured`, allowed)
  return servers.filter(({ name }) => names.includes(name))
}

interface Where {
  readonly at: string
  readonly expands: boolean
}

function resolveServer(name: string, given: unknown, { at, expands }: Where): McpServerSettings {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/.test(name))
    refuse(at, 'is not a name for a server', 'up to 60 letters, digits, "-", "_" or ".", a letter or digit first')
  if (!isObject(given)) refuse(at, 'is not an object', '{ command: "…" } or { url: "https://…" }')
  const { command, url, type } = given
  if ((command === undefined) === (url === undefined))
    refuse(at, `has ${command === undefined ? 'neither' : 'both'} command and url`, 'one of them')
  const transport = transportOf(type, command !== undefined, `${at}.type`)
  refuseUnknown(given, KNOWN[transport === 'stdio' ? 'stdio' : 'http'], at)
  const sample = resolveSample(given['sample'], `${at}.sample`)
  const base = {
    name,
    timeouts: resolveTimeouts(given['timeouts'], `${at}.timeouts`),
    ...(sample === undefined ? {} : { sample }),
    expands,
  }
  if (transport !== 'stdio') {
    return {
      ...base,
      transport,
      url: urlOf(url, expands, `${at}.url`),
      headers: texts(given['headers'], `${at}.headers`),
    }
  }
  const { cwd } = given
  if (cwd !== undefined && typeof cwd !== 'string') refuse(`${at}.cwd`, 'is not a path', 'the folder to start it in')
  return {
    ...base,
    transport,
    command: text(command, `${at}.command`, 'the program to start; arguments go to args'),
    args: list(given['args'], `${at}.args`),
    env: texts(given['env'], `${at}.env`),
    passEnv: list(given['passEnv'], `${at}.passEnv`),
    ...(cwd === undefined ? {} : { cwd }),
  }
}

const TYPES = { stdio: 'stdio', http: 'http', 'streamable-http': 'http', streamableHttp: 'http', sse: 'sse' } as const

function transportOf(type: unknown, started: boolean, at: string): 'stdio' | 'http' | 'sse' {
  if (type === undefined) return started ? 'stdio' : 'http'
  const transport = Object.hasOwn(TYPES, String(type)) ? TYPES[String(type) as keyof typeof TYPES] : undefined
  const allowed = started ? 'allowed with command: stdio' : 'allowed with url: http, sse'
  if (transport === undefined || (transport === 'stdio') !== started)
    refuse(at, `is ${JSON.stringify(type) ?? String(type)}`, allowed)
  return transport
}

/** Not printed where it is wrong: it may hold a token. */
function urlOf(value: unknown, expands: boolean, at: string): string {
  const url = text(value, at, 'e.g. "https://mcp.example.org/mcp"')
  if (expands && url.includes('${')) return url
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:')
    refuse(at, 'is not a URL of http or https', 'e.g. "https://mcp.example.org/mcp"')
  return url
}

function resolveTimeouts(given: unknown, at: string): McpTimeouts {
  if (given === undefined) return MCP_TIMEOUTS
  if (!isObject(given)) refuse(at, 'is not an object', `durations by phase: ${MCP_PHASES.join(', ')}`)
  refuseUnknown(given, MCP_PHASES, at)
  const times = MCP_PHASES.map((phase) => {
    const value = given[phase]
    if (value === undefined) return [phase, MCP_TIMEOUTS[phase]]
    const ms = durationOf(value, `${at}.${phase}`)
    if (ms < 10 || ms > 600_000) refuse(`${at}.${phase}`, `is ${ms} ms`, '"10ms" to "10m"')
    return [phase, ms]
  })
  return Object.freeze(Object.fromEntries(times)) as McpTimeouts
}

function durationOf(value: unknown, at: string): number {
  try {
    return parseDuration(value, at)
  } catch (cause) {
    if (!isCutoverError(cause)) throw cause
    throw new CutoverError('config-invalid', `cutover.config: ${cause.message}`, { details: { path: at } })
  }
}

function resolveSample(given: unknown, at: string): McpSample | undefined {
  if (given === undefined || given === 'read-only') return given
  if (!isObject(given) || typeof given['tool'] !== 'string' || given['tool'] === '')
    refuse(at, 'is no sample call', '"read-only", or { tool: "name", arguments: { … } }')
  refuseUnknown(given, ['tool', 'arguments'], at)
  const { tool, arguments: values } = given
  if (values !== undefined && (!isObject(values) || Array.isArray(values)))
    refuse(`${at}.arguments`, 'is not an object', 'arguments by name')
  return { tool, ...(values === undefined ? {} : { arguments: values }) }
}

function text(value: unknown, at: string, allowed: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) refuse(at, 'is not a text', allowed)
  return value
}

function list(value: unknown, at: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string' || item.includes('\0')))
    refuse(at, 'is not a list of texts', 'e.g. ["--root", "/data"]')
  return value as string[]
}

/** Values are never printed, names are. */
function texts(value: unknown, at: string): Readonly<Record<string, string | undefined>> {
  if (value === undefined) return {}
  if (!isObject(value) || Array.isArray(value)) refuse(at, 'is not an object', 'texts by name')
  for (const [name, item] of Object.entries(value))
    if (item !== undefined && typeof item !== 'string')
      refuse(`${at}.${name}`, `is ${item === null ? 'null' : typeof item}`, 'a text')
  return value as Record<string, string | undefined>
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function refuseUnknown(value: object, known: readonly string[], at: string): void {
  for (const name of Object.keys(value))
    if (!known.includes(name)) refuse(`${at}.${name}`, 'is not known', `allowed: ${known.join(', ')}`)
}

function refuse(path: string, wrong: string, allowed: string): never {
  throw new CutoverError('config-invalid', `cutover.config: ${path}: ${wrong}; ${allowed}`, { details: { path } })
}

/** A server for people: how it is reached, with names only of what may be a secret. */
export function describeServer(server: McpServerSettings): string {
  if (server.transport !== 'stdio') {
    const { origin, pathname } = URL.canParse(server.url) ? new URL(server.url) : { origin: 'a URL', pathname: '' }
    const names = Object.keys(server.headers)
    return `${server.transport} ${origin}${pathname}${names.length === 0 ? '' : `, headers ${names.join(', ')}`}`
  }
  const names = [...Object.keys(server.env), ...server.passEnv]
  const count = server.args.length
  const args = count === 0 ? '' : `, ${count} argument${count === 1 ? '' : 's'}`
  return `stdio ${server.command}${args}${names.length === 0 ? '' : `, env ${names.join(', ')}`}`
}
