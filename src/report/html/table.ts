// A table of the page, from the cells that text and Markdown print too.

import type { Cell } from '../sections.ts'
import { foreign, html, type Markup } from './markup.ts'

export interface TableOptions {
  readonly head: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
  /** Columns that hold text; the others hold numbers. */
  readonly textColumns: readonly number[]
  /** The script makes the heads into buttons. */
  readonly sortable?: boolean
  /** A class for each row. */
  readonly marked?: readonly ('pass' | 'hold' | 'fail')[]
  /** Rows can be filtered. */
  readonly items?: boolean
}

const FOREIGN = 200

export function table({ head, rows, textColumns, sortable = false, items = false, marked }: TableOptions): Markup {
  const as = (column: number): string => (textColumns.includes(column) ? 't' : 'n')
  const item = items && html` data-item`
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${head[0]}, table"><table class="${sortable ? 'sortable' : 'plain'}">
<thead><tr>${head.map((title, column) => html`<th scope="col" class="${as(column)}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (
      cells,
      at,
    ) => html`<tr${marked === undefined ? rowClass(cells[0]) : html` class="${marked[at]}"`}${item}>${cells.map(
      (cell, column) =>
        column === 0
          ? html`<th scope="row" class="${as(column)}${wide(cell)}">${content(cell)}</th>`
          : html`<td class="${isTime(cell) ? 't time' : as(column)}${wide(cell)}"${numberOf(cell)}>${content(cell)}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>`
}

function content(cell: Cell): Markup {
  return typeof cell === 'string' ? html`${cell.replace(/^· /, '')}` : foreign(cell.foreign, FOREIGN)
}

/** Foreign words may be broken anywhere, but not into single letters, nor sentences into columns of words. */
function wide(cell: Cell): string {
  if (typeof cell === 'string') return ''
  return cell.foreign.length > SENTENCE ? ' f wide' : ' f'
}
const SENTENCE = 40

/** Times and ranges stay on one line. */
function isTime(cell: Cell): boolean {
  return typeof cell === 'string' && /^\d{4}-\d\d-\d\d \d\d:| – /.test(cell)
}

/** A row that is a part of the one above. */
function rowClass(cell: Cell | undefined): Markup | false {
  return typeof cell === 'string' && cell.startsWith('· ') && html` class="part"`
}

const SCALES: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }

/** What the script sorts by: the number that a cell of ours begins with, times in ms. */
function numberOf(cell: Cell): Markup | false {
  if (typeof cell !== 'string') return false
  const [, number, unit = ''] = /^[<>]?([\d,.]+)(?: ([a-z]+))?/.exec(cell) ?? []
  if (number === undefined || /^\d{4}-/.test(cell)) return false
  return html` data-n="${Number(number.replaceAll(',', '')) * (SCALES[unit] ?? 1)}"`
}
