// One server tried in this process: what each kind of misbehaviour is called, where it is said to hang, and that nothing
// of it is left, whatever it does.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { McpServerConfig } from '../../src/mcp/config.ts'
import type { Duration } from '../../src/vocabulary/duration.ts'
import type { ProbeClass } from '../../src/vocabulary/probe.ts'
import type { Mode } from '../fixtures/mcp-server.ts'
import { type HttpFixture, startHttpFixture } from '../support/mcp-http.ts'
import { fixture, leftOf, SERVER, TIMEOUTS, tryServer } from '../support/mcp-kit.ts'

const QUICK = { ...TIMEOUTS, initialize: '1s' } as const
const QUICK_LATER = { ...TIMEOUTS, list: '400ms', call: '400ms' } as const
/** Of those that never answer the first message. */
const MUTE: readonly Mode[] = ['silent', 'half-a-line', 'log-on-stdout']

let http: HttpFixture
beforeAll(async () => {
  http = await startHttpFixture()
})
afterAll(() => http?.stop())

describe('a server that works', () => {
  it('is ok: phases, protocol, name, tools with the hashes of their schemas', async () => {
    const { round, ...found } = await tryServer(fixture('ok', { sample: 'read-only' }))
    expect(found).toMatchObject({
      class: 'ok',
      protocol: '2025-06-18',
      serverInfo: 'fixture 1.0.0',
      sample: 'search',
      orphans: 0,
    })
    expect(found.phases.map(({ phase, ok }) => [phase, ok])).toEqual(
      ['spawn', 'initialize', 'list', 'call', 'close'].map((phase) => [phase, true]),
    )
    expect(found.tools?.map(([name]) => name)).toEqual(['search', 'send'])
    expect(found.tools?.[0]?.[1]).toMatch(/^[\w-]{12}$/)
    expect(leftOf(round)).toEqual([])
  })

  it('is read to its last page', async () => {
    const { tools } = await tryServer(fixture('pages'))
    expect(tools?.map(([name]) => name)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'b0', 'b1', 'b2', 'b3', 'b4'])
  })

  it('may greet on its standard output', async () =>
    expect(await tryServer(fixture('banner'))).toMatchObject({ class: 'ok' }))

  it('over HTTP', async () => {
    const found = await tryServer({ url: `${http.url}/ok`, timeouts: TIMEOUTS })
    expect(found).toMatchObject({ class: 'ok', serverInfo: 'http-fixture 1.0.0' })
  })

  it('without a tool that is read-only, says why no sample was called', async () => {
    const { sample } = await tryServer(fixture('pages', { sample: 'read-only' }))
    expect(sample).toContain('none')
  })

  it.each<[Mode, number]>([
    ['leaves-child', 1],
    ['leaves-session', 1],
    ['grandchild-holds-pipes', 1],
  ])('%s: what it leaves behind is counted and killed', async (mode, orphans) => {
    const { round, ...found } = await tryServer(fixture(mode))
    expect(found).toMatchObject({ class: 'ok', orphans })
    expect(leftOf(round)).toEqual([])
  })

  it('behind a shell is ended with it', async () => {
    const command = `'${process.execPath}' '${SERVER}' ok & wait`
    const { round, ...found } = await tryServer({ command: '/bin/sh', args: ['-c', command], timeouts: TIMEOUTS })
    // a background command of a shell without job control reads from /dev/null
    expect(found.class).not.toBe('running')
    expect(leftOf(round)).toEqual([])
  })

  it('that ignores SIGTERM is killed', async () => {
    const { round, ...found } = await tryServer(fixture('ignores-term'))
    expect(found).toMatchObject({
      class: 'ok',
      phases: expect.arrayContaining([{ phase: 'close', ok: false, ms: expect.any(Number) }]),
    })
    expect(leftOf(round)).toEqual([])
  })
})

describe('a server that does not', () => {
  const stdio: [Mode, ProbeClass, RegExp][] = [
    ['crash', 'crashed', /ended by itself \(exit code 3\).*phase initialize/],
    ['crash-late', 'crashed', /ended by itself \(exit code 7\).*phase list/],
    ['silent', 'no-initialize', /is there and did not answer "initialize" for 1\.\d s/],
    ['half-a-line', 'no-initialize', /did not answer "initialize"/],
    ['old-version', 'protocol-version', /phase initialize.*1999-01-01/],
    ['wrong-answer', 'protocol-error', /phase initialize.*not the form of the protocol/],
    ['error-answer', 'protocol-error', /phase initialize.*the database is away/],
    ['log-on-stdout', 'stdout-pollution', /phase initialize.*bytes that are no messages/],
    ['flood', 'stdout-pollution', /kB that are no messages/],
    ['flood-messages', 'too-large', /more than 64 MB/],
    ['large', 'too-large', /a message of it has more than 8 MB/],
    ['hang-list', 'timeout-list', /did not finish listing its tools for \d\.\d s/],
    ['endless-pages', 'protocol-error', /phase list.*has no end/],
    ['no-tools', 'no-tools', /list of tools is empty/],
    ['no-tools-at-all', 'no-tools', /offers no tools at all/],
    ['many-tools', 'too-many-tools', /10000 tools or more; 1000 are accepted/],
    ['hang-call', 'timeout-call', /did not answer the sample call/],
    ['fail-call', 'call-failed', /phase call: the index is damaged/],
    ['refuse-call', 'auth', /phase call.*Bad credentials/],
  ]

  it.each(stdio)('%s is %s', async (mode, expected, where) => {
    const began = performance.now()
    const timeouts = mode.startsWith('hang') ? QUICK_LATER : MUTE.includes(mode) ? QUICK : TIMEOUTS
    const { round, ...found } = await tryServer(fixture(mode, { sample: 'read-only', timeouts }))
    expect(found.hang?.sentence).toMatch(where)
    expect(found.class).toBe(expected)
    expect(performance.now() - began).toBeLessThan(15_000 + 2000)
    expect(leftOf(round)).toEqual([])
  })

  it('says the last lines of its standard error', async () => {
    const { hang } = await tryServer(fixture('crash'))
    expect(hang?.details).toContainEqual({
      what: 'last lines of its standard error',
      lines: ['cannot read its configuration'],
    })
  })

  it('says what it does while it hangs', async () => {
    const { hang } = await tryServer(fixture('silent', { timeouts: QUICK }))
    const [seen] = hang?.details.filter(({ what }) => what.startsWith("the server's processes")) ?? []
    expect(seen?.lines.join('\n')).toMatch(
      process.platform === 'linux' ? /pid \d+ node.*: (sleeping|running)/ : /pid \d+/,
    )
    expect(hang?.details.map(({ what }) => what)).toContain('what this process waits for')
  })

  it('shows no secret of its configuration', async () => {
    const secret = crypto.randomUUID()
    const found = await tryServer({
      ...{ command: process.execPath, timeouts: TIMEOUTS, env: { TOKEN: secret } },
      args: [SERVER, 'tells-secret', `--key=${secret}`],
    })
    expect(JSON.stringify(found)).not.toContain(secret)
    expect(JSON.stringify(found)).toContain('starting with *** and ***')
  })

  const started: [string, McpServerConfig, ProbeClass, RegExp][] = [
    ['no such command', { command: 'no-such-program-anywhere' }, 'command-not-found', /ENOENT/],
    ['no such folder', { command: process.execPath, cwd: '/no/such/folder' }, 'command-not-found', /ENOENT/],
    ['no program', { command: import.meta.filename }, 'command-not-found', /EACCES/],
    ['a variable is missing', { command: 'x', env: { TOKEN: undefined } }, 'env-missing', /not set here: TOKEN/],
  ]
  it.each(started)('%s', async (_name, config, expected, where) => {
    const found = await tryServer(config)
    expect(found.hang?.sentence).toMatch(where)
    expect(found.class).toBe(expected)
  })

  const reached: [string, ProbeClass, RegExp, ('sse' | 'http')?][] = [
    ['/never', 'no-initialize', /did not answer "initialize"/],
    ['/never', 'sse-no-endpoint', /no endpoint was named within/, 'sse'],
    ['/stream-without-endpoint', 'sse-no-endpoint', /no endpoint was named within/, 'sse'],
    ['/ok', 'sse-no-endpoint', /event stream/, 'sse'],
    ['/redirect', 'redirected', /another host, 127\.0\.0\.1:\d+/],
    ['/redirect', 'redirected', /another host/, 'sse'],
    ['/status/401', 'auth', /it answers 401/],
    ['/status/403', 'auth', /it answers 403/, 'sse'],
    ['/status/500', 'http-error', /it answers 500/],
    ['/nowhere', 'http-error', /it answers 404/],
    ['/no-json', 'protocol-error', /phase initialize/],
    ['/large', 'too-large', /more than 8 MB/],
  ]
  it.each(reached)('%s is %s', async (path, expected, where, type = 'http') => {
    const spawn: Duration = type === 'sse' ? '500ms' : TIMEOUTS.spawn
    const timeouts = { ...(path === '/never' ? QUICK : TIMEOUTS), spawn }
    const found = await tryServer({ type, url: `${http.url}${path}`, timeouts })
    expect(found.hang?.sentence).toMatch(where)
    expect(found.class).toBe(expected)
    expect(http.elsewhere.asked()).toBe(0)
  })

  it('a host that is not there', async () => {
    const found = await tryServer({ url: 'http://127.0.0.1:9/mcp' })
    expect(found).toMatchObject({ class: 'unreachable', hang: { sentence: expect.stringContaining('no connection') } })
  })
})
