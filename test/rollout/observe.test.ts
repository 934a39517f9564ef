import { describe, expect, it } from 'vitest'
import type { TallyBucket } from '../../src/ports/ledger.ts'
import { judgeStage } from '../../src/rollout/gates/index.ts'
import { legacyErrorRate, type StageQuestion, stageCounts } from '../../src/rollout/observe.ts'
import { defaultPlan, parsePlan, type Stage } from '../../src/rollout/plan.ts'
import { bucket, controlState, epochRecord, ledgerSnapshot, NO_GAUGES, SETTINGS, START } from '../support/snapshots.ts'

const [plan] = parsePlan(defaultPlan({ migration: 'm', legacy: 'bee-queue', target: 'bullmq' }), 'plan.md')
if (plan === undefined) throw new Error('no plan')
const stageOf = (name: string): Stage => plan.stages.find((each) => each.name === name) as Stage

const WAIT = SETTINGS.deadlineMs + SETTINGS.slackMs
const HOUR = 3_600_000
const NOW = START + 2 * HOUR

type Counts = Record<string, number>

/** The same counts in every family of counted jobs. */
function everywhere(counts: Counts): Counts {
  const families = ['job', 'key-day', 'key']
  return Object.fromEntries(
    Object.entries(counts).flatMap(([measure, n]) => families.map((family) => [`${family}/${measure}`, n])),
  )
}

function look(stage: string, buckets: readonly TallyBucket[], more: Partial<StageQuestion> & { now?: number } = {}) {
  const { now = NOW, ...question } = more
  const epoch = epochRecord({ epoch: 1, startedAt: START })
  const control = controlState({ now, epoch })
  const { snapshot } = ledgerSnapshot({ snapshot: { now, control, epochs: [epoch], buckets } })
  return stageCounts(snapshot, {
    plan: plan as NonNullable<typeof plan>,
    stage: stageOf(stage),
    attempt: 1,
    ...question,
  })
}

/** A hundred shadowed jobs of legacy; what is in `over` went otherwise. */
function shadowed(over: Counts = {}): Counts {
  return everywhere({
    ...{ 'dispatched.legacy': 100, 'ok.legacy': 100, 'shadow.wanted.target': 100, 'shadow.ok.target': 100 },
    ...{ 'pair.matched': 100, ...over },
  })
}

describe('what a stage is judged by', () => {
  it('is of closed buckets only', () => {
    const open = bucket(shadowed(), { start: NOW - WAIT - SETTINGS.bucketMs + 1 })
    const closed = bucket(shadowed({ 'pair.matched': 99, 'pair.mismatched': 1 }), {
      start: NOW - WAIT - SETTINGS.bucketMs,
    })
    expect(look('shadow-all', [open, closed]).mismatch?.counts).toEqual({ n: 100, mismatched: 1, orphaned: 0 })
    expect(look('shadow-all', [open]).mismatch?.counts).toEqual({ n: 0, mismatched: 0, orphaned: 0 })
  })

  it('is of merged buckets, too, which may reach beyond the closed ones', () => {
    const hour = bucket(shadowed(), { start: NOW - HOUR + 60_000, widthMs: HOUR })
    expect(look('shadow-all', [hour]).mismatch?.counts.n).toBe(100)
  })

  it('is of this epoch only', () => {
    expect(look('shadow-all', [bucket(shadowed(), { epoch: 2 })]).mismatch?.counts.n).toBe(0)
    expect(look('shadow-all', [bucket(shadowed(), { epoch: 2 })], { epoch: 2 }).mismatch?.counts.n).toBe(100)
  })

  it('is in the unit of each gate', () => {
    const counts = { ...shadowed(), 'key/pair.matched': 40, 'key/shadow.wanted.target': 40, 'key/shadow.ok.target': 40 }
    const { mismatch, lost } = look('shadow-all', [bucket(counts)])
    expect(mismatch?.counts.n).toBe(40)
    expect(lost?.counts.n).toBe(100)
  })

  it('tells orphans of either side and lost copies by what is missing', () => {
    const counts = shadowed({
      'shadow.wanted.target': 110,
      'shadow.ok.target': 104,
      'shadow.shed.target': 3,
      'pair.ignored': 2,
    })
    const { mismatch, errorsPaired, lost, shed } = look('shadow-all', [bucket(counts)])
    // 107 sent, 102 compared; 3 shadows never came, 2 came and found no primary
    expect(mismatch?.counts).toEqual({ n: 105, mismatched: 0, orphaned: 5 })
    expect(errorsPaired?.counts).toMatchObject({ n: 105, targetOrphans: 3, legacyOrphans: 2 })
    expect(lost?.counts).toEqual({ n: 107, lost: 3 })
    expect(shed).toEqual({ wanted: 110, shed: 3, compared: 102, ignored: 2 })
  })

  it('counts neither refused nor cancelled jobs', () => {
    const counts = everywhere({
      ...{ 'dispatched.target': 50, 'refused.target': 5, 'cancelled.target': 4, 'ok.target': 38, 'failed.target': 1 },
      ...{ 'backend-failed.target': 1, 'dispatched.legacy': 500, 'ok.legacy': 490, 'failed.legacy': 9 },
    })
    const { errorsCanary, lost, sampleRatio } = look('canary-10', [bucket(counts)])
    expect(errorsCanary?.counts).toEqual({
      ...{ n: 541, share: 0.1, nTargetUnits: 41, legacyFailed: 9, targetFailed: 2, legacyLost: 1, targetLost: 1 },
    })
    expect(lost?.counts).toEqual({ n: 41, lost: 1 })
    expect(sampleRatio).toEqual({ n: 545, target: 45 })
  })

  it('looks at the newest run that holds a quarter of the units', () => {
    const at = (i: number, counts: Counts): TallyBucket => bucket(shadowed(counts), { start: START + i * 10_000 })
    const buckets = Array.from({ length: 8 }, (_, i) =>
      at(i, i >= 6 ? { 'pair.matched': 90, 'pair.mismatched': 10 } : {}),
    )
    const { mismatch } = look('shadow-all', buckets)
    expect(mismatch?.counts).toEqual({ n: 800, mismatched: 20, orphaned: 0 })
    expect(mismatch?.recent).toEqual({ n: 200, mismatched: 20, orphaned: 0 })
  })

  it('tells how long ago the last unit was counted, and how many are of the last day', () => {
    const now = START + 30 * HOUR
    const old = bucket(shadowed(), { start: START, widthMs: HOUR })
    const late = bucket(shadowed({ 'pair.matched': 50, 'shadow.wanted.target': 50 }), { start: now - 2 * HOUR })
    const empty = bucket({ 'excluded/dispatched.legacy': 3 }, { start: now - HOUR })
    const { mismatch } = look('shadow-all', [old, late, empty], { now })
    expect(mismatch?.newUnits).toBe(50)
    expect(mismatch?.idleMs).toBe(2 * HOUR - SETTINGS.bucketMs - WAIT)
  })

  it('finds an id that finished twice in any family and any bucket since the attempt began', () => {
    const broken = [
      bucket({ 'excluded/finished-twice': 1 }, { start: NOW }),
      bucket({ 'late/finished-twice': 1 }, { epoch: 2 }),
      bucket({ 'job/finished-twice': 7 }, { epoch: 0 }),
    ]
    expect(look('full', broken).duplicates).toEqual({ twice: 2 })
  })

  it('freezes how often legacy failed', () => {
    const counts = everywhere({ 'dispatched.legacy': 210, 'ok.legacy': 190, 'failed.legacy': 10 })
    const { snapshot } = ledgerSnapshot({ snapshot: { now: NOW, buckets: [bucket(counts)] } })
    expect(legacyErrorRate(snapshot, 1, 'key')).toBe(0.05)
    expect(legacyErrorRate(snapshot, 2, 'key')).toBeUndefined()
    expect(look('full', [], {}).errorsAlone).toBeUndefined()
    expect(look('full', [], { legacyRate: 0.05 }).errorsAlone?.legacyRate).toBe(0.05)
  })

  it('holds on counts that cannot be', () => {
    const counts = everywhere({ 'dispatched.target': 10, 'ok.target': 11, 'dispatched.legacy': 90, 'ok.legacy': 90 })
    const judged = judgeStage(stageOf('canary-10'), look('canary-10', [bucket(counts)]))
    expect(judged.verdict).toBe('hold')
    expect(judged.reasons).toContain('contradiction')
    expect(judged.gates.find(({ name }) => name === 'lost')).toMatchObject({ verdict: 'hold', reason: 'contradiction' })
  })
})

describe("a jump of the ledger's clock", () => {
  const lostAll = everywhere({ 'dispatched.target': 2000, 'dispatched.legacy': 2000, 'ok.legacy': 2000 })

  it('holds, and makes nobody lost, however it became known', () => {
    const judged = (buckets: readonly TallyBucket[], more: Parameters<typeof look>[2] = {}) =>
      judgeStage(stageOf('canary-50'), look('canary-50', buckets, more))
    expect(judged([bucket(lostAll)]).verdict).toBe('fail')
    const seen = bucket({ 'excluded/clock-jumped': 2 }, { start: NOW })
    for (const held of [
      judged([bucket(lostAll)], { clockJumped: true }),
      judged([bucket(lostAll), seen]),
      judged([bucket(lostAll)], { now: START - HOUR }),
    ]) {
      expect(held.verdict).toBe('hold')
      expect(held.holds).toContain('contradiction')
    }
  })

  it('in another epoch does not matter', () => {
    const seen = bucket({ 'excluded/clock-jumped': 2 }, { epoch: 0, start: NOW })
    expect(look('canary-50', [bucket(lostAll), seen]).conditions.contradictions).toBeUndefined()
  })
})

it('what waits on target is of this stage: its age counts from the start of the epoch', () => {
  const age = (oldestReadyAt: number | null): number | null | undefined => {
    const epoch = epochRecord({ epoch: 1, startedAt: START })
    const gauges = { ...NO_GAUGES, oldestReadyAt }
    const { snapshot } = ledgerSnapshot({ snapshot: { now: NOW, control: controlState({ now: NOW, epoch }), gauges } })
    return stageCounts(snapshot, { plan: plan as NonNullable<typeof plan>, stage: stageOf('full'), attempt: 1 }).backlog
      ?.ageMs
  }
  expect(age(null)).toBeNull()
  expect(age(NOW + 1000)).toBeNull()
  expect(age(NOW - 5000)).toBe(5000)
  expect(age(START - HOUR)).toBe(NOW - START)
})
