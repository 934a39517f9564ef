// What one probe of one MCP server in one place found: plain data, as it is kept in the ledger and printed.

import type { Side } from './job.ts'

/** Where a probe ran: a plain process beside the command (`baseline`), or inside a worker of a side. */
export type ProbePlace = 'baseline' | Side
export const PROBE_PLACES = ['baseline', 'legacy', 'target'] as const satisfies readonly ProbePlace[]

/** In the order in which a server is met. */
export const PROBE_FAILURES = [
  'not-configured',
  'skipped-by-guard',
  'env-missing',
  'sdk-missing',
  'worker-never-picked-up',
  'worker-went-down',
  'loop-blocked',
  'command-not-found',
  'spawn-blocked',
  'unreachable',
  'redirected',
  'auth',
  'http-error',
  'sse-no-endpoint',
  'crashed',
  'no-initialize',
  'protocol-version',
  'protocol-error',
  'stdout-pollution',
  'too-large',
  'timeout-list',
  'no-tools',
  'too-many-tools',
  'timeout-call',
  'call-failed',
] as const
/** What a failed probe failed of; `mcp/classes.ts` says of each what it means and what to do. */
export type ProbeFailure = (typeof PROBE_FAILURES)[number]

/** `running`: a worker has taken the probe and has not told its end. */
export type ProbeClass = 'ok' | 'running' | ProbeFailure

/** A tool's name and a short hash of its input schema. */
export type ToolStamp = readonly [name: string, hash: string]

export interface ProbePhase {
  readonly phase: 'spawn' | 'initialize' | 'list' | 'call' | 'close'
  readonly ms: number
  readonly ok: boolean
}

/** What is known of the place where it hangs or broke. */
export interface ProbePlaceOfHang {
  /** One sentence in plain words. */
  readonly sentence: string
  /** What was seen, each a heading and its lines; what cannot be had here is said as well. */
  readonly details: readonly { readonly what: string; readonly lines: readonly string[] }[]
}

/** One probe of one server in one place. */
export interface ProbeRecord {
  /** Of the round: the same in all its places. */
  readonly id: string
  readonly server: string
  readonly place: ProbePlace
  readonly class: ProbeClass
  /** From the first phase to the last, ms. */
  readonly ms: number
  readonly phases: readonly ProbePhase[]
  /** How it is reached, names only: `stdio npx, 2 arguments, env TOKEN`. */
  readonly reached?: string
  readonly protocol?: string
  /** Name and version that the server gives of itself. */
  readonly serverInfo?: string
  /** Sorted by name. Only of a list that was read to its end. */
  readonly tools?: readonly ToolStamp[]
  /** Processes that the server left behind at its end; they were killed. */
  readonly orphans?: number
  /** Of a failure. */
  readonly hang?: ProbePlaceOfHang
  /** The sample call that was made, or why none was. */
  readonly sample?: string
  /** The process in which it ran. */
  readonly by?: { readonly instance?: string; readonly pid: number; readonly host: string; readonly node: string }
}

/** As the ledger keeps it. */
export interface StoredProbe extends ProbeRecord {
  /** When it was last written, the ledger's clock. */
  readonly at: number
}

/** What travels through the queue to a worker that is to try a server: its name, never how to start it. */
export interface ProbeJob {
  /** Of the round. */
  readonly id: string
  readonly server: string
  /** The ledger's clock: not to be begun after it, and to have ended by it. */
  readonly expiresAt: number
}
export const PROBE_ENVELOPE_VERSION = 2

export function isProbeJob(value: unknown): value is ProbeJob {
  const { id, server, expiresAt } = (value ?? {}) as Partial<Record<keyof ProbeJob, unknown>>
  return typeof id === 'string' && typeof server === 'string' && typeof expiresAt === 'number'
}

/** How many are kept of each server and place, newest last. */
export const PROBES_KEPT = 20
