// What the probe's main thread and its watching thread share: numbers in shared memory, which need no event loop, and a
// few messages.

import type { McpPhase } from './config.ts'
import { MCP_PHASES } from './config.ts'
import type { Detail } from './forensics.ts'

/** Slots of a shared `Float64Array`. Times in ms since 1970. */
export const SLOT = Object.freeze({
  /** Last turn of the main thread's event loop. */
  beat: 0,
  /** Index into `MCP_PHASES`; -1: between phases. */
  phase: 1,
  phaseBegan: 2,
  /** When the phase has to be over. */
  phaseEnds: 3,
  /** Of the server; 0: none yet. */
  pid: 4,
})
export const SLOTS = 5

export function phaseAt(index: number): McpPhase | undefined {
  return MCP_PHASES[index]
}

export interface WatchInput {
  readonly shared: SharedArrayBuffer
  /** Marks what the server starts. */
  readonly mark: string
  readonly crumbs?: string
  /** Everything is over then, ms since 1970. */
  readonly deadlineAt: number
}

/** What the thread saw while the main thread stood still. */
export interface Look {
  readonly kind: 'spawn-blocked' | 'loop-blocked'
  readonly phase: McpPhase | 'none'
  /** How long the event loop had stood still by then. */
  readonly silentMs: number
  /** The innermost frame of the main thread that is not of the platform, or the call that it is in. */
  readonly inside?: string
  readonly details: readonly Detail[]
}

/** To the thread: end the watch, looking at the processes first where the probe failed. */
export interface EndMessage {
  readonly type: 'end'
  readonly failed: boolean
}

export interface WatchReport {
  readonly looks: readonly Look[]
  /** Processes of the server, as they were before they were killed. */
  readonly before?: Detail
  /** Alive when the watch ended. */
  readonly found: number
  /** Alive after they were killed. */
  readonly left: number
}

export type ThreadMessage = { readonly type: 'up' } | { readonly type: 'report'; readonly report: WatchReport }
