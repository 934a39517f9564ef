// When an Unleash server is asked next.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pauseMs } from '../../adapters/flags/unleash/pace.ts'

const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const pollMs = fc.integer({ min: 100, max: 3_600_000 })

describe('while all is well', () => {
  const calm = { failures: 0, retryAfterMs: 0 }

  test('what the server shows is here within the poll, answers of up to a quarter of it included', () => {
    fc.assert(
      fc.property(pollMs, random, fc.double({ min: 0, max: 0.25, noNaN: true }), (poll, chance, part) => {
        const tookMs = poll * part
        // changed just after it was asked, seen with the next answer
        const late = tookMs + pauseMs({ ...calm, pollMs: poll, tookMs, random: chance }) + tookMs
        expect(late).toBeLessThanOrEqual(poll * 1.000001)
      }),
    )
  })

  test('a slow server is left alone for half a poll', () => {
    fc.assert(
      fc.property(pollMs, random, fc.double({ min: 0, max: 50, noNaN: true }), (poll, chance, part) => {
        expect(pauseMs({ ...calm, pollMs: poll, tookMs: poll * part, random: chance })).toBeGreaterThanOrEqual(poll / 2)
      }),
    )
  })

  test('processes that start together drift apart', () => {
    const pauses = [0, 0.5, 0.999].map((chance) => pauseMs({ ...calm, pollMs: 1000, tookMs: 10, random: chance }))
    expect(pauses.map(Math.round)).toEqual([740, 790, 840])
  })
})

describe('after failures', () => {
  const pause = (failures: number, chance: number, poll = 500, retryAfterMs = 0): number =>
    pauseMs({ pollMs: poll, tookMs: 3, failures, retryAfterMs, random: chance })

  test.each([
    [1, 500],
    [2, 1000],
    [3, 2000],
    [5, 8000],
    [6, 15_000],
    [1000, 15_000],
  ])('%i in a row: about %i ms', (failures, about) => {
    const pauses = [0, 0.5, 1].map((chance) => Math.round(pause(failures, chance)))
    expect(pauses).toEqual([0.8 * about, about, 1.2 * about])
  })

  test('never less than the server asks for, nor more often than without failures', () => {
    expect(pause(1, 0, 500, 60_000)).toBe(60_000)
    expect(pause(9, 0.5, 60_000)).toBe(60_000)
  })
})
