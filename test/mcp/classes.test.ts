// Every class of failure there is, each produced by a fixture, through every queue: class, verdict and place of the hang.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cutover, openCutover } from '../../src/cutover.ts'
import { FAILURE_CLASSES } from '../../src/mcp/classes.ts'
import type { McpServerConfig } from '../../src/mcp/config.ts'
import { probeVerdicts } from '../../src/mcp/verdict.ts'
import type { ProbeFailure, ProbeRecord } from '../../src/vocabulary/probe.ts'
import type { Place } from '../support/app.ts'
import { mcpConfig, openProber, type Prober } from '../support/mcp-app.ts'
import { type HttpFixture, startHttpFixture } from '../support/mcp-http.ts'
import { type Blocked, fixture, makeBlocked, startWorker, TIMEOUTS, type WorkerProcess } from '../support/mcp-kit.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

const MUTE = { ...TIMEOUTS, initialize: '1s' } as const
const LATER = { ...TIMEOUTS, list: '400ms', call: '400ms' } as const

interface Case {
  /** The migration whose worker gets into it; default `main`, which works in this process. */
  readonly migration?: 'main' | 'busy' | 'blocked' | 'no-sdk' | 'stands-still' | 'dies'
  readonly server: (http: string, blocked: Blocked | undefined) => McpServerConfig
  readonly where: RegExp
  readonly deadlineMs?: number
}

const sampled = { sample: 'read-only' } as const
const CASES: Readonly<Record<ProbeFailure, Case>> = {
  'not-configured': { server: () => fixture('ok'), where: /does not know the server/ },
  'skipped-by-guard': { server: () => fixture('ok'), where: /switched off by a guard.*\(tools are off here\)/ },
  'env-missing': { server: () => fixture('ok', { env: { TOKEN: undefined } }), where: /not set here: TOKEN/ },
  'sdk-missing': { migration: 'no-sdk', server: () => fixture('ok'), where: /could not begin: mcp: the MCP library/ },
  'worker-never-picked-up': {
    ...{ migration: 'busy', server: () => fixture('ok'), deadlineMs: 1000 },
    where: /No worker took the probe before its deadline, though there is 1 live worker/,
  },
  'worker-went-down': {
    migration: 'dies',
    server: () => fixture('ok'),
    where: /worker \(pid \d+\) took the probe and is gone/,
    deadlineMs: 2000,
  },
  'loop-blocked': {
    ...{ migration: 'stands-still', server: () => fixture('tells-parent', { timeouts: MUTE }) },
    where: /stood still inside standsStill \(.*mcp-worker\.ts:\d+:\d+\).*phase initialize/,
  },
  'command-not-found': { server: () => ({ command: 'no-such-program' }), where: /phase spawn.*ENOENT/ },
  'spawn-blocked': {
    migration: 'blocked',
    server: (_http, blocked) => ({
      ...fixture('ok'),
      command: blocked?.program ?? 'none',
      timeouts: { ...TIMEOUTS, spawn: '1s' },
    }),
    where: /stood still inside child_process\.spawn.*forked and never reached exec/,
  },
  unreachable: { server: () => ({ url: 'http://127.0.0.1:9/mcp' }), where: /no connection can be made/ },
  redirected: { server: (http) => ({ url: `${http}/redirect` }), where: /sends to another host/ },
  auth: { server: (http) => ({ url: `${http}/status/401` }), where: /it answers 401/ },
  'http-error': { server: (http) => ({ url: `${http}/status/500` }), where: /it answers 500/ },
  'sse-no-endpoint': {
    server: (http) => ({ type: 'sse', url: `${http}/never`, timeouts: { ...TIMEOUTS, spawn: '500ms' } }),
    where: /no endpoint was named/,
  },
  crashed: { server: () => fixture('crash'), where: /ended by itself \(exit code 3\)/ },
  'no-initialize': { server: () => fixture('silent', { timeouts: MUTE }), where: /did not answer "initialize"/ },
  'protocol-version': { server: () => fixture('old-version'), where: /1999-01-01/ },
  'protocol-error': { server: () => fixture('wrong-answer'), where: /not the form of the protocol/ },
  'stdout-pollution': { server: () => fixture('flood'), where: /kB that are no messages/ },
  'too-large': { server: () => fixture('large'), where: /more than 8 MB/ },
  'timeout-list': { server: () => fixture('hang-list', { timeouts: LATER }), where: /did not finish listing/ },
  'no-tools': { server: () => fixture('no-tools'), where: /list of tools is empty/ },
  'too-many-tools': { server: () => fixture('many-tools'), where: /10000 tools or more/ },
  'timeout-call': {
    server: () => fixture('hang-call', { ...sampled, timeouts: LATER }),
    where: /did not answer the sample call/,
  },
  'call-failed': { server: () => fixture('fail-call', sampled), where: /the index is damaged/ },
}

interface Bed {
  readonly place: Place
  stop(): Promise<void>
}

async function embedded(): Promise<Bed> {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-mcp-'))
  return { place: { folder, files: 'apart' }, stop: async () => rmSync(folder, { recursive: true, force: true }) }
}

async function redis(): Promise<Bed> {
  const server: RedisServer = await startRedis()
  return { place: { url: server.url }, stop: () => server.stop() }
}

it('there is a fixture for every class of the table', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(Object.keys(FAILURE_CLASSES).toSorted())
})

const blocked = makeBlocked(60)
afterAll(() => blocked?.remove())

describe.each([
  ['embedded queues', true, embedded],
  ['bee-queue and BullMQ', hasRedis(), redis],
])('%s', (_name, possible, make) => {
  let bed: Bed
  let http: HttpFixture
  let prober: Prober
  let cutover: Cutover<unknown, unknown, unknown, unknown, unknown, unknown>
  const workers: WorkerProcess[] = []
  let letGo = (): void => {}

  beforeAll(async () => {
    if (!possible) return
    bed = await make()
    http = await startHttpFixture()
    const names = Object.keys(CASES) as ProbeFailure[]
    const servers = Object.fromEntries([
      ...names.map((name) => [name, CASES[name].server(http.url, blocked)] as const),
      ['fine', fixture('ok')] as const,
    ])
    const migrations = ['main', 'busy', 'blocked', 'no-sdk', 'stands-still', 'dies'] as const
    prober = await openProber(mcpConfig(bed.place, migrations, { servers }))
    const { 'not-configured': _, ...known } = servers
    const guard = (server: string): string | undefined =>
      server === 'skipped-by-guard' ? 'tools are off here' : undefined
    cutover = (await openCutover(mcpConfig(bed.place, ['main', 'busy'], { servers: known, guard }))) as never
    const working = cutover as unknown as {
      work: (...args: unknown[]) => Promise<unknown>
      enqueue: (...args: unknown[]) => Promise<unknown>
    }
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    for (const side of ['legacy', 'target']) await working.work('main', side, () => undefined)
    await working.work('busy', 'legacy', () => held)
    await working.enqueue('busy', { n: 1 })
    const order = { place: bed.place, servers }
    const preload = blocked === undefined ? {} : { LD_PRELOAD: blocked.library }
    const noSdk = ['--import', new URL('../support/no-sdk.ts', import.meta.url).href]
    workers.push(
      ...(await Promise.all([
        startWorker({ ...order, migration: 'blocked' }, { env: preload }),
        startWorker({ ...order, migration: 'no-sdk' }, { node: noSdk }),
        startWorker({ ...order, migration: 'stands-still', trouble: 'busy', forMs: 4000 }),
        startWorker({ ...order, migration: 'dies', trouble: 'dies' }),
      ])),
    )
  })
  afterAll(async () => {
    letGo()
    await Promise.all(workers.map((worker) => worker.stop()))
    await cutover?.close({ timeout: '3s' })
    await prober?.close()
    await http?.stop()
    await bed?.stop()
  })

  const fine = (record: ProbeRecord): ProbeRecord => {
    const { hang: _, ...rest } = record
    return { ...rest, place: record.place === 'legacy' ? 'target' : 'legacy', class: 'ok', tools: [['search', 'x']] }
  }

  it.runIf(possible)('a server that works is the same on both sides, and in the ledger', async () => {
    const found = await prober.probe('main', 'fine', ['baseline', 'legacy', 'target'])
    expect(found.map(({ place, class: what }) => [place, what])).toEqual([
      ['baseline', 'ok'],
      ['legacy', 'ok'],
      ['target', 'ok'],
    ])
    expect(probeVerdicts(found)).toMatchObject([{ verdict: 'same' }])
    const kept = (await prober.ledger('main').probes()).filter(({ server }) => server === 'fine')
    expect(kept.map(({ at: _, ...record }) => record)).toEqual(
      found.map(({ ...record }) =>
        expect.objectContaining({ id: record.id, place: record.place, class: 'ok', tools: record.tools }),
      ),
    )
  })

  const cases = (Object.entries(CASES) as [ProbeFailure, Case][]).filter(
    ([name]) => name !== 'spawn-blocked' || blocked !== undefined,
  )
  it.runIf(possible).each(cases)('%s', async (name, { migration = 'main', where, deadlineMs }) => {
    // a busy or dying worker has one side only
    const places =
      migration === 'busy' || migration === 'dies' ? (['legacy'] as const) : (['legacy', 'target'] as const)
    const found = await prober.probe(migration, name, places, deadlineMs)
    for (const record of found) {
      expect(record.hang?.sentence).toMatch(where)
      expect(record.class).toBe(name)
      const verdict = record.place === 'legacy' ? 'better' : 'worse'
      expect(probeVerdicts([record, fine(record)])).toMatchObject([{ verdict }])
    }
    const kept = (await prober.ledger(migration).probes()).filter(({ server }) => server === name)
    expect(kept.map(({ class: what }) => what)).toEqual(found.map(() => name))
  })

  it.runIf(possible && blocked !== undefined)('the blocked spawn really held the worker, and let it go', async () => {
    const worker = workers[0]
    const lates = worker?.said().flatMap((line) => (line.startsWith('late ') ? [Number(line.slice(5))] : []))
    expect(Math.max(...(lates ?? []))).toBeGreaterThan(700)
    expect(Math.max(...(lates ?? []))).toBeLessThan(30_000)
  })
})
