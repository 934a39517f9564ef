// What happened without the ledger is told to it, each thing once and none forgotten.

import { expect, it } from 'vitest'
import type { JobRow, MigrationLedger, NoteRequest } from '../../src/ports/ledger.ts'
import { LateNotes } from '../../src/routing/late-notes.ts'

const note = (id: string): NoteRequest => ({
  ...{ id, epoch: 1, dueAt: 0, reason: 'ledger-unavailable', maxAttempts: 1, group: 0, producer: 'p' },
})

function notesOver(parts: Partial<MigrationLedger>): LateNotes {
  const ledger = { unpin: async () => {}, note: async () => {}, bump: async () => {}, ...parts } as MigrationLedger
  return new LateNotes({ ledger: async () => ledger, reachable: () => true, pinsSettled: async () => {} })
}

it('what is added while others are told is told, too', async () => {
  const told: string[] = []
  const notes: LateNotes = notesOver({
    note: async (requests) => {
      told.push(...requests.map(({ id }) => id))
      if (told.length === 2) notes.note(note('late'))
    },
  })
  notes.note(note('a'))
  notes.note(note('b'))
  await notes.flush()
  expect(told).toEqual(['a', 'b', 'late'])
  expect(await notes.close(100)).toBe(0)
})

it('a job whose row stands on target is sent there; one whose row stands on legacy is not', async () => {
  const rows: Record<string, Partial<JobRow>> = {
    t: { state: 'open', side: 'target', gen: 0, starts: 0 },
    l: { state: 'open', side: 'legacy', gen: 0, starts: 0 },
  }
  const sent: string[] = []
  const notes = notesOver({ row: async (id) => rows[id] as JobRow })
  for (const id of ['t', 'l']) {
    notes.note(note(id), async () => {
      sent.push(id)
    })
  }
  await notes.flush()
  expect(sent).toEqual(['t'])
})

it('says at the close what could not be told', async () => {
  const notes = notesOver({ note: async () => Promise.reject(new Error('away')) })
  notes.note(note('a'))
  expect(await notes.close(100)).toBe(1)
})

it('a job that could not be sent to target is tried again', async () => {
  let fails = 1
  const sent: string[] = []
  const row = { state: 'open', side: 'target', gen: 0, starts: 0 } as JobRow
  const notes = notesOver({ row: async () => row })
  notes.note(note('t'), async () => {
    fails -= 1
    if (fails >= 0) throw new Error('away again')
    sent.push('t')
  })
  await notes.flush()
  expect(sent).toEqual([])
  expect(await notes.close(100)).toBe(0)
  expect(sent).toEqual(['t'])
})
