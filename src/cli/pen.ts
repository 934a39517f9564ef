// How is text laid out for a terminal? Colours only where they are wanted, columns aligned, foreign text made harmless.

import { styleText } from 'node:util'
import Table from 'cli-table3'
import { cut, safeText } from '../report/format.ts'
import type { GlobalOptions, Io } from './io.ts'

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan'

export interface Pen {
  readonly colours: boolean
  readonly width: number
  readonly style: (as: Style, text: string) => string
}

export function penOf(io: Io, options: GlobalOptions): Pen {
  const colours = wantsColours(io, options)
  return {
    colours,
    width: Math.max(60, io.columns ?? 100),
    style: (as, text) => (colours ? styleText(as, text, { validateStream: false }) : text),
  }
}

/** `--no-color` and NO_COLOR (no-color.org: any text but the empty one) win over FORCE_COLOR, that over the terminal. */
function wantsColours({ env, isTTY }: Io, { color }: GlobalOptions): boolean {
  if (color === false || (env['NO_COLOR'] ?? '') !== '') return false
  const force = env['FORCE_COLOR']
  if (force !== undefined) return force !== '0' && force !== 'false'
  return isTTY && env['TERM'] !== 'dumb'
}

const NO_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
}

/** Rows in aligned columns, without lines; `indent` in front of each. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  if (rows.length === 0) return ''
  const table = new Table({ chars: NO_LINES, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] } })
  table.push(...rows.map((row) => [...row]))
  return table
    .toString()
    .split('\n')
    .map((line) => `${indent}${line}`.trimEnd())
    .join('\n')
}

/** Text of people, payloads or backends, on one line. */
export function foreign(text: string, length = 200): string {
  return cut(safeText(text), length)
}

/** Blocks with an empty line between; empty ones left out. */
export function blocks(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
