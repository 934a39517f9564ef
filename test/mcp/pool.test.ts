// The clients of a worker: started once, started again when a server ends, nothing tried that is known to block, nothing
// left behind. With real processes and a ledger in memory.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import type { McpConfig, McpServerConfig } from '../../src/mcp/config.ts'
import { resolveMcp } from '../../src/mcp/config.ts'
import { ToolPool } from '../../src/mcp/pool.ts'
import { allProcs, type Proc } from '../../src/mcp/proc.ts'
import type { McpCallRequest } from '../../src/mcp/seen.ts'
import type { CutoverEvent } from '../../src/vocabulary/events.ts'
import type { ProbeClass, ProbeRecord, StoredProbe } from '../../src/vocabulary/probe.ts'
import { until } from '../support/app.ts'
import { startHttpFixture } from '../support/mcp-http.ts'
import { fixture, TIMEOUTS } from '../support/mcp-kit.ts'

interface Bench {
  readonly pool: ToolPool
  readonly probes: StoredProbe[]
  readonly events: CutoverEvent[]
  /** Events of a server by type, in order. */
  told(): string[]
}

const open: ToolPool[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()))
})

function bench(servers: Record<string, McpServerConfig>, more: Partial<McpConfig> = {}): Bench {
  const mcp = resolveMcp({ servers, ...more }, undefined, 'test')
  if (mcp === undefined) throw new Error('no servers')
  const probes: StoredProbe[] = []
  const events: CutoverEvent[] = []
  const ledger = {
    probes: async () => [...probes],
    noteProbe: async (probe: ProbeRecord) => void probes.push({ ...probe, at: Date.now() }),
  }
  const base = { migration: 'mail', side: 'legacy', instance: 'i', lookMs: 30 } as const
  const pool = new ToolPool({ ...base, mcp, ledger: async () => ledger, emit: (event) => void events.push(event) })
  open.push(pool)
  return { pool, probes, events, told: () => events.map(({ type }) => type) }
}

let rounds = 0
function probed(found: ProbeClass, server = 'files'): StoredProbe {
  rounds += 1
  const hang = { hang: { sentence: `It was ${found}.`, details: [] } }
  const base = { id: `round-${rounds}`, server, place: 'legacy', class: found, ms: 1, phases: [], at: rounds } as const
  return found === 'ok' ? base : { ...base, ...hang }
}

function callOf(tool: string, more: Partial<McpCallRequest> = {}): McpCallRequest {
  return { tool, args: {}, signal: new AbortController().signal, readOnly: false, ...more }
}

/** Children of this process that a pool has started, and what they started. */
function poolProcesses(): Proc[] {
  return allProcs().filter(({ pid, state }) => {
    if (state === 'Z' || pid === process.pid) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes('CUTOVER_MCP=pool-')
    } catch {
      return false
    }
  })
}
const ours = (): Proc[] => poolProcesses().filter(({ ppid }) => ppid === process.pid)

it('starts each server once, however many jobs ask at once; the warm answer is the same object', async () => {
  const { pool } = bench({ files: fixture('ok'), mail: fixture('other-tools') })
  const asked = await Promise.all(Array.from({ length: 20 }, () => pool.tools()))
  expect(ours()).toHaveLength(2)
  expect(new Set(asked).size).toBe(1)
  const [snapshot] = asked
  expect(snapshot?.tools.map(({ server, name }) => `${server}/${name}`)).toEqual([
    'files/search',
    'files/send',
    'mail/search',
    'mail/reply',
  ])
  expect(snapshot?.degraded).toEqual([])
  expect(snapshot?.seen.map(({ server, tools, names }) => [server, tools, names?.length])).toEqual([
    ['files', 2, 2],
    ['mail', 2, 2],
  ])
  expect(snapshot?.seenShort[0]).not.toHaveProperty('names')
  expect(pool.tools()).toBe(snapshot)
})

it('calls a tool, by its server where two have it', async () => {
  const { pool } = bench({ files: fixture('ok'), mail: fixture('other-tools') })
  expect(await pool.call(callOf('send'))).toMatchObject({ content: [{ type: 'text', text: 'found' }] })
  await expect(pool.call(callOf('search'))).rejects.toMatchObject({
    code: 'mcp-tool-unknown',
    details: { servers: ['files', 'mail'] },
  })
  expect(await pool.call(callOf('search', { server: 'mail' }))).toMatchObject({ content: [{ text: 'found' }] })
  await expect(pool.call(callOf('nothing'))).rejects.toMatchObject({ code: 'mcp-tool-unknown' })
})

it('a copy calls only what declares readOnlyHint', async () => {
  const { pool } = bench({ files: fixture('ok') })
  expect(await pool.call(callOf('search', { readOnly: true }))).toBeDefined()
  await expect(pool.call(callOf('send', { readOnly: true }))).rejects.toMatchObject({ code: 'effect-refused' })
})

it('what is there is answered, what is not is degraded with its reason, and told once', async () => {
  const { pool, events } = bench({ files: fixture('ok'), broken: fixture('crash') })
  const { tools, degraded, seen } = await pool.tools()
  expect(tools.map(({ name }) => name)).toEqual(['search', 'send'])
  expect(degraded).toEqual([{ server: 'broken', class: 'crashed', why: expect.stringContaining('exit code 3') }])
  expect(seen[0]).toMatchObject({ server: 'broken', tools: 0, degraded: 'crashed' })
  expect(events).toEqual([
    {
      type: 'mcp-degraded',
      migration: 'mail',
      side: 'legacy',
      server: 'broken',
      class: 'crashed',
      why: degraded[0]?.why,
    },
  ])
  await expect(pool.call(callOf('x', { server: 'broken' }))).rejects.toMatchObject({ code: 'mcp-unavailable' })
})

it('a server that dies is started again, and jobs see nothing of it', async () => {
  const { pool, told } = bench({ files: fixture('ok') })
  await pool.tools()
  const [first] = ours()
  process.kill(first?.pid ?? 0, 'SIGKILL')
  await until(() => ours().some(({ pid }) => pid !== first?.pid), 'another process')
  expect((await pool.tools()).tools).toHaveLength(2)
  expect(ours()).toHaveLength(1)
  expect(told()).toEqual([])
})

it('one that dies again and again is degraded, tried with growing delays, and restored when it lives', async () => {
  const { pool, told } = bench({ files: fixture('ok') })
  await pool.tools()
  const seen = new Set<number>()
  await until(() => {
    for (const { pid } of ours()) {
      seen.add(pid)
      process.kill(pid, 'SIGKILL')
    }
    return told().includes('mcp-degraded')
  }, 'a degraded server')
  expect(pool.tools()).toBeDefined()
  await until(() => told().includes('mcp-restored'), 'a restored server')
  expect((await pool.tools()).degraded).toEqual([])
  expect(seen.size).toBeGreaterThanOrEqual(2)
})

it('a call whose server ends fails as such', async () => {
  const { pool } = bench({ files: fixture('dies-at-call') })
  await expect(pool.call(callOf('send'))).rejects.toMatchObject({
    code: 'mcp-call-failed',
    details: { class: 'crashed', server: 'files', tool: 'send' },
  })
})

it('a call has a time-out; after three in a row, and no ping, the server is started anew', async () => {
  const { pool } = bench({ files: fixture('silent-calls') })
  await pool.tools()
  const [first] = ours()
  for (let n = 0; n < 3; n += 1)
    await expect(pool.call(callOf('send', { timeoutMs: 40 }))).rejects.toMatchObject({
      details: { class: 'timeout-call' },
    })
  await until(() => ours().some(({ pid }) => pid !== first?.pid), 'another process')
  await until(() => ours().length === 1, 'the first to be gone')
})

it('a tool that is slow is not a server that is gone', async () => {
  const { pool, told } = bench({ files: fixture('hang-call') })
  await pool.tools()
  const before = ours()
  for (let n = 0; n < 7; n += 1)
    await expect(pool.call(callOf('send', { timeoutMs: 30 }))).rejects.toMatchObject({
      details: { class: 'timeout-call' },
    })
  expect(ours().map(({ pid }) => pid)).toEqual(before.map(({ pid }) => pid))
  expect(told()).toEqual([])
})

it('over HTTP: used, and degraded when the server is gone', async () => {
  const http = await startHttpFixture()
  const { pool, told } = bench({ web: { url: `${http.url}/ok`, timeouts: TIMEOUTS } })
  try {
    expect((await pool.tools()).tools.map(({ server, name }) => `${server}/${name}`)).toEqual(['web/search'])
    expect(await pool.call(callOf('search'))).toEqual({ content: [] })
  } finally {
    await http.stop()
  }
  for (let n = 0; n < 3; n += 1)
    await expect(pool.call(callOf('search'))).rejects.toMatchObject({ code: 'mcp-call-failed' })
  await until(() => told().includes('mcp-degraded'), 'a degraded server')
  expect((await pool.tools()).degraded).toMatchObject([{ server: 'web', class: 'unreachable' }])
})

it('a process that ends without closing leaves nothing', () => {
  const script = new URL('../support/mcp-exits.ts', import.meta.url).pathname
  const out = execFileSync(process.execPath, [script], { encoding: 'utf8' })
  const pids = JSON.parse(out) as number[]
  expect(pids).toHaveLength(2)
  expect(allProcs().filter(({ pid, state }) => pids.includes(pid) && state !== 'Z')).toEqual([])
})

it('a changed list of tools is read again', async () => {
  const { pool } = bench({ files: fixture('grows') })
  const before = await pool.tools()
  await pool.call(callOf('send'))
  await until(async () => (await pool.tools()).tools.length === 3, 'a third tool')
  const after = await pool.tools()
  expect(after.seen[0]?.hash).not.toBe(before.seen[0]?.hash)
})

it.each(['spawn-blocked', 'loop-blocked'] as const)(
  '%s in the last probe of this side: it is not tried until a probe succeeds',
  async (found) => {
    const { pool, probes, events, told } = bench({ files: fixture('ok') })
    probes.push(probed('ok'), probed(found))
    expect(await pool.tools()).toMatchObject({
      tools: [],
      degraded: [{ server: 'files', class: found, why: `It was ${found}.` }],
    })
    probes.push({ ...probed('ok'), place: 'target' }, { ...probed('running'), class: 'running' })
    pool.look()
    await new Promise((resolve) => setTimeout(resolve, 150)) // five looks
    expect(ours()).toEqual([])
    expect(told()).toEqual(['mcp-degraded'])
    probes.push(probed('ok'))
    await until(() => told().length === 2, 'the degradation lifted')
    expect(events.at(-1)).toMatchObject({ type: 'mcp-restored', server: 'files', tools: 2, by: 'probe' })
    expect((await pool.tools()).tools).toHaveLength(2)
  },
)

it('any other failure in the last probe: jobs do not wait for it, it is tried beside them', async () => {
  const { pool, probes, told } = bench({ files: fixture('ok') })
  probes.push(probed('timeout-list'))
  expect((await pool.tools()).degraded).toMatchObject([{ class: 'timeout-list' }])
  await until(() => told().includes('mcp-restored'), 'a restored server')
  expect((await pool.tools()).tools).toHaveLength(2)
})

it('a guard is asked, and what it keeps away is degraded, never empty; one that throws guards', async () => {
  const guard = (server: string): string | undefined => {
    if (server === 'b') throw new Error('x')
    return server === 'a' ? 'switched off' : undefined
  }
  const { pool } = bench({ a: fixture('ok'), b: fixture('ok'), c: fixture('ok') }, { guard })
  const { degraded, tools } = await pool.tools()
  expect(degraded.map(({ server, class: found }) => [server, found])).toEqual([
    ['a', 'skipped-by-guard'],
    ['b', 'skipped-by-guard'],
  ])
  expect(degraded[0]?.why).toContain('switched off')
  expect(tools).toHaveLength(2)
})

it('no secret is told', async () => {
  const { pool, events } = bench({ files: fixture('tells-secret', { env: { TOKEN: 'very-secret-token' } }) })
  await pool.tools()
  expect(JSON.stringify([events, await pool.tools()])).not.toContain('very-secret-token')
})

it.each(['ok', 'leaves-child', 'leaves-session', 'ignores-term'] as const)(
  'close leaves nothing of %s',
  async (mode) => {
    const timeouts = { close: '200ms' } as const
    const { pool } = bench({ files: fixture(mode, { timeouts }) })
    await pool.tools()
    expect(ours()).toHaveLength(1)
    await pool.close()
    expect(poolProcesses()).toEqual([])
  },
)

it('close gives up a start that is under way', async () => {
  const { pool } = bench({ files: fixture('silent') })
  const asked = pool.tools()
  await until(() => ours().length === 1, 'a process')
  await pool.close()
  expect(poolProcesses()).toEqual([])
  await asked
})
