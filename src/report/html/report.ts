// One migration on the page, from the answer to the evidence to the details.
//
// Tables come from `sections.ts`, as in text and Markdown, so that all views say the same numbers; a section that this
// file does not know is printed behind the ones it places.

import { formatCount, formatInterval, formatMs, formatShare, formatTime, plural, unitsPhrase } from '../format.ts'
import type { ConfigurationReport, MigrationReport } from '../model.ts'
import { movesSection } from '../moves.ts'
import { contextLines, errorsSection, type Section, sectionsOf } from '../sections.ts'
import { DEFINITIONS } from './definitions.ts'
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

/** Epochs whose versions are told. */
const EPOCHS_TOLD = 30

/** `prefix` makes the ids of this migration unique in the page. */
export function migrationMarkup(migration: MigrationReport, { draw, prefix }: { draw: Draw; prefix: string }): Markup {
  const parts = partsOf(migration, draw, prefix).filter(({ body }) => hasBody(body))
  const idOf = (title: string): string => `${prefix}-${title.toLowerCase().replace(/[^a-z]+/g, '-')}`
  return html`<article aria-label="report of ${migration.name.slice(0, 100)}">
${header(migration)}
<nav aria-label="parts of this report"><ul>${parts.map(
    ({ title }) => html`<li><a href="#${idOf(title)}">${title}</a></li>`,
  )}</ul></nav>
${parts.map(
  ({ title, body }) => html`<section><h2 id="${idOf(title)}">${title}</h2>
${body}</section>
`,
)}</article>
`
}

function hasBody(body: Child): boolean {
  return Array.isArray(body) ? body.some(hasBody) : body !== null && body !== undefined && body !== false && body !== ''
}

function header(migration: MigrationReport): Markup {
  const { name, verdict } = migration
  const [set, since] = contextLines(migration)
  return html`<h1>${foreign(name, 100)}</h1>
<p class="quiet">${set}<br>${since}</p>
<p class="verdict ${verdict.level}"><b>${verdict.level}</b> ${verdict.text}</p>
${tiles(migration)}
${
  verdict.findings.length > 0 &&
  html`<ul class="findings">${verdict.findings.map(
    ({ level, text }) => html`<li class="${level}"><b>${level}</b><span>${text}</span></li>`,
  )}</ul>`
}
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
    { title: 'Contradictions', body: contradictions(migration) },
  ]
}

function sectionTable({ head, rows, textColumns, rest }: Section): Markup {
  return html`${table({ head, rows, textColumns })}${rest !== undefined && html`<p class="quiet">${rest}</p>`}`
}

/** The groups in which legacy differs from itself, as a sentence and a table. */
function noise({ noise: { differences: groups, compared } }: MigrationReport): Markup | false {
  if (compared === 0) return false
  if (groups.length === 0) return html`<p>Legacy did not differ from itself in ${plural(compared, 'control')}.</p>`
  const shown = groups.slice(0, 10)
  const rows = shown.map(({ path, kind, count, share }) => [
    { foreign: path },
    kind,
    formatCount(count),
    formatShare(share),
  ])
  const more = groups.length - shown.length
  return html`<h3>Where legacy differs from itself (controls)</h3>
${table({ head: ['Field', 'kind', 'controls', 'share'], rows, textColumns: [0, 1], sortable: true })}
${more > 0 && html`<p class="quiet">and ${plural(more, 'more field')}, all in the JSON report</p>`}`
}

/** Everything that no gate judges, by name and with its reason: also what there was none of. */
function excluded({ jobs, comparisons, noise: { shed, orphaned, late } }: MigrationReport): Markup {
  const rows: [string, number, string][] = [
    ['adopted', jobs.adopted, 'without a stamp: nobody decided their route'],
    ['unflagged', jobs.unflagged, 'sent to legacy by doubt, not by the flag'],
    ['refused', jobs.refused, 'never accepted by a queue; the caller was told'],
    ['unrecorded', jobs.unrecorded, 'ran while the ledger could not be reached'],
    ['moves', jobs.moved, 'the side was changed by hand or by a rollback, not by the flag'],
    ['run again', jobs.reopened, 'failed, and run again'],
    ['pairs moved', comparisons.moved, 'their job was moved or run again before they were compared'],
    ['ended late', jobs.late, 'ended after the counts of their time were closed'],
    ['pairs ignored', comparisons.ignored, 'taken out by the configuration'],
    [
      'pairs orphaned',
      comparisons.orphaned,
      'the other run never came; they stand against target where it must prove itself',
    ],
    ['shadows shed', comparisons.shed, 'not run, since too many were waiting'],
    ['outcomes too late', comparisons.late, 'came after their pair was closed without them'],
    ['controls shed, orphaned or too late', shed + orphaned + late, 'as above, of legacy against itself'],
  ]
  return html`<p class="quiet">Counted by name and left out of what a gate judges, so that nothing is dropped in silence.</p>
${table({ head: ['What', 'jobs', 'why'], rows: rows.map(([what, n, why]) => [what, formatCount(n), why]), textColumns: [0, 2] })}`
}

function processes({ processes: p, flag, sides }: MigrationReport): Markup | false {
  if (p.live + p.gone === 0) return false
  const versions = (side: 'legacy' | 'target') => ({ foreign: sides[side].versions.join(', ') || '–' })
  const rows = [
    ['live', formatCount(p.live)],
    ['of which producers', formatCount(p.producers)],
    ['gone', formatCount(p.gone)],
    ['enqueues under way', formatCount(p.inFlight)],
    ['producers behind the latch', formatCount(p.latchBehind)],
    ['producers behind the flag', formatCount(flag.behind)],
    ['largest distance of a clock', formatMs(p.maxSkewMs)],
    ["jumps of the ledger's clock, as processes saw", formatCount(p.clockJumps)],
    ['handler version on legacy', versions('legacy')],
    ['handler version on target', versions('target')],
    ['flag revision', { foreign: flag.revision }],
    ...flag.states.map(({ state, producers }) => [{ foreign: `flag ${state}` }, plural(producers, 'producer')]),
  ]
  return table({ head: ['What', 'now'], rows, textColumns: [0] })
}

/** Which handler versions each stretch of counting was of, the newest first. */
function versions({ epochs }: MigrationReport): Markup | false {
  const told = epochs.filter((epoch) => epoch.enqueued > 0 || epoch === epochs.at(-1)).toReversed()
  if (told.length === 0) return false
  const shown = told.slice(0, EPOCHS_TOLD)
  const more = told.length - shown.length
  const rows = shown.map(({ epoch, startedAt, versions: of, by }) => [
    `epoch ${epoch}`,
    startedAt === null ? 'the beginning' : formatTime(startedAt),
    { foreign: of.legacy ?? '–' },
    { foreign: of.target ?? '–' },
    { foreign: by },
  ])
  return html`<h3>Handler versions by epoch</h3>
${table({ head: ['Epoch', 'since', 'legacy', 'target', 'opened by'], rows, textColumns: [0, 1, 2, 3, 4] })}
${more > 0 && html`<p class="quiet">and ${formatCount(more)} earlier</p>`}`
}

function configuration(c: ConfigurationReport): Markup {
  const list = (values: readonly string[]) => ({ foreign: values.length === 0 ? '–' : values.join(', ') })
  const { compare } = c
  const tolerance = compare.tolerance.map(({ path, by, relative }) => `${path} ± ${relative ? formatShare(by) : by}`)
  const rows = [
    ['legacy', { foreign: c.legacy }],
    ['target', { foreign: c.target }],
    ['flag', { foreign: `${c.flag} (${c.flagKind})` }],
    ['key', `${c.key ? 'of the configuration' : 'the id of the job'}${c.hashKey ? ', hashed for the flag' : ''}`],
    ['shadow', c.shadow],
    ['shadow backlog', formatCount(c.shadowBacklog)],
    ['time-out of an attempt', formatMs(c.timeoutMs)],
    ['attempts', formatCount(c.attempts)],
    ['backoff', c.backoffMs === null ? 'none' : `${formatMs(c.backoffMs)}, doubling`],
    ['deadline', formatMs(c.deadlineMs)],
    ['starts at most', formatCount(c.maxStarts)],
    ['lease', formatMs(c.leaseMs)],
    ['finished jobs are kept for', formatMs(c.retainMs)],
    ['counts are kept by', `${formatMs(c.bucketMs)} of due time, closed after deadline and ${formatMs(c.slackMs)}`],
    ['without the ledger', c.whenLedgerIsGone],
    ['plan', { foreign: c.plan ?? '–' }],
    ['MCP servers', list(c.mcpServers)],
    ['not compared', list(compare.ignore)],
    ['tolerance', list(tolerance)],
    ['order does not matter', list(compare.unordered)],
    ['redacted', list(compare.redact)],
    ['rules that are code', list(compare.own)],
  ]
  return table({ head: ['Setting', 'value'], rows, textColumns: [0, 1] })
}

function audit({ audit: entries }: MigrationReport, id: string): Markup | false {
  if (entries.length === 0) return false
  const rows = entries.map(({ at, by, action, why }) => [
    formatTime(at),
    { foreign: action },
    { foreign: by },
    why === null ? '' : { foreign: why },
  ])
  return html`<p class="quiet">Newest first${entries.length >= 100 && ', the newest hundred'}.</p>
<label class="filter" data-for="${id}" hidden>Filter <input type="search" placeholder="who, what or why"></label>
<div id="${id}">${table({ head: ['When', 'what', 'by', 'why'], rows, textColumns: [0, 1, 2, 3], items: true })}</div>`
}

function contradictions({ contradictions: broken }: MigrationReport): Markup | false {
  if (broken.length === 0) return false
  const rows = broken.map(({ law, expected, found }) => [{ foreign: law }, String(expected), String(found)])
  return html`<p>These numbers break laws of counting that hold at every moment: trust none of them.</p>
${table({ head: ['Law', 'expected', 'found'], rows, textColumns: [0] })}`
}

/** At the end of the page, once. */
export function definitionsMarkup(version: string): Markup {
  return html`<section aria-labelledby="computed"><h2 id="computed">How each number is computed</h2>
<p class="quiet">From the ledger alone, at one consistent read. <code>docs/report.md</code> of cutover ${version} says more, under the headings named here.</p>
${DEFINITIONS.map(
  ({
    title,
    docs,
    terms,
  }) => html`<details><summary>${title} <span class="small">(docs/report.md#${docs})</span></summary>
<div class="scroll" tabindex="0" role="group" aria-label="${title}, how computed"><table><tbody>${terms.map(
    ([name, meaning]) => html`<tr><th class="t" scope="row">${name}</th><td class="t">${meaning}</td></tr>`,
  )}</tbody></table></div></details>
`,
)}</section>`
}
