// How often does each way ever give a wrong answer, asked after every unit of the same streams?

import { clopperPearson, type Interval } from '../../src/rollout/simulate/index.ts'
import { randomStreams } from '../../src/rollout/simulate/random.ts'
import { type Asked, METHODS, PROMISE } from './methods.ts'
import { STREAMS, type Stream } from './streams.ts'

export type Answer = 'pass' | 'fail'

/** One way on one stream: in how many runs it said so at least once, though it should not. */
export interface Measured extends Interval {
  readonly stream: string
  readonly answer: Answer
  readonly method: string
  readonly runs: number
  readonly wrong: number
}

/** Level of the printed bounds; a promise counts as broken where even the lower one is above it. */
export const BOUNDS_LEVEL = 0.99

export interface MeasureOptions {
  readonly runs: number
  readonly seed: number
  /** Names that a stream's must contain one of; default all. */
  readonly only?: readonly string[]
}

export function* measure({ runs, seed, only }: MeasureOptions): Generator<readonly Measured[]> {
  for (const [at, stream] of STREAMS.entries()) {
    if (only !== undefined && !only.some((part) => stream.name.includes(part))) continue
    yield measureStream(stream, runs, seed + at)
  }
}

/** A method, and whether it counts keys or jobs. */
interface Contender {
  readonly method: string
  readonly byKey: boolean
  begin(): Asked
}

function contendersOf(stream: Stream): readonly Contender[] {
  const all = METHODS.map(
    ({ name, begin }, i): Contender => ({
      method: name,
      // the first is ours; the others count what they are given
      byKey: i === 0,
      begin: () => begin(stream.scores),
    }),
  )
  const [ours] = all
  const clustered = stream.name.includes('burst') || stream.name.includes('keys')
  return clustered && ours !== undefined ? [...all, { ...ours, method: `${ours.method}, by job`, byKey: false }] : all
}

function measureStream(stream: Stream, runs: number, seed: number): Measured[] {
  const next = randomStreams(seed)
  const contenders = contendersOf(stream)
  const wrong = new Map(contenders.map(({ method }) => [method, { pass: 0, fail: 0 }]))
  for (let run = 0; run < runs; run++) {
    const unitOf = stream.begin(next())
    const open = contenders.map((contender) => ({ contender, asked: contender.begin(), left: new Set(stream.wrong) }))
    for (let n = 0; n < stream.units; n++) {
      const unit = unitOf()
      for (const { contender, asked, left } of open) {
        if (left.size === 0 || (contender.byKey && !unit.counted)) continue
        asked.add(unit.kind, unit.onTarget)
        for (const answer of stream.wrong) {
          if (!left.has(answer) || !asked[answer]()) continue
          left.delete(answer)
          wrong.get(contender.method)![answer] += 1
        }
      }
    }
  }
  return stream.wrong.flatMap((answer) =>
    contenders.map(({ method }): Measured => {
      const k = wrong.get(method)![answer]
      return { stream: stream.name, answer, method, runs, wrong: k, ...clopperPearson(runs, k, BOUNDS_LEVEL) }
    }),
  )
}

export function isBroken({ lower }: Measured): boolean {
  return lower > PROMISE
}

/** Ours, and made as documented: what the promise is about. */
export function isPromised({ method }: Measured): boolean {
  return method === METHODS[0]!.name
}
