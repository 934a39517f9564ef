// The tools that a worker's servers offer just now, and what an outcome keeps of them. Pure; nothing here loads the SDK.

import { createHash } from 'node:crypto'
import type { SeenServer, SeenTools } from '../vocabulary/outcome.ts'
import type { ProbeFailure, ToolStamp } from '../vocabulary/probe.ts'

/** One tool, as its server lists it. */
export interface McpTool {
  readonly server: string
  readonly name: string
  readonly title?: string
  readonly description?: string
  readonly inputSchema: Readonly<Record<string, unknown>>
  readonly annotations?: { readonly readOnlyHint?: boolean; readonly [hint: string]: unknown }
  /** A short hash of `inputSchema`. */
  readonly hash: string
}

/** A server whose tools are not there, and why. */
export interface McpDegraded {
  readonly server: string
  /** As a probe would find it: docs/mcp.md. */
  readonly class: ProbeFailure
  readonly why: string
}

/** What a tool answered. `isError`: the tool says that it failed; for whoever called it to judge. */
export interface McpCallResult {
  readonly content: readonly { readonly type: string; readonly text?: string; readonly [field: string]: unknown }[]
  readonly isError?: boolean
  readonly structuredContent?: unknown
}

/** All that is there at one moment; the same object until something changes. */
export interface McpSnapshot {
  readonly tools: readonly McpTool[]
  readonly degraded: readonly McpDegraded[]
  /** For the outcome of a run that is compared: with the names. */
  readonly seen: SeenTools
  /** For any other: counts and hashes. */
  readonly seenShort: SeenTools
}

export interface McpCallRequest {
  readonly server?: string | undefined
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  /** Default: the server's `timeouts.call`. */
  readonly timeoutMs?: number | undefined
  readonly signal: AbortSignal
  /** Of a shadow or control: only a tool that declares `readOnlyHint` is called. */
  readonly readOnly: boolean
}

/** What stands behind `ctx.mcp`: the pool of a worker, or the fake of a test. */
export interface McpAccess {
  /** At once where it is known. */
  tools(): McpSnapshot | Promise<McpSnapshot>
  call(request: McpCallRequest): Promise<McpCallResult>
}

/** One server as the pool has it: its tools, or why there are none. */
export type ServerNow = { readonly server: string } & (
  | { readonly tools: readonly McpTool[] }
  | { readonly degraded: Omit<McpDegraded, 'server'> }
)

const WHY_KEPT = 200

export function snapshotOf(servers: readonly ServerNow[]): McpSnapshot {
  const degraded = servers.flatMap((each) =>
    'degraded' in each ? [Object.freeze({ server: each.server, ...each.degraded })] : [],
  )
  const seen = servers.map(seenServer).toSorted((a, b) => (a.server < b.server ? -1 : 1))
  return Object.freeze({
    tools: Object.freeze(servers.flatMap((each) => ('tools' in each ? each.tools : []))),
    degraded: Object.freeze(degraded),
    seen: Object.freeze(seen),
    seenShort: Object.freeze(seen.map(({ names: _names, ...short }) => short)),
  })
}

function seenServer(now: ServerNow): SeenServer {
  const { server } = now
  if ('degraded' in now) {
    const { class: degraded, why } = now.degraded
    return { server, tools: 0, hash: setHash([]), degraded, why: why.slice(0, WHY_KEPT) }
  }
  const names = now.tools.map(({ name, hash }) => [name, hash] as const).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { server, tools: names.length, hash: setHash(names), names }
}

function setHash(names: readonly ToolStamp[]): string {
  return createHash('sha256').update(JSON.stringify(names)).digest('base64url').slice(0, 12)
}
