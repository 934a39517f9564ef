// What a latency gate has counted so far in a run: every edge, as the ledger's histograms and difference arrays hold it.

import { FIRST_BUCKET, LAST_BUCKET } from '../../comparison/latency.ts'
import { type EdgeEvidence, scanPaired, scanUnpaired } from '../gates/latency.ts'
import { PAIR_MEASURES, type PairMeasure, pairRanges, type RatioSteps, ratioSteps } from '../gates/latency-counts.ts'
import type { LatencyObserved } from '../gates/stage.ts'
import { thresholds } from '../gates/thresholds.ts'
import type { PairedLatencyCounts, UnpairedLatencyCounts } from '../gates/types.ts'
import { type Direction, pairedWitness, unpairedEdges, unpairedWitness, type Witness } from './witness.ts'

export interface TimesQuestion {
  readonly tau: number
  readonly ratio: number
  readonly levels: { readonly alpha: number; readonly attempt: number; readonly tests: number }
}

/** As many edges are remembered as saying no; the one that said so last is asked first. */
const WITNESSES = 6

export abstract class TimesCounter {
  protected readonly question: TimesQuestion
  protected readonly steps: RatioSteps
  /** Edges below and above which no count differs from its neighbour's. */
  protected first = LAST_BUCKET
  protected last = FIRST_BUCKET
  readonly #witnesses: Record<Direction, Witness[]> = { pass: [], fail: [] }
  readonly #levels: Record<Direction, number>

  constructor(question: TimesQuestion) {
    this.question = question
    this.steps = ratioSteps(question.ratio)
    const { passAt, failAt } = thresholds(question.levels)
    this.#levels = { pass: passAt, fail: failAt }
  }

  /** What `min-units` counts. */
  abstract get units(): number
  abstract observed(): LatencyObserved
  protected abstract count(legacy: number | undefined, target: number | undefined): void
  protected abstract scan(direction: Direction): EdgeEvidence
  protected abstract witness(direction: Direction, edge: number): Witness

  /** Buckets of one unit: of both sides for a pair, of one for a primary. */
  add(legacy: number | undefined, target: number | undefined): void {
    this.count(legacy, target)
    this.#widen(legacy ?? target!)
    this.#widen((target ?? legacy!) - this.steps.fail)
    this.#widen((target ?? legacy!) - this.steps.pass)
    for (const witness of this.#witnesses.pass) witness.add(legacy, target)
    for (const witness of this.#witnesses.fail) witness.add(legacy, target)
  }

  #widen(edge: number): void {
    if (edge - 1 < this.first) this.first = Math.max(FIRST_BUCKET, edge - 1)
    if (edge + 2 > this.last) this.last = Math.min(LAST_BUCKET - this.steps.fail, edge + 2)
  }

  provesPass(): boolean {
    return this.#proves('pass')
  }
  provesFail(): boolean {
    return this.#proves('fail')
  }

  #proves(direction: Direction): boolean {
    const level = this.#levels[direction]
    const known = this.#witnesses[direction]
    for (const [i, witness] of known.entries()) {
      if (!witness.isBelow(level)) continue
      if (i > 0) known.unshift(...known.splice(i, 1))
      return false
    }
    if (this.units === 0) return false
    const { logE, edge } = this.scan(direction)
    if (logE >= level) return true
    known.unshift(this.witness(direction, this.first + edge))
    known.length = Math.min(known.length, WITNESSES)
    return false
  }

  /** Of `counts` by bucket: how many lie over each edge from `from` on, one entry an edge of the gate's arrays. */
  protected overs(counts: Int32Array, n: number, shift: number): number[] {
    const over: number[] = []
    let rest = n
    let bucket = 0
    for (let edge = this.first; edge <= this.last; edge++) {
      const upTo = Math.min(LAST_BUCKET, edge + shift)
      while (bucket < upTo) rest -= counts[++bucket]!
      over.push(rest)
    }
    return over
  }
}

/** Pairs: at target 0 % and 100 %. */
export class PairTimes extends TimesCounter {
  #n = 0
  readonly #legacy = new Int32Array(LAST_BUCKET + 2)
  readonly #differences: Record<PairMeasure, Int32Array> = {
    upPass: new Int32Array(LAST_BUCKET + 2),
    downPass: new Int32Array(LAST_BUCKET + 2),
    upFail: new Int32Array(LAST_BUCKET + 2),
    downFail: new Int32Array(LAST_BUCKET + 2),
  }

  get units(): number {
    return this.#n
  }

  protected count(legacy: number, target: number): void {
    this.#n += 1
    this.#legacy[legacy]! += 1
    const ranges = pairRanges(legacy, target, this.steps)
    for (const measure of PAIR_MEASURES) {
      const range = ranges[measure]
      if (range === undefined) continue
      this.#differences[measure][range[0]]! += 1
      this.#differences[measure][range[1] + 1]! -= 1
    }
  }

  #counts(): PairedLatencyCounts {
    return {
      tau: this.question.tau,
      n: this.#n,
      legacyOver: this.overs(this.#legacy, this.#n, 0),
      legacyOverPrev: this.overs(this.#legacy, this.#n, -1),
      upPass: this.#running('upPass'),
      downPass: this.#running('downPass'),
      upFail: this.#running('upFail'),
      downFail: this.#running('downFail'),
    }
  }

  #running(measure: PairMeasure): number[] {
    const differences = this.#differences[measure]
    const sums: number[] = []
    let sum = 0
    for (let edge = 0; edge < this.first; edge++) sum += differences[edge]!
    for (let edge = this.first; edge <= this.last; edge++) {
      sum += differences[edge]!
      sums.push(sum)
    }
    return sums
  }

  observed(): LatencyObserved {
    return this.#n === 0 ? {} : { paired: this.#counts() }
  }

  protected scan(direction: Direction): EdgeEvidence {
    return scanPaired(this.#counts())[direction]
  }

  protected witness(direction: Direction, edge: number): Witness {
    const at = edge - this.first
    const { n, legacyOver, legacyOverPrev, ...counts } = this.#counts()
    const [up, down] =
      direction === 'pass' ? [counts.upPass[at]!, counts.downPass[at]!] : [counts.upFail[at]!, counts.downFail[at]!]
    const start = { n, up, down, over: legacyOver[at]!, overPrev: legacyOverPrev[at]! }
    return pairedWitness({ direction, edge, steps: this.steps, tail: 1 - this.question.tau }, start)
  }
}

/** Primaries of both sides: in between. */
export class PrimaryTimes extends TimesCounter {
  #nLegacy = 0
  #nTarget = 0
  readonly #legacy = new Int32Array(LAST_BUCKET + 2)
  readonly #target = new Int32Array(LAST_BUCKET + 2)

  get units(): number {
    return this.#nTarget
  }

  protected count(legacy: number | undefined, target: number | undefined): void {
    if (legacy !== undefined) {
      this.#nLegacy += 1
      this.#legacy[legacy]! += 1
    }
    if (target !== undefined) {
      this.#nTarget += 1
      this.#target[target]! += 1
    }
  }

  #counts(): UnpairedLatencyCounts {
    const legacy = (shift: number): number[] => this.overs(this.#legacy, this.#nLegacy, shift)
    const target = (shift: number): number[] => this.overs(this.#target, this.#nTarget, shift)
    return {
      tau: this.question.tau,
      nTarget: this.#nTarget,
      targetOverPass: target(this.steps.pass - 1),
      targetOverFail: target(this.steps.fail),
      nLegacy: this.#nLegacy,
      legacyOverPass: legacy(0),
      legacyOverFail: legacy(-1),
    }
  }

  observed(): LatencyObserved {
    return this.#nLegacy + this.#nTarget === 0 ? {} : { unpaired: this.#counts() }
  }

  protected scan(direction: Direction): EdgeEvidence {
    return scanUnpaired(this.#counts())[direction]
  }

  protected witness(direction: Direction, edge: number): Witness {
    const question = { direction, edge, steps: this.steps, tail: 1 - this.question.tau }
    const over = (counts: Int32Array, at: number): number => {
      let n = 0
      for (let bucket = Math.max(0, at + 1); bucket <= LAST_BUCKET; bucket++) n += counts[bucket]!
      return n
    }
    const edges = unpairedEdges(question)
    return unpairedWitness(question, {
      nLegacy: this.#nLegacy,
      nTarget: this.#nTarget,
      legacyOver: over(this.#legacy, edges.legacy),
      targetOver: over(this.#target, edges.target),
    })
  }
}
