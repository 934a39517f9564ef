// Interleaved rounds of a raw backend and ours in one run: medians, ratio, and CPU a job beside it.
//
// A single round scatters by ±15 % on a shared machine; the median of seven interleaved ones does not.

import type { Redis } from 'ioredis'

/** One measured run. */
export interface Sample {
  readonly perSecond: number
  /** CPU of this process and of Redis, µs a job; Redis undefined where there is none. */
  readonly nodeMicros: number
  readonly redisMicros: number | undefined
}

export interface Contender {
  readonly name: string
  /** Does `jobs` jobs once, timed from its own start to its own end; set-up and tidying go outside `measure`. */
  readonly run: (measure: Measure) => Promise<void>
}

/** Times `work`, which does `jobs` jobs. */
export type Measure = (jobs: number, work: () => Promise<void>) => Promise<void>

export interface Comparison {
  readonly title: string
  readonly raw: Contender
  readonly ours: Contender
  /** Least acceptable ratio ours ÷ raw. */
  readonly goal: number | undefined
  readonly redis?: Redis
}

export interface Result {
  readonly title: string
  readonly raw: Sample
  readonly ours: Sample
  readonly ratio: number
  readonly spread: readonly [number, number]
  readonly goal: number | undefined
}

export async function redisCpuMicros(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  const read = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1] ?? Number.NaN)
  return (read('used_cpu_sys') + read('used_cpu_user')) * 1e6
}

async function runOnce(contender: Contender, redis: Redis | undefined): Promise<Sample> {
  let sample: Sample | undefined
  await contender.run(async (jobs, work) => {
    const redisBefore = redis === undefined ? undefined : await redisCpuMicros(redis)
    const cpu = process.cpuUsage()
    const began = performance.now()
    await work()
    const ms = performance.now() - began
    const used = process.cpuUsage(cpu)
    const redisAfter = redis === undefined ? undefined : await redisCpuMicros(redis)
    sample = {
      perSecond: (jobs / ms) * 1000,
      nodeMicros: (used.user + used.system) / jobs,
      redisMicros:
        redisBefore === undefined || redisAfter === undefined ? undefined : (redisAfter - redisBefore) / jobs,
    }
  })
  if (sample === undefined) throw new Error(`${contender.name} measured nothing`)
  return sample
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

function medianSample(samples: readonly Sample[]): Sample {
  const redis = samples.map((sample) => sample.redisMicros).filter((value) => value !== undefined)
  return {
    perSecond: median(samples.map((sample) => sample.perSecond)),
    nodeMicros: median(samples.map((sample) => sample.nodeMicros)),
    redisMicros: redis.length === 0 ? undefined : median(redis),
  }
}

/** One warm-up round, then `rounds` of raw and ours in turn, the order changing. */
export async function compare(comparison: Comparison, rounds: number): Promise<Result> {
  const { raw, ours, redis, title, goal } = comparison
  const samples = { raw: [] as Sample[], ours: [] as Sample[] }
  for (let round = -1; round < rounds; round += 1) {
    const pair: Partial<Record<'raw' | 'ours', Sample>> = {}
    for (const which of round % 2 === 0 ? (['raw', 'ours'] as const) : (['ours', 'raw'] as const)) {
      pair[which] = await runOnce(which === 'raw' ? raw : ours, redis)
    }
    if (round < 0) continue
    samples.raw.push(pair.raw as Sample)
    samples.ours.push(pair.ours as Sample)
  }
  const ratios = samples.ours.map((sample, index) => sample.perSecond / (samples.raw[index] as Sample).perSecond)
  return {
    title,
    raw: medianSample(samples.raw),
    ours: medianSample(samples.ours),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    goal,
  }
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

/** A line of the table: `title  raw/s  ours/s  ratio [min–max]  goal  node µs raw → ours  redis µs raw → ours`. */
export function line(result: Result): string {
  const { raw, ours, ratio, spread, goal } = result
  const redis =
    raw.redisMicros === undefined || ours.redisMicros === undefined
      ? ''
      : `  redis ${raw.redisMicros.toFixed(1)} → ${ours.redisMicros.toFixed(1)} µs`
  const verdict = goal === undefined ? '' : ratio >= goal ? `goal ${goal} ok` : `goal ${goal} MISSED`
  return [
    result.title.padEnd(44),
    `raw ${whole(raw.perSecond).padStart(8)}/s`,
    `ours ${whole(ours.perSecond).padStart(8)}/s`,
    `ratio ${ratio.toFixed(2)} [${spread[0].toFixed(2)}–${spread[1].toFixed(2)}]`,
    verdict.padEnd(16),
    `node ${raw.nodeMicros.toFixed(1)} → ${ours.nodeMicros.toFixed(1)} µs${redis}`,
  ].join('  ')
}

/** Keeps `width` calls of `work` under way until `count` are done. */
export async function inFlight(count: number, width: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: width }, lane))
}
