// 200,000 keys through OpenFeature: a vendor that draws as Unleash does gives each the route that the flag file gives it,
// also where keys are hashed before they leave; flagd's own draw has the shares, and moves no key back.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { openFeatureFlags } from '../../adapters/flags/openfeature/index.ts'
import type { OpenFeatureFlagsOptions } from '../../adapters/flags/openfeature/options.ts'
import { flagKeyOf, type HashKey } from '../../src/config/flag-key.ts'
import type { FlagDials, FlagSource, FlagSpec } from '../../src/ports/flags.ts'
import { formatShare } from '../../src/vocabulary/dials.ts'
import { isShadowed, type Route, sideOf } from '../../src/vocabulary/job.ts'
import { until } from '../support/app.ts'
import { flagd, inMemory, writeFlagd } from '../support/openfeature.ts'

const KEYS = Array.from({ length: 200_000 }, (_, n) => `mailbox-${n}@example.com`)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-openfeature-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What every key is told, by a source of its own. As a producer asks: one question for many keys, then each decided. */
async function routesBy(spec: FlagSpec, keys: readonly string[]): Promise<Route[]> {
  const source: FlagSource = spec.create({ flags: ['mail'] })
  try {
    await source.ready()
    await until(() => source.health().state === 'ok', 'the source is well')
    await source.prepare?.({ flag: 'mail', flagKind: 'string' }, keys)
    return keys.map((key) => {
      const { route, reason } = source.decide({ flag: 'mail', key, flagKind: 'string' })
      if (reason !== 'flag') throw new Error(`${key}: ${reason}`)
      return route
    })
  } finally {
    await source.close()
  }
}

function byFile({ target, shadow }: FlagDials): FlagSpec {
  const path = join(folder, 'flags.yaml')
  writeFileSync(path, `mail: { target: ${formatShare(target)}, shadow: ${formatShare(shadow)} }\n`)
  return fileFlags({ path })
}

function byProvider(provider: OpenFeatureFlagsOptions['provider']): FlagSpec {
  return openFeatureFlags({ provider, timeout: '60s' } as OpenFeatureFlagsOptions)
}

/** Four standard deviations of a draw for each key, and some keys where the dial is not 0. */
function expectShares(routes: readonly Route[], { target, shadow }: FlagDials): void {
  const isTarget = (route: Route): boolean => sideOf(route) === 'target'
  for (const [dial, pick] of [[target, isTarget] as const, [shadow, isShadowed] as const]) {
    const share = routes.filter(pick).length / routes.length
    expect(Math.abs(share - dial)).toBeLessThanOrEqual(4 * Math.sqrt((dial * (1 - dial)) / routes.length))
    if (dial > 0) expect(share).toBeGreaterThan(0)
  }
}

test.each<[FlagDials, HashKey]>([
  [{ target: 0.001, shadow: 0 }, false],
  [{ target: 0.001, shadow: 0.5 }, true],
  [{ target: 0.25, shadow: 0.1 }, false],
  [{ target: 0.25, shadow: 0.1 }, true],
  [{ target: 0.4, shadow: 1 }, (key) => `tenant-7/${key}`],
])(
  'the same routes as from the flag file: %o, hashKey %s',
  async (dials, hashKey) => {
    const keys = KEYS.map(flagKeyOf(hashKey))
    const routes = await routesBy(
      byProvider(() => inMemory(dials)),
      keys,
    )
    expectShares(routes, dials)
    const expected = await routesBy(byFile(dials), keys)
    expect(routes.findIndex((route, at) => route !== expected[at])).toBe(-1)
  },
  60_000,
)

test('flagd in process: the shares of the dials, and no key moves back while target rises', async () => {
  const path = join(folder, 'flags.json')
  let before: readonly Route[] = []
  for (const dials of [
    { target: 0, shadow: 1 },
    { target: 0.001, shadow: 0 },
    { target: 0.25, shadow: 0.7 },
    { target: 0.5, shadow: 0.1 },
  ]) {
    writeFlagd(path, dials)
    const routes = await routesBy(
      byProvider(() => flagd(path)),
      KEYS,
    )
    expectShares(routes, dials)
    const back = before.findIndex((route, at) => sideOf(route) === 'target' && sideOf(routes[at]!) === 'legacy')
    expect(back).toBe(-1)
    before = routes
  }
}, 60_000)

test('flagd in process: a hashed key is drawn as itself, in whatever order and company it comes', async () => {
  const path = join(folder, 'flags.json')
  const dials = { target: 0.25, shadow: 0.4 }
  writeFlagd(path, dials)
  const hashed = KEYS.map(flagKeyOf(true))
  const routes = await routesBy(
    byProvider(() => flagd(path)),
    hashed,
  )
  expectShares(routes, dials)
  const some = hashed.filter((_, at) => at % 20 === 0).toReversed()
  const again = await routesBy(
    byProvider(() => flagd(path)),
    some,
  )
  expect(again.toReversed()).toEqual(routes.filter((_, at) => at % 20 === 0))
}, 60_000)
