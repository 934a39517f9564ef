// What is wrong with a plan, and where? Everything is gathered first, so that one look tells all of it.

import { CutoverError } from '../../vocabulary/errors.ts'

export const PLAN_PROBLEMS = [
  'plan-block-missing',
  'plan-block-twice',
  'yaml-syntax',
  'unknown-key',
  'value-missing',
  'wrong-value',
  'version-unsupported',
  'percent-sign-missing',
  'percent-step',
  'out-of-range',
  'stage-name-twice',
  'target-falls',
  'no-full-stage',
  'shadow-not-declared',
  'gate-not-here',
  'prove-nothing',
  'deadline-too-short',
  'soak-over-stay',
  'soak-under-deadline',
  'migration-unknown',
  'key-missing',
] as const
export type PlanProblemCode = (typeof PLAN_PROBLEMS)[number]

export interface PlanProblem {
  readonly code: PlanProblemCode
  readonly file: string
  readonly line: number
  /** E.g. `stages[1].gates.mismatch.limit`; empty where it is about the whole block. */
  readonly path: string
  /** What is wrong, and what is allowed. */
  readonly message: string
}

export function problemText({ code, file, line, path, message }: PlanProblem): string {
  return `${file}:${line}: ${path === '' ? '' : `${path}: `}${message} (${code})`
}

/** One error for all of them. `details.code` is the first one's, `details.problems` has a line each. */
export function planError(problems: readonly PlanProblem[]): CutoverError {
  const [first] = problems
  if (first === undefined) throw new Error('no problem, no error')
  const lines = problems.map(problemText)
  const message = lines.length === 1 ? lines.join() : `${lines.length} things are wrong:\n${lines.join('\n')}`
  const { code, file, line, path } = first
  return new CutoverError('plan-invalid', message, { details: { code, file, line, path, problems: lines } })
}
