// Which MCP servers does each side reach? From the probes that the ledger keeps. Pure.

import { probeVerdicts } from '../mcp/verdict.ts'
import { PROBE_PLACES, type ProbePlace, type StoredProbe } from '../vocabulary/probe.ts'
import { formatMs, formatTime } from './format.ts'
import type { McpPlaceReport, McpProbeReport, McpReport } from './mcp-model.ts'
import type { Cell, Section } from './sections.ts'

/** How many of the newest probes of a place are counted; as the gate `mcp-reachable` does. */
const COUNTED = 3

/** One entry a server, by name. Probes that have not ended are left out. */
export function mcpReport(probes: readonly StoredProbe[]): readonly McpReport[] {
  const ended = probes.filter(({ class: found }) => found !== 'running')
  const servers = [...new Set(ended.map(({ server }) => server))].toSorted()
  return servers.map((server) => {
    const counted = PROBE_PLACES.flatMap((place) => newest(ended, server, place))
    const [verdict] = probeVerdicts(counted)
    if (verdict === undefined) throw new Error(`${server}: probes without a verdict`)
    const place = (name: ProbePlace): McpPlaceReport => placeReport(newest(ended, server, name), verdict.places[name])
    return {
      server,
      reached: counted.findLast(({ reached }) => reached !== undefined)?.reached ?? null,
      verdict: verdict.verdict,
      text: verdict.text,
      places: { baseline: place('baseline'), legacy: place('legacy'), target: place('target') },
      tools: verdict.tools,
    }
  })
}

function newest(probes: readonly StoredProbe[], server: string, place: ProbePlace): readonly StoredProbe[] {
  return probes.filter((each) => each.server === server && each.place === place).slice(-COUNTED)
}

function placeReport(probes: readonly StoredProbe[], state: McpPlaceReport['state']): McpPlaceReport {
  const last = probes.at(-1)
  const good = probes.filter(({ class: found }) => found === 'ok').length
  return { state, probes: probes.length, good, last: last === undefined ? null : lastReport(last) }
}

function lastReport(probe: StoredProbe): McpProbeReport {
  const { at, class: found, ms, phases, tools, protocol, serverInfo, sample, orphans, hang } = probe
  return {
    at: new Date(at).toISOString(),
    class: found,
    ms,
    phases,
    tools: tools?.length ?? null,
    protocol: protocol ?? null,
    serverInfo: serverInfo ?? null,
    sample: sample ?? null,
    orphans: orphans ?? 0,
    hang: hang ?? null,
  }
}

/** The matrix server × place, with the verdict of each server. */
export function mcpSection(servers: readonly McpReport[]): Section {
  return {
    head: ['MCP server', 'from', 'last probe', 'good', 'tools', 'took', 'at', 'verdict, and where it hangs'],
    rows: servers.flatMap((server) => [
      [{ foreign: server.server }, '', server.verdict, '', '', '', '', server.text],
      ...PROBE_PLACES.flatMap((place) => placeRow(place, server)),
    ]),
    textColumns: [0, 1, 2, 6, 7],
  }
}

function placeRow(place: ProbePlace, { places }: McpReport): Cell[][] {
  const { last, good, probes } = places[place]
  if (last === null) return []
  const tools = last.tools === null ? '' : String(last.tools)
  const hang: Cell = last.hang === null ? '' : { foreign: last.hang.sentence }
  return [['', place, last.class, `${good} of ${probes}`, tools, formatMs(last.ms), formatTime(last.at), hang]]
}
