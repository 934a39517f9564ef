// `ctx.mcp` in real workers, through real queues and ledgers: what each run had is kept and compared, a worker whose
// spawn blocks loses its time once, and a worker that never asks loads nothing of it.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cutover, openCutover } from '../../src/cutover.ts'
import type { JobContext } from '../../src/execution/context.ts'
import { allProcs } from '../../src/mcp/proc.ts'
import type { CutoverEvent } from '../../src/vocabulary/events.ts'
import { type Place, until } from '../support/app.ts'
import { mcpConfig, openProber, type Prober } from '../support/mcp-app.ts'
import { fixture, makeBlocked, startWorker, TIMEOUTS } from '../support/mcp-kit.ts'
import { hasRedis, startRedis } from '../support/redis.ts'

interface Bed {
  readonly place: Place
  stop(): Promise<void>
}
async function embedded(): Promise<Bed> {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-asks-'))
  return { place: { folder, files: 'apart' }, stop: async () => rmSync(folder, { recursive: true, force: true }) }
}
async function redis(): Promise<Bed> {
  const server = await startRedis()
  return { place: { url: server.url }, stop: () => server.stop() }
}

type Loose = Cutover<Record<string, unknown>, unknown, unknown, unknown, unknown, unknown>
const SHADOWED = { shadow: 'effects-declared' }
const SPAWN_MS = 1000
const blocked = makeBlocked(60)
afterAll(() => blocked?.remove())

async function asks(_payload: unknown, ctx: JobContext): Promise<string> {
  await ctx.mcp.tools()
  return 'done'
}

describe.each([
  ['embedded queues, SQLite', true, embedded],
  ['bee-queue and BullMQ, Redis', hasRedis(), redis],
])('%s', (_name, possible, make) => {
  let bed: Bed
  let prober: Prober | undefined
  const opened: Loose[] = []
  beforeAll(async () => {
    if (possible) bed = await make()
  })
  afterAll(async () => {
    await prober?.close()
    await Promise.all(opened.map((cutover) => cutover.close()))
    await bed?.stop()
  })

  it.skipIf(!possible || blocked === undefined)(
    'a worker whose spawn blocks: jobs go on without tools, it is tried once, and the pair tells the difference',
    { timeout: 60_000 },
    async () => {
      const slow = fixture('ok', {
        command: blocked?.program ?? '',
        timeouts: { ...TIMEOUTS, spawn: `${SPAWN_MS}ms` },
      })
      const servers = { files: slow }
      const config = mcpConfig(bed.place, ['shop'], { servers }, SHADOWED)
      const events: CutoverEvent[] = []
      const cutover = (await openCutover(config, { forcedRoute: 'legacy-shadowed' })) as unknown as Loose
      opened.push(cutover)
      cutover.onEvent((event) => events.push(event))
      prober = await openProber(config)
      const ledger = prober.ledger('shop')
      const order = { place: bed.place, migration: 'shop', servers, asks: 'legacy' } as const
      const env = { env: { LD_PRELOAD: blocked?.library ?? '' } }
      const first = await startWorker(order, env)
      const others: Awaited<ReturnType<typeof startWorker>>[] = []
      try {
        await cutover.work('shop', 'target', asks as never)
        for (const id of ['a', 'b', 'c']) await cutover.enqueue('shop', {}, { id })
        for (const id of ['a', 'b', 'c']) expect(await cutover.result('shop', id)).toBe('done')
        const late = first.said().map((line) => Number(/^late (\d+)/.exec(line)?.[1] ?? 0))
        expect(Math.max(...late), 'it really blocks').toBeGreaterThan(SPAWN_MS * 0.9)
        const { slots } = (await ledger.row('c')) ?? {}
        expect(slots?.primary?.mcp).toMatchObject([
          { server: 'files', tools: 0, degraded: 'spawn-blocked', why: expect.stringContaining('never reached exec') },
        ])

        // each try would be told to the ledger: there was one, and no other worker of this side makes another
        const tries = async () =>
          (await ledger.probes()).map(({ server, place, class: found }) => [server, place, found])
        expect(await tries()).toEqual([['files', 'legacy', 'spawn-blocked']])
        await first.stop()
        others.push(await startWorker(order, env))
        for (const id of ['d', 'e']) await cutover.enqueue('shop', {}, { id })
        for (const id of ['d', 'e']) expect(await cutover.result('shop', id)).toBe('done')
        expect(await tries()).toHaveLength(1)

        const report = async () => (await cutover.report('shop')).migrations[0]
        await until(async () => (await report())?.comparisons.compared === 5, 'five compared pairs')
        expect((await report())?.differences).toMatchObject([
          {
            path: '/mcp/files',
            kind: 'tools',
            count: 5,
            example: { legacy: { tools: 0, degraded: 'spawn-blocked' }, target: { tools: 2 } },
          },
        ])
        expect(events.filter(({ type }) => type.startsWith('mcp-'))).toEqual([])
      } finally {
        await Promise.all([first, ...others].map((worker) => worker.stop()))
      }
    },
  )

  it.skipIf(!possible)('same tools on both sides match; a pool a side, ended with its worker', async () => {
    const config = mcpConfig(bed.place, ['mail'], { servers: { files: fixture('ok') } }, SHADOWED)
    const cutover = (await openCutover(config, { forcedRoute: 'target-shadowed' })) as unknown as Loose
    opened.push(cutover)
    const before = childCount()
    const workers = []
    for (const side of ['legacy', 'target'] as const) workers.push(await cutover.work('mail', side, asks as never))
    for (const id of ['1', '2', '3']) await cutover.enqueue('mail', {}, { id })
    const report = async () => (await cutover.report('mail')).migrations[0]
    await until(async () => (await report())?.comparisons.compared === 3, 'three compared pairs')
    expect(await report()).toMatchObject({ comparisons: { matched: 3 }, differences: [] })
    expect(childCount()).toBe(before + 2)
    for (const worker of workers) await worker.stop()
    expect(childCount()).toBe(before)
  })
})

function childCount(): number {
  return allProcs().filter(({ ppid, state }) => ppid === process.pid && state !== 'Z').length
}

it.each([
  ['without', 0],
  ['unasked', 0],
  ['asks', 6],
])('modules of MCP that are loaded, servers %s: at least %i', (how, least) => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-loads-'))
  try {
    const script = new URL('../support/mcp-loads.ts', import.meta.url).pathname
    const out = execFileSync(process.execPath, [script, folder, how], { encoding: 'utf8' })
    const loaded = JSON.parse(out.trim().split('\n').at(-1) ?? '') as string[]
    if (least === 0) expect(loaded).toEqual([])
    else expect(loaded.length).toBeGreaterThanOrEqual(least)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
