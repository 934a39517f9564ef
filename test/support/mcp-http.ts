// An HTTP server whose paths misbehave, each in a way of its own; `/ok` speaks streamable HTTP.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface HttpFixture {
  readonly url: string
  /** Another server, which must never be asked. */
  readonly elsewhere: { readonly url: string; readonly asked: () => number }
  stop(): Promise<void>
}

export async function startHttpFixture(): Promise<HttpFixture> {
  let asked = 0
  const elsewhere = await listen((_request, response) => {
    asked += 1
    response.end('{}')
  })
  const main = await listen((request, response) => void serve(request, response, elsewhere.url))
  return {
    url: main.url,
    elsewhere: { url: elsewhere.url, asked: () => asked },
    stop: async () => {
      await main.stop()
      await elsewhere.stop()
    },
  }
}

interface Listening {
  readonly url: string
  stop(): Promise<void>
}

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const JSON_TYPE = { 'content-type': 'application/json' }
const STREAM_TYPE = { 'content-type': 'text/event-stream' }

async function serve(request: IncomingMessage, response: ServerResponse, elsewhere: string): Promise<void> {
  const status = /^\/status\/(\d+)/.exec(request.url ?? '')?.[1]
  if (status !== undefined) return void response.writeHead(Number(status)).end()
  switch (request.url) {
    case '/never':
      return // accepts, and never answers
    case '/redirect':
      return void response.writeHead(307, { location: `${elsewhere}/mcp` }).end()
    case '/no-json':
      return void response.writeHead(200, JSON_TYPE).end('{"jsonrpc": "2.0", "id": 0, "resul')
    case '/large':
      response.writeHead(200, JSON_TYPE)
      return void pour(response)
    case '/stream-without-endpoint':
      return void response.writeHead(200, STREAM_TYPE).write(': hello\n\n')
    case '/ok':
      return await answer(request, response)
    default:
      response.writeHead(404).end()
  }
}

/** 100 MB. */
function pour(response: ServerResponse): void {
  let left = 100
  const chunk = Buffer.alloc(1024 * 1024, ' ')
  const more = (): void => {
    while (left > 0 && response.write(chunk)) left -= 1
    if (left > 0) response.once('drain', more)
    else response.end()
  }
  more()
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') return void response.writeHead(405).end()
  const { id, method } = JSON.parse(await text(request)) as { id?: number; method: string }
  if (id === undefined) return void response.writeHead(202).end()
  const serverInfo = { name: 'http-fixture', version: '1.0.0' }
  const results: Readonly<Record<string, unknown>> = {
    initialize: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo },
    'tools/list': { tools: [{ name: 'search', inputSchema: { type: 'object' } }] },
  }
  response.writeHead(200, JSON_TYPE).end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} }))
}
