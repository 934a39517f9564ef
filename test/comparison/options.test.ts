import { describe, expect, it } from 'vitest'
import { type CompareOptions, compareRules } from '../../src/comparison/options.ts'
import { compareOutcomes } from '../../src/comparison/pair.ts'
import { CutoverError } from '../../src/vocabulary/errors.ts'
import type { Outcome } from '../../src/vocabulary/outcome.ts'

const WHERE = 'migrations.parse-email.compare'

describe('options that are wrong are refused with their path and what is allowed', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['no object', 5, '', /is not an object; allowed: ignore, tolerance/],
    ['null', null, '', /is not an object/],
    ['an unknown option', { ignored: [] }, '.ignored', /is not an option; allowed: ignore/],
    ['no list', { ignore: '/a' }, '.ignore', /is not an array/],
    ['no pointer', { ignore: ['/a', 'b.c'] }, '.ignore[1]', /"b\.c", not a JSON pointer.*perhaps "\/b\/c"/],
    ['a wrong escape', { ignore: ['/a~2'] }, '.ignore[0]', /not a JSON pointer/],
    ['no text', { unordered: [7] }, '.unordered[0]', /is 7/],
    ['everything ignored', { ignore: [''] }, '.ignore[0]', /is the whole/],
    ['a tolerance that is none', { tolerance: { '/a': '1' } }, '.tolerance["/a"]', /1e-9, or \{ relative/],
    ['a negative one', { tolerance: { '/a': { relative: -1 } } }, '.tolerance["/a"]', /not a tolerance/],
    ['NaN', { tolerance: { '/a': Number.NaN } }, '.tolerance["/a"]', /not a tolerance/],
    [
      'an unknown tolerance',
      { tolerance: { '/a': { absolute: 1 } } },
      '.tolerance["/a"].absolute',
      /allowed: relative/,
    ],
    ['a tolerance at no pointer', { tolerance: { a: 1 } }, '.tolerance["a"]', /not a JSON pointer/],
    ['no function', { equal: { '/a': true } }, '.equal["/a"]', /is not a function/],
    ['equal as a list', { equal: [] }, '.equal', /is not an object/],
    ['normalise', { normalise: 'x' }, '.normalise', /is not a function/],
    ['ignoreWhen', { ignoreWhen: true }, '.ignoreWhen', /is not a function/],
    ['redact', { redact: ['from'] }, '.redact[0]', /perhaps "\/from"/],
    ['maxDifferences', { maxDifferences: 51 }, '.maxDifferences', /from 1 to 50/],
    ['rules of an effect', { effects: { store: { ignore: ['id'] } } }, '.effects.store.ignore[0]', /"\/id"/],
    [
      'functions of an effect',
      { effects: { store: { normalise: () => 1 } } },
      '.effects.store.normalise',
      /allowed: ignore, tolerance, unordered, equal/,
    ],
  ])('%s', (_, options, path, message) => {
    try {
      compareRules(options as CompareOptions, WHERE)
    } catch (error) {
      expect(error).toBeInstanceOf(CutoverError)
      expect(error).toMatchObject({ code: 'config-invalid', details: { path: WHERE + path } })
      expect((error as Error).message).toMatch(message)
      return
    }
    throw new Error('was not refused')
  })
})

describe('options that are right', () => {
  it('are made ready once for each object', () => {
    const options: CompareOptions = { ignore: ['/a'] }
    expect(compareRules(options)).toBe(compareRules(options))
  })
  it('may be left undefined', () => {
    const options = { ignore: undefined, normalise: undefined, maxDifferences: undefined } as unknown as CompareOptions
    const outcome: Outcome = { ok: true, value: 1, effects: [], waitMs: 0, runMs: 0, attempts: 1, version: '1' }
    expect(compareOutcomes({ legacy: outcome, target: outcome, options }).class).toBe('matched')
  })
  it('are typed by the result', () => {
    interface Parsed {
      from: string
      at: Date
    }
    const options: CompareOptions<Parsed> = {
      normalise: (parsed) => ({ ...parsed, from: parsed.from.toLowerCase() }),
      ignoreWhen: (legacy, target) => legacy.ok && target.ok && legacy.result.at > target.result.at,
      compare: (legacy, target) => legacy.from === target.from,
      equal: { '/from': (a: string, b: string) => a === b },
    }
    // @ts-expect-error: there is no such field in the result
    const wrong: CompareOptions<Parsed> = { normalise: (parsed) => parsed.subject }
    // @ts-expect-error: a comparison is not awaited
    const asynchronous: CompareOptions<Parsed> = { compare: async () => true }
    const any: CompareOptions<unknown> = options
    expect([any, wrong, asynchronous]).toHaveLength(3)
  })
})
