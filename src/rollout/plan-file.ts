// Which plan has a migration? Its file is read and held against the configuration; a valid plan's deadline takes the place
// of the migration's own.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { MigrationSettings } from '../config/resolve.ts'
import { formatShare } from '../vocabulary/dials.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { type PlanProblem, planError } from './plan/problems.ts'
import { blockMissing, type MigrationFacts, readPlans } from './plan/read.ts'
import type { Plan } from './plan/types.ts'

export type PlanFile =
  /** The migration names no plan. */
  | { readonly kind: 'none' }
  /** It names one, and there is no such file. */
  | { readonly kind: 'missing'; readonly path: string }
  | { readonly kind: 'unreadable'; readonly path: string; readonly message: string }
  | {
      readonly kind: 'read'
      readonly path: string
      /** Undefined while there are problems. */
      readonly plan: Plan | undefined
      /** Of the whole file: a block whose name cannot be read may be this migration's. */
      readonly problems: readonly PlanProblem[]
      readonly warnings: readonly PlanProblem[]
    }

/** What a plan is checked against. */
export function planFacts(settings: MigrationSettings): MigrationFacts {
  return {
    legacy: settings.legacy.kind,
    target: settings.target.kind,
    shadowable: settings.shadowable,
    hasKey: settings.key !== undefined,
    deadlineMs: settings.ledger.deadlineMs,
    neededDeadlineMs: settings.neededDeadlineMs,
  }
}

/** `folder`: from where a relative path counts. `all`: the settings of every migration that the file may have plans of. */
export function readPlanFile(
  settings: MigrationSettings,
  folder: string,
  all: readonly MigrationSettings[] = [settings],
): PlanFile {
  if (settings.plan === undefined) return { kind: 'none' }
  const path = resolve(folder, settings.plan)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return { kind: 'missing', path }
    return { kind: 'unreadable', path, message: `${path} cannot be read: ${(error as Error).message}` }
  }
  return { kind: 'read', path, ...planIn(text, path, { settings, all }) }
}

function planIn(
  text: string,
  path: string,
  { settings, all }: { readonly settings: MigrationSettings; readonly all: readonly MigrationSettings[] },
): { plan: Plan | undefined; problems: readonly PlanProblem[]; warnings: readonly PlanProblem[] } {
  const migrations = Object.fromEntries([...all, settings].map((each) => [each.name, planFacts(each)]))
  const { plans, problems, warnings } = readPlans(text, path, { migrations })
  // of two blocks nobody knows which one is meant
  const twice = problems.some(
    ({ code, message }) => code === 'plan-block-twice' && message.includes(`"${settings.name}"`),
  )
  const plan = twice ? undefined : plans.find(({ migration }) => migration === settings.name)
  if (plan !== undefined || problems.length > 0) return { plan, problems, warnings }
  return { plan, problems: [blockMissing(path, settings.name)], warnings }
}

/** The plan of a file, or an error that tells everything that is in its way. */
export function planOfFile(name: string, file: PlanFile): Plan {
  switch (file.kind) {
    case 'none':
      throw new CutoverError(
        'plan-invalid',
        `${name}: the configuration names no plan; write: plan: 'migration-plan.md'`,
        { details: { migration: name } },
      )
    case 'missing':
      throw new CutoverError('plan-invalid', `${name}: there is no ${file.path}; cutover init writes one`, {
        details: { migration: name, file: file.path },
      })
    case 'unreadable':
      throw new CutoverError('plan-invalid', file.message, { details: { migration: name, file: file.path } })
    case 'read':
      if (file.plan === undefined) throw planError(file.problems)
      return file.plan
  }
}

/** With the plan's deadline. Refuses a plan that is there and not valid (`plan-invalid`); without a file all stays. */
export function withPlan(settings: MigrationSettings, file: PlanFile): MigrationSettings {
  if (file.kind === 'none' || file.kind === 'missing') return settings
  const { deadlineMs } = planOfFile(settings.name, file)
  return deadlineMs === undefined ? settings : { ...settings, ledger: { ...settings.ledger, deadlineMs } }
}

/** Plans are plain data: the same text of both is the same plan. */
export function samePlan(a: Plan, b: Plan): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/**
 * Why a plan may not take the place of the one that is driven; undefined: it may, with new counts. A stage that was
 * entered may not disappear, and the dials of the one under way may not rise without its gates.
 */
export function whyRefused(driven: Plan, next: Plan, stage: string): string | undefined {
  const names = next.stages.map(({ name }) => name)
  const gone = driven.stages.filter(({ name }) => !names.includes(name)).map(({ name }) => name)
  if (gone.length > 0) return `${gone.length === 1 ? 'stage' : 'stages'} ${gone.join(', ')} disappeared`
  const kept = names.filter((name) => driven.stages.some((each) => each.name === name))
  if (kept.join() !== driven.stages.map(({ name }) => name).join()) return 'the stages are in another order'
  const [was, is] = [driven, next].map(({ stages }) => stages.find(({ name }) => name === stage)?.target ?? 0)
  if ((is as number) > (was as number)) {
    return `stage ${stage} is under way at target ${formatShare(was as number)} and may not rise to ${formatShare(is as number)}; add a stage after it`
  }
  return undefined
}
