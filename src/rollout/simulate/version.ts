// What is the version like that a plan is played against? Rates, times and traffic, each with a default.

import { CutoverError } from '../../vocabulary/errors.ts'
import type { Plan, Stage } from '../plan/types.ts'

/** Shares from 0 to 1. Whatever is not said is that of a good version, `GOOD_VERSION`. */
export interface Version {
  /** Pairs of runs that both succeed and differ, because target does something else. */
  readonly mismatch: number
  /** Runs that differ from another run of the same code: shows in pairs and in controls alike. */
  readonly noise: number
  /** Jobs that fail on legacy, and on target as far as it is no worse. */
  readonly errors: number
  /** The part of `errors` that is of one side alone, on each side; the rest fails on both. */
  readonly errorsApart: number
  /** More errors on target, in shadows too. */
  readonly errorsMore: number
  /** More errors on target where effects are performed: no shadow shows them. */
  readonly errorsInEffects: number
  /** Copies sent to target whose outcome never comes. */
  readonly lost: number
  /** Median run time on legacy, in ms; times are lognormal. */
  readonly medianMs: number
  /** Standard deviation of the logarithm of a run time. */
  readonly sigma: number
  /** Correlation of the logarithms of the two times of one job. */
  readonly correlation: number
  /** Target's times over legacy's. */
  readonly slower: number
  /** The same again for target's slowest tenth alone. */
  readonly slowestTenth: number
  /** An error on one side alone is a mismatch, as in a comparison. */
  readonly errorsDiffer: boolean
  /** Faults of target sit in keys: a key has one always or never. False: each job has its own luck. */
  readonly byKey: boolean
}

export interface Traffic {
  /** Jobs a day, at times independent of each other. */
  readonly jobsPerDay: number
  /** How many different keys there are; null: every job (or burst) has a key of its own. */
  readonly keys: number | null
  /** Zipf's exponent: 0 all keys alike, 1 the second has half as many jobs as the first, the third a third. */
  readonly skew: number
  /** Jobs of one key that come in a row and share their fate. */
  readonly burst: number
}

export const GOOD_VERSION: Version = Object.freeze({
  mismatch: 0.001,
  noise: 0,
  errors: 0.005,
  errorsApart: 0.002,
  errorsMore: 0,
  errorsInEffects: 0,
  lost: 0,
  medianMs: 1000,
  sigma: 0.8,
  correlation: 0.8,
  slower: 1,
  slowestTenth: 1,
  errorsDiffer: true,
  byKey: false,
})

export const DEFAULT_TRAFFIC: Traffic = Object.freeze({ jobsPerDay: 1000, keys: null, skew: 0, burst: 1 })

export const PRESETS = ['good', 'mismatch-2x', 'errors-2x', 'effects-2x', 'slow', 'loses'] as const
export type Preset = (typeof PRESETS)[number]

/** A version by name; "2x" is twice the limit that the plan proves (or watches, where it proves none). */
export function presetVersion(preset: Preset, plan: Plan): Version {
  switch (preset) {
    case 'good':
      return GOOD_VERSION
    case 'mismatch-2x':
      return { ...GOOD_VERSION, mismatch: 2 * limitOf(plan, 'mismatch', () => true) }
    case 'errors-2x':
      return { ...GOOD_VERSION, errorsMore: 2 * limitOf(plan, 'errors', () => true) }
    case 'effects-2x':
      return { ...GOOD_VERSION, errorsInEffects: 2 * limitOf(plan, 'errors', ({ target }) => target > 0) }
    case 'slow':
      return { ...GOOD_VERSION, slower: 1.2 }
    case 'loses':
      return { ...GOOD_VERSION, lost: 2.5 * limitOf(plan, 'lost', () => true) }
  }
}

/** The limit of the first stage that proves it; else of the first that has it. */
function limitOf(plan: Plan, name: 'mismatch' | 'errors' | 'lost', among: (stage: Stage) => boolean): number {
  const gates = plan.stages.filter(among).flatMap(({ gates }) => gates[name] ?? [])
  const gate = gates.find(({ rule }) => rule === 'prove') ?? gates[0]
  if (gate !== undefined) return gate.limit
  throw refused(
    'preset',
    `no stage of the plan has a gate \`${name}\` that it could miss; describe the version by its rates`,
  )
}

const MOST_KEYS = 1_000_000

/** Refuses what cannot be: a share outside 0 to 1, parts larger than the whole, times that are none. */
export function checkVersion(version: Version): void {
  const shares = ['mismatch', 'noise', 'errors', 'errorsApart', 'errorsMore', 'errorsInEffects', 'lost'] as const
  for (const name of shares) within(name, version[name], { least: 0, most: 1, allowed: '0% to 100%' })
  const { errors, errorsApart } = version
  if (errorsApart > errors) {
    throw refused('errorsApart', `is ${errorsApart}, more than errors (${errors}), of which it is a part`)
  }
  if (errors + errorsApart > 1) throw refused('errors', `errors + errorsApart are ${errors + errorsApart}; at most 1`)
  within('medianMs', version.medianMs, { least: 0.001, most: 1e9, allowed: '0.001 to 1e9' })
  within('sigma', version.sigma, { least: 0, most: 5, allowed: '0 to 5' })
  within('correlation', version.correlation, { least: 0, most: 1, allowed: '0 to 1' })
  within('slower', version.slower, { least: 0.01, most: 100, allowed: '0.01 to 100' })
  within('slowestTenth', version.slowestTenth, { least: 0.01, most: 100, allowed: '0.01 to 100' })
}

export function checkTraffic({ jobsPerDay, keys, skew, burst }: Traffic): void {
  within('jobsPerDay', jobsPerDay, { least: 1, most: 1e9, allowed: '1 to 1e9' })
  if (keys !== null && !(Number.isSafeInteger(keys) && keys >= 1 && keys <= MOST_KEYS)) {
    throw refused('keys', `is ${keys}; allowed: a whole number from 1 to ${MOST_KEYS.toLocaleString('en')}, or none`)
  }
  within('skew', skew, { least: 0, most: 3, allowed: '0 to 3' })
  if (skew > 0 && keys === null) throw refused('skew', 'needs a number of keys: without one every job has its own')
  if (!(Number.isSafeInteger(burst) && burst >= 1 && burst <= 10_000)) {
    throw refused('burst', `is ${burst}; allowed: a whole number from 1 to 10,000`)
  }
}

function within(name: string, value: number, o: { least: number; most: number; allowed: string }): void {
  if (!(value >= o.least && value <= o.most)) throw refused(name, `is ${value}; allowed: ${o.allowed}`)
}

function refused(name: string, what: string): CutoverError {
  return new CutoverError('option-invalid', `${name}: ${what}`, { details: { where: name } })
}
