// Flags from a real Unleash server: every doubt of the table, writing, tenants, recovery, exposures.

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type DoubtId, UNLEASH_DOUBTS } from '../../adapters/flags/unleash/doubts.ts'
import { type UnleashFlagsOptions, unleashFlags } from '../../adapters/flags/unleash/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { encodeDials, type FlagStrategy } from '../../adapters/unleash-engine.ts'
import { defineConfig, openCutover, type } from '../../src/index.ts'
import type { FlagDecision, FlagSource } from '../../src/ports/flags.ts'
import { call } from '../cli/kit.ts'
import { flagsContract } from '../contract/flags-contract.ts'
import { SILENT, until } from '../support/app.ts'
import { type FlagProxy, startFlagProxy, type Tamper } from '../support/flag-proxy.ts'
import { hasUnleash, startUnleash, type UnleashServer } from '../support/unleash.ts'

/** A line of `cutover doctor --json`. */
interface Check {
  readonly area: string
  readonly name: string
  readonly status: string
  readonly text: string
  readonly advice?: string
}

const there = hasUnleash()
let server: UnleashServer
let proxy: FlagProxy
let folder: string
const open: FlagSource[] = []
/** Runs beside all other tests, as the server believes a deleted token until it next reads all of them, once a minute. */
let revocation: ReturnType<typeof revoked> | undefined
/** Nobody waits for it any more. */
let over = false

beforeAll(async () => {
  if (!there) return
  folder = mkdtempSync(join(tmpdir(), 'cutover-unleash-flags-'))
  server = await startUnleash()
  proxy = await startFlagProxy(server.url)
  revocation = revoked()
  revocation.catch(() => {}) // its test hears of it
}, 120_000)
afterAll(async () => {
  over = true
  await (await revocation?.catch(() => undefined))?.flags.close()
  await proxy?.stop()
  await server?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})
afterEach(async () => {
  if (proxy !== undefined) proxy.tamper = undefined
  await Promise.all(open.splice(0).map((source) => source.close()))
})

async function source(flags: readonly string[], options: Partial<UnleashFlagsOptions> = {}): Promise<FlagSource> {
  const base = { url: proxy.url, token: server.backendToken, poll: '100ms', timeout: '2s', metrics: 'off' } as const
  const created = unleashFlags({ ...base, ...options }).create({ flags })
  open.push(created)
  await created.ready()
  return created
}

const admin = (): NonNullable<UnleashFlagsOptions['admin']> => ({ token: server.adminToken })

function ask(from: FlagSource, flag: string, key = 'a@b.c', flagKind: 'string' | 'boolean' = 'string'): FlagDecision {
  return from.decide({ flag, key, flagKind })
}
const problems = (from: FlagSource, flag: string): string[] =>
  from.inspect?.({ flag, flagKind: 'string' }).map(({ id }) => id) ?? []

const path = (flag: string): string => `projects/default/features/${flag}`
const strategies = (flag: string): string => `${path(flag)}/environments/development/strategies`
const whole = (flag: string): FlagStrategy => encodeDials(flag, { target: 1, shadow: 0 }).strategies[0] as FlagStrategy

/** A flag with the strategies that a person could have made, on. */
async function made(flag: string, all: readonly Partial<FlagStrategy>[]): Promise<void> {
  await server.api('POST', 'projects/default/features', { name: flag, type: 'release' })
  for (const strategy of all) {
    await server.api('POST', strategies(flag), { constraints: [], ...strategy })
  }
  await server.api('POST', `${path(flag)}/environments/development/on`)
}

/** What the Admin API would correct is stored past it. */
async function storeVariants(flag: string, weights: readonly number[]): Promise<void> {
  await made(flag, [whole(flag)])
  const variants = whole(flag).variants.map((variant, at) => ({ ...variant, weight: weights[at] }))
  await server.sql('UPDATE feature_strategies SET variants = $1::jsonb WHERE feature_name = $2', [
    JSON.stringify(variants),
    flag,
  ])
  await server.api('PUT', path(flag), { description: 'changed', type: 'release', name: flag })
}

describe.skipIf(!there)('doubts, with a real server', () => {
  const own = (flag: string, change: (strategy: FlagStrategy) => object): Promise<void> =>
    made(flag, [{ ...whole(flag), ...change(whole(flag)) }])
  const variants = (flag: string, change: (route: string) => object): Promise<void> =>
    own(flag, (strategy) => ({ variants: strategy.variants.map((one) => ({ ...one, ...change(one.name) })) }))

  /** How each doubt about a flag comes about; the flag has the doubt's name. */
  const FLAGS = {
    missing: async () => {},
    off: async (flag) => {
      await made(flag, [whole(flag)])
      await server.api('POST', `${path(flag)}/environments/development/off`)
    },
    'no-variants': (flag) => made(flag, []),
    'has-variants': (flag) => made(flag, [whole(flag)]),
    'weights-zero': (flag) => storeVariants(flag, [0, 0, 0, 0]),
    'weights-sum': (flag) => storeVariants(flag, [100, 0, 300, 0]),
    'json-payload': (flag) => variants(flag, () => ({ payload: { type: 'json', value: '{"route":"target"}' } })),
    'unknown-payload': (flag) => variants(flag, () => ({ payload: { type: 'string', value: 'new-queue' } })),
    renamed: (flag) => variants(flag, (route) => ({ name: `a-${route}` })),
    stickiness: (flag) => variants(flag, () => ({ stickiness: 'sessionId' })),
    'group-id': (flag) => own(flag, ({ parameters }) => ({ parameters: { ...parameters, groupId: 'shared' } })),
    'unknown-strategy': async (flag) => {
      await server.api('POST', 'strategies', { name: 'moonPhase', parameters: [] })
      await made(flag, [{ name: 'moonPhase', parameters: {} }])
    },
    'empty-key': (flag) => made(flag, [whole(flag)]),
  } satisfies Partial<Record<DoubtId, (flag: string) => Promise<void>>>
  type FlagDoubt = keyof typeof FLAGS

  let from: FlagSource
  beforeAll(async () => {
    for (const [id, arrange] of Object.entries(FLAGS)) await arrange(`doubt-${id}`)
    await made('live', [whole('live')])
    await until(async () => ask(await source(['live']), 'live').reason === 'flag', 'the flag is seen')
    const all = Object.keys(FLAGS).map((id) => `doubt-${id}`)
    from = unleashFlags({ url: server.url, token: server.backendToken, poll: '100ms', metrics: 'off' }).create({
      flags: all,
    })
    await from.ready()
    await until(
      () =>
        problems(from, 'doubt-no-variants').includes('no-variants') && ask(from, 'doubt-empty-key').reason === 'flag',
      'all flags are seen',
    )
  })
  afterAll(() => from?.close())

  const ofFlags = UNLEASH_DOUBTS.filter(({ about }) => about !== 'channel')
  test.each(ofFlags.map((doubt) => [doubt.id, doubt] as const))('%s', (id, { reason, fix }) => {
    const flag = `doubt-${id as FlagDoubt}`
    expect(FLAGS).toHaveProperty(id)
    const key = id === 'empty-key' ? '' : 'a@b.c'
    const flagKind = id === 'has-variants' ? 'boolean' : 'string'
    expect(ask(from, flag, key, flagKind)).toEqual({ route: 'legacy', reason })
    if (id === 'empty-key') return
    const [finding] = from.inspect?.({ flag, flagKind }) ?? []
    expect(finding).toMatchObject({ id, advice: fix })
    expect(finding?.text).not.toBe('')
  })

  type Arrange = () => Promise<{ flags: FlagSource; mend: () => Promise<unknown> }>
  const cut: Tamper = (request) => void request.socket.destroy()
  const mend = async (): Promise<void> => {
    proxy.tamper = undefined
  }

  /** How each doubt about the channel comes about, for a source that had good values. */
  const CHANNELS = {
    refused: async () => {
      // one that is revoked goes on being believed for up to a minute, one that ends does not
      const token = await server.newToken(2000)
      const file = join(folder, 'token')
      writeFileSync(file, `${token}\n`)
      const flags = await source(['live'], { token: { file } })
      return { flags, mend: async () => writeFileSync(file, await server.newToken()) }
    },
    unreachable: async () => {
      const flags = await source(['live'])
      proxy.tamper = cut
      return { flags, mend }
    },
    silent: async () => {
      const flags = await source(['live'], { url: server.url, timeout: '300ms' })
      server.pause()
      return { flags, mend: async () => server.resume() }
    },
    malformed: async () => {
      const flags = await source(['live'])
      proxy.tamper = (_request, response) => void response.end('<html>log in</html>')
      return { flags, mend }
    },
    backwards: async () => {
      const flags = await source(['live'])
      proxy.tamper = (_request, response) =>
        void response.end(JSON.stringify({ version: 2, features: [], meta: { revisionId: 1 } }))
      return { flags, mend }
    },
  } satisfies Partial<Record<DoubtId, Arrange>>

  /** The same of those after which there are no values to go by. */
  const LOST = {
    stale: async () => {
      const flags = await source(['live'], { maxStale: '1s' })
      proxy.tamper = cut
      return { flags, mend }
    },
    'no-features': async () => {
      const flags = await source(['live'])
      proxy.tamper = (_request, response) => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ version: 2, features: [], meta: { revisionId: 1_000_000 } }))
      }
      return { flags, mend }
    },
    'down-at-start': async () => {
      proxy.tamper = cut
      return { flags: await source(['live']), mend }
    },
  } satisfies Partial<Record<DoubtId, Arrange>>

  const ofChannels = UNLEASH_DOUBTS.filter(({ reason }) => reason === 'last')
  describe('the last good values stand, and the source comes back by itself', () => {
    test.each(ofChannels.map(({ id }) => id))('%s', async (id) => {
      expect(CHANNELS).toHaveProperty(id)
      const { flags, mend } = await CHANNELS[id as keyof typeof CHANNELS]()
      const wanted = id === 'malformed' || id === 'backwards' ? 'broken' : id === 'refused' ? 'refused' : 'unreachable'
      await until(() => flags.health().state === wanted, `health says ${wanted}`, 20_000)
      expect(ask(flags, 'live')).toEqual({ route: 'target', reason: 'flag' })
      expect(flags.health().message).toContain('the last good values are kept until maxStale')
      expect(problems(flags, 'live')).toContain(id)
      await mend()
      await until(() => flags.health().state === 'ok', 'it is well again')
      expect(ask(flags, 'live')).toEqual({ route: 'target', reason: 'flag' })
    })

    test('stale', async () => {
      const { flags, mend } = await LOST.stale()
      await until(() => ask(flags, 'live').reason === 'flag-stale', 'the values are stale')
      expect(ask(flags, 'live').route).toBe('legacy')
      expect(problems(flags, 'live')[0]).toBe('stale')
      await mend()
      await until(() => ask(flags, 'live').reason === 'flag', 'the values are fresh')
    })

    test('no-features', async () => {
      const { flags } = await LOST['no-features']()
      await until(() => problems(flags, 'live').includes('no-features'), 'no flag is known')
      expect(ask(flags, 'live')).toEqual({ route: 'legacy', reason: 'flag-missing' })
    })

    test('down-at-start: legacy, and well as soon as the server is there', async () => {
      const { flags, mend } = await LOST['down-at-start']()
      expect(ask(flags, 'live')).toEqual({ route: 'legacy', reason: 'flag-error' })
      expect(problems(flags, 'live')[0]).toBe('down-at-start')
      await mend()
      await until(() => ask(flags, 'live').reason === 'flag', 'the values are there')
    })

    test('a server that hangs keeps nobody from starting or closing', async () => {
      server.pause()
      try {
        const flags = await source(['live'], { url: server.url, timeout: '30s' })
        expect(ask(flags, 'live')).toEqual({ route: 'legacy', reason: 'flag-doubt' })
        const began = performance.now()
        await flags.close()
        expect(performance.now() - began).toBeLessThan(10_000)
      } finally {
        server.resume()
      }
    })

    test('a bootstrap file stands in for the first answer, and never for a later one', async () => {
      const answer = await fetch(`${server.url}/api/client/features`, {
        headers: { authorization: server.backendToken },
      })
      const bootstrap = join(folder, 'bootstrap.json')
      writeFileSync(bootstrap, await answer.text())
      proxy.tamper = cut
      const flags = await source(['live'], { bootstrap, maxStale: '2s' })
      expect(ask(flags, 'live')).toEqual({ route: 'target', reason: 'flag' })
      await until(() => ask(flags, 'live').reason === 'flag-stale', 'the bootstrap values are stale')
      const broken = await source(['live'], { bootstrap: join(folder, 'none.json') })
      expect(ask(broken, 'live')).toEqual({ route: 'legacy', reason: 'flag-error' })
      expect(broken.health().message).toContain('none.json')
    })
  })

  const migrationOf = (flag: string): string => `of-${flag}`
  const flagKindOf = (flag: string) => (flag === 'doubt-has-variants' ? 'boolean' : 'string')
  const ledger = () => sqliteLedger({ path: join(folder, 'ledger.db') })

  /** What `cutover doctor` says of some flags, by its own look or from the heartbeats of processes. */
  async function doctor(
    { url, token, name: wanted = 'flag' }: { url: string; token: string; name?: 'flag' | 'flag in processes' },
    flags: readonly string[],
  ): Promise<readonly Check[]> {
    const file = join(folder, `doctor-${randomUUID()}.config.ts`)
    const options = { url, token, poll: '1h', maxStale: '2h', timeout: '1s', metrics: 'off' }
    writeFileSync(
      file,
      `import { defineConfig, type } from 'cutover'
import { unleashFlags } from 'cutover/flags/unleash'
import { sqliteLedger } from 'cutover/ledgers/sqlite'
import { embeddedQueue } from 'cutover/queues/embedded'
const queue = (name: string) => embeddedQueue({ path: ${JSON.stringify(join(folder, 'queue.db'))}, queue: name })
const of = (flag: string) => ({
  payload: type<object>(), legacy: queue(flag), target: queue(flag + '-next'), flag, timeout: '1s',
  flagKind: flag === 'doubt-has-variants' ? 'boolean' : 'string',
}) as const
export default defineConfig({
  namespace: 'doctor', ledger: sqliteLedger({ path: ${JSON.stringify(join(folder, 'ledger.db'))} }),
  flags: unleashFlags(${JSON.stringify(options)} as never),
  migrations: Object.fromEntries(${JSON.stringify(flags)}.map((flag) => ['of-' + flag, of(flag)])),
})
`,
    )
    const { stdout, stderr } = await call(['doctor', '--json', '--config', file], { cwd: folder })
    expect(stdout + stderr).not.toContain(token.split('.')[1])
    const { checks } = JSON.parse(stdout) as { checks: readonly Check[] }
    return checks.filter(({ area, name }) => area.startsWith('of-') && name === wanted)
  }

  describe('doctor names it, with the fix', () => {
    const adviceOf = (id: DoubtId, name: string): string =>
      (UNLEASH_DOUBTS.find((each) => each.id === id)?.fix ?? '').replaceAll('NAME', name)

    test('of flags: each', async () => {
      const ids = ofFlags.map(({ id }) => id).filter((id) => id !== 'empty-key')
      const all = ids.map((id) => `doubt-${id}`)
      const checks = await doctor({ url: server.url, token: server.backendToken }, all)
      for (const [at, id] of ids.entries()) {
        const area = `of-${all[at]}`
        const [first] = checks.filter((check) => check.area === area)
        expect(first, id).toMatchObject({ advice: adviceOf(id, area), text: expect.stringContaining(`(${id})`) })
        expect(['bad', 'warn'], id).toContain(first?.status)
      }
    })

    const silence: Tamper = () => {}
    const says =
      (text: string): Tamper =>
      (_request, response) =>
        void response.end(text)
    test.each<[DoubtId, Tamper | undefined]>([
      ['refused', undefined],
      ['down-at-start', cut],
      ['unreachable', cut],
      ['silent', silence],
      ['malformed', says('<html>log in</html>')],
      ['no-features', says('{"version":2,"features":[],"meta":{"revisionId":1000000}}')],
    ])('of the channel: %s', async (id, tamper) => {
      proxy.tamper = tamper
      const token = `default:development.${randomBytes(24).toString('hex')}`
      const checks = await doctor({ url: proxy.url, token }, ['live'])
      const named = checks.find(({ text }) => text.includes(`(${id})`))
      expect(named).toMatchObject({ area: 'of-live', advice: adviceOf(id, 'of-live') })
    })
  })

  /** A producer beside this process's doctor: one job a flag, and heartbeats until the test is over. */
  async function produce(flags: readonly string[], from: FlagSource): Promise<void> {
    const queue = (name: string) => embeddedQueue({ path: join(folder, 'queue.db'), queue: name })
    const of = (flag: string) => ({
      ...{ payload: type<object>(), legacy: queue(flag), target: queue(`${flag}-next`), flag, timeout: '1s' },
      ...{ flagKind: flagKindOf(flag), key: () => (flag === 'doubt-empty-key' ? '' : 'a@b.c') },
    })
    const cutover = await openCutover(
      defineConfig({
        ...{ namespace: 'doctor', ledger: ledger(), logger: SILENT },
        flags: { kind: 'unleash', create: () => from },
        migrations: Object.fromEntries(flags.map((flag) => [migrationOf(flag), of(flag) as never])),
      }),
    )
    producing.push(() => cutover.close())
    for (const flag of flags) await cutover.enqueue(migrationOf(flag) as never, {} as never)
  }
  const producing: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of producing.splice(0)) await close()
  })

  describe('doctor names every doubt of the table that a running process has, with the process and the fix', () => {
    async function named(id: DoubtId, flag: string): Promise<Check> {
      const { url, backendToken: token } = server
      return await until(
        async () => {
          const checks = await doctor({ url, token, name: 'flag in processes' }, [flag])
          return checks.find(({ area, text }) => area === migrationOf(flag) && text.includes(`(${id})`))
        },
        `doctor names ${id}`,
        20_000,
      )
    }

    const arranged: Partial<Record<DoubtId, Arrange>> = { ...CHANNELS, ...LOST }
    const well = async (flag: string) => ({ flags: await source([flag]), mend })

    test.each(UNLEASH_DOUBTS.map((doubt) => [doubt.id, doubt] as const))(
      '%s',
      async (id, { about, fix, what, status }) => {
        const flag = about === 'channel' ? 'live' : `doubt-${id}`
        const { flags, mend } = await (arranged[id]?.() ?? well(flag))
        try {
          await produce([flag], flags)
          const since = id === 'empty-key' ? 'sent to legacy 1 time since it started, last at' : 'since'
          const { text, advice, status: told } = await named(id, flag)
          expect(advice).toBe(fix.replaceAll('NAME', migrationOf(flag)))
          expect(told).toBe(status)
          expect(text).toContain(what)
          expect(text).toMatch(new RegExp(`\\n${hostname()}/${process.pid} \\(produces\\):? ${since} \\d{4}-`))
        } finally {
          await mend()
        }
      },
    )
  })

  test('the table is complete: every doubt is tried above', () => {
    const tried = [...Object.keys(FLAGS), ...Object.keys(CHANNELS), ...Object.keys(LOST)]
    expect(tried.toSorted()).toEqual(UNLEASH_DOUBTS.map(({ id }) => id).toSorted())
  })
})

/** A source that had good values when its token was deleted; resolves once the server has told it. */
async function revoked(): Promise<{ flags: FlagSource; file: string; token: string; during: FlagDecision[] }> {
  const file = join(folder, 'revoked.token')
  const token = await server.newToken()
  writeFileSync(file, token)
  await made('revoked', [whole('revoked')])
  const base = { url: server.url, token: { file }, poll: '200ms', timeout: '30s', metrics: 'off' } as const
  const flags = unleashFlags(base).create({ flags: ['revoked'] })
  await until(() => ask(flags, 'revoked').reason === 'flag', 'the flag is seen', 30_000)
  await server.api('DELETE', `api-tokens/${encodeURIComponent(token)}`)
  const during: FlagDecision[] = []
  const refused = (): boolean => {
    during.push(ask(flags, 'revoked'))
    return over || flags.health().state === 'refused'
  }
  await until(refused, 'the server refuses the token', 150_000)
  return { flags, file, token, during }
}

describe.skipIf(!there)('the contract', () => {
  flagsContract('unleash', {
    sameRoutes: true,
    startMs: 60_000,
    open: async () => {
      const base = { url: server.url, poll: '100ms', metrics: 'off' } as const
      const spec = unleashFlags({ ...base, token: server.backendToken, admin: admin() })
      const own = spec.create({ flags: ['contract'] })
      const other = spec.create({ flags: ['contract'] })
      await own.ready()
      await other.writer?.create?.('contract', { flagKind: 'string' })
      await until(() => own.read('contract').kind === 'dials', 'the flag is seen')
      return {
        source: own,
        flag: 'contract',
        set: async (dials) => void (await other.writer?.write('contract', dials)),
        close: async () => void (await Promise.all([own.close(), other.close()])),
      }
    },
  })
})

describe.skipIf(!there)('writing', () => {
  test('a flag that is there, off, or not ours is not overwritten', async () => {
    const flags = await source(['w'], { admin: admin() })
    const writer = flags.writer!
    await expect(writer.write('w', { target: 0, shadow: 0 })).rejects.toThrow(
      /not in project "default"; make it with: cutover flag create/,
    )
    await writer.create?.('w', { flagKind: 'string' })
    await expect(writer.create?.('w', { flagKind: 'string' })).rejects.toMatchObject({ code: 'flag-not-writable' })
    await writer.write('w', { target: 0.1, shadow: 0.2 })
    await writer.kill?.('w')
    expect((await writer.read?.('w'))?.reading).toEqual({ kind: 'off' })
    await expect(writer.write('w', { target: 0.2, shadow: 0.2 })).rejects.toThrow(/is off.*--on/)
    await writer.write('w', { target: 0, shadow: 0 }) // nothing comes of it
    expect((await writer.read?.('w'))?.reading).toEqual({ kind: 'off' })
    await writer.write('w', { target: 0.2, shadow: 0.2 }, { switchOn: true })
    expect((await writer.read?.('w'))?.reading).toEqual({ kind: 'dials', target: 0.2, shadow: 0.2 })

    const constraint = { contextName: 'tenant', operator: 'IN', values: ['acme'] }
    await made('w-custom', [{ ...whole('w-custom'), constraints: [constraint] }, whole('w-custom')])
    await expect(writer.write('w-custom', { target: 0, shadow: 0 })).rejects.toThrow(/rules of its own/)
    expect((await writer.read?.('w-custom'))?.reading).toEqual({ kind: 'custom' })
    await made('w-renamed', [
      {
        ...whole('w-renamed'),
        variants: whole('w-renamed').variants.map((one) => ({ ...one, name: `x-${one.name}` })),
      },
    ])
    await expect(writer.write('w-renamed', { target: 0, shadow: 0 })).rejects.toThrow(/rules of its own/)
  })

  test('what the doubts’ fix says repairs the flag', async () => {
    const flags = await source(['w-repair'], { admin: admin() })
    await made('w-repair', [])
    await flags.writer!.write('w-repair', { target: 0.3, shadow: 0 })
    const [first] = (
      (await server.api('GET', path('w-repair'))) as { environments: { name: string; strategies: { id: string }[] }[] }
    ).environments
      .filter(({ name }) => name === 'development')
      .flatMap(({ strategies: all }) => all)
    const wrong = { ...whole('w-repair'), parameters: { rollout: '100', stickiness: 'random', groupId: 'shared' } }
    await server.api('PUT', `${strategies('w-repair')}/${first?.id}`, wrong)
    expect((await flags.writer!.read?.('w-repair'))?.reading).toEqual({ kind: 'custom' })
    await flags.writer!.write('w-repair', { target: 0.3, shadow: 1 })
    expect((await flags.writer!.read?.('w-repair'))?.reading).toEqual({ kind: 'dials', target: 0.3, shadow: 1 })
  })

  test('a write that another one overtakes is told, not taken for done', async () => {
    const flags = await source(['w-race'], { url: proxy.url, admin: admin() })
    await flags.writer!.create?.('w-race', { flagKind: 'string' })
    const other = (await source([], { url: server.url, admin: admin() })).writer!
    let puts = 0
    proxy.tamper = async (request, response) => {
      // stored, and at once changed by somebody else
      if (request.method === 'PUT') {
        puts += 1
        await other.write('w-race', { target: 0.9, shadow: 0 })
      }
      if (request.method === 'PUT') return void response.end('{}')
      const answer = await fetch(server.url + request.url, {
        headers: { authorization: String(request.headers.authorization) },
      })
      response.end(await answer.text())
    }
    await expect(flags.writer!.write('w-race', { target: 0.1, shadow: 0 })).rejects.toThrow(/reads otherwise now/)
    expect(puts).toBe(1)
  })

  test('a project that wants change requests is recognised, and nothing is changed', async () => {
    const flags = await source(['w-requests'], { admin: admin() })
    await flags.writer!.create?.('w-requests', { flagKind: 'string' })
    // an editor may change flags, but not skip a request
    const { id } = (await server.api('POST', 'user-admin', { username: 'editor', rootRole: 2, sendEmail: false })) as {
      id: number
    }
    const secret = `user:${'0123456789abcdef'.repeat(3)}`
    await server.sql(
      "INSERT INTO personal_access_tokens (secret, description, user_id, expires_at) VALUES ($1, 'test', $2, now() + interval '1 day')",
      [secret, id],
    )
    const asEditor = await source(['w-requests'], { admin: { token: secret } })
    await asEditor.writer!.write('w-requests', { target: 0.1, shadow: 0 })
    await server.sql(
      "INSERT INTO change_request_settings (project, environment, required_approvals) VALUES ('default', 'development', 1)",
    )
    try {
      const refusal = asEditor.writer!.write('w-requests', { target: 0.2, shadow: 0 })
      await expect(refusal).rejects.toMatchObject({ code: 'flag-not-writable' })
      await expect(refusal).rejects.toThrow(/wants change requests in "development" \(project "default"\)/)
      expect((await flags.writer!.read?.('w-requests'))?.reading).toEqual({ kind: 'dials', target: 0.1, shadow: 0 })
    } finally {
      await server.sql('DELETE FROM change_request_settings')
    }
  })

  test('a wrong token, project or environment is named, the token is not', async () => {
    const wrong = `*:*.${'f'.repeat(24)}`
    const cases: [NonNullable<UnleashFlagsOptions['admin']>, RegExp][] = [
      [{ token: wrong }, /does not know the admin token/],
      [{ token: server.backendToken }, /does not know the admin token|refuses the token/],
      [{ ...admin(), project: 'nowhere' }, /not in project "nowhere"/],
      [{ ...admin(), environment: 'moon' }, /no environment "moon"; there are: development, production/],
    ]
    await made('w-named', [whole('w-named')])
    for (const [options, message] of cases) {
      const flags = await source(['w-named'], { admin: options })
      const failure = await flags.writer!.write('w-named', { target: 0, shadow: 0 }).catch((error: unknown) => error)
      expect(String(failure)).toMatch(message)
      expect(JSON.stringify(failure) + String(failure)).not.toContain('ffffffff')
      expect(String(failure)).not.toContain(server.backendToken)
    }
  })

  test('a flag that is written elsewhere than it is read is named', async () => {
    const inspected = async (options: object, token = server.backendToken): Promise<string[]> => {
      const flags = await source([], { token, admin: { ...admin(), ...options } })
      return (await flags.writer!.inspect!()).map(({ id, text }) => `${id}: ${text}`)
    }
    expect(await inspected({})).toEqual([])
    expect(await inspected({}, '*:development.0123456789abcdef')).toEqual([])
    expect(await inspected({ environment: 'production' })).toEqual([
      expect.stringMatching(/^elsewhere: .*in environment "production" .* reads environment "development"/),
    ])
    const [other] = await inspected({}, 'mail:production.0123456789abcdef')
    expect(other).toMatch(/reads environment "production" of project "mail"/)
    expect(other).not.toContain('0123456789abcdef')
    expect(await inspected({ token: { env: 'CUTOVER_NO_TOKEN' } })).toEqual([
      expect.stringMatching(/^writer: there is no Unleash token in the variable CUTOVER_NO_TOKEN/),
    ])
  })

  test('a boolean flag is switched', async () => {
    const flags = await source(['w-bool'], { admin: admin() })
    const writer = flags.writer!
    await writer.create?.('w-bool', { flagKind: 'boolean' })
    const boolean = { flagKind: 'boolean', switchOn: true } as const
    await expect(writer.write('w-bool', { target: 0.5, shadow: 0 }, boolean)).rejects.toThrow(/boolean flag/)
    await writer.write('w-bool', { target: 1, shadow: 0 }, boolean)
    await until(() => ask(flags, 'w-bool', 'k', 'boolean').route === 'target', 'it is on')
    expect(ask(flags, 'w-bool', 'k', 'string')).toEqual({ route: 'legacy', reason: 'flag-doubt' })
    await writer.write('w-bool', { target: 0, shadow: 0 }, { flagKind: 'boolean' })
    await until(() => ask(flags, 'w-bool', 'k', 'boolean').route === 'legacy', 'it is off')
  })
})

describe.skipIf(!there)('a flag per tenant', () => {
  test('constraints and several strategies are obeyed; for whom no strategy is, it is off', async () => {
    const on = (tenant: string, target: number): object => ({
      ...encodeDials('tenants', { target, shadow: 0 }).strategies[0],
      constraints: [{ contextName: 'tenant', operator: 'IN', values: [tenant] }],
    })
    await made('tenants', [on('acme', 1), on('umbrella', 0)])
    const context = (key: string): Record<string, string> => ({ tenant: key.split('/')[0] ?? '' })
    const flags = await source(['tenants'], { context })
    await until(() => flags.read('tenants').kind === 'custom', 'the flag is seen')
    expect(problems(flags, 'tenants')).toEqual([])
    expect(ask(flags, 'tenants', 'acme/kim')).toEqual({ route: 'target', reason: 'flag' })
    expect(ask(flags, 'tenants', 'umbrella/kim')).toEqual({ route: 'legacy', reason: 'flag' })
    expect(ask(flags, 'tenants', 'initech/kim')).toEqual({ route: 'legacy', reason: 'flag-off' })
    expect(ask(await source(['tenants'], { context: { tenant: 'acme' } }), 'tenants').route).toBe('target')
    expect(ask(await source(['tenants']), 'tenants')).toEqual({ route: 'legacy', reason: 'flag-off' })
  })

  test('sticky on the tenant: all keys of one go together, and without a tenant it is a doubt', async () => {
    const strategy = encodeDials('sticky', { target: 0.5, shadow: 0 }).strategies[0] as FlagStrategy
    const sticky = {
      ...strategy,
      parameters: { ...strategy.parameters, stickiness: 'tenant' },
      variants: strategy.variants.map((one) => ({ ...one, stickiness: 'tenant' })),
    }
    await server.api('POST', 'context', { name: 'tenant', stickiness: true })
    await made('sticky', [sticky])
    const context = (key: string): Record<string, string> => ({ tenant: key.split('/')[0] ?? '' })
    const flags = await source(['sticky'], { context })
    await until(() => flags.read('sticky').kind === 'custom', 'the flag is seen')
    const byTenant = Array.from(
      { length: 40 },
      (_, t) => new Set(Array.from({ length: 20 }, (__, k) => ask(flags, 'sticky', `t${t}/${k}`).route)),
    )
    expect(byTenant.every((routes) => routes.size === 1)).toBe(true)
    expect(new Set(byTenant.flatMap((routes) => [...routes]))).toEqual(new Set(['legacy', 'target']))
    expect(ask(flags, 'sticky', '/k')).toEqual({ route: 'legacy', reason: 'flag-doubt' })
    expect(problems(await source(['sticky']), 'sticky')).toContain('stickiness')
  })
})

describe.skipIf(!there)('exposures', () => {
  test('are on the flag’s page, none twice, also of the time without the server', async () => {
    const appName = 'exposing'
    await made('exposed', [whole('exposed')])
    const flags = await source(['exposed'], { metrics: '200ms', appName })
    for (let n = 0; n < 30; n += 1) flags.exposed?.('exposed', { route: 'target', reason: 'flag' })
    for (let n = 0; n < 5; n += 1) flags.exposed?.('exposed', { route: 'legacy', reason: 'latch' })
    await until(() => proxy.asked.some(({ url }) => url === '/api/client/metrics'), 'counts are sent')
    proxy.tamper = (request) => void request.socket.destroy()
    for (let n = 0; n < 7; n += 1) flags.exposed?.('exposed', { route: 'legacy-shadowed', reason: 'flag' })
    await new Promise((resolve) => setTimeout(resolve, 300))
    proxy.tamper = undefined
    await flags.close() // sends the rest
    const usage = async (): Promise<{ yes: number; no: number; variants?: Record<string, number> }[]> => {
      const { data } = (await server.api('GET', 'client-metrics/features/exposed/raw')) as {
        data: { appName: string; yes: number; no: number; variants?: Record<string, number> }[]
      }
      return data.filter((one) => one.appName === appName && one.yes + one.no > 0)
    }
    await until(
      async () => (await usage()).reduce((sum, { yes, no }) => sum + yes + no, 0) >= 42,
      'the page has them',
      20_000,
    )
    const [only, ...more] = await usage()
    expect(more).toEqual([])
    expect(only).toMatchObject({ yes: 37, no: 5, variants: { target: 30, 'legacy-shadowed': 7, disabled: 5 } })
  })

  test('who only looks sends nothing', async () => {
    const before = proxy.asked.length
    const flags = await source(['exposed'], { metrics: '100ms' })
    ask(flags, 'exposed')
    await flags.close()
    expect(proxy.asked.slice(before).map(({ url }) => url)).toEqual(expect.not.arrayContaining(['/api/client/metrics']))
  })
})

describe.skipIf(!there)('a token that is revoked', () => {
  test('is told once the server refuses it; the last good values stand, and another token is taken up', async () => {
    const { flags, file, token, during } = await revocation!
    const all = [...during, ask(flags, 'revoked')]
    expect(all.find(({ route, reason }) => `${route} ${reason}` !== 'target flag')).toBeUndefined()
    expect(problems(flags, 'revoked')).toEqual(['refused'])
    expect(flags.health().message).toMatch(/does not know the token in .*revoked\.token \(401\)/)
    expect(JSON.stringify([flags.health(), flags.inspect?.({ flag: 'revoked', flagKind: 'string' })])).not.toContain(
      token.split('.')[1],
    )
    writeFileSync(file, await server.newToken())
    await until(() => flags.health().state === 'ok', 'it is well again', 60_000)
    expect(ask(flags, 'revoked')).toEqual({ route: 'target', reason: 'flag' })
  }, 200_000)
})
