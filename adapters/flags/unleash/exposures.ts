// How often was each route given? Counted here, sent to Unleash as the metrics of an SDK, so that the flag's page shows
// them. What cannot be sent now is sent later; nothing waits for it.

import { setTimeout as sleep } from 'node:timers/promises'
import type { FlagDecision } from '../../../src/ports/flags.ts'
import type { DecisionReason } from '../../../src/vocabulary/job.ts'
import { ask } from './http.ts'
import type { Token } from './tokens.ts'

export interface ExposuresOptions {
  readonly url: string
  readonly token: Token
  readonly headers: Readonly<Record<string, string>>
  readonly appName: string
  readonly instanceId: string
  readonly everyMs: number
  readonly timeoutMs: number
}

interface Counts {
  yes: number
  no: number
  readonly variants: Record<string, number>
}

/** The flag had its say; what else was decided is a "no" of the flag. */
const SAID: ReadonlySet<DecisionReason> = new Set(['flag', 'ceiling', 'not-shadowable'])
const CLOSE_MS = 2000
const MAX_ANSWER = 1_000_000

export class Exposures {
  readonly #o: ExposuresOptions
  readonly #startedAt = new Date()
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined
  #counts = new Map<string, Counts>()
  #since = new Date()
  #registered = false
  #sending: Promise<boolean> | undefined

  constructor(options: ExposuresOptions) {
    this.#o = options
  }

  /** One decision that a job was stamped with. Starts the sending with the first one: who only looks sends nothing. */
  count(flag: string, { route, reason }: FlagDecision): void {
    let counts = this.#counts.get(flag)
    if (counts === undefined) {
      counts = { yes: 0, no: 0, variants: {} }
      this.#counts.set(flag, counts)
    }
    const said = SAID.has(reason)
    if (said) counts.yes += 1
    else counts.no += 1
    const variant = said ? route : 'disabled'
    counts.variants[variant] = (counts.variants[variant] ?? 0) + 1
    this.#loop ??= this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // ended by close, which sends the rest
      await sleep(this.#o.everyMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {})
      if (!this.#stop.signal.aborted) await this.flush()
    }
  }

  /** Sends what was counted. False: it could not be sent, and is kept. */
  flush(): Promise<boolean> {
    this.#sending ??= this.#send(this.#o.timeoutMs).finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await this.#sending
    if (this.#counts.size > 0) await this.#send(Math.min(this.#o.timeoutMs, CLOSE_MS))
  }

  async #send(timeoutMs: number): Promise<boolean> {
    if (this.#counts.size === 0) return true
    const { appName, instanceId } = this.#o
    const taken = this.#counts
    const start = this.#since
    this.#counts = new Map()
    this.#since = new Date()
    const bucket = { start, stop: this.#since, toggles: Object.fromEntries(taken) }
    try {
      if (!this.#registered) await this.#post('register', this.#registration(), timeoutMs)
      this.#registered = true
      await this.#post('metrics', { appName, instanceId, bucket }, timeoutMs)
      return true
    } catch {
      // counts are a service to who looks at the flag's page: the poller tells when the server is away
      this.#putBack(taken, start)
      return false
    }
  }

  #registration(): object {
    const { appName, instanceId, everyMs } = this.#o
    const strategies = ['default', 'flexibleRollout']
    return { appName, instanceId, sdkVersion: 'cutover', strategies, started: this.#startedAt, interval: everyMs }
  }

  async #post(what: 'register' | 'metrics', body: object, timeoutMs: number): Promise<void> {
    const { token, headers } = this.#o
    const url = `${this.#o.url}/api/client/${what}`
    const reply = await ask({
      url,
      method: 'POST',
      token: token.read(),
      headers,
      body,
      timeoutMs,
      maxBytes: MAX_ANSWER,
    })
    if (reply.status >= 300) throw new Error(`${url} answers ${reply.status}`)
  }

  #putBack(taken: ReadonlyMap<string, Counts>, start: Date): void {
    this.#since = start
    for (const [flag, { yes, no, variants }] of taken) {
      const now = this.#counts.get(flag)
      if (now === undefined) {
        this.#counts.set(flag, { yes, no, variants })
        continue
      }
      now.yes += yes
      now.no += no
      for (const [name, count] of Object.entries(variants)) now.variants[name] = (now.variants[name] ?? 0) + count
    }
  }
}
