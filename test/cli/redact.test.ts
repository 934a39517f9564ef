import { describe, expect, test } from 'vitest'
import { jsonText } from '../../src/cli/json.ts'
import { penOf } from '../../src/cli/pen.ts'
import { redactDeep, redactSecrets } from '../../src/report/redact.ts'

describe('redactSecrets', () => {
  test.each([
    ['redis://:hunter2@host:6379/0', 'redis://***@host:6379/0'],
    ['rediss://user:p@ss@host', 'rediss://***@host'],
    ['postgres+ssl://u:p%40@h/db and redis://x:y@z', 'postgres+ssl://***@h/db and redis://***@z'],
    ['token-only https://ghp_abc@github.com/x', 'token-only https://***@github.com/x'],
    ['https://u.example/api?token=abc&x=1', 'https://u.example/api?token=***&x=1'],
    ['https://u.example/?a=1&password=abc', 'https://u.example/?a=1&password=***'],
    ['https://example.org/@kim', 'https://example.org/@kim'],
    ['kim@example.org', 'kim@example.org'],
    ['["https://a.example","kim@b.example"]', '["https://a.example","kim@b.example"]'],
  ])('%s', (text, expected) => {
    expect(redactSecrets(text)).toBe(expected)
  })

  test('goes through values and names', () => {
    expect(redactDeep({ 'redis://a:b@c': ['redis://a:b@c', 1, null] })).toEqual({
      'redis://***@c': ['redis://***@c', 1, null],
    })
  })
})

describe('jsonText', () => {
  test('escapes what acts on a terminal and stays the same data', () => {
    const value = { a: '\u001b[31mred\u202e', b: 'line\nline', c: undefined }
    const text = jsonText(value)
    expect(text).not.toContain('\u001b')
    expect(JSON.parse(text)).toEqual({ a: value.a, b: value.b })
  })
})

describe('colours', () => {
  const io = { stdout: { write: () => {} }, stderr: { write: () => {} }, cwd: '/' }
  test.each([
    ['a terminal', { env: {}, isTTY: true }, {}, true],
    ['no terminal', { env: {}, isTTY: false }, {}, false],
    ['NO_COLOR', { env: { NO_COLOR: '1' }, isTTY: true }, {}, false],
    ['an empty NO_COLOR', { env: { NO_COLOR: '' }, isTTY: true }, {}, true],
    ['--no-color', { env: { FORCE_COLOR: '1' }, isTTY: true }, { color: false }, false],
    ['FORCE_COLOR', { env: { FORCE_COLOR: '1' }, isTTY: false }, {}, true],
    ['NO_COLOR against FORCE_COLOR', { env: { FORCE_COLOR: '1', NO_COLOR: '1' }, isTTY: true }, {}, false],
    ['a dumb terminal', { env: { TERM: 'dumb' }, isTTY: true }, {}, false],
  ])('%s', (_name, given, options, colours) => {
    const pen = penOf({ ...io, ...given }, options)
    expect(pen.colours).toBe(colours)
    expect(pen.style('red', 'x') === 'x').toBe(!colours)
  })
})
