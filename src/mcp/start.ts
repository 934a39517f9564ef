// Starts one server and lists its tools, for clients that live on: phase by phase, each with its time-out, the creation of
// a child process under a watch that frees this process where it blocks. Never throws; a server that failed is gone.

import type { Tool } from '@modelcontextprotocol/sdk/types.js'
import { isCutoverError } from '../vocabulary/errors.ts'
import { newToken } from '../vocabulary/ids.ts'
import type { ProbeFailure, ProbePlaceOfHang } from '../vocabulary/probe.ts'
import { ProbeError } from './classes.ts'
import { classify, PhaseTimeout } from './classify.ts'
import type { McpPhase, McpServerSettings } from './config.ts'
import { Connection } from './connection.ts'
import { placeOfHang } from './hang.ts'
import { killTree, MARK, ProcessTree } from './process-tree.ts'
import { readyServer, withoutSecrets } from './ready.ts'
import { loadSdk, type Sdk } from './sdk.ts'
import { StdioTransport } from './stdio.ts'
import { listAll } from './tools.ts'
import type { WatchReport } from './watch-protocol.ts'
import { Watchdog } from './watchdog.ts'

export interface Started {
  readonly ok: true
  readonly connection: Connection
  readonly sdk: Sdk
  readonly tools: readonly Tool[]
  /** All that the server has started. */
  readonly tree: ProcessTree
  /** Never shown. */
  readonly secrets: readonly string[]
}

export interface NotStarted {
  readonly ok: false
  readonly class: ProbeFailure
  readonly hang: ProbePlaceOfHang
}

/** Two at once could not tell whose child it is that was forked and did not reach exec. */
let spawning: Promise<unknown> = Promise.resolve()

/** `signal` gives it up. */
export async function startServer(settings: McpServerSettings, signal: AbortSignal): Promise<Started | NotStarted> {
  const { server, missing, secrets } = readyServer(settings)
  if (server === undefined) return failed('env-missing', `It was not tried: not set here: ${missing.join(', ')}.`)
  let sdk: Sdk
  try {
    sdk = await loadSdk()
  } catch (cause) {
    if (!isCutoverError(cause, 'adapter-missing')) throw cause
    return failed('sdk-missing', 'It was not tried: the MCP library cannot be loaded here.')
  }
  const mark = `pool-${newToken()}`
  const env = { [MARK]: mark }
  const connection = new Connection({ server, sdk, mark: env, maxTotal: Number.POSITIVE_INFINITY })
  return await new Start(settings, connection, { sdk, secrets, mark, signal }).run()
}

function failed(failure: ProbeFailure, sentence: string): NotStarted {
  return { ok: false, class: failure, hang: { sentence, details: [] } }
}

interface StartOptions {
  readonly sdk: Sdk
  readonly secrets: readonly string[]
  readonly mark: string
  readonly signal: AbortSignal
}

class Start {
  readonly #settings: McpServerSettings
  readonly #connection: Connection
  readonly #o: StartOptions
  readonly #tree: ProcessTree
  #phase: McpPhase = 'spawn'
  #began = 0
  #watched: WatchReport | undefined

  constructor(settings: McpServerSettings, connection: Connection, o: StartOptions) {
    this.#settings = settings
    this.#connection = connection
    this.#o = o
    this.#tree = new ProcessTree(o.mark)
  }

  async run(): Promise<Started | NotStarted> {
    const { sdk, secrets } = this.#o
    const connection = this.#connection
    try {
      await this.#open()
      const gone = connection.gone()
      gone.catch(() => {})
      await this.#within('initialize', (ms) => connection.initialize(ms), gone)
      const tools = await this.#within('list', (ms) => listTools(connection, sdk, ms), gone)
      if (tools.length === 0) throw new ProbeError('no-tools', 'its list of tools is empty')
      endWithProcess(this.#tree)
      return { ok: true, connection, sdk, tools, tree: this.#tree, secrets }
    } catch (error) {
      return await this.#failed(error)
    }
  }

  async #open(): Promise<void> {
    if (this.#settings.transport !== 'stdio') {
      await this.#within('spawn', () => this.#connection.open())
      return
    }
    await StdioTransport.load()
    const before = spawning
    const own = before.then(() => this.#spawn())
    spawning = own.catch(() => {})
    await own
  }

  /** The watch ends with the phase: what blocks the loop later is not of this server. */
  async #spawn(): Promise<void> {
    const connection = this.#connection
    const limitMs = this.#settings.timeouts.spawn
    const watchdog = await Watchdog.start({ mark: this.#o.mark, deadlineAt: Date.now() + 2 * limitMs + 10_000 })
    watchdog.enter('spawn', limitMs)
    try {
      await this.#within('spawn', async () => {
        const opening = connection.open()
        queueMicrotask(() => watchdog.child(connection.stdio?.pid))
        await opening
      })
      watchdog.leave('spawn', true)
      const pid = connection.stdio?.pid
      if (pid !== undefined) this.#tree.setRoot(pid)
      this.#tree.sample()
      await watchdog.release()
    } catch (error) {
      watchdog.leave('spawn', false)
      this.#watched = await watchdog.end(true)
      throw error
    }
  }

  async #within<T>(phase: McpPhase, work: (limitMs: number) => Promise<T>, gone?: Promise<never>): Promise<T> {
    const limitMs = this.#settings.timeouts[phase]
    this.#phase = phase
    this.#began = performance.now()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new PhaseTimeout(limitMs)), limitMs)
    })
    late.catch(() => {})
    const { signal } = this.#o
    let onAbort = (): void => {}
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal.reason)
    })
    signal.addEventListener('abort', onAbort)
    aborted.catch(() => {})
    try {
      signal.throwIfAborted()
      // the SDK's own time-out is a second net, behind ours
      const result = await Promise.race([work(limitMs + 5000), late, aborted, ...(gone === undefined ? [] : [gone])])
      // a timer cannot fire while the loop stands still
      if (phase === 'spawn' && performance.now() - this.#began > limitMs) throw new PhaseTimeout(limitMs)
      return result
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #failed(error: unknown): Promise<NotStarted> {
    const connection = this.#connection
    const tookMs = performance.now() - this.#began
    const { stdio, failure: noticed, strayError: stray } = connection
    const looks = this.#watched?.looks ?? []
    if (stdio !== undefined) await within(EXIT_TOLD_MS, stdio.ended())
    const exit = stdio?.exit
    connection.abort()
    await killTree(this.#tree)
    stdio?.release()
    const phase = this.#phase
    const { transport, timeouts } = this.#settings
    const noise = stdio?.noise ?? { bytes: 0, text: '' }
    const facts = { error, phase, transport, noticed, stray, looks, tookMs, limitMs: timeouts[phase] }
    const classified = classify({ ...facts, noise: noise.bytes })
    const hang = placeOfHang({
      ...{ ...classified, phase, tookMs, looks, exit, stderr: stdio?.stderr ?? '', noise: noise.text },
      started: stdio?.pid !== undefined,
    })
    return { ok: false, class: classified.failure, hang: withoutSecrets(hang, this.#o.secrets) }
  }
}

/** Ended with this process, however it ends, as long as it can still do something. */
const LIVE = new Set<ProcessTree>()
let isHooked = false

function endWithProcess(tree: ProcessTree): void {
  LIVE.add(tree)
  if (isHooked) return
  isHooked = true
  process.on('exit', () => {
    for (const each of LIVE) {
      each.alive() // what it has started by now
      each.signal('SIGKILL')
    }
  })
}

/** All pages. */
export async function listTools({ client }: Connection, { types }: Sdk, ms: number): Promise<readonly Tool[]> {
  return await listAll<Tool>(async (cursor) => {
    const params = cursor === undefined ? {} : { cursor }
    return await client.request({ method: 'tools/list', params }, types.ListToolsResultSchema, { timeout: ms })
  })
}

/** As an orderly client would, then everything that is left of it. */
export async function stopServer({ connection, tree }: Started, timeoutMs: number): Promise<void> {
  const { stdio } = connection
  tree.sample()
  const closing = connection.close().catch(() => {}) // it may be gone, which is what is wanted
  await within(timeoutMs / 2, Promise.all([closing, stdio?.ended()]))
  if (stdio !== undefined && stdio.exit === undefined) {
    tree.signal('SIGTERM')
    await within(timeoutMs / 2, stdio.ended())
  }
  connection.abort()
  if (stdio === undefined) return
  await killTree(tree)
  LIVE.delete(tree)
  stdio.release()
}

const EXIT_TOLD_MS = 50

/** Waits for it, at most so long. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, over])
  clearTimeout(timer)
}
