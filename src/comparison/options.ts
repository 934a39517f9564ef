// How are the two runs of a job to be compared? What a migration's `compare` may say, checked and made ready once.
//
// Pointers are JSON pointers (RFC 6901) into the result, with `*` for any one segment: `/receivedAt`, `/to/*/name`.

import { type Difference, MAX_DIFFERENCES } from '../vocabulary/comparison.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { SeenTools, StoredError } from '../vocabulary/outcome.ts'
import { createRules, isEmpty, NO_RULES, parsePointer, type RuleNode, type Rules, ruleNodeAt } from './pointer.ts'

/** How far two numbers (or two Dates, in ms) may lie apart: absolutely, or as a share of the larger one. */
export type Tolerance = number | { readonly relative: number }

/** A method, so that `(a: string, b: string) => …` may stand where the values' types are not known. */
export type EqualAt = { equal(legacy: unknown, target: unknown): boolean }['equal']

/** Rules for places, by pointer. */
export interface PathRules {
  /** Not compared, there and below. */
  readonly ignore?: readonly string[]
  /** Numbers and Dates at exactly this place. */
  readonly tolerance?: Readonly<Record<string, Tolerance>>
  /** Arrays whose order does not matter. */
  readonly unordered?: readonly string[]
  /** Decides alone, there and below; asked only where the values differ. An absent value is undefined. */
  readonly equal?: Readonly<Record<string, EqualAt>>
}

/** One run as `ignoreWhen` sees it. */
export type SeenOutcome<R> = (
  | { readonly ok: true; readonly result: R }
  | { readonly ok: false; readonly error: StoredError }
) & {
  readonly effects: readonly { readonly name: string; readonly recorded: unknown }[]
  /** What it had of each MCP server; empty where it did not ask for tools. */
  readonly mcp: SeenTools
}

export interface CompareOptions<R = unknown> extends PathRules {
  /** Rules for what effects record, by the effect's name; pointers into what is recorded. */
  readonly effects?: Readonly<Record<string, PathRules>>
  /** What is compared in place of the result. Gets a copy, which it may change. */
  normalise?(result: R): unknown
  /**
   * Takes a pair out of the statistics: the only way to the class `ignored`. Asked of every pair, also of those that
   * match: dropping mismatches alone would make the share of the rest look better than it is.
   */
  ignoreWhen?(legacy: SeenOutcome<R>, target: SeenOutcome<R>): boolean
  /**
   * Compares two (normalised) results in place of the rules: true, or no differences, is a match. Paths of differences
   * are pointers into the result. Errors and effects are compared as ever.
   */
  compare?(legacy: R, target: R): boolean | readonly Difference[]
  /**
   * Pointers to values that nobody may read in a difference, there and below, in results, recorded effects and errors
   * alike. Positions of arrays may be left out: `/to/address` covers `/to/0/address`. Any such pointer hides the
   * messages of errors too.
   */
  readonly redact?: readonly string[]
  /**
   * The MCP tools that the two runs had. `'compare'` (default): a pair that ran with different ones is a mismatch.
   * `'ignore'`: they are kept in the outcomes and not compared.
   */
  readonly mcp?: 'compare' | 'ignore'
  /** How many differences of a pair are kept; all are counted. Default and most: 50. */
  readonly maxDifferences?: number
}

export interface PathRule {
  ignore?: true
  tolerance?: Tolerance
  unordered?: true
  equal?: EqualAt
}

/** The options of one migration, ready for use. */
export interface CompareRules {
  readonly options: CompareOptions<unknown>
  readonly result: Rules<PathRule>
  readonly effects: ReadonlyMap<string, Rules<PathRule>>
  readonly redact: Rules<true>
  readonly maxDifferences: number
}

const PATH_RULES = ['ignore', 'tolerance', 'unordered', 'equal']
const FUNCTIONS = ['normalise', 'ignoreWhen', 'compare'] as const
const OPTIONS = [...PATH_RULES, 'effects', ...FUNCTIONS, 'redact', 'mcp', 'maxDifferences']

const compiled = new WeakMap<object, CompareRules>()

/** The rules of these options, made once for each object; `config-invalid` where they are wrong. */
export function compareRules(options: CompareOptions<unknown>, where = 'compare'): CompareRules {
  const known = typeof options === 'object' && options !== null ? compiled.get(options) : undefined
  if (known !== undefined) return known
  const rules = compile(options, where)
  compiled.set(options, rules)
  return rules
}

function refuse(path: string, wrong: string, allowed: string): never {
  throw new CutoverError('config-invalid', `${path} ${wrong}; allowed: ${allowed}`, { details: { path } })
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkKeys(value: unknown, allowed: readonly string[], where: string): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) refuse(where, 'is not an object', allowed.join(', '))
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) refuse(`${where}.${key}`, 'is not an option', allowed.join(', '))
  }
  return value
}

function compile(options: CompareOptions<unknown>, where: string): CompareRules {
  const given = checkKeys(options, OPTIONS, where)
  for (const name of FUNCTIONS) {
    if (given[name] !== undefined && typeof given[name] !== 'function') {
      refuse(`${where}.${name}`, 'is not a function', 'e.g. (result) => ({ ...result, receivedAt: undefined })')
    }
  }
  if (options.mcp !== undefined && options.mcp !== 'compare' && options.mcp !== 'ignore')
    refuse(`${where}.mcp`, `is ${String(options.mcp)}`, "'compare' (default), 'ignore'")
  const max = options.maxDifferences ?? MAX_DIFFERENCES
  if (!Number.isInteger(max) || max < 1 || max > MAX_DIFFERENCES) {
    refuse(`${where}.maxDifferences`, `is ${String(max)}`, `an integer from 1 to ${MAX_DIFFERENCES}`)
  }
  const redact = createRules<true>()
  for (const [i, pointer] of list(options.redact, `${where}.redact`).entries()) {
    ruleNodeAt(redact, segmentsOf(pointer, `${where}.redact[${i}]`)).value = true
  }
  const effects = Object.entries(record(options.effects, `${where}.effects`)).map(([name, rules]) => {
    const path = `${where}.effects.${name}`
    return [name, pathRules(checkKeys(rules, PATH_RULES, path) as PathRules, path)] as const
  })
  return {
    options,
    result: pathRules(options, where),
    effects: new Map(effects),
    redact: rulesOf(redact),
    maxDifferences: max,
  }
}

function rulesOf<T>(root: RuleNode<T>): Rules<T> {
  return isEmpty(root) ? NO_RULES : [root]
}

function pathRules(rules: PathRules, where: string): Rules<PathRule> {
  const root = createRules<PathRule>()
  const at = (pointer: unknown, path: string): PathRule => {
    const node = ruleNodeAt(root, segmentsOf(pointer, path))
    node.value ??= {}
    return node.value
  }
  for (const [i, pointer] of list(rules.ignore, `${where}.ignore`).entries()) {
    const path = `${where}.ignore[${i}]`
    if (pointer === '') refuse(path, 'is the whole', 'a pointer to a part, e.g. "/receivedAt"')
    at(pointer, path).ignore = true
  }
  for (const [i, pointer] of list(rules.unordered, `${where}.unordered`).entries()) {
    at(pointer, `${where}.unordered[${i}]`).unordered = true
  }
  for (const [pointer, tolerance] of Object.entries(record(rules.tolerance, `${where}.tolerance`))) {
    const path = `${where}.tolerance[${JSON.stringify(pointer)}]`
    at(pointer, path).tolerance = toleranceOf(tolerance, path)
  }
  for (const [pointer, equal] of Object.entries(record(rules.equal, `${where}.equal`))) {
    const path = `${where}.equal[${JSON.stringify(pointer)}]`
    if (typeof equal !== 'function') refuse(path, 'is not a function', 'e.g. (legacy, target) => legacy === target')
    at(pointer, path).equal = equal as EqualAt
  }
  return rulesOf(root)
}

function toleranceOf(value: unknown, path: string): Tolerance {
  const bound = isRecord(value) ? checkKeys(value, ['relative'], path).relative : value
  if (typeof bound !== 'number' || !Number.isFinite(bound) || bound < 0) {
    refuse(path, 'is not a tolerance', 'a number from 0, e.g. 1e-9, or { relative: 0.01 }')
  }
  return value as Tolerance
}

function list(value: unknown, path: string): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) refuse(path, 'is not an array', 'JSON pointers, e.g. ["/receivedAt", "/to/*/name"]')
  return value
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (value === undefined) return {}
  if (!isRecord(value)) refuse(path, 'is not an object', 'one entry a pointer or name')
  return value
}

function segmentsOf(pointer: unknown, path: string): string[] {
  const segments = typeof pointer === 'string' ? parsePointer(pointer) : undefined
  if (segments === undefined) {
    const hint = typeof pointer === 'string' && pointer !== '' ? `, perhaps "/${pointer.replaceAll('.', '/')}"` : ''
    refuse(
      path,
      `is ${JSON.stringify(pointer) ?? String(pointer)}, not a JSON pointer`,
      `"/" before each part, "~1" for a slash and "~0" for a tilde in a name, "*" for any one part${hint}`,
    )
  }
  return segments
}
