// What the gates `mcp-tools` and `mcp-reachable` read, from the probes that the ledger keeps. Pure.

import type { ProbePlace, StoredProbe, ToolStamp } from '../vocabulary/probe.ts'
import type { McpCounts } from './gates/stage.ts'

/**
 * One entry a server: of `servers` where given (a server that was never probed has one too, and its gates hold), else of
 * those that were probed. Probes that have not ended are not counted.
 *
 * `tools`: what legacy lists and target does not, a tool with another schema being another tool. Legacy's last list is
 * the measure; where legacy was probed and never had one, the baseline's; without that nothing can be missing.
 */
export function mcpCounts(records: readonly StoredProbe[], servers?: readonly string[]): readonly McpCounts[] {
  const ended = records.filter(({ class: found }) => found !== 'running')
  const names = servers ?? [...new Set(ended.map(({ server }) => server))].toSorted()
  return names.map((server) => {
    const of = (place: ProbePlace): readonly StoredProbe[] =>
      ended.filter((each) => each.server === server && each.place === place)
    const [baseline, legacy, target] = [of('baseline'), of('legacy'), of('target')]
    const ok = (probes: readonly StoredProbe[]): readonly boolean[] => probes.map(({ class: found }) => found === 'ok')
    return {
      server,
      tools: toolCounts(baseline, legacy, target),
      reachable: { target: ok(target), legacy: ok(legacy) },
    }
  })
}

type Probes = readonly StoredProbe[]
type ToolCounts = NonNullable<McpCounts['tools']>

function toolCounts(baseline: Probes, legacy: Probes, target: Probes): ToolCounts {
  const [last, before] = listsOf(target).toReversed()
  const measure = listsOf(legacy).at(-1) ?? listsOf(baseline).at(-1)
  const probed = last !== undefined && legacy.length > 0
  if (!probed || measure === undefined) return { probed, missing: [], confirmed: false }
  const missing = missingFrom(last, measure)
  const also = new Set(before === undefined ? [] : missingFrom(before, measure))
  return { probed, missing, confirmed: missing.some((name) => also.has(name)) }
}

function listsOf(probes: Probes): readonly (readonly ToolStamp[])[] {
  return probes.flatMap(({ tools }) => (tools === undefined ? [] : [tools]))
}

function missingFrom(tools: readonly ToolStamp[], measure: readonly ToolStamp[]): readonly string[] {
  const has = new Map(tools)
  return measure.filter(([name, hash]) => has.get(name) !== hash).map(([name]) => name)
}
