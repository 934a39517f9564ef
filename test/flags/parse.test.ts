// What a flag file may say, and what is said of one that is wrong.

import { describe, expect, it } from 'vitest'
import { flagFileError, parseFlagFile } from '../../adapters/flags/file/parse.ts'

async function values(text: string): Promise<unknown> {
  const file = await parseFlagFile(text)
  expect(file.problems).toEqual([])
  return Object.fromEntries(file.values)
}

async function problems(text: string): Promise<string> {
  const file = await parseFlagFile(text)
  return flagFileError('flags.yaml', file.problems).message
}

describe('a good file', () => {
  it.each<[string, string, unknown]>([
    ['dials', 'parse-email: { target: 25%, shadow: 100% }', { kind: 'dials', target: 0.25, shadow: 1 }],
    ['dials in lines', 'parse-email:\n  target: 0.1%\n  shadow: 0%\n', { kind: 'dials', target: 0.001, shadow: 0 }],
    ['a missing dial is 0 %', 'parse-email: { shadow: 10% }', { kind: 'dials', target: 0, shadow: 0.1 }],
    [
      'JSON',
      '{\n\t"parse-email": { "target": "25%", "shadow": "5%" }\n}',
      { kind: 'dials', target: 0.25, shadow: 0.05 },
    ],
    ['legacy', 'parse-email: legacy', { kind: 'dials', target: 0, shadow: 0 }],
    ['legacy-shadowed', 'parse-email: legacy-shadowed', { kind: 'dials', target: 0, shadow: 1 }],
    ['target', 'parse-email: target', { kind: 'dials', target: 1, shadow: 0 }],
    ['target-shadowed', 'parse-email: "target-shadowed"', { kind: 'dials', target: 1, shadow: 1 }],
    ['off', 'parse-email: off', { kind: 'off' }],
    ['on', 'parse-email: on', { kind: 'boolean', on: true }],
    ['true', 'parse-email: true', { kind: 'boolean', on: true }],
    ['false', '{"parse-email": false}', { kind: 'boolean', on: false }],
    ['an alias', 'base: &b { target: 5% }\nparse-email: *b', { kind: 'dials', target: 0.05, shadow: 0 }],
  ])('%s', async (_name, text, expected) => {
    expect(await values(text)).toMatchObject({ 'parse-email': expected })
  })

  it('may have no flags, comments, and any names', async () => {
    expect(await values('{}')).toEqual({})
    expect(await values('# note\n"a b/ü": off # why\n__proto__: off\n"1": off\n')).toMatchObject({
      'a b/ü': {},
      '1': {},
    })
  })
})

describe('a broken file', () => {
  it.each<[string, string, RegExp]>([
    ['empty', '', /^flags.yaml: the file is empty; write {} for no flags/],
    ['only comments', '# nothing\n', /the file is empty/],
    ['a list', '- parse-email', /^flags.yaml:1: the file must be a map of flags, e.g. parse-email: {/],
    ['a text', 'hello', /must be a map/],
    ['half a file', 'parse-email: { target: 25%,', /^flags.yaml:1: /],
    ['a name twice', 'a: off\na: legacy\n', /^flags.yaml:2: Map keys must be unique/],
    ['two documents', 'a: off\n---\nb: off\n', /multiple documents/],
    ['a tag', 'a: !secret x\n', /^flags.yaml:1: Unresolved tag/],
    [
      'unknown value',
      'a: off\nb: tagret\n',
      /^flags.yaml:2: b: "tagret" is not a flag's value; write { target: 25%.* one of legacy, legacy-shadowed, target, target-shadowed, or off/,
    ],
    ['a number', 'b: 25\n', /^flags.yaml:1: b: 25 is not a flag's value/],
    ['nothing', 'a: off\nb:\n', /^flags.yaml:2: b: null is not a flag's value/],
    ['a list as value', 'b: [target]\n', /b: \["target"\] is not a flag's value/],
    ['no sign', 'b:\n  target: 25\n', /^flags.yaml:2: b.target: 25 is not a share; write 0% to 100% with the sign/],
    ['a fraction', 'b: { target: 0.25 }', /b.target: 0.25 is not a share/],
    ['over 100 %', 'b: { target: 101% }', /b.target: "101%" is not a share; write 0% to 100%/],
    [
      'too fine',
      'b:\n  target: 5%\n  shadow: 0.05%\n',
      /^flags.yaml:3: b.shadow: "0.05%" is too fine; the steps are 0.1%/,
    ],
    ['unknown dial', 'b: { traget: 5% }', /b.traget: not a dial; allowed are target and shadow/],
    ['control', 'b: { target: 5%, control: 10% }', /b.control: kept in the ledger.*cutover flag set b --control/],
    ['no dials', 'b: {}', /b: no dials; write { target: 25%/],
    ['a number as name', '1: off', /1: a flag's name must be a text; put it in quotes/],
    ['constructor', 'b: constructor', /"constructor" is not a flag's value/],
  ])('%s', async (_name, text, expected) => {
    expect(await problems(text)).toMatch(expected)
  })

  it('names every problem, to a bound, and keeps the values of the other flags apart', async () => {
    const file = await parseFlagFile(['ok: off', ...[...'abcdefg'].map((name) => `${name}: x`)].join('\n'))
    expect([...file.values.keys()]).toEqual(['ok'])
    const error = flagFileError('f', file.problems)
    expect(error).toMatchObject({ code: 'flag-invalid', details: { path: 'f', line: 2 } })
    expect(error.message.split('\n')).toHaveLength(6)
    expect(error.message).toMatch(/… and 2 more$/)
  })

  it('does not print a long wrong value whole', async () => {
    expect((await problems(`b: ${'x'.repeat(5000)}`)).length).toBeLessThan(400)
  })
})
