// `npm run demo -- --mcp`: the agent uses two MCP servers, and in legacy's environment the creation of a child process
// blocks. What the configuration and the workers read of it; nothing of it is in the application.

import { join } from 'node:path'
import type { HandlerMcp, McpConfig, McpServerConfig } from '../../../src/index.ts'
import type { HandlerContext } from '../handlers.ts'

/** `blocked`: legacy's workers run with a library that sleeps before `exec`; `guarded`: a guard keeps them from trying. */
export type McpMode = 'blocked' | 'guarded'
export const MCP_VARIABLE = 'EMAIL_AGENT_MCP'
/** The migration whose handlers use tools: the same handler on both sides, so that the tools are all that differs. */
export const MCP_MIGRATION = 'thread-email'

export function mcpMode(env: NodeJS.ProcessEnv): McpMode | undefined {
  const mode = env[MCP_VARIABLE]
  return mode === 'blocked' || mode === 'guarded' ? mode : undefined
}

const SERVERS = join(import.meta.dirname, '../../../node_modules/@modelcontextprotocol')

/** `folder`: what the file server may read. */
export function mcpConfig(mode: McpMode, folder: string): McpConfig {
  const server = (name: string, ...args: string[]): McpServerConfig => ({
    command: process.execPath,
    args: [join(SERVERS, name, 'dist/index.js'), ...args],
    timeouts: { spawn: '2s' },
  })
  return {
    servers: {
      everything: server('server-everything', 'stdio'),
      files: { ...server('server-filesystem', folder), sample: { tool: 'list_allowed_directories' } },
    },
    ...(mode === 'guarded'
      ? { guard: (_server, side) => (side === 'legacy' ? 'the tools of these workers are switched off' : undefined) }
      : {}),
  }
}

/** A handler that looks for its tools before it does its work, and asks the file server where it may look. */
export function withTools<J, E, R>(
  handle: (job: J, ctx: HandlerContext<E>) => Promise<R>,
): (job: J, ctx: HandlerContext<E> & { readonly mcp: HandlerMcp }) => Promise<R> {
  return async (job, ctx) => {
    const tools = await ctx.mcp.tools()
    if (tools.some(({ server }) => server === 'files'))
      await ctx.mcp.call('list_allowed_directories', {}, { server: 'files' })
    return await handle(job, ctx)
  }
}
