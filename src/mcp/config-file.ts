// The usual `mcp.json`: `{ "mcpServers": { "files": { "command": "npx", "args": [ … ] } } }`, as other programs write it.
//
// What such programs keep there for themselves (`autoApprove`, `description`, …) is left alone; a server that is
// switched off there (`disabled`) is not used here either.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** What is known in an entry; everything else belongs to other programs. */
const OWN = ['type', 'command', 'args', 'env', 'passEnv', 'cwd', 'url', 'headers', 'timeouts', 'sample'] as const

type Refuse = (wrong: string, allowed: string) => never

/** The servers of the file by name, unchecked; `refuse` is told what is wrong with the file itself. */
export function readServersFile(file: string, refuse: Refuse): Readonly<Record<string, unknown>> {
  const path = resolve(file)
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    // a syntax error's message quotes the text, which may hold a token
    return refuse(code === undefined ? `${path} is not JSON` : `${path} cannot be read (${code})`, 'a file of JSON')
  }
  const servers = isObject(parsed) ? parsed['mcpServers'] : undefined
  if (!isObject(servers) || Array.isArray(servers))
    return refuse(`${path} has no "mcpServers"`, '{ "mcpServers": { "name": { "command": "…" } } }')
  const entries = Object.entries(servers).filter(([, server]) => !isObject(server) || server['disabled'] !== true)
  return Object.fromEntries(entries.map(([name, server]) => [name, isObject(server) ? own(server) : server]))
}

function own(server: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(OWN.flatMap((name) => (Object.hasOwn(server, name) ? [[name, server[name]]] : [])))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
