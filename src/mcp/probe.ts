// Tries one server from inside this process, phase by phase, each with a time-out, all under a watch; never throws, and
// leaves nothing of the server behind.
//
// Ends within its deadline and two seconds, whatever the server does: the phases by the deadline, then everything that
// was started is looked at, killed and looked for again.

import { hostname } from 'node:os'
import type { Tool } from '@modelcontextprotocol/sdk/types.js'
import type { ProbeClass, ProbePhase, ProbePlace, ProbeRecord, ToolStamp } from '../vocabulary/probe.ts'
import { pendingPromises } from './calls.ts'
import { ProbeError } from './classes.ts'
import { type Classified, classify, PhaseTimeout } from './classify.ts'
import type { McpPhase, McpSample, McpTimeouts } from './config.ts'
import { Connection } from './connection.ts'
import { crumbFile } from './crumbs.ts'
import { countResources, placeOfHang } from './hang.ts'
import { type ReadyServer, withoutSecrets } from './ready.ts'
import { type SampleCall, sampleOf } from './sample.ts'
import { loadSdk, type Sdk } from './sdk.ts'
import { type ServerExit, StdioTransport } from './stdio.ts'
import { listAll, stampTools } from './tools.ts'
import type { WatchReport } from './watch-protocol.ts'
import { Watchdog } from './watchdog.ts'

export interface ProbeRequest {
  /** Of the round. */
  readonly id: string
  /** The server's name. */
  readonly name: string
  readonly place: ProbePlace
  readonly server: ReadyServer
  readonly timeouts: McpTimeouts
  readonly sample?: McpSample
  /** How it is reached, names only. */
  readonly reached: string
  /** Never shown. */
  readonly secrets: readonly string[]
  /** For everything but the killing. */
  readonly deadlineMs: number
}

export async function probeServer(request: ProbeRequest): Promise<ProbeRecord> {
  const probe = new Probe(request)
  try {
    return await probe.run()
  } catch (cause) {
    // not of the server: this process cannot load the library, or start a thread
    const code = (cause as { code?: unknown }).code
    const message = cause instanceof Error ? cause.message : String(cause)
    return probe.record(code === 'adapter-missing' ? 'sdk-missing' : 'worker-went-down', {
      hang: { sentence: `The probe could not begin: ${message}`, details: [] },
    })
  }
}

interface Failure {
  readonly phase: McpPhase
  readonly error: unknown
  readonly tookMs: number
  readonly limitMs: number
  readonly resources?: readonly string[]
  readonly pending?: readonly string[]
}

class Probe {
  readonly #r: ProbeRequest
  readonly #phases: ProbePhase[] = []
  readonly #mark: string
  #began = performance.now()
  #until = 0
  #watchdog!: Watchdog
  #connection!: Connection
  #sdk!: Sdk
  #failure: Failure | undefined
  #tools: readonly ToolStamp[] | undefined
  #sample: string | undefined

  constructor(request: ProbeRequest) {
    this.#r = request
    this.#mark = `${request.id}-${request.name}-${request.place}`
  }

  async run(): Promise<ProbeRecord> {
    const { server, id, name, place, deadlineMs } = this.#r
    this.#until = performance.now() + deadlineMs
    const loading = Promise.all([loadSdk(), server.transport === 'stdio' ? StdioTransport.load() : undefined])
    const loaded = await within(loading, deadlineMs)
    if (loaded === undefined) return this.#tooLate()
    this.#sdk = loaded[0]
    const left = this.#until - performance.now()
    const options = { mark: this.#mark, crumbs: crumbFile(id, name, place), deadlineAt: Date.now() + left }
    const watchdog = await Watchdog.startWithin(left, options)
    if (watchdog === undefined) return this.#tooLate()
    this.#watchdog = watchdog
    this.#began = performance.now()
    const sdk = this.#sdk
    this.#connection = new Connection({ server, sdk, mark: this.#watchdog.env })
    const { stdio } = this.#connection
    try {
      await this.#through()
      await this.#close()
    } catch (cause) {
      await this.#watchdog.end(true) // whatever happened here, nothing of the server stays
      this.#connection.abort()
      throw cause
    }
    const exit = stdio?.exit // by itself: what comes now is killed
    const report = await this.#watchdog.end(this.#failure !== undefined)
    // only now: at the end of its input a server may go before it was looked at
    this.#connection.abort()
    stdio?.release()
    return this.#judge(report, exit)
  }

  /** A machine that takes long to load the library, or to start a thread, says nothing of the server. */
  #tooLate(): ProbeRecord {
    return this.record('worker-never-picked-up', { hang: { sentence: TOO_LATE, details: [] } })
  }

  /** All phases up to the first that fails. */
  async #through(): Promise<void> {
    const connection = this.#connection
    const { client, stdio } = connection
    try {
      await this.#phase('spawn', async () => {
        await connection.open()
        this.#watchdog.child(stdio?.pid)
      })
      const gone = connection.gone()
      gone.catch(() => {})
      await this.#phase('initialize', (ms) => connection.initialize(ms), gone)
      const tools = await this.#phase('list', (ms) => this.#list(ms), gone)
      this.#tools = stampTools(tools)
      if (tools.length === 0) throw this.#failed('list', new ProbeError('no-tools', 'its list of tools is empty'))
      const sample = sampleOf(this.#r.sample, tools)
      if (typeof sample === 'string') this.#sample = sample
      else if (sample !== undefined) {
        this.#sample = sample.tool.slice(0, 100)
        await this.#phase('call', (ms) => this.#call(client, sample, ms), gone)
      }
    } catch (error) {
      if (this.#failure === undefined) throw error
    }
  }

  async #list(ms: number): Promise<readonly Tool[]> {
    const { client } = this.#connection
    const { ListToolsResultSchema } = this.#sdk.types
    return await listAll<Tool>(async (cursor) => {
      const params = cursor === undefined ? {} : { cursor }
      return await client.request({ method: 'tools/list', params }, ListToolsResultSchema, { timeout: ms })
    })
  }

  async #call(client: Connection['client'], { tool, arguments: values = {} }: SampleCall, ms: number): Promise<void> {
    const { CallToolResultSchema } = this.#sdk.types
    const params = { name: tool, arguments: values }
    const result = await client.request({ method: 'tools/call', params }, CallToolResultSchema, { timeout: ms })
    if (result.isError !== true) return
    const [first] = result.content
    const said = first?.type === 'text' ? first.text : 'an error without text'
    throw new Error(said)
  }

  async #phase<T>(phase: McpPhase, work: (limitMs: number) => Promise<T>, gone?: Promise<never>): Promise<T> {
    const began = performance.now()
    const limitMs = Math.max(1, Math.min(this.#r.timeouts[phase], this.#until - began))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new PhaseTimeout(Math.round(limitMs))), limitMs)
    })
    late.catch(() => {})
    this.#watchdog.enter(phase, limitMs)
    try {
      // the SDK's own time-out is a second net, behind ours
      const result = await Promise.race([work(limitMs + 5000), late, ...(gone === undefined ? [] : [gone])])
      const tookMs = performance.now() - began
      if (phase === 'spawn' && tookMs > limitMs) throw new PhaseTimeout(Math.round(limitMs))
      this.#note(phase, tookMs, true)
      return result
    } catch (error) {
      this.#note(phase, performance.now() - began, false)
      throw this.#failed(phase, error, { tookMs: performance.now() - began, limitMs })
    } finally {
      clearTimeout(timer)
    }
  }

  #note(phase: McpPhase, ms: number, ok: boolean): void {
    this.#phases.push({ phase, ms: Math.round(ms * 10) / 10, ok })
    this.#watchdog.leave(phase, ok)
  }

  /** Keeps the first failure with what can only be seen now; answers the error. */
  #failed(phase: McpPhase, error: unknown, times = { tookMs: 0, limitMs: 0 }): unknown {
    const waits = error instanceof PhaseTimeout
    const pending = waits ? pendingPromises() : undefined
    this.#failure ??= {
      phase,
      error,
      ...times,
      ...(waits ? { resources: countResources(process.getActiveResourcesInfo()) } : {}),
      ...(pending === undefined ? {} : { pending }),
    }
    return error
  }

  /** As an orderly client would: the end of its input, then SIGTERM to the server alone. What is left then is an orphan. */
  async #close(): Promise<void> {
    const { stdio } = this.#connection
    const limitMs = Math.min(this.#r.timeouts.close, Math.max(100, this.#until - performance.now()))
    const began = performance.now()
    if (this.#failure !== undefined) {
      if (stdio !== undefined) await Promise.race([stdio.ended(), pause(EXIT_TOLD_MS)])
      return
    }
    this.#watchdog.enter('close', limitMs)
    const closing = this.#connection.close().catch(() => {})
    await Promise.race([Promise.all([closing, stdio?.ended()]), pause(limitMs / 2)])
    if (stdio !== undefined && stdio.exit === undefined) {
      if (stdio.pid !== undefined) terminate(stdio.pid)
      await Promise.race([stdio.ended(), pause(limitMs / 2)])
    }
    this.#note('close', performance.now() - began, stdio === undefined || stdio.exit !== undefined)
  }

  #judge(report: WatchReport, exit: ServerExit | undefined): ProbeRecord {
    const { stdio } = this.#connection
    // a server that did not end when asked to is killed; what it left behind though it ended is an orphan
    const orphans = this.#failure === undefined && exit !== undefined ? report.found : 0
    if (this.#failure === undefined) return this.record('ok', { orphans })
    const classified = this.#classify(this.#failure, report)
    const hang = placeOfHang({
      ...this.#failure,
      ...classified,
      looks: report.looks,
      exit,
      stderr: stdio?.stderr ?? '',
      noise: stdio?.noise.text ?? '',
      started: stdio?.pid !== undefined,
      before: report.before,
    })
    return this.record(classified.failure, { orphans, hang })
  }

  #classify(failure: Failure, { looks }: WatchReport): Classified {
    const { failure: noticed, strayError: stray, stdio } = this.#connection
    const { transport } = this.#r.server
    return classify({ ...failure, transport, noticed, stray, noise: stdio?.noise.bytes ?? 0, looks })
  }

  record(found: ProbeClass, more: Pick<ProbeRecord, 'orphans' | 'hang'>): ProbeRecord {
    const { id, name, place, reached, secrets } = this.#r
    const connection = this.#connection as Connection | undefined // none where the probe could not begin
    const info = connection?.client.getServerVersion()
    const protocol = connection?.protocol
    const record: ProbeRecord = {
      id,
      server: name,
      place,
      class: found,
      ms: Math.round(performance.now() - this.#began),
      phases: this.#phases,
      reached,
      ...(protocol === undefined ? {} : { protocol }),
      ...(info === undefined ? {} : { serverInfo: `${info.name} ${info.version}`.slice(0, 100) }),
      ...(this.#tools === undefined ? {} : { tools: this.#tools }),
      ...(this.#sample === undefined ? {} : { sample: this.#sample }),
      ...more,
      by: { pid: process.pid, host: hostname(), node: process.versions.node },
    }
    return more.hang === undefined ? record : { ...record, hang: withoutSecrets(more.hang, secrets) }
  }
}

const TOO_LATE = 'Its time was over before the server could be started: this machine is too busy.'
/** The exit of a server that is about to end is waited for this long, so that its code is known. */
const EXIT_TOLD_MS = 50

/** Undefined when it takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // gone meanwhile
  }
}
