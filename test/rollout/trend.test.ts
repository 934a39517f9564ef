// How the evidence grew: few points, evenly spread, each exactly what the gates said at that look; and nobody who says
// something to a plan is turned away because a point was noted meanwhile.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Driven, say } from '../../src/cli/driven.ts'
import type { DriveRequest, DriveState, MigrationLedger } from '../../src/ports/ledger.ts'
import type { DriveRecord } from '../../src/rollout/drive/record.ts'
import { recordJson } from '../../src/rollout/drive/record.ts'
import { saidStep, stepOf } from '../../src/rollout/drive/steps.ts'
import { overTrend, TREND_KEPT, trendPoint, trendStep, withTrend } from '../../src/rollout/drive/trend.ts'
import { judge, pairedCounts } from '../../src/rollout/gates/index.ts'
import { judgeStage, type StageCounts, type StageJudgement } from '../../src/rollout/gates/stage.ts'
import { parsePlan, type Stage } from '../../src/rollout/plan.ts'
import { factsOf, NOW, recordOf, SHADOW } from './drive-kit.ts'

const [PLAN] = parsePlan(
  `\`\`\`yaml cutover
version: 1
migration: mail
legacy: embedded
target: embedded
deadline: 1s
stages:
  - {name: shadow, target: 0%, shadow: 100%, min-soak: 2s, gates: {mismatch: {limit: 1%, rule: prove}, p50: {ratio: 1.1, rule: prove}, p95: {ratio: 1.15, rule: watch}}}
  - {name: full, target: 100%, min-soak: 2s, gates: {errors: {limit: 1%, rule: prove}}}
\`\`\``,
  'plan.md',
)
const STAGE = PLAN?.stages[0] as Stage
const LEVELS = { alpha: 0.05, attempt: 1, tests: 4 }

/** `n` pairs, of which target took a tenth of legacy's time in all. */
function paired(tau: number, ratio: number, n: number) {
  const none = { upPass: new Map(), upFail: new Map() }
  const down = new Map([
    [1200, n],
    [1501, -n],
  ])
  const differences = { ...none, downPass: down, downFail: down }
  return pairedCounts({ tau, ratio, legacy: new Map([[1500, n]]), differences })
}

function countsOf(n: number): StageCounts {
  return {
    levels: LEVELS,
    mismatch: { counts: { n, mismatched: 0 } },
    ...(n === 0 ? {} : { p50: { paired: paired(0.5, 1.1, n) } }),
    ...{ soakedMs: 1, conditions: {} },
  }
}

const judgedOf = (n: number): StageJudgement => judgeStage(STAGE, countsOf(n))

describe('a point', () => {
  test('is what each gate says of the counts, to the last digit', () => {
    const point = trendPoint(NOW, judgedOf(300))
    const p50 = judge({ gate: 'latencyPaired', limit: 1.1, ...LEVELS, counts: paired(0.5, 1.1, 300) })
    const mismatch = judge({ gate: 'mismatch', limit: 0.01, ...LEVELS, counts: { n: 300, mismatched: 0 } })
    expect(point).toEqual({
      at: NOW,
      gates: { mismatch: [mismatch.logEPass, mismatch.logEFail], p50: [p50.logEPass, p50.logEFail] },
    })
    expect(p50.logEPass).toBeGreaterThan(p50.passAt)
  })

  test('is none while no gate has counts', () => {
    expect(trendPoint(NOW, judgedOf(0))).toBeUndefined()
    expect(withTrend(recordOf(), judgedOf(0), { now: NOW, startedAt: 0, decisive: true }).trend).toBeUndefined()
  })
})

describe('what a record keeps', () => {
  const looks = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 400 })

  test('is a part of what was seen, in order, the first look with it, and never more than there is room for', () => {
    fc.assert(
      fc.property(looks, (gaps) => {
        let record: DriveRecord = recordOf()
        let [now, n] = [NOW, 0]
        const seen = new Map<number, StageJudgement>()
        for (const gap of gaps) {
          now += gap
          n += 1
          const judgement = judgedOf(n)
          seen.set(now, judgement)
          record = withTrend(record, judgement, { now, startedAt: NOW, decisive: false })
        }
        const points = record.trend?.points ?? []
        expect(points.length).toBeLessThanOrEqual(TREND_KEPT)
        expect(points[0]?.at).toBe([...seen.keys()][0])
        for (const [at, point] of points.entries()) {
          expect(point).toEqual(trendPoint(point.at, seen.get(point.at) as StageJudgement))
          if (at > 0) expect(point.at - (points[at - 1]?.at ?? 0)).toBeGreaterThanOrEqual(1000)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('is spread over the whole time, and is written seldom', () => {
    let record: DriveRecord = recordOf()
    const judgement = judgedOf(30)
    const [day, every] = [24 * 3_600_000, 5000]
    let written = 0
    for (let now = every; now <= day; now += every) {
      const next = withTrend(record, judgement, { now, startedAt: 0, decisive: false })
      if (next !== record) written += 1
      record = next
    }
    const at = record.trend?.points.map((point) => point.at) ?? []
    const gaps = at.slice(1).map((time, n) => time - (at[n] ?? 0))
    expect(at.length).toBe(TREND_KEPT)
    expect(Math.max(...gaps)).toBeLessThan((day / TREND_KEPT) * 2.5)
    expect(written).toBeLessThan(300)
  })

  test('is of one epoch', () => {
    const first = withTrend(recordOf(), judgedOf(30), { now: NOW, startedAt: 0, decisive: false })
    const other = withTrend({ ...first, epoch: 8 }, judgedOf(31), { now: NOW + 9000, startedAt: NOW, decisive: false })
    expect(first.trend?.epoch).toBe(7)
    expect(other.trend).toEqual({ epoch: 8, points: [trendPoint(NOW + 9000, judgedOf(31))] })
  })

  test('has what a step was taken by, however soon', () => {
    const first = withTrend(recordOf(), judgedOf(30), { now: NOW, startedAt: 0, decisive: false })
    const soon = { now: NOW + 5, startedAt: 0 }
    expect(withTrend(first, judgedOf(31), { ...soon, decisive: false })).toBe(first)
    expect(withTrend(first, judgedOf(31), { ...soon, decisive: true }).trend?.points.length).toBe(2)
  })

  test('stays after a rollback, and goes with the stage', () => {
    const record = withTrend(recordOf(), judgedOf(30), { now: NOW, startedAt: 0, decisive: false })
    const context = { by: 'me', facts: factsOf() }
    const recordAfter = (action: Parameters<typeof stepOf>[1]) =>
      stepOf(record, action, context)?.record as unknown as DriveRecord
    expect(recordAfter({ kind: 'rollback', reasons: ['over-limit'] }).trend).toEqual(record.trend)
    expect(recordAfter({ kind: 'promote', to: 'full', forced: false }).trend).toBeUndefined()
    expect(recordAfter({ kind: 'reopen', why: 'another epoch' }).trend).toBeUndefined()
  })
})

describe('saying something while the controller notes', () => {
  const SAID = { at: NOW, by: 'ann' }

  /** A ledger whose controller is faster: before each of the first calls it writes one of `meanwhile`. */
  function ledgerOf(record: DriveRecord, meanwhile: DriveRecord[]) {
    let state: DriveState = { revision: 1, driven: true, record: recordJson(record) }
    const drive = async ({ expect: { drive }, record: next }: DriveRequest) => {
      const faster = meanwhile.shift()
      if (faster !== undefined) state = { ...state, revision: state.revision + 1, record: recordJson(faster) }
      const done = drive === state.revision
      if (done) state = { ...state, revision: state.revision + 1, record: next }
      return { done, drive: state }
    }
    return { migration: 'mail', drive } as unknown as MigrationLedger
  }

  function drivenOf(record: DriveRecord, meanwhile: DriveRecord[]): Driven {
    const snapshot = { control: { latch: { revision: 2 } } }
    const view = { drive: { revision: 1, driven: true, record: null }, snapshot, presence: [] }
    return { ledger: ledgerOf(record, meanwhile), view, record } as unknown as Driven
  }

  const noted = (record: DriveRecord, now: number): DriveRecord =>
    withTrend(record, judgedOf(40), { now, startedAt: 0, decisive: true })

  test('is not turned away, and loses no point', async () => {
    const record = noted(recordOf(), NOW)
    const later = noted(record, NOW + 9000)
    const latest = noted(later, NOW + 18_000)
    const after = await say(drivenOf(record, [later, latest]), saidStep(record, { kind: 'pause' }, SAID))
    expect(after.paused).toEqual(SAID)
    expect(after.trend).toEqual(latest.trend)
  })

  test('is, where the plan moved', async () => {
    const record = noted(recordOf(), NOW)
    const moved = { ...noted(record, NOW + 9000), stage: 'full' }
    const saying = say(drivenOf(record, [moved]), saidStep(record, { kind: 'approve', force: false }, SAID))
    await expect(saying).rejects.toMatchObject({ code: 'plan-moved' })
  })

  test('new counts begin without the points of the old ones', () => {
    const record = recordOf({ stage: SHADOW.name })
    const again = saidStep(record, { kind: 'resume' }, { ...SAID, moved: true })
    const over = overTrend(again, record, noted(record, NOW)) as { record: unknown }
    expect((over.record as DriveRecord).trend).toBeUndefined()
    expect(trendStep(noted(record, NOW), 'me').audit).toEqual([])
  })
})
