// What flag sources share: decisions that are kept while a definition stands, telling listeners of a change, and which
// dials may be written.

import type { FlagDecision, FlagDials, FlagQuestion } from '../src/ports/flags.ts'
import { CutoverError } from '../src/vocabulary/errors.ts'
import type { Evaluate, FlagDefinition } from './unleash-engine.ts'

/** A bound on memory; a key beyond it is evaluated again. */
const DECISIONS_KEPT = 10_000

/** Decisions by key: the same key gets the same one while its flag's definition stands. */
export class Decided {
  readonly #byFlag = new WeakMap<FlagDefinition, Kept>()

  /** Only for definitions whose answer hangs on the key alone, not on the time or a context. */
  decide(definition: FlagDefinition, question: FlagQuestion, evaluate: Evaluate): FlagDecision {
    let kept = this.#byFlag.get(definition)
    if (kept === undefined) {
      kept = { same: isSameForAll(definition), byKey: new Map() }
      this.#byFlag.set(definition, kept)
    }
    const { byKey } = kept
    const key = kept.same && question.key !== '' ? ANY_KEY : question.key
    const known = byKey.get(key)
    if (known !== undefined) return known
    const decision = evaluate(definition, question)
    // a doubt may be over at the next question
    if (decision.reason !== 'flag') return decision
    if (byKey.size >= DECISIONS_KEPT) byKey.clear()
    byKey.set(key, decision)
    return decision
  }
}

interface Kept {
  /** One decision for every key: a dial that stands at either end. */
  readonly same: boolean
  readonly byKey: Map<string, FlagDecision>
}

const ANY_KEY = '*'

/** One strategy, for everybody, with one variant that takes them all. */
function isSameForAll({ enabled, strategies, dependencies = [] }: FlagDefinition): boolean {
  const [only] = strategies
  if (only === undefined || strategies.length > 1 || !enabled || dependencies.length > 0) return false
  const { name, parameters, constraints, segments = [], variants } = only
  if (name !== 'flexibleRollout' || parameters['rollout'] !== '100') return false
  if (constraints.length > 0 || segments.length > 0) return false
  return variants.filter(({ weight }) => weight > 0).length === 1
}

/** Who wants to hear of a change. */
export class Listeners {
  readonly #all = new Set<() => void>()

  add(listener: () => void): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  clear(): void {
    this.#all.clear()
  }

  /** A listener that throws is a fault of the program, as in any event: it does not keep the others from hearing. */
  tell(): void {
    for (const listener of [...this.#all]) {
      try {
        listener()
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** `option-invalid` for what no flag can hold. */
export function checkDials(flag: string, dials: FlagDials): void {
  if (flag === '') throw new CutoverError('option-invalid', 'a flag needs a name', { details: { flag } })
  for (const name of ['target', 'shadow'] as const) {
    const share = dials[name]
    if (share >= 0 && share <= 1 && Math.abs(share * 1000 - Math.round(share * 1000)) < 1e-9) continue
    const message = `${flag}.${name}: ${share} is not a share; allowed is 0 to 1 in steps of 0.001`
    throw new CutoverError('option-invalid', message, { details: { flag, dial: name } })
  }
}
