// One connection to one server, whatever its transport: opened, spoken over by the SDK's client, closed.

import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ProbeError } from './classes.ts'
import { httpTransport } from './http.ts'
import type { ReadyServer } from './ready.ts'
import type { Sdk } from './sdk.ts'
import { StdioTransport } from './stdio.ts'

export interface ConnectionOptions {
  readonly server: ReadyServer
  readonly sdk: Sdk
  /** Added to the environment of a server that is started. */
  readonly mark?: Readonly<Record<string, string>>
  /** Bytes that it may send in all. */
  readonly maxTotal?: number
}

/** What the client says of itself. */
const CLIENT = { name: 'cutover', version: '1' } as const

export class Connection {
  readonly client: Client
  /** Of a server that is started. */
  readonly stdio: StdioTransport | undefined
  readonly #transport: Transport
  readonly #httpFailure: (() => ProbeError | undefined) | undefined
  readonly #abort = new AbortController()
  #started: Promise<void> | undefined
  #error: Error | undefined
  #protocol: string | undefined

  constructor({ server, sdk, mark, maxTotal }: ConnectionOptions) {
    this.client = new sdk.Client(CLIENT, { capabilities: {} })
    this.client.onerror = (error) => {
      this.#error ??= error
    }
    const bound = maxTotal === undefined ? {} : { maxTotal }
    if (server.transport === 'stdio') {
      this.stdio = new StdioTransport({ server, ...(mark === undefined ? {} : { mark }), ...bound })
      this.#transport = this.stdio as Transport
      return
    }
    const { transport, failure } = httpTransport({ server, sdk, signal: this.#abort.signal, ...bound })
    this.#transport = transport as Transport
    this.#httpFailure = failure
  }

  /** What a bound or a refused request said first. */
  get failure(): ProbeError | undefined {
    return this.stdio?.failure ?? this.#httpFailure?.()
  }

  /** The first error that belonged to no request: an answer that is no message, say. */
  get strayError(): Error | undefined {
    return this.#error
  }

  /** The version that was agreed on. */
  get protocol(): string | undefined {
    return this.#protocol
  }

  /** Starts the process, or opens the stream. The SDK's own `connect` puts no time-out on this. */
  open(): Promise<void> {
    this.#started ??= this.#transport.start()
    return this.#started
  }

  /** The handshake; needs `open` first. `timeoutMs` bounds the request of the SDK, as a second net. */
  async initialize(timeoutMs: number): Promise<void> {
    const transport = this.#transport
    const tell = transport.setProtocolVersion?.bind(transport)
    transport.start = async () => {} // `connect` starts what is started
    transport.setProtocolVersion = (version) => {
      this.#protocol = version
      tell?.(version)
    }
    await this.client.connect(this.#transport, { timeout: timeoutMs })
  }

  /** Rejects when a server that was started ends by itself, or passes a bound. */
  gone(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.stdio?.ended().then(() => reject(new ServerEnded()))
      const told = this.client.onclose
      this.client.onclose = () => {
        told?.()
        if (this.failure !== undefined) reject(this.failure)
      }
    })
  }

  /** Says goodbye where the transport has one, and lets go. Ending what a server has started is the watcher's. */
  async close(): Promise<void> {
    const transport = this.#transport as { terminateSession?: () => Promise<void> }
    try {
      await transport.terminateSession?.()
    } catch {
      // a server need not offer it
    }
    await this.client.close()
    await this.#transport.close()
  }

  /** Ends every request at once, and every try to connect again. */
  abort(): void {
    this.#abort.abort()
    this.#transport.close().catch(() => {}) // there is nothing more to be told
  }
}

/** A server that was started ended by itself. */
export class ServerEnded extends Error {
  constructor() {
    super('the server ended')
    this.name = 'ServerEnded'
  }
}
