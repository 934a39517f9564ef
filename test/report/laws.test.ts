// Whatever happens to rows under the real rules, the report finds no contradiction; one wrong counter, and it finds one.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CountKey } from '../../src/ports/ledger.ts'
import { buildReport, type LedgerSnapshot } from '../../src/report/build.ts'
import type { MigrationReport } from '../../src/report/model.ts'
import { ROUTES } from '../../src/vocabulary/job.ts'
import { FAILED, OK, RowsInMemory } from '../support/snapshots.ts'

const id = fc.integer({ min: 0, max: 5 }).map((n) => `job-${n}`)
const token = fc.constantFrom('a', 'b')
const which = fc.constantFrom('pair' as const, 'control' as const)
const outcome = fc.constantFrom(OK, FAILED)

type Step = (rows: RowsInMemory) => void

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({
        id,
        route: fc.constantFrom(...ROUTES),
        control: fc.boolean(),
        first: fc.boolean(),
        reason: fc.constantFrom('flag' as const, 'flag-stale' as const),
        epoch: fc.integer({ min: 1, max: 2 }),
      })
      .map(
        ({ first, ...request }): Step =>
          (rows) =>
            rows.pin(request, first),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(id, fc.constantFrom('legacy' as const, 'target' as const)).map(
      ([job, side]): Step =>
        (rows) =>
          rows.adopt(job, side),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(id, token).map(
      ([job, by]): Step =>
        (rows) =>
          rows.claim(job, by),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(id, token).map(
      ([job, by]): Step =>
        (rows) =>
          rows.begin(job, by),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(id, fc.constantFrom('primary' as const, 'shadow' as const, 'control' as const), outcome, token)
      .map(
        ([job, arm, end, by]): Step =>
          (rows) =>
            rows.finish(job, arm, end, by),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(id, which, fc.constantFrom('matched' as const, 'mismatched' as const, 'ignored' as const)).map(
      ([job, of, cls]): Step =>
        (rows) =>
          rows.compare(job, of, cls),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(id, which).map(
      ([job, of]): Step =>
        (rows) =>
          rows.shed(job, of),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(id, which).map(
      ([job, of]): Step =>
        (rows) =>
          rows.orphan(job, of),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(id, fc.constantFrom('cancel' as const, 'unpin' as const, 'closeFailed' as const, 'markLost' as const))
      .map(
        ([job, what]): Step =>
          (rows) =>
            rows[what](job),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(1, 6000, 100_000).map(
      (ms): Step =>
        (rows) => {
          rows.now += ms
        },
    ),
  },
)

function reportOf(snapshot: LedgerSnapshot): MigrationReport {
  const [migration] = buildReport({ ledgerSnapshots: [snapshot], at: 0 }).migrations
  if (migration === undefined) throw new Error('no migration')
  return migration
}

function history(steps: readonly Step[]): LedgerSnapshot {
  const rows = new RowsInMemory()
  for (const next of steps) next(rows)
  return rows.snapshot()
}

test('no history of the row rules contradicts the laws', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const report = reportOf(history(steps))
      expect(report.contradictions).toEqual([])
      const { jobs, sides, comparisons } = report
      expect(sides.legacy.done + sides.target.done).toBe(jobs.done)
      expect(comparisons.interval.lower).toBeLessThanOrEqual(comparisons.interval.upper)
    }),
    { numRuns: 1000 },
  )
})

// The counters that a sum law ties down: one more or one less of any of them is found.
const TIED = [
  ...['dispatched.legacy', 'ok.target', 'failed.legacy', 'backend-failed.target', 'cancelled.legacy', 'refused.target'],
  ...['shadow.wanted.target', 'shadow.shed.target', 'pair.matched', 'pair.mismatched', 'pair.ignored', 'route.legacy'],
  ...['pair.orphaned.legacy', 'control.wanted', 'control.shed', 'control.matched', 'control.orphaned.legacy'],
]

test('one wrong counter is a contradiction', () => {
  const wrong = fc.record({
    steps: fc.array(step, { maxLength: 30 }),
    measure: fc.constantFrom(...TIED),
    family: fc.constantFrom('job', 'excluded', 'late'),
    by: fc.constantFrom(-1, 1, Number.NaN, 0.5),
  })
  fc.assert(
    fc.property(wrong, ({ steps, measure, family, by }) => {
      const snapshot = history(steps)
      const counts = { [`${family}/${measure}` as CountKey]: by }
      const bucket = { epoch: 1, start: 0, widthMs: 1, counts }
      const buckets = [...snapshot.snapshot.buckets, bucket]
      const report = reportOf({ ...snapshot, snapshot: { ...snapshot.snapshot, buckets } })
      expect(report.contradictions.length).toBeGreaterThan(0)
      expect(report.verdict.level).toBe('broken')
    }),
    { numRuns: 500 },
  )
})

const GAUGES = ['moving', 'pairsOpen', 'controlsOpen', 'overdue'] as const

test('one wrong gauge is a contradiction', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom(...GAUGES), (steps, gauge) => {
      const snapshot = history(steps)
      const gauges = { ...snapshot.snapshot.gauges, [gauge]: snapshot.snapshot.gauges[gauge] + 100 }
      expect(reportOf({ ...snapshot, snapshot: { ...snapshot.snapshot, gauges } }).contradictions).not.toEqual([])
    }),
  )
})
