// node mcp-exits.ts: starts a server that leaves a session of its own, prints the processes, and ends without closing.

import { readFileSync } from 'node:fs'
import { resolveMcp } from '../../src/mcp/config.ts'
import { ToolPool } from '../../src/mcp/pool.ts'
import { allProcs } from '../../src/mcp/proc.ts'
import { fixture } from './mcp-kit.ts'

const mcp = resolveMcp({ servers: { files: fixture('leaves-session') } }, undefined, 'test')
if (mcp === undefined) throw new Error('no servers')
const ledger = async () => ({ probes: async () => [], noteProbe: async () => {} })
const pool = new ToolPool({ migration: 'mail', side: 'legacy', mcp, instance: 'i', ledger, emit: () => {} })
await pool.tools()
const [server] = allProcs().filter(({ ppid, state }) => ppid === process.pid && state !== 'Z')
const mark = /CUTOVER_MCP=pool-[\w-]+/.exec(readFileSync(`/proc/${server?.pid}/environ`, 'utf8'))?.[0] ?? '?'
const marked = allProcs().filter(({ pid }) => environOf(pid).includes(mark))
process.stdout.write(JSON.stringify(marked.map(({ pid }) => pid)))
process.exit(0)

function environOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}
