// How is a place inside a result named, and which rules apply there? JSON pointers (RFC 6901) with `*` for any one
// segment, compiled into a tree that is walked beside the values.

/** Segments of a pointer, or undefined when it is not one. `''` is the whole. */
export function parsePointer(pointer: string): string[] | undefined {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined
  return pointer
    .slice(1)
    .split('/')
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

export function formatPointer(segments: readonly (string | number)[]): string {
  let pointer = ''
  for (const segment of segments) {
    pointer += `/${typeof segment === 'number' ? segment : segment.replaceAll('~', '~0').replaceAll('/', '~1')}`
  }
  return pointer
}

/** What applies at a place, `T`, and the rules for the places below it. */
export interface RuleNode<T> {
  value?: T
  readonly below: Map<string, RuleNode<T>>
}

/** The nodes that a place has reached: one for each pattern that fits so far. Empty: no rule applies here or below. */
export type Rules<T> = readonly RuleNode<T>[]

export const NO_RULES: Rules<never> = []

export function createRules<T>(): RuleNode<T> {
  return { below: new Map() }
}

/** The node of a pointer that {@link parsePointer} accepts, made when needed. */
export function ruleNodeAt<T>(root: RuleNode<T>, segments: readonly string[]): RuleNode<T> {
  let node = root
  for (const segment of segments) {
    let next = node.below.get(segment)
    if (next === undefined) {
      next = createRules()
      node.below.set(segment, next)
    }
    node = next
  }
  return node
}

export function isEmpty<T>(node: RuleNode<T>): boolean {
  return node.value === undefined && node.below.size === 0
}

/** The rules one segment further down. */
export function step<T>(rules: Rules<T>, segment: string | number): Rules<T> {
  if (rules.length === 0) return NO_RULES
  let next: RuleNode<T>[] | undefined
  for (const node of rules) {
    const named = node.below.get(String(segment))
    const any = node.below.get('*')
    if (named !== undefined) next = [...(next ?? []), named]
    if (any !== undefined && any !== named) next = [...(next ?? []), any]
  }
  return next ?? NO_RULES
}
