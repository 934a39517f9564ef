// Would this plan let that version through? The plan, played many times against a version that is described by its
// rates, with the gates that judge the real one. Pure: the same options give the same runs.

import { CutoverError } from '../../vocabulary/errors.ts'
import type { Plan } from '../plan/types.ts'
import { playPlan, type Run } from './play.ts'
import { randomStreams } from './random.ts'
import { checkTraffic, checkVersion, type Traffic, type Version } from './version.ts'

export { clopperPearson, type Interval } from './binomial.ts'
export type { Run, RunEnd } from './play.ts'
export { type Often, type Spread, type StageSummary, type Summary, Tally } from './summary.ts'
export {
  DEFAULT_TRAFFIC,
  GOOD_VERSION,
  PRESETS,
  type Preset,
  presetVersion,
  type Traffic,
  type Version,
} from './version.ts'

export interface SimulateOptions {
  readonly plan: Plan
  readonly version: Version
  readonly traffic: Traffic
  /** 1 to 1,000,000. */
  readonly runs: number
  /** A whole number of 32 bits. */
  readonly seed: number
  /** Which attempt of this handler version, from 1. Default 1. */
  readonly attempt?: number
  /** Of the migration, unless the plan has its own. Default 10 min. */
  readonly deadlineMs?: number
  /** Of the migration's tallies. Default 10 s and 15 s. */
  readonly bucketMs?: number
  readonly slackMs?: number
  /** Jobs a stage that are played one by one, at least. Default 20,000. */
  readonly jobsInDetail?: number
  /** Jobs a stage after which it is held. Default 200,000. */
  readonly mostJobs?: number
  /** Judges every gate after every job: slow, and the same. For tests. */
  readonly thorough?: boolean
}

const MOST_RUNS = 1_000_000
export const JOBS_IN_DETAIL = 20_000
export const MOST_JOBS = 200_000

/** Plays the plan again and again. Throws `option-invalid` before the first run. */
export function simulate(options: SimulateOptions): Iterable<Run> {
  const { plan, version, traffic, runs, seed, attempt = 1 } = options
  checkVersion(version)
  checkTraffic(traffic)
  whole('runs', runs, 1, MOST_RUNS)
  whole('seed', seed, 0, 2 ** 32 - 1)
  whole('attempt', attempt, 1, 1000)
  const playing = {
    plan,
    version,
    traffic,
    attempt,
    deadlineMs: options.deadlineMs ?? 600_000,
    bucketMs: options.bucketMs ?? 10_000,
    slackMs: options.slackMs ?? 15_000,
    jobsInDetail: options.jobsInDetail ?? JOBS_IN_DETAIL,
    mostJobs: options.mostJobs ?? MOST_JOBS,
    ...(options.thorough === undefined ? {} : { thorough: options.thorough }),
  }
  return played(playing, { runs, seed })
}

function* played(playing: Parameters<typeof playPlan>[1], { runs, seed }: { runs: number; seed: number }) {
  const next = randomStreams(seed)
  for (let run = 0; run < runs; run++) yield playPlan(next(), playing)
}

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  const allowed = `a whole number from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
  throw new CutoverError('option-invalid', `${name}: is ${value}; allowed: ${allowed}`, { details: { where: name } })
}
