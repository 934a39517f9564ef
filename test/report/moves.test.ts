// Moves are told as the audit log has them, whatever its form; a side is drained only if nothing was sent there since.

import { describe, expect, test } from 'vitest'
import { drainWindowMs, printOf } from '../../src/backlog/drain.ts'
import { buildReport, type LedgerSnapshot } from '../../src/report/build.ts'
import type { MigrationReport } from '../../src/report/model.ts'
import { textReport } from '../../src/report/text.ts'
import { full } from '../support/report-full.ts'
import { auditEntry, bucket, ledgerSnapshot, NO_GAUGES, START } from '../support/snapshots.ts'

function reportOf(snapshot: LedgerSnapshot): MigrationReport {
  const [migration] = buildReport({ ledgerSnapshots: [snapshot], at: START }).migrations
  if (migration === undefined) throw new Error('no migration')
  return migration
}

describe('moves', () => {
  test('as the mover wrote them', () => {
    const data = { from: 'target', to: 'legacy', moved: 12, stale: 1, pending: 0, left: { started: 3 }, complete: true }
    const { moves } = reportOf(ledgerSnapshot({ audit: [auditEntry({ action: 'move', why: 'back', data })] }))
    expect(moves).toEqual([
      {
        ...{ at: '2026-11-22T14:00:00.000Z', by: 'ann@host', why: 'back', from: 'target', to: 'legacy', moved: 12 },
        ...{ stale: 1, pending: 0, left: [{ reason: 'started', jobs: 3 }], complete: true },
      },
    ])
  })

  test.each([null, 'text', [1], { moved: 'many', from: 'elsewhere', left: 7 }, { moved: -1, left: { a: 0.5 } }])(
    'of another form are told without numbers: %j',
    (data) => {
      const { moves } = reportOf(ledgerSnapshot({ audit: [auditEntry({ action: 'move', data })] }))
      expect(moves[0]).toMatchObject({ moved: 0, stale: 0, from: null, to: null, complete: false })
    },
  )
})

describe('drain', () => {
  const buckets = [bucket({ 'job/dispatched.legacy': 3, 'job/route.legacy': 3, 'job/ok.legacy': 3 })]
  const { settings } = full()
  if (settings === undefined) throw new Error('no settings')
  const seen = (since: number, more: Partial<LedgerSnapshot> = {}, gauges = NO_GAUGES): MigrationReport['drain'] => {
    const base = ledgerSnapshot({ snapshot: { buckets, gauges } })
    const quiet = { legacy: { since, print: printOf(base.snapshot, 'legacy') } }
    return reportOf({ ...base, settings, quiet, ...more }).drain
  }
  const now = ledgerSnapshot().snapshot.now
  const windowMs = drainWindowMs(settings)

  test('seen empty for the whole window: drained', () => {
    expect(seen(now - windowMs).legacy).toMatchObject({ unfinished: 0, windowMs, drained: true })
    expect(seen(now - windowMs + 1).legacy.drained).toBe(false)
    expect(seen(now - windowMs).target).toMatchObject({ emptySince: null, drained: false })
  })

  test('something was sent there since: not any more', () => {
    const quiet = { legacy: { since: now - windowMs, print: '2 sent, 0 moved in' } }
    expect(seen(0, { quiet }).legacy).toMatchObject({ emptySince: null, drained: false })
  })

  test('a row is unfinished: not drained', () => {
    const gauges = { ...NO_GAUGES, moving: 1 }
    expect(seen(now - windowMs, {}, gauges).legacy).toMatchObject({ unfinished: 1, drained: false })
  })

  test('without the configuration it is not known', () => {
    const quiet = { legacy: { since: 0, print: '0 sent, 0 moved in' } }
    const report = reportOf({ ...ledgerSnapshot(), quiet })
    expect(report.drain.legacy).toMatchObject({ windowMs: null, drained: null })
    expect(report.drain.legacy.emptySince).not.toBeNull()
  })
})

test('the text tells both, where somebody looked or moved', () => {
  const text = textReport(buildReport({ ledgerSnapshots: [full()], at: START }))
  expect(text).toMatch(/Moves .*\n2026-11-22 14:12:00 UTC {2}target {2}legacy +40 {2}2 started/)
  expect(text).toMatch(/legacy side +\d+ {2}–/)
  expect(textReport(buildReport({ ledgerSnapshots: [ledgerSnapshot()], at: START }))).not.toContain('Drained')
})
