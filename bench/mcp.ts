// What does `ctx.mcp.tools()` cost once the servers are there? A run of its own each time, as in a worker, with 26 tools of
// two servers; and a call of a tool, beside the SDK's client alone.

import { RunContext } from '../src/execution/context.ts'
import { resolveMcp } from '../src/mcp/config.ts'
import { ToolPool } from '../src/mcp/pool.ts'
import { median } from './harness.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const server = (name: string, ...args: string[]) => ({
  command: process.execPath,
  args: [new URL(`../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url).pathname, ...args],
})

export async function benchMcp({ rounds }: { rounds: number }, print: (text: string) => void): Promise<void> {
  const servers = {
    everything: server('server-everything', 'stdio'),
    files: server('server-filesystem', process.cwd()),
  }
  const mcp = resolveMcp({ servers }, undefined, 'bench')
  if (mcp === undefined) throw new Error('no servers')
  const ledger = async () => ({ probes: async () => [], noteProbe: async () => {} })
  const pool = new ToolPool({ migration: 'bench', side: 'legacy', mcp, instance: 'bench', ledger, emit: () => {} })
  try {
    const began = performance.now()
    const { tools } = await pool.tools()
    const cold = performance.now() - began
    const access = async (): Promise<ToolPool> => pool
    const run = (): RunContext =>
      new RunContext({
        ...{ migration: 'bench', id: 'job', arm: 'primary', side: 'legacy', attempt: 1, native: {}, log: silent },
        ...{ progress: async () => {}, begin: async () => true, mcp: access },
      })
    const CALLS = 20_000
    const times: number[] = []
    for (let round = -1; round < rounds; round += 1) {
      const from = performance.now()
      for (let n = 0; n < CALLS; n += 1) await run().context.mcp.tools()
      if (round >= 0) times.push(((performance.now() - from) * 1000) / CALLS)
    }
    const warm = median(times)
    print(
      `ctx.mcp.tools(), warm, ${tools.length} tools              ${warm.toFixed(2)} µs  most 50  ${warm <= 50 ? 'ok' : 'MISSED'}`,
    )
    print(`the first one, which starts ${mcp.servers.length} servers        ${cold.toFixed(0)} ms`)
  } finally {
    await pool.close()
  }
}
