// `cutover probe`: the matrix, the verdicts as exit codes, and what it refuses.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import type { McpConfig } from '../../src/mcp/config.ts'
import { fixture } from '../support/mcp-kit.ts'
import { type Bed, bed, configOf, configText } from './kit.ts'

let place: Bed
let close: () => Promise<void>
const secret = crypto.randomUUID()

/** The worker of legacy lacks a token that the worker of target has, and both have what the command's own process has. */
const servers = (worker: boolean): McpConfig => ({
  servers: {
    fine: fixture('ok', { sample: 'read-only' }),
    broken: fixture('crash'),
    token: fixture('ok', { env: { TOKEN: secret } }),
    guarded: fixture('ok'),
  },
  guard: (server, side) => (worker && server === 'guarded' && side === 'target' ? 'switched off' : undefined),
})

beforeAll(async () => {
  place = bed()
  const { guard: _, ...plain } = servers(false)
  const text = configText(place).replace(
    'export default defineConfig({',
    `export default defineConfig({ mcp: ${JSON.stringify(plain)},`,
  )
  expect(text).toContain('mcp:')
  place.write('cutover.config.ts', text)
  place.write('flags.yaml', 'parse-email: { target: 0%, shadow: 0% }\n')
  const mcp = servers(true)
  const configured = { ...mcp.servers, token: fixture('ok', { env: { TOKEN: undefined } }) }
  const legacy = await openCutover({ ...configOf(place), mcp: { ...mcp, servers: configured } })
  const target = await openCutover({ ...configOf(place), mcp })
  await legacy.work('parse-email', 'legacy', () => ({ length: 1, note: '' }))
  await target.work('parse-email', 'target', () => ({ length: 1, note: '' }))
  close = async () => {
    await legacy.close()
    await target.close()
  }
})
afterAll(async () => {
  await close?.()
  place?.remove()
})

describe('probe', () => {
  test('the same on both sides: exit code 0, a row for each place, a line for each while it works', async () => {
    const { code, stdout, stderr } = await place.cli('probe', 'parse-email', '--server', 'fine')
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => line.replace(/\(.*/, '').trim()),
    ).toEqual(['baseline', 'legacy', 'target'].map((from) => `fine from ${from}: ok`))
    expect(stdout).toMatch(/^fine {2}SAME {2}both sides reach it and have the same tools\n/)
    for (const from of ['baseline', 'legacy', 'target'])
      expect(stdout).toMatch(
        new RegExp(`${from} +ok +2 tools +spawn .* call .* close .*2025-06-18, fixture 1.0.0, sample search`),
      )
    expect(code).toBe(0)
  })

  test('worse on target: exit code 4', async () => {
    const { code, stdout } = await place.cli('probe', '--server', 'guarded')
    expect(stdout).toMatch(/guarded {2}WORSE/)
    expect(stdout).toMatch(/target It was not tried: .*guard.*\(switched off\)/)
    expect(stdout).toContain('to do lift the guard')
    expect(code).toBe(4)
  })

  test('better on target: exit code 0, and no secret anywhere', async () => {
    const { code, stdout } = await place.cli('probe', '--server', 'token')
    expect(stdout).toMatch(/token {2}BETTER .*the worker breaks it/)
    expect(stdout).toMatch(/legacy It was not tried: .*not set here: TOKEN/)
    expect(stdout).toMatch(/stdio .*, 2 arguments, env TOKEN/)
    expect(stdout).not.toContain(secret)
    expect(code).toBe(0)
  })

  test('broken everywhere, three rounds: exit code 3, how often it was good', async () => {
    const { code, stdout } = await place.cli('probe', '--server', 'broken', '--repeat', '3')
    expect(stdout).toMatch(/broken {2}INCONCLUSIVE {2}nobody reaches it: the server is broken/)
    expect(stdout).toMatch(/target +crashed 0\/3 +spawn/)
    expect(code).toBe(3)
  })

  test('doctor tells of servers and probes, check of what this process lacks', async () => {
    await place.cli('probe', '--server', 'broken')
    const { value } = await place.json('doctor')
    const of = (name: string) => value.checks.find((check: { name: string }) => check.name === name)
    expect(of('@modelcontextprotocol/sdk')).toMatchObject({ area: 'library', status: 'ok' })
    expect(of('mcp token')).toMatchObject({
      status: 'ok',
      text: expect.stringMatching(/^stdio .*, 2 arguments, env TOKEN$/),
    })
    expect(of('probes of broken')).toMatchObject({
      status: 'warn',
      text: expect.stringContaining('the server is broken'),
    })
    const checked = await place.json('check')
    expect(JSON.stringify(checked.value)).not.toContain(secret)
  })

  test('as JSON, and in the report', async () => {
    const { code, value } = await place.json('probe', '--server', 'fine')
    expect(code).toBe(0)
    expect(value).toMatchObject({
      migration: 'parse-email',
      rounds: 1,
      deadlineMs: 20_000,
      servers: [{ server: 'fine', verdict: 'same' }],
    })
    expect(value.servers[0].probes).toHaveLength(3)
    const report = await place.json('report')
    const fine = report.value.migrations[0].mcp.find(({ server }: { server: string }) => server === 'fine')
    expect(fine).toMatchObject({ verdict: 'same', places: { target: { state: 'up' } } })
    const { stdout } = await place.cli('report')
    expect(stdout).toMatch(/fine +same/)
    expect(stdout).not.toContain(secret)
  })

  test('--watch prints round after round', async () => {
    const { code, stdout } = await place.cli('probe', '--server', 'fine', '--watch', '--repeat', '2', '--every', '10ms')
    expect(stdout.match(/SAME/g)).toHaveLength(2)
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT/)
    expect(code).toBe(0)
  })

  test.each([
    [['--server', 'files'], /parse-email uses no server "files"; it uses: fine, broken, token, guarded/],
    [['--deadline', '10ms'], /--deadline is at least 1s/],
    [['--deadline', 'soon'], /is not a duration/],
    [['--repeat', '0'], /whole number/],
    [['nothing'], /no migration "nothing"/],
  ])('refuses %o with exit code 2', async (args, message) => {
    const { code, stderr } = await place.cli('probe', ...args)
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  test('--watch with --json is refused', async () => {
    const { code, value } = await place.json('probe', '--watch')
    expect(value.error.code).toBe('usage')
    expect(code).toBe(2)
  })
})

test('without servers there is nothing to probe', async () => {
  const other = bed()
  try {
    other.write('cutover.config.ts', configText(other))
    other.write('flags.yaml', 'parse-email: { target: 0%, shadow: 0% }\n')
    const { code, stderr } = await other.cli('probe')
    expect(stderr).toContain('parse-email uses no MCP server')
    expect(code).toBe(2)
  } finally {
    other.remove()
  }
})
