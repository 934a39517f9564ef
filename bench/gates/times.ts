// The latency gates, looked at after every pair of a version that is slower by exactly the ratio allowed.

import { latencyBucket } from '../../src/comparison/latency.ts'
import { clopperPearson } from '../../src/rollout/simulate/index.ts'
import { type Random, randomStreams } from '../../src/rollout/simulate/random.ts'
import { PairTimes, PrimaryTimes, type TimesCounter } from '../../src/rollout/simulate/times.ts'
import { BOUNDS_LEVEL, type Measured } from './measure.ts'
import { LEVELS, METHODS } from './methods.ts'

const SIGMA = 0.8
const CORRELATION = 0.8
const UNITS = 3000

interface TimesStream {
  readonly name: string
  readonly counter: () => TimesCounter
  readonly add: (counter: TimesCounter, random: Random) => void
}

const time = (log: number, ratio = 1): number => latencyBucket(1000 * ratio * Math.exp(SIGMA * log))

function pairs(tau: number, ratio: number): TimesStream {
  return {
    name: `p${100 * tau} of pairs, slower by exactly ${ratio}`,
    counter: () => new PairTimes({ tau, ratio, levels: LEVELS }),
    add(counter, random) {
      const job = Math.sqrt(CORRELATION) * random.normal()
      const own = (): number => Math.sqrt(1 - CORRELATION) * random.normal()
      counter.add(time(job + own()), time(job + own(), ratio))
    },
  }
}

function canary(tau: number, ratio: number): TimesStream {
  return {
    name: `p${100 * tau} of a 50 % canary, slower by exactly ${ratio}`,
    counter: () => new PrimaryTimes({ tau, ratio, levels: LEVELS }),
    add(counter, random) {
      const bucket = (by: number): number => time(random.normal(), by)
      if (random.chance(0.5)) counter.add(undefined, bucket(ratio))
      else counter.add(bucket(1), undefined)
    },
  }
}

const STREAMS: readonly TimesStream[] = [pairs(0.5, 1.1), pairs(0.95, 1.15), canary(0.5, 1.1)]

/** Both answers are wrong: the version is neither below the ratio nor above it. */
export function* measureTimes({ runs, seed }: { runs: number; seed: number }): Generator<readonly Measured[]> {
  for (const [at, stream] of STREAMS.entries()) {
    const next = randomStreams(seed + 100 + at)
    const wrong = { pass: 0, fail: 0 }
    for (let run = 0; run < runs; run++) {
      const random = next()
      const counter = stream.counter()
      let [passed, failed] = [false, false]
      for (let n = 0; n < UNITS; n++) {
        stream.add(counter, random)
        passed ||= counter.provesPass()
        failed ||= counter.provesFail()
      }
      if (passed) wrong.pass += 1
      if (failed) wrong.fail += 1
    }
    yield (['pass', 'fail'] as const).map((answer): Measured => {
      const k = wrong[answer]
      const method = METHODS[0]!.name
      return { stream: stream.name, answer, method, runs, wrong: k, ...clopperPearson(runs, k, BOUNDS_LEVEL) }
    })
  }
}

/** Median pairs until equal times are proven at level 0.05, for the ratios of the default plan. */
export function pairsToPass(runs: number, seed: number): { readonly p50: number; readonly p95: number } {
  const levels = { alpha: 0.1, attempt: 1, tests: 1 }
  const median = (tau: number, ratio: number): number => {
    const { add } = pairs(tau, 1)
    const next = randomStreams(seed)
    const needed = Array.from({ length: runs }, () => {
      const random = next()
      const counter = new PairTimes({ tau, ratio, levels })
      while (counter.units < 50_000 && !counter.provesPass()) add(counter, random)
      return counter.units
    })
    return needed.sort((a, b) => a - b)[Math.floor(runs / 2)]!
  }
  return { p50: median(0.5, 1.1), p95: median(0.95, 1.15) }
}
