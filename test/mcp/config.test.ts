// MCP servers from the configuration and from an mcp.json: defaults, refusals by path, no secret in any message.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { describeServer, MCP_TIMEOUTS, type McpServerSettings, resolveMcp } from '../../src/mcp/config.ts'
import { cutSecrets, readyServer } from '../../src/mcp/ready.ts'

/** `${name}`, as an mcp.json has it. */
const variable = (name: string): string => `$\{${name}}`

const folder = mkdtempSync(join(tmpdir(), 'cutover-mcp-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

function fileWith(text: string): string {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.json`)
  writeFileSync(path, text)
  return path
}

function only(servers: object, more: object = {}): McpServerSettings {
  return resolveMcp({ servers, ...more }, undefined, 'migrations.mail.mcp')?.servers[0] as McpServerSettings
}

describe('what is settled', () => {
  it('nothing where nothing is configured', () => {
    expect(resolveMcp(undefined, undefined, 'x')).toBeUndefined()
    expect(resolveMcp({}, undefined, 'x')).toBeUndefined()
    expect(resolveMcp({ servers: { a: { command: 'a' } } }, [], 'x')).toBeUndefined()
  })

  it('defaults of a server that is started', () => {
    expect(only({ a: { command: 'a' } })).toEqual({
      name: 'a',
      transport: 'stdio',
      command: 'a',
      args: [],
      env: {},
      passEnv: [],
      timeouts: MCP_TIMEOUTS,
      expands: false,
    })
  })

  it.each([
    [{ url: 'https://h/mcp' }, 'http'],
    [{ type: 'http', url: 'https://h/mcp' }, 'http'],
    [{ type: 'streamable-http', url: 'https://h/mcp' }, 'http'],
    [{ type: 'sse', url: 'https://h/sse' }, 'sse'],
    [{ type: 'stdio', command: 'a' }, 'stdio'],
  ])('%o is %s', (given, transport) => expect(only({ a: given }).transport).toBe(transport))

  it('time-outs one by one', () => {
    const { timeouts } = only({ a: { command: 'a', timeouts: { spawn: '1s', call: 250 } } })
    expect(timeouts).toEqual({ ...MCP_TIMEOUTS, spawn: 1000, call: 250 })
  })

  it('a migration names those that it uses, in the order of the configuration', () => {
    const servers = { a: { command: 'a' }, b: { command: 'b' }, c: { command: 'c' } }
    expect(resolveMcp({ servers }, ['c', 'a'], 'x')?.servers.map(({ name }) => name)).toEqual(['a', 'c'])
  })

  it('an mcp.json; what other programs keep in it is left alone, and servers of the configuration win', () => {
    const file = fileWith(
      JSON.stringify({
        mcpServers: {
          files: { command: 'from-file', autoApprove: ['x'], description: 'files' },
          docs: { type: 'sse', url: 'https://h/sse' },
          off: { command: 'off', disabled: true },
        },
      }),
    )
    const all = resolveMcp({ file, servers: { files: { command: 'own' } } }, undefined, 'x')?.servers
    expect(all).toMatchObject([
      { name: 'files', command: 'own', expands: false },
      { name: 'docs', transport: 'sse', expands: true },
    ])
  })
})

describe('refused by path', () => {
  it.each<[unknown, string]>([
    [5, 'mcp: is not an object'],
    [{ server: {} }, 'mcp.server: is not known'],
    [{ servers: { a: {} } }, 'mcp.servers.a: has neither command and url'],
    [{ servers: { a: { command: 'a', url: 'https://h' } } }, 'mcp.servers.a: has both command and url'],
    [{ servers: { 'a b': { command: 'a' } } }, 'mcp.servers.a b: is not a name'],
    [{ servers: { a: { command: 'a', shell: true } } }, 'mcp.servers.a.shell: is not known'],
    [{ servers: { a: { command: 'a', type: 'http' } } }, 'mcp.servers.a.type: is "http"'],
    [{ servers: { a: { url: 'https://h', type: 'ws' } } }, 'mcp.servers.a.type: is "ws"'],
    [{ servers: { a: { command: ['a'] } } }, 'mcp.servers.a.command: is not a text'],
    [{ servers: { a: { command: 'a', args: 'x y' } } }, 'mcp.servers.a.args: is not a list'],
    [{ servers: { a: { command: 'a', env: { T: 5 } } } }, 'mcp.servers.a.env.T: is number'],
    [{ servers: { a: { command: 'a', timeouts: { spwan: '1s' } } } }, 'mcp.servers.a.timeouts.spwan: is not known'],
    [{ servers: { a: { command: 'a', timeouts: { spawn: 'soon' } } } }, 'mcp.servers.a.timeouts.spawn: "soon"'],
    [{ servers: { a: { command: 'a', timeouts: { spawn: '1h' } } } }, 'mcp.servers.a.timeouts.spawn: is 3600000 ms'],
    [{ servers: { a: { command: 'a', sample: 'any' } } }, 'mcp.servers.a.sample: is no sample call'],
    [{ servers: { a: { command: 'a', sample: { tool: 't', arguments: [] } } } }, 'mcp.servers.a.sample.arguments: '],
    [{ file: '' }, 'mcp.file: is not a path'],
    [{ file: '/does/not/exist.json' }, 'mcp.file: /does/not/exist.json cannot be read (ENOENT)'],
    [{ guard: true }, 'mcp.guard: is not a function'],
    [{ probeAtStart: 'yes' }, 'mcp.probeAtStart: is not true or false'],
  ])('%o', (given, message) => {
    expect(() => resolveMcp(given, undefined, 'x')).toThrow(
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringContaining(`cutover.config: ${message}`),
      }),
    )
  })

  it('a name that is not configured', () => {
    const resolve = () => resolveMcp({ servers: { a: { command: 'a' } } }, ['b'], 'migrations.mail.mcp')
    expect(resolve).toThrow('migrations.mail.mcp: names "b", which is not configured; there are: a')
  })

  it.each(['{ "mcpServers": { "a": { "command": "hunter2-token" ', '{ "url": "https://u:hunter2-token@h" }', '[]'])(
    'a broken mcp.json without its text: %s',
    (text) => {
      let message = ''
      try {
        resolveMcp({ file: fileWith(text) }, undefined, 'x')
      } catch (error) {
        message = (error as Error).message
      }
      expect(message).toContain('mcp.file')
      expect(message).not.toContain('hunter2')
    },
  )

  it('a wrong URL without its text', () => {
    const resolve = () => resolveMcp({ servers: { a: { url: 'ftp://u:hunter2@h' } } }, undefined, 'x')
    expect(resolve).toThrow(/mcp.servers.a.url: is not a URL/)
    expect(resolve).not.toThrow(/hunter2/)
  })
})

describe('ready in this process', () => {
  const env = { PATH: '/bin', HOME: '/home/x', SECRET: 'from-the-worker', OTHER: 'other' }

  it('a server gets the usual few variables, its own, and those that are passed', () => {
    const server = only({ a: { command: 'a', env: { OWN: 'own' }, passEnv: ['SECRET'] } })
    const expected = { PATH: '/bin', HOME: '/home/x', OWN: 'own', SECRET: 'from-the-worker' }
    expect(readyServer(server, env)).toMatchObject({ server: { env: expected }, missing: [] })
    expect(readyServer(server, env).server).not.toMatchObject({ env: { OTHER: 'other' } })
  })

  it('names what is missing here', () => {
    const server = only({ a: { command: 'a', env: { TOKEN: undefined }, passEnv: ['NONE'] } })
    expect(readyServer(server, env)).toMatchObject({ missing: ['TOKEN', 'NONE'] })
    expect(readyServer(server, env).server).toBeUndefined()
  })

  it('fills in variables of an mcp.json, and only of that', () => {
    const text = JSON.stringify({
      mcpServers: {
        a: {
          command: `${variable('HOME')}/bin/a`,
          args: [`--t=${variable('env:SECRET')}`, variable('NOT_SET:-plain')],
          env: { B: variable('MISSING') },
        },
        b: { url: `https://${variable('HOST:-h')}/mcp`, headers: { authorization: `Bearer ${variable('SECRET')}` } },
      },
    })
    const [a, b] = resolveMcp({ file: fileWith(text) }, undefined, 'x')?.servers ?? []
    expect(readyServer(a as McpServerSettings, env)).toMatchObject({ missing: ['MISSING'] })
    const filled = readyServer(a as McpServerSettings, { ...env, MISSING: 'm' }).server
    expect(filled).toMatchObject({ command: '/home/x/bin/a', args: ['--t=from-the-worker', 'plain'], env: { B: 'm' } })
    const http = readyServer(b as McpServerSettings, env).server
    expect(http).toMatchObject({ headers: { authorization: 'Bearer from-the-worker' } })
    const literal = readyServer(only({ a: { command: 'a', args: [variable('HOME')] } }), env).server
    expect(literal).toMatchObject({ args: [variable('HOME')] })
  })

  it('secrets are cut out of texts', () => {
    const { secrets } = readyServer(
      only({ a: { command: 'a', args: ['--token=abcdef123'], env: { K: 'zzzzzz' } } }),
      env,
    )
    expect(cutSecrets('started with --token=abcdef123 and zzzzzz', secrets)).toBe('started with *** and ***')
  })

  it('a server for people has names only', () => {
    const started = only({
      a: { command: 'npx', args: ['-y', 'tok-123456'], env: { TOKEN: 'hunter2' }, passEnv: ['P'] },
    })
    expect(describeServer(started)).toBe('stdio npx, 2 arguments, env TOKEN, P')
    const reached = only({ a: { url: 'https://u:hunter2@h/mcp?k=hunter2', headers: { authorization: 'hunter2' } } })
    expect(describeServer(reached)).toBe('http https://h/mcp, headers authorization')
  })
})
