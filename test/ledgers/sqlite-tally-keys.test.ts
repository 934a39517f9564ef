import { expect, it } from 'vitest'
import { longKey, shortKey } from '../../adapters/ledgers/sqlite/tally-keys.ts'

it('a counter comes back by its short name, and any other as it is', () => {
  for (const key of ['of-key/pair.matched', 'again/dispatched.legacy', 'late/ok.target', 'excluded/adopted.legacy']) {
    expect(shortKey(key).length).toBeLessThan(4)
    expect(longKey(shortKey(key))).toBe(key)
  }
  for (const key of ['of-key/error.primary.legacy.Timeout', 'job/ok.legacy', 'excluded/00']) {
    expect(shortKey(key)).toBe(key)
    expect(longKey(key)).toBe(key)
  }
})

it('names that are stored never change', () => {
  const names = ['again/dispatched.legacy', 'of-day/ok.target', 'of-key/pair.matched', 'late/triple.out']
  expect(names.map(shortKey)).toEqual(['00', '19', '2v', '41b'])
})
