// What a process tells of its doubts: since when, and how often.

import { expect, test } from 'vitest'
import { DoubtLog } from '../../src/ports/doubt-log.ts'
import type { FlagFinding } from '../../src/ports/flags.ts'

const finding = (id: string): FlagFinding => ({ id, status: 'bad', text: id, advice: id })

test('a doubt is told with the first heartbeat in a row that had it', () => {
  const log = new DoubtLog()
  expect(log.told([], 1)).toEqual({ flagDoubts: [] })
  expect(log.told([finding('unreachable')], 2)).toEqual({ flagDoubts: [{ id: 'unreachable', since: 2 }] })
  const both = [
    { id: 'stale', since: 3 },
    { id: 'unreachable', since: 2 },
  ]
  expect(log.told([finding('stale'), finding('unreachable')], 3).flagDoubts).toEqual(both)
  expect(log.told([finding('stale'), finding('unreachable')], 4).flagDoubts).toEqual(both)
  expect(log.told([], 5)).toEqual({ flagDoubts: [] })
  expect(log.told([finding('stale')], 6)).toEqual({ flagDoubts: [{ id: 'stale', since: 6 }] })
})

test('empty keys are counted from the start; none are not told', () => {
  const log = new DoubtLog()
  log.sawEmptyKey(10)
  log.sawEmptyKey(12)
  expect(log.told([], 20)).toEqual({ flagDoubts: [], emptyKeys: { times: 2, last: 12 } })
  expect(log.told([], 30).emptyKeys).toEqual({ times: 2, last: 12 })
})
