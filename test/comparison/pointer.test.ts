import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createRules, formatPointer, NO_RULES, parsePointer, ruleNodeAt, step } from '../../src/comparison/pointer.ts'

it('what is formatted can be parsed', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('~', '/', '~1', ''))), (segments) => {
      expect(parsePointer(formatPointer(segments))).toEqual(segments)
    }),
  )
})

it.each(['a', 'a/b', '/a~', '/~2', '#/a'])('%s is no pointer', (text) => expect(parsePointer(text)).toBeUndefined())

it('a place is reached by its name and by *, each once', () => {
  const root = createRules<string>()
  for (const pointer of ['/to/*/a', '/to/0', '/*/0/b']) ruleNodeAt(root, parsePointer(pointer)!).value = pointer
  const at = (...segments: (string | number)[]) =>
    segments.reduce((rules, segment) => step(rules, segment), step([root], 'to')).map((node) => node.value)
  expect(at(0)).toEqual(expect.arrayContaining(['/to/0', undefined]))
  expect(at(0, 'a')).toEqual(['/to/*/a'])
  expect(at(0, 'b')).toEqual(['/*/0/b'])
  expect(at(1, 'b')).toEqual([])
  expect(step([root], '*').length).toBe(1)
  expect(step(NO_RULES, 'a')).toBe(NO_RULES)
})
