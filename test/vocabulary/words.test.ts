// Ids, durations, shares: what is taken, what is refused by name, and that writing and reading agree.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatShare, parseShare, weightsOf } from '../../src/vocabulary/dials.ts'
import { formatDuration, parseDuration } from '../../src/vocabulary/duration.ts'
import { adoptedId, backendIdOf, backendIdOfAdopted, checkId, newId, newToken } from '../../src/vocabulary/ids.ts'
import { ARMS } from '../../src/vocabulary/job.ts'

describe('ids', () => {
  it.each(['1', 'a:b', ' ', 'ünï 🎉', 'x'.repeat(1024)])('%j is an id', (id) => expect(() => checkId(id)).not.toThrow())
  it.each([[''], ['x'.repeat(1025)], ['ü'.repeat(513)], [5], [null], ['\ud800'], ['a\0b']])('%j is none', (id) =>
    expect(() => checkId(id)).toThrow(expect.objectContaining({ code: 'id-invalid' })),
  )
  it('every backend accepts the backend id, and different jobs, generations and arms have different ones', () => {
    const ids = fc.oneof(fc.string({ minLength: 1, unit: 'binary' }), fc.stringMatching(/^[cx]-[a-z0-9_-]{1,90}$/))
    fc.assert(
      fc.property(ids, ids, fc.nat(20), fc.nat(20), (one, two, g, h) => {
        expect(backendIdOf(one, g, 'primary')).toMatch(/^[cx]-[A-Za-z0-9_-]{1,117}$/)
        const all = (id: string, gen: number): string[] => ARMS.map((arm) => backendIdOf(id, gen, arm))
        expect(new Set(all(one, g)).size).toBe(3)
        if (one !== two) expect(all(one, g).filter((id) => all(two, h).includes(id))).toEqual([])
        if (g !== h) expect(backendIdOf(one, g, 'primary')).not.toBe(backendIdOf(one, h, 'primary'))
      }),
    )
  })
  it('new ids are in time order, also within a millisecond; tokens differ', () => {
    const ids = Array.from({ length: 20_000 }, newId)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(new Set(Array.from({ length: 20_000 }, newToken)).size).toBe(20_000)
  })
  it('an adopted id gives its backend id back, and the same id put there later is another job', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.nat(), { nil: undefined }), (id, at) => {
        expect(backendIdOfAdopted(adoptedId('legacy', id, at))).toBe(id)
      }),
    )
    expect(adoptedId('legacy', 'daily', 1)).not.toBe(adoptedId('legacy', 'daily', 2))
    expect(adoptedId('legacy', 'daily', 1)).not.toBe(adoptedId('target', 'daily', 1))
  })
})

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['60s', 60_000],
    ['1.5h', 5_400_000],
    ['14d', 1_209_600_000],
    [0, 0],
    [17, 17],
  ])('%j', (text, ms) => expect(parseDuration(text, 'here')).toBe(ms))
  it.each(['', '5', '5 s', '-1s', 's', '1w', -1, Number.NaN, Number.POSITIVE_INFINITY, null, undefined, {}])(
    '%j is refused by where it stands',
    (text) =>
      expect(() => parseDuration(text, 'migrations.mail.timeout')).toThrow(
        /^migrations\.mail\.timeout: .* is not a duration/,
      ),
  )
  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1000, '1s'],
    [90_000, '1m30s'],
    [86_400_000, '1d'],
    [90_061_000, '1d1h'],
  ])('%d is written as %s', (ms, text) => expect(formatDuration(ms)).toBe(text))
})

describe('shares', () => {
  it.each([
    ['0%', 0],
    ['12.5%', 0.125],
    ['100%', 1],
    [' 25% ', 0.25],
  ])('%j', (text, share) => expect(parseShare(text, 'x')).toBe(share))
  it.each(['', '5', '101%', '-1%', '0.05%', 'all', '1e1%'])('%j is refused', (text) =>
    expect(() => parseShare(text, '--target')).toThrow(/^--target: /),
  )
  it('what is written is read again, in steps of 0.1 %', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), (n) => {
        expect(parseShare(formatShare(n / 1000), 'x')).toBe(n / 1000)
      }),
    ))
  it('weights sum to 1000, none below 0, and target’s block never shrinks as its dial rises', () => {
    const share = fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000)
    fc.assert(
      fc.property(share, share, share, share, (target, more, shadow, other) => {
        const one = weightsOf({ target: Math.min(target, more), shadow })
        const two = weightsOf({ target: Math.max(target, more), shadow: other })
        for (const weights of [one, two]) {
          expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBe(1000)
          expect(Math.min(...Object.values(weights))).toBeGreaterThanOrEqual(0)
        }
        expect(two.target + two['target-shadowed']).toBeGreaterThanOrEqual(one.target + one['target-shadowed'])
      }),
    )
  })
})
