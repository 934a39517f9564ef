// The report for a pull request: GitHub-flavoured Markdown that says the same as the terminal.
//
// Foreign text stands only in code: in a code span, or in a `diff` block whose every line begins with a sign. There no
// link, mention, emoji, image or HTML is read. Nothing of it can end the span, the block or the table cell.

import { DEFINITIONS, DOCS_PAGE, docsLink } from './definitions.ts'
import { cut, formatCount, formatShare, formatTime, safeText } from './format.ts'
import type { DifferenceReport, Finding, MigrationReport, ReportModel, VerdictLevel } from './model.ts'
import { GATHERED_PATH } from './pairs.ts'
import { type Cell, contextLines, DIFFERENCES_SHOWN, GATHERED_PHRASE, type Section, sectionsOf } from './sections.ts'
import { formatValues } from './values.ts'

const MARKS: Readonly<Record<VerdictLevel | Finding['level'], string>> = {
  ok: '🟢',
  look: '🟡',
  broken: '🔴',
  note: '⚪',
}

/** Values are cut to this. */
const VALUE = 120
const CELL = 80

export function markdownReport(model: ReportModel): string {
  if (model.migrations.length === 0) return `No migration has a ledger yet (${formatTime(model.at)}).\n`
  const details = model.migrations.map(migrationMarkdown).join('\n\n---\n\n')
  const how = howMarkdown(model)
  if (model.migrations.length === 1) return `${details}\n\n${how}\n`
  const overview = model.migrations.map((migration) => `- ${heading(migration)}: ${verdictMarkdown(migration)}`)
  return `${overview.join('\n')}\n\n${details}\n\n${how}\n`
}

function howMarkdown({ cutover, docs }: ReportModel): string {
  const says = 'How these numbers are computed:'
  if (docs === null) return `${says} \`docs/${DOCS_PAGE}\` of cutover ${codeSpan(cutover)}`
  return `${says} ${DEFINITIONS.map((part) => `[${part.title}](${docsLink(docs, part)})`).join(' · ')}`
}

function heading({ name }: MigrationReport): string {
  return codeSpan(cut(safeText(name), CELL))
}

function verdictMarkdown({ verdict }: MigrationReport): string {
  return `${MARKS[verdict.level]} **${verdict.level}**: ${prose(verdict.text)}`
}

function migrationMarkdown(migration: MigrationReport): string {
  const { verdict } = migration
  const [set, since] = contextLines(migration)
  const { before, after } = sectionsOf(migration)
  const findings = verdict.findings.map(({ level, text }) => `- ${MARKS[level]} ${level}: ${prose(text)}`)
  const blocks = [
    `## ${heading(migration)}`,
    verdictMarkdown(migration),
    `${prose(set)}\\\n${prose(since)}`,
    findings.join('\n'),
    ...before.map(sectionMarkdown),
    differencesMarkdown(migration),
    ...after.map(sectionMarkdown),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

/** Words that Markdown cannot read anything into; a `www.` would become a link. */
const PLAIN_WORD = /^(?!www\.)\(?(?:\d\d:\d\d:\d\d|[\p{L}\p{N},.%–'=+·-]*)[,.;:)]*$/iu

/** A sentence made here that may hold foreign words: every word that is not plain becomes code. */
function prose(text: string): string {
  return safeText(text)
    .split(' ')
    .map((word) => (PLAIN_WORD.test(word) ? word : codeSpan(word)))
    .join(' ')
}

/** Code with a fence longer than any run of backticks in it. */
function codeSpan(text: string): string {
  const runs = text.match(/`+/g) ?? []
  const fence = '`'.repeat(1 + runs.reduce((longest, run) => Math.max(longest, run.length), 0))
  const padding = /^[` ]|[` ]$/.test(text) ? ' ' : ''
  return text === '' ? '' : `${fence}${padding}${text}${padding}${fence}`
}

/** In a cell a pipe must be escaped, and one after a backslash cannot be in every renderer. */
function cellMarkdown(cell: Cell): string {
  const text = typeof cell === 'string' ? prose(cell) : codeSpan(cut(safeText(cell.foreign), CELL))
  return text.replaceAll('\\|', '\\u007c').replaceAll('|', '\\|')
}

function sectionMarkdown({ head, rows, textColumns, rest }: Section): string {
  const rule = head.map((_, column) => (textColumns.includes(column) ? ':--' : '--:'))
  const lines = [head, rule, ...rows.map((row) => row.map(cellMarkdown))].map((cells) => `| ${cells.join(' | ')} |`)
  return rest === undefined ? lines.join('\n') : `${lines.join('\n')}\n\n${rest}`
}

function differencesMarkdown({ differences, noise }: MigrationReport): string {
  if (differences.length === 0) return ''
  const shown = differences.slice(0, DIFFERENCES_SHOWN)
  const more = differences.length - shown.length
  const blocks = shown.map((group) => differenceLines(group, noise.compared > 0))
  return [
    '**Differences by field** (`-` legacy, `+` target)',
    ['```diff', ...blocks, '```'].join('\n'),
    ...(more === 0 ? [] : [`and ${formatCount(more)} more, all of them in the JSON report`]),
  ].join('\n\n')
}

function differenceLines(group: DifferenceReport, withNoise: boolean): string {
  const { path, kind, count, share, example } = group
  const { legacy, target } = formatValues(example, kind, VALUE)
  const own = withNoise ? `, noise ${formatShare(group.noise?.share ?? null)}` : ''
  const pairs = `${formatCount(count)} ${count === 1 ? 'pair' : 'pairs'}, ${formatShare(share)}${own}`
  if (path === GATHERED_PATH) return `@@ ${path} @@ ${kind}, ${pairs}: ${GATHERED_PHRASE}`
  return [
    `@@ ${cut(safeText(path), VALUE)} @@ ${kind}, ${pairs}, job ${cut(safeText(example.id), CELL)}`,
    `- ${legacy}`,
    `+ ${target}`,
  ].join('\n')
}
