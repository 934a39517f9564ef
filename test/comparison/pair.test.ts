import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeValue } from '../../src/comparison/encode.ts'
import type { CompareOptions } from '../../src/comparison/options.ts'
import { compareOutcomes } from '../../src/comparison/pair.ts'
import { type Comparison, type Difference, groupPath } from '../../src/vocabulary/comparison.ts'
import type { Json, Outcome, SeenServer, StoredError } from '../../src/vocabulary/outcome.ts'

const TIMES = { waitMs: 0, runMs: 0, attempts: 1, version: '1' }
type Effects = readonly (readonly [name: string, recorded: unknown])[]

const stored = (value: unknown): Json =>
  JSON.parse(JSON.stringify(encodeValue(value, { refused: 'note' }).json)) as Json
const recorded = (effects: Effects) => effects.map(([name, value]) => ({ name, recorded: stored(value) }))

function done(value: unknown, effects: Effects = []): Outcome {
  return { ok: true, value: stored(value), effects: recorded(effects), ...TIMES }
}
function failed(error: Partial<StoredError>, effects: Effects = []): Outcome {
  return { ok: false, error: { name: 'Error', message: '', ...error }, effects: recorded(effects), ...TIMES }
}
function compare(legacy: unknown, target: unknown, options?: CompareOptions<never>): Comparison {
  return compareOutcomes({
    legacy: done(legacy),
    target: done(target),
    ...(options === undefined ? {} : { options: options as CompareOptions<unknown> }),
  })
}
const differences = (...args: Parameters<typeof compare>): Difference[] =>
  compare(...args).differences.map(({ path, ...rest }) => ({ path: path.replace(/^\/result/, ''), ...rest }))
const kinds = (...args: Parameters<typeof compare>): string[] =>
  differences(...args).map(({ path, kind }) => `${kind} ${path}`)

describe('results', () => {
  it.each<[string, unknown, unknown, string[]]>([
    ['equal', { a: [1, { b: null }] }, { a: [1, { b: null }] }, []],
    ['equal in another order of keys', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
    ['value', { a: 1 }, { a: 2 }, ['value /a']],
    ['type', { a: 1 }, { a: '1' }, ['type /a']],
    ['null is a type of its own', { a: null }, { a: {} }, ['type /a']],
    ['array and object', [], {}, ['type ']],
    ['missing and extra', { a: 1 }, { b: 1 }, ['missing /a', 'extra /b']],
    ['undefined is not absent', { a: undefined }, {}, ['missing /a']],
    ['all of them, not only the first', { a: 1, b: { c: 1 } }, { a: 2, b: { c: 2 } }, ['value /a', 'value /b/c']],
    ['names are escaped', { 'a/b~': 1 }, { 'a/b~': 2 }, ['value /a~1b~0']],
    ['inherited names do not count', { constructor: 1 }, {}, ['missing /constructor']],
    ['nor does a prototype', JSON.parse('{"__proto__":{}}'), { x: {} }, ['missing /__proto__', 'extra /x']],
    ['order', [1, 2, 3], [3, 1, 2], ['order ']],
    ['order of containers', [{ a: 1 }, [2], 3], [3, { a: 1 }, [2]], ['order ']],
    ['not order when a value differs too', [1, 2, 3], [3, 1, 9], ['value /0', 'value /1', 'value /2']],
    ['one more at the end', [1, 2], [1, 2, 3], ['length ', 'extra /2']],
    ['one less at the start', [1, 2, 3], [2, 3], ['length ', 'missing /0']],
    ['one inserted, one changed', [1, 2, 9], [1, 7, 8, 9], ['length ', 'value /1', 'extra /2']],
    ['to nothing', [1], [], ['length ', 'missing /0']],
    ['NaN is NaN', [Number.NaN], [Number.NaN], []],
    ['-0 is not 0', -0, 0, ['value ']],
    ['dates', { at: new Date(1) }, { at: new Date(2) }, ['value /at']],
    ['a date is no text', { at: new Date(0) }, { at: new Date(0).toISOString() }, ['type /at']],
    ['bigints', 1n, 2n, ['value ']],
    ['bytes', Buffer.from('a'), Buffer.from('b'), ['value ']],
    ['a Buffer is no Uint8Array', Buffer.from('a'), new Uint8Array([97]), ['type ']],
    [
      'maps in another order',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
      [],
    ],
    [
      'maps',
      new Map([
        ['a', { x: 1 }],
        ['b', { x: 1 }],
      ]),
      new Map([
        ['a', { x: 2 }],
        ['c', { x: 1 }],
      ]),
      ['value /a/x', 'missing /b', 'extra /c'],
    ],
    ['sets in another order', new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1]), []],
    ['sets', new Set([1, 2]), new Set([2, 3]), ['missing /0', 'extra /1']],
    ['an instance of another class', new URL('http://a/'), { href: 'http://a/' }, ['type ']],
    [
      'within an instance',
      new (class P {
        x = 1
      })(),
      new (class P {
        x = 2
      })(),
      ['value /x'],
    ],
    ['errors as data', { e: new TypeError('a') }, { e: new TypeError('b') }, ['value /e/message']],
    ['what was refused equals nothing', { f: () => 1 }, { f: () => 1 }, ['value /f']],
    ['nor in a Set', new Set([() => 1]), new Set([() => 1]), ['missing /0', 'extra /0']],
  ])('%s', (_, legacy, target, expected) => {
    expect(kinds(legacy, target)).toEqual(expected)
    expect(compare(legacy, target).class).toBe(expected.length === 0 ? 'matched' : 'mismatched')
  })

  it('shows both values, and those of lengths', () => {
    expect(differences({ a: 1, b: [1, 2] }, { a: 'x', b: [1] })).toEqual([
      { path: '/a', kind: 'type', legacy: 1, target: 'x' },
      { path: '/b', kind: 'length', legacy: 2, target: 1 },
      { path: '/b/1', kind: 'missing', legacy: 2 },
    ])
  })
  it('takes a result that was not stored for undefined', () => {
    const nothing: Outcome = { ok: true, effects: [], ...TIMES }
    expect(compareOutcomes({ legacy: nothing, target: done(undefined) }).class).toBe('matched')
    expect(compareOutcomes({ legacy: nothing, target: done(1) }).differences).toMatchObject([
      { path: '/result', kind: 'type' },
    ])
  })
  it('cuts values, counts what it does not keep', () => {
    const rows = (n: number) => Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`k${i}`, n]))
    const many = compare(rows(1), rows(2))
    expect([many.differences.length, many.differenceCount]).toEqual([50, 80])
    expect(compare(rows(1), rows(2), { maxDifferences: 3 })).toMatchObject({
      differences: { length: 3 },
      differenceCount: 80,
    })
    const [text] = differences('x'.repeat(5000), 'y')
    expect(text?.legacy).toBe(`${'x'.repeat(200)}… (5000 characters)`)
    const [tree] = differences({ a: Array.from({ length: 1000 }, (_, i) => ({ i, t: 'some text' })) }, {})
    expect(JSON.stringify(tree?.legacy).length).toBeLessThan(700)
    expect(JSON.stringify(tree?.legacy)).toMatch(/… \(\d+ more\)/)
  })
})

describe('digests', () => {
  const large = {
    id: 1,
    text: 'x'.repeat(70_000),
    rows: Array.from({ length: 30 }, (_, i) => ({ i, t: 'y'.repeat(3000) })),
  }
  const at = (value: unknown, limitBytes: number): Outcome => ({
    ...done(0),
    value: encodeValue(value, { limitBytes }).json,
  })
  const pair = (a: Outcome, b: Outcome) => compareOutcomes({ legacy: a, target: b })

  it.each([
    [100, 1e9],
    [500, 65_536],
    [3000, 1e9],
    [65_536, 65_536],
  ])('a value equals itself, cut to %d and %d bytes', (a, b) => {
    expect(pair(at(large, a), at(large, b)).class).toBe('matched')
  })
  it('finds the field', () => {
    const other = { ...large, text: `${large.text}!`, rows: large.rows.with(7, { i: 7, t: 'z'.repeat(3000) }) }
    const found = pair(at(large, 65_536), at(other, 65_536))
    expect(found.differences.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
      'value /result/text',
      'value /result/rows/7/t',
    ])
    // one side whole: still the right leaf
    expect(pair(at(large, 1e9), at(other, 65_536)).differences.map(({ path }) => path)).toEqual([
      '/result/text',
      '/result/rows/7/t',
    ])
    // cut above the rows: the place that is known
    expect(pair(at(large, 500), at(other, 500)).differences.map(({ path }) => path)).toEqual([
      '/result/text',
      '/result/rows',
    ])
  })
  it('tells a length and a type from a digest', () => {
    const list = (n: number) => at({ rows: Array.from({ length: n }, () => 'row') }, 300)
    expect(pair(list(500), list(501)).differences).toMatchObject([{ path: '/result/rows', kind: 'length' }])
    expect(pair(list(500), at({ rows: 'x'.repeat(900) }, 300)).differences).toMatchObject([{ kind: 'type' }])
  })
  it('knows bytes, Sets and Maps', () => {
    const of = (items: number[]) => ({
      raw: Buffer.alloc(items.length * 50, 1),
      set: new Set(items),
      map: new Map(items.map((n) => [n, `${n}`])),
    })
    const items = Array.from({ length: 300 }, (_, i) => i)
    for (const limit of [200, 2000]) {
      expect(pair(at(of(items), limit), at(of(items.toReversed()), 1e9)).class).toBe('matched')
      expect(pair(at(of(items), limit), at(of(items.with(5, 999)), 1e9)).class).toBe('mismatched')
    }
  })
  it('any value equals itself at any two limits, and a changed one never', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 5 }),
        fc.integer({ min: 160, max: 2000 }),
        fc.integer({ min: 160, max: 2000 }),
        (value, a, b) => {
          const wide = (mark: string) => ({
            value,
            again: [value, value],
            deep: { value, text: `${'t'.repeat(400)}${mark}` },
          })
          expect(pair(at(wide(''), a), at(wide(''), b)).class).toBe('matched')
          expect(pair(at(wide(''), a), at(wide('!'), b)).class).toBe('mismatched')
        },
      ),
    )
  })
})

describe('rules about places', () => {
  const email = {
    id: 1,
    at: new Date(1000),
    score: 0.5,
    to: [
      { a: 'x', n: 1 },
      { a: 'y', n: 2 },
    ],
    tags: ['b', 'a'],
  }
  it.each<[string, unknown, CompareOptions<never>, string[]]>([
    ['ignore', { ...email, id: 2 }, { ignore: ['/id'] }, []],
    ['ignore what is missing', { ...email, id: undefined }, { ignore: ['/id'] }, []],
    ['ignore in arrays', { ...email, to: email.to.map((t) => ({ ...t, n: 9 })) }, { ignore: ['/to/*/n'] }, []],
    ['ignore one element', { ...email, tags: ['x', 'a'] }, { ignore: ['/tags/0'] }, []],
    ['ignore elements, not their number', { ...email, tags: ['x'] }, { ignore: ['/tags/*'] }, ['length /tags']],
    ['ignore nothing else', { ...email, id: 2, score: 1 }, { ignore: ['/id', '/sc'] }, ['value /score']],
    ['tolerance', { ...email, score: 0.5001 }, { tolerance: { '/score': 0.001 } }, []],
    ['tolerance exceeded', { ...email, score: 0.502 }, { tolerance: { '/score': 0.001 } }, ['value /score']],
    ['relative tolerance', { ...email, score: 0.504 }, { tolerance: { '/score': { relative: 0.01 } } }, []],
    ['tolerance of dates', { ...email, at: new Date(1500) }, { tolerance: { '/at': 500 } }, []],
    [
      'tolerance is no licence for other types',
      { ...email, score: '0.5' },
      { tolerance: { '/score': 1 } },
      ['type /score'],
    ],
    ['tolerance never covers NaN', { ...email, score: Number.NaN }, { tolerance: { '/score': 1e9 } }, ['value /score']],
    ['unordered', { ...email, tags: ['a', 'b'] }, { unordered: ['/tags'] }, []],
    ['unordered, one changed', { ...email, tags: ['c', 'b'] }, { unordered: ['/tags'] }, ['value /tags/1']],
    [
      'unordered, one more',
      { ...email, tags: ['c', 'a', 'b'] },
      { unordered: ['/tags'] },
      ['length /tags', 'extra /tags/0'],
    ],
    [
      'unordered with ignored parts',
      {
        ...email,
        to: [
          { a: 'y', n: 7 },
          { a: 'x', n: 8 },
        ],
      },
      { unordered: ['/to'], ignore: ['/to/*/n'] },
      [],
    ],
    [
      'order with ignored parts',
      {
        ...email,
        to: [
          { a: 'y', n: 7 },
          { a: 'x', n: 8 },
        ],
      },
      { ignore: ['/to/*/n'] },
      ['order /to'],
    ],
    ['equal', { ...email, tags: 'b,a' }, { equal: { '/tags': (a, b) => String(a) === b } }, []],
    ['equal, no', { ...email, tags: 'a,b' }, { equal: { '/tags': (a, b) => String(a) === b } }, ['value /tags']],
    [
      'equal sees Dates',
      { ...email, at: new Date(1400) },
      { equal: { '/at': (a: Date, b: Date) => Math.trunc(+a / 1000) === Math.trunc(+b / 1000) } },
      [],
    ],
    [
      'equal of an absent value',
      { ...email, id: undefined },
      { equal: { '/id': (a, b) => a === 1 && b === undefined } },
      [],
    ],
    [
      'a function that throws',
      { ...email, id: 2 },
      {
        equal: {
          '/id': () => {
            throw new Error('bad')
          },
        },
      },
      ['value /id'],
    ],
    ['a function that is async', { ...email, id: 2 }, { equal: { '/id': (async () => true) as never } }, ['value /id']],
  ])('%s', (_, target, options, expected) => expect(kinds(email, target, options)).toEqual(expected))

  it('reaches into Maps, classes and escaped objects', () => {
    const value = (n: number) => ({
      map: new Map([['k', { n }]]),
      p: new (class P {
        n = n
      })(),
      e: { '$cutover:x': n },
    })
    expect(kinds(value(1), value(2), { ignore: ['/map/*/n', '/p/n', '/e/$cutover:x'] })).toEqual([])
  })
  it('matches nothing that was refused, in no order either', () => {
    expect(kinds({ f: [1, () => 1] }, { f: [() => 1, 1] }, { unordered: ['/f'] })).toEqual(['value /f/1'])
  })
  it('finds numbers within a tolerance in unordered arrays', () => {
    const options = { unordered: [''], tolerance: { '/*': 0.1 } }
    expect(kinds([3, 1, 20], [20.05, 1.05, 2.95], options)).toEqual([])
    expect(kinds([3, 1, 20], [20.05, 1.05, 2.5], options)).toEqual(['value /0'])
  })
  it('says in the difference what the function did', () => {
    const thrown = differences(
      { a: 1 },
      { a: 2 },
      {
        equal: {
          '/a': () => {
            throw new TypeError('bad')
          },
        },
      },
    )
    expect(thrown[0]?.legacy).toBe('[equal threw TypeError: bad]')
    const asynchronous = differences({ a: 1 }, { a: 2 }, { equal: { '/a': (async () => true) as never } })
    expect(asynchronous[0]?.legacy).toMatch(/Promise.*must not be async/)
  })
})

describe('functions about the whole', () => {
  it('normalise decides what is compared, and may change its copy', () => {
    const normalise = (result: { at?: Date; n: number }) => {
      delete result.at
      return { ...result, n: BigInt(result.n) }
    }
    const legacy = { at: new Date(1), n: 1 }
    expect(kinds(legacy, { at: new Date(2), n: 1 }, { normalise })).toEqual([])
    expect(kinds(legacy, { at: new Date(2), n: 2 }, { normalise })).toEqual(['value /n'])
  })
  it.each<[string, CompareOptions<never>, RegExp]>([
    [
      'normalise throws',
      {
        normalise: () => {
          throw new Error('bad')
        },
      },
      /normalise threw Error: bad/,
    ],
    [
      'compare throws',
      {
        compare: () => {
          throw new Error('bad')
        },
      },
      /compare threw Error: bad/,
    ],
    ['compare is async', { compare: (async () => true) as never }, /compare answered a Promise/],
    ['compare answers nothing', { compare: (() => undefined) as never }, /compare answered undefined/],
    ['compare answers nonsense', { compare: () => [{ path: 'x', kind: 'value' }] }, /without a JSON pointer/],
    [
      'ignoreWhen throws',
      {
        ignoreWhen: () => {
          throw new Error('bad')
        },
      },
      /ignoreWhen threw Error: bad/,
    ],
    ['ignoreWhen is async', { ignoreWhen: (async () => true) as never }, /ignoreWhen answered a Promise/],
  ])('%s: a mismatch that says so, even for equal results', (_, options, text) => {
    const found = compare({ a: 1 }, { a: 1 }, options)
    expect(found.class).toBe('mismatched')
    expect(String(found.differences[0]?.legacy)).toMatch(text)
  })
  it('a normalise that answers a Promise never matches', () => {
    expect(compare(1, 1, { normalise: async () => 1 }).class).toBe('mismatched')
  })
  it('compare decides alone about results', () => {
    expect(compare({ a: 1 }, { a: 2 }, { compare: () => true }).class).toBe('matched')
    expect(differences({ a: 1 }, { a: 1 }, { compare: () => false })).toEqual([
      { path: '', kind: 'value', legacy: { a: 1 }, target: { a: 1 } },
    ])
    const compareOwn = (legacy: { a: number }): Difference[] => [{ path: '/a', kind: 'order', legacy: legacy.a }]
    expect(differences({ a: 1 }, { a: 1 }, { compare: compareOwn, redact: ['/a'] })).toEqual([
      { path: '/a', kind: 'order', legacy: '[redacted]' },
    ])
    const withEffects = compareOutcomes({
      legacy: done(1, [['s', 1]]),
      target: done(1),
      options: { compare: () => true },
    })
    expect(withEffects.class).toBe('mismatched')
  })
  it('only ignoreWhen makes a pair ignored, asked of matching ones too', () => {
    const options: CompareOptions<{ test: boolean }> = { ignoreWhen: (legacy) => legacy.ok && legacy.result.test }
    expect(compare({ test: true }, { test: false }, options as never)).toMatchObject({
      class: 'ignored',
      differenceCount: 1,
    })
    expect(compare({ test: true }, { test: true }, options as never).class).toBe('ignored')
    expect(compare({ test: false }, { test: true }, options as never).class).toBe('mismatched')
    const bothFailed: CompareOptions = {
      ignoreWhen: (a, b) => !a.ok && !b.ok && a.error.name === 'Timeout' && a.effects[0]?.recorded === 1,
    }
    const pair = { legacy: failed({ name: 'Timeout' }, [['s', 1]]), target: failed({ name: 'X' }) }
    expect(compareOutcomes({ ...pair, options: bothFailed })).toMatchObject({ class: 'ignored', errors: 'both' })
  })
})

describe('errors', () => {
  const pair = (legacy: Outcome, target: Outcome, options: CompareOptions = {}) =>
    compareOutcomes({ legacy, target, options })
  it('both failed alike is a match, whatever the messages', () => {
    const found = pair(
      failed({ name: 'A', code: 'E1', message: 'x' }),
      failed({ name: 'A', code: 'E1', message: 'y', stack: 's' }),
    )
    expect(found).toEqual({ class: 'matched', errors: 'both', differences: [], differenceCount: 0 })
  })
  it.each<[string, Outcome, Outcome, string, Difference[]]>([
    [
      'names',
      failed({ name: 'A' }),
      failed({ name: 'B' }),
      'both',
      [{ path: '/error/name', kind: 'value', legacy: 'A', target: 'B' }],
    ],
    ['codes', failed({ code: '1' }), failed({}), 'both', [{ path: '/error/code', kind: 'missing', legacy: '1' }]],
    [
      'target alone',
      done(1),
      failed({ name: 'A', message: 'm' }),
      'target-only',
      [{ path: '/error', kind: 'extra', target: { name: 'A', message: 'm' } }],
    ],
    [
      'legacy alone',
      failed({ name: 'A', code: 'c' }),
      done(1),
      'legacy-only',
      [{ path: '/error', kind: 'missing', legacy: { name: 'A', code: 'c', message: '' } }],
    ],
  ])('%s', (_, legacy, target, errors, found) => {
    expect(pair(legacy, target)).toEqual({
      class: 'mismatched',
      errors,
      differences: found,
      differenceCount: found.length,
    })
  })
})

describe('effects', () => {
  const of = (legacy: Effects, target: Effects, options: CompareOptions = {}) =>
    compareOutcomes({ legacy: done(1, legacy), target: done(1, target), options }).differences.map(
      ({ path, kind }) => `${kind} ${path}`,
    )
  it.each<[string, Effects, Effects, string[]]>([
    [
      'the same',
      [
        ['s', 1],
        ['r', 2],
      ],
      [
        ['s', 1],
        ['r', 2],
      ],
      [],
    ],
    ['another value', [['s', { a: 1 }]], [['s', { a: 2 }]], ['value /effects/0/s/a']],
    [
      'one missing',
      [
        ['s', 1],
        ['r', 2],
      ],
      [['s', 1]],
      ['missing /effects/1/r'],
    ],
    [
      'one extra',
      [['r', 2]],
      [
        ['s', 1],
        ['r', 2],
      ],
      ['extra /effects/0/s'],
    ],
    [
      'order of names',
      [
        ['s', 1],
        ['r', 2],
      ],
      [
        ['r', 2],
        ['s', 1],
      ],
      ['order /effects'],
    ],
    [
      'order within a name',
      [
        ['s', 1],
        ['s', 2],
      ],
      [
        ['s', 2],
        ['s', 1],
      ],
      ['order /effects'],
    ],
    [
      'order and a value',
      [
        ['s', 1],
        ['r', 2],
      ],
      [
        ['r', 3],
        ['s', 1],
      ],
      ['value /effects/1/r', 'order /effects'],
    ],
    ['another name', [['s', 1]], [['t/u', 1]], ['missing /effects/0/s', 'extra /effects/0/t~1u']],
  ])('%s', (_, legacy, target, expected) => expect(of(legacy, target)).toEqual(expected))
  it('has rules of its own by name', () => {
    const options = { effects: { s: { ignore: ['/id'] } } }
    expect(of([['s', { id: 1, n: 1 }]], [['s', { id: 2, n: 1 }]], options)).toEqual([])
    expect(of([['r', { id: 1 }]], [['r', { id: 2 }]], options)).toEqual(['value /effects/0/r/id'])
    expect(
      of(
        [
          ['s', { id: 1, n: 1 }],
          ['s', { id: 2, n: 2 }],
        ],
        [
          ['s', { id: 3, n: 2 }],
          ['s', { id: 4, n: 1 }],
        ],
        options,
      ),
    ).toEqual(['order /effects'])
    // the result's rules are not the effects'
    expect(of([['s', { id: 1 }]], [['s', { id: 2 }]], { ignore: ['/id'] })).toEqual(['value /effects/0/s/id'])
  })
  it('counts those of failed runs, too', () => {
    const found = compareOutcomes({ legacy: failed({}, [['s', 1]]), target: failed({}, []) })
    expect(found).toMatchObject({
      class: 'mismatched',
      differences: [{ path: '/effects/0/s', kind: 'missing', legacy: 1 }],
    })
  })
})

describe('redaction', () => {
  const SECRET = 'bob@example.com'
  const texts = (legacy: Outcome, target: Outcome, options: CompareOptions) => {
    const found = compareOutcomes({ legacy, target, options })
    expect(found.differenceCount).toBeGreaterThan(0)
    return JSON.stringify(found)
  }
  const redact = ['/from/address']
  it.each<[string, unknown, unknown, string[]?]>([
    ['a value', { from: { address: SECRET } }, { from: { address: `x${SECRET}` } }],
    ['below it', { from: { address: { local: SECRET } } }, { from: { address: { local: 1 } } }],
    ['an object around it', { from: { address: SECRET } }, {}],
    ['the whole around it', { from: { address: SECRET } }, null],
    ['a text in its place', { from: { address: 1 } }, { from: SECRET }],
    ['an array in between', { from: [{ address: SECRET }] }, { from: [] }],
    ['in Maps', new Map([['from', { address: SECRET }]]), new Map()],
    ['with a wildcard', { to: [{ a: SECRET }] }, { to: [] }, ['/to/*/a']],
    ['order', { to: [{ a: SECRET }, 1] }, { to: [1, { a: SECRET }] }, ['/to/a']],
    ['everything', SECRET, 1, ['']],
  ])('%s', (_, legacy, target, pointers = redact) => {
    expect(texts(done(legacy), done(target), { redact: pointers })).not.toContain(SECRET)
    expect(texts(done(target), done(legacy), { redact: pointers })).not.toContain(SECRET)
    // and in what effects record
    expect(texts(done(1, [['s', legacy]]), done(1, [['s', target]]), { redact: pointers })).not.toContain(SECRET)
    expect(texts(done(1, [['s', legacy]]), done(1), { redact: pointers })).not.toContain(SECRET)
  })
  it('hides messages of errors, digests, and what user functions throw', () => {
    expect(texts(done(1), failed({ message: SECRET }), { redact })).not.toContain(SECRET)
    const bad = {
      redact,
      normalise: () => {
        throw new Error(SECRET)
      },
    }
    expect(texts(done(1), done(2), bad)).not.toContain(SECRET)
    const large = (mark: string): Outcome => ({
      ...done(0),
      value: encodeValue({ from: { address: mark.repeat(500) } }, { limitBytes: 200 }).json,
    })
    expect(texts(large('a'), large('b'), { redact })).not.toContain('$cutover:digest')
  })
  it('hides nothing else', () => {
    const found = compareOutcomes({
      legacy: done({ from: { address: SECRET, name: 'Bob' }, n: 1 }),
      target: done({ n: 2 }),
      options: { redact },
    })
    expect(found.differences).toEqual([
      { path: '/result/from', kind: 'missing', legacy: { address: '[redacted]', name: 'Bob' } },
      { path: '/result/n', kind: 'value', legacy: 1, target: 2 },
    ])
  })
})

describe('properties', () => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const pairs = fc.oneof(
    fc.tuple(json, json),
    // near misses: one place changed
    fc.tuple(json, json, json).map(
      ([a, b, c]) =>
        [
          { a, list: [a, b] },
          { a, list: [a, c] },
        ] as const,
    ),
    fc.array(fc.integer({ min: 0, max: 3 })).chain((items) => fc.tuple(fc.constant(items), fc.shuffledSubarray(items))),
  )
  /** A second opinion, written otherwise: sorted keys, then text. */
  const canonical = (value: unknown): string =>
    JSON.stringify(value, (_, inner: unknown) => {
      if (Object.is(inner, -0)) return '-0!'
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
      return { fields: Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)) }
    })

  it('there is a difference if and only if the canonical texts differ', () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const found = compare(a, b)
        const equal = canonical(a) === canonical(b)
        expect(found.differenceCount === 0).toBe(equal)
        expect(found.class).toBe(equal ? 'matched' : 'mismatched')
      }),
      { numRuns: 1000 },
    )
  })
  it('mirrors when the sides are swapped', () => {
    const mirror = {
      missing: 'extra',
      extra: 'missing',
      type: 'type',
      value: 'value',
      order: 'order',
      length: 'length',
      tools: 'tools',
    }
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const list = (found: Comparison, swap: boolean) =>
          found.differences
            .map(({ path, kind, legacy, target }) =>
              JSON.stringify(swap ? [path, mirror[kind], target, legacy] : [path, kind, legacy, target]),
            )
            .sort()
        const [there, back] = [compare(a, b), compare(b, a)]
        expect(back.differenceCount).toBe(there.differenceCount)
        if (there.differenceCount <= 50) expect(list(back, true)).toEqual(list(there, false))
      }),
      { numRuns: 1000 },
    )
  })
  it('a shuffled array matches where order does not matter, and is one difference where it does', () => {
    const shuffled = fc
      .array(json, { minLength: 2 })
      .chain((items) => fc.tuple(fc.constant(items), fc.shuffledSubarray(items, { minLength: items.length })))
    fc.assert(
      fc.property(shuffled, ([items, other]) => {
        expect(kinds({ items }, { items: other }, { unordered: ['/items'] })).toEqual([])
        const found = kinds({ items }, { items: other })
        expect(found).toEqual(canonical(items) === canonical(other) ? [] : ['order /items'])
      }),
    )
  })
  it('rules that say nothing about a pair change nothing', () => {
    const options = { ignore: ['/never/here'], tolerance: { '/nor/here': 1 }, unordered: ['/or/here'] }
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const rest = (value: unknown) => ({ value })
        expect(kinds(rest(a), rest(b), options)).toEqual(kinds(rest(a), rest(b)))
      }),
    )
  })
  it('what is ignored never shows', () => {
    fc.assert(
      fc.property(json, json, json, (a, b, c) => {
        expect(
          kinds({ rest: c, list: [{ a, c }] }, { rest: c, list: [{ a: b, c }] }, { ignore: ['/list/*/a'] }),
        ).toEqual([])
      }),
    )
  })
})

describe('hostile sizes', () => {
  it('stays quick on many differing, many colliding and deep values', () => {
    const started = performance.now()
    const wide = (n: number) => Array.from({ length: 10_000 }, (_, i) => i * n)
    compare(wide(1), wide(2))
    const alike = (c: string) =>
      Array.from({ length: 1500 }, (_, i) => `${'a'.repeat(200)}${c}${String(i).padStart(5, '0')}${'a'.repeat(200)}`)
    const found = compareOutcomes({
      legacy: { ...done(0), value: alike('x') },
      target: { ...done(0), value: alike('y') },
      options: { unordered: [''] },
    })
    expect(found.differenceCount).toBe(1500)
    const deep = (leaf: unknown) =>
      Array.from({ length: 490 }).reduce<unknown>((inner) => [inner, inner === leaf ? 1 : 2], leaf)
    expect(compare(deep(1), deep(0)).class).toBe('mismatched')
    // a fault in the algorithm took 20 s; a slow machine takes 0.5 s
    expect(performance.now() - started).toBeLessThan(4000)
  })
})

describe('groups of paths', () => {
  it.each([
    ['/result/to/3/name', '/result/to/*/name'],
    ['/effects/0/store/rows/10', '/effects/*/store/rows/*'],
    ['/result/1/2/3', '/result/*/*/*'],
    ['/result/v2/a1', '/result/v2/a1'],
    ['', ''],
  ])('%s → %s', (path, group) => expect(groupPath(path)).toBe(group))
})

describe('MCP tools', () => {
  const none: SeenServer = {
    server: 'files',
    tools: 0,
    hash: 'none',
    degraded: 'spawn-blocked',
    why: 'It stood still.',
  }
  const some = (...names: [string, string][]): SeenServer => ({
    ...{ server: 'files', tools: names.length, names, hash: JSON.stringify(names) },
  })
  const had = (legacy?: SeenServer[], target?: SeenServer[], options: CompareOptions<unknown> = {}): Comparison => {
    const with_ = (mcp?: SeenServer[]): Outcome => ({ ...done(1), ...(mcp === undefined ? {} : { mcp }) })
    return compareOutcomes({ legacy: with_(legacy), target: with_(target), options })
  }
  it.each<[string, SeenServer[] | undefined, SeenServer[] | undefined, unknown[]]>([
    ['neither asked', undefined, undefined, []],
    ['the same', [some(['a', '1'])], [some(['a', '1'])], []],
    ['the same, of two servers', [none, { ...none, server: 'b' }], [none, { ...none, server: 'b' }], []],
    [
      'none on legacy, as it is degraded',
      [none],
      [some(['a', '1'], ['b', '1'])],
      ['/mcp/files', { tools: 0, degraded: 'spawn-blocked' }, { tools: 2 }],
    ],
    ['only one asked', undefined, [some(['a', '1'])], ['/mcp/files', { tools: 0, asked: false }, { tools: 1 }]],
    [
      'one missing, one more, one with another schema',
      [some(['a', '1'], ['b', '1'])],
      [some(['b', '2'], ['c', '1'])],
      ['/mcp/files', { tools: 2, only: ['a'], otherSchema: ['b'] }, { tools: 2, only: ['c'], otherSchema: ['b'] }],
    ],
  ])('%s', (_what, legacy, target, expected) => {
    const { class: found, differences: list } = had(legacy, target)
    expect(list.map((each) => [each.path, each.kind, each.legacy, each.target])).toEqual(
      expected.length === 0 ? [] : [[expected[0], 'tools', expected[1], expected[2]]],
    )
    expect(found).toBe(expected.length === 0 ? 'matched' : 'mismatched')
  })

  it('each server has a difference of its own; many names are cut', () => {
    const many = some(...Array.from({ length: 30 }, (_, n): [string, string] => [`t${n}`, '1']))
    const { differences: list } = had([some(['x', '1']), { ...none, server: 'b' }], [many, { ...many, server: 'b' }])
    expect(list.map(({ path }) => path)).toEqual(['/mcp/b', '/mcp/files'])
    const { only = [] } = (list[1]?.target ?? {}) as { only?: string[] }
    expect([only.length, only.at(-1)]).toEqual([11, '… 20 more'])
  })

  it('can be left out, and taken out of the statistics', () => {
    const both = [[none], [some(['a', '1'])]] as const
    expect(had([...both[0]], [...both[1]], { mcp: 'ignore' }).class).toBe('matched')
    const ignoreWhen: CompareOptions['ignoreWhen'] = (a, b) => a.mcp.length === b.mcp.length && a.mcp[0]?.tools === 0
    expect(had([...both[0]], [...both[1]], { ignoreWhen }).class).toBe('ignored')
    expect(() => had([none], [none], { mcp: 'never' as 'ignore' })).toThrow(/compare\.mcp/)
  })
})
