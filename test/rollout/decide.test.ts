// What the controller does next: a table of every state and everything that may be met in it, and the laws that hold
// whatever is met.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DriveAction, decideStep } from '../../src/rollout/drive/decide.ts'
import { type DriveFacts, readsAs } from '../../src/rollout/drive/facts.ts'
import { type DriveRecord, stageOf } from '../../src/rollout/drive/record.ts'
import { stepOf } from '../../src/rollout/drive/steps.ts'
import type { StageJudgement } from '../../src/rollout/gates/stage.ts'
import type { Plan, Stage } from '../../src/rollout/plan.ts'
import { CANARY, FULL, factsOf, judged, NOW, PLAN, recordOf, SHADOW } from './drive-kit.ts'

const OFF = { kind: 'dials', target: 0, shadow: 0 } as const
const LATCHED = { set: true, revision: 3, by: 'ops', why: 'smoke' }
const flag = (over: Partial<DriveFacts['flag']>): Pick<DriveFacts, 'flag'> => ({ flag: { ...factsOf().flag, ...over } })
const behind = { producers: [{ instance: 'p', host: 'h', pid: 1, behind: ['flag'], flagHealth: 'ok' }] } as const

interface Case {
  readonly record?: Partial<DriveRecord> | null
  readonly judgement?: StageJudgement | null
  readonly facts?: Partial<DriveFacts>
  readonly does: Partial<DriveAction> & { readonly kind: DriveAction['kind'] }
}

const entering = { phase: 'entering', epoch: undefined } as unknown as Partial<DriveRecord>
const back = { phase: 'back', epoch: undefined } as unknown as Partial<DriveRecord>
const PASS = judged('pass', 'proven')
const FAIL = judged('fail', 'over-limit')
const HOLD = judged('hold', 'undecided')

const CASES: Readonly<Record<string, Case>> = {
  'no plan yet: begins': { record: null, facts: { plan: { kind: 'changed', plan: PLAN } }, does: { kind: 'begin' } },
  'no plan yet, latched: waits': {
    record: null,
    facts: { plan: { kind: 'changed', plan: PLAN }, latch: LATCHED },
    does: { kind: 'hold', reasons: ['latched'] },
  },
  'no plan that can be read': {
    record: null,
    facts: { plan: { kind: 'broken', message: 'line 3' } },
    does: { kind: 'hold', reasons: ['plan-broken'] },
  },
  'a flag with rules of its own': {
    record: null,
    facts: { plan: { kind: 'changed', plan: PLAN }, ...flag({ reading: { kind: 'custom' } }) },
    does: { kind: 'hold', reasons: ['flag-not-writable'] },
  },
  // entering
  'the ledger comes first': {
    record: entering,
    facts: { ceiling: 0, ...flag({ reading: OFF }) },
    does: { kind: 'set-ledger' },
  },
  'then the flag': { record: entering, facts: flag({ reading: OFF }), does: { kind: 'write-flag', to: 'stage' } },
  'not while the flag is lost': {
    record: entering,
    facts: flag({ state: 'unreachable', reading: OFF }),
    does: { kind: 'hold', reasons: ['flag-lost'] },
  },
  'a flag that was never written is made': {
    record: entering,
    facts: flag({ state: 'unreachable', reading: { kind: 'missing' } }),
    does: { kind: 'write-flag', to: 'stage' },
  },
  'not where it cannot be written': {
    record: entering,
    facts: flag({ writable: false, reading: OFF }),
    does: { kind: 'hold', reasons: ['flag-not-writable'] },
  },
  'then the workers': {
    record: entering,
    facts: { unworked: ['target'] },
    does: { kind: 'hold', reasons: ['workers-missing'] },
  },
  'then every producer': { record: entering, facts: behind, does: { kind: 'hold', reasons: ['producers-behind'] } },
  'then the epoch': { record: entering, does: { kind: 'open-epoch' } },
  // watching
  'a pass goes on': {
    record: { stage: 'shadow' },
    judgement: PASS,
    facts: factsOf({}, SHADOW),
    does: { kind: 'promote', to: 'canary', forced: false },
  },
  'the last pass ends it': {
    record: { stage: 'full' },
    judgement: PASS,
    facts: factsOf({}, FULL),
    does: { kind: 'finish' },
  },
  'a hold holds': { judgement: HOLD, does: { kind: 'hold', reasons: ['undecided'] } },
  'a fail goes back': { judgement: FAIL, does: { kind: 'rollback', reasons: ['over-limit'] } },
  'a fail goes back while paused': {
    record: { paused: { at: NOW, by: 'me' } },
    judgement: FAIL,
    does: { kind: 'rollback' },
  },
  'a fail goes back while the flag is lost': {
    judgement: FAIL,
    facts: flag({ state: 'unreachable' }),
    does: { kind: 'rollback' },
  },
  'a fail goes back although the plan changed': {
    judgement: FAIL,
    facts: { plan: { kind: 'changed', plan: PLAN } },
    does: { kind: 'rollback' },
  },
  'a fail of a stage that holds is remembered': {
    record: { stage: 'shadow' },
    judgement: FAIL,
    facts: factsOf({}, SHADOW),
    does: { kind: 'fail', reasons: ['over-limit'] },
  },
  'and held from then on, whatever the counts say later': {
    record: { stage: 'shadow', failed: { at: NOW, reasons: ['over-limit'] } },
    judgement: PASS,
    facts: factsOf({}, SHADOW),
    does: { kind: 'hold', reasons: ['over-limit'] },
  },
  'until a human forces it': {
    record: {
      stage: 'shadow',
      failed: { at: NOW, reasons: ['over-limit'] },
      approved: { stage: 'canary', force: true, at: NOW, by: 'me' },
    },
    judgement: HOLD,
    facts: factsOf({}, SHADOW),
    does: { kind: 'promote', to: 'canary', forced: true },
  },
  'a yes to another stage forces nothing': {
    record: { approved: { stage: 'canary', force: true, at: NOW, by: 'me' } },
    judgement: HOLD,
    does: { kind: 'hold', reasons: ['undecided'] },
  },
  'a pause holds a pass': {
    record: { paused: { at: NOW, by: 'me' } },
    judgement: PASS,
    does: { kind: 'hold', reasons: ['paused'] },
  },
  'a lost flag holds a pass': {
    judgement: PASS,
    facts: flag({ state: 'unreachable' }),
    does: { kind: 'hold', reasons: ['flag-lost'] },
  },
  'moved dials hold a pass': {
    judgement: PASS,
    facts: flag({ reading: { kind: 'dials', target: 0.5, shadow: 0.1 } }),
    does: { kind: 'hold', reasons: ['dials-moved'] },
  },
  'a broken plan holds a pass': {
    judgement: PASS,
    facts: { plan: { kind: 'broken', message: 'line 3' } },
    does: { kind: 'hold', reasons: ['plan-broken'] },
  },
  'a refused plan holds a pass': {
    judgement: PASS,
    facts: { plan: { kind: 'changed', plan: PLAN, refused: 'stage shadow disappeared' } },
    does: { kind: 'hold', reasons: ['plan-refused'] },
  },
  'a changed plan is taken': {
    judgement: PASS,
    facts: { plan: { kind: 'changed', plan: PLAN } },
    does: { kind: 'adopt-plan' },
  },
  'nothing counted': { judgement: null, does: { kind: 'hold', reasons: ['no-data'] } },
  'another epoch: counts anew': { judgement: null, record: { epoch: 6 }, does: { kind: 'reopen' } },
  'a fail of another epoch is none': { judgement: FAIL, record: { epoch: 6 }, does: { kind: 'reopen' } },
  'a clock that jumps: counts anew': { judgement: PASS, facts: { clockJumpMs: -3_600_000 }, does: { kind: 'reopen' } },
  'a clock that a process saw jump: counts anew': {
    judgement: HOLD,
    facts: { clockJumped: true },
    does: { kind: 'reopen' },
  },
  'a clock that is a little off': { judgement: HOLD, facts: { clockJumpMs: 900 }, does: { kind: 'hold' } },
  'a new target version: from the first stage': {
    judgement: PASS,
    facts: { versions: { legacy: ['1'], target: ['2'] } },
    does: { kind: 'restart', fresh: true },
  },
  'two target versions at once: waits': {
    judgement: judged('hold', 'mixed-versions'),
    facts: { versions: { legacy: ['1'], target: ['1', '2'] } },
    does: { kind: 'hold', reasons: ['mixed-versions'] },
  },
  'a new legacy version is no new start': {
    judgement: HOLD,
    facts: { versions: { legacy: ['2'], target: ['1'] } },
    does: { kind: 'hold' },
  },
  // going back
  'somebody sets the latch': { judgement: PASS, facts: { latch: LATCHED }, does: { kind: 'note-rollback' } },
  'even at the end': { record: { phase: 'done' }, facts: { latch: LATCHED }, does: { kind: 'note-rollback' } },
  'back: the dials go to 0': { record: back, facts: { latch: LATCHED }, does: { kind: 'write-flag', to: 'off' } },
  'back: waits for the latch': {
    record: back,
    facts: { latch: LATCHED, ...flag({ reading: OFF }) },
    does: { kind: 'hold', reasons: ['latched'] },
  },
  'back: the flag is lost': {
    record: back,
    facts: { latch: LATCHED, ...flag({ state: 'unreachable' }) },
    does: { kind: 'hold', reasons: ['latched'] },
  },
  'a rollback that was lifted before anybody looked: from the first stage': {
    judgement: PASS,
    facts: { latch: { set: false, revision: 4 } },
    does: { kind: 'restart', fresh: false },
  },
  'the same while the next stage is entered': {
    record: { ...entering, stage: 'full' },
    facts: { latch: { set: false, revision: 4 }, ceiling: 0 },
    does: { kind: 'restart' },
  },
  'unlatched: from the first stage': { record: back, does: { kind: 'restart', fresh: false } },
  'unlatched with a new version': {
    record: back,
    facts: { versions: { legacy: ['1'], target: ['2'] } },
    does: { kind: 'restart', fresh: true },
  },
  'unlatched while paused': {
    record: { ...back, paused: { at: 1, by: 'me' } },
    does: { kind: 'hold', reasons: ['paused'] },
  },
  'at its end': { record: { phase: 'done' }, judgement: PASS, does: { kind: 'rest' } },
}

describe('decideStep', () => {
  test.each(Object.entries(CASES))('%s', (_, { record = {}, judgement = null, facts = {}, does }) => {
    const stands = record === null ? undefined : recordOf(record)
    expect(decideStep(stands, judgement, factsOf(facts))).toMatchObject(does)
  })
})

// ------------------------------------------------------------------------------------------------------------ laws

const anyRecord: fc.Arbitrary<DriveRecord> = fc
  .record({
    phase: fc.constantFrom<DriveRecord['phase']>('entering', 'watching', 'back', 'done'),
    stage: fc.constantFrom('shadow', 'canary', 'full'),
    epoch: fc.constantFrom(6, 7, undefined),
    paused: fc.option(fc.constant({ at: NOW, by: 'me' }), { nil: undefined }),
    failed: fc.option(fc.constant({ at: NOW, reasons: ['over-limit'] }), { nil: undefined }),
    approved: fc.option(
      fc.record({
        ...{
          stage: fc.constantFrom('canary', 'full'),
          force: fc.boolean(),
          at: fc.constant(NOW),
          by: fc.constant('me'),
        },
      }),
      { nil: undefined },
    ),
  })
  .map((over) => recordOf(Object.fromEntries(Object.entries(over).filter(([, value]) => value !== undefined))))

const anyFacts: fc.Arbitrary<DriveFacts> = fc
  .record({
    latch: fc.constantFrom({ set: false, revision: 2 }, { set: false, revision: 4 }, LATCHED),
    ceiling: fc.constantFrom(0, 0.1, 1),
    controlShare: fc.constantFrom(0, 0.1),
    clockJumpMs: fc.constantFrom(0, 0, 1e6),
    clockJumped: fc.constantFrom(false, false, true),
    state: fc.constantFrom<DriveFacts['flag']['state']>('ok', 'broken', 'unreachable'),
    reading: fc.constantFrom<DriveFacts['flag']['reading']>(
      OFF,
      { kind: 'dials', target: 0, shadow: 1 },
      { kind: 'dials', target: 0.1, shadow: 0.1 },
      { kind: 'dials', target: 1, shadow: 0 },
      { kind: 'custom' },
      { kind: 'missing' },
    ),
    writable: fc.boolean(),
    late: fc.boolean(),
    unworked: fc.constantFrom<readonly string[]>([], ['target']),
    target: fc.constantFrom<readonly string[]>([], ['1'], ['2'], ['1', '2']),
    plan: fc.constantFrom<DriveFacts['plan']>(
      { kind: 'same' },
      { kind: 'changed', plan: PLAN },
      { kind: 'changed', plan: PLAN, refused: 'no' },
      { kind: 'broken', message: 'no' },
    ),
  })
  .map(({ state, reading, writable, late, target, ...facts }) =>
    factsOf({
      ...facts,
      ...flag({ state, reading, writable }),
      ...(late ? behind : {}),
      versions: { legacy: ['1'], target },
    }),
  )

const anyJudgement = fc.constantFrom<StageJudgement | null>(PASS, HOLD, FAIL, null)

/** The most that target may get after a step, by the ledger alone. */
function ceilingAfter(record: DriveRecord | undefined, action: DriveAction, facts: DriveFacts): number {
  return stepOf(record, action, { by: 'me', facts })?.ceiling ?? facts.ceiling
}

function law(
  name: string,
  holds: (o: { record: DriveRecord; judgement: StageJudgement | null; facts: DriveFacts; action: DriveAction }) => void,
): void {
  test(name, () => {
    fc.assert(
      fc.property(anyRecord, anyJudgement, anyFacts, (record, judgement, facts) => {
        holds({ record, judgement, facts, action: decideStep(record, judgement, facts) })
      }),
      { numRuns: 3000 },
    )
  })
}

describe('whatever is met', () => {
  law('nothing is raised while the latch is set', ({ record, facts, action }) => {
    if (!facts.latch.set) return
    expect(ceilingAfter(record, action, facts)).toBeLessThanOrEqual(facts.ceiling)
    expect(action).not.toMatchObject({ kind: 'write-flag', to: 'stage' })
  })

  law('after a rollback, seen or not, nothing is raised above the first stage', ({ record, facts, action }) => {
    if (facts.latch.revision === record.latch && record.phase !== 'back') return
    expect(ceilingAfter(record, action, facts)).toBeLessThanOrEqual(Math.max(facts.ceiling, SHADOW.target))
  })

  law('a stage is left upwards on a pass or by force only', ({ record, judgement, facts, action }) => {
    if (action.kind !== 'promote' && action.kind !== 'finish') return
    const forced = record.approved?.force === true && action.kind === 'promote' && record.approved.stage === action.to
    expect(judgement?.verdict === 'pass' || forced).toBe(true)
    expect(record.phase === 'watching' && record.epoch === facts.epoch.epoch).toBe(true)
    if (!forced) expect(record.paused ?? record.failed).toBeUndefined()
    if (!forced) expect(facts.flag.state === 'ok' && readsAs(facts.flag.reading, stageOf(record))).toBe(true)
  })

  law('one stage at a time', ({ record, action }) => {
    if (action.kind !== 'promote') return
    const names = PLAN.stages.map(({ name }) => name)
    expect(names.indexOf(action.to)).toBe(names.indexOf(record.stage) + 1)
  })

  law('a fail that is counted now is never passed over', ({ record, judgement, facts, action }) => {
    const counted =
      record.phase === 'watching' && record.epoch === facts.epoch.epoch && facts.latch.revision === record.latch
    if (judgement?.verdict !== 'fail' || !counted || stageOf(record).onFail !== 'rollback') return
    expect(action.kind).toBe('rollback')
    expect(ceilingAfter(record, action, facts)).toBe(0)
  })

  law('the flag is raised only under a ceiling that is there already', ({ record, facts, action }) => {
    if (action.kind !== 'write-flag' || action.to === 'off') return
    expect(facts.ceiling).toBe(stageOf(record).target)
  })

  law(
    'an epoch is opened only when the flag is as the stage has it and every producer has it',
    ({ record, facts, action }) => {
      if (action.kind !== 'open-epoch') return
      expect(readsAs(facts.flag.reading, stageOf(record)) && facts.flag.state === 'ok').toBe(true)
      expect(facts.producers.every((producer) => producer.behind.length === 0)).toBe(true)
    },
  )

  law('a step always leaves a record from which the next one can be decided', ({ record, facts, action }) => {
    const step = stepOf(record, action, { by: 'me', facts })
    if (step === undefined) return
    const next = JSON.parse(JSON.stringify(step.record)) as DriveRecord
    expect(() => decideStep(next, null, facts)).not.toThrow()
    expect(next.moves.length).toBeLessThanOrEqual(100)
  })
})

describe('stepOf', () => {
  const context = { by: 'me', facts: factsOf() }

  test('an attempt is of a stage and a version: it grows with new counts, and starts anew with a new version', () => {
    const stepped = (record: DriveRecord, action: DriveAction) =>
      stepOf(record, action, context)?.record as unknown as DriveRecord
    expect(stepped(recordOf(), { kind: 'reopen', why: 'x' }).attempts).toEqual({ shadow: 1, canary: 2 })
    const restarted = stepped(recordOf({ phase: 'back' }), { kind: 'restart', fresh: false, why: 'x' })
    expect(restarted).toMatchObject({ stage: 'shadow', attempts: { shadow: 2, canary: 1 }, phase: 'entering' })
    const again = stepped(restarted, { kind: 'promote', to: 'canary', forced: false })
    expect(again.attempts).toEqual({ shadow: 2, canary: 2 })
    const fresh = stepped(recordOf(), { kind: 'restart', fresh: true, why: 'x' })
    expect(fresh).toMatchObject({ stage: 'shadow', attempts: { shadow: 1 } })
    expect(fresh.targetVersion).toBeUndefined()
  })

  test('a promotion raises the ceiling in the same step, a rollback lowers it, sets the latch and says why', () => {
    expect(stepOf(recordOf(), { kind: 'promote', to: 'full', forced: false }, context)).toMatchObject({ ceiling: 1 })
    const back = stepOf(recordOf(), { kind: 'rollback', reasons: ['over-limit'] }, context)
    expect(back).toMatchObject({ ceiling: 0, controlShare: 0, latch: { why: 'canary: over-limit' } })
  })

  test('the same hold is written once an epoch, and no more than forty', () => {
    const record = recordOf()
    const first = stepOf(record, { kind: 'hold', reasons: ['undecided', 'soak'] }, context)
    const told = first?.record as unknown as DriveRecord
    expect(stepOf(told, { kind: 'hold', reasons: ['soak', 'undecided'] }, context)).toBeUndefined()
    expect(stepOf(told, { kind: 'hold', reasons: ['soak'] }, context)).toBeDefined()
    const full = recordOf({ told: Array.from({ length: 40 }, (_, n) => `r${n}`) })
    expect(stepOf(full, { kind: 'hold', reasons: ['soak'] }, context)).toBeUndefined()
    const opened = stepOf({ ...told, phase: 'entering' }, { kind: 'open-epoch' }, context)
      ?.record as unknown as DriveRecord
    expect(opened.told).toEqual([])
  })

  test('a yes is for one stage: it does not outlive the epoch', () => {
    const approved = { stage: 'full', force: false, at: NOW, by: 'me' }
    const reopened = stepOf(recordOf({ approved }), { kind: 'reopen', why: 'x' }, context)
      ?.record as unknown as DriveRecord
    expect(reopened.approved).toBeUndefined()
  })

  test('the epoch counts pairs for the ratios of all latency gates of the plan, each once', () => {
    const ratiosOf = (plan: Plan) =>
      stepOf(recordOf({ plan, phase: 'entering' }), { kind: 'open-epoch' }, context)?.epoch?.ratios
    const [first, ...others] = PLAN.stages
    const gate = { rule: 'watch', unit: 'key', minUnits: 20 } as const
    const timed = (ratio: number): Stage => ({
      ...(first as Stage),
      gates: { ...(first as Stage).gates, p50: { ...gate, ratio: 1.1 }, p95: { ...gate, ratio } },
    })
    expect(ratiosOf(PLAN)).toEqual([])
    expect(ratiosOf({ ...PLAN, stages: [timed(1.5), timed(1.15), ...others] })).toEqual([1.1, 1.15, 1.5])
  })

  test('the epoch has the dials that producers read from the flag, and the plan gets its target version', () => {
    const facts = factsOf({ versions: { legacy: ['3'], target: ['2'] }, controlShare: 0 })
    const { targetVersion: _, ...unknown } = recordOf({ phase: 'entering' })
    const step = stepOf(unknown, { kind: 'open-epoch' }, { by: 'me', facts })
    expect(step?.epoch).toMatchObject({
      ...{
        expect: 7,
        dials: { target: 0.1, shadow: 0.1, control: 0 },
        versions: { legacy: '3', target: '2' },
        rules: 'r',
      },
    })
    expect(step?.record).toMatchObject({ epoch: 8, phase: 'watching', targetVersion: '2' })
  })

  test('while two versions are live, the plan stays with the one that it is about', () => {
    const facts = factsOf({ versions: { legacy: ['1'], target: ['0-next', '1'] } })
    const step = stepOf(recordOf({ phase: 'entering' }), { kind: 'open-epoch' }, { by: 'me', facts })
    expect(step?.epoch?.versions).toEqual({ legacy: '1', target: '1' })
    expect(step?.record).toMatchObject({ targetVersion: '1' })
  })

  test.each([SHADOW, CANARY, FULL])('$name: dials as the plan has them', (stage) => {
    const step = stepOf(recordOf({ stage: stage.name }), { kind: 'set-ledger' }, context)
    expect(step).toMatchObject({ ceiling: stage.target, controlShare: stage.control })
  })
})
