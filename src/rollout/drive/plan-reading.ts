// What does the plan's file say, held against the plan that is driven?

import { problemText } from '../plan/problems.ts'
import { type PlanFile, samePlan, whyRefused } from '../plan-file.ts'
import type { PlanReading } from './facts.ts'
import type { DriveRecord } from './record.ts'

/** `record` undefined: none is driven, and any valid plan is a new one. */
export function planReading(record: DriveRecord | undefined, file: PlanFile): PlanReading {
  if (file.kind === 'none') return { kind: 'broken', message: 'the configuration names no plan' }
  if (file.kind === 'missing') return { kind: 'broken', message: `there is no ${file.path}` }
  if (file.kind === 'unreadable') return { kind: 'broken', message: file.message }
  const { plan, problems } = file
  if (plan === undefined) return { kind: 'broken', message: problems.map(problemText).join('\n') }
  if (record === undefined) return { kind: 'changed', plan }
  if (samePlan(record.plan, plan)) return { kind: 'same' }
  const refused = whyRefused(record.plan, plan, record.stage)
  return { kind: 'changed', plan, ...(refused === undefined ? {} : { refused }) }
}
