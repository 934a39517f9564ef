// Workers and MCP: a worker without servers loads nothing of it, one with `probeAtStart` probes by itself, and probes are
// no jobs: no handler sees them, nothing is counted.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identify } from '../../src/execution/identify.ts'
import { makeProbeEnvelope, openEnvelope } from '../../src/vocabulary/envelope.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import { type App, embeddedBed, openApp, until } from '../support/app.ts'
import { openProber } from '../support/mcp-app.ts'
import { fixture } from '../support/mcp-kit.ts'

const root = new URL('../../', import.meta.url)
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-mcp-worker-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a worker', () => {
  const program = (mcp: string): string => `
    import { openCutover, type } from '${new URL('src/index.ts', root).href}'
    import { sqliteLedger } from '${new URL('adapters/ledgers/sqlite/index.ts', root).href}'
    import { embeddedQueue } from '${new URL('adapters/queues/embedded/index.ts', root).href}'
    import { testFlags } from '${new URL('src/testing/index.ts', root).href}'
    const cutover = await openCutover({
      ledger: sqliteLedger({ path: '${folder}/ledger.db' }),
      flags: testFlags({ target: 0, shadow: 0 }),
      ${mcp}
      migrations: {
        mail: {
          payload: type(),
          legacy: embeddedQueue({ path: '${folder}/queue.db', queue: 'a' }),
          target: embeddedQueue({ path: '${folder}/queue.db', queue: 'b' }),
        },
      },
    })
    await cutover.work('mail', 'legacy', () => 1)
    const { id } = await cutover.enqueue('mail', { n: 1 })
    await cutover.result('mail', id)
    await cutover.close()
  `
  const loadedBy = (mcp: string): readonly string[] => {
    const hook = new URL('test/fixtures/list-imports.ts', root).href
    const args = ['--import', hook, '--input-type=module', '--eval', program(mcp)]
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: folder, timeout: 25_000 })
    const [, list] = /^loaded (.+)$/m.exec(stdout) ?? []
    if (list === undefined) throw new Error(`it did not end: ${stderr}`)
    return JSON.parse(list)
  }
  /** Small and pure: what a configuration, an outcome and a call look like. No library, no process, no thread. */
  const RULES = /\/mcp\/(config|config-file|pools|call|seen|tools|classes)\.ts$/
  const ofMcp = (url: string): boolean =>
    /@modelcontextprotocol|\/(execa|cockatiel)\//.test(url) || (url.includes('/src/mcp/') && !RULES.test(url))

  it('without MCP loads none of it, but for its rules', () => {
    const loaded = loadedBy('')
    expect(loaded.length).toBeGreaterThan(50)
    expect(loaded.filter(ofMcp)).toEqual([])
  })

  it('with servers that nobody asked for neither; nothing is started', () => {
    expect(loadedBy(`mcp: { servers: { files: { command: '/no/such/program' } } },`).filter(ofMcp)).toEqual([])
  })
})

describe('probes', () => {
  const bed = embeddedBed()
  let app: App
  afterEach(async () => {
    await app?.close()
    await bed.stop()
  })

  it('at start, when asked to; they are no jobs', async () => {
    const queues = { legacy: bed.queue('legacy'), target: bed.queue('target') }
    app = await openApp(bed, {
      queues,
      mcp: { servers: { one: fixture('ok'), two: fixture('crash') }, probeAtStart: true },
    })
    await app.both()
    const found = await until(async () => {
      const probes = (await app.ledger.probes()).filter(({ class: what }) => what !== 'running')
      return probes.length === 4 && probes
    }, 'each server probed from each side')
    expect(found.map(({ server, place, class: what }) => `${server} ${place} ${what}`)).toEqual([
      ...['one legacy ok', 'one target ok', 'two legacy crashed', 'two target crashed'],
    ])
    expect(app.events).toEqual(
      expect.arrayContaining([
        { type: 'mcp-reachable', migration: 'mail', server: 'one', side: 'legacy', tools: 2 },
        expect.objectContaining({
          type: 'mcp-unreachable',
          server: 'two',
          side: 'target',
          why: expect.stringContaining('exit code 3'),
        }),
      ]),
    )
    expect(app.runs).toEqual([])
    expect((await app.numbers()).snapshot.buckets).toEqual([])
  })
})

describe('the envelope of a probe', () => {
  const probe = { id: newId(), server: 'files', expiresAt: 5 }
  const here = { side: 'legacy', epoch: 1, now: 0 } as const

  it('names a server, and nothing of how to start it', () => {
    expect(JSON.parse(JSON.stringify(makeProbeEnvelope(probe)))).toEqual({ $cutover: { v: 2, probe } })
    expect(openEnvelope(makeProbeEnvelope(probe))).toEqual({ kind: 'probe', probe })
  })

  it('is a version that a worker before probes puts back', () => {
    const { $cutover } = makeProbeEnvelope(probe) as { $cutover: object }
    expect(openEnvelope({ $cutover: { ...$cutover, v: 3 } })).toEqual({ kind: 'newer', version: 3 })
    // as it was read then: any version above 1
    expect(($cutover as { v: number }).v).toBeGreaterThan(1)
  })

  it('is not taken for one when it is damaged', () => {
    for (const broken of [{}, { id: 'x' }, { ...probe, server: 5 }, null]) {
      const data = { $cutover: { v: 2, probe: broken } }
      expect(
        identify({ data, backendId: 'p', attempt: 1, attempts: 1, native: undefined, progress: async () => {} }, here),
      ).toEqual({ kind: 'newer' })
    }
  })
})

it('a probe that comes too late is not begun', async () => {
  const { answerProbe } = await import('../../src/mcp/worker-probe.ts')
  const ledger = () => expect.unreachable('it was begun')
  const job = { id: newId(), server: 'files', expiresAt: 100 }
  const options = {
    migration: 'mail',
    mcp: undefined,
    side: 'legacy',
    job,
    instance: 'i',
    ledger,
    emit: () => {},
  } as const
  await answerProbe({ ...options, now: () => 100 })
})

it('with no worker on a side it is not sent, and nothing is kept', async () => {
  const { mcpConfig } = await import('../support/mcp-app.ts')
  const prober = await openProber(mcpConfig({ folder, files: 'apart' }, ['main'], { servers: { one: fixture('ok') } }))
  try {
    const [found] = await prober.probe('main', 'one', ['target'])
    expect(found).toMatchObject({
      class: 'worker-never-picked-up',
      hang: { sentence: expect.stringContaining('no worker of target is there') },
    })
    expect(await prober.ledger('main').probes()).toEqual([])
  } finally {
    await prober.close()
  }
})
