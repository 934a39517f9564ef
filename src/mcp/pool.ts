// The MCP clients of one worker process, migration and side: one of each server, whatever the number of jobs.
//
// Loaded when the first handler asks for its tools. `tools()` is one look at a frozen object once the servers are there;
// it never waits for a server that is known to be away. Closing it ends every process that was started here, and so does
// the end of this process.

import { hostname } from 'node:os'
import type { ProbeLedger } from '../ports/ledger.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import { newId } from '../vocabulary/ids.ts'
import type { Side } from '../vocabulary/job.ts'
import type { ProbePlaceOfHang, StoredProbe } from '../vocabulary/probe.ts'
import { pickTool } from './call.ts'
import { describeServer, type McpSettings } from './config.ts'
import { lastProbe } from './known.ts'
import { CallFailed, type Failure, PoolServer } from './pool-server.ts'
import { type McpAccess, type McpCallRequest, type McpCallResult, type McpSnapshot, snapshotOf } from './seen.ts'

export interface PoolOptions {
  readonly migration: string
  readonly side: Side
  readonly mcp: McpSettings
  /** `Presence.instance`. */
  readonly instance: string
  readonly ledger: () => Promise<ProbeLedger>
  readonly emit: EmitEvent
  /** How often the ledger is looked at while a server is barred, ms. Default 5000. */
  readonly lookMs?: number
}

/** A ledger that does not answer says nothing against a server. */
const LEDGER_MS = 2000
/** One reading of the probes serves the servers that ask at once. */
const PROBES_FRESH_MS = 500

export class ToolPool implements McpAccess {
  readonly #o: PoolOptions
  readonly #servers: readonly PoolServer[]
  #snapshot: McpSnapshot | undefined
  #probes: { readonly at: number; readonly read: Promise<readonly StoredProbe[]> } | undefined

  constructor(options: PoolOptions) {
    this.#o = options
    const { mcp, migration, side, emit, lookMs } = options
    this.#servers = mcp.servers.map((settings) => {
      const what = { migration, server: settings.name, side } as const
      return new PoolServer({
        settings,
        known: async () => lastProbe(await this.#readProbes(), settings.name, side),
        guarded: () => mcp.guard?.(settings.name, side),
        changed: () => {
          this.#snapshot = undefined
        },
        degraded: (failure) => emit({ ...what, type: 'mcp-degraded', ...failure }),
        restored: (tools, by) => emit({ ...what, type: 'mcp-restored', tools, by }),
        tellBlocked: (failure, hang) => this.#tellBlocked(settings.name, failure, hang),
        ...(lookMs === undefined ? {} : { lookMs }),
      })
    })
  }

  tools(): McpSnapshot | Promise<McpSnapshot> {
    return this.#snapshot ?? this.#settle()
  }

  async #settle(): Promise<McpSnapshot> {
    for (;;) {
      const waits = this.#servers.flatMap((server) => server.ready() ?? [])
      if (waits.length === 0) break
      await Promise.all(waits)
    }
    this.#snapshot ??= snapshotOf(this.#servers.map((server) => server.now()))
    return this.#snapshot
  }

  async call(request: McpCallRequest): Promise<McpCallResult> {
    const { migration } = this.#o
    const { server, name } = pickTool(await this.tools(), request, migration)
    const found = this.#servers.find((each) => each.name === server)
    try {
      if (found === undefined) throw new CallFailed('crashed', 'it is not there')
      return await found.call(request)
    } catch (cause) {
      if (!(cause instanceof CallFailed)) throw cause
      throw new CutoverError('mcp-call-failed', `${migration}: ${server}, tool ${name}: ${cause.message}`, {
        details: { migration, server, tool: name, class: cause.failure },
      })
    }
  }

  /** A probe has ended in this process: what it lifted is lifted now. */
  look(): void {
    this.#probes = undefined
    for (const server of this.#servers) server.look()
  }

  async close(): Promise<void> {
    this.#snapshot = undefined
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  async #readProbes(): Promise<readonly StoredProbe[]> {
    const now = performance.now()
    if (this.#probes === undefined || now - this.#probes.at > PROBES_FRESH_MS)
      this.#probes = { at: now, read: this.#askLedger() }
    return await this.#probes.read
  }

  async #askLedger(): Promise<readonly StoredProbe[]> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<readonly StoredProbe[]>((resolve) => {
      timer = setTimeout(() => resolve([]), LEDGER_MS)
    })
    const asked = this.#o.ledger().then((ledger) => ledger.probes())
    try {
      return await Promise.race([asked.catch(() => []), late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** As a probe that this worker made: no other worker of this side needs to find it out the same way. */
  async #tellBlocked(server: string, failure: Failure, hang: ProbePlaceOfHang): Promise<string> {
    const id = newId()
    const { side, instance, mcp, ledger } = this.#o
    const settings = mcp.servers.find(({ name }) => name === server)
    const by = { instance, pid: process.pid, host: hostname(), node: process.versions.node }
    const reached = settings === undefined ? {} : { reached: describeServer(settings) }
    try {
      const store = await ledger()
      await store.noteProbe({ id, server, place: side, class: failure.class, ms: 0, phases: [], ...reached, hang, by })
    } catch {
      // it holds for this worker all the same
    }
    return id
  }
}
