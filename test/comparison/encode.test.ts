import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeValue, encodeError, encodeValue, isDigested } from '../../src/comparison/encode.ts'
import { same } from '../../src/comparison/same.ts'
import { CutoverError } from '../../src/vocabulary/errors.ts'
import type { Json } from '../../src/vocabulary/outcome.ts'

/** As a ledger does it. */
const stored = (json: Json): Json => JSON.parse(JSON.stringify(json)) as Json
const roundTrip = (value: unknown): unknown => decodeValue(stored(encodeValue(value).json))

function refusal(act: () => unknown): CutoverError {
  try {
    act()
  } catch (error) {
    if (error instanceof CutoverError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

class Money {
  readonly amount: number
  readonly currency = 'EUR'
  constructor(amount: number) {
    this.amount = amount
  }
}

class Secret {
  #hidden = 1
  read(): number {
    return this.#hidden
  }
}
Object.defineProperty(Money.prototype, 'note', { value: 'inherited', enumerable: true })

describe('the stored form', () => {
  const at = new Date('2026-11-22T10:00:00.123Z')
  it.each<[string, unknown, unknown]>([
    ['undefined', undefined, { '$cutover:undefined': true }],
    ['undefined in an object', { a: undefined }, { a: { '$cutover:undefined': true } }],
    ['NaN', Number.NaN, { '$cutover:number': 'NaN' }],
    [
      'Infinity',
      [Number.POSITIVE_INFINITY, -Infinity],
      [{ '$cutover:number': 'Infinity' }, { '$cutover:number': '-Infinity' }],
    ],
    ['-0', -0, { '$cutover:number': '-0' }],
    ['BigInt', 12n, { '$cutover:bigint': '12' }],
    ['Date', at, { '$cutover:date': '2026-11-22T10:00:00.123Z' }],
    ['an invalid Date', new Date(Number.NaN), { '$cutover:date': 'invalid' }],
    ['RegExp', /a+/gi, { '$cutover:regexp': ['a+', 'gi'] }],
    ['Buffer', Buffer.from('hi'), { '$cutover:bytes': 'aGk=', type: 'Buffer' }],
    ['Uint16Array', Uint16Array.of(1), { '$cutover:bytes': 'AQA=', type: 'Uint16Array' }],
    ['a view of a part', new Uint8Array([1, 2, 3]).subarray(1, 2), { '$cutover:bytes': 'Ag==', type: 'Uint8Array' }],
    ['ArrayBuffer', Uint8Array.of(1).buffer, { '$cutover:bytes': 'AQ==', type: 'ArrayBuffer' }],
    ['Map', new Map([[1, { a: at }]]), { '$cutover:map': [[1, { a: { '$cutover:date': at.toISOString() } }]] }],
    ['Set', new Set(['b', 'a']), { '$cutover:set': ['b', 'a'] }],
    ['a class', new Money(5), { '$cutover:instance': 'Money', fields: { amount: 5, currency: 'EUR' } }],
    ['a class with toJSON', new URL('http://a/b'), { '$cutover:instance': 'URL', json: 'http://a/b' }],
    ['a boxed text', Object('a'), { '$cutover:instance': 'String', json: 'a' }],
    [
      'an error',
      Object.assign(new TypeError('no', { cause: 'why' }), { code: 'E' }),
      { '$cutover:error': 'TypeError', message: 'no', fields: { code: 'E', cause: 'why' } },
    ],
    [
      'a key of ours',
      { '$cutover:date': 'mine', x: 1n },
      { '$cutover:escaped': { '$cutover:date': 'mine', x: { '$cutover:bigint': '1' } } },
    ],
    ['an envelope key is no tag', { $cutover: 1 }, { $cutover: 1 }],
    ['no prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ['another realm', runInNewContext('({ a: [1] })'), { a: [1] }],
  ])('%s', (_, value, form) => {
    const encoded = encodeValue(value)
    expect(encoded.json).toStrictEqual(form)
    expect(encoded.bytes).toBe(Buffer.byteLength(JSON.stringify(form)))
    expect(encoded.digested).toBe(false)
  })

  it.each<[string, unknown, unknown]>([
    ['a class, as what JSON makes of it', new Money(5), { amount: 5, currency: 'EUR' }],
    ['toJSON', { at: new URL('http://a/b') }, { at: 'http://a/b' }],
    ['all sorts', new Map([[at, new Set([1n, undefined, -0])]]), new Map([[at, new Set([1n, undefined, 0])]])],
    [
      'bytes',
      [Buffer.from('a'), Float64Array.of(1.5), BigInt64Array.of(-1n)],
      [Buffer.from('a'), Float64Array.of(1.5), BigInt64Array.of(-1n)],
    ],
    ['escaped keys', { '$cutover:set': [1] }, { '$cutover:set': [1] }],
    ['a regular expression', /x/u, /x/u],
  ])('decodes %s', (_, value, expected) => expect(roundTrip(value)).toEqual(expected))

  it('decodes errors with name, message and fields', () => {
    const error = roundTrip(
      Object.assign(new RangeError('no', { cause: new Error('why') }), { at: new Date(0) }),
    ) as Error & { at: Date }
    expect(error).toBeInstanceOf(Error)
    expect([error.name, error.message, error.at, (error.cause as Error).message]).toEqual([
      'RangeError',
      'no',
      new Date(0),
      'why',
    ])
  })

  it('keeps cycles as references, through every container', () => {
    const map = new Map<string, unknown>()
    const value: Record<string, unknown> = { list: [], map, set: new Set(), a: { b: {} } }
    ;(value['list'] as unknown[]).push(value, value['list'])
    map.set('up', value)
    ;(value['set'] as Set<unknown>).add(map)
    const back = roundTrip(value) as { list: unknown[]; map: Map<string, unknown>; set: Set<unknown> }
    expect(back.list).toStrictEqual([back, back.list])
    expect(back.list[0]).toBe(back)
    expect(back.map.get('up')).toBe(back)
    const [inner] = [...back.set] as [Map<string, unknown>]
    expect(inner.get('up')).toBe(back)
  })

  it('stores what is shared twice, and a snapshot', () => {
    const shared = { n: 1 }
    const value = { a: shared, b: shared }
    const { json } = encodeValue(value)
    shared.n = 2
    expect(json).toStrictEqual({ a: { n: 1 }, b: { n: 1 } })
  })

  it('reads a getter once, so that later answers change nothing', () => {
    let n = 0
    const { json } = encodeValue({
      get n() {
        n++
        return n
      },
    })
    expect(json).toStrictEqual({ n: 1 })
    expect(stored(json)).toStrictEqual({ n: 1 })
  })

  it('keeps __proto__ a key', () => {
    const value: unknown = JSON.parse('{"__proto__":{"admin":true},"at":null}')
    for (const extra of [{}, { big: 1n }]) {
      const { json } = encodeValue(
        Object.defineProperties(Object.assign({}, extra), Object.getOwnPropertyDescriptors(value)),
      )
      expect(Object.hasOwn(json as object, '__proto__')).toBe(true)
      expect((json as { admin?: boolean }).admin).toBeUndefined()
      const back = decodeValue(stored(json)) as object
      expect(Object.getOwnPropertyDescriptor(back, '__proto__')?.value).toEqual({ admin: true })
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('what cannot be stored is refused with its path', () => {
  const nested = (depth: number) => {
    let value: unknown = 1
    for (let i = 0; i < depth; i++) value = { a: value }
    return value
  }
  const endless = (): unknown =>
    new Proxy(
      {},
      {
        ownKeys: () => ['a'],
        getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1 }),
        get: (_, key) => (key === 'a' ? endless() : undefined),
      },
    )
  const bomb = () => {
    let value: unknown[] = []
    for (let i = 0; i < 60; i++) value = [value, value]
    return value
  }
  it.each<[string, () => unknown, string, RegExp]>([
    ['function', () => ({ a: [() => 1] }), '/a/0', /a function/],
    ['symbol', () => ({ 'a/b': Symbol('s') }), '/a~1b', /a symbol/],
    ['property named by a symbol', () => ({ x: { [Symbol('s')]: 1 } }), '/x', /symbol/],
    ['hole', () => ({ a: Object.assign(new Array(3), { 0: 1, 2: 3 }) }), '/a', /holes/],
    ['a huge sparse array', () => new Array(4e9), '', /holes/],
    ['array with a property', () => ({ m: /a/.exec('a') }), '/m', /property of its own/],
    ['Promise', () => ({ p: Promise.resolve(1) }), '/p', /Promise.*toJSON/],
    ['WeakMap', () => new WeakMap(), '', /WeakMap/],
    ['private fields only', () => new Secret(), '', /Secret/],
    [
      'getter that throws',
      () => ({
        a: {
          get b() {
            throw new Error('x')
          },
        },
      }),
      '/a/b',
      /getter that throws/,
    ],
    [
      'toJSON that throws',
      () => [
        {
          toJSON() {
            throw new Error('x')
          },
        },
      ],
      '/0',
      /fails when it is read/,
    ],
    [
      'a trap that throws',
      () => ({
        p: new Proxy(
          {},
          {
            ownKeys() {
              throw new Error('x')
            },
          },
        ),
      }),
      '/p',
      /fails when it is read/,
    ],
    [
      'a cycle through toJSON',
      () => {
        const a = { toJSON: () => ({ back: a }) }
        return a
      },
      '/back',
      /toJSON/,
    ],
    [
      'endless toJSON',
      () => {
        class A {
          toJSON() {
            return [new A()]
          }
        }
        return new A()
      },
      '',
      /deeper than 500/,
    ],
    ['too deep', () => nested(501), '', /deeper than 500/],
    ['a proxy without end', endless, '', /deeper than 500/],
    ['a small value that unfolds to a large one', bomb, '', /more than 1000000 values/],
    ['a Map key', () => new Map([[() => 1, 1]]), '/0', /a function/],
  ])('%s', (_, make, path, message) => {
    const error = refusal(() => encodeValue(make()))
    expect(error.code).toBe('result-not-comparable')
    expect(error.message).toMatch(message)
    expect(String(error.details['path']).startsWith(path)).toBe(true)
    // noted instead, the rest is stored; and what was refused never equals anything
    const { json } = encodeValue(make(), { refused: 'note' })
    expect(JSON.stringify(json)).toContain('$cutover:refused')
    expect(same(json, json)).toBe(false)
    expect(() => decodeValue(json)).toThrow(CutoverError)
  })
  it('goes as deep as it says', () => expect(roundTrip(nested(499))).toEqual(nested(499)))
  it('names the cause', () => {
    const cause = new Error('x')
    expect(
      refusal(() =>
        encodeValue({
          get a() {
            throw cause
          },
        }),
      ).cause,
    ).toBe(cause)
  })
  it('refuses forms that it does not know', () => {
    expect(refusal(() => decodeValue({ a: { '$cutover:temporal': 1 } })).message).toMatch(
      /"\/a".*\$cutover:temporal.*newer/,
    )
  })
})

describe('large results', () => {
  const limitBytes = 2000
  it('keeps the structure and small fields, large leaves become digests', () => {
    const { json, bytes, digested } = encodeValue(
      { id: 7, text: 'x'.repeat(5000), list: [1, 2], raw: Buffer.alloc(9000) },
      { limitBytes },
    )
    expect(json).toMatchObject({
      id: 7,
      list: [1, 2],
      text: { '$cutover:digest': expect.stringMatching(/^[0-9a-f]{64}$/), bytes: 5002, type: 'string' },
      raw: { bytes: 12_000 + 37, type: 'Buffer' },
    })
    expect(bytes).toBeGreaterThan(17_000)
    expect(digested && isDigested(json)).toBe(true)
    expect(refusal(() => decodeValue(json)).code).toBe('result-too-large')
    expect(decodeValue(json, { incomplete: 'keep' })).toMatchObject({ id: 7, text: { type: 'string' } })
  })
  it('digests an array of very many parts whole, with its length', () => {
    const { json } = encodeValue({ rows: Array.from({ length: 900 }, (_, i) => ({ i })), id: 1 }, { limitBytes })
    expect(json).toMatchObject({ rows: { type: 'array', length: 900 }, id: 1 })
  })
  it('is exactly 64 kB where nothing is said', () => {
    expect(encodeValue('x'.repeat(65_534)).digested).toBe(false)
    expect(encodeValue('x'.repeat(65_535)).digested).toBe(true)
    expect(encodeValue(new Set(['x'.repeat(65_535)])).digested).toBe(true)
  })
  it('stays within the limit, however the data lies, and counts bytes exactly', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 200, max: 3000 }), (value, limit) => {
        const wide = { value, again: [value, { deep: value }], text: 'é"'.repeat(300) }
        const encoded = encodeValue(wide, { limitBytes: limit })
        if (!JSON.stringify(wide).includes('-0')) {
          expect(JSON.stringify(encoded.json).length).toBeLessThanOrEqual(limit)
        }
        if (encoded.digested) expect(encoded.bytes).toBeGreaterThan(limit)
        else expect(encoded.bytes).toBe(Buffer.byteLength(JSON.stringify(encoded.json)))
      }),
    )
  })
})

describe('properties', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: false,
    withObjectString: true,
    maxDepth: 4,
  })
  it('what is encoded comes back', () => {
    fc.assert(
      fc.property(anything, (value) => void expect(roundTrip(value)).toEqual(value)),
      { numRuns: 500 },
    )
  })
  it('what is stored is JSON, and reading it back changes nothing', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const { json } = encodeValue(value)
        expect(same(json, stored(json))).toBe(true)
        expect(encodeValue(decodeValue(json)).json).toStrictEqual(json)
      }),
      { numRuns: 300 },
    )
  })
  it('plain JSON is stored as it is', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value: unknown = JSON.parse(text)
        if (!text.includes('-0')) expect(encodeValue(value).json).toStrictEqual(value)
      }),
    )
  })
})

describe('errors', () => {
  it('keeps name, message, code and a stack', () => {
    const stored = encodeError(Object.assign(new TypeError('no'), { code: 42 }))
    expect(stored).toMatchObject({ name: 'TypeError', message: 'no', code: '42' })
    expect(stored.stack).toMatch(/^TypeError: no\n {4}at .*encode\.test/)
  })
  it.each<[string, unknown, string, RegExp]>([
    ['a text', 'boom', 'NonError', /^boom$/],
    ['undefined', undefined, 'NonError', /^undefined$/],
    ['an object', { status: 500 }, 'NonError', /status: 500/],
    ['a symbol', Symbol('s'), 'NonError', /Symbol\(s\)/],
    ['of another realm', runInNewContext("new RangeError('far')"), 'RangeError', /^far$/],
    [
      'without a message of its own',
      new AggregateError([new Error('ECONNREFUSED 1')]),
      'AggregateError',
      /ECONNREFUSED 1/,
    ],
    ['with a name that is none', Object.assign(new Error('x'), { name: 5 }), 'Error', /^x$/],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          get() {
            throw new Error('x')
          },
          ownKeys() {
            throw new Error('y')
          },
        },
      ),
      'NonError',
      /./,
    ],
  ])('%s', (_, thrown, name, message) => {
    const stored = encodeError(thrown)
    expect(stored.name).toBe(name)
    expect(stored.message).toMatch(message)
  })
  it('cuts what is huge, and does not follow causes', () => {
    const error: Error & { code?: string } = new Error('é'.repeat(1e6))
    error.cause = error
    error.code = 'C'.repeat(1e6)
    const text = JSON.stringify(encodeError(error))
    expect(text.length).toBeLessThan(5000)
    expect(encodeError(error).message).toMatch(/1000000 characters/)
    expect(encodeError(error).stack).toMatch(/ {4}at /)
    // never through a surrogate pair
    expect(encodeError(new Error(`x${'😀'.repeat(2000)}`)).message.isWellFormed()).toBe(true)
  })
})
