import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cut, formatCount, formatInterval, formatMs, formatShare, plural, safeText } from '../../src/report/format.ts'
import type { Interval } from '../../src/report/model.ts'
import { formatValues } from '../../src/report/values.ts'

test('counts have thousands separators', () => {
  expect([0, 999, 12_400, 1_234_567].map(formatCount)).toEqual(['0', '999', '12,400', '1,234,567'])
  expect([plural(1, 'job'), plural(2, 'job')]).toEqual(['1 job', '2 jobs'])
})

test.each([
  [null, '–'],
  [0, '0 %'],
  [0.000_01, '<0.01 %'],
  [0.001_23, '0.12 %'],
  [0.0184, '1.8 %'],
  [0.184, '18.4 %'],
  [0.999_96, '>99.9 %'],
  [1, '100 %'],
])('the share %s is written %s', (share, text) => {
  expect(formatShare(share)).toBe(text)
})

test('an interval is rounded outwards', () => {
  const shape = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  fc.assert(
    fc.property(shape, (ends) => {
      const [lower, upper] = [Math.min(...ends), Math.max(...ends)]
      const [down, up] = formatInterval({ lower, upper } as Interval)
        .replace(' %', '')
        .split('–')
        .map(Number)
      expect(down).toBeLessThanOrEqual(lower * 100 + 1e-9)
      expect(up).toBeGreaterThanOrEqual(upper * 100 - 1e-9)
    }),
  )
})

test.each([
  [null, '–'],
  [0.4159, '0.42 ms'],
  [12.34, '12.3 ms'],
  [1240, '1.24 s'],
  [125_000, '2.08 min'],
  [7_200_000, '2 h'],
])('%s ms is written %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text)
})

const anyText = fc.array(fc.integer({ min: 0, max: 0x10ffff })).map((codes) => String.fromCodePoint(...codes))
const ACTIVE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u

test('foreign text keeps to one line and to itself', () => {
  const text = safeText('a\u001b[2J\u202e\n\u{e0041}\u3164 Ünïcödé 日本 👍')
  expect(text).toBe('a\\u001b[2J\\u202e\\n\\u{e0041}\\u3164 Ünïcödé 日本 👍')
  expect(safeText(`e${'\u0301'.repeat(50)}`)).toBe('e\u0301\u0301\u0301')
  fc.assert(
    fc.property(anyText, (any) => {
      expect(ACTIVE.test(safeText(any))).toBe(false)
    }),
  )
})

test('cutting never splits a character', () => {
  expect(cut('👍👍👍', 3)).toBe('👍👍👍')
  expect(cut('👍👍👍👍', 3)).toBe('👍👍…')
})

describe('values', () => {
  test('are cut so that what differs can be seen', () => {
    const begin = 'x'.repeat(500)
    const { legacy, target } = formatValues({ legacy: `${begin}one`, target: `${begin}two` }, 'value', 40)
    expect(legacy).toContain('one')
    expect(target).toContain('two')
    expect(Math.max(legacy.length, target.length)).toBeLessThanOrEqual(40)
  })

  test('that differ only where they were cut say so', () => {
    expect(formatValues({ legacy: 'same', target: 'same' }, 'value', 40).target).toBe(
      '"same" (differs after what was kept)',
    )
  })

  test('that JSON does not know are written as people do', () => {
    const example = { legacy: { '$cutover:date': '2026-03-01T10:00:00.000Z' }, target: { '$cutover:undefined': true } }
    expect(formatValues(example, 'type', 60)).toEqual({ legacy: 'Date 2026-03-01T10:00:00.000Z', target: 'undefined' })
    const digest = { '$cutover:digest': 'abcdef0123456789', bytes: 81_234, type: 'string' }
    expect(formatValues({ legacy: digest }, 'missing', 80)).toEqual({
      ...{ legacy: '(string of 81,234 bytes, SHA-256 abcdef012345…)', target: '(not there)' },
    })
  })
})
