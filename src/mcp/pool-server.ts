// One server of a pool: started once, used by many jobs, started again when it ends.
//
//   new → starting → up → (ends) → starting → … and down wherever a start fails. Jobs wait for a start only while nothing
// is known against the server: for the first one, and for the one after it ended while it was up. Every later start is
// tried in the background, with a growing delay, and jobs go on without its tools. A server whose start is known to block
// this process is not started again before a probe on this side has succeeded.

import type { Tool } from '@modelcontextprotocol/sdk/types.js'
import {
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  type IBackoff,
  isBrokenCircuitError,
} from 'cockatiel'
import type { ProbeFailure, ProbePlaceOfHang } from '../vocabulary/probe.ts'
import { ProbeError } from './classes.ts'
import type { McpServerSettings } from './config.ts'
import { ServerEnded } from './connection.ts'
import { isBlocking, type Known } from './known.ts'
import { cutSecrets } from './ready.ts'
import type { McpCallRequest, McpCallResult, McpTool, ServerNow } from './seen.ts'
import { listTools, type Started, startServer, stopServer } from './start.ts'
import { schemaHash } from './tools.ts'

export interface PoolServerOptions {
  readonly settings: McpServerSettings
  /** What the last probe of this server on this side found. */
  readonly known: () => Promise<Known | undefined>
  /** Why it must not be tried. */
  readonly guarded: () => string | undefined
  /** Its tools are others, or gone, or back. */
  readonly changed: () => void
  readonly degraded: (failure: Failure) => void
  readonly restored: (tools: number, by: 'probe' | 'restart') => void
  /** A start blocked this process: others of this side must not try it. Answers the round under which that is kept. */
  readonly tellBlocked: (failure: Failure, hang: ProbePlaceOfHang) => Promise<string>
  /** How often a barred server is looked at, ms; default 5000. */
  readonly lookMs?: number
}

export interface Failure {
  readonly class: ProbeFailure
  readonly why: string
}

type State =
  | { readonly is: 'new' }
  | { readonly is: 'starting'; readonly done: Promise<void> }
  | { readonly is: 'up'; readonly started: Started; readonly tools: readonly McpTool[]; readonly since: number }
  /** `barredBy`: the round of the probe that says that its start blocks; another one that succeeds lifts it. */
  | { readonly is: 'down'; readonly failure: Failure; readonly barredBy?: string }
  | { readonly is: 'closed' }

const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 60_000
/** How often the ledger is asked whether a probe has lifted what bars a server. */
const LOOK_MS = 5000
/** A server that was up for so long starts with a short delay again. */
const STABLE_MS = 30_000
/** So many calls in a row without an answer, and it is asked whether it lives. */
const CALLS_LOST = 3
const PING_MS = 2000

const BACKOFF = new ExponentialBackoff({ initialDelay: FIRST_RETRY_MS, maxDelay: LAST_RETRY_MS })

export class PoolServer {
  readonly #o: PoolServerOptions
  #state: State = { is: 'new' }
  #breaker: CircuitBreakerPolicy | undefined
  #backoff: IBackoff<unknown> | undefined
  #timer: NodeJS.Timeout | undefined
  #lookMs: number
  #trying: Promise<void> | undefined
  readonly #closing = new AbortController()
  /** Told as degraded, and not as restored. */
  #told: ProbeFailure | undefined

  constructor(options: PoolServerOptions) {
    this.#o = options
    this.#lookMs = options.lookMs ?? LOOK_MS
  }

  get name(): string {
    return this.#o.settings.name
  }

  /** What a job has to wait for; undefined when nothing. */
  ready(): Promise<void> | undefined {
    if (this.#state.is === 'new') this.#start()
    return this.#state.is === 'starting' ? this.#state.done : undefined
  }

  now(): ServerNow {
    const state = this.#state
    const server = this.name
    if (state.is === 'up') return { server, tools: state.tools }
    if (state.is === 'down') return { server, degraded: state.failure }
    return { server, degraded: { class: 'crashed', why: 'It is being started, or the worker closes.' } }
  }

  /** Looks at once whether it can be used again: a probe has ended. */
  look(): void {
    if (this.#state.is === 'down') void this.#again()
  }

  async close(): Promise<void> {
    const state = this.#state
    this.#state = { is: 'closed' }
    this.#closing.abort()
    clearTimeout(this.#timer)
    if (state.is === 'up') await stopServer(state.started, this.#o.settings.timeouts.close)
    if (state.is === 'starting') await state.done
    await this.#trying
  }

  /** Rejects with `CallFailed`. */
  async call({ tool, args, timeoutMs, signal }: McpCallRequest): Promise<McpCallResult> {
    const state = this.#state
    if (state.is !== 'up' || this.#breaker === undefined) throw new CallFailed('crashed', 'it is not there')
    const { connection, sdk, secrets } = state.started
    const timeout = timeoutMs ?? this.#o.settings.timeouts.call
    const params = { name: tool, arguments: args }
    const options = { timeout, maxTotalTimeout: timeout, signal }
    try {
      return (await this.#breaker.execute(
        async () =>
          await connection.client.request({ method: 'tools/call', params }, sdk.types.CallToolResultSchema, options),
      )) as McpCallResult
    } catch (cause) {
      if (signal.aborted) throw signal.reason
      if (isBrokenCircuitError(cause)) throw new CallFailed('timeout-call', 'too many calls had no answer')
      throw failedCall(cause, timeout, secrets)
    }
  }

  // ------------------------------------------------------------------------------------------------- starting

  /** In the foreground: jobs wait for it, unless something is known against it. */
  #start(): void {
    this.#state = { is: 'starting', done: this.#begin() }
    this.#o.changed()
  }

  async #begin(): Promise<void> {
    const known = await this.#o.known()
    if (this.#state.is === 'closed') return
    const guarded = this.#guarded()
    if (guarded !== undefined) return this.#down(guarded)
    if (known?.failure !== undefined) {
      const { failure, id } = known
      const barred = isBlocking(failure.class)
      this.#down(failure, barred ? { barredBy: id } : { retryMs: 0 })
      return
    }
    await this.#try('restart')
  }

  /** In the background. One at a time. */
  async #again(): Promise<void> {
    if (this.#trying !== undefined) return
    clearTimeout(this.#timer)
    this.#trying = this.#retry().finally(() => {
      this.#trying = undefined
    })
    await this.#trying
  }

  async #retry(): Promise<void> {
    const { barredBy } = this.#state.is === 'down' ? this.#state : {}
    const known = await this.#o.known()
    if (this.#state.is !== 'down') return
    const guarded = this.#guarded()
    if (guarded !== undefined) return this.#down(guarded)
    const { failure } = this.#state
    if (known?.failure !== undefined && isBlocking(known.failure.class)) {
      this.#down(known.failure, { barredBy: known.id })
      return
    }
    const isLifted = known !== undefined && known.failure === undefined && known.id !== barredBy
    if (barredBy !== undefined && !isLifted) return this.#down(failure, { barredBy })
    await this.#try(isLifted && barredBy !== undefined ? 'probe' : 'restart')
  }

  #guarded(): Failure | undefined {
    let guarded: string | undefined
    try {
      guarded = this.#o.guarded()
    } catch (cause) {
      guarded = `its guard threw ${cause instanceof Error ? cause.name : 'something'}`
    }
    return guarded === undefined ? undefined : { class: 'skipped-by-guard', why: `It was not tried: ${guarded}.` }
  }

  async #try(by: 'probe' | 'restart'): Promise<void> {
    const started = await startServer(this.#o.settings, this.#closing.signal)
    if (this.#isClosed()) {
      if (started.ok) await stopServer(started, this.#o.settings.timeouts.close)
      return
    }
    if (started.ok) return this.#up(started, by)
    const failure = { class: started.class, why: started.hang.sentence }
    if (!isBlocking(failure.class)) return this.#down(failure)
    this.#down(failure, { barredBy: await this.#o.tellBlocked(failure, started.hang) })
  }

  #isClosed(): boolean {
    return this.#state.is === 'closed'
  }

  #up(started: Started, by: 'probe' | 'restart'): void {
    const tools = this.#stamped(started.tools)
    this.#state = { is: 'up', started, tools, since: performance.now() }
    this.#breaker = this.#breakerFor(started)
    const { connection, sdk } = started
    connection.gone().catch((cause: unknown) => void this.#lost(started, lossOf(started, cause)))
    connection.client.setNotificationHandler(sdk.types.ToolListChangedNotificationSchema, () => this.#relist(started))
    if (this.#told !== undefined) this.#o.restored(tools.length, by)
    this.#told = undefined
    this.#o.changed()
  }

  #breakerFor(started: Started): CircuitBreakerPolicy {
    const breaker = circuitBreaker(handleWhen(isLostCall), {
      breaker: new ConsecutiveBreaker(CALLS_LOST),
      halfOpenAfter: LAST_RETRY_MS,
    })
    breaker.onBreak(() => void this.#check(started))
    return breaker
  }

  /** A tool that is slow is not a server that is gone: that one answers no ping either. */
  async #check(started: Started): Promise<void> {
    try {
      await started.connection.client.ping({ timeout: PING_MS })
      const state = this.#state
      if (state.is === 'up' && state.started === started) this.#breaker = this.#breakerFor(started)
    } catch {
      const why = `${CALLS_LOST} calls in a row had no answer, and no ping.`
      await this.#lost(started, { class: 'timeout-call', why })
    }
  }

  #stamped(tools: readonly Tool[]): readonly McpTool[] {
    return Object.freeze(
      tools.map(({ name, title, description, inputSchema, annotations }) =>
        Object.freeze({
          ...{ server: this.name, name, inputSchema, hash: schemaHash(inputSchema) },
          ...(title === undefined ? {} : { title }),
          ...(description === undefined ? {} : { description }),
          ...(annotations === undefined ? {} : { annotations }),
        }),
      ),
    ) as readonly McpTool[]
  }

  async #relist(started: Started): Promise<void> {
    try {
      const listed = await listTools(started.connection, started.sdk, this.#o.settings.timeouts.list)
      const state = this.#state
      if (state.is !== 'up' || state.started !== started) return
      if (listed.length === 0) throw new ProbeError('no-tools', 'its list of tools is empty now')
      this.#state = { ...state, tools: this.#stamped(listed) }
      this.#o.changed()
    } catch (cause) {
      const failure = cause instanceof ProbeError ? cause.failure : 'timeout-list'
      await this.#lost(started, { class: failure, why: 'Its list of tools changed and could not be read again.' })
    }
  }

  /** It ended, or answers no more. */
  async #lost(started: Started, failure: Failure): Promise<void> {
    const state = this.#state
    if (state.is !== 'up' || state.started !== started) return
    if (performance.now() - state.since >= STABLE_MS) this.#backoff = undefined
    // what it has started must not live beside its successor
    const gone = stopServer(started, 0)
    if (this.#backoff !== undefined) {
      this.#down(failure)
      await gone
      return
    }
    this.#nextDelay()
    this.#breaker = undefined
    const done = gone.then(() => (this.#isClosed() ? undefined : this.#try('restart')))
    this.#state = { is: 'starting', done }
    this.#o.changed()
    await done
  }

  #down(failure: Failure, how: { barredBy?: string; retryMs?: number } = {}): void {
    const { barredBy, retryMs } = how
    this.#state = { is: 'down', failure, ...(barredBy === undefined ? {} : { barredBy }) }
    this.#breaker = undefined
    if (this.#told !== failure.class) {
      this.#told = failure.class
      this.#o.degraded(failure)
    }
    this.#o.changed()
    const delay = retryMs ?? (barredBy === undefined ? this.#nextDelay() : this.#lookMs)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#again(), delay)
    this.#timer.unref()
  }

  #nextDelay(): number {
    this.#backoff = (this.#backoff ?? BACKOFF).next(undefined)
    return this.#backoff.duration
  }
}

/** A call that failed, as it is told to the handler. */
export class CallFailed extends Error {
  readonly failure: ProbeFailure

  constructor(failure: ProbeFailure, message: string) {
    super(message)
    this.name = 'CallFailed'
    this.failure = failure
  }
}

const REQUEST_TIMEOUT = -32_001
const CONNECTION_CLOSED = -32_000

/** Of the connection, not of what was asked for. */
function isLostCall(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown }
  if (name === 'AbortError') return false
  return name !== 'McpError' || code === REQUEST_TIMEOUT || code === CONNECTION_CLOSED
}

function failedCall(cause: unknown, timeoutMs: number, secrets: readonly string[]): CallFailed {
  const { code } = (cause ?? {}) as { code?: unknown }
  if (cause instanceof ProbeError) return new CallFailed(cause.failure, cause.message)
  if (code === REQUEST_TIMEOUT) return new CallFailed('timeout-call', `no answer within ${timeoutMs} ms`)
  if (code === CONNECTION_CLOSED) return new CallFailed('crashed', 'the server ended during the call')
  const said = cause instanceof Error ? cause.message : String(cause)
  return new CallFailed('call-failed', cutSecrets(said, secrets).slice(0, 300))
}

function lossOf({ connection }: Started, cause: unknown): Failure {
  const { exit } = connection.stdio ?? {}
  if (cause instanceof ProbeError) return { class: cause.failure, why: `It was given up: ${cause.message}.` }
  const how = exit?.signal ?? (exit?.code === null || exit === undefined ? undefined : `exit code ${exit.code}`)
  const told = cause instanceof ServerEnded && how !== undefined ? ` (${how})` : ''
  return { class: 'crashed', why: `The server ended by itself${told}.` }
}
