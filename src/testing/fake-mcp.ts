// Tools of MCP servers that are not there: for users' tests of handlers, without a process and without the library.

import { pickTool } from '../mcp/call.ts'
import {
  type McpAccess,
  type McpCallResult,
  type McpDegraded,
  type McpTool,
  type ServerNow,
  snapshotOf,
} from '../mcp/seen.ts'
import { schemaHash } from '../mcp/tools.ts'
import { CutoverError } from '../vocabulary/errors.ts'

export interface FakeTool {
  readonly name: string
  /** Default `'fake'`. */
  readonly server?: string
  readonly description?: string
  /** Default: any object. */
  readonly inputSchema?: Readonly<Record<string, unknown>>
  /** Declares `readOnlyHint`: may be called in a shadow. Default false. */
  readonly readOnly?: boolean
  /** What a call answers: a text, or an answer in the protocol's form. Throws: the call fails. Default: an empty answer. */
  call?(args: Readonly<Record<string, unknown>>): string | McpCallResult | Promise<string | McpCallResult>
}

/** `mcp` of `runHandler`: the tools that are there, and the servers that are not. */
export interface FakeMcp {
  readonly tools: readonly FakeTool[]
  readonly degraded?: readonly McpDegraded[]
}

export function fakeMcp({ tools, degraded = [] }: FakeMcp): McpAccess {
  const servers = new Map<string, ServerNow>()
  const all = tools.map((tool) => ({ fake: tool, tool: made(tool) }))
  for (const { server } of all.map(({ tool }) => tool))
    servers.set(server, { server, tools: all.flatMap(({ tool }) => (tool.server === server ? [tool] : [])) })
  for (const { server, ...failure } of degraded) servers.set(server, { server, degraded: failure })
  const snapshot = snapshotOf([...servers.values()])
  return {
    tools: () => snapshot,
    call: async (request) => {
      const picked = pickTool(snapshot, request, 'test')
      const fake = all.find(({ tool }) => tool === picked)?.fake
      try {
        const answer = (await fake?.call?.(request.args)) ?? { content: [] }
        return typeof answer === 'string' ? { content: [{ type: 'text', text: answer }] } : answer
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new CutoverError('mcp-call-failed', `test: ${picked.server}, tool ${picked.name}: ${why}`, {
          cause,
          details: { migration: 'test', server: picked.server, tool: picked.name, class: 'call-failed' },
        })
      }
    },
  }
}

function made({ name, server = 'fake', description, inputSchema = { type: 'object' }, readOnly }: FakeTool): McpTool {
  return Object.freeze({
    ...{ server, name, inputSchema, hash: schemaHash(inputSchema) },
    ...(description === undefined ? {} : { description }),
    ...(readOnly === undefined ? {} : { annotations: { readOnlyHint: readOnly } }),
  })
}
