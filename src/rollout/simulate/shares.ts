// What a rate or difference gate has counted so far in a run, with the newest units apart, as `StageCounts` wants it.

import { readCounts } from '../gates/readings.ts'
import type { Observed } from '../gates/stage.ts'
import { thresholds } from '../gates/thresholds.ts'
import type { WindowedInput } from '../gates/types.ts'
import { Ceiling } from './ceiling.ts'

/** What became of one unit, seen from the gate. */
export type UnitKind = 'clean' | 'target-bad' | 'target-missing' | 'legacy-bad' | 'legacy-missing'

type Gate = WindowedInput['gate']
type Field = Exclude<UnitKind, 'clean'>

/** Under which name a gate counts it; what has no name cannot happen to it. */
const FIELDS: Readonly<Record<Gate, Readonly<Partial<Record<Field, string>>>>> = {
  mismatch: { 'target-bad': 'mismatched', 'target-missing': 'orphaned' },
  excessMismatch: { 'target-bad': 'targetOnly', 'target-missing': 'orphaned', 'legacy-bad': 'controlOnly' },
  errorsPaired: {
    'target-bad': 'targetOnly',
    'target-missing': 'targetOrphans',
    'legacy-bad': 'legacyOnly',
    'legacy-missing': 'legacyOrphans',
  },
  errorsCanary: {
    'target-bad': 'targetFailed',
    'target-missing': 'targetLost',
    'legacy-bad': 'legacyFailed',
    'legacy-missing': 'legacyLost',
  },
  errorsAlone: { 'target-bad': 'failed', 'target-missing': 'lost' },
  lost: { 'target-missing': 'lost' },
}

export interface ShareQuestion {
  readonly gate: Gate
  readonly limit: number
  readonly minUnits: number
  /** Of `errorsCanary`. */
  readonly share?: number
  readonly levels: { readonly alpha: number; readonly attempt: number; readonly tests: number }
}

export class ShareCounter {
  readonly gate: Gate
  readonly #question: ShareQuestion
  readonly #pass: Ceiling
  readonly #fail: Ceiling
  readonly #gains: Readonly<Record<UnitKind, readonly [pass: number, fail: number]>>
  /** Bad units in their order: which unit, and what became of it. */
  readonly #badAt: number[] = []
  readonly #badAs: Field[] = []
  /** Which units were on target; of a canary only. */
  readonly #onTarget: number[] = []
  /** When each unit was counted, in days. */
  readonly #times: number[] = []
  #n = 0

  constructor(question: ShareQuestion) {
    this.gate = question.gate
    this.#question = question
    this.#gains = gainsOf(question)
    const { passAt, failAt } = thresholds(question.levels)
    this.#pass = new Ceiling(passAt, () => readCounts(this.#input()).logEPass)
    this.#fail = new Ceiling(failAt, () => readCounts(this.#input()).logEFail)
  }

  /** `at`: when its bucket is closed, in days; `onTarget` is asked for by `errorsCanary` alone. */
  add(kind: UnitKind, at: number, onTarget = false): void {
    this.#n += 1
    this.#times.push(at)
    if (onTarget) this.#onTarget.push(this.#n)
    if (kind !== 'clean') {
      this.#badAt.push(this.#n)
      this.#badAs.push(kind)
    }
    const [pass, fail] = this.#gains[kind]
    this.#pass.raise(pass)
    this.#fail.raise(fail)
  }

  /** What `min-units` counts. */
  get units(): number {
    return this.gate === 'errorsCanary' ? this.#onTarget.length : this.#n
  }

  /** The evidence suffices for a pass, and for a fail, as far as it goes: the gate has the word. */
  provesPass(): boolean {
    return this.#pass.reached()
  }
  provesFail(): boolean {
    return this.#fail.reached()
  }

  /** As one snapshot tells it, `now` in days. */
  observed(now: number): Observed<never> {
    const need = Math.max(this.#question.minUnits, Math.ceil(this.units / 4))
    const since = this.#times.length === 0 ? 0 : Math.max(0, now - this.#times.at(-1)!)
    return {
      counts: this.#counts(0, this.units) as never,
      recent: this.#counts(this.#start(need), Math.min(need, this.units)) as never,
      idleMs: since * DAY_MS,
      newUnits: this.#n - firstAfter(this.#times, now - 1),
    }
  }

  /** The unit before the newest `need`. */
  #start(need: number): number {
    if (this.units <= need) return 0
    if (this.gate !== 'errorsCanary') return this.#n - need
    return this.#onTarget[this.#onTarget.length - need]! - 1
  }

  /** Counts of the units after the first `start`. */
  #counts(start: number, units: number): Record<string, number> {
    const counts: Record<string, number> = { n: this.#n - start }
    const { share } = this.#question
    if (this.gate === 'errorsCanary' && share !== undefined) Object.assign(counts, { share, nTargetUnits: units })
    for (let i = this.#badAt.length - 1; i >= 0 && this.#badAt[i]! > start; i--) {
      const field = FIELDS[this.gate][this.#badAs[i]!]
      if (field !== undefined) counts[field] = (counts[field] ?? 0) + 1
    }
    return counts
  }

  #input(): WindowedInput {
    const { gate, limit } = this.#question
    return { gate, limit, counts: this.#counts(0, this.units) } as unknown as WindowedInput
  }
}

const DAY_MS = 86_400_000

/** How many of the ascending numbers are at most `bound`. */
function firstAfter(ascending: readonly number[], bound: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]! > bound) high = middle
    else low = middle + 1
  }
  return low
}

/** The most that one unit can add: the logarithm of its factor under the largest bet, if it wins at all. */
function gainsOf({ gate, limit, share = 0.5 }: ShareQuestion): Readonly<Record<UnitKind, readonly [number, number]>> {
  const difference = gate === 'excessMismatch' || gate === 'errorsPaired'
  const max = gate === 'errorsCanary' ? 1 / share : 1
  const min = gate === 'errorsCanary' ? -1 / (1 - share) : difference ? -1 : 0
  const pass = (score: number): number => Math.max(0, Math.log1p((limit - score) / (max - limit)))
  const fail = (score: number): number => Math.max(0, Math.log1p((score - limit) / (limit - min)))
  return {
    clean: [pass(0), fail(0)],
    'target-bad': [pass(max), fail(max)],
    // a pass reads it as bad; a fail as good, but for `lost`, which is about nothing else
    'target-missing': [pass(max), gate === 'lost' ? fail(max) : fail(0)],
    'legacy-bad': [pass(min), fail(min)],
    'legacy-missing': [pass(0), fail(min)],
  }
}
