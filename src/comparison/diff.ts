// Where do two stored values differ? A typed list of every place, never only the first.
//
// Seen from legacy: `missing` is there on legacy alone, `extra` on target alone. The classes of places mirror when the
// sides are swapped. Digests are held against whole values by digesting those.

import type { Difference, DifferenceKind } from '../vocabulary/comparison.ts'
import type { Json } from '../vocabulary/outcome.ts'
import { decodeValue } from './decode.ts'
import { arrayDifferences, multisetDifferences } from './diff-arrays.ts'
import { Digester } from './digest.ts'
import { cutText, encodeError } from './error.ts'
import { fieldOf, formOf, isObject, type JsonObject, keySegment, TAG } from './forms.ts'
import { canonicalise, isIgnored, ruleAt } from './normalise.ts'
import type { PathRule, Tolerance } from './options.ts'
import { formatPointer, type Rules, step } from './pointer.ts'
import { same } from './same.ts'
import { isRedacted, REDACTED, redactBelow, show } from './show.ts'

type Sides = { readonly legacy?: Json; readonly target?: Json }

/** Collects the differences of one pair of outcomes. */
export class Differ {
  readonly differences: Difference[] = []
  count = 0
  readonly digester: Digester = new Digester()
  readonly #redact: Rules<true>
  readonly #max: number
  /** What the current value belongs to, e.g. `/effects/0/store`, and the segments below it. */
  #root = ''
  readonly #path: (string | number)[] = []

  constructor(options: { readonly redact: Rules<true>; readonly maxDifferences: number }) {
    this.#redact = options.redact
    this.#max = options.maxDifferences
  }

  /** Compares two values that stand under `root`; undefined is an absent one. */
  values(root: string, legacy: Json | undefined, target: Json | undefined, rules: Rules<PathRule>): void {
    this.#root = root
    this.either(legacy, target, rules)
  }

  /** Reports a difference at `root` itself, or at the `segments` below it. */
  at(root: string, kind: DifferenceKind, what: Sides & { readonly segments?: readonly (string | number)[] }): void {
    const { segments = [], ...sides } = what
    this.#root = root
    this.#path.push(...segments)
    this.report(kind, sides)
    this.#path.length -= segments.length
  }

  /** Reports a difference with texts of our own, which nothing redacts: a function of the user's that failed, say. */
  say(path: string, sides: Required<Sides>, kind: DifferenceKind = 'value'): void {
    this.#add(path, kind, sides)
  }

  mark(): { readonly count: number; readonly kept: number } {
    return { count: this.count, kept: this.differences.length }
  }

  /** Takes back what was reported since the mark. */
  back(mark: { readonly count: number; readonly kept: number }): void {
    this.count = mark.count
    this.differences.length = mark.kept
  }

  below(segment: string | number, legacy: Json | undefined, target: Json | undefined, rules: Rules<PathRule>): void {
    this.#path.push(segment)
    this.either(legacy, target, step(rules, segment))
    this.#path.pop()
  }

  /** Whether two values are the same as far as ignored places and order go. */
  alike(legacy: Json, target: Json, rules: Rules<PathRule>): boolean {
    if (same(legacy, target)) return true
    if (typeof legacy !== 'object' || typeof target !== 'object') return false
    return this.canon(legacy, rules) === this.canon(target, rules)
  }

  canon(json: Json, rules: Rules<PathRule>): string {
    return this.digester.canonOf(canonicalise(json, rules, this.digester))
  }

  either(legacy: Json | undefined, target: Json | undefined, rules: Rules<PathRule>): void {
    if (rules.length > 0) {
      if (isIgnored(rules)) return
      const equal = ruleAt(rules, 'equal')
      if (equal !== undefined) {
        if (!same(legacy, target)) this.#ask(equal, legacy, target)
        return
      }
    }
    if (legacy === undefined) {
      if (target !== undefined) this.report('extra', { target })
    } else if (target === undefined) this.report('missing', { legacy })
    else if (legacy !== target) this.#both(legacy, target, rules)
    // a value that is the very same object may still hold one that was refused
    else if (typeof legacy === 'object' && legacy !== null && !same(legacy, target)) this.#both(legacy, target, rules)
  }

  #both(legacy: Json, target: Json, rules: Rules<PathRule>): void {
    const sides = { legacy, target }
    const [a, b] = [formOf(legacy), formOf(target)]
    if (a.kind === 'refused' || b.kind === 'refused') this.report('value', sides)
    else if (a.type !== b.type) this.report('type', sides)
    else if (a.kind === 'digest' || b.kind === 'digest') this.#digests(legacy, target)
    else if (a.kind === 'object' && b.kind === 'object') this.#fields(a.fields, b.fields, rules)
    else if (a.kind === 'array' && b.kind === 'array') arrayDifferences(this, a.items, b.items, rules)
    else if (a.kind === 'set' && b.kind === 'set')
      multisetDifferences(this, a.items, b.items, { rules, pairing: false })
    else if (a.kind === 'map' && b.kind === 'map') this.#maps(a.entries, b.entries, rules)
    // a class of the user's may bear the name of another type
    else if (a.kind !== b.kind) this.report('type', sides)
    else if (!same(legacy, target) && !isWithin(ruleAt(rules, 'tolerance'), legacy, target)) this.report('value', sides)
  }

  #fields(legacy: JsonObject, target: JsonObject, rules: Rules<PathRule>): void {
    for (const key of Object.keys(legacy)) {
      const [a, b] = [legacy[key], fieldOf(target, key)]
      if (a !== b || (typeof a === 'object' && a !== null)) this.below(key, a, b, rules)
    }
    for (const key of Object.keys(target)) {
      if (!Object.hasOwn(legacy, key)) this.below(key, undefined, target[key], rules)
    }
  }

  #maps(
    legacy: readonly (readonly [Json, Json])[],
    target: readonly (readonly [Json, Json])[],
    rules: Rules<PathRule>,
  ): void {
    const others = new Map(target.map((entry) => [this.digester.canonOf(entry[0]), entry]))
    for (const [key, value] of legacy) {
      const canon = this.digester.canonOf(key)
      this.below(keySegment(key), value, others.get(canon)?.[1], rules)
      others.delete(canon)
    }
    for (const [key, value] of others.values()) this.below(keySegment(key), undefined, value, rules)
  }

  #digests(legacy: Json, target: Json): void {
    if (this.digester.canonOf(legacy) === this.digester.canonOf(target)) return
    const [a, b] = [lengthOf(legacy), lengthOf(target)]
    this.report(a !== undefined && b !== undefined && a !== b ? 'length' : 'value', { legacy, target })
  }

  #ask(equal: NonNullable<PathRule['equal']>, legacy: Json | undefined, target: Json | undefined): void {
    const answer = ask('equal', this.#redact, () => equal(decoded(legacy), decoded(target)))
    if (answer === true) return
    if (answer === false) this.report('value', sidesOf(legacy, target))
    else this.say(this.#root + formatPointer(this.#path), { legacy: answer.failed, target: answer.failed })
  }

  report(kind: DifferenceKind, { legacy, target }: Sides): void {
    if (this.differences.length >= this.#max) {
      this.count++
      return
    }
    const redact = this.#path.reduce(redactBelow, this.#redact)
    const shown = (json: Json): Json => {
      // a length tells nothing of what is redacted further down
      if (kind === 'length' && typeof json === 'number') return isRedacted(redact) ? REDACTED : json
      return show(json, redact)
    }
    this.#add(this.#root + formatPointer(this.#path), kind, {
      ...(legacy === undefined ? {} : { legacy: shown(legacy) }),
      ...(target === undefined ? {} : { target: shown(target) }),
    })
  }

  #add(path: string, kind: DifferenceKind, sides: Sides): void {
    this.count++
    if (this.differences.length < this.#max) this.differences.push({ path, kind, ...sides })
  }
}

function sidesOf(legacy: Json | undefined, target: Json | undefined): Sides {
  return { ...(legacy === undefined ? {} : { legacy }), ...(target === undefined ? {} : { target }) }
}

function decoded(json: Json | undefined): unknown {
  return json === undefined ? undefined : decodeValue(json, { incomplete: 'keep' })
}

function lengthOf(json: Json): number | undefined {
  const form = formOf(json)
  if (form.kind === 'digest') return form.digest.length
  return form.kind === 'array' ? form.items.length : undefined
}

function numberOf(json: Json): number {
  if (typeof json === 'number') return json
  if (!isObject(json)) return Number.NaN
  const date = json[TAG.date]
  return typeof date === 'string' ? Date.parse(date) : Number(json[TAG.number] ?? Number.NaN)
}

function isWithin(tolerance: Tolerance | undefined, legacy: Json, target: Json): boolean {
  if (tolerance === undefined) return false
  const [a, b] = [numberOf(legacy), numberOf(target)]
  const bound = typeof tolerance === 'number' ? tolerance : tolerance.relative * Math.max(Math.abs(a), Math.abs(b))
  return Number.isFinite(bound) && Math.abs(a - b) <= bound
}

/** What a function of the user's answers; or, when it throws or answers no boolean, a text that says so. */
export function ask(what: string, redact: Rules<true>, call: () => unknown): boolean | { readonly failed: string } {
  try {
    const answer = call()
    if (typeof answer === 'boolean') return answer
    const given = answer instanceof Promise ? 'a Promise (it must not be async)' : `${typeof answer}`
    return { failed: `[${what} answered ${given}, not true or false]` }
  } catch (error) {
    return { failed: threw(what, redact, error) }
  }
}

/** Messages may hold values: where anything is redacted, the error's name is all that is told. */
export function threw(what: string, redact: Rules<true>, error: unknown): string {
  const { name, message } = encodeError(error)
  return redact.length > 0 ? `[${what} threw ${name}]` : `[${what} threw ${name}: ${cutText(message, 200)}]`
}
