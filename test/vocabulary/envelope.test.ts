// The stamp goes into what is stored and comes out again, whatever the payload is; what was tampered with is told apart.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPayload, makeEnvelope, openEnvelope } from '../../src/vocabulary/envelope.ts'
import { ARMS, ROUTES, type Stamp } from '../../src/vocabulary/job.ts'

const stamp: Stamp = { v: 1, id: 'a', route: 'legacy', arm: 'primary', epoch: 3, gen: 0, due: 5, fenced: true }
const stamps: fc.Arbitrary<Stamp> = fc.record({
  v: fc.constant(1),
  id: fc.string({ minLength: 1 }),
  route: fc.constantFrom(...ROUTES),
  arm: fc.constantFrom(...ARMS),
  epoch: fc.nat(),
  gen: fc.nat(),
  due: fc.nat(),
  fenced: fc.boolean(),
})
const stored = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

it('any JSON payload and stamp make the round trip', () => {
  fc.assert(
    fc.property(fc.jsonValue(), stamps, (payload, made) => {
      const opened = openEnvelope(stored(makeEnvelope(payload, made)))
      expect(opened.kind).toBe('stamped')
      if (opened.kind !== 'stamped') return
      expect(opened.payload).toEqual(stored(payload))
      const { bare: _how, ...rest } = opened.stamp
      expect(rest).toEqual(made)
    }),
  )
})

it.each([
  ['an object keeps its fields', { a: 1 }, { a: 1, $cutover: stamp }],
  ['a text', 'hello', { value: 'hello', $cutover: { ...stamp, bare: true } }],
  ['null', null, { value: null, $cutover: { ...stamp, bare: true } }],
  ['a list', [1], { value: [1], $cutover: { ...stamp, bare: true } }],
  ['a field called value is no bare payload', { value: 2 }, { value: 2, $cutover: stamp }],
])('%s', (_what, payload, envelope) => expect(makeEnvelope(payload, stamp)).toEqual(envelope))

it('a date travels as its text, an own __proto__ as a plain field', () => {
  const date = new Date(7)
  expect(openEnvelope(stored(makeEnvelope(date, stamp)))).toMatchObject({ payload: date.toJSON() })
  const hostile: unknown = JSON.parse('{"__proto__":{"admin":true},"a":1}')
  const opened = openEnvelope(stored(makeEnvelope(hostile, stamp)))
  expect(JSON.stringify(opened.kind === 'stamped' && opened.payload)).toBe('{"__proto__":{"admin":true},"a":1}')
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
})

it.each([
  [null, 'plain'],
  ['text', 'plain'],
  [{ a: 1 }, 'plain'],
  [{ $cutover: { ...stamp, v: 2 } }, 'newer'],
  [{ $cutover: { v: 2, what: 'ever' } }, 'newer'],
  [{ $cutover: null }, 'damaged'],
  [{ $cutover: 'x' }, 'damaged'],
  [{ $cutover: { ...stamp, v: '1' } }, 'damaged'],
  [{ $cutover: { ...stamp, id: '' } }, 'damaged'],
  [{ $cutover: { ...stamp, gen: -1 } }, 'damaged'],
  [{ $cutover: { ...stamp, epoch: 0.5 } }, 'damaged'],
  [{ $cutover: { ...stamp, route: 'left' } }, 'damaged'],
  [{ $cutover: { ...stamp, arm: 'leg' } }, 'damaged'],
  [{ $cutover: { ...stamp, due: '5' } }, 'damaged'],
  [{ $cutover: { ...stamp, fenced: 1 } }, 'damaged'],
])('%j is %s', (data, kind) => expect(openEnvelope(data).kind).toBe(kind))

describe('a payload is refused before anything is stored', () => {
  const round: { self?: unknown } = {}
  round.self = round
  it.each([
    [{ $cutover: 1 }, 'payload-reserved'],
    [undefined, 'payload-not-json'],
    [() => 1, 'payload-not-json'],
    [Symbol('s'), 'payload-not-json'],
    [{ a: { b: 1n } }, 'payload-not-json'],
    [round, 'payload-not-json'],
    [{ a: 'x'.repeat(100) }, 'payload-too-large'],
    [[new Uint8Array(90)], 'payload-too-large'],
  ])('%o: %s', (payload, code) =>
    expect(() => checkPayload(payload, 'mail', 90)).toThrow(expect.objectContaining({ code })),
  )
  it('with the path to what is wrong', () =>
    expect(() => checkPayload({ a: [{ b: 1n }] }, 'mail', 90)).toThrow(/mail: the payload at \/a\/0\/b is a BigInt/))
})

it('the size is a lower bound of the stored bytes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (payload) => {
      // a number is counted with 4 bytes, which is less than most have and more than some
      const bytes = checkPayload(payload, 'mail', Number.MAX_SAFE_INTEGER)
      expect(bytes).toBeLessThanOrEqual(4 * Buffer.byteLength(JSON.stringify(payload)) + 4)
    }),
  )
})
