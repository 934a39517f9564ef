// Between which multiples of legacy's quantile does target's lie? Between those that the gate's own evidence does not exclude.
//
// The evidence for a pass grows with the ratio that it is asked about, that for a fail falls: so the upper end is the least
// ratio that would be proven, the lower end the greatest that would be refuted. Of pairs a ledger counts which side alone was
// over an edge for the plan's ratio. For any other ratio each side by itself is known, and how often they differed at most: the
// evidence is then that of the worst such pairs. It is never more than that of the real ones, and just that for the plan's
// ratio. So both ends are right at every moment at once, as the verdict is, and agree with it.

import { LAST_BUCKET, LATENCY_STEP, type LatencyCounts } from '../../comparison/latency.ts'
import { type DifferenceArray, ratioSteps } from '../../ports/pair-times.ts'
import { contradiction } from './counts.ts'
import { leastOfPairs, leastOfSides, startOf, tail } from './latency.ts'
import type { PairedTimes, UnpairedTimes } from './latency-counts.ts'

/** The times of a latency gate, before they are counted by edge. */
export type LatencyTimes = ({ readonly kind: 'paired' } & PairedTimes) | ({ readonly kind: 'unpaired' } & UnpairedTimes)

export interface LatencyRatio {
  /** Target's quantile over legacy's; undefined while a side has no times. */
  readonly estimate?: number
  /** Undefined: there are too few times for one of the ends, which is then not between 1/1000 and 1000. */
  readonly interval?: { readonly lower: number; readonly upper: number }
}

/** `passAt`, `failAt`: natural logarithms, as the gate has them. Refuses counts that contradict themselves. */
export function latencyRatio(
  times: LatencyTimes,
  { passAt, failAt }: { readonly passAt: number; readonly failAt: number },
): LatencyRatio {
  const { tau, ratio } = times
  const legacy = overs(times.legacy)
  const asked = times.kind === 'paired' ? ofPairs(times, legacy) : ofSides(times, legacy)
  const [a, b] = [quantile(legacy, tau), quantile(asked.target, tau)]
  if (a === undefined || b === undefined) return {}
  const plan = ratioSteps(ratio)
  const estimate = ratioOf(b - a)
  const upper = firstWhere((steps) => asked.evidence('pass', steps) >= passAt, plan.pass)
  const notRefuted = firstWhere((steps) => asked.evidence('fail', steps) < failAt, plan.fail)
  if (upper === undefined || notRefuted === undefined) return { estimate }
  return { estimate, interval: { lower: ratioOf(notRefuted - 1), upper: ratioOf(upper) } }
}

/** Without the last digits: 20 steps are 1.1, as a plan says it. */
function ratioOf(steps: number): number {
  return Number(Math.exp(steps * LATENCY_STEP).toPrecision(12))
}

/** Whoever is 1000 times apart needs no interval. */
const FAR = Math.ceil(Math.log(1000) / LATENCY_STEP)

/** The first number of steps from which on `holds` does; asked at `known`, so that it agrees there. */
function firstWhere(holds: (steps: number) => boolean, known: number): number | undefined {
  let [below, above] = holds(known) ? [-FAR, known] : [known, FAR]
  if (above === FAR ? !holds(FAR) : holds(-FAR)) return undefined
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2)
    if (holds(middle)) above = middle
    else below = middle
  }
  return above
}

type Question = 'pass' | 'fail'

interface Asked {
  /** How many are over each edge. */
  readonly target: readonly number[]
  /** Of a ratio of so many steps, none or negative too. */
  readonly evidence: (question: Question, steps: number) => number
}

/** How many are over edge 0 to the last one, which none is over. */
function overs(counts: LatencyCounts): number[] {
  const over = new Array<number>(LAST_BUCKET + 1).fill(0)
  for (const [bucket, n] of counts) over[bucket - 1]! += n
  for (let a = LAST_BUCKET - 1; a >= 0; a--) over[a]! += over[a + 1]!
  return over
}

/** Below the scale is every time over an edge, above it none. */
function at(over: readonly number[], edge: number): number {
  return over[Math.min(LAST_BUCKET, Math.max(0, edge))]!
}

/** The bucket of the nearest rank, as `comparison/latency.ts` has it. */
function quantile(over: readonly number[], tau: number): number | undefined {
  const n = over[0]!
  const rank = Math.max(1, Math.ceil(tau * n - 1e-9))
  return n === 0 ? undefined : over.findIndex((beyond) => n - beyond >= rank)
}

function ofSides({ tau, ratio, target: times }: UnpairedTimes, legacy: readonly number[]): Asked {
  const m = tail('latencyUnpaired', tau)
  const last = LAST_BUCKET - ratioSteps(ratio).fail
  const target = overs(times)
  const [nTarget, nLegacy] = [target[0]!, legacy[0]!]
  const evidence = (question: Question, steps: number): number => {
    const pass = question === 'pass'
    const [targetOver, legacyOver] = whereChanged(last, (a) =>
      pass ? [at(target, a - 1 + steps), at(legacy, a)] : [at(target, a + steps), at(legacy, a - 1)],
    )
    const start = startOf(legacyOver!, nLegacy * m)
    const edges = legacyOver!.length
    const counts = { nTarget, nLegacy, m, edges, start, targetOver: targetOver!, legacyOver: legacyOver! }
    return leastOfSides(question, counts).logE
  }
  return { target, evidence }
}

/** The rows of `of` at each edge where one is another than before, as columns. */
function whereChanged(last: number, of: (a: number) => readonly number[]): number[][] {
  let before = of(1)
  const columns = before.map((value) => [value])
  for (let a = 2; a <= last; a++) {
    const row = of(a)
    if (row.every((value, i) => value === before[i])) continue
    for (const [i, value] of row.entries()) columns[i]!.push(value)
    before = row
  }
  return columns
}

/** What was counted for the plan's ratio, by edge, and what that says of target by itself. */
interface Counted {
  readonly plan: number
  readonly up: readonly number[]
  readonly down: readonly number[]
  readonly target: readonly number[]
}

function ofPairs({ tau, ratio, differences }: PairedTimes, legacy: readonly number[]): Asked {
  const m = tail('latencyPaired', tau)
  const plan = ratioSteps(ratio)
  const last = LAST_BUCKET - plan.fail
  const n = legacy[0]!
  const { upPass, downPass, upFail, downFail } = differences
  // times so short that their place was not counted are long ones to a pass, short ones to a fail
  const counted: Readonly<Record<Question, Counted>> = {
    pass: countedOf([upPass, downPass], { plan: plan.pass, shift: plan.pass - 1, onLegacy: legacy, last, lowest: n }),
    fail: countedOf([upFail, downFail], { plan: plan.fail, shift: plan.fail, onLegacy: [n, ...legacy], last }),
  }
  // Of what is missing for another ratio the worst is taken. Both arrays differ by what is known, `more`; one more of each is
  // worth (1 + x)(1 − x) < 1 to every bet. So it is never more than the evidence of the pairs, and just that for the plan's.
  const evidence = (question: Question, steps: number): number => {
    const { up, down, target, plan: known } = counted[question]
    const [shift, below] = question === 'pass' ? [steps - 1, 0] : [steps, 1]
    const columns = whereChanged(last, (a) => {
      const [onLegacy, onTarget] = [at(legacy, a - below), at(target, a + shift)]
      const more = onTarget - onLegacy
      // over a higher edge there are fewer on target only than were counted, over a lower one fewer on legacy only
      const most = steps >= known ? up[a]! : down[a]! + more
      const only = Math.max(0, more, Math.min(most, onTarget, n - onLegacy))
      return [at(legacy, a), at(legacy, a - 1), only, only - more]
    })
    const [legacyOver, legacyOverPrev, ups, downs] = columns as [number[], number[], number[], number[]]
    const counts = { n, m, edges: ups.length, legacyOver, legacyOverPrev, up: ups, down: downs }
    return leastOfPairs(question, counts).logE
  }
  return { target: counted.pass.target, evidence }
}

function countedOf(
  [ups, downs]: readonly [DifferenceArray, DifferenceArray],
  where: {
    readonly plan: number
    readonly shift: number
    readonly onLegacy: readonly number[]
    readonly last: number
    readonly lowest?: number
  },
): Counted {
  const { plan, shift, onLegacy, last } = where
  const [up, down] = [sums(ups), sums(downs)]
  const target = new Array<number>(LAST_BUCKET + 1).fill(0)
  for (let a = 1; a <= last; a++) target[a + shift] = onLegacy[a]! + up[a]! - down[a]!
  target.fill(where.lowest ?? target[1 + shift]!, 0, 1 + shift)
  for (let edge = last + shift + 1; edge < LAST_BUCKET; edge++) target[edge] = target[edge - 1]!
  for (let edge = 1; edge <= LAST_BUCKET; edge++) {
    const [n, before] = [target[edge]!, target[edge - 1]!]
    if (n < 0 || n > before) contradiction('latencyPaired', `target has ${n} pairs over edge ${edge}, ${before} before`)
  }
  return { plan, up, down, target }
}

/** A difference array, summed at each edge. */
function sums(differences: DifferenceArray): number[] {
  const found = new Array<number>(LAST_BUCKET + 2).fill(0)
  for (const [edge, n] of differences) found[edge]! += n
  for (let a = 1; a < found.length; a++) found[a]! += found[a - 1]!
  return found
}
