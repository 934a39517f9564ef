// What happens to the pair and the control of one row: shed, compared, orphaned, each verdict closed once.

import type { ComparisonClass } from '../vocabulary/comparison.ts'
import { type Arm, sideOf, sideOfArm } from '../vocabulary/job.ts'
import { type Change, file, type RuleEnvironment } from './filing.ts'
import type { CompareRequest, JobRow, RowStamp, Verdict } from './ledger.ts'
import { MEASURES } from './measures.ts'

/** Finished and nothing left to compare: the row may go to the compact store of finished rows. */
export function isSettled(row: JobRow): boolean {
  return row.state === 'finished' && row.verdict !== 'open' && row.controlVerdict !== 'open'
}

/** Once nothing is left to compare, only the primary's outcome is kept, for replay. */
export function dropSlots(row: JobRow): JobRow {
  if (!isSettled(row) || (row.slots.shadow === undefined && row.slots.control === undefined)) return row
  return { ...row, slots: row.slots.primary === undefined ? {} : { primary: row.slots.primary } }
}

export const COPIES = ['shadow', 'control'] as const

/** The arm with which a control is compared: whichever of the two runs ran on legacy. */
export function controlBase(row: { readonly stamp: { readonly route: RowStamp['route'] } }): 'primary' | 'shadow' {
  return sideOf(row.stamp.route) === 'legacy' ? 'primary' : 'shadow'
}

function close(row: JobRow, which: 'pair' | 'control', verdict: JobRow['verdict']): JobRow {
  return dropSlots(which === 'pair' ? { ...row, verdict } : { ...row, controlVerdict: verdict })
}

/** Remembers which copies were there: their slots are forgotten with the verdicts, and they are not late. */
function noteSeen(row: JobRow): JobRow {
  const seen = row.seenArms ?? []
  const more = COPIES.filter((arm) => row.slots[arm] !== undefined && !seen.includes(arm))
  return more.length === 0 ? row : { ...row, seenArms: [...seen, ...more] }
}

export function verdictOf(row: JobRow, which: 'pair' | 'control'): JobRow['verdict'] {
  return which === 'pair' ? row.verdict : row.controlVerdict
}

function filledOf(row: JobRow, which: 'pair' | 'control'): { first: boolean; second: boolean } {
  const first = which === 'pair' ? 'primary' : controlBase(row)
  const second = which === 'pair' ? 'shadow' : 'control'
  return { first: row.slots[first] !== undefined, second: row.slots[second] !== undefined }
}

export function shed(row: JobRow | undefined, which: 'pair' | 'control', env: RuleEnvironment): Change<undefined> {
  if (row === undefined || verdictOf(row, which) !== 'open' || filledOf(row, which).second) {
    return { answer: undefined, counts: [] }
  }
  const shadowSide = sideOfArm(row.stamp.route, 'shadow')
  const measures = [which === 'pair' ? MEASURES.shadowShed(shadowSide) : MEASURES.controlShed]
  if (isTripleOpen(row)) measures.push(MEASURES.tripleOut)
  return { answer: undefined, row: close(noteSeen(row), which, 'shed'), counts: file(row, measures, env) }
}

export function compare(row: JobRow | undefined, request: CompareRequest, env: RuleEnvironment): Change<boolean> {
  if (row === undefined || verdictOf(row, request.which) !== 'open') return { answer: false, counts: [] }
  const filled = filledOf(row, request.which)
  if (!filled.first || !filled.second) return { answer: false, counts: [] }
  const { which, times, comparison } = request
  const { class: cls, errors } = comparison
  const measures = [MEASURES.compared(which, cls)]
  if (which === 'pair' && errors !== 'none') measures.push(MEASURES.errors(errors))
  const triple = tripleMeasure(row, which, cls)
  if (triple !== undefined) measures.push(triple)
  const timed = which === 'pair' && cls !== 'ignored' && times !== undefined
  return {
    answer: true,
    row: close(row, which, cls),
    counts: file(row, measures, env),
    ...(timed ? { times: [{ name: 'pair', bucket: times.legacy, target: times.target }] } : {}),
  }
}

/** Not yet complete, and it may still be. */
export function isTripleOpen({ verdict, controlVerdict }: JobRow): boolean {
  const may = (each: Verdict): boolean => each === 'open' || isCompared(each)
  const complete = isCompared(verdict) && isCompared(controlVerdict)
  return may(verdict) && may(controlVerdict) && !complete
}

function isCompared(verdict: Verdict): boolean {
  return verdict === 'matched' || verdict === 'mismatched'
}

/** What the comparison `which`, which came to `cls`, makes of the triple. */
function tripleMeasure(row: JobRow, which: 'pair' | 'control', cls: ComparisonClass): string | undefined {
  if (!isTripleOpen(row)) return undefined
  if (cls === 'ignored') return MEASURES.tripleOut
  const other = which === 'pair' ? row.controlVerdict : row.verdict
  if (!isCompared(other)) return undefined
  const [differs, otherDiffers] = [cls === 'mismatched', other === 'mismatched']
  return which === 'pair' ? MEASURES.triple(differs, otherDiffers) : MEASURES.triple(otherDiffers, differs)
}

/** What a job that is cancelled or moved leaves of its pair and its triple. */
export function withdrawn(row: JobRow): string[] {
  const measures: string[] = []
  if (row.verdict === 'open' && row.slots.shadow === undefined) {
    measures.push(MEASURES.shadowWithdrawn(sideOfArm(row.stamp.route, 'shadow')))
  }
  if (isTripleOpen(row)) measures.push(MEASURES.tripleOut)
  return measures
}

/** Whether a pair (or control) may be called orphaned now. */
export function isOrphan(row: JobRow, which: 'pair' | 'control', { now, settings }: RuleEnvironment): boolean {
  if (verdictOf(row, which) !== 'open') return false
  if (row.stamp.dueAt + settings.deadlineMs + settings.slackMs >= now) return false
  const { first, second } = filledOf(row, which)
  if (which === 'pair') return first !== second
  return row.verdict !== 'open' && !(first && second)
}

export function orphan(row: JobRow | undefined, which: 'pair' | 'control', env: RuleEnvironment): Change<boolean> {
  if (row === undefined || !isOrphan(row, which, env)) return { answer: false, counts: [] }
  const { second } = filledOf(row, which)
  const missing: Arm = which === 'pair' ? (second ? 'primary' : 'shadow') : second ? controlBase(row) : 'control'
  const measure = MEASURES.orphaned(which, sideOfArm(row.stamp.route, missing))
  return { answer: true, row: close(noteSeen(row), which, 'orphaned'), counts: file(row, [measure], env) }
}
