// Did the two runs of one job come to the same? Results, errors and intended effects, held together.
//
// Always an answer, never an exception: a function of the user's that throws makes a mismatch that says so. Nothing
// stops at the first difference, and only `ignoreWhen` makes a pair `ignored`.

import {
  type Comparison,
  DIFFERENCE_KINDS,
  type Difference,
  type DifferenceKind,
  type ErrorSplit,
} from '../vocabulary/comparison.ts'
import type { Json, Outcome, StoredError } from '../vocabulary/outcome.ts'
import { decodeValue } from './decode.ts'
import { ask, Differ, threw } from './diff.ts'
import { compareEffects } from './effects.ts'
import { encodeValue } from './encode.ts'
import { UNDEFINED } from './forms.ts'
import { normalised } from './normalise.ts'
import { type CompareOptions, type CompareRules, compareRules, type SeenOutcome } from './options.ts'
import { NO_RULES, parsePointer } from './pointer.ts'
import { same } from './same.ts'
import { REDACTED } from './show.ts'
import { compareTools, hadSameTools } from './tools.ts'

export interface ComparePair {
  readonly legacy: Outcome
  readonly target: Outcome
  readonly options?: CompareOptions<unknown>
}

const MATCHED: Comparison = Object.freeze({
  class: 'matched',
  errors: 'none',
  differences: Object.freeze([]),
  differenceCount: 0,
})
const NO_OPTIONS: CompareOptions<unknown> = Object.freeze({})

/** Differences stand under `/result`, `/error`, `/effects/<position>/<name>` and `/mcp/<server>`. */
export function compareOutcomes({ legacy, target, options = NO_OPTIONS }: ComparePair): Comparison {
  const rules = compareRules(options)
  if (isPlainlySame(legacy, target, options)) return MATCHED
  const differ = new Differ(rules)
  if (legacy.ok && target.ok) compareResults(differ, resultOf(legacy), resultOf(target), rules)
  else compareErrors(differ, legacy, target, rules)
  compareEffects(differ, legacy.effects, target.effects, rules)
  if (options.mcp !== 'ignore') compareTools(differ, legacy.mcp, target.mcp)
  const ignored = isIgnoredPair(differ, legacy, target, rules)
  return {
    class: ignored ? 'ignored' : differ.count === 0 ? 'matched' : 'mismatched',
    errors: splitOf(legacy, target),
    differences: differ.differences,
    differenceCount: differ.count,
  }
}

/** Most pairs: no function of the user's has a say, and everything is the same as it stands. */
function isPlainlySame(legacy: Outcome, target: Outcome, options: CompareOptions<unknown>): boolean {
  if (!legacy.ok || !target.ok) return false
  if (options.normalise !== undefined || options.compare !== undefined || options.ignoreWhen !== undefined) return false
  if (!hadSameTools(legacy.mcp, target.mcp)) return false
  if (legacy.effects.length !== target.effects.length || !same(resultOf(legacy), resultOf(target))) return false
  return legacy.effects.every(({ name, recorded }, i) => {
    const other = target.effects[i]!
    return other.name === name && same(recorded, other.recorded)
  })
}

/** A result that was not stored is undefined. */
function resultOf(outcome: Outcome): Json {
  return outcome.value ?? UNDEFINED
}

function splitOf(legacy: Outcome, target: Outcome): ErrorSplit {
  if (legacy.ok) return target.ok ? 'none' : 'target-only'
  return target.ok ? 'legacy-only' : 'both'
}

function compareResults(differ: Differ, legacy: Json, target: Json, rules: CompareRules): void {
  const { options } = rules
  let [a, b] = [legacy, target]
  if (options.normalise !== undefined) {
    const left = tryNormalise(legacy, rules)
    const right = tryNormalise(target, rules)
    if ('failed' in left || 'failed' in right) {
      differ.say('/result', {
        legacy: 'failed' in left ? left.failed : '[normalised]',
        target: 'failed' in right ? right.failed : '[normalised]',
      })
      return
    }
    ;[a, b] = [left.json, right.json]
  }
  if (options.compare === undefined) differ.values('/result', a, b, rules.result)
  else compareOwn(differ, a, b, rules)
}

function tryNormalise(result: Json, { options, redact }: CompareRules): { json: Json } | { failed: string } {
  try {
    return { json: normalised(result, (value) => options.normalise?.(value)) }
  } catch (error) {
    return { failed: threw('normalise', redact, error) }
  }
}

function compareOwn(differ: Differ, legacy: Json, target: Json, { options, redact }: CompareRules): void {
  let found: readonly Difference[] | undefined
  const answer = ask('compare', redact, () => {
    const given = options.compare?.(decoded(legacy), decoded(target))
    if (!Array.isArray(given)) return given
    found = given.map((difference) => ({ ...difference }))
    return given.length === 0
  })
  if (typeof answer === 'object') differ.say('/result', { legacy: answer.failed, target: answer.failed })
  else if (found !== undefined) for (const difference of found) reportOwn(differ, difference)
  else if (!answer) differ.at('/result', 'value', { legacy, target })
}

/** One difference of the user's own making, brought into form; redaction holds for it like for any other. */
function reportOwn(differ: Differ, given: unknown): void {
  const { path, kind, legacy, target } = (
    typeof given === 'object' && given !== null ? given : {}
  ) as Partial<Difference>
  const segments = typeof path === 'string' ? parsePointer(path) : undefined
  if (segments === undefined || !DIFFERENCE_KINDS.includes(kind as DifferenceKind)) {
    const text = '[compare answered a difference without a JSON pointer as path or with an unknown kind]'
    differ.say('/result', { legacy: text, target: text })
    return
  }
  const stored = (value: unknown): Json => encodeValue(value, { refused: 'note' }).json
  differ.at('/result', kind as DifferenceKind, {
    ...(legacy === undefined ? {} : { legacy: stored(legacy) }),
    ...(target === undefined ? {} : { target: stored(target) }),
    segments: segments.map((segment) => (/^\d+$/.test(segment) ? Number(segment) : segment)),
  })
}

function decoded(json: Json): unknown {
  return decodeValue(json, { incomplete: 'keep' })
}

const NO_ERROR: StoredError = { name: 'Error', message: '' }

/** Both failed with the same name and code is a match; messages are not compared. */
function compareErrors(differ: Differ, legacy: Outcome, target: Outcome, rules: CompareRules): void {
  if (legacy.ok || target.ok) {
    const error = shownError((legacy.ok ? target.error : legacy.error) ?? NO_ERROR, rules)
    if (legacy.ok) differ.at('/error', 'extra', { target: error })
    else differ.at('/error', 'missing', { legacy: error })
    return
  }
  const [a, b] = [legacy.error ?? NO_ERROR, target.error ?? NO_ERROR]
  differ.values('/error', nameAndCode(a), nameAndCode(b), NO_RULES)
}

function nameAndCode({ name, code }: StoredError): Json {
  return code === undefined ? { name } : { name, code }
}

function shownError(error: StoredError, { redact }: CompareRules): Json {
  return { ...(nameAndCode(error) as object), message: redact.length > 0 ? REDACTED : error.message }
}

function isIgnoredPair(differ: Differ, legacy: Outcome, target: Outcome, { options, redact }: CompareRules): boolean {
  if (options.ignoreWhen === undefined) return false
  const answer = ask('ignoreWhen', redact, () => options.ignoreWhen?.(seen(legacy), seen(target)))
  if (typeof answer === 'boolean') return answer
  differ.say('', { legacy: answer.failed, target: answer.failed })
  return false
}

function seen(outcome: Outcome): SeenOutcome<unknown> {
  const effects = outcome.effects.map(({ name, recorded }) => ({ name, recorded: decoded(recorded) }))
  const mcp = outcome.mcp ?? []
  if (outcome.ok) return { ok: true, result: decoded(resultOf(outcome)), effects, mcp }
  return { ok: false, error: outcome.error ?? NO_ERROR, effects, mcp }
}
