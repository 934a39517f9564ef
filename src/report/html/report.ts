// One migration on the page, from the answer to the evidence to the details.
//
// Tables come from `sections.ts`, as in text and Markdown, so that all views say the same numbers; a section that this
// file does not know is printed behind the ones it places.

import { DEFINITIONS, type Definitions, DOCS_PAGE, docsLink } from '../definitions.ts'
import { formatCount, formatInterval, formatMs, formatShare, formatTime, plural, unitsPhrase } from '../format.ts'
import type { MigrationReport, ReportModel } from '../model.ts'
import { movesSection } from '../moves.ts'
import { contextLines, errorsSection, type Section, sectionsOf } from '../sections.ts'
import { audit, configuration, contradictions, excluded, noise, processes, versions } from './details.ts'
import { differences } from './differences.ts'
import type { Draw } from './draw.ts'
import { figure } from './figure.ts'
import { type Child, foreign, html, type Markup } from './markup.ts'
import { MCP_SECTION, mcpMarkup } from './mcp.ts'
import type { Plot } from './plot.ts'
import { evidencePlot, runPlot, timePlot, waitPlot } from './plots.ts'
import { ROLLOUT_SECTIONS, rolloutMarkup } from './rollout.ts'
import { table } from './table.ts'

interface Part {
  readonly title: string
  readonly body: Child
}

export interface Around {
  readonly draw: Draw
  /** Makes the ids of this migration unique in the page. */
  readonly prefix: string
  /** Of the model. */
  readonly docs: string | null
}

export function migrationMarkup(migration: MigrationReport, { draw, prefix, docs }: Around): Markup {
  const parts = partsOf(migration, draw, prefix).filter(({ body }) => hasBody(body))
  const idOf = (title: string): string => `${prefix}-${slug(title)}`
  return html`<article aria-label="report of ${migration.name.slice(0, 100)}">
${header(migration)}
<nav aria-label="parts of this report"><ul>${parts.map(
    ({ title }) => html`<li><a href="#${idOf(title)}">${title}</a></li>`,
  )}</ul></nav>
${parts.map(
  ({ title, body }) => html`<section><h2 id="${idOf(title)}">${title}</h2>${howLink(title, docs)}
${body}</section>
`,
)}</article>
`
}

function slug(title: string): string {
  return title.toLowerCase().replace(/[^a-z]+/g, '-')
}

/** To the part at the end of the page that says how these numbers are computed, and to the docs that say more. */
function howLink(title: string, docs: string | null): Markup | false {
  const part = DEFINITIONS.find((each) => each.title === title)
  if (part === undefined) return false
  return html`<p class="how small"><a href="#how-${slug(title)}">how these are computed</a>${docs !== null && html` · <a href="${docsLink(docs, part)}" rel="noreferrer">docs</a>`}</p>`
}

function hasBody(body: Child): boolean {
  return Array.isArray(body) ? body.some(hasBody) : body !== null && body !== undefined && body !== false && body !== ''
}

/** The gravest come first. */
const MOST_FINDINGS = 40

function header(migration: MigrationReport): Markup {
  const { name, verdict } = migration
  const [set, since] = contextLines(migration)
  const rest = verdict.findings.length - MOST_FINDINGS
  return html`<h1>${foreign(name, 100)}</h1>
<p class="quiet">${set}<br>${since}</p>
<p class="verdict ${verdict.level}"><b>${verdict.level}</b> ${verdict.text}</p>
${tiles(migration)}
${
  verdict.findings.length > 0 &&
  html`<ul class="findings">${verdict.findings
    .slice(0, MOST_FINDINGS)
    .map(({ level, text }) => html`<li class="${level}"><b>${level}</b><span>${text}</span></li>`)}</ul>`
}
${rest > 0 && html`<p class="quiet">and ${plural(rest, 'more finding')}, all in the JSON report</p>`}
`
}

/** What a reader needs to trust the rest. */
function tiles({ jobs, comparisons, since, asOf }: MigrationReport): Markup {
  const unfinished = jobs.waiting + jobs.running + jobs.moving
  const { interval, share, compared } = comparisons
  const range =
    interval.units === 0 ? 'nothing compared' : `${formatInterval(interval)} (95 %), ${unitsPhrase(interval)}`
  const tile = (what: string, number: string, more: string, bad = false): Markup =>
    html`<li class="${bad ? 'bad' : ''}"><span class="what">${what}</span><strong>${number}</strong><span>${more}</span></li>`
  return html`<ul class="tiles">
${tile('Jobs', formatCount(jobs.enqueued), `${formatCount(jobs.done)} done, ${formatCount(jobs.failed)} failed, ${formatCount(unfinished)} not finished`)}
${tile('Lost', formatCount(jobs.lost), `${formatCount(jobs.overdue)} overdue`, jobs.lost > 0)}
${tile('Done twice', formatCount(jobs.twice), `${formatCount(jobs.inDoubt)} in doubt`, jobs.twice > 0)}
${tile('Pairs that differ', formatShare(share), `of ${formatCount(compared)} compared; ${range}`)}
${tile('Counted', since === null ? '–' : formatMs(Date.parse(asOf) - Date.parse(since)), since === null ? 'nothing yet' : `since ${formatTime(since)}`)}
</ul>`
}

function partsOf(migration: MigrationReport, draw: Draw, prefix: string): Part[] {
  const { before, after } = sectionsOf(migration)
  const sections = new Map([...before, ...after].map((section) => [section.head[0] ?? '', section]))
  const take = (title: string): Markup | false => {
    const section = sections.get(title)
    sections.delete(title)
    return section !== undefined && sectionTable(section)
  }
  const plot = (made: Plot | undefined): Markup | false => made !== undefined && figure(made, draw)
  const id = (name: string): string => `${prefix}-${name}`
  const known = {
    jobs: take('Jobs'),
    routes: take('Routes'),
    comparisons: take('Comparisons'),
    moves: take('Moves') && sectionTable(movesSection(migration, Number.POSITIVE_INFINITY)),
    drain: take('Drained'),
    errors: take('Errors') && sectionTable(errorsSection(migration, Number.POSITIVE_INFINITY)),
    latency: take('Latency'),
    epochs: take('Epoch'),
    // the audit log below says more
    changes: take('Last changes'),
  }
  for (const title of sections.keys()) {
    if ([...ROLLOUT_SECTIONS, MCP_SECTION].some((known) => title.startsWith(known))) sections.delete(title)
  }
  const others = [...sections].map(([title, section]): Part => ({ title, body: sectionTable(section) }))
  return [
    { title: 'Contradictions', body: contradictions(migration) },
    { title: 'Staged cutover', body: rolloutMarkup(migration, draw, id) },
    { title: 'Over time', body: [plot(timePlot(migration, id('time'))), known.epochs] },
    { title: 'Differences', body: migration.jobs.enqueued > 0 && differences(migration, id('differences-list')) },
    {
      title: 'Comparisons',
      body: known.comparisons && [
        plot(evidencePlot(migration, id('evidence'))),
        html`<div class="two"><div>${known.comparisons}</div><div>${noise(migration)}</div></div>`,
      ],
    },
    {
      title: 'Jobs',
      body: known.jobs && html`<div class="two"><div>${known.jobs}</div><div>${known.routes}</div></div>`,
    },
    { title: 'Errors', body: known.errors },
    { title: 'MCP servers', body: mcpMarkup(migration.mcp) },
    {
      title: 'Latency',
      body: known.latency && [
        html`<div class="two">${plot(runPlot(migration, id('run')))}${plot(waitPlot(migration, id('wait')))}</div>`,
        known.latency,
      ],
    },
    { title: 'Moves and drain', body: [known.moves, known.drain] },
    ...others,
    { title: 'Not counted by the gates', body: migration.jobs.enqueued > 0 && excluded(migration) },
    { title: 'Processes and versions', body: [processes(migration), versions(migration)] },
    { title: 'Configuration', body: migration.configuration !== null && configuration(migration.configuration) },
    { title: 'Audit log', body: audit(migration, id('audit-list')) },
  ]
}

function sectionTable({ head, rows, textColumns, rest }: Section): Markup {
  return html`${table({ head, rows, textColumns })}${rest !== undefined && html`<p class="quiet">${rest}</p>`}`
}

/** At the end of the page, once. */
export function definitionsMarkup({ cutover, docs }: Pick<ReportModel, 'cutover' | 'docs'>): Markup {
  const page = html`<code>docs/${DOCS_PAGE}</code>`
  const linked = docs === null ? page : html`<a href="${docs}${DOCS_PAGE}" rel="noreferrer">${page}</a>`
  return html`<section aria-labelledby="computed"><h2 id="computed">How each number is computed</h2>
<p class="quiet">From the ledger alone, at one consistent read. ${linked} of cutover ${cutover} says more, under the headings named here.</p>
${DEFINITIONS.map((part) => definitionMarkup(part, docs))}</section>`
}

function definitionMarkup(part: Definitions, docs: string | null): Markup {
  const { title, terms } = part
  const name = `docs/${DOCS_PAGE}#${part.docs}`
  const more = docs === null ? name : html`<a href="${docsLink(docs, part)}" rel="noreferrer">${name}</a>`
  return html`<details class="paper" id="how-${slug(title)}"><summary>${title}</summary>
<div class="scroll" tabindex="0" role="group" aria-label="${title}, how computed"><table><tbody>${terms.map(
    ([term, meaning]) => html`<tr><th class="t" scope="row">${term}</th><td class="t">${meaning}</td></tr>`,
  )}</tbody></table></div>
<p class="quiet small">More in ${more}</p></details>
`
}
