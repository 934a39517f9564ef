// The staged cutover in the report: one sentence that says where it stands, and evidence that says what it proves.

import { describe, expect, test } from 'vitest'
import { buildReport, type LedgerSnapshot } from '../../src/report/build.ts'
import { htmlReport } from '../../src/report/html.ts'
import type { MigrationReport, RolloutReport } from '../../src/report/model.ts'
import { textReport } from '../../src/report/text.ts'
import { type DriveRecord, recordJson } from '../../src/rollout/drive/record.ts'
import { full } from '../support/report-full.ts'
import { controlState, START } from '../support/snapshots.ts'

const FULL = full()
const RECORD = FULL.drive?.record as unknown as DriveRecord
const [FIRST, ALL] = RECORD.plan.stages

function driven(over: Partial<DriveRecord>, latch?: { readonly why: string }): LedgerSnapshot {
  const { epoch: _epoch, ...record } = { ...RECORD, ...over }
  const gone = over.phase === 'back' || over.phase === 'entering'
  const drive = { revision: 8, driven: true, record: recordJson(gone ? record : { ...RECORD, ...over }) }
  if (latch === undefined) return { ...FULL, drive }
  const { epoch } = FULL.snapshot.control
  const control = controlState({ epoch, latch: { set: true, revision: 3, by: 'controller', at: START, ...latch } })
  return { ...FULL, drive, snapshot: { ...FULL.snapshot, control } }
}

const modelOf = (snapshot: LedgerSnapshot) => buildReport({ ledgerSnapshots: [snapshot], at: START + 3_600_000 })

function reportOf(snapshot: LedgerSnapshot): MigrationReport & { readonly rollout: RolloutReport } {
  const [migration] = modelOf(snapshot).migrations
  if (migration?.rollout == null) throw new Error('no plan in the report')
  return { ...migration, rollout: migration.rollout }
}

describe('the sentence', () => {
  const watched = { gates: { ...RECORD.plan.stages[2]?.gates, mismatch: undefined } }
  test.each([
    ['fails', {}, 'failed at canary-1, mismatch: 20 % of 560 differ, limit 1 %; 13,015 jobs'],
    ['is entered', { phase: 'entering' }, 'entering canary-1; 13,015 jobs'],
    ['went back', { phase: 'back' }, 'rolled back from canary-1; 13,015 jobs'],
  ] as const)('of a stage that %s', (_, over, text) => {
    expect(reportOf(driven(over)).verdict.text.slice(0, text.length)).toBe(text)
  })

  test('of what is held names the gate', () => {
    const stages = RECORD.plan.stages.map((stage) => (stage.name === 'canary-1' ? { ...stage, ...watched } : stage))
    const { verdict } = reportOf(driven({ plan: { ...RECORD.plan, stages } as DriveRecord['plan'] }))
    expect(verdict.text).toMatch(/^held at canary-1, errors: 0 % more fail on target, limit 2 %; /)
  })

  test('of a latch says so, and why', () => {
    const { verdict } = reportOf(driven({ phase: 'back' }, { why: 'canary-1: over-limit' }))
    expect(verdict.text).toMatch(/^rolled back \(canary-1: over-limit\); 13,015 jobs/)
  })

  test('of a plan that was let go says nothing of it', () => {
    const released = { ...FULL, drive: { revision: 8, driven: false, record: recordJson(RECORD) } }
    expect(reportOf(released).verdict.text).toMatch(/^13,015 jobs/)
  })
})

describe('evidence', () => {
  test('of a gate with a level of its own is held against that', () => {
    const ratio = reportOf(FULL).rollout.gates.find(({ name }) => name === 'sample-ratio')
    expect(ratio?.failAt).toBeCloseTo(Math.log(1000), 9)
    const mismatch = reportOf(FULL).rollout.gates.find(({ name }) => name === 'mismatch')
    expect(mismatch?.failAt).toBeCloseTo(Math.log(1200), 9)
  })

  /** As `full` has it, in a stage that proves. */
  const proving = driven({ stage: ALL?.name ?? '', attempts: { [FIRST?.name ?? '']: 1, [ALL?.name ?? '']: 1 } })

  test('has a number to reach only where something is to be proven', async () => {
    const watched = textReport(modelOf(FULL), { width: 200 })
    expect(watched).toMatch(/^mismatch +fail over-limit .* {2}-3\.58 {2}/m)
    expect(await htmlReport(modelOf(FULL))).not.toContain('proven from here on')
    const model = reportOf(proving).rollout
    const limits = model.stages.find(({ state }) => state === 'current')?.limits
    expect(limits?.filter(({ rule }) => rule === 'prove').map(({ gate }) => gate)).toEqual([
      'mismatch',
      'errors',
      'lost',
      'p50',
      'p95',
    ])
    expect(textReport(modelOf(proving), { width: 200 })).toMatch(/^mismatch .* -3\.58 of 3\.69 {2}/m)
    const page = await htmlReport(modelOf(proving))
    expect(page).toContain('proven from here on')
    expect(page).toContain('mismatch: evidence, to be proven')
  })

  test('is drawn up to the edge and told as it is', async () => {
    const page = await htmlReport(modelOf(FULL))
    const p50 = reportOf(FULL)
      .rollout.trend.at(-1)
      ?.gates.find(({ name }) => name === 'p50')
    expect(p50?.evidenceFor).toBeGreaterThan(100)
    const [, plot = ''] = /id="m1-gate-evidence">([\s\S]*?)<\/figure>/.exec(page) ?? []
    expect(plot).toContain(`<td class="n">${Number(p50?.evidenceFor.toFixed(2))}</td>`)
  })

  test('of a stage that was left stays to be seen, and the stage is no longer on', async () => {
    const { rollout } = reportOf(driven({ phase: 'back' }, { why: 'canary-1: over-limit' }))
    expect(rollout.gates).toEqual([])
    expect(rollout.trend.length).toBe(RECORD.trend?.points.length)
    expect(rollout.trendLevels?.failAt).toBeCloseTo(Math.log(1200), 9)
    const page = await htmlReport(modelOf(driven({ phase: 'back' }, { why: 'canary-1: over-limit' })))
    expect(page).toMatch(/<li class="left" aria-current="step"><b><bdi>canary-1<\/bdi><\/b> <span class="state">rolled/)
    expect(page).toContain('Of the stage that was left, until it was')
  })

  test('of other counts is not told', () => {
    const { rollout } = reportOf(driven({ trend: { epoch: 1, points: RECORD.trend?.points ?? [] } }))
    expect(rollout.trend.length).toBe(1)
  })
})
