// An operator whose job changes between the look and the word: refused, and the audit log says both.

import { expect, test } from 'vitest'
import type { Mover } from '../../src/backlog/move.ts'
import { Operator, type OperatorOptions } from '../../src/backlog/operate.ts'
import type { AuditEntry, JobRow, MoveAnswer, RowStamp } from '../../src/ports/ledger.ts'
import { emptyRow } from '../../src/ports/row-rules.ts'
import { makeEnvelope } from '../../src/vocabulary/envelope.ts'

const stamp: RowStamp = {
  ...{ route: 'legacy', reason: 'flag', epoch: 1, dueAt: 0, firstOfKey: true, firstOfDay: true, group: 0 },
  ...{ fenced: true, adopted: false },
}
const row: JobRow = { ...emptyRow('a', 'legacy', stamp, 3, 0), state: 'running', effectsBegun: true }

function operator(answer: MoveAnswer, discarded: string, log: Pick<AuditEntry, 'action' | 'data'>[]): Operator {
  const envelope = { v: 1, id: 'a', route: 'legacy', arm: 'primary', epoch: 1, gen: 0, due: 0, fenced: true } as const
  const copy = {
    ...{
      backendId: 'c-a_0',
      place: 'running',
      data: makeEnvelope({}, envelope),
      runAt: 0,
      attempts: 3,
      attemptsMade: 0,
    },
    neverStarted: false,
  }
  const ledger = {
    row: async () => row,
    control: async () => ({ now: 10, latch: { set: false }, epoch: { epoch: 1 } }),
    audit: async ({ action, data }: AuditEntry) => void log.push({ action, data }),
    discard: async () => discarded,
  }
  const queue = { read: async () => copy, refusal: () => undefined }
  const mover = { hasWorkers: async () => true, one: async () => answer } as unknown as Mover
  const options = { settings: { name: 'mail' }, ledger: async () => ledger, queue: async () => queue, mover }
  return new Operator(options as unknown as OperatorOptions)
}

test('a worker was quicker than force', async () => {
  const log: Pick<AuditEntry, 'action' | 'data'>[] = []
  const asked = operator({ status: 'refused', why: 'busy' }, '', log).run({
    operation: 'force',
    id: 'a',
    by: 'kim',
    why: 'x',
  })
  await expect(asked).rejects.toMatchObject({
    code: 'job-state',
    message: expect.stringMatching(/force is refused: it has changed meanwhile: a worker is running it/),
  })
  expect(log.map(({ action }) => action)).toEqual(['force', 'force-refused'])
})

test('it ended before discard', async () => {
  const log: Pick<AuditEntry, 'action' | 'data'>[] = []
  const asked = operator({ status: 'refused', why: 'busy' }, 'finished', log)
  await expect(asked.run({ operation: 'discard', id: 'a', by: 'kim', why: 'x' })).rejects.toMatchObject({
    code: 'job-state',
  })
  expect(log.map(({ action }) => action)).toEqual(['discard', 'discard-refused'])
})

test('one that was committed and has not arrived is told as pending', async () => {
  const moving = { status: 'moving', gen: 1, fails: 0, maxAttempts: 3, stamp, pending: true } as const
  const done = await operator(moving, '', []).run({ operation: 'force', id: 'a', by: 'kim', why: 'x' })
  expect(done).toMatchObject({ was: 'in-doubt', generation: 1, pending: true })
})
