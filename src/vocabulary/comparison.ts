// Two outcomes of one job held together.

import type { Json } from './outcome.ts'

/** What differs at a path. */
export type DifferenceKind = 'missing' | 'extra' | 'type' | 'value' | 'order' | 'length' | 'tools'
export const DIFFERENCE_KINDS = [
  'missing',
  'extra',
  'type',
  'value',
  'order',
  'length',
  'tools',
] as const satisfies readonly DifferenceKind[]

/**
 * One difference. `path` is a JSON pointer into `{ result, error, effects, mcp }`; `kind` is seen from legacy: `missing` is
 * there on legacy and not on target, `extra` the other way round; `tools`: the runs had other MCP tools of the server that
 * the path names. Both values are cut and redacted.
 */
export interface Difference {
  readonly path: string
  readonly kind: DifferenceKind
  readonly legacy?: Json
  readonly target?: Json
}

/** What a comparison came to. */
export type ComparisonClass = 'matched' | 'mismatched' | 'ignored'

/** Which of the two runs ended in an error. */
export type ErrorSplit = 'none' | 'both' | 'target-only' | 'legacy-only'

export interface Comparison {
  readonly class: ComparisonClass
  readonly errors: ErrorSplit
  /** At most `MAX_DIFFERENCES`; `differenceCount` is the whole number. */
  readonly differences: readonly Difference[]
  readonly differenceCount: number
}

/** How many differences of one pair are kept. */
export const MAX_DIFFERENCES = 50

/** The path under which groups of differences beyond the bound are counted together. */
export const REST_PATH = '…'

/** The group of a difference's path: array positions become `*`, so that `/result/to/3/name` counts with its likes. */
export function groupPath(path: string): string {
  return path.replace(/\/\d+(?=\/|$)/g, '/*')
}
