// What counts as still on target after a rollback.

import { expect, test } from 'vitest'
import { isEmpty, lookAtTarget } from '../../src/backlog/home.ts'
import type { MigrationLedger } from '../../src/ports/ledger.ts'
import type { QueueCounts } from '../../src/ports/queue.ts'

const none = { waiting: 0, delayed: 0, running: 0, failed: 0, parked: 0 }
const gauges = { waiting: { legacy: 3, target: 0 }, running: { legacy: 1, target: 0 }, moving: 0 }
const ledger = { snapshot: async () => ({ gauges }) } as unknown as MigrationLedger

test.each<[string, QueueCounts, boolean]>([
  ['nothing', none, true],
  ['failed jobs, which have ended', { ...none, failed: 4 }, true],
  [
    'jobs of other names in a queue that carries several',
    { ...none, waiting: 5, delayed: 2, running: 1, others: 8 },
    true,
  ],
  ['one of ours among them', { ...none, waiting: 6, delayed: 2, running: 1, others: 8 }, false],
  ['more of others than were counted a moment before', { ...none, waiting: 1, others: 2 }, true],
  ['a parked copy', { ...none, waiting: 1, others: 2, parked: 1 }, false],
  ['too many to look at', { ...none, waiting: 9_000 }, false],
])('target is empty: %s', async (_what, counts, empty) => {
  expect(isEmpty(await lookAtTarget({ ledger, counts: async () => counts }))).toBe(empty)
})
