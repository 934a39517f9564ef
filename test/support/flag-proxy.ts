// Stands before a flag server and lets its answers through, or does to them what a bad network, proxy or replica does.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers by itself; undefined: the question is passed on. */
export type Tamper = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

export interface FlagProxy {
  readonly url: string
  /** Headers and bodies of what was asked, in order. */
  readonly asked: { readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string }[]
  /** From now on; undefined: passes on. */
  tamper: Tamper | undefined
  stop(): Promise<void>
}

export async function startFlagProxy(upstream: string | undefined): Promise<FlagProxy> {
  const asked: FlagProxy['asked'] = []
  const proxy = { url: '', asked, tamper: undefined as Tamper | undefined, stop: async () => await stopped(server) }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(502)
      response.end(String(error))
    })
  })
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request)
    asked.push({ url: request.url ?? '', headers: request.headers, body })
    if (proxy.tamper !== undefined) return await proxy.tamper(request, response)
    if (upstream === undefined) throw new Error('there is nothing behind this proxy')
    const headers = Object.entries(request.headers).filter(
      ([name]) => !['host', 'connection', 'content-length'].includes(name),
    )
    const answer = await fetch(upstream + request.url, {
      method: request.method ?? 'GET',
      headers: headers.map(([name, value]) => [name, String(value)]),
      ...(body === '' ? {} : { body }),
    })
    const kept = ['etag', 'content-type', 'retry-after'].flatMap((name) => {
      const value = answer.headers.get(name)
      return value === null ? [] : [[name, value] as const]
    })
    response.writeHead(answer.status, Object.fromEntries(kept))
    response.end(Buffer.from(await answer.arrayBuffer()))
  }
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return proxy
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

async function stopped(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
