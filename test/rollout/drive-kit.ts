// A plan of three stages, where it stands, and what is to be seen: what the tests of the controller's decisions start from.

import type { DriveFacts } from '../../src/rollout/drive/facts.ts'
import type { DriveRecord } from '../../src/rollout/drive/record.ts'
import type { StageJudgement } from '../../src/rollout/gates/stage.ts'
import { type Plan, parsePlan, type Stage } from '../../src/rollout/plan.ts'

const MARKDOWN = `
\`\`\`yaml cutover
version: 1
migration: mail
legacy: embedded
target: embedded
deadline: 1s
stages:
  - {name: shadow, target: 0%, shadow: 100%, control: 10%, min-soak: 2s, on-fail: hold, gates: {mismatch: {limit: 1%, rule: prove}}}
  - {name: canary, target: 10%, shadow: 10%, min-soak: 2s, gates: {errors: {limit: 2%, rule: prove}}}
  - {name: full, target: 100%, min-soak: 2s, approval: manual, gates: {errors: {limit: 1%, rule: prove}}}
\`\`\`
`
export const PLAN: Plan = parsePlan(MARKDOWN, 'plan.md')[0] as Plan
export const [SHADOW, CANARY, FULL] = PLAN.stages as readonly [Stage, Stage, Stage]
export const NOW = 1_000_000

export function recordOf(over: Partial<DriveRecord> = {}): DriveRecord {
  return {
    ...{ v: 1, plan: PLAN, phase: 'watching', stage: 'canary', attempts: { shadow: 1, canary: 1 }, targetVersion: '1' },
    ...{ enteredAt: NOW - 60_000, epoch: 7, latch: 2, legacyRate: 0, decisions: 3, told: [], moves: [] },
    ...over,
  }
}

/** Everything as the stage wants it: nothing is to be done but to judge. */
export function factsOf(over: Partial<DriveFacts> = {}, stage: Stage = CANARY): DriveFacts {
  const { target, shadow, control } = stage
  const dials = { target, shadow, control }
  return {
    ...{
      now: NOW,
      clockJumpMs: 0,
      clockJumped: false,
      latch: { set: false, revision: 2 },
      ceiling: target,
      controlShare: control,
    },
    epoch: {
      ...{ epoch: 7, startedAt: NOW - 50_000, dials, flagRevision: 'f7', versions: { legacy: '1', target: '1' } },
      ...{ rules: 'r', latched: false, by: 'me' },
    },
    flag: { state: 'ok', reading: { kind: 'dials', target, shadow }, revision: 'f7', writable: true },
    producers: [{ instance: 'p', host: 'h', pid: 1, behind: [], flagHealth: 'ok' }],
    ...{ versions: { legacy: ['1'], target: ['1'] }, unworked: [], plan: { kind: 'same' } },
    ...over,
  }
}

export function judged(verdict: StageJudgement['verdict'], ...reasons: StageJudgement['reasons']): StageJudgement {
  return { verdict, reasons, gates: [], holds: [] }
}
