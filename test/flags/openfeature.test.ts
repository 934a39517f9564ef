// Flags through OpenFeature: the in-memory provider, flagd's own evaluation of a file, and providers that say anything.

import { mkdtempSync, rmSync, unwatchFile, watchFile } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ErrorCode,
  FlagNotFoundError,
  InMemoryProvider,
  OpenFeature,
  type Provider,
  ProviderStatus,
  type ResolutionDetails,
  ServerProviderEvents,
} from '@openfeature/server-sdk'
import { afterEach, describe, expect, test } from 'vitest'
import { openFeatureFlags } from '../../adapters/flags/openfeature/index.ts'
import type { OpenFeatureFlagsOptions } from '../../adapters/flags/openfeature/options.ts'
import { probeKeys, surveyOf } from '../../adapters/flags/openfeature/survey.ts'
import { encodeDials } from '../../adapters/unleash-engine.ts'
import type { FlagDecision, FlagDials, FlagSource } from '../../src/ports/flags.ts'
import { keyPosition } from '../../src/routing/hash.ts'
import type { Route } from '../../src/vocabulary/job.ts'
import { flagsContract } from '../contract/flags-contract.ts'
import { until } from '../support/app.ts'
import { configuration, engine, flagd, inMemory, writeFlagd } from '../support/openfeature.ts'

const open: FlagSource[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((source) => source.close()))
})

async function source(options: OpenFeatureFlagsOptions, flags: readonly string[] = ['mail']): Promise<FlagSource> {
  const created = openFeatureFlags(options).create({ flags })
  open.push(created)
  await created.ready()
  return created
}

async function ask(flags: FlagSource, key = 'k', flagKind: 'string' | 'boolean' = 'string'): Promise<FlagDecision> {
  await flags.prepare?.({ flag: 'mail', flagKind }, [key])
  return flags.decide({ flag: 'mail', key, flagKind })
}

flagsContract('openfeature, in memory', {
  sameRoutes: true,
  open: async () => {
    const provider = inMemory({ target: 0, shadow: 0 })
    const flags = openFeatureFlags({ provider: () => provider }).create({ flags: ['mail'] })
    return {
      source: flags,
      flag: 'mail',
      set: async (dials) => provider.putConfiguration(configuration(dials) as never),
      close: () => flags.close(),
    }
  },
})

flagsContract('openfeature, flagd in process', {
  sameRoutes: false,
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cutover-flagd-'))
    const path = join(folder, 'flags.json')
    writeFlagd(path, { target: 0, shadow: 0 })
    // the provider looks every five seconds; who watches the same file more often makes it look with him
    const looks = (): void => {}
    watchFile(path, { interval: 25 }, looks)
    const flags = openFeatureFlags({ provider: () => flagd(path) }).create({ flags: ['mail'] })
    return {
      source: flags,
      flag: 'mail',
      set: async (dials) => writeFlagd(path, dials),
      close: async () => {
        await flags.close()
        unwatchFile(path, looks)
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
})

/** A provider that answers every question alike. */
class Says implements Provider {
  readonly metadata = { name: 'says' }
  readonly runsOn = 'server' as const
  readonly answer: (key: string) => Partial<ResolutionDetails<string>> | Promise<Partial<ResolutionDetails<string>>>
  closed = false
  constructor(answer: Says['answer']) {
    this.answer = answer
  }
  async resolveStringEvaluation(
    _flag: string,
    _default: string,
    context: { targetingKey?: string },
  ): Promise<ResolutionDetails<string>> {
    return { value: '', ...(await this.answer(context.targetingKey ?? '')) }
  }
  async resolveBooleanEvaluation(): Promise<ResolutionDetails<boolean>> {
    return { value: true, reason: 'STATIC' }
  }
  async resolveNumberEvaluation(): Promise<ResolutionDetails<number>> {
    return { value: 0 }
  }
  async resolveObjectEvaluation(): Promise<never> {
    throw new Error('not asked for')
  }
  async onClose(): Promise<void> {
    this.closed = true
  }
}

describe('answers', () => {
  test.each<[string, Says['answer'], string]>([
    ['a route', () => ({ value: 'target', reason: 'SPLIT' }), 'target flag'],
    ['a route, cached', () => ({ value: 'target-shadowed', reason: 'CACHED' }), 'target-shadowed flag'],
    ['a route for everybody', () => ({ value: 'target', reason: 'STATIC' }), 'target flag'],
    ['DEFAULT', () => ({ value: 'target', reason: 'DEFAULT' }), 'legacy flag-doubt'],
    ['DISABLED', () => ({ value: 'target', reason: 'DISABLED' }), 'legacy flag-off'],
    ['ERROR', () => ({ value: 'target', reason: 'ERROR' }), 'legacy flag-error'],
    ['STALE', () => ({ value: 'target', reason: 'STALE' }), 'legacy flag-stale'],
    ['another value', () => ({ value: 'new-queue', reason: 'SPLIT' }), 'legacy flag-unknown-value'],
    ['no flag', () => Promise.reject(new FlagNotFoundError('no such flag')), 'legacy flag-missing'],
    ['an error code', () => ({ errorCode: ErrorCode.PARSE_ERROR }), 'legacy flag-error'],
    ['another type', () => ({ errorCode: ErrorCode.TYPE_MISMATCH }), 'legacy flag-unknown-value'],
    ['an exception', () => Promise.reject(new Error('boom')), 'legacy flag-error'],
  ])('%s', async (_name, answer, expected) => {
    const flags = await source({ provider: () => new Says(answer) })
    const { route, reason } = await ask(flags)
    expect(`${route} ${reason}`).toBe(expected)
  })

  test('no answer in time is a doubt, and keeps nobody waiting', async () => {
    let hangs = false
    const provider = new Says(() => (hangs ? new Promise(() => {}) : { value: 'target', reason: 'SPLIT' }))
    const flags = await source({ provider: () => provider, timeout: '100ms' })
    expect((await ask(flags)).route).toBe('target')
    hangs = true
    const began = performance.now()
    expect(await ask(flags)).toEqual({ route: 'legacy', reason: 'flag-error' })
    expect(performance.now() - began).toBeLessThan(2000)
  })

  test('a boolean flag, for migrations that say so', async () => {
    const flags = await source({ provider: () => new Says(() => ({ value: 'x' })) })
    expect(await ask(flags, 'k', 'boolean')).toEqual({ route: 'target', reason: 'flag' })
  })

  test('a key’s context reaches the vendor', async () => {
    const seen: Record<string, unknown>[] = []
    const provider = new Says(() => ({ value: 'target', reason: 'SPLIT' }))
    const real = provider.resolveStringEvaluation.bind(provider)
    provider.resolveStringEvaluation = (flag, value, context) => {
      seen.push(context)
      return real(flag, value, context)
    }
    const flags = await source({ provider: () => provider, context: (key) => ({ tenant: key.split('/')[0]! }) })
    await ask(flags, 'acme/kim')
    expect(seen.at(-1)).toMatchObject({ targetingKey: 'acme/kim', tenant: 'acme' })
  })
})

describe('the provider', () => {
  test('one that does not start: legacy; once it is ready it is heard', async () => {
    class Late extends InMemoryProvider {
      fails = true
      async initialize(): Promise<void> {
        if (this.fails) throw new Error('no connection')
      }
    }
    const provider = new Late(configuration({ target: 1, shadow: 0 }) as never)
    const flags = await source({ provider: () => provider })
    expect((await ask(flags)).route).toBe('legacy')
    expect(flags.health().state).not.toBe('ok')
    expect(flags.health().message).toMatch(/no connection/)
    provider.events.emit(ServerProviderEvents.Ready)
    await until(() => flags.health().state === 'ok', 'it is well')
    expect(await ask(flags)).toEqual({ route: 'target', reason: 'flag' })
  })

  test('stale for too long is a doubt', async () => {
    const provider = inMemory({ target: 1, shadow: 0 })
    const flags = await source({ provider: () => provider, maxStale: '1s', poll: '100ms' })
    expect(await ask(flags)).toEqual({ route: 'target', reason: 'flag' })
    provider.events.emit(ServerProviderEvents.Stale)
    await until(() => flags.health().state === 'unreachable', 'it is told')
    expect((await ask(flags)).route).toBe('target')
    await until(async () => (await ask(flags)).reason === 'flag-stale', 'it is a doubt')
    provider.events.emit(ServerProviderEvents.Ready)
    await until(async () => (await ask(flags)).reason === 'flag', 'it is over')
  })

  test('one made here is closed; one of the application is left alone', async () => {
    const own = new Says(() => ({ value: 'target', reason: 'STATIC' }))
    const flags = await source({ provider: () => own })
    await flags.close()
    expect(own.closed).toBe(true)
    const theirs = new Says(() => ({ value: 'target', reason: 'STATIC' }))
    await OpenFeature.setProviderAndWait('app', theirs)
    const other = await source({ domain: 'app' })
    expect(await ask(other)).toEqual({ route: 'target', reason: 'flag' })
    await other.close()
    expect(theirs.closed).toBe(false)
    expect(OpenFeature.getClient('app').providerStatus).toBe(ProviderStatus.READY)
  })

  test('answers of many keys do not pile up', async () => {
    const flags = await source({ provider: () => new Says(() => ({ value: 'target', reason: 'SPLIT' })) })
    const keys = Array.from({ length: 25_000 }, (_, n) => `k${n}`)
    await flags.prepare?.({ flag: 'mail', flagKind: 'string' }, keys)
    expect(keys.every((key) => flags.decide({ flag: 'mail', key, flagKind: 'string' }).route === 'target')).toBe(true)
    await flags.prepare?.({ flag: 'mail', flagKind: 'string' }, ['one'])
    expect(flags.decide({ flag: 'mail', key: 'k1', flagKind: 'string' }).reason).toBe('flag-error')
  })
})

describe('which dials a flag has', () => {
  const answersOf = (routes: readonly Route[], declared?: FlagDials) =>
    routes.map((route) => ({
      decision: { route, reason: 'flag' as const },
      ...(declared === undefined ? {} : { declared }),
    }))
  const keys = probeKeys('mail', 1000)

  test('the probes are one key for each position, in order', () => {
    expect(keys.map((key) => keyPosition('mail', key))).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1))
  })

  test('exact, where a vendor draws as Unleash does', () => {
    for (const dials of [
      { target: 0, shadow: 0 },
      { target: 0.001, shadow: 1 },
      { target: 0.25, shadow: 0.4 },
      { target: 1, shadow: 0.1 },
    ]) {
      const definition = encodeDials('mail', dials)
      const routes = keys.map((key) => engine(definition, { key, flagKind: 'string' }).route)
      expect(surveyOf(answersOf(routes)).reading).toEqual({ kind: 'dials', ...dials })
    }
  })

  test('another draw: custom, unless the flag declares what it has', () => {
    const mixed = keys.map((_, n): Route => (n % 4 === 0 ? 'target' : 'legacy'))
    expect(surveyOf(answersOf(mixed)).reading).toEqual({ kind: 'custom' })
    const declared = { target: 0.25, shadow: 0 }
    expect(surveyOf(answersOf(mixed, declared)).reading).toEqual({ kind: 'dials', ...declared })
    const wrong = surveyOf(answersOf(mixed, { target: 0.1, shadow: 0 }))
    expect(wrong).toMatchObject({
      reading: { kind: 'custom' },
      contradiction: expect.stringMatching(/target 10%, 25%/),
    })
  })

  test('what is wrong is told with what to do', async () => {
    const missing = await source({ provider: () => new Says(() => Promise.reject(new FlagNotFoundError('none'))) })
    expect(missing.read('mail')).toEqual({ kind: 'missing' })
    expect(missing.inspect?.({ flag: 'mail', flagKind: 'string' })).toMatchObject([{ id: 'missing' }])
    const off = await source({ provider: () => new Says(() => ({ reason: 'DISABLED' })) })
    expect(off.inspect?.({ flag: 'mail', flagKind: 'string' })).toMatchObject([{ id: 'off' }])
    const wrong = await source({ provider: () => new Says(() => ({ value: 'new-queue', reason: 'SPLIT' })) })
    expect(wrong.inspect?.({ flag: 'mail', flagKind: 'string' })).toMatchObject([
      { id: 'doubt', status: 'bad', text: expect.stringContaining('"new-queue" is no route') },
    ])
  })
})

test.each<[Record<string, unknown>, RegExp]>([
  [{}, /give either provider or domain/],
  [{ provider: () => {}, domain: 'a' }, /give either provider or domain/],
  [{ provider: {} }, /must be a function that makes the provider/],
  [{ domain: 7 }, /domain: must be a text/],
  [{ domain: 'a', probes: 5 }, /probes: must be 10 to 1000/],
  [{ domain: 'a', context: { n: 1 } }, /context: must be an object of texts/],
  [{ domain: 'a', writable: true }, /writable: unknown option; allowed are provider, domain/],
])('%o is refused', (options, message) => {
  expect(() => openFeatureFlags(options as OpenFeatureFlagsOptions)).toThrow(message)
})
