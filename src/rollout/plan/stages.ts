// The stages of a plan in order, and what must hold between them.

import { formatShare } from '../../vocabulary/dials.ts'
import { formatDuration } from '../../vocabulary/duration.ts'
import { choice, duration, percent, required, text } from './fields.ts'
import { readGates } from './gates.ts'
import type { Source, Value } from './source.ts'
import type { Stage, Unit } from './types.ts'

const KEYS = [
  ...['name', 'target', 'shadow', 'control', 'min-soak', 'max-stay', 'approval', 'stale-after', 'on-fail', 'gates'],
]
const DAY_MS = 86_400_000

/** What the migration's configuration says, where it is known. */
export interface StageContext {
  readonly unit: Unit
  readonly hasKey: boolean
  readonly shadowable: boolean
  /** The plan's, or the migration's own. */
  readonly deadlineMs: number | undefined
}

interface Read {
  readonly stage: Stage
  readonly value: Value
  readonly places: ReadonlyMap<string, Value>
}

export function readStages(source: Source, list: Value, context: StageContext): Stage[] {
  const values = source.list(list) ?? []
  const read = values.map((value, index) =>
    readStage(source, value, { ...context, isLast: index === values.length - 1 }),
  )
  const all = read.filter((each) => each !== undefined)
  reportNames(source, all)
  reportTargets(source, all)
  const stages = all.map(({ stage }) => stage)
  if (stages.length > 0 && !stages.some(provesSomething)) {
    source.report(
      'prove-nothing',
      list,
      'no stage proves errors or mismatch; give one of them `rule: prove` in a stage',
    )
  }
  return stages
}

function readStage(
  source: Source,
  value: Value,
  context: StageContext & { readonly isLast: boolean },
): Read | undefined {
  const fields = source.map(value, KEYS)
  if (fields === undefined) return undefined
  const reading = { source, fields }
  const name = text(source, required(reading, 'name', value), /^[a-z0-9-]+$/, 'a-z, 0-9 and "-"')
  required(reading, 'target', value)
  const dial = (which: string): number => percent(reading, which, 0, 'dial')
  const dials = { target: dial('target'), shadow: dial('shadow'), control: dial('control') }
  const shadow = fields.get('shadow')
  if (dials.shadow > 0 && !context.shadowable && shadow !== undefined) {
    const remedy = "set `shadow: 'effects-declared'` in the configuration once all effects go through ctx.effect"
    source.report('shadow-not-declared', shadow, `the migration says \`shadow: off\`; ${remedy}, or write shadow: 0%`)
  }
  const minSoakMs = duration(reading, 'min-soak', DAY_MS)
  const stage: Stage = {
    name: name ?? '',
    ...dials,
    minSoakMs,
    maxStayMs: duration(reading, 'max-stay', 14 * DAY_MS),
    approval: choice(reading, 'approval', { allowed: ['auto', 'manual'], fallback: 'auto' }),
    staleAfterMs: duration(reading, 'stale-after', minSoakMs),
    onFail: choice(reading, 'on-fail', { allowed: ['rollback', 'hold'], fallback: 'rollback' }),
    gates: readGates(fields.get('gates'), { source, dials, ...context }),
  }
  reportSoak(source, stage, { place: fields.get('min-soak') ?? value, deadlineMs: context.deadlineMs })
  return { stage, value, places: fields }
}

function reportSoak(
  source: Source,
  { minSoakMs, maxStayMs }: Stage,
  { place, deadlineMs }: { readonly place: Value; readonly deadlineMs: number | undefined },
): void {
  const soak = formatDuration(minSoakMs)
  if (minSoakMs > maxStayMs) {
    source.report('soak-over-stay', place, `min-soak ${soak} is longer than max-stay ${formatDuration(maxStayMs)}`)
  }
  if (deadlineMs !== undefined && minSoakMs < 2 * deadlineMs) {
    const needed = `twice the deadline, ${formatDuration(2 * deadlineMs)}`
    source.report(
      'soak-under-deadline',
      place,
      `min-soak ${soak} is too short for outcomes to come in; at least ${needed}`,
    )
  }
}

function reportNames(source: Source, all: readonly Read[]): void {
  const seen = new Set<string>()
  for (const { stage, value, places } of all) {
    if (stage.name !== '' && seen.has(stage.name)) {
      source.report('stage-name-twice', places.get('name') ?? value, `there is a stage "${stage.name}" before`)
    }
    seen.add(stage.name)
  }
}

function reportTargets(source: Source, all: readonly Read[]): void {
  let highest = 0
  for (const { stage, value, places } of all) {
    if (stage.target < highest) {
      const allowed = `${formatShare(highest)} or more, as the stages before`
      source.report(
        'target-falls',
        places.get('target') ?? value,
        `is ${formatShare(stage.target)}; allowed: ${allowed}`,
      )
    }
    highest = Math.max(highest, stage.target)
  }
  const last = all.at(-1)
  if (last !== undefined && last.stage.target < 1) {
    const place = last.places.get('target') ?? last.value
    source.warn(
      'no-full-stage',
      place,
      `the last stage ends at ${formatShare(last.stage.target)}, the migration never does`,
    )
  }
}

function provesSomething({ gates: { mismatch, errors } }: Stage): boolean {
  return mismatch?.rule === 'prove' || errors?.rule === 'prove'
}
