// Unleash as people use it: the command line, producers in processes of their own, the flag server lost, the way back
// without it, a plan driven through it, and 200,000 keys through the real server.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openFeatureFlags } from '../../adapters/flags/openfeature/index.ts'
import { unleashFlags } from '../../adapters/flags/unleash/index.ts'
import { encodeDials, loadEngine } from '../../adapters/unleash-engine.ts'
import { flagKeyOf } from '../../src/config/flag-key.ts'
import { coversRevision, type FlagDials } from '../../src/ports/flags.ts'
import type { Tick } from '../../src/rollout/controller.ts'
import { isShadowed, type Route, sideOf } from '../../src/vocabulary/job.ts'
import { call, type Told } from '../cli/kit.ts'
import type { ProducerOrder } from '../fixtures/flag-producer.ts'
import { until } from '../support/app.ts'
import { openCockpit, type Site, startApp, writePlan } from '../support/drive.ts'
import { StockUnleash } from '../support/openfeature.ts'
import { hasUnleash, startUnleash, type UnleashServer } from '../support/unleash.ts'

const there = hasUnleash()
let server: UnleashServer
let folder: string
/** Everything that any command or process printed. */
let printed = ''

beforeAll(async () => {
  if (!there) return
  folder = mkdtempSync(join(tmpdir(), 'cutover-unleash-e2e-'))
  server = await startUnleash()
  writeFileSync(join(folder, 'read.token'), server.backendToken)
  writeFileSync(join(folder, 'write.token'), server.adminToken)
  writeFileSync(join(folder, 'cutover.config.ts'), configText())
}, 120_000)
afterAll(async () => {
  await server?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

function configText(): string {
  const file = (name: string): string => JSON.stringify(join(folder, name))
  return `import { defineConfig, type } from 'cutover'
import { unleashFlags } from 'cutover/flags/unleash'
import { sqliteLedger } from 'cutover/ledgers/sqlite'
import { embeddedQueue } from 'cutover/queues/embedded'
const queue = (name: string) => embeddedQueue({ path: ${file('queue.db')}, queue: name })
export default defineConfig({
  namespace: 'unleash-e2e',
  ledger: sqliteLedger({ path: ${file('ledger.db')} }),
  flags: unleashFlags({
    url: ${JSON.stringify(server.url)}, token: { file: ${file('read.token')} }, poll: '200ms', timeout: '2s',
    admin: { token: { file: ${file('write.token')} } },
  }),
  migrations: {
    mail: { payload: type<{ n: number }>(), legacy: queue('mail'), target: queue('mail-next'), shadow: 'effects-declared',
      plan: ${file('migration-plan.md')}, timeout: '200ms', waitAllowance: '200ms', tally: { bucket: '100ms', slack: '100ms' } },
  },
})
`
}

async function cli(...argv: string[]): Promise<Told> {
  const told = await call(argv, { cwd: folder })
  printed += told.stdout + told.stderr
  return told
}

interface Line {
  readonly at: number
  readonly route: Route
  readonly reason: string
}
interface Producer {
  readonly child: ChildProcess
  readonly lines: Line[]
}
const producers: Producer[] = []
afterEach(async () => {
  await Promise.all(producers.splice(0).map(({ child }) => end(child)))
})

function startProducer(): Producer {
  const order: ProducerOrder = { folder, url: server.url, tokenFile: join(folder, 'read.token'), poll: '100ms' }
  const script = join(import.meta.dirname, '../fixtures/flag-producer.ts')
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: Line[] = []
  createInterface(child.stdout!).on('line', (line) => lines.push(JSON.parse(line) as Line))
  child.stderr?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  const producer = { child, lines }
  producers.push(producer)
  return producer
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM') // it takes its leave of the ledger
  await gone
}

const lastOf = ({ lines }: Producer): Line | undefined => lines.at(-1)

/** The flag `mail`, whatever the tests before left. */
async function flagWith(target: string): Promise<void> {
  await cli('flag', 'create', 'mail') // refused where it is there
  expect((await cli('flag', 'set', 'mail', '--target', target, '--shadow', '0%', '--on')).code).toBe(0)
}

describe.skipIf(!there)('the command line', () => {
  test('from no flag to a flag that is driven by hand', async () => {
    expect((await cli('doctor')).stdout).toMatch(/knows no flag at all \(no-features\)/)
    expect((await cli('flag', 'set', 'mail', '--target', '10%')).stderr).toContain('cutover flag create')
    const created = await cli('flag', 'create', 'mail', '--why', 'a start')
    expect(created).toMatchObject({ code: 0, stdout: expect.stringContaining('with both dials at 0%') })
    expect((await cli('flag', 'create', 'mail')).code).toBe(1)

    // one after the other, at once: what is not named keeps what is stored, not what clients have seen so far
    expect((await cli('flag', 'set', 'mail', '--target', '25%')).stdout).toMatch(/target +0% → 25%/)
    expect((await cli('flag', 'set', 'mail', '--shadow', '40%')).stdout).toMatch(/target +25%\n +shadow +0% → 40%/)
    const got = JSON.parse((await cli('flag', 'get', '--json')).stdout)
    expect(got).toMatchObject({
      dials: { target: 0.25, shadow: 0.4 },
      flag: { kind: 'unleash', state: 'ok', writable: true },
    })

    const producer = startProducer()
    await until(() => producer.lines.length > 0, 'a producer is there', 20_000)
    await cli('flag', 'set', 'mail', '--target', '100%', '--shadow', '0%')
    const waited = await cli('flag', 'wait', 'mail')
    expect(waited.code).toBe(0)
    expect(waited.stdout).toMatch(/1 of 1 live process have applied revision #\d+/)
    expect((await cli('flag', 'get')).stdout).toMatch(/applied .*produces/)
    const applied = producer.lines.length
    await until(() => producer.lines.length > applied + 3, 'more jobs')
    expect(lastOf(producer)).toMatchObject({ route: 'target', reason: 'flag' })
    const never = await cli('flag', 'wait', '--revision', '#9999999', '--timeout', '300ms', '--json')
    expect(never.code).toBe(3)
    expect(JSON.parse(never.stdout)).toMatchObject({ all: false, processes: [{ applied: false }] })

    const killed = await cli('flag', 'kill', '--why', 'wrong subjects')
    expect(killed.code).toBe(0)
    await until(() => lastOf(producer)?.reason === 'flag-off', 'the producer obeys')
    expect((await cli('flag', 'set', '--target', '50%')).stderr).toMatch(/is off.*--on/)
    expect((await cli('doctor')).stdout).toMatch(
      /the flag is off in this environment \(off\)\n.*cutover flag set mail --on/,
    )
    expect((await cli('flag', 'set', '--on', '--target', '50%', '--wait', '20s')).code).toBe(0)
    expect((await cli('doctor')).stdout).toMatch(/writing +the flag can be written from here/)
    const elsewhere = join(folder, 'elsewhere.config.ts')
    writeFileSync(elsewhere, configText().replace('admin: {', "admin: { environment: 'production',"))
    expect((await cli('flag', 'get', '--config', elsewhere)).stdout).toMatch(
      /dials +target 0% .*\n +seen yet +target 50% .*\(the latest: is it read in another environment/,
    )
    const history = (await cli('history')).stdout
    for (const action of ['flag-create', 'flag-kill', 'flag-set', 'wrong subjects']) expect(history).toContain(action)
  })

  test('a rollback right after a rise takes that back too, though clients do not show it yet', async () => {
    await flagWith('0%')
    await cli('flag', 'wait', 'mail')
    expect((await cli('flag', 'set', 'mail', '--target', '60%')).code).toBe(0)
    const { stdout } = await cli('rollback', 'mail', '--no-move', '--json')
    expect(JSON.parse(stdout).flag).toEqual({ kind: 'zeroed', was: 'target 60%  shadow 0%' })
    expect(JSON.parse((await cli('flag', 'get', '--json')).stdout).dials).toMatchObject({ target: 0, shadow: 0 })
    const lifted = await cli('unlatch', 'mail')
    expect(lifted.stdout).toMatch(/flag: target 0% +shadow 0%/)
  })

  test('a person breaks the flag: doctor says how, every job goes to legacy, and what it says repairs it', async () => {
    await flagWith('10%')
    const path = 'projects/default/features/mail'
    const { environments } = (await server.api('GET', path)) as {
      environments: { name: string; strategies: { id: string; parameters: object; variants: object[] }[] }[]
    }
    const [strategy] = environments.find(({ name }) => name === 'development')!.strategies
    const wrong = { ...strategy, name: 'flexibleRollout', constraints: [], variants: [] }
    await server.api('PUT', `${path}/environments/development/strategies/${strategy!.id}`, wrong)
    const producer = startProducer()
    await until(() => lastOf(producer)?.reason === 'flag-doubt', 'the producer doubts', 20_000)
    expect(lastOf(producer)?.route).toBe('legacy')
    const { stdout, code } = await cli('doctor')
    expect(code).toBe(1)
    const advice = /somebody pressed "on"\) \(no-variants\)\n +→ cutover (flag set mail --target 0% --shadow 0%)/.exec(
      stdout,
    )?.[1]
    expect(advice).toBeDefined()
    expect((await cli(...(advice ?? '').split(' '))).code).toBe(0)
    await until(() => lastOf(producer)?.reason === 'flag', 'it decides again')
  })
})

describe.skipIf(!there)('200,000 keys through the real server', () => {
  test('no key moves back while target rises; shares and routes are those of the file', async () => {
    const flag = 'many'
    const spec = unleashFlags({
      ...{ url: server.url, token: server.backendToken, poll: '500ms', metrics: 'off' },
      admin: { token: server.adminToken },
    })
    const [source, writing] = [spec.create({ flags: [flag] }), spec.create({ flags: [] })]
    try {
      await Promise.all([source.ready(), writing.writer?.create?.(flag, { flagKind: 'string' })])
      const keys = Array.from({ length: 200_000 }, (_, n) => `mailbox-${n}@example.com`)
      const evaluate = await loadEngine((error) => {
        throw error
      })
      const flips: number[] = []
      const turned = async (dials: FlagDials): Promise<Route[]> => {
        const { revision } = await writing.writer!.write(flag, dials)
        const began = performance.now()
        await until(() => coversRevision(source.revision(), revision), 'it is seen')
        flips.push(performance.now() - began)
        return keys.map((key) => source.decide({ flag, key, flagKind: 'string' }).route)
      }
      const steps: FlagDials[] = [
        { target: 0, shadow: 1 },
        { target: 0.001, shadow: 0 },
        { target: 0.05, shadow: 0.7 },
        { target: 0.25, shadow: 0.1 },
        { target: 0.5, shadow: 1 },
        { target: 1, shadow: 0.3 },
        { target: 0.4, shadow: 0 },
        { target: 0.002, shadow: 0.5 },
      ]
      /** Where all routes are held against those of the file with the same dials, and of Unleash's own client. */
      const same = [0.001, 0.25, 0.4]
      const hashed = keys.map(flagKeyOf(true))
      let before: Route[] | undefined
      let last = 0
      for (const dials of steps) {
        const all = await turned(dials)
        const share = (pick: (route: Route) => boolean): number => all.filter(pick).length / all.length
        expect(Math.abs(share((route) => sideOf(route) === 'target') - dials.target)).toBeLessThan(0.002)
        expect(Math.abs(share(isShadowed) - dials.shadow)).toBeLessThan(0.002)
        if (same.includes(dials.target)) {
          const definition = encodeDials(flag, dials)
          expect(all).toEqual(keys.map((key) => evaluate(definition, { key, flagKind: 'string' }).route))
          expect(await throughOpenFeature(flag, keys)).toEqual(all)
        }
        const moved = (from: Route, to: Route): boolean =>
          dials.target >= last
            ? sideOf(from) === 'target' && sideOf(to) === 'legacy'
            : sideOf(from) === 'legacy' && sideOf(to) === 'target'
        expect(all.filter((route, at) => before !== undefined && moved(before[at]!, route))).toEqual([])
        before = all
        last = dials.target
      }
      const byHash = hashed.map((key) => source.decide({ flag, key, flagKind: 'string' }).route)
      expect(byHash).not.toEqual(before)
      expect(await throughOpenFeature(flag, hashed)).toEqual(byHash)
      process.stdout.write(`flips seen after ${flips.map((ms) => Math.round(ms)).join(', ')} ms at a poll of 500 ms\n`)
    } finally {
      await Promise.all([source.close(), writing.close()])
    }
  }, 120_000)

  /** By the client that Unleash makes, as it comes, behind OpenFeature. */
  async function throughOpenFeature(flag: string, keys: readonly string[]): Promise<Route[]> {
    const provider = (): StockUnleash => new StockUnleash(server.url, server.backendToken)
    const source = openFeatureFlags({ provider, timeout: '60s' }).create({ flags: [flag] })
    try {
      await until(() => source.health().state === 'ok', 'the provider is ready')
      await source.prepare?.({ flag, flagKind: 'string' }, keys)
      return keys.map((key) => source.decide({ flag, key, flagKind: 'string' }).route)
    } finally {
      await source.close()
    }
  }
})

describe.skipIf(!there)('a plan, driven through the flag server', () => {
  test('goes on stage by stage, holds while the server is lost, and goes on when it is back', async () => {
    const site: Site = {
      ...{ folder: join(folder, 'driven'), place: { folder: join(folder, 'driven'), files: 'apart' } },
      flags: unleashFlags({
        ...{ url: server.url, token: server.backendToken, poll: '200ms', timeout: '1s', metrics: 'off' },
        admin: { token: server.adminToken },
      }),
    }
    mkdirSync(site.folder)
    await flagWith('0%')
    writePlan(site, [
      { name: 'shadow', dials: 'target: 0%, shadow: 100%' },
      { name: 'canary', dials: 'target: 50%, shadow: 50%' },
    ])
    const updatesOf = async (): Promise<number> => {
      const { events } = (await server.api('GET', 'search/events?feature=IS:mail&limit=100')) as {
        events: { type: string }[]
      }
      return events.filter(({ type }) => type === 'feature-strategy-update').length
    }
    const before = await updatesOf()
    const cockpit = await openCockpit(site)
    const app = await startApp(site)
    try {
      const ticks: Tick[] = []
      const at = (seen: (tick: Tick) => boolean) => (tick: Tick) => {
        ticks.push(tick)
        return seen(tick)
      }
      const inCanary = (tick: Tick): boolean => tick.record?.phase === 'watching' && tick.record.stage === 'canary'
      expect((await cockpit.drive(at(inCanary))).record).toMatchObject({ stage: 'canary' })
      const written = (tick: Tick): boolean => tick.action?.kind === 'write-flag'
      expect(ticks.filter(written).length).toBeGreaterThan(0)
      // what its clients do not show yet is not written again and again
      expect((await updatesOf()) - before).toBe(2)

      await server.kill()
      const lost = await cockpit.drive(
        at(({ action }) => action?.kind === 'hold' && action.reasons.includes('flag-lost')),
      )
      expect(lost.record).toMatchObject({ stage: 'canary' })
      expect(await cockpit.record()).toMatchObject({ stage: 'canary', phase: 'watching' })
      const controllers = (await cockpit.ledger.presence()).filter(({ drives }) => drives === true)
      expect(controllers.flatMap(({ flagDoubts = [] }) => flagDoubts.map(({ id }) => id))).toContain('unreachable')

      await server.restart()
      expect((await cockpit.drive(at(() => false))).state).toBe('rests')
      expect(await cockpit.record()).toMatchObject({ phase: 'done', stage: 'canary' })
    } finally {
      await app.stop()
      await cockpit.close()
    }
  }, 90_000)
})

describe.skipIf(!there)('the flag server is gone', () => {
  afterEach(() => server.restart(), 120_000)

  test('rollback: every producer on legacy within a second, by the latch, also after a restart', async () => {
    await flagWith('100%')
    const both = [startProducer(), startProducer()]
    await until(() => both.every((one) => lastOf(one)?.route === 'target'), 'both send to target', 20_000)
    await server.kill()
    const mark = both.map(({ lines }) => lines.length)
    await until(() => both.every(({ lines }, at) => lines.length > mark[at]! + 10), 'jobs go on without the server')
    // a machine that is busy may read the latch late for once, and then a job goes to legacy
    await until(() => both.every((one) => lastOf(one)?.route === 'target'), 'still to target')
    // who looks now knows nothing of the dials, and does not say 0
    const looked = async (): Promise<string> => (await cli('flag', 'get')).stdout
    expect((await cli('flag', 'get')).code).toBe(1)
    expect(await looked()).toMatch(/dials +not known: .*what they read last/)
    await until(async () => (await looked()).match(/produces +flag unreachable/g)?.length === 2, 'both tell it')
    const told = (await cli('doctor')).stdout
    // by its own look, and of each process that goes on without the server
    const eachOf = both.map(({ child }) => new RegExp(`\\n +\\S+/${child.pid} \\(produces\\) since \\d{4}-`))
    for (const words of [
      /\(down-at-start\)/,
      /flag in processes +"mail": .*\(unreachable\)\n/,
      ...eachOf,
      /writing .*cannot be reached.*\n.*needs no flag/,
    ])
      expect(told).toMatch(words)

    const began = Date.now()
    const rolled = await cli('rollback', 'mail', '--no-move', '--why', 'wrong subjects')
    // 3: there is nobody to bring home what waits on target
    expect(rolled).toMatchObject({ code: 3, stdout: expect.stringMatching(/2 of 2 live producers obeyed/) })
    expect(rolled.stdout).toMatch(/flag's dials stay as they are \(the latch holds all the same\)/)
    const latchedAt = JSON.parse((await cli('flag', 'get', '--json')).stdout).latch.at as number
    expect(latchedAt).toBeGreaterThanOrEqual(began - 50)
    for (const { lines } of both) {
      const late = lines.filter(({ at, route }) => at > latchedAt + 1000 && sideOf(route) === 'target')
      expect(late).toEqual([])
      expect(lines.at(-1)).toMatchObject({ route: 'legacy', reason: 'latch' })
    }

    await Promise.all(producers.splice(0).map(({ child }) => end(child)))
    const again = [startProducer(), startProducer()]
    await until(() => again.every(({ lines }) => lines.length > 20), 'both produce again', 20_000)
    for (const { lines } of again) {
      expect(new Set(lines.map(({ route, reason }) => `${route} ${reason}`))).toEqual(new Set(['legacy latch']))
    }
    // without the latch, too, nothing is known: legacy
    await cli('unlatch', 'mail')
    await until(() => again.every((one) => lastOf(one)?.reason === 'flag-error'), 'the flag is not known')
    expect(again.every(({ lines }) => lines.every(({ route }) => route === 'legacy'))).toBe(true)
  }, 60_000)
})

describe.skipIf(!there)('the flag server hangs', () => {
  afterEach(() => server.resume())

  test('rollback: the latch is set before anything is asked of it, and every producer obeys within a second', async () => {
    await flagWith('100%')
    const both = [startProducer(), startProducer()]
    await until(() => both.every((one) => lastOf(one)?.route === 'target'), 'both send to target', 20_000)
    server.pause()
    const rolled = await cli('rollback', 'mail', '--no-move', '--json')
    const { latch, producers: obedience, flag } = JSON.parse(rolled.stdout)
    expect(flag).toMatchObject({ kind: 'failed', message: expect.stringMatching(/has not answered within 2000 ms/) })
    expect(obedience).toMatchObject({ behind: [] })
    await until(() => both.every(({ lines }) => lines.some(({ at }) => at > latch.at + 1000)), 'a second has passed')
    for (const { lines } of both) {
      expect(lines.filter(({ at, route }) => at > latch.at + 1000 && route !== 'legacy')).toEqual([])
      expect(lines.at(-1)).toMatchObject({ route: 'legacy', reason: 'latch' })
    }
    server.resume()
    await cli('unlatch', 'mail')
    await until(() => both.every((one) => lastOf(one)?.reason === 'flag'), 'the flag decides again')
    // it could not be turned to 0, and that was told: it says what it said before
    expect(both.every((one) => lastOf(one)?.route === 'target')).toBe(true)
  }, 60_000)
})

describe.skipIf(!there)('secrets', () => {
  test('no token is in anything that was printed, nor in the ledger, the queue or a report', async () => {
    writeFileSync(join(folder, 'read.token'), `default:development.${'0123456789abcdef'.repeat(3)}`)
    const secrets = [server.backendToken, server.adminToken].map((token) => token.split('.')[1]!)
    for (const argv of [
      ['doctor'],
      ['status'],
      ['report'],
      ['flag', 'get'],
      ['flag', 'set', '--target', '1%'],
      ['history'],
      ['check'],
    ]) {
      await cli(...argv)
      await cli(...argv, '--json')
      await cli(...argv, '--debug')
    }
    await cli('report', '-o', join(folder, 'report.html'))
    writeFileSync(join(folder, 'write.token'), 'x:y.0123456789abcdef0123456789abcdef')
    await cli('flag', 'set', '--target', '1%', '--debug')
    expect(printed.length).toBeGreaterThan(5000)
    for (const secret of [...secrets, '0123456789abcdef']) expect(printed).not.toContain(secret)
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const { parentPath, name: file } of files.filter(({ name }) => !name.endsWith('.token'))) {
      const bytes = readFileSync(join(parentPath, file), 'latin1')
      for (const secret of secrets) expect(bytes, file).not.toContain(secret)
    }
  }, 60_000)
})
