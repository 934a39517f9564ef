// Servers that others make, over all three transports: found with the same tools whichever way they are reached.

import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeBaseline } from '../../src/mcp/baseline.ts'
import { allProcs } from '../../src/mcp/proc.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import type { ProbeRecord } from '../../src/vocabulary/probe.ts'
import { until } from '../support/app.ts'
import { settle, TIMEOUTS, tryServer } from '../support/mcp-kit.ts'
import { freePort } from '../support/redis.ts'

const timeouts = { ...TIMEOUTS, initialize: '10s', close: '2s' } as const
const require = createRequire(import.meta.url)

function program(name: string): string {
  const manifest = require.resolve(`@modelcontextprotocol/${name}/package.json`)
  return join(dirname(manifest), 'dist/index.js')
}
const EVERYTHING = program('server-everything')
const FILESYSTEM = program('server-filesystem')

async function serve(kind: 'sse' | 'streamableHttp'): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort()
  const child: ChildProcess = spawn(process.execPath, [EVERYTHING, kind], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
  }
  await until(() => /port \d+/.test(said) || child.exitCode !== null, `a server over ${kind}: ${said}`, 20_000)
  return { url: `http://127.0.0.1:${port}/${kind === 'sse' ? 'sse' : 'mcp'}`, stop }
}

describe('server-everything', () => {
  let sse: Awaited<ReturnType<typeof serve>>
  let http: Awaited<ReturnType<typeof serve>>
  const found = new Map<string, ProbeRecord>()
  beforeAll(async () => {
    ;[sse, http] = await Promise.all([serve('sse'), serve('streamableHttp')])
    const sample = 'read-only'
    found.set('stdio', await tryServer({ command: process.execPath, args: [EVERYTHING, 'stdio'], timeouts, sample }))
    found.set('sse', await tryServer({ type: 'sse', url: sse.url, timeouts, sample }))
    found.set('http', await tryServer({ url: http.url, timeouts, sample }))
  })
  afterAll(async () => {
    await sse?.stop()
    await http?.stop()
  })

  it.each(['stdio', 'sse', 'http'])('over %s', (transport) => {
    expect(found.get(transport)?.hang).toBeUndefined()
    expect(found.get(transport)).toMatchObject({ class: 'ok', protocol: expect.stringMatching(/^20\d\d-\d\d-\d\d$/) })
    expect(found.get(transport)?.tools?.length).toBeGreaterThanOrEqual(13)
    expect(found.get(transport)?.phases.map(({ phase }) => phase)).toContain('call')
  })

  it('has the same tools, by name and schema, over each', () => {
    expect(found.get('sse')?.tools).toEqual(found.get('stdio')?.tools)
    expect(found.get('http')?.tools).toEqual(found.get('stdio')?.tools)
  })
})

describe('server-filesystem', () => {
  it('from here and from a plain process, a named sample called', async () => {
    const config = {
      ...{ command: process.execPath, args: [FILESYSTEM, import.meta.dirname], timeouts },
      sample: { tool: 'list_allowed_directories' },
    }
    const here = await tryServer(config)
    expect(here).toMatchObject({ class: 'ok', sample: 'list_allowed_directories', orphans: 0 })
    const plain = await probeBaseline(settle(config), newId(), 20_000)
    expect(plain.hang).toBeUndefined()
    expect(plain).toMatchObject({ class: 'ok', place: 'baseline' })
    expect(plain.tools).toEqual(here.tools)
    expect(here.tools?.length).toBe(14)
  })

  it('behind npx and a shell, nothing is left', async () => {
    const line = `'${process.execPath}' '${FILESYSTEM}' '${import.meta.dirname}'; true`
    const { round, ...found } = await tryServer({ command: '/bin/sh', args: ['-c', line], timeouts })
    expect(found).toMatchObject({ class: 'ok' })
    expect(found.tools).toHaveLength(14)
    expect(allProcs().filter(({ ppid }) => ppid === found.by?.pid && ppid !== process.pid)).toEqual([])
    expect(round).toBeDefined()
  })
})
