// Do the numbers agree with each other? The laws that hold at every moment for one consistent read of all epochs.
//
// A broken law is a bug in a ledger or a corrupted store. It is reported, never repaired or hidden.

import type { Family, Gauges, Snapshot } from '../ports/ledger.ts'
import { ROUTES, SIDES } from '../vocabulary/job.ts'
import { gateLaws } from './gate-laws.ts'
import type { Contradiction, MigrationReport, PairCounts } from './model.ts'
import { GATHERED_PATH } from './pairs.ts'
import type { Sums } from './sums.ts'

type Numbers = Pick<
  MigrationReport,
  'errors' | 'jobs' | 'routes' | 'sides' | 'comparisons' | 'noise' | 'differences' | 'latency'
>

export function contradictionsOf(numbers: Numbers, sums: Sums, snapshot: Snapshot): Contradiction[] {
  return [
    ...broken(jobLaws(numbers)),
    ...broken(pairLaws(numbers)),
    ...broken(partLaws(numbers)),
    ...counterLaws(sums, snapshot),
    ...gateLaws(sums),
  ]
}

/** A law: `found` is exactly (or at most) `expected`. */
interface Law extends Contradiction {
  readonly atMost?: boolean
}

function broken(laws: readonly Law[]): Contradiction[] {
  return laws
    .filter(({ expected, found, atMost }) => (atMost === true ? found > expected : found !== expected))
    .map(({ law, expected, found }) => ({ law, expected, found }))
}

function jobLaws({ jobs, routes }: Numbers): Law[] {
  const { done, failed, cancelled, refused, waiting, running, moving } = jobs
  const unfinished = waiting + running + moving
  return [
    {
      law: 'enqueued = done + failed + cancelled + refused + waiting + running + moving',
      expected: jobs.enqueued,
      found: done + failed + cancelled + refused + unfinished,
    },
    {
      law: 'enqueued = sum of all routes',
      expected: jobs.enqueued,
      found: ROUTES.reduce((sum, route) => sum + routes[route].enqueued, 0),
    },
    { law: 'lost jobs are unfinished', expected: unfinished, found: jobs.lost, atMost: true },
    { law: 'overdue jobs are unfinished', expected: unfinished, found: jobs.overdue, atMost: true },
    {
      law: 'adopted and unflagged jobs are enqueued jobs',
      expected: jobs.enqueued,
      found: jobs.adopted + jobs.unflagged,
      atMost: true,
    },
  ]
}

function closed(pairs: PairCounts): number {
  return pairs.matched + pairs.mismatched + pairs.ignored + pairs.orphaned + pairs.shed + pairs.moved
}

function pairLaws({ comparisons, noise, routes, sides }: Numbers): Law[] {
  const { errors } = comparisons
  const compared = comparisons.compared + comparisons.ignored
  const classes = 'matched + mismatched + ignored + orphaned + shed + moved + open'
  return [
    { law: `shadowed = ${classes}`, expected: comparisons.shadowed, found: closed(comparisons) + comparisons.open },
    { law: `controls wanted = ${classes}`, expected: noise.wanted, found: closed(noise) + noise.open },
    { law: 'a control is of a shadowed job', expected: comparisons.shadowed, found: noise.wanted, atMost: true },
    {
      law: 'shadowed jobs are jobs of a shadowed route',
      expected: routes['legacy-shadowed'].enqueued + routes['target-shadowed'].enqueued,
      found: comparisons.shadowed,
      atMost: true,
    },
    {
      law: 'a compared pair has a shadow that ended',
      expected: SIDES.reduce((sum, side) => sum + sides[side].shadows.done + sides[side].shadows.failed, 0),
      found: compared,
      atMost: true,
    },
    {
      law: 'pairs with an error are compared pairs',
      expected: compared,
      found: errors.both + errors.targetOnly + errors.legacyOnly,
      atMost: true,
    },
  ]
}

/** Parts that are never more than their whole. */
function partLaws({ errors, sides, latency, differences, comparisons, noise }: Numbers): Law[] {
  const laws: Law[] = []
  const atMost = (law: string, expected: number, found: number): void => {
    laws.push({ law, expected, found, atMost: true })
  }
  for (const side of SIDES) {
    const { running, inDoubt, done, failed, backendFailed, reopened, shadows } = sides[side]
    const ran = done + failed - backendFailed + reopened
    const { wait, run, shadowRun } = latency[side]
    const erred = (of: 'jobs' | 'shadows'): number => errors.reduce((sum, each) => sum + each[side][of], 0)
    atMost(`errors by class on ${side} are of jobs that failed there`, failed - backendFailed + reopened, erred('jobs'))
    atMost(`errors by class on ${side} are of shadows that failed there`, shadows.failed, erred('shadows'))
    atMost(`jobs in doubt on ${side} are running there`, running, inDoubt)
    atMost(`run times on ${side} are of jobs that ended there`, ran, run.n)
    atMost(`wait times on ${side} are of jobs that ended there`, ran, wait.n)
    atMost(
      `run times of shadows on ${side} are of shadows that ended there`,
      shadows.done + shadows.failed,
      shadowRun.n,
    )
  }
  for (const [of, groups, pairs] of [
    ['pairs', differences, comparisons],
    ['controls', noise.differences, noise],
  ] as const) {
    const named = groups.filter((group) => group.path !== GATHERED_PATH)
    const most = named.reduce((max, group) => Math.max(max, group.count), 0)
    atMost(`a difference occurs in no more ${of} than were compared`, pairs.compared + pairs.ignored, most)
  }
  return laws
}

/** Families of which the first is a part of the second. */
const PARTS: readonly (readonly [Family, Family])[] = [
  ['key', 'key-day'],
  ['key-day', 'job'],
]

function counterLaws(sums: Sums, { gauges }: Snapshot): Contradiction[] {
  const found: Contradiction[] = []
  const whole = (name: string, n: number): void => {
    if (Number.isSafeInteger(n) && n >= 0) return
    found.push({ law: `${name} is a whole number from 0`, expected: 0, found: Number.isFinite(n) ? n : -1 })
  }
  for (const [key, n] of sums.entries()) {
    whole(key, n)
    for (const [family, whole] of PARTS) {
      if (!key.startsWith(`${family}/`)) continue
      const measure = key.slice(family.length + 1)
      const of = sums.in(whole, measure)
      if (n > of) found.push({ law: `${key} is a part of ${whole}/${measure}`, expected: of, found: n })
    }
  }
  for (const [name, value] of Object.entries(gauges) as [keyof Gauges, Gauges[keyof Gauges]][]) {
    if (value === null) continue
    if (typeof value === 'number') whole(`gauge ${name}`, value)
    else for (const side of SIDES) whole(`gauge ${name}.${side}`, value[side])
  }
  return found
}
