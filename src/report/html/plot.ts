// What is drawn, independent of who draws it: panels one under the other over one horizontal axis.
//
// No foreign text gets into a plot: names of lines and axes are written here.

/** Colours of the page (`theme.ts`), by meaning. */
export type Ink = 'legacy' | 'target' | 'noise' | 'ok' | 'bad' | 'muted' | 'ink'

export interface Line {
  readonly name: string
  readonly ink: Ink
  /** `dashed` for copies (shadows, controls). */
  readonly as?: 'solid' | 'dashed'
  /** Stays at a value until the next point. */
  readonly step?: true
  /** Filled down to zero. */
  readonly area?: true
  /** One value for each of the plot's `x`; null where there is none. */
  readonly values: readonly (number | null)[]
  /** What is drawn in their place, e.g. cut off at the edge; the table has the values. */
  readonly drawn?: readonly (number | null)[]
}

/** A range between two lines, e.g. an interval. */
export interface Band {
  readonly name: string
  readonly ink: Ink
  readonly lower: readonly (number | null)[]
  readonly upper: readonly (number | null)[]
}

export interface Mark {
  readonly name: string
  readonly ink: Ink
  readonly at: number
}

export type Unit = 'count' | 'rate' | 'share' | 'ms' | 'ratio' | 'evidence'

export interface Panel {
  readonly title: string
  readonly unit: Unit
  readonly scale?: 'linear' | 'log'
  /** In px, as the page shows it on a wide screen. */
  readonly height: number
  readonly lines: readonly Line[]
  readonly band?: Band
  /** Horizontal lines, e.g. a limit or a ratio of one. */
  readonly marks?: readonly Mark[]
  /** The axis reaches at least to here. */
  readonly atLeast?: number
  /** The axis ends here, whatever the lines do. */
  readonly most?: number
}

export interface Plot {
  /** Unique in the page, of letters, digits and `-`. */
  readonly id: string
  readonly title: string
  /** How to read it, in a sentence. */
  readonly caption: string
  readonly axis: 'time' | 'quantile'
  /** Half: two stand side by side. */
  readonly width: 'wide' | 'half'
  /** ms since 1970, or quantiles from 0 to below 1; ascending. */
  readonly x: readonly number[]
  readonly panels: readonly Panel[]
}

/** Where a quantile stands: each nine takes as much room as the one before. */
export function quantilePosition(q: number): number {
  return -Math.log10(1 - q)
}
