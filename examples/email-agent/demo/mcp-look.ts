// What `--mcp` shows: the matrix of the probes with the place of the hang, and in the end with which tools the jobs ran.

import { probeText } from '../../../src/cli/probe-text.ts'
import { resolveMigration } from '../../../src/config/resolve.ts'
import type { ReportModel } from '../../../src/index.ts'
import { probeRound } from '../../../src/mcp/round.ts'
import type { Ledger } from '../../../src/ports/ledger.ts'
import type { Queue } from '../../../src/ports/queue.ts'
import { newId } from '../../../src/vocabulary/ids.ts'
import type { Side } from '../../../src/vocabulary/job.ts'
import type { ProbeRecord } from '../../../src/vocabulary/probe.ts'
import type config from '../cutover.config.ts'
import { MCP_MIGRATION } from './mcp.ts'

const DEADLINE_MS = 30_000

/** Probes every server from everywhere, as `cutover probe` does; answers the matrix as text. */
export async function probeServers(
  how: { readonly config: typeof config; readonly ledger: Ledger; readonly signal: AbortSignal },
  say: (line: string) => void,
): Promise<string> {
  const settings = resolveMigration(how.config, MCP_MIGRATION)
  const ledger = how.ledger.migration(MCP_MIGRATION, settings.ledger)
  const queues = new Map<Side, Promise<Queue>>()
  const queue = (side: Side): Promise<Queue> => {
    const opening = queues.get(side) ?? opened(settings[side].create())
    queues.set(side, opening)
    return opening
  }
  try {
    const id = newId()
    const records: ProbeRecord[] = []
    for (const server of settings.mcp?.servers ?? []) {
      const onResult = ({ place, class: found }: ProbeRecord): void =>
        say(`probe: ${server.name} from ${place}: ${found}`)
      const round = { id, server, deadlineMs: DEADLINE_MS, ledger, queue, onResult, signal: how.signal }
      records.push(...(await probeRound(round)))
    }
    const colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
    const { penOf } = await import('../../../src/cli/pen.ts')
    const io = { env: process.env, isTTY: colours, columns: process.stdout.columns }
    return probeText({ migration: MCP_MIGRATION, records }, penOf(io as Parameters<typeof penOf>[0], {}))
  } finally {
    for (const each of await Promise.all(queues.values())) await each.close()
  }
}

async function opened(queue: Queue): Promise<Queue> {
  await queue.open()
  return queue
}

/** With which tools the two runs of the compared jobs ran, from the report's differences. */
export function toolsText(model: ReportModel): string {
  const report = model.migrations.find(({ name }) => name === MCP_MIGRATION)
  const found = report?.differences.filter(({ kind }) => kind === 'tools') ?? []
  const compared = report?.comparisons.compared ?? 0
  const lines = found.map(({ path, count, example }) => {
    const [legacy, target] = [sideText(example.legacy), sideText(example.target)]
    return `  ${path.slice('/mcp/'.length).padEnd(14)}legacy ${legacy}, target ${target}; in ${count} of ${compared} compared pairs`
  })
  const none = '  the same tools on both sides'
  return [`The MCP tools with which ${MCP_MIGRATION} ran:`, ...(lines.length === 0 ? [none] : lines), ''].join('\n')
}

function sideText(value: unknown): string {
  const { tools = 0, degraded } = (value ?? {}) as { readonly tools?: number; readonly degraded?: string }
  return `${tools} tools${degraded === undefined ? '' : ` (${degraded})`}`
}
