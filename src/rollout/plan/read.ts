// From `migration-plan.md` to plans: everything that is wrong is gathered, with its line and what is allowed.

import { formatDuration } from '../../vocabulary/duration.ts'
import { type Block, planBlocks } from './blocks.ts'
import { duration, number, required, text } from './fields.ts'
import { readUnit } from './gates.ts'
import type { PlanProblem } from './problems.ts'
import { Source, scalarOf, shown, type Value } from './source.ts'
import { readStages } from './stages.ts'
import type { Plan } from './types.ts'

/** What a migration's configuration says of itself, as far as a plan hangs on it. */
export interface MigrationFacts {
  /** Kinds of the configured queues, e.g. `bee-queue`. */
  readonly legacy: string
  readonly target: string
  /** False for `shadow: 'off'`. */
  readonly shadowable: boolean
  /** There is a `key` function. */
  readonly hasKey: boolean
  /** The migration's own, which a plan's replaces. */
  readonly deadlineMs: number
  /** Wait allowance + attempts × timeout + backoffs. */
  readonly neededDeadlineMs: number
}

export interface PlanContext {
  /** By migration; absent: nothing is known, and nothing that hangs on it is checked. */
  readonly migrations?: Readonly<Record<string, MigrationFacts>>
}

export interface ReadPlans {
  /** Only those without a problem. */
  readonly plans: readonly Plan[]
  readonly problems: readonly PlanProblem[]
  readonly warnings: readonly PlanProblem[]
}

const KEYS = ['version', 'migration', 'legacy', 'target', 'alpha', 'unit', 'deadline', 'stages']
const MIGRATION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Reads all plans of a Markdown text; `file` is what problems name. */
export function readPlans(markdown: string, file: string, context: PlanContext = {}): ReadPlans {
  const blocks = planBlocks(markdown)
  if (blocks.length === 0) return { plans: [], problems: [blockMissing(file)], warnings: [] }
  const found = blocks.map((block) => readBlock(block, file, context))
  const seen = new Map<string, number>()
  for (const { name, block, source } of found) {
    if (name === undefined) continue
    const before = seen.get(name)
    if (before === undefined) seen.set(name, block.fenceLine)
    else {
      const message = `there is a block for "${name}" in line ${before} already; one for each migration`
      source.report('plan-block-twice', { path: '', line: block.fenceLine }, message)
    }
  }
  return {
    plans: found.flatMap(({ plan, source }) => (plan === undefined || source.problems.length > 0 ? [] : [plan])),
    problems: found.flatMap(({ source }) => source.problems).sort((a, b) => a.line - b.line),
    warnings: found.flatMap(({ source }) => source.warnings),
  }
}

export function blockMissing(file: string, migration?: string): PlanProblem {
  const whose = migration === undefined ? '' : ` with \`migration: ${migration}\``
  const message = `there is no fenced block \`yaml cutover\`${whose}; \`cutover init\` writes one`
  return { code: 'plan-block-missing', file, line: 1, path: '', message }
}

interface Found {
  readonly block: Block
  readonly source: Source
  readonly name: string | undefined
  readonly plan?: Plan
}

function readBlock(block: Block, file: string, { migrations }: PlanContext): Found {
  const source = new Source(file, block)
  const top = source.parse()
  const fields = top === undefined ? undefined : source.map(top, KEYS)
  if (top === undefined || fields === undefined) return { block, source, name: undefined }
  const reading = { source, fields }
  reportVersion(source, required(reading, 'version', top))
  const migration = required(reading, 'migration', top)
  const name = text(source, migration, MIGRATION, 'a name as in the configuration')
  const facts = name === undefined || migrations === undefined ? undefined : own(migrations, name)
  if (name !== undefined && migrations !== undefined && facts === undefined && migration !== undefined) {
    const known = Object.keys(migrations).join(', ')
    source.report('migration-unknown', migration, `the configuration has no migration "${name}"; it has: ${known}`)
  }
  const queues = { legacy: readQueue('legacy'), target: readQueue('target') }
  const unit = readUnit(reading, 'key', facts?.hasKey ?? true)
  const alpha = number(reading, 'alpha', {
    fallback: 0.05,
    within: (n) => n > 0 && n <= 0.2,
    allowed: 'over 0, up to 0.2',
  })
  const deadline = fields.get('deadline')
  const deadlineMs = deadline === undefined ? undefined : duration(reading, 'deadline', 0)
  if (deadline !== undefined && deadlineMs !== undefined) reportDeadline(source, deadline, { deadlineMs, facts })
  const list = required(reading, 'stages', top)
  if (list === undefined) return { block, source, name }
  const stages = readStages(source, list, {
    unit,
    hasKey: facts?.hasKey ?? true,
    shadowable: facts?.shadowable ?? true,
    deadlineMs: deadlineMs ?? facts?.deadlineMs,
  })
  if (name === undefined) return { block, source, name }
  const plan: Plan = {
    version: 1,
    migration: name,
    ...queues,
    alpha,
    unit,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    stages,
  }
  return { block, source, name, plan }

  function readQueue(side: 'legacy' | 'target'): string {
    const configured = facts?.[side]
    const allowed = configured ?? 'the name of an adapter, e.g. embedded, bee-queue, bullmq'
    const value = required(reading, side, top as Value)
    const kind = text(source, value, /^[A-Za-z0-9][A-Za-z0-9._-]*$/, allowed)
    if (value !== undefined && kind !== undefined && configured !== undefined && kind !== configured) {
      source.report('wrong-value', value, `is ${kind}; allowed: ${configured}, as in the configuration`)
    }
    return kind ?? ''
  }
}

function own<T>(all: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(all, name) ? all[name] : undefined
}

function reportVersion(source: Source, value: Value | undefined): void {
  if (value === undefined || scalarOf(value) === 1) return
  source.report('version-unsupported', value, `is ${shown(value)}; allowed: 1`)
}

function reportDeadline(
  source: Source,
  place: Value,
  { deadlineMs, facts }: { readonly deadlineMs: number; readonly facts: MigrationFacts | undefined },
): void {
  const needed = facts?.neededDeadlineMs ?? 0
  if (deadlineMs >= needed) return
  const why = 'waiting, all attempts and their pauses need'
  source.report('deadline-too-short', place, `is ${formatDuration(deadlineMs)}; ${why} ${formatDuration(needed)}`)
}
