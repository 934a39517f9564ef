// One server as it is in this very process: variables filled in, the environment that it is given, what is missing.

import type { ProbePlaceOfHang } from '../vocabulary/probe.ts'
import type { McpServerSettings } from './config.ts'

/** Handed to every server that is started, as the SDK's own transport does. */
const INHERITED =
  process.platform === 'win32'
    ? [
        'APPDATA',
        'HOMEDRIVE',
        'HOMEPATH',
        'LOCALAPPDATA',
        'PATH',
        'PROCESSOR_ARCHITECTURE',
        'SYSTEMDRIVE',
        'SYSTEMROOT',
      ].concat(['TEMP', 'USERNAME', 'USERPROFILE', 'PROGRAMFILES'])
    : ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']

export type ReadyServer =
  | {
      readonly transport: 'stdio'
      readonly command: string
      readonly args: readonly string[]
      /** All of it. */
      readonly env: Readonly<Record<string, string>>
      readonly cwd?: string
    }
  | { readonly transport: 'http' | 'sse'; readonly url: URL; readonly headers: Readonly<Record<string, string>> }

export interface Readied {
  /** Undefined where something is missing. */
  readonly server?: ReadyServer
  /** Names of variables that are not set here, or of what is not a URL once they are. */
  readonly missing: readonly string[]
  /** Texts that no message may show: arguments, values, and what was filled in. */
  readonly secrets: readonly string[]
}

type Env = Readonly<Record<string, string | undefined>>

/** Pure. `${NAME}` and `${NAME:-default}` are filled in for servers of an `mcp.json` only. */
export function readyServer(settings: McpServerSettings, env: Env = process.env): Readied {
  const missing = new Set<string>()
  const fill = (text: string): string => (settings.expands ? expand(text, env, missing) : text)
  const fillAll = (values: Env): Record<string, string> => {
    const filled: Record<string, string> = {}
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) missing.add(name)
      else filled[name] = fill(value)
    }
    return filled
  }
  if (settings.transport !== 'stdio') {
    const headers = fillAll(settings.headers)
    const text = fill(settings.url)
    if (missing.size === 0 && !/^https?:\/\//.test(text)) missing.add('url')
    const secrets = [...Object.values(headers), ...querySecrets(text)]
    if (missing.size > 0 || !URL.canParse(text)) return { missing: [...missing], secrets }
    return { server: { transport: settings.transport, url: new URL(text), headers }, missing: [], secrets }
  }
  const args = settings.args.map(fill)
  const own = fillAll(settings.env)
  for (const name of settings.passEnv) {
    const value = env[name]
    if (value === undefined) missing.add(name)
    else own[name] = value
  }
  const command = fill(settings.command)
  const secrets = [...args, ...Object.values(own)]
  if (missing.size > 0) return { missing: [...missing], secrets }
  const inherited = INHERITED.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]))
  const cwd = settings.cwd === undefined ? {} : { cwd: fill(settings.cwd) }
  const server = {
    transport: 'stdio',
    command,
    args,
    env: { ...Object.fromEntries(inherited), ...own },
    ...cwd,
  } as const
  return { server, missing: [], secrets }
}

function expand(text: string, env: Env, missing: Set<string>): string {
  return text.replace(
    /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (_all, name: string, other?: string) => {
      const value = env[name] ?? other
      if (value === undefined) missing.add(name)
      return value ?? ''
    },
  )
}

function querySecrets(text: string): string[] {
  if (!URL.canParse(text)) return []
  const { username, password, searchParams } = new URL(text)
  return [username, password, ...searchParams.values()].filter((part) => part !== '')
}

/** Shorter ones are no secret, and cutting them out would make any text unreadable. */
const SECRET_LEAST = 6

/** `text` with every secret cut out of it. */
export function cutSecrets(text: string, secrets: readonly string[]): string {
  let cut = text
  for (const secret of secrets.toSorted((a, b) => b.length - a.length))
    if (secret.length >= SECRET_LEAST) cut = cut.replaceAll(secret, '***')
  return cut
}

/** The same for all that is said of a failure. */
export function withoutSecrets({ sentence, details }: ProbePlaceOfHang, secrets: readonly string[]): ProbePlaceOfHang {
  return {
    sentence: cutSecrets(sentence, secrets),
    details: details.map(({ what, lines }) => ({ what, lines: lines.map((line) => cutSecrets(line, secrets)) })),
  }
}
