// Calls of one tick become one call, answers go back in order, and a failing call fails nobody else's.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Grouper } from '../../src/ports/grouping.ts'

it('one call a tick, in order, split where it is too large', async () => {
  const calls: number[][] = []
  const grouper = new Grouper<number, number>(
    async (numbers) => {
      calls.push([...numbers])
      return numbers.map((n) => n * 2)
    },
    { most: 3 },
  )
  const asked = Promise.all([1, 2, 3, 4].map((n) => grouper.ask(n)))
  expect(await asked).toEqual([2, 4, 6, 8])
  expect(await grouper.ask(5)).toBe(10)
  expect(calls).toEqual([[1, 2, 3], [4], [5]])
})

it('a failing group, a throwing one and one with too few answers fail alone', async () => {
  const grouper = new Grouper<string, string>(
    (asked) => {
      if (asked.includes('throw')) throw new Error('thrown')
      if (asked.includes('reject')) return Promise.reject(new Error('rejected'))
      return Promise.resolve(asked.includes('short') ? [] : asked)
    },
    { most: 1 },
  )
  const ends = await Promise.allSettled(['a', 'throw', 'reject', 'short', 'b'].map((text) => grouper.ask(text)))
  expect(ends.map((end) => (end.status === 'fulfilled' ? end.value : (end.reason as Error).message))).toEqual([
    'a',
    'thrown',
    'rejected',
    '1 requests, 0 answers',
    'b',
  ])
})

it('settled waits for what is asked and for what is under way, failed or not', async () => {
  const grouper = new Grouper<number, number>(
    async (numbers) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (numbers.includes(13)) throw new Error('unlucky')
      return numbers
    },
    { most: 2 },
  )
  await grouper.settled()
  const seen: unknown[] = []
  for (const n of [1, 2, 13]) {
    grouper.ask(n).then(
      (answer) => seen.push(answer),
      () => seen.push('failed'),
    )
  }
  await grouper.settled()
  await Promise.resolve()
  expect(seen.sort()).toEqual([1, 2, 'failed'].sort())
})

it('whatever is asked when: everyone gets his own answer', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 7 }),
      async (pauses, most) => {
        const grouper = new Grouper<number, string>(async (numbers) => numbers.map(String), { most })
        const asked: Promise<string>[] = []
        for (const [n, pause] of pauses.entries()) {
          asked.push(grouper.ask(n))
          for (let turn = 0; turn < pause; turn++) await Promise.resolve()
        }
        expect(await Promise.all(asked)).toEqual(pauses.map((_, n) => String(n)))
      },
    ),
    { numRuns: 50 },
  )
})
