// Names of errors are counted as far as they are names, and never without a bound.

import { expect, test } from 'vitest'
import { ErrorClasses } from '../../src/execution/error-class.ts'

test.each([
  [{ name: 'TypeError' }, 'TypeError'],
  [{ name: 'Error', code: 'ECONNREFUSED' }, 'Error:ECONNREFUSED'],
  [{ name: 'CutoverError', code: 'attempt-timeout' }, 'CutoverError:attempt-timeout'],
  [{ name: '$Own_Error2' }, '$Own_Error2'],
  [{ name: 'no such user: ann@example.org' }, 'other'],
  [{ name: 'Error', code: 'user 17 | <b>' }, 'other'],
  [{ name: '' }, 'other'],
  [{ name: `E${'x'.repeat(60)}` }, 'other'],
  [{ name: '\u202eError' }, 'other'],
])('%j is counted as %s', (error, named) => {
  expect(new ErrorClasses().of({ message: 'm', ...error })).toBe(named)
})

test('a worker names thirty classes; the rest is other', () => {
  const classes = new ErrorClasses()
  const named = Array.from({ length: 100 }, (_, n) => classes.of({ name: `Error${n}`, message: '' }))
  expect(new Set(named).size).toBe(31)
  expect(classes.of({ name: 'Error7', message: '' })).toBe('Error7')
})
