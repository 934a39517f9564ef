// Which tool does a call mean, and may this run call it? Pure.

import { CutoverError } from '../vocabulary/errors.ts'
import type { McpCallRequest, McpSnapshot, McpTool } from './seen.ts'

const NAMES_SHOWN = 20

/** `mcp-unavailable`, `mcp-tool-unknown`, `effect-refused`. */
export function pickTool(snapshot: McpSnapshot, request: McpCallRequest, migration: string): McpTool {
  const { tool, server, readOnly } = request
  const found = snapshot.tools.filter((each) => each.name === tool && (server === undefined || each.server === server))
  const [only] = found
  if (only === undefined) throw notThere(snapshot, request, migration)
  if (found.length > 1) {
    const servers = found.map((each) => each.server)
    throw new CutoverError(
      'mcp-tool-unknown',
      `${migration}: more than one server has a tool "${tool}": ${servers.join(', ')}; say which with { server }`,
      { details: { migration, tool, servers } },
    )
  }
  if (readOnly && only.annotations?.readOnlyHint !== true) {
    throw new CutoverError(
      'effect-refused',
      `${migration}: this run is a copy without effects, and ${only.server}'s tool "${tool}" does not declare readOnlyHint; call it inside ctx.effect`,
      { details: { migration, server: only.server, tool } },
    )
  }
  return only
}

function notThere(snapshot: McpSnapshot, { tool, server }: McpCallRequest, migration: string): CutoverError {
  const away = snapshot.degraded.filter((each) => server === undefined || each.server === server)
  if (away.length > 0) {
    const said = away.map((each) => `${each.server} (${each.class}: ${each.why})`)
    return new CutoverError(
      'mcp-unavailable',
      `${migration}: the tool "${tool}" is not there, as this worker runs without ${said.join(', ')}`,
      { details: { migration, tool, servers: away.map((each) => each.server), class: away[0]?.class ?? '' } },
    )
  }
  const names = snapshot.tools.filter((each) => server === undefined || each.server === server).map(({ name }) => name)
  const where = server === undefined ? 'no server has' : `the server "${server}" is not there or has not`
  const shown = names.slice(0, NAMES_SHOWN).join(', ')
  const allowed = names.length === 0 ? '' : `; there are: ${shown}${names.length > NAMES_SHOWN ? ', …' : ''}`
  return new CutoverError('mcp-tool-unknown', `${migration}: ${where} a tool "${tool}"${allowed}`, {
    details: { migration, tool },
  })
}
