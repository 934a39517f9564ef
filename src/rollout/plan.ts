// The plan of a migration: read from `migration-plan.md`, checked, linted, and written for `init`.
//
// What is wrong with a file is told all at once, by line; a plan that was given out is whole, with every default in it.

import { planError } from './plan/problems.ts'
import { blockMissing, type PlanContext, readPlans } from './plan/read.ts'
import type { Plan } from './plan/types.ts'

export { defaultPlan, type PlanNames } from './plan/default.ts'
export { type LintFacts, lintPlan, type PlanWarning, type StageNeed, stageNeeds } from './plan/lint.ts'
export { PLAN_PROBLEMS, type PlanProblem, type PlanProblemCode, problemText } from './plan/problems.ts'
export { type MigrationFacts, type PlanContext, type ReadPlans, readPlans } from './plan/read.ts'
export * from './plan/types.ts'

/** All plans of a Markdown text. Throws `plan-invalid` with every problem; `readPlans` gives them, and warnings, as data. */
export function parsePlan(markdown: string, file: string, context: PlanContext = {}): readonly Plan[] {
  const { plans, problems } = readPlans(markdown, file, context)
  if (problems.length > 0) throw planError(problems)
  return plans
}

/** The plan of one migration, e.g. of those that `parsePlan` gave. */
export function planOf(plans: readonly Plan[], migration: string, file: string): Plan {
  const plan = plans.find((each) => each.migration === migration)
  if (plan === undefined) throw planError([blockMissing(file, migration)])
  return plan
}
