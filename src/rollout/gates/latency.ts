// Is target's quantile at most `ratio` times legacy's? Evidence at every edge where legacy's true quantile may lie.
//
// Nobody knows where it lies, so the least evidence over all edges counts; evidence about its place excludes far ones.
// That evidence only grows away from the quantile, so the scan goes outward and stops where no edge can be less.

import { DIFFERENCE_GRID, logEFail, logEPass, rate, type ScoreCount } from '../evidence.ts'
import { checkCounts, contradiction } from './counts.ts'
import { minUnitsOf, refuseOption, thresholds } from './thresholds.ts'
import type { Judged, Judgement, LatencyInput, PairedLatencyCounts, UnpairedLatencyCounts } from './types.ts'
import { fail, hold, pass, ruleOf } from './windowed.ts'

export interface LatencyEvidence {
  readonly logEPass: number
  readonly logEFail: number
}

export function judgeLatency(input: LatencyInput): Judgement {
  const minUnits = minUnitsOf(input)
  const levels = thresholds(input)
  const paired = input.gate === 'latencyPaired'
  const evidence = paired ? pairedLatency(input.counts) : unpairedLatency(input.counts)
  const units = paired ? input.counts.n : input.counts.nTarget
  if (units === 0 || (!paired && input.counts.nLegacy === 0)) {
    return { ...hold('no-data'), logEPass: null, logEFail: null, ...levels }
  }
  const judged = (): Judged => {
    if (evidence.logEFail >= levels.failAt) return fail('over-limit')
    if (units < minUnits) return hold('too-few-units')
    if (ruleOf(input) === 'watch') return pass('no-alarm')
    return evidence.logEPass >= levels.passAt ? pass('proven') : hold('undecided')
  }
  return { ...judged(), ...evidence, ...levels }
}

/** The least evidence over all edges, and the edge (as an index of the arrays) where it is. */
export interface EdgeEvidence {
  readonly logE: number
  readonly edge: number
}
/** Both, with their edges. */
export interface ScannedEvidence {
  readonly pass: EdgeEvidence
  readonly fail: EdgeEvidence
}

function evidenceOf({ pass, fail }: ScannedEvidence): LatencyEvidence {
  return { logEPass: pass.logE, logEFail: fail.logE }
}

/** The same jobs on both sides. Refuses counts that contradict themselves. */
export function pairedLatency(counts: PairedLatencyCounts): LatencyEvidence {
  return evidenceOf(scanPaired(counts))
}

/** The primaries of both sides. Refuses counts that contradict themselves. */
export function unpairedLatency(counts: UnpairedLatencyCounts): LatencyEvidence {
  return evidenceOf(scanUnpaired(counts))
}

export function scanPaired(counts: PairedLatencyCounts): ScannedEvidence {
  const { n, legacyOver, legacyOverPrev, upPass, downPass, upFail, downFail } = counts
  const m = tail('latencyPaired', counts.tau)
  const arrays = { legacyOver, legacyOverPrev, upPass, downPass, upFail, downFail }
  const edges = checkEdges('latencyPaired', arrays, n)
  checkFalling('latencyPaired', { legacyOver, legacyOverPrev })
  const located = { n, legacyOver, legacyOverPrev, m, edges }
  return {
    pass: leastOfPairs('pass', { ...located, up: upPass, down: downPass }),
    fail: leastOfPairs('fail', { ...located, up: upFail, down: downFail }),
  }
}

/** The counts of one question, at each edge; `m`: the share that is over the quantile. */
export interface PairsByEdge {
  readonly n: number
  readonly m: number
  readonly edges: number
  readonly legacyOver: readonly number[]
  readonly legacyOverPrev: readonly number[]
  readonly up: readonly number[]
  readonly down: readonly number[]
}

/** Of counts that were checked. */
export function leastOfPairs(question: 'pass' | 'fail', counts: PairsByEdge): EdgeEvidence {
  const { n, m, edges, legacyOver, legacyOverPrev, up, down } = counts
  const quarter = -Math.log(4)
  const evidence = (scores: ScoreCount[]): number =>
    question === 'pass'
      ? logEPass(scores, { limit: 0, max: 1, grid: DIFFERENCE_GRID })
      : logEFail(scores, { limit: 0, min: -1, max: 1 })
  return leastOutward({ start: startOf(legacyOver, n * m), edges }, (a) => {
    const rest = n - up[a]! - down[a]!
    if (rest < 0) contradiction('latencyPaired', `${up[a]} + ${down[a]} differing pairs of ${n}`)
    const scores: ScoreCount[] = [
      [1, up[a]!],
      [-1, down[a]!],
      [0, rest],
    ]
    // the two halves of `locate`: evidence that legacy's quantile lies above the edge, and below it
    const left = quarter + rate.fail(n, legacyOver[a]!, m)
    const right = quarter + rate.pass(n, legacyOverPrev[a]!, m, DIFFERENCE_GRID)
    return { value: logSum(-Math.LN2 + evidence(scores), left, right), left, right }
  })
}

export function scanUnpaired(counts: UnpairedLatencyCounts): ScannedEvidence {
  const { nTarget, targetOverPass, targetOverFail, nLegacy, legacyOverPass, legacyOverFail } = counts
  const m = tail('latencyUnpaired', counts.tau)
  const edges = checkEdges('latencyUnpaired', { targetOverPass, targetOverFail }, nTarget)
  if (checkEdges('latencyUnpaired', { legacyOverPass, legacyOverFail }, nLegacy) !== edges) {
    contradiction('latencyUnpaired', 'the arrays of the two sides have different lengths')
  }
  checkFalling('latencyUnpaired', { targetOverPass, targetOverFail, legacyOverPass, legacyOverFail })
  const sides = { nTarget, nLegacy, m, edges, start: startOf(legacyOverPass, nLegacy * m) }
  return {
    pass: leastOfSides('pass', { ...sides, targetOver: targetOverPass, legacyOver: legacyOverPass }),
    fail: leastOfSides('fail', { ...sides, targetOver: targetOverFail, legacyOver: legacyOverFail }),
  }
}

/** The counts of one question, at each edge; `start`: the edge, as an index, where to begin to look. */
export interface SidesByEdge {
  readonly nTarget: number
  readonly nLegacy: number
  readonly m: number
  readonly edges: number
  readonly start: number
  readonly targetOver: readonly number[]
  readonly legacyOver: readonly number[]
}

/** Of counts that were checked. */
export function leastOfSides(question: 'pass' | 'fail', counts: SidesByEdge): EdgeEvidence {
  const { nTarget, nLegacy, m, targetOver, legacyOver } = counts
  return leastOutward(counts, (a) => {
    const [onTarget, onLegacy] = [targetOver[a]!, legacyOver[a]!]
    const [left, right] =
      question === 'pass'
        ? [rate.fail(nLegacy, onLegacy, m), rate.pass(nTarget, onTarget, m, DIFFERENCE_GRID)]
        : [rate.fail(nTarget, onTarget, m), rate.pass(nLegacy, onLegacy, m, DIFFERENCE_GRID)]
    const [one, other] = [logHalf(left), logHalf(right)]
    // each is at least −ln 2, whatever the edge
    return { value: one + other, left: one - Math.LN2, right: other - Math.LN2 }
  })
}

interface AtEdge {
  readonly value: number
  /** No value at this edge or further down is less; the same further up. */
  readonly left: number
  readonly right: number
}

/** The least value over all edges; exact, though far edges are not computed. */
function leastOutward({ start, edges }: { start: number; edges: number }, at: (a: number) => AtEdge): EdgeEvidence {
  let [least, edge] = [Number.POSITIVE_INFINITY, start]
  for (let a = start; a < edges; a++) {
    const { value, right } = at(a)
    if (value < least) [least, edge] = [value, a]
    if (right >= least) break
  }
  for (let a = start - 1; a >= 0; a--) {
    const { value, left } = at(a)
    if (value < least) [least, edge] = [value, a]
    if (left >= least) break
  }
  return { logE: least, edge }
}

/** The first edge that at most `expected` outcomes are over, or the last one: near the sample quantile. */
export function startOf(over: readonly number[], expected: number): number {
  let [low, high] = [0, over.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (over[middle]! <= expected) high = middle
    else low = middle + 1
  }
  return low
}

/** `ln((1 + E)/2)`. */
export function logHalf(logE: number): number {
  return logE > 30 ? logE - Math.LN2 : Math.log1p(Math.expm1(logE) / 2)
}

export function logSum(...logs: readonly number[]): number {
  const largest = Math.max(...logs)
  if (!Number.isFinite(largest)) return largest
  return largest + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - largest), 0))
}

/** `1 − τ`. */
export function tail(gate: string, tau: number): number {
  if (!(tau > 0 && tau < 1)) refuseOption(`${gate}: tau`, tau, 'a number between 0 and 1, e.g. 0.95')
  // 1 − 0.95 as it stands in double precision, as the published vectors have it
  return 1 - tau
}

function checkEdges(gate: string, arrays: Readonly<Record<string, readonly number[]>>, most: number): number {
  checkCounts(gate, { n: most })
  const lengths = new Set(Object.values(arrays).map((array) => array.length))
  const [edges = 0] = lengths
  if (lengths.size !== 1) contradiction(gate, `${Object.keys(arrays).join(', ')} have different lengths`)
  if (edges === 0 && most > 0) contradiction(gate, 'there are units but no edges')
  for (const [name, array] of Object.entries(arrays)) {
    for (const n of array) {
      if (!(Number.isSafeInteger(n) && n >= 0 && n <= most)) contradiction(gate, `${name} has ${n} of ${most} units`)
    }
  }
  return edges
}

/** Fewer are over a higher edge. */
function checkFalling(gate: string, arrays: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, array] of Object.entries(arrays)) {
    for (let a = 1; a < array.length; a++) {
      if (array[a]! > array[a - 1]!) contradiction(gate, `${name} rises from ${array[a - 1]} to ${array[a]}`)
    }
  }
}
