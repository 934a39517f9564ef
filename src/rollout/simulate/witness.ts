// An edge that shows that a latency gate is not there yet.
//
// Its evidence is the least over all edges. So one edge with too little of it is enough to know, and its counts are
// kept up with a few comparisons a job; all edges are looked at only when no known edge says no.

import { DIFFERENCE_GRID, logEFail, logEPass, rate, type ScoreCount } from '../evidence.ts'
import { logHalf, logSum } from '../gates/latency.ts'
import type { RatioSteps } from '../gates/latency-counts.ts'
import { Ceiling } from './ceiling.ts'

export type Direction = 'pass' | 'fail'

export interface Witness {
  /** The buckets of one more job; one side's is undefined where only the other ran. */
  add(legacy: number | undefined, target: number | undefined): void
  /** Surely below `level`. */
  isBelow(level: number): boolean
}

/** Counts at one edge, to begin with. */
export interface PairedAtEdge {
  readonly n: number
  readonly up: number
  readonly down: number
  readonly over: number
  readonly overPrev: number
}

interface Question {
  readonly direction: Direction
  readonly edge: number
  readonly steps: RatioSteps
  /** 1 − τ. */
  readonly tail: number
}

const EVERY = Number.NEGATIVE_INFINITY

/** The same jobs on both sides: `ln(½E + ¼E' + ¼E'')`, see `scanPaired`. */
export function pairedWitness({ direction, edge, steps, tail }: Question, start: PairedAtEdge): Witness {
  let { n, up, down, over, overPrev } = start
  const scores = (): ScoreCount[] => [
    [1, up],
    [-1, down],
    [0, n - up - down],
  ]
  const differ = new Ceiling(EVERY, () =>
    direction === 'pass'
      ? -Math.LN2 + logEPass(scores(), { limit: 0, max: 1, grid: DIFFERENCE_GRID })
      : -Math.LN2 + logEFail(scores(), { limit: 0, min: -1, max: 1 }),
  )
  const above = new Ceiling(EVERY, () => -Math.log(4) + rate.fail(n, over, tail))
  const below = new Ceiling(EVERY, () => -Math.log(4) + rate.pass(n, overPrev, tail, DIFFERENCE_GRID))
  const all = [differ, above, below]
  for (const each of all) each.refresh()
  const byGain = (): Ceiling[] => all.sort((a, b) => b.gained - a.gained)
  const shift = direction === 'pass' ? steps.pass - 1 : steps.fail
  const legacyEdge = direction === 'pass' ? edge : edge - 1
  return {
    add(legacy, target) {
      if (legacy === undefined || target === undefined) return
      n += 1
      const [onLegacy, onTarget] = [legacy > legacyEdge, target > edge + shift]
      if (onTarget && !onLegacy) up += 1
      if (onLegacy && !onTarget) down += 1
      // a pass bets on down, a fail on up; a bet of everything doubles
      if (onLegacy !== onTarget && onLegacy === (direction === 'pass')) differ.raise(Math.LN2)
      if (legacy > edge) {
        over += 1
        above.raise(-Math.log(tail))
      }
      if (legacy > edge - 1) overPrev += 1
      else below.raise(-Math.log1p(-tail))
    },
    isBelow(level) {
      if (Math.max(differ.bound, above.bound, below.bound) < level - Math.log(3)) return true
      for (const each of byGain()) {
        if (logSum(differ.bound, above.bound, below.bound) < level) return true
        each.refresh()
      }
      return logSum(differ.bound, above.bound, below.bound) < level
    },
  }
}

export interface UnpairedAtEdge {
  readonly nLegacy: number
  readonly nTarget: number
  readonly legacyOver: number
  readonly targetOver: number
}

/** Where `over` begins on each side for the evidence at `edge`, see `scanUnpaired`. */
export function unpairedEdges({ direction, edge, steps }: Omit<Question, 'tail'>): { legacy: number; target: number } {
  return direction === 'pass'
    ? { legacy: edge, target: edge - 1 + steps.pass }
    : { legacy: edge - 1, target: edge + steps.fail }
}

/** The primaries of both sides: `ln h(E) + ln h(E')`. */
export function unpairedWitness(question: Question, start: UnpairedAtEdge): Witness {
  const { direction, tail } = question
  const edges = unpairedEdges(question)
  let { nLegacy, nTarget, legacyOver, targetOver } = start
  const isPass = direction === 'pass'
  const higher = (n: number, over: number): number => rate.fail(n, over, tail)
  const lower = (n: number, over: number): number => rate.pass(n, over, tail, DIFFERENCE_GRID)
  const onLegacy = new Ceiling(EVERY, () => (isPass ? higher : lower)(nLegacy, legacyOver))
  const onTarget = new Ceiling(EVERY, () => (isPass ? lower : higher)(nTarget, targetOver))
  for (const each of [onLegacy, onTarget]) each.refresh()
  const gain = (isOver: boolean, wantsOver: boolean): number =>
    isOver !== wantsOver ? 0 : isOver ? -Math.log(tail) : -Math.log1p(-tail)
  return {
    add(legacy, target) {
      if (legacy !== undefined) {
        const isOver = legacy > edges.legacy
        nLegacy += 1
        if (isOver) legacyOver += 1
        onLegacy.raise(gain(isOver, isPass))
      }
      if (target !== undefined) {
        const isOver = target > edges.target
        nTarget += 1
        if (isOver) targetOver += 1
        onTarget.raise(gain(isOver, !isPass))
      }
    },
    isBelow(level) {
      if (logHalf(onLegacy.bound) + logHalf(onTarget.bound) < level) return true
      const [first, second] = onLegacy.gained > onTarget.gained ? [onLegacy, onTarget] : [onTarget, onLegacy]
      if (logHalf(first.refresh()) + logHalf(second.bound) < level) return true
      return logHalf(first.bound) + logHalf(second.refresh()) < level
    },
  }
}
