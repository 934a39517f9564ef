// A server that is reached over HTTP: the SDK's transports, over a fetch that follows to no other host and reads no more
// than its bound, and that remembers the first thing that went wrong, as the transports tell it as text only.

import { ProbeError } from './classes.ts'
import type { ReadyServer } from './ready.ts'
import type { Sdk } from './sdk.ts'
import { MAX_MESSAGE, MAX_TOTAL } from './stdio.ts'

type HttpReady = Exclude<ReadyServer, { transport: 'stdio' }>
export type HttpTransport = InstanceType<Sdk['SSEClientTransport'] | Sdk['StreamableHTTPClientTransport']>

export interface HttpConnection {
  readonly transport: HttpTransport
  /** What went wrong first, if the fetch saw it. */
  readonly failure: () => ProbeError | undefined
}

export interface HttpOptions {
  readonly server: HttpReady
  readonly sdk: Sdk
  /** Aborts every request. */
  readonly signal?: AbortSignal
  /** All bytes; default `MAX_TOTAL`. A client that lives long gives `Infinity`. */
  readonly maxTotal?: number
}

export function httpTransport({ server, sdk, signal, maxTotal = MAX_TOTAL }: HttpOptions): HttpConnection {
  const watched = new WatchedFetch(server, maxTotal, signal)
  const options = { fetch: watched.fetch, requestInit: { headers: { ...server.headers } } }
  const transport =
    server.transport === 'sse'
      ? new sdk.SSEClientTransport(server.url, options)
      : new sdk.StreamableHTTPClientTransport(server.url, options)
  return { transport, failure: () => watched.failure }
}

class WatchedFetch {
  failure: ProbeError | undefined
  #total = 0
  readonly #server: HttpReady
  readonly #maxTotal: number
  readonly #signal: AbortSignal | undefined

  constructor(server: HttpReady, maxTotal: number, signal: AbortSignal | undefined) {
    this.#server = server
    this.#maxTotal = maxTotal
    this.#signal = signal
  }

  readonly fetch = async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const signals = [this.#signal, init.signal].filter((each) => each !== undefined && each !== null)
    let response: Response
    try {
      response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.any(signals) })
    } catch (cause) {
      if (!signals.some((each) => each.aborted) && this.#isNeeded(init)) this.#note(unreachable(cause))
      throw cause
    }
    if (this.#isNeeded(init)) this.#judge(response, new URL(url))
    return this.#bounded(response)
  }

  /** A streamable server need not offer the stream that is asked for with GET: what it says to that is no failure. */
  #isNeeded({ method }: RequestInit): boolean {
    return this.#server.transport === 'sse' || method === 'POST'
  }

  #judge(response: Response, asked: URL): void {
    const { status } = response
    const location = response.headers.get('location')
    if (status >= 300 && status < 400 && location !== null && URL.canParse(location, asked.href)) {
      const { origin, host } = new URL(location, asked)
      if (origin !== this.#server.url.origin)
        this.#note(new ProbeError('redirected', `it sends to another host, ${host}`))
      return
    }
    if (status === 401 || status === 403) this.#note(new ProbeError('auth', `it answers ${status}`))
    // 405 to what asks for an event stream: there is none here, which is told as that
    else if (status >= 400 && status !== 405) this.#note(new ProbeError('http-error', `it answers ${status}`))
  }

  #note(failure: ProbeError): ProbeError {
    this.failure ??= failure
    return failure
  }

  #bounded(response: Response): Response {
    if (response.body === null) return response
    const stream = /^text\/event-stream/.test(response.headers.get('content-type') ?? '')
    const most = stream ? this.#maxTotal : Math.min(MAX_MESSAGE, this.#maxTotal)
    let bytes = 0
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, out) => {
        bytes += chunk.byteLength
        this.#total += chunk.byteLength
        if (bytes > most || this.#total > this.#maxTotal)
          out.error(this.#note(new ProbeError('too-large', `it sent more than ${most / 2 ** 20} MB`)))
        else out.enqueue(chunk)
      },
    })
    const { status, statusText, headers } = response
    return new Response(response.body.pipeThrough(count), { status, statusText, headers })
  }
}

function unreachable(cause: unknown): ProbeError {
  const { code, message } = ((cause as { cause?: unknown }).cause ?? cause) as { code?: string; message?: string }
  return new ProbeError('unreachable', `no connection can be made (${code ?? message ?? 'no reason was given'})`, {
    cause,
  })
}
