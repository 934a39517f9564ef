// The MCP library, loaded when the first server is spoken to and not before; without it, an error that says what to install.

import { CutoverError } from '../vocabulary/errors.ts'

export interface Sdk {
  readonly Client: typeof import('@modelcontextprotocol/sdk/client/index.js').Client
  readonly SSEClientTransport: typeof import('@modelcontextprotocol/sdk/client/sse.js').SSEClientTransport
  readonly StreamableHTTPClientTransport: typeof import('@modelcontextprotocol/sdk/client/streamableHttp.js').StreamableHTTPClientTransport
  readonly types: typeof import('@modelcontextprotocol/sdk/types.js')
}

let loading: Promise<Sdk> | undefined

/** `adapter-missing`. Tried again at the next call when it failed. */
export function loadSdk(): Promise<Sdk> {
  loading ??= load().catch((cause: unknown) => {
    loading = undefined
    throw new CutoverError(
      'adapter-missing',
      'mcp: the MCP library cannot be loaded; run: npm install @modelcontextprotocol/sdk',
      { cause, details: { adapter: 'mcp', install: '@modelcontextprotocol/sdk' } },
    )
  })
  return loading
}

async function load(): Promise<Sdk> {
  const [client, sse, http, types] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/client/sse.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    import('@modelcontextprotocol/sdk/types.js'),
  ])
  return {
    Client: client.Client,
    SSEClientTransport: sse.SSEClientTransport,
    StreamableHTTPClientTransport: http.StreamableHTTPClientTransport,
    types,
  }
}
