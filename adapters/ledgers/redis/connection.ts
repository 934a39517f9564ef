// One connection to Redis on which scripts run: repeated until a deadline while the connection is lost, because every
// operation of the ledger may be repeated, and an error after that, so that nobody waits for ever.

import { CutoverError } from '../../../src/vocabulary/errors.ts'
import { isPassing, isUnknownScript, ledgerError, messageOf } from './errors.ts'
import type { Script } from './scripts.ts'

/** What the ledger needs of an ioredis client (`Redis` or `Cluster`). */
export interface RedisClient {
  callBuffer(command: string, ...args: (string | Buffer)[]): Promise<unknown>
  call(command: string, ...args: string[]): Promise<unknown>
}

interface OwnClient extends RedisClient {
  readonly status: string
  connect(): Promise<void>
  quit(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
}

export type ScriptArgs = readonly (string | Buffer)[]

const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 200

/** Fails at once while there is no connection; the repeating is done here, where the deadline is known. */
const OWN_OPTIONS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
  connectTimeout: 2000,
  retryStrategy: (times: number) => Math.min(20 * times, 500),
}

async function loadRedis(): Promise<(url: string) => OwnClient> {
  try {
    const { Redis } = await import('ioredis')
    return (url) => new Redis(url, OWN_OPTIONS)
  } catch (cause) {
    throw new CutoverError('adapter-missing', 'the Redis ledger needs ioredis: npm install ioredis', { cause })
  }
}

/** The server of a URL, without user and password. */
export function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:')) {
    throw new CutoverError(
      'config-invalid',
      'redisLedger: `url` is not a Redis URL; write redis://HOST:PORT or rediss://USER:PASSWORD@HOST:PORT/DB',
      { details: { where: 'ledger.url' } },
    )
  }
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export class Connection {
  readonly origin: string
  readonly #timeoutMs: number
  readonly #client: RedisClient
  /** Set when the client was made here, and is to be closed here. */
  readonly #own: OwnClient | undefined
  #lastError = ''
  #closed = false

  private constructor(origin: string, timeoutMs: number, client: RedisClient, own?: OwnClient) {
    this.origin = origin
    this.#timeoutMs = timeoutMs
    this.#client = client
    this.#own = own
    own?.on('error', (error) => {
      this.#lastError = messageOf(error)
    })
  }

  static async to(url: string, timeoutMs: number): Promise<Connection> {
    const origin = originOf(url)
    const make = await loadRedis()
    const own = make(url)
    const connection = new Connection(origin, timeoutMs, own, own)
    own.connect().catch((error: unknown) => {
      // the first connection may still come: the calls say when it did not
      connection.#lastError = messageOf(error)
    })
    return connection
  }

  static over(client: RedisClient, timeoutMs: number): Connection {
    return new Connection('the given connection', timeoutMs, client)
  }

  get timeoutMs(): number {
    return this.#timeoutMs
  }

  /** Runs a script; `args` is told when the call is a repetition, whose first answer may have been lost. */
  async run(script: Script, key: string, args: ScriptArgs | ((repeated: boolean) => ScriptArgs)): Promise<unknown> {
    return this.#repeat(script.name, (repeated) => {
      const list = typeof args === 'function' ? args(repeated) : args
      return this.#evaluate(script, key, list)
    })
  }

  command(name: string, ...args: string[]): Promise<unknown> {
    return this.#repeat(name, () => this.#client.call(name, ...args))
  }

  async #evaluate(script: Script, key: string, args: ScriptArgs): Promise<unknown> {
    try {
      return await this.#client.callBuffer('evalsha', script.sha, '1', key, ...args)
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      return this.#client.callBuffer('eval', script.source, '1', key, ...args)
    }
  }

  async #repeat(doing: string, attempt: (repeated: boolean) => Promise<unknown>): Promise<unknown> {
    const until = Date.now() + this.#timeoutMs
    let wait = FIRST_PAUSE_MS
    for (let tries = 0; ; tries++) {
      if (this.#closed) throw new CutoverError('closed', `the Redis ledger at ${this.origin} is closed`)
      try {
        return await this.#within(until, attempt(tries > 0))
      } catch (error) {
        if (!isPassing(error) || this.#closed || Date.now() + wait >= until) throw this.#failure(error, doing)
      }
      await pause(wait)
      wait = Math.min(LONGEST_PAUSE_MS, wait * 2)
    }
  }

  /**
   * Bounds one attempt. A connection of our own that says nothing for half of the time is made anew: it may lead to a
   * host that is gone.
   */
  #within(until: number, answer: Promise<unknown>): Promise<unknown> {
    const left = until - Date.now()
    const ms = this.#own === undefined ? left : Math.min(left, this.#timeoutMs / 2)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          reject(new Error(`no answer within ${Math.round(ms)} ms`))
          if (this.#own?.status === 'ready') this.#own.disconnect(true)
        },
        Math.max(1, ms),
      )
      answer.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  #failure(error: unknown, doing: string): CutoverError {
    const text = messageOf(error)
    const known = this.#lastError !== '' && /enableOfflineQueue|Connection is closed|max retries|no answer/i.test(text)
    return ledgerError(known ? new Error(this.#lastError) : error, this.origin, doing)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const own = this.#own
    if (own === undefined) return
    if (own.status !== 'ready') return own.disconnect()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, 1000)
    })
    // whatever QUIT says, the connection is gone after it
    await Promise.race([own.quit().catch(() => undefined), late])
    clearTimeout(timer)
    own.disconnect()
  }
}
