// Did both runs intend the same effects, in the same order?

import type { Json, RecordedEffect } from '../vocabulary/outcome.ts'
import type { Differ } from './diff.ts'
import type { CompareRules } from './options.ts'
import { formatPointer, NO_RULES } from './pointer.ts'
import { same } from './same.ts'
import { show } from './show.ts'

type Effects = readonly RecordedEffect[]

/**
 * The first effect of a name is held against the first of that name on the other side, and so on. Differences stand
 * under the position on legacy, those of an effect that only target had under its position there. The same effects in
 * another order are one difference of kind `order` at `/effects`.
 */
export function compareEffects(differ: Differ, legacy: Effects, target: Effects, rules: CompareRules): void {
  const before = differ.mark()
  const waiting = positionsByName(target)
  const paired: number[] = []
  for (const [i, effect] of legacy.entries()) {
    const j = waiting.get(effect.name)?.shift()
    if (j === undefined) differ.values(rootOf(i, effect), effect.recorded, undefined, NO_RULES)
    else {
      paired.push(j)
      const other = target[j]!
      if (!same(effect.recorded, other.recorded)) {
        differ.values(rootOf(i, effect), effect.recorded, other.recorded, rules.effects.get(effect.name) ?? NO_RULES)
      }
    }
  }
  for (const j of [...waiting.values()].flat().sort((a, b) => a - b)) {
    differ.values(rootOf(j, target[j]!), undefined, target[j]!.recorded, NO_RULES)
  }
  const outOfOrder = paired.some((j, k) => k > 0 && j < paired[k - 1]!)
  if (differ.count > before.count && isReordered(differ, legacy, target, rules)) differ.back(before)
  else if (!outOfOrder) return
  differ.say('/effects', { legacy: names(legacy), target: names(target) }, 'order')
}

function rootOf(position: number, effect: RecordedEffect): string {
  return `/effects${formatPointer([position, effect.name])}`
}

function positionsByName(effects: Effects): Map<string, number[]> {
  const positions = new Map<string, number[]>()
  for (const [i, { name }] of effects.entries()) positions.set(name, [...(positions.get(name) ?? []), i])
  return positions
}

function isReordered(differ: Differ, legacy: Effects, target: Effects, rules: CompareRules): boolean {
  if (legacy.length !== target.length) return false
  const canons = (effects: Effects) =>
    effects
      .map(
        ({ name, recorded }) =>
          `${JSON.stringify(name)} ${differ.canon(recorded, rules.effects.get(name) ?? NO_RULES)}`,
      )
      .sort()
  const [a, b] = [canons(legacy), canons(target)]
  return a.every((canon, i) => canon === b[i])
}

function names(effects: Effects): Json {
  return show(
    effects.map(({ name }) => name),
    NO_RULES,
  )
}
