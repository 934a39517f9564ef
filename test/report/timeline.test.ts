// The time line: nothing is lost in it, nothing is invented in gaps, and the evidence ends at the interval itself.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildReport } from '../../src/report/build.ts'
import type { MigrationReport } from '../../src/report/model.ts'
import { BUSY, huge } from '../support/report-cases.ts'
import { bucket, ledgerSnapshot, START } from '../support/snapshots.ts'

function reportOf(snapshot: Parameters<typeof buildReport>[0]['ledgerSnapshots'][number]): MigrationReport {
  const [migration] = buildReport({ ledgerSnapshots: [snapshot], at: START }).migrations
  if (migration === undefined) throw new Error('no migration')
  return migration
}

const HOUR = 3_600_000
const buckets = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 5_000 }),
    widthMs: fc.constantFrom(10_000, HOUR, 24 * HOUR),
    n: fc.integer({ min: 0, max: 1000 }),
    family: fc.constantFrom('job', 'excluded', 'late'),
  }),
  { minLength: 1, maxLength: 300 },
)

test('every count is in it once, and points do not overlap but for what was rolled up', () => {
  fc.assert(
    fc.property(buckets, (made) => {
      const all = made.map(({ at, widthMs, n, family }) =>
        bucket(
          { [`${family}/dispatched.legacy`]: n, [`${family}/route.legacy`]: n, [`${family}/ok.legacy`]: n },
          { start: START + Math.floor((at * 10_000) / widthMs) * widthMs, widthMs },
        ),
      )
      const { timeline, jobs } = reportOf(ledgerSnapshot({ snapshot: { buckets: all } }))
      expect(timeline.reduce((sum, { sides }) => sum + sides.legacy.enqueued, 0)).toBe(jobs.enqueued)
      expect(timeline.reduce((sum, { sides }) => sum + sides.legacy.done, 0)).toBe(jobs.done)
      expect(timeline.length).toBeLessThanOrEqual(2 * 121)
      const starts = timeline.map(({ at }) => Date.parse(at))
      expect(starts).toEqual(starts.toSorted((a, b) => a - b))
      expect(new Set(starts).size).toBe(starts.length)
    }),
    { numRuns: 200 },
  )
})

test('a stretch in which nothing was due is one point of zeros', () => {
  const counts = { 'job/dispatched.legacy': 5 }
  const { timeline } = reportOf(
    ledgerSnapshot({ snapshot: { buckets: [bucket(counts), bucket(counts, { start: START + 50_000 })] } }),
  )
  expect(timeline.map(({ at, widthMs, sides }) => [Date.parse(at) - START, widthMs, sides.legacy.enqueued])).toEqual([
    [0, 10_000, 5],
    [10_000, 40_000, 0],
    [50_000, 10_000, 5],
  ])
  expect(timeline[0]?.sides.legacy.backlog).toBeNull()
})

test('the backlog is the mean over the looks', () => {
  const { timeline } = reportOf(
    ledgerSnapshot({
      snapshot: {
        buckets: [
          bucket({
            ...{ 'excluded/backlog.looks': 4, 'excluded/backlog.seen.legacy': 10 },
            ...{ 'excluded/backlog.oldest.legacy': 2000 },
          }),
        ],
      },
    }),
  )
  expect(timeline[0]?.sides.legacy).toMatchObject({ backlog: 2.5, oldestMs: 500, enqueued: 0 })
  expect(timeline[0]?.sides.target).toMatchObject({ backlog: 0, oldestMs: 0 })
})

test('the evidence grows, and its last point is the interval', () => {
  for (const snapshot of [BUSY, huge()]) {
    const { evidence, comparisons } = reportOf(snapshot)
    const { units, mismatched, lower, upper } = comparisons.interval
    expect(evidence.at(-1)).toMatchObject({ units, mismatched, lower, upper })
    expect(evidence.length).toBeLessThanOrEqual(25)
    const seen = evidence.map((point) => point.units)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  }
})

test('nothing counted: nothing told', () => {
  expect(reportOf(ledgerSnapshot())).toMatchObject({ timeline: [], evidence: [] })
})
