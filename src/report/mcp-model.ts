// What a report says of MCP servers: how each place reached them when it last tried.

import type { ProbeClass, ProbePhase, ProbePlaceOfHang } from '../vocabulary/probe.ts'

export interface McpReport {
  readonly server: string
  /** How it is reached, names only; null where no place got so far. */
  readonly reached: string | null
  /** Of the last probes of each place. `inconclusive`: a side did not try, or neither reaches it. */
  readonly verdict: 'same' | 'better' | 'worse' | 'inconclusive'
  /** The verdict in words. */
  readonly text: string
  readonly places: {
    readonly baseline: McpPlaceReport
    readonly legacy: McpPlaceReport
    readonly target: McpPlaceReport
  }
  /** Names of tools from legacy to target; null where a side has no list. */
  readonly tools: {
    readonly missing: readonly string[]
    readonly extra: readonly string[]
    readonly changed: readonly string[]
  } | null
}

export interface McpPlaceReport {
  /** Of the last probes that were counted: all good, some, none, none made. */
  readonly state: 'up' | 'flaky' | 'down' | 'not-probed'
  readonly probes: number
  readonly good: number
  readonly last: McpProbeReport | null
}

export interface McpProbeReport {
  readonly at: string
  readonly class: ProbeClass
  readonly ms: number
  readonly phases: readonly ProbePhase[]
  readonly tools: number | null
  readonly protocol: string | null
  readonly serverInfo: string | null
  readonly sample: string | null
  /** Processes that the server left behind; they were killed. */
  readonly orphans: number
  /** Where it hangs or broke. */
  readonly hang: ProbePlaceOfHang | null
}
