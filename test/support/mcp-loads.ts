// node mcp-loads.ts PLACE WITH: works one job, with or without MCP servers, and prints the modules of MCP that were loaded
// by then, as JSON.

import { registerHooks } from 'node:module'
import type { JobContext } from '../../src/execution/context.ts'
import { fixture } from './mcp-kit.ts'

const loaded: string[] = []
registerHooks({
  load: (url, context, next) => {
    if (/@modelcontextprotocol|\/cockatiel\/|\/execa\/|src\/mcp\/(pool|pool-server|start|connection|sdk)\./.test(url))
      loaded.push(url)
    return next(url, context)
  },
})

const [folder = '', how] = process.argv.slice(2)
const { openCutover } = await import('../../src/cutover.ts')
const { mcpConfig } = await import('./mcp-app.ts')
const mcp = how === 'without' ? undefined : { servers: { files: fixture('ok') } }
const cutover = await openCutover(mcpConfig({ folder, files: 'apart' }, ['mail'], mcp))
const done = Promise.withResolvers<void>()
const handler = async (_payload: unknown, ctx: JobContext): Promise<void> => {
  if (how === 'asks') await ctx.mcp.tools()
  done.resolve()
}
await cutover.work('mail' as never, 'legacy', handler as never)
await cutover.enqueue('mail' as never, {} as never)
await done.promise
await cutover.close()
console.log(JSON.stringify(loaded))
