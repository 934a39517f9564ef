// Did both runs have the same MCP tools? One difference a server, of kind `tools`, at `/mcp/<server>`.

import type { Json, SeenServer, SeenTools } from '../vocabulary/outcome.ts'
import type { Differ } from './diff.ts'
import { formatPointer } from './pointer.ts'

/** Names in a difference; the rest is counted. */
const NAMES_SHOWN = 10

/** Runs that never asked for tools differ from none; where only one asked, the other had none. */
export function compareTools(differ: Differ, legacy: SeenTools = [], target: SeenTools = []): void {
  const servers = new Set([...legacy, ...target].map(({ server }) => server))
  for (const server of [...servers].toSorted()) {
    const [a, b] = [of(legacy, server), of(target, server)]
    if (a?.hash === b?.hash) continue
    differ.say(`/mcp${formatPointer([server])}`, { legacy: said(a, b), target: said(b, a) }, 'tools')
  }
}

export function hadSameTools(legacy: SeenTools | undefined, target: SeenTools | undefined): boolean {
  if (legacy === target) return true
  if (legacy === undefined || target === undefined || legacy.length !== target.length) return false
  return legacy.every(({ server, hash }) => of(target, server)?.hash === hash)
}

function of(seen: SeenTools, server: string): SeenServer | undefined {
  return seen.find((each) => each.server === server)
}

/** `{ tools: 0, degraded: 'spawn-blocked' }`; where both have tools, also which of them the other lacks. */
function said(own: SeenServer | undefined, other: SeenServer | undefined): Json {
  if (own === undefined) return { tools: 0, asked: false }
  const { tools, degraded, names = [] } = own
  const others = new Map(other?.names)
  const only = others.size === 0 ? [] : names.filter(([name]) => !others.has(name)).map(([name]) => name)
  const changed = names.filter(([name, hash]) => others.has(name) && others.get(name) !== hash).map(([name]) => name)
  return {
    tools,
    ...(degraded === undefined ? {} : { degraded }),
    ...(only.length === 0 ? {} : { only: shown(only) }),
    ...(changed.length === 0 ? {} : { otherSchema: shown(changed) }),
  }
}

function shown(names: readonly string[]): Json {
  const more = names.length - NAMES_SHOWN
  return more <= 0 ? names : [...names.slice(0, NAMES_SHOWN), `… ${more} more`]
}
