// The report for a terminal: the answers of all migrations in the first lines, then each in detail.

import { styleText } from 'node:util'
import Table from 'cli-table3'
import { DOCS_PAGE } from './definitions.ts'
import { cut, formatCount, formatShare, formatTime, plural, safeText } from './format.ts'
import type { DifferenceReport, Finding, MigrationReport, ReportModel, VerdictLevel } from './model.ts'
import { GATHERED_PATH } from './pairs.ts'
import { type Cell, contextLines, DIFFERENCES_SHOWN, GATHERED_PHRASE, type Section, sectionsOf } from './sections.ts'
import { formatValues } from './values.ts'

export interface TextOptions {
  /** Default false: ask for colours only where a terminal shows them. */
  readonly colours?: boolean
  /** Columns of the terminal; default 100, at least 60. */
  readonly width?: number
}

interface Pen {
  readonly width: number
  readonly style: (as: Style, text: string) => string
}

type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

const COLOURS: Readonly<Record<VerdictLevel | Finding['level'], Style>> = {
  ok: 'green',
  look: 'yellow',
  broken: 'red',
  note: 'dim',
}

export function textReport(model: ReportModel, { colours = false, width = 100 }: TextOptions = {}): string {
  const pen: Pen = {
    width: Math.max(60, width),
    style: (as, text) => (colours ? styleText(as, text, { validateStream: false }) : text),
  }
  const { migrations } = model
  if (migrations.length === 0) return `No migration has a ledger yet (${formatTime(model.at)}).\n`
  const details = migrations.map((migration) => migrationText(migration, pen, migrations.length > 1))
  const overview = migrations.length > 1 ? [...migrations.map((migration) => verdictLine(migration, pen)), ''] : []
  return `${[...overview, details.join('\n\n')].join('\n')}\n\n${pen.style('dim', howText(model))}\n`
}

function howText({ cutover, docs }: ReportModel): string {
  const where = docs === null ? `docs/${DOCS_PAGE} of cutover ${safeText(cutover)}` : `${docs}${DOCS_PAGE}`
  return `How each number is computed: ${where}`
}

function verdictLine({ name, verdict }: MigrationReport, pen: Pen): string {
  const level = pen.style(COLOURS[verdict.level], verdict.level.toUpperCase().padEnd(6))
  return `${level}  ${pen.style('bold', cut(safeText(name), CELL))}: ${verdict.text}`
}

function migrationText(migration: MigrationReport, pen: Pen, several: boolean): string {
  const { verdict } = migration
  const [set, since] = contextLines(migration)
  const title = several ? pen.style('bold', `── ${cut(safeText(migration.name), CELL)}`) : verdictLine(migration, pen)
  const { before, after } = sectionsOf(migration)
  const findings = verdict.findings.map(
    ({ level, text }) =>
      `${pen.style(COLOURS[level], level.padEnd(6))}  ${wrap(text, pen.width - 8).join('\n        ')}`,
  )
  const blocks = [
    [title, `        ${set}`, `        ${since}`].join('\n'),
    findings.join('\n'),
    ...before.map((section) => sectionText(section, pen)),
    differencesText(migration, pen),
    ...after.map((section) => sectionText(section, pen)),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

/** Lines of at most `width`, broken at blanks. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length > width && line !== '') {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}

const NO_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
}

function layOut(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: readonly number[],
  pen: Pen,
): string {
  const table = new Table({
    head: head.map((title) => pen.style('bold', title)),
    chars: NO_LINES,
    colAligns: head.map((_, column) => (textColumns.includes(column) ? 'left' : 'right')),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString().replace(/[ ]+$/gm, '')
}

/** Foreign text in tables is cut to this. */
const CELL = 40

function cellText(cell: Cell): string {
  return typeof cell === 'string' ? cell : cut(safeText(cell.foreign), CELL)
}

function sectionText({ head, rows, textColumns, rest }: Section, pen: Pen): string {
  const table = layOut(
    head,
    rows.map((row) => row.map(cellText)),
    textColumns,
    pen,
  )
  return rest === undefined ? table : `${table}\n${rest}`
}

const GAP = NO_LINES.middle.length
const LABEL = 'legacy  '.length

function differencesText(migration: MigrationReport, pen: Pen): string {
  const { differences, noise, comparisons } = migration
  if (differences.length === 0) return ''
  const withNoise = noise.compared > 0
  const shown = differences.slice(0, DIFFERENCES_SHOWN)
  const head = ['pairs', 'share', ...(withNoise ? ['noise'] : []), 'kind']
  const numbers = shown.map((group) => [
    formatCount(group.count),
    formatShare(group.share),
    ...(withNoise ? [formatShare(group.noise?.share ?? null)] : []),
    group.kind,
  ])
  const taken = head.reduce(
    (sum, _, at) => sum + GAP + Math.max(...[head, ...numbers].map((row) => row[at]?.length ?? 0)),
    0,
  )
  const rows = shown.map((group, at) => [...(numbers[at] ?? []), fieldText(group, pen, pen.width - taken - LABEL)])
  const more = differences.length - shown.length
  return [
    pen.style('bold', `Differences in ${plural(comparisons.compared, 'compared pair')}, by field`),
    layOut([...head, 'field, legacy against target'], rows, [head.length - 1, head.length], pen),
    ...(more === 0 ? [] : [`and ${formatCount(more)} more, all of them in the JSON report`]),
  ].join('\n')
}

function fieldText(group: DifferenceReport, pen: Pen, room: number): string {
  if (group.path === GATHERED_PATH) return GATHERED_PHRASE
  const { legacy, target } = formatValues(group.example, group.kind, room)
  const path = cut(safeText(group.path), room)
  const job = cut(safeText(group.example.id), CELL)
  return [
    `${pen.style('bold', path)}  ${pen.style('dim', `job ${job}`)}`,
    `${pen.style('dim', 'legacy')}  ${legacy}`,
    `${pen.style('dim', 'target')}  ${target}`,
  ].join('\n')
}
