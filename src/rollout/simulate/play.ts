// A plan, played once: stage after stage, until it is through, sent back, or stuck.

import { type Plan, testsOf } from '../plan/types.ts'
import { Jobs } from './jobs.ts'
import type { Random } from './random.ts'
import { playStage, type StageRun } from './stage.ts'
import type { Traffic, Version } from './version.ts'

export interface PlayOptions {
  readonly plan: Plan
  readonly version: Version
  readonly traffic: Traffic
  /** Which attempt of this handler version, from 1. */
  readonly attempt: number
  /** Of the migration; a plan's own wins. */
  readonly deadlineMs: number
  /** Width of a bucket, and how much longer it stays open than the deadline. */
  readonly bucketMs: number
  readonly slackMs: number
  /** Jobs a stage that are simulated one by one (`jobsInDetail`), and after which it counts as held (`mostJobs`). */
  readonly jobsInDetail: number
  readonly mostJobs: number
  readonly thorough?: boolean
}

/** `rolled-back`: a gate failed; of a stage with `on-fail: hold` it stays where it is, and does not go on by itself. */
export type RunEnd = 'promoted' | 'rolled-back' | 'held'

export interface Run {
  readonly end: RunEnd
  /** Of the stages that were entered, in order. */
  readonly stages: readonly StageRun[]
  readonly days: number
}

const DAY_MS = 86_400_000

/** Plays the plan. Approvals are given at once. */
export function playPlan(random: Random, options: PlayOptions): Run {
  const { plan, version, traffic, attempt, deadlineMs, bucketMs, slackMs } = options
  const jobs = new Jobs(random, version, traffic)
  const shared = {
    levels: { alpha: plan.alpha, attempt, tests: testsOf(plan) },
    errorsDiffer: version.errorsDiffer,
    lagDays: ((plan.deadlineMs ?? deadlineMs) + bucketMs + slackMs) / DAY_MS,
    jobsInDetail: options.jobsInDetail,
    mostJobs: options.mostJobs,
    ...(options.thorough === undefined ? {} : { thorough: options.thorough }),
  }
  const stages: StageRun[] = []
  let legacyRate = 0
  for (const stage of plan.stages) {
    const run = playStage(jobs, { ...shared, stage, legacyRate })
    stages.push(run)
    legacyRate = run.legacyRate ?? legacyRate
    if (run.end !== 'passed') break
  }
  const last = stages.at(-1)
  const ended = { stages, days: stages.reduce((sum, { days }) => sum + days, 0) }
  if (last?.end === 'failed') return { end: 'rolled-back', ...ended }
  return { end: last?.end === 'held' ? 'held' : 'promoted', ...ended }
}
