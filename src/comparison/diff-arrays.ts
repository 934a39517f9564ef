// Where do two arrays differ, by position and without regard to order? No alignment is searched for: what is common at
// both ends is set aside, the rest is held together position by position, so that the work stays in proportion.

import type { Json } from '../vocabulary/outcome.ts'
import type { Differ } from './diff.ts'
import { fingerprint } from './fingerprint.ts'
import { isArray, isObject } from './forms.ts'
import { canonicalise, isUnordered } from './normalise.ts'
import type { PathRule } from './options.ts'
import { NO_RULES, type Rules, step } from './pointer.ts'
import { same } from './same.ts'

type Items = readonly Json[]

export function arrayDifferences(differ: Differ, legacy: Items, target: Items, rules: Rules<PathRule>): void {
  if (isUnordered(rules)) {
    multisetDifferences(differ, legacy, target, { rules, pairing: true })
  } else if (legacy.length === target.length) sameLength(differ, legacy, target, rules)
  else otherLength(differ, legacy, target, rules)
}

function sameLength(differ: Differ, legacy: Items, target: Items, rules: Rules<PathRule>): void {
  const before = differ.mark()
  let positions = 0
  for (let i = 0; i < legacy.length; i++) {
    if (same(legacy[i], target[i])) continue
    const { count } = differ
    differ.below(i, legacy[i], target[i], rules)
    if (differ.count > count) positions++
  }
  // one difference says it better than one for every position
  if (positions > 1 && isReordered(differ, legacy, target, rules)) {
    differ.back(before)
    differ.report('order', { legacy, target })
  }
}

function isReordered(differ: Differ, legacy: Items, target: Items, rules: Rules<PathRule>): boolean {
  const [a, b] = leftOver(differ, legacy, target, rules)
  return a.length === 0 && b.length === 0
}

function otherLength(differ: Differ, legacy: Items, target: Items, rules: Rules<PathRule>): void {
  differ.report('length', { legacy: legacy.length, target: target.length })
  const shorter = Math.min(legacy.length, target.length)
  let start = 0
  while (start < shorter && differ.alike(legacy[start]!, target[start]!, step(rules, start))) start++
  let end = 0
  while (end < shorter - start) {
    const [i, j] = [legacy.length - 1 - end, target.length - 1 - end]
    if (!differ.alike(legacy[i]!, target[j]!, step(rules, i))) break
    end++
  }
  const longer = Math.max(legacy.length, target.length) - end
  for (let i = start; i < longer; i++) {
    differ.below(
      i,
      i < legacy.length - end ? legacy[i] : undefined,
      i < target.length - end ? target[i] : undefined,
      rules,
    )
  }
}

/**
 * Compares without regard to order. What is left over on both sides is, with `pairing`, sorted and held together, so
 * that a change within an element shows as that change; a pair stands under its position on legacy.
 */
export function multisetDifferences(
  differ: Differ,
  legacy: Items,
  target: Items,
  { rules, pairing }: { readonly rules: Rules<PathRule>; readonly pairing: boolean },
): void {
  if (pairing && legacy.length !== target.length) {
    differ.report('length', { legacy: legacy.length, target: target.length })
  }
  const [a, b] = leftOver(differ, legacy, target, rules)
  const pairs = pairing ? Math.min(a.length, b.length) : 0
  if (pairs > 0) {
    a.sort(byText(legacy))
    b.sort(byText(target))
  }
  for (let k = 0; k < pairs; k++) differ.below(a[k]!, legacy[a[k]!], target[b[k]!], rules)
  for (const i of a.slice(pairs)) differ.below(i, legacy[i], undefined, rules)
  for (const j of b.slice(pairs)) differ.below(j, undefined, target[j], rules)
}

/** Positions of the elements that have no like on the other side. */
function leftOver(differ: Differ, legacy: Items, target: Items, rules: Rules<PathRule>): [number[], number[]] {
  const own = (items: Items) =>
    rules.length === 0 ? items : items.map((item, i) => canonicalise(item, step(rules, i), differ.digester))
  const [a, b] = [own(legacy), own(target)]
  const [prints, others] = [a.map(fingerprint), b.map(fingerprint)]
  const cheap = !prints.includes(undefined) && !others.includes(undefined)
  const name = (items: Items, known: readonly (number | undefined)[], i: number) =>
    cheap ? known[i]! : differ.digester.canonOf(items[i]!)
  const waiting = new Map<number | string, number[]>()
  // from the end, so that equal elements are taken in their order without moving the others
  for (let i = a.length - 1; i >= 0; i--) {
    const print = name(a, prints, i)
    const positions = waiting.get(print)
    if (positions === undefined) waiting.set(print, [i])
    else positions.push(i)
  }
  const extra = [...b.keys()].filter((j) => {
    const positions = waiting.get(name(b, others, j)) ?? []
    const at = positions.findLastIndex((i) => differ.alike(a[i]!, b[j]!, NO_RULES))
    if (at >= 0) positions.splice(at, 1)
    return at < 0
  })
  return [[...waiting.values()].flat().sort((i, j) => i - j), extra]
}

/** Numbers by size, so that those within a tolerance meet; all else by text. */
function byText(items: Items): (a: number, b: number) => number {
  const texts = new Map<number, string>()
  const textOf = (i: number): string => {
    const text = texts.get(i) ?? stableText(items[i]!)
    texts.set(i, text)
    return text
  }
  return (i, j) => {
    const [a, b] = [items[i], items[j]]
    if (typeof a === 'number' && typeof b === 'number') return a - b
    const [left, right] = [textOf(i), textOf(j)]
    return left < right ? -1 : Number(left > right)
  }
}

function stableText(json: Json): string {
  if (isArray(json)) return `[${json.map(stableText).join()}]`
  if (!isObject(json)) return JSON.stringify(json)
  const keys = Object.keys(json).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${stableText(json[key]!)}`).join()}}`
}
