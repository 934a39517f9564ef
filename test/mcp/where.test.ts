// Where it hangs: what is seen of a worker whose event loop stands still, from inside and from outside, and of a plain
// process with an await that never ends.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeBaseline } from '../../src/mcp/baseline.ts'
import { crumbFile, readCrumbs } from '../../src/mcp/crumbs.ts'
import { allProcs, hasMark } from '../../src/mcp/proc.ts'
import { MARK } from '../../src/mcp/process-tree.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import type { ProbeRecord } from '../../src/vocabulary/probe.ts'
import type { Mode } from '../fixtures/mcp-server.ts'
import { type Place, until } from '../support/app.ts'
import { mcpConfig, openProber, type Prober } from '../support/mcp-app.ts'
import { fixture, settle, startWorker, TIMEOUTS } from '../support/mcp-kit.ts'
import type { WorkerOrder } from '../support/mcp-worker.ts'

const linux = process.platform === 'linux'
const PRELOAD = ['--import', new URL('../../src/mcp/preload.ts', import.meta.url).href]
const servers = { stops: fixture('tells-parent', { timeouts: { ...TIMEOUTS, initialize: '1s' } }) }

let place: Place & { folder: string }
let prober: Prober
beforeAll(async () => {
  place = { folder: mkdtempSync(join(tmpdir(), 'cutover-where-')), files: 'apart' }
  prober = await openProber(mcpConfig(place, ['inside', 'call', 'bare-call', 'outside', 'before'], { servers }))
})
afterAll(async () => {
  await prober?.close()
  rmSync(place.folder, { recursive: true, force: true })
})

/** Probes a worker of its own, which is alive afterwards. */
async function probeTroubled(
  order: Pick<WorkerOrder, 'migration' | 'trouble' | 'forMs'>,
  { node = [], deadlineMs = 20_000 }: { readonly node?: readonly string[]; readonly deadlineMs?: number } = {},
): Promise<ProbeRecord> {
  const worker = await startWorker({ ...order, place, servers }, { node })
  try {
    const [found] = await prober.probe(order.migration, 'stops', ['legacy'], deadlineMs)
    expect(process.kill(worker.pid, 0)).toBe(true)
    if (found === undefined) throw new Error('nothing was found')
    return found
  } finally {
    await worker.stop()
  }
}

const linesOf = ({ hang }: ProbeRecord, what: string): string =>
  hang?.details.find((detail) => detail.what === what)?.lines.join('\n') ?? 'nothing of it'

describe('a worker whose event loop stands still', () => {
  it('in JavaScript: the stack of the main thread', async () => {
    const found = await probeTroubled({ migration: 'inside', trouble: 'busy', forMs: 4000 })
    expect(found.class).toBe('loop-blocked')
    expect(found.hang?.sentence).toMatch(
      /inside standsStill \(file:.*mcp-worker\.ts:\d+:\d+\) for \d\.\d s, in phase initialize/,
    )
    expect(linesOf(found, 'the main thread in JavaScript')).toMatch(/^standsStill .*\n.*SIGUSR2|^standsStill/)
  })

  it('in a synchronous call, with the preload: the call and from where', async () => {
    const order = { migration: 'call', trouble: 'sync-call', forMs: 5000 } as const
    const found = await probeTroubled(order, { node: PRELOAD })
    expect(found.class).toBe('loop-blocked')
    expect(found.hang?.sentence).toContain('inside execFileSync("sleep")')
    expect(linesOf(found, 'the main thread in JavaScript')).toContain('no answer')
    const call = linesOf(found, 'the last call that starts a process')
    expect(call).toMatch(/^execFileSync\("sleep"\) has not returned for \d/)
    expect(call).toMatch(/callsSynchronously \(.*mcp-worker\.ts/)
    if (linux) expect(linesOf(found, 'its children')).toContain('sleep')
  })

  it('in a synchronous call, without it: says how to know', async () => {
    const found = await probeTroubled({ migration: 'bare-call', trouble: 'sync-call', forMs: 5000 })
    expect(found.class).toBe('loop-blocked')
    expect(linesOf(found, 'the last call that starts a process')).toContain('--import cutover/preload')
  })

  it('past the deadline: told by the command, which looks at it from outside', async () => {
    const order = { migration: 'outside', trouble: 'busy', forMs: 60_000 } as const
    const found = await probeTroubled(order, { deadlineMs: 8000 })
    expect(found.class).toBe('loop-blocked')
    expect(found.hang?.sentence).toMatch(/event loop \(pid \d+\) stands still, in phase initialize/)
    // noted by the watching thread, for whoever looks
    expect(linesOf(found, 'the main thread in JavaScript')).toContain('standsStill')
    expect(linesOf(found, 'its breadcrumbs')).toMatch(/begins spawn\nended spawn\nbegins initialize/)
    expect(allProcs().filter(({ pid }) => hasMark(pid, `${MARK}=${found.id}-stops-legacy`))).toEqual([])
  })
})

it('a worker that stood still before its probe came', async () => {
  const order = { migration: 'before', trouble: 'busy', forMs: 120_000 } as const
  const worker = await startWorker({ ...order, place, servers }, { node: PRELOAD })
  try {
    process.kill(worker.pid, 'SIGUSR2')
    const isSilent = async () => (await prober.ledger('before').presence()).every(({ gone }) => gone)
    await until(isSilent, 'it sends no heartbeat', 30_000)
    const [found] = await prober.probe('before', 'stops', ['legacy'], 1500)
    expect(found?.class).toBe('loop-blocked')
    expect(found?.hang?.sentence).toMatch(
      /event loop \(pid \d+\) stands still: its process is there, its last heartbeat was \d+ s ago/,
    )
    expect(found?.hang?.details[0]?.lines[0]).toMatch(new RegExp(`^pid ${worker.pid} node`))
    const kept = await prober.ledger('before').probes()
    expect(kept.map(({ class: what }) => what)).toEqual(['loop-blocked'])
  } finally {
    await worker.stop()
  }
  // gone for good: nothing of it is there to be asked
  const [found] = await prober.probe('before', 'stops', ['legacy'], 1500)
  expect(found?.hang?.sentence).toContain('no worker of legacy is there')
})

describe('the plain process', () => {
  const base = (mode: Mode, initialize: `${number}s` = '1s') =>
    probeBaseline(settle(fixture(mode, { timeouts: { ...TIMEOUTS, initialize } })), newId(), 20_000)

  it('says where the promises were made that are pending', async () => {
    const found = await base('silent')
    expect(found).toMatchObject({ class: 'no-initialize', place: 'baseline' })
    expect(linesOf(found, 'promises that are pending, by where they were made')).toMatch(/\d+ × at .*sdk.*protocol/)
    expect(readCrumbs(crumbFile(found.id, 'server', 'baseline'))).toEqual([])
  })

  it('is not what the server may do to it', async () => {
    // the server kills its parent: the process that tries it
    const found = await base('tells-parent')
    expect(found).toMatchObject({
      class: 'worker-went-down',
      hang: { sentence: expect.stringContaining('(SIGUSR2) after it began initialize') },
    })
    expect(allProcs().filter(({ pid }) => hasMark(pid, `${MARK}=${found.id}-server-baseline`))).toEqual([])
  })
})
