// The encoding of dials as one flag, on 200,000 keys: shares, order, and the same answer as a client of a server.

import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { InMemStorageProvider, Unleash } from 'unleash-client'
import { describe, expect, it } from 'vitest'
import { encodeBoolean, encodeDials, type FlagDefinition, loadEngine } from '../../adapters/unleash-engine.ts'
import { decide } from '../../src/routing/decide.ts'
import { keyPosition } from '../../src/routing/hash.ts'
import { weightsOf } from '../../src/vocabulary/dials.ts'
import { isShadowed, ROUTES, type Route, sideOf } from '../../src/vocabulary/job.ts'

const FLAG = 'parse-email'
const KEYS = Array.from({ length: 200_000 }, (_, index) => `mailbox-${index}@example.com`)
const evaluate = await loadEngine((error) => {
  throw error
})

function routes(target: number, shadow: number, keys: readonly string[] = KEYS): Route[] {
  const definition = encodeDials(FLAG, { target, shadow })
  return keys.map((key) => evaluate(definition, { key, flagKind: 'string' }).route)
}

/** legacy → legacy-shadowed → target: how far a key is on its way. */
function rank(route: Route): number {
  return sideOf(route) === 'target' ? 2 : isShadowed(route) ? 1 : 0
}

function share(all: readonly Route[], pick: (route: Route) => boolean): number {
  return all.filter(pick).length / all.length
}

describe('dials as one flag', () => {
  it.each([
    [0, 0],
    [0, 1],
    [0, 0.1],
    [0.001, 0],
    [0.001, 1],
    [0.1, 1],
    [0.25, 1],
    [0.25, 0.5],
    [0.5, 0.1],
    [0.999, 0.3],
    [1, 0],
    [1, 1],
  ])('target %f, shadow %f: shares within 0.2 %', (target, shadow) => {
    const all = routes(target, shadow)
    const weights = weightsOf({ target, shadow })
    for (const route of ROUTES) {
      const got = share(all, (one) => one === route)
      expect(Math.abs(got - weights[route] / 1000), route).toBeLessThan(0.002)
      if (weights[route] === 0) expect(got).toBe(0)
    }
  })

  it('0.1 % is a few keys, not none and not all', () => {
    const count = routes(0.001, 0).filter((route) => route === 'target').length
    expect(count).toBeGreaterThan(130)
    expect(count).toBeLessThan(270)
  })

  it('no key moves back while target rises, whatever shadow does; none moves on while it falls', () => {
    const shadows = [1, 0, 0.3, 1, 0.999, 0.1, 0, 0.5]
    const steps = [0, 0.001, 0.002, 0.05, 0.1, 0.25, 0.5, 0.999, 1]
    let before = routes(0, 0.7)
    for (const [index, target] of steps.entries()) {
      const after = routes(target, shadows[index % shadows.length]!)
      expect(after.every((route, key) => sideOf(before[key]!) === 'legacy' || sideOf(route) === 'target')).toBe(true)
      before = after
    }
    for (const target of [...steps].reverse()) {
      const after = routes(target, target / 2)
      expect(after.every((route, key) => sideOf(route) === 'legacy' || sideOf(before[key]!) === 'target')).toBe(true)
      before = after
    }
  })

  it('keys move nested: those next on target are those that were shadowed', () => {
    const stages: [number, number][] = [
      [0, 0],
      [0, 0.1],
      [0, 0.5],
      // Δtarget ≤ shadow · (1 − target)
      [0.5, 0.5],
      [0.75, 1],
      [1, 0],
    ]
    let before = routes(...stages[0]!)
    for (const stage of stages.slice(1)) {
      const after = routes(...stage)
      expect(after.every((route, key) => rank(route) >= rank(before[key]!))).toBe(true)
      const moved = after.filter((route, key) => rank(route) === 2 && rank(before[key]!) < 2).length
      const compared = after.filter((route, key) => rank(route) === 2 && rank(before[key]!) === 1).length
      expect(compared).toBe(moved)
      before = after
    }
  })

  it('the ceiling lets through the very keys that the flag would have', () => {
    const control = { known: true, ageMs: 0, latchSet: false }
    for (const [flag, ceiling] of [
      [1, 0.25],
      [0.5, 0.001],
      [0.3, 0.3],
      [0.2, 0.9],
      [1, 0],
    ] as const) {
      const wanted = routes(Math.min(flag, ceiling), 0)
      const given = routes(flag, 1)
      const decided = KEYS.map((key, index) => {
        const flagged = { route: given[index]!, reason: 'flag' } as const
        const position = (): number => keyPosition(FLAG, key)
        return sideOf(decide({ flag: flagged, control: { ...control, ceiling }, position, shadowable: true }).route)
      })
      expect(decided).toEqual(wanted.map(sideOf))
    }
  })

  it('is what a server’s own client answers, any key', async () => {
    const definition = encodeDials(FLAG, { target: 0.25, shadow: 0.4 })
    const client = await stockClient(definition)
    const keys = [...KEYS.slice(0, 20_000), 'ü', '邮箱@例子.中国', '😀', 'a:b', ' ', '0', '\u0000']
    const theirs = keys.map((userId) => client.getVariant(FLAG, { userId }).payload?.value)
    client.destroy()
    expect(routes(0.25, 0.4, keys)).toEqual(theirs)
  })
})

describe('the engine', () => {
  it('keeps nothing of a million keys', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const definition = encodeDials(FLAG, { target: 0.25, shadow: 0.5 })
    const run = (from: number, to: number): number => {
      for (let index = from; index < to; index++) evaluate(definition, { key: `key-${index}`, flagKind: 'string' })
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = run(0, 200_000)
    expect(run(200_000, 1_200_000) - before).toBeLessThan(1_000_000)
  })
})

describe('doubts', () => {
  const ask = (definition: FlagDefinition, flagKind: 'string' | 'boolean' = 'string', key = 'a'): string => {
    const { route, reason } = evaluate(definition, { key, flagKind })
    return `${route} ${reason}`
  }
  const all = encodeDials(FLAG, { target: 1, shadow: 1 })
  const strategy = all.strategies[0]!
  const wrong = strategy.variants.map((variant) => ({ ...variant, payload: { type: 'string', value: 'elsewhere' } }))
  const bare = strategy.variants.map(({ payload: _payload, ...variant }) => variant)

  it.each<[string, FlagDefinition, 'string' | 'boolean', string, string]>([
    ['good', all, 'string', 'a', 'target-shadowed flag'],
    ['off', { ...all, enabled: false }, 'string', 'a', 'legacy flag-off'],
    ['empty key', all, 'string', '', 'legacy empty-key'],
    ['enabled without variants', encodeBoolean(FLAG, true), 'string', 'a', 'legacy flag-doubt'],
    ['enabled without strategies', { ...all, strategies: [] }, 'string', 'a', 'legacy flag-doubt'],
    ['unknown value', withVariants(wrong), 'string', 'a', 'legacy flag-unknown-value'],
    ['no value', withVariants(bare as never), 'string', 'a', 'legacy flag-doubt'],
    ['malformed', { ...all, strategies: undefined as never }, 'string', 'a', 'legacy flag-error'],
    ['boolean on', encodeBoolean(FLAG, true), 'boolean', 'a', 'target flag'],
    ['boolean off', encodeBoolean(FLAG, false), 'boolean', 'a', 'legacy flag-off'],
    ['boolean asked, dials given', all, 'boolean', 'a', 'legacy flag-doubt'],
    ['boolean, empty key', encodeBoolean(FLAG, true), 'boolean', '', 'legacy empty-key'],
  ])('%s', async (name, definition, flagKind, key, expected) => {
    if (name !== 'malformed') return expect(ask(definition, flagKind, key)).toBe(expected)
    const errors: unknown[] = []
    const quiet = await loadEngine((error) => errors.push(error))
    expect(quiet(definition, { key, flagKind })).toEqual({ route: 'legacy', reason: 'flag-error' })
    expect(String(errors[0])).toMatch(/strategies not an array/)
  })

  function withVariants(variants: typeof strategy.variants): FlagDefinition {
    return { ...all, strategies: [{ ...strategy, variants }] }
  }
})

/** unleash-client as an application uses it, fed with what a server would send. */
async function stockClient(definition: FlagDefinition): Promise<Unleash> {
  const { name, enabled, strategies } = structuredClone(definition)
  const feature = { name, enabled, type: 'release', project: 'default', stale: false, impressionData: false }
  const client = new Unleash({
    appName: 'test',
    url: 'http://localhost:1/',
    refreshInterval: 0,
    disableMetrics: true,
    storageProvider: new InMemStorageProvider(),
    bootstrap: { data: [{ ...feature, strategies: strategies as never }] },
  })
  await once(client, 'synchronized')
  return client
}
