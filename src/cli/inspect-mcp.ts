// What can be said of a migration's MCP servers: how each is reached, what this process lacks for it, and what the last
// probes found.

import type { MigrationSettings } from '../config/resolve.ts'
import { describeServer } from '../mcp/config.ts'
import { readyServer } from '../mcp/ready.ts'
import { mcpReport } from '../report/mcp.ts'
import type { Findings } from './findings.ts'
import { foreign } from './pen.ts'
import type { Session } from './session.ts'

/** Without a connection, and without starting anything. */
export function inspectServers({ name, mcp }: MigrationSettings, findings: Findings): void {
  for (const server of mcp?.servers ?? []) {
    const { missing } = readyServer(server)
    const what = [name, `mcp ${server.name}`] as const
    if (missing.length === 0) findings.add(...what, 'ok', describeServer(server))
    else {
      const lacks = `${describeServer(server)}\nnot set in this process: ${missing.join(', ')}`
      findings.add(...what, 'warn', lacks, 'set it where workers run; cutover probe says which of them lack it')
    }
  }
}

/** What the ledger knows of each server. */
export async function inspectProbes(session: Session, settings: MigrationSettings, findings: Findings): Promise<void> {
  const servers = settings.mcp?.servers ?? []
  if (servers.length === 0) return
  const probed = mcpReport(await (await session.ledgerOf(settings)).probes())
  const again = `cutover probe ${settings.name}`
  for (const { name } of servers) {
    const found = probed.find(({ server }) => server === name)
    const what = [settings.name, `probes of ${name}`] as const
    if (found === undefined) findings.add(...what, 'warn', 'none: the gates of MCP servers hold', again)
    else {
      const good = found.verdict === 'same' || found.verdict === 'better'
      findings.add(...what, good ? 'ok' : 'warn', `${found.verdict}: ${foreign(found.text)}`, good ? undefined : again)
    }
  }
}
