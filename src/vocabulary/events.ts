// What happens that somebody should hear of; told to `onEvent` and on the diagnostics channel `cutover`.

import type { Side } from './job.ts'
import type { ProbeFailure } from './probe.ts'

export type CutoverEvent = { readonly migration: string } & (
  | { readonly type: 'latch-set' | 'latch-cleared'; readonly by?: string; readonly why?: string }
  | { readonly type: 'epoch-opened'; readonly epoch: number }
  | { readonly type: 'ledger-lost'; readonly message: string }
  | { readonly type: 'ledger-back' }
  /** The ledger's clock moved by so much more than this process's own between two reads. */
  | { readonly type: 'clock-jumped'; readonly byMs: number }
  | { readonly type: 'flag-lost'; readonly message: string }
  | { readonly type: 'flag-back' }
  | { readonly type: 'mismatch'; readonly id: string; readonly differences: number }
  | { readonly type: 'shadow-shed'; readonly count: number }
  | { readonly type: 'job-parked'; readonly id: string; readonly side: Side; readonly reason: string }
  | { readonly type: 'job-lost'; readonly id: string; readonly side: Side }
  | { readonly type: 'queue-error'; readonly side: Side; readonly message: string }
  | { readonly type: 'sweep-error'; readonly message: string }
  | { readonly type: 'schedule-error'; readonly schedule: string; readonly message: string }
  /** Ticks from `from` to before `until` (ms) were too old to be fired when somebody was there to do it. */
  | { readonly type: 'schedule-skipped'; readonly schedule: string; readonly from: number; readonly until: number }
  /** A probe inside a worker of this process could not use an MCP server, or could. */
  | { readonly type: 'mcp-unreachable'; readonly server: string; readonly side: Side; readonly why: string }
  | { readonly type: 'mcp-reachable'; readonly server: string; readonly side: Side; readonly tools: number }
  /** Jobs of this worker run without the tools of a server, until `mcp-restored`. `class`: as a probe would find it. */
  | {
      readonly type: 'mcp-degraded'
      readonly server: string
      readonly side: Side
      readonly class: ProbeFailure
      readonly why: string
    }
  /** They have its tools again. `by`: what lifted it, a probe that succeeded, or a start that did. */
  | {
      readonly type: 'mcp-restored'
      readonly server: string
      readonly side: Side
      readonly tools: number
      readonly by: 'probe' | 'restart'
    }
  /** A process closed while the ledger was away: so many things of that time were never told to it. */
  | { readonly type: 'untold'; readonly count: number }
)

export type EmitEvent = (event: CutoverEvent) => void
