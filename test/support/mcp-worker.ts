// A worker process with MCP servers that gets into trouble when it is asked for a probe: node mcp-worker.ts JSON (see
// `WorkerOrder`). Says `working`, then a line for each late turn of its event loop.

import { execFileSync } from 'node:child_process'
import { openCutover } from '../../src/cutover.ts'
import type { JobContext } from '../../src/execution/context.ts'
import type { McpServerConfig } from '../../src/mcp/config.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import type { Place } from './app.ts'
import { mcpConfig } from './mcp-app.ts'

export interface WorkerOrder {
  readonly place: Place
  readonly migration: string
  readonly servers: Readonly<Record<string, McpServerConfig>>
  /** Its handler asks for its tools, and its jobs are shadowed. It works on this side only. */
  readonly asks?: Side
  /**
   * What it does: stands still for a while, in JavaScript or in a synchronous call, when a server of the mode `tells-parent`
   * is asked to initialize; or dies when a probe comes.
   */
  readonly trouble?: 'none' | 'busy' | 'sync-call' | 'dies'
  /** How long it stands still, ms. */
  readonly forMs?: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as WorkerOrder
const { trouble = 'none', forMs = 0 } = order

function standsStill(): void {
  const until = Date.now() + forMs
  while (Date.now() < until); // nothing else runs
}

function callsSynchronously(): void {
  execFileSync('sleep', [String(forMs / 1000)])
}

/** Asked before the server is started. */
function guard(): undefined {
  if (trouble === 'dies') process.kill(process.pid, 'SIGKILL')
}
process.on('SIGUSR2', () => {
  if (trouble === 'busy') standsStill()
  if (trouble === 'sync-call') callsSynchronously()
})

async function asks(_payload: unknown, ctx: JobContext): Promise<string> {
  await ctx.mcp.tools()
  return 'done'
}

const shadow = order.asks === undefined ? {} : { shadow: 'effects-declared' }
const config = mcpConfig(order.place, [order.migration], { servers: order.servers, guard }, shadow)
const cutover = (await openCutover(config)) as unknown as {
  work: (...args: unknown[]) => Promise<unknown>
  close: () => Promise<void>
}
for (const side of order.asks === undefined ? (['legacy', 'target'] as const) : [order.asks])
  await cutover.work(order.migration, side, order.asks === undefined ? () => undefined : asks)
process.once('SIGTERM', () => cutover.close())
let last = Date.now()
setInterval(() => {
  const late = Date.now() - last - 50
  if (late > 200) console.log(`late ${late}`)
  last = Date.now()
}, 50)
console.log('working')
