import { describe, expect, test } from 'vitest'
import { buildReport, type LedgerSnapshot } from '../../src/report/build.ts'
import type { MigrationReport } from '../../src/report/model.ts'
import { bounds } from '../../src/rollout/evidence.ts'
import { BUSY, CLEAN, EMPTY, huge } from '../support/report-cases.ts'
import {
  bucket,
  controlState,
  epochRecord,
  histogram,
  ledgerSnapshot,
  NO_GAUGES,
  presence,
  START,
} from '../support/snapshots.ts'

const AT = START + 3_600_000

function reportOf(snapshot: LedgerSnapshot): MigrationReport {
  const [migration] = buildReport({ ledgerSnapshots: [snapshot], at: AT }).migrations
  if (migration === undefined) throw new Error('no migration')
  return migration
}

const codes = (report: MigrationReport): string[] => report.verdict.findings.map(({ code }) => code)

describe('numbers', () => {
  const busy = reportOf(BUSY)

  test('sum the families job, excluded and late, never key', () => {
    expect(busy.jobs).toMatchObject({ enqueued: 12_415, done: 12_387, failed: 6, backendFailed: 1, refused: 2 })
    expect(busy.jobs).toMatchObject({ cancelled: 4, waiting: 12, running: 4, inDoubt: 1, overdue: 2, late: 1 })
    expect(busy.jobs).toMatchObject({ adopted: 12, unrecorded: 5, retried: 17, zombie: 1, lost: 0, twice: 0 })
    expect(busy.contradictions).toEqual([])
  })

  test('stand per side and per route', () => {
    expect(busy.sides.legacy).toMatchObject({ enqueued: 9312, done: 9302, failed: 4, backlog: 6, workers: 1 })
    expect(busy.sides.target).toMatchObject({ enqueued: 3103, done: 3085, failed: 2, backlog: 10, workers: 1 })
    expect(busy.sides.target.shadows).toEqual({ wanted: 3100, shed: 10, done: 3080, failed: 5 })
    expect(busy.sides.target).toMatchObject({ shadowWorkers: 1, versions: ['2'] })
    expect(busy.routes['legacy-shadowed']).toEqual({ enqueued: 3100, share: 3100 / 12_415 })
  })

  test('of comparisons, with the interval over first jobs of keys', () => {
    expect(busy.comparisons).toMatchObject({ shadowed: 3100, matched: 2510, mismatched: 565, ignored: 10 })
    expect(busy.comparisons).toMatchObject({ orphaned: 2, shed: 10, open: 3, late: 1, compared: 3075 })
    expect(busy.comparisons.share).toBeCloseTo(565 / 3075, 12)
    expect(busy.comparisons.orphanedOn).toEqual({ legacy: 0, target: 2 })
    expect(busy.comparisons.errors).toEqual({ both: 0, targetOnly: 4, legacyOnly: 0 })
    expect(busy.comparisons.interval).toEqual({
      ...bounds(640, 130, 0.025),
      ...{ level: 0.95, alphaEachSide: 0.025, unit: 'key', units: 640, mismatched: 130, share: 130 / 640 },
    })
  })

  test('of noise, beside the differences they explain', () => {
    expect(busy.noise).toMatchObject({ wanted: 310, matched: 309, mismatched: 1, compared: 310 })
    expect(busy.noise.interval).toMatchObject({ unit: 'key', units: 60, mismatched: 0, lower: 0 })
    const date = busy.differences.find(({ path }) => path === '/result/date')
    expect(date?.noise).toEqual({ count: 1, share: 1 / 310 })
  })

  test('of differences: summed over epochs, latest example, most frequent first, gathered ones last', () => {
    expect(busy.differences.map(({ path, count }) => [path, count])).toEqual([
      ['/result/text', 412],
      ['/result/name', 98],
      ['/result/date', 62],
      ['…', 500],
    ])
    expect(busy.differences[2]?.example).toEqual({ id: 'mail-18', legacy: '2026-03-01T10:00:00.000Z', target: null })
    expect(busy.differences[1]?.example).not.toHaveProperty('target')
  })

  test('of latency: quantiles over all epochs', () => {
    const two = reportOf(
      ledgerSnapshot({
        snapshot: { histograms: [histogram('wait.legacy', { 900: 1 }), histogram('wait.legacy', { 1000: 3 }, 2)] },
      }),
    )
    expect(two.latency.legacy.wait.n).toBe(4)
    expect(two.latency.legacy.wait.p50).toBeCloseTo(1.1 ** 5, 9)
    expect(two.latency.target.wait).toEqual({ n: 0, p50: null, p95: null, p99: null })
  })

  test('of epochs, each with its own jobs', () => {
    expect(busy.epochs.map(({ epoch, enqueued, compared }) => [epoch, enqueued, compared])).toEqual([
      [1, 9300, 3075],
      [2, 3115, 0],
    ])
    expect(busy.since).toBe('2026-11-22T14:00:00.000Z')
    expect(busy.recent.mismatches.map(({ id }) => id)).toEqual(['job-2', 'job-1'])
  })
})

test('the interval falls back on counted pairs where no first job of a key was counted', () => {
  const { comparisons } = reportOf(
    ledgerSnapshot({
      snapshot: { buckets: [bucket({ 'job/pair.matched': 9, 'job/pair.mismatched': 1, 'late/pair.matched': 5 })] },
    }),
  )
  expect(comparisons.interval).toMatchObject({ unit: 'job', units: 10, mismatched: 1 })
  expect(comparisons.compared).toBe(15)
})

test('since is the first bucket where no epoch was opened', () => {
  const epoch = epochRecord({ epoch: 0, startedAt: 0 })
  const buckets = [bucket({ 'job/dispatched.legacy': 1 }, { epoch: 0, start: START + 20_000 })]
  expect(reportOf(ledgerSnapshot({ snapshot: { control: controlState({ epoch }), buckets } })).since).toBe(
    '2026-11-22T14:00:20.000Z',
  )
  expect(reportOf(ledgerSnapshot({ snapshot: { control: controlState({ epoch }) } })).since).toBeNull()
})

describe('verdict', () => {
  test.each([
    ['empty', EMPTY, 'ok', 'no jobs yet'],
    ['clean', CLEAN, 'ok', '1,200 jobs, none lost, none done twice; none of 1,200 compared pairs differ'],
    [
      'busy',
      BUSY,
      'look',
      '12,415 jobs, none lost, none done twice, 6 failed, 2 overdue, 16 not finished; 18.4 % of 3,075 compared pairs differ',
    ],
  ] as const)('%s', (_, snapshot, level, text) => {
    const { verdict } = reportOf(snapshot)
    expect(verdict).toMatchObject({ level, text })
  })

  test("a jump of the ledger's clock is told, with how many saw it", () => {
    const counts = { 'excluded/clock-jumped': 3, 'job/dispatched.legacy': 1, 'job/route.legacy': 1, 'job/ok.legacy': 1 }
    const report = reportOf(ledgerSnapshot({ snapshot: { buckets: [bucket(counts)] } }))
    expect(report.processes.clockJumps).toBe(3)
    expect(report.verdict).toMatchObject({ level: 'look', findings: [{ code: 'clock-jumped' }] })
    expect(report.contradictions).toEqual([])
  })

  test('a lost job and a job done twice break it', () => {
    const broken = reportOf(
      ledgerSnapshot({
        snapshot: {
          buckets: [
            bucket({ 'job/dispatched.legacy': 2, 'job/route.legacy': 2, 'job/ok.legacy': 1, 'job/finished-twice': 1 }),
          ],
          gauges: { ...NO_GAUGES, waiting: { legacy: 1, target: 0 }, lost: { legacy: 1, target: 0 }, overdue: 1 },
        },
      }),
    )
    expect(broken.verdict.level).toBe('broken')
    expect(broken.verdict.text).toBe('2 jobs, 1 LOST, 1 DONE TWICE, 1 not finished; nothing was shadowed')
    expect(codes(broken).slice(0, 2)).toEqual(['lost', 'twice'])
  })

  test('counts that contradict each other are said first', () => {
    const wrong = reportOf(ledgerSnapshot({ snapshot: { buckets: [bucket({ 'job/ok.legacy': 1 })] } }))
    expect(wrong.contradictions).toContainEqual({
      law: 'enqueued = done + failed + cancelled + refused + waiting + running + moving',
      expected: 0,
      found: 1,
    })
    expect(wrong.verdict.level).toBe('broken')
    expect(wrong.verdict.text).toMatch(/^the counts contradict each other/)
  })

  test('names what stands in the way: latch, flag, missing workers, mixed versions', () => {
    const report = reportOf(
      ledgerSnapshot({
        snapshot: {
          control: controlState({ latch: { set: true, revision: 2, by: 'ann', why: 'errors', at: START } }),
          buckets: [bucket({ 'job/dispatched.legacy': 1, 'job/route.legacy': 1 })],
          gauges: { ...NO_GAUGES, waiting: { legacy: 1, target: 0 } },
        },
        presence: [
          presence({ produces: true, latchRevision: 1, flagHealth: 'unreachable', flagRevision: 'r0', skewMs: -5000 }),
          presence({ works: { target: '1' } }),
          presence({ works: { target: '2' } }),
          presence({ works: { legacy: '1' }, gone: true }),
        ],
      }),
    )
    expect(codes(report)).toEqual([
      ...['latched', 'latch-behind', 'no-workers', 'mixed-versions', 'flag', 'clock-skew', 'flag-behind'],
    ])
    expect(report.verdict.findings[0]?.text).toBe('rolled back: the latch sends everything to legacy, by ann: errors')
    expect(report.flag).toEqual({
      ...{ revision: 'r1', health: 'degraded', states: [{ state: 'unreachable', producers: 1 }], behind: 1 },
    })
  })
})

test('ten thousand buckets and groups of differences take at most 50 ms of work', () => {
  const input = { ledgerSnapshots: [huge()], at: AT }
  // the machine is shared: the best of a few is the cost of the work
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 30 && best >= 50; i++) {
    // of this process alone: what others do on the machine does not count
    const start = process.cpuUsage()
    buildReport(input)
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / 1000)
  }
  expect(best).toBeLessThan(50)
  const report = reportOf(huge())
  expect(report.jobs.enqueued).toBe(2_000_000)
  expect(report.contradictions).toEqual([])
})
