// Keeps the last good answer of an Unleash server, and knows how good it is. In place of the client's own repository,
// which stops for ever when the server once refuses its token, and keeps a copy on disk that can undo a rollback.
//
// One question at a time; what is not a good answer changes nothing but the health.

import { setTimeout as sleep } from 'node:timers/promises'
import type { FlagHealth } from '../../../src/ports/flags.ts'
import { isCutoverError } from '../../../src/vocabulary/errors.ts'
import { type Answer, parseAnswer } from './answer.ts'
import { type DoubtId, findingOf } from './doubts.ts'
import { ask, ChannelFault, faultOf } from './http.ts'
import { pauseMs } from './pace.ts'
import { scrub, type Token } from './tokens.ts'

export interface PollerOptions {
  /** Base of the server's API, without a slash at the end. */
  readonly url: string
  readonly token: Token
  readonly headers: Readonly<Record<string, string>>
  readonly pollMs: number
  readonly timeoutMs: number
  readonly maxBytes: number
  /** A new answer was taken, or the health has changed. */
  readonly onChange: () => void
}

/** What `ready` waits for at most, and what a command does. */
const READY_MS = 3000

export class Poller {
  readonly #o: PollerOptions
  readonly #stop = new AbortController()
  readonly #first: Promise<void>
  readonly #loop: Promise<void>
  #answer: Answer | undefined
  #goodAt = Number.NEGATIVE_INFINITY
  #etag: string | null = null
  #state: FlagHealth['state'] = 'starting'
  #message: string | undefined
  #fault: ChannelFault | undefined
  #failures = 0
  #askedAt = 0
  #wake = new AbortController()
  #asking: Promise<void> | undefined

  constructor(options: PollerOptions, bootstrap?: Answer) {
    this.#o = options
    if (bootstrap !== undefined) {
      this.#answer = bootstrap
      this.#goodAt = performance.now()
    }
    this.#first = this.refresh()
    this.#loop = this.#run()
  }

  /** The last good answer, or the bootstrap file's until there is one. */
  get answer(): Answer | undefined {
    return this.#answer
  }
  /** ms since the last good answer. */
  get ageMs(): number {
    return performance.now() - this.#goodAt
  }
  get state(): FlagHealth['state'] {
    return this.#state
  }
  get message(): string | undefined {
    return this.#message
  }
  /** What is wrong with the channel now, as a doubt of the table. */
  get doubt(): DoubtId | undefined {
    if (this.#state === 'ok' || this.#state === 'starting') return undefined
    if (this.#fault?.kind !== undefined) return this.#fault.kind
    if (this.#state === 'refused') return 'refused'
    return this.#state === 'unreachable' ? 'unreachable' : 'malformed'
  }

  /** Resolves when the first question was answered or failed, at the latest after three seconds. */
  async ready(): Promise<void> {
    const late = new AbortController()
    await Promise.race([this.#first, sleep(READY_MS, undefined, { signal: late.signal }).catch(() => {})])
    late.abort()
  }

  /** Asks now; one question at a time, whoever comes meanwhile waits for it. Never rejects. */
  refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    await this.#first
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      // an ended pause is no fault: the loop looks whether it is to go on
      await sleep(this.#pauseMs(), undefined, { signal: this.#wake.signal, ref: false }).catch(() => {})
      if (!this.#stop.signal.aborted) await this.refresh()
    }
  }

  #pauseMs(): number {
    return pauseMs({
      pollMs: this.#o.pollMs,
      tookMs: performance.now() - this.#askedAt,
      failures: this.#failures,
      retryAfterMs: this.#fault?.retryAfterMs ?? 0,
      random: Math.random(),
    })
  }

  async #ask(): Promise<void> {
    let secret = ''
    this.#askedAt = performance.now()
    try {
      secret = this.#o.token.read()
      this.#take(await this.#fetch(secret))
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#fail(error, secret)
    }
  }

  /** The new answer; undefined: nothing has changed. */
  async #fetch(secret: string): Promise<Answer | undefined> {
    const { headers, timeoutMs, maxBytes } = this.#o
    const url = `${this.#o.url}/api/client/features`
    const known = this.#etag === null ? {} : { 'if-none-match': this.#etag }
    const signal = this.#stop.signal
    const reply = await ask({ url, token: secret, headers: { ...headers, ...known }, timeoutMs, maxBytes, signal })
    if (reply.status === 304 && this.#etag !== null) return undefined
    const fault = faultOf(url, reply, this.#o.token)
    if (fault !== undefined) throw fault
    const etag = reply.headers.get('etag')
    const answer = parseAnswer(reply.text, etag, url)
    const seen = this.#etag === null ? undefined : this.#answer?.revision
    if (seen !== undefined && answer.revision !== undefined && answer.revision < seen) {
      const { text, advice } = findingOf('backwards', `revision ${answer.revision} after ${seen}`)
      throw new ChannelFault('broken', `${url}: ${text}; ${advice}`, { kind: 'backwards' })
    }
    this.#etag = etag ?? '"none"'
    return answer
  }

  #take(answer: Answer | undefined): void {
    const changed = this.#state !== 'ok' || (answer !== undefined && answer.mark !== this.#answer?.mark)
    if (answer !== undefined) this.#answer = answer
    this.#goodAt = performance.now()
    this.#failures = 0
    this.#fault = undefined
    this.#state = 'ok'
    this.#message = undefined
    if (changed) this.#o.onChange()
  }

  #fail(error: unknown, secret: string): void {
    const before = this.#state
    this.#failures += 1
    this.#fault = error instanceof ChannelFault ? error : undefined
    // without a token there is nobody to ask as
    this.#state = this.#fault?.state ?? (isCutoverError(error) ? 'refused' : 'broken')
    const kept =
      this.#answer === undefined ? 'every job goes to legacy' : 'the last good values are kept until maxStale'
    this.#message = `${scrub(error instanceof Error ? error.message : String(error), secret)}; ${kept}`
    if (this.#state !== before) this.#o.onChange()
  }
}
