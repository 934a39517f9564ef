// Keys that are hashed before the flag sees them: nothing else about them changes, and no source sees the key itself.

import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InMemoryProvider } from '@openfeature/server-sdk'
import { expect, test } from 'vitest'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { writeFlag } from '../../adapters/flags/file/write.ts'
import { openFeatureFlags } from '../../adapters/flags/openfeature/index.ts'
import { encodeDials, loadEngine } from '../../adapters/unleash-engine.ts'
import { type FlagKey, flagKeyOf } from '../../src/config/flag-key.ts'
import type { FlagSpec } from '../../src/ports/flags.ts'
import { decide } from '../../src/routing/decide.ts'
import { keyPosition } from '../../src/routing/hash.ts'
import { ROUTES, sideOf } from '../../src/vocabulary/job.ts'
import { embeddedBed, type Mail, openApp } from '../support/app.ts'

const DIALS = { target: 0.4, shadow: 0.5 }
const KEYS = Array.from({ length: 500 }, (_, n) => `kim-${n}@example.org`)

test('as it is, hashed, by a function; an empty key and a failing function are doubts', () => {
  expect(flagKeyOf(undefined)('kim')).toBe('kim')
  expect(flagKeyOf(false)('kim')).toBe('kim')
  expect(flagKeyOf(true)('kim')).toMatch(/^[\w-]{43}$/)
  expect(flagKeyOf(true)('kim')).toBe(flagKeyOf(true)('kim'))
  expect(flagKeyOf(true)('')).toBe('')
  expect(flagKeyOf((key) => `${key}!`)('kim')).toBe('kim!')
  expect(flagKeyOf(() => undefined as never)('kim')).toBe('')
  expect(
    flagKeyOf(() => {
      throw new Error('no secret')
    })('kim'),
  ).toBe('')
})

test('the same keys get the same routes from a file and through OpenFeature, which never sees a key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-hash-'))
  const path = join(folder, 'flags.yaml')
  await writeFlag(path, 'mail', DIALS)
  const evaluate = await loadEngine((error) => {
    throw error
  })
  const seen: string[] = []
  const flag = {
    variants: Object.fromEntries(ROUTES.map((route) => [route, route])),
    defaultVariant: 'legacy',
    disabled: false,
    contextEvaluator: ({ targetingKey = '' }) => {
      seen.push(targetingKey)
      return evaluate(encodeDials('mail', DIALS), { key: targetingKey, flagKind: 'string' }).route
    },
  }
  const openFeature = openFeatureFlags({ provider: () => new InMemoryProvider({ mail: flag } as never) })
  const hashKey = (key: string): string => createHmac('sha256', 'a secret').update(key).digest('hex')
  const routesFrom = async (spec: FlagSpec): Promise<string[]> => {
    const bed = embeddedBed()
    const app = await openApp(bed, {
      flags: spec,
      migration: { key: (mail: Mail) => mail.box ?? '', hashKey },
    })
    try {
      await app.ledger.setCeiling({ ceiling: 0.2, by: 'test' })
      await app.cutover.explain('mail', 'k') // has read the ceiling
      const jobs = KEYS.map((box, n) => ({ payload: { n, box } }))
      return (await app.cutover.enqueueMany('mail', jobs)).map(({ route, reason }) => `${route} ${reason}`)
    } finally {
      await app.close()
      await bed.stop()
    }
  }
  try {
    const byFile = await routesFrom(fileFlags({ path }))
    expect(await routesFrom(openFeature)).toEqual(byFile)
    expect(byFile).toEqual(KEYS.map(expected(hashKey)))
    expect(new Set(byFile.map((one) => one.split(' ')[1]))).toEqual(new Set(['flag', 'ceiling']))
    expect(seen.length).toBeGreaterThan(KEYS.length)
    expect(seen.filter((key) => key.includes('@'))).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }

  /** The flag and the ceiling look at the same, hashed, key. */
  function expected(flagKey: FlagKey): (key: string) => string {
    const control = { known: true, ageMs: 0, latchSet: false, ceiling: 0.2 }
    return (key) => {
      const given = evaluate(encodeDials('mail', DIALS), { key: flagKey(key), flagKind: 'string' })
      const position = (): number => keyPosition('mail', flagKey(key))
      const { route, reason } = decide({ flag: given, control, position, shadowable: true })
      if (sideOf(route) === 'target') expect(position()).toBeGreaterThan(800)
      return `${route} ${reason}`
    }
  }
})
