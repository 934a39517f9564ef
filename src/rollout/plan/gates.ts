// The gates of one stage as its plan writes them: limits and rules, with the defaults of docs/gates.md.

import { PLAIN_LIMITS } from '../gates/plain.ts'
import { DEFAULT_MIN_UNITS } from '../gates/thresholds.ts'
import { choice, duration, number, percent } from './fields.ts'
import type { Fields, Source, Value } from './source.ts'
import {
  type PlainLimits,
  STATISTICAL_GATES,
  type Stage,
  type StageGates,
  type StatisticalGateName,
  type Unit,
} from './types.ts'

/** What the gates of a stage hang on. */
export interface StagePlace {
  readonly source: Source
  readonly dials: Pick<Stage, 'target' | 'shadow' | 'control'>
  readonly isLast: boolean
  readonly unit: Unit
  /** Without a key function there is nothing to count by day. */
  readonly hasKey: boolean
}

type PlainGateName =
  | ('queue-wait' | 'backlog' | 'shed' | 'sample-ratio')
  | ('duplicates' | 'mcp-tools' | 'mcp-reachable' | 'tripwire')
const PLAIN_GATES: readonly PlainGateName[] = [
  ...(['queue-wait', 'backlog', 'shed', 'sample-ratio'] as const),
  ...(['duplicates', 'mcp-tools', 'mcp-reachable', 'tripwire'] as const),
]

export const UNITS: readonly Unit[] = ['key', 'key-day', 'job']

/** Reads the map of gates; without one only those that are always on. */
export function readGates(value: Value | undefined, place: StagePlace): StageGates {
  const known = [...STATISTICAL_GATES, ...PLAIN_GATES]
  const fields = value === undefined ? undefined : place.source.map(value, known)
  const all: Fields = fields ?? new Map()
  for (const [name, gate] of all) reportUseless(name as StatisticalGateName | PlainGateName, gate, place)
  const statistical = STATISTICAL_GATES.map((name) => [name, readStatistical(name, all.get(name), place)] as const)
  return {
    ...Object.fromEntries(statistical.filter(([, gate]) => gate !== undefined)),
    plain: readPlain(all, place),
  }
}

/** A gate where nothing can be counted for it would hold for ever, or mean nothing. */
function reportUseless(name: StatisticalGateName | PlainGateName, value: Value, { source, dials }: StagePlace): void {
  const { target, shadow } = dials
  const split = target > 0 && target < 1
  const needs: Readonly<Partial<Record<typeof name, readonly [here: boolean, needed: string]>>> = {
    mismatch: [shadow > 0, 'shadows (shadow over 0%)'],
    errors: [target > 0 || shadow > 0, 'shadows, or a target over 0%'],
    lost: [target > 0 || shadow > 0, 'shadows, or a target over 0%'],
    p50: [split || shadow > 0, 'shadows, or a target between 0% and 100%'],
    p95: [split || shadow > 0, 'shadows, or a target between 0% and 100%'],
    shed: [shadow > 0, 'shadows (shadow over 0%)'],
    backlog: [target > 0, 'a target over 0%'],
    tripwire: [target > 0, 'a target over 0%'],
    'sample-ratio': [split, 'a target between 0% and 100%'],
  }
  const [here, needed] = needs[name] ?? [true, '']
  if (!here) source.report('gate-not-here', value, `this stage has nothing to judge it by: it needs ${needed}`)
}

function readStatistical(
  name: StatisticalGateName,
  value: Value | undefined,
  place: StagePlace,
): StageGates[StatisticalGateName] {
  if (value === undefined) return undefined
  const { source } = place
  const isRatio = name === 'p50' || name === 'p95'
  const known = [isRatio ? 'ratio' : 'limit', 'rule', 'unit', 'min-units', ...(name === 'mismatch' ? ['against'] : [])]
  const fields = source.map(value, known)
  if (fields === undefined) return undefined
  const reading = { source, fields }
  const shared = {
    rule: choice(reading, 'rule', { allowed: ['prove', 'watch'], fallback: 'prove' }),
    unit: readUnit(reading, place.unit, place.hasKey),
    minUnits: wholeNumber(reading, 'min-units', { fallback: DEFAULT_MIN_UNITS, least: 1 }),
  }
  if (isRatio) {
    const ratio = number(reading, 'ratio', {
      fallback: name === 'p50' ? 1.1 : 1.15,
      within: (n) => n > 1 && n <= 10,
      allowed: 'over 1, up to 10, e.g. 1.15',
    })
    return { ratio, ...shared }
  }
  const gate = { limit: percent(reading, 'limit', defaultLimit(name, place), 'limit'), ...shared }
  if (name !== 'mismatch') return gate
  const against = choice(reading, 'against', { allowed: ['nothing', 'control'], fallback: 'nothing' })
  const given = fields.get('against')
  if (against === 'control' && given !== undefined && place.dials.control === 0) {
    source.report('gate-not-here', given, 'this stage has no controls; it needs a control over 0%')
  }
  return { ...gate, against }
}

function defaultLimit(name: StatisticalGateName, { dials: { target }, isLast }: StagePlace): number {
  if (name === 'lost') return isLast ? 0.001 : 0.002
  return name === 'errors' && target > 0 && target < 0.5 ? 0.02 : 0.01
}

export function readUnit(reading: { source: Source; fields: Fields }, fallback: Unit, hasKey: boolean): Unit {
  const unit = choice(reading, 'unit', { allowed: UNITS, fallback })
  const value = reading.fields.get('unit')
  if (unit === 'key-day' && value !== undefined && !hasKey) {
    reading.source.report('key-missing', value, 'key-day needs a `key` function in the configuration; use key or job')
  }
  return unit
}

function wholeNumber(
  reading: { source: Source; fields: Fields },
  name: string,
  { fallback, least }: { readonly fallback: number; readonly least: number },
): number {
  return number(reading, name, {
    fallback,
    within: (n) => Number.isSafeInteger(n) && n >= least,
    allowed: `a whole number from ${least}`,
  })
}

function readPlain(all: Fields, { source }: StagePlace): PlainLimits {
  const limitOf = <T>(
    name: PlainGateName,
    fallback: T,
    read: (reading: { source: Source; fields: Fields }) => T,
  ): T => {
    const value = all.get(name)
    const fields = value === undefined ? undefined : source.map(value, ['limit'])
    return fields === undefined ? fallback : read({ source, fields })
  }
  const share = (name: PlainGateName, fallback: number): number =>
    limitOf(name, fallback, (reading) => percent(reading, 'limit', fallback, 'limit'))
  const time = (name: PlainGateName, fallback: number): number =>
    limitOf(name, fallback, (reading) => duration(reading, 'limit', fallback))
  const count = (name: PlainGateName, fallback: number, least: number): number =>
    limitOf(name, fallback, (reading) => wholeNumber(reading, 'limit', { fallback, least }))
  return {
    queueWaitMs: time('queue-wait', PLAIN_LIMITS.queueWaitMs),
    backlogMs: time('backlog', PLAIN_LIMITS.oldestAgeMs),
    shed: share('shed', PLAIN_LIMITS.shed),
    sampleRatio: share('sample-ratio', PLAIN_LIMITS.sampleRatio),
    duplicates: count('duplicates', PLAIN_LIMITS.duplicates, 0),
    mcpTools: count('mcp-tools', PLAIN_LIMITS.mcpTools, 0),
    mcpReachable: count('mcp-reachable', PLAIN_LIMITS.mcpReachable, 1),
    tripwire: share('tripwire', PLAIN_LIMITS.tripwire),
  }
}
