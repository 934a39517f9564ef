// `ctx.mcp`: the tools of one run, and the note of what it had.

import type { McpAccess, McpCallResult, McpDegraded, McpSnapshot, McpTool } from '../mcp/seen.ts'
import { type Duration, parseDuration } from '../vocabulary/duration.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { SeenTools } from '../vocabulary/outcome.ts'

export interface CallOptions {
  /** Needed where two servers have a tool of this name. */
  readonly server?: string
  /** Default: the server's `timeouts.call`. */
  readonly timeout?: Duration
}

/** The MCP servers of a migration, as its worker has them. */
export interface HandlerMcp {
  /**
   * The tools that are there now, of all servers or of one. Waits for a server that is being started for the first time,
   * never for one that is known to be away: `degraded` tells of that one, and so does the outcome.
   *
   * `mcp-not-configured`.
   */
  tools(options?: { readonly server?: string }): Promise<readonly McpTool[]>
  /**
   * Calls a tool; what the tool itself says of a failure is in the answer (`isError`). In a shadow or control only a
   * tool that declares `readOnlyHint` is called: the others belong into `ctx.effect`.
   *
   * `mcp-unavailable`, `mcp-tool-unknown`, `mcp-call-failed`, `mcp-not-configured`, `effect-refused`.
   */
  call(tool: string, args?: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<McpCallResult>
  /** The servers that this run goes without, as `tools()` found it last; empty before. */
  readonly degraded: readonly McpDegraded[]
}

export interface RunMcpOptions {
  readonly migration: string
  readonly id: string
  readonly access: (() => Promise<McpAccess>) | undefined
  /** A shadow or control. */
  readonly isCopy: boolean
  /** Names are kept of runs that are compared. */
  readonly compared: boolean
  readonly signal: () => AbortSignal
}

export class RunMcp implements HandlerMcp {
  readonly #o: RunMcpOptions
  #snapshot: McpSnapshot | undefined

  constructor(options: RunMcpOptions) {
    this.#o = options
  }

  /** For the outcome; undefined for a run that never asked. */
  get seen(): SeenTools | undefined {
    return this.#o.compared ? this.#snapshot?.seen : this.#snapshot?.seenShort
  }

  get degraded(): readonly McpDegraded[] {
    return this.#snapshot?.degraded ?? []
  }

  async tools({ server }: { readonly server?: string } = {}): Promise<readonly McpTool[]> {
    const { tools } = await this.#look(await this.#access())
    return server === undefined ? tools : tools.filter((tool) => tool.server === server)
  }

  async call(
    tool: string,
    args: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<McpCallResult> {
    const { isCopy: readOnly, signal } = this.#o
    const { server, timeout } = options
    const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, 'ctx.mcp.call timeout')
    const access = await this.#access()
    signal().throwIfAborted()
    await this.#look(access)
    return await access.call({ tool, args, server, timeoutMs, readOnly, signal: signal() })
  }

  async #look(access: McpAccess): Promise<McpSnapshot> {
    this.#snapshot = await access.tools()
    return this.#snapshot
  }

  async #access(): Promise<McpAccess> {
    const { access, migration } = this.#o
    if (access !== undefined) return await access()
    throw new CutoverError(
      'mcp-not-configured',
      `${migration}: there are no MCP servers; add them to mcp.servers in cutover.config (in a test: the option mcp of runHandler)`,
      { details: { migration } },
    )
  }
}
