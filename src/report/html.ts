// The report for people who decide: one HTML file with plots, which needs no network and no script.

import { formatCount, formatShare, formatTime } from './format.ts'
import { loadDraw } from './html/draw.ts'
import { foreign, html, type Markup } from './html/markup.ts'
import { page } from './html/page.ts'
import { definitionsMarkup, migrationMarkup } from './html/report.ts'
import type { MigrationReport, ReportModel } from './model.ts'

/** All migrations of the model in one page. */
export async function htmlReport(model: ReportModel): Promise<string> {
  const { migrations } = model
  if (migrations.length === 0) {
    return page({ title: 'cutover report', main: html`<h1>No migration has a ledger yet</h1>`, footer: footer(model) })
  }
  const draw = await loadDraw()
  const [only] = migrations
  const title =
    migrations.length === 1 && only !== undefined
      ? titleOf(only)
      : `${formatCount(migrations.length)} migrations: cutover report`
  const overview =
    migrations.length > 1 &&
    html`<h1>${formatCount(migrations.length)} migrations</h1>${rows(migrations, (_, at) => `#m${at + 1}`)}`
  const main = html`${overview}${migrations.map(
    (migration, at) =>
      html`<div id="m${at + 1}">${migrationMarkup(migration, { draw, prefix: `m${at + 1}`, docs: model.docs })}</div>`,
  )}${definitionsMarkup(model)}`
  return page({ title, main, footer: footer(model) })
}

export interface NamedPage {
  readonly file: string
  readonly html: string
}

/** A page for each migration, and an index with a row for each. */
export async function htmlPages(model: ReportModel): Promise<NamedPage[]> {
  const { migrations } = model
  const index = page({
    title: 'Migrations: cutover report',
    main: html`<h1>Migrations</h1>${rows(migrations, ({ name }) => encodeURIComponent(fileOf(name)))}`,
    footer: footer(model),
  })
  const pages: NamedPage[] = [{ file: 'index.html', html: index }]
  for (const migration of migrations) {
    pages.push({ file: fileOf(migration.name), html: await htmlReport({ ...model, migrations: [migration] }) })
  }
  return pages
}

/** Names of migrations are safe as file names, but one may be called `index`. */
function fileOf(name: string): string {
  return `${name === 'index' ? 'index.migration' : name.replace(/[^A-Za-z0-9._-]/g, '_')}.html`
}

function titleOf({ name, verdict }: MigrationReport): string {
  return `${name.slice(0, 100)}: ${verdict.level} (cutover report)`
}

function footer({ at, cutover }: ReportModel): Markup {
  return html`<p>Made by cutover ${cutover} at ${formatTime(at)}. The same numbers: <code>cutover report --json</code>.</p>`
}

/** One row each: what state it is in, and the numbers that matter first. */
function rows(
  migrations: readonly MigrationReport[],
  href: (migration: MigrationReport, at: number) => string,
): Markup {
  const text = ['Migration', 'verdict']
  const numeric = ['target', 'shadow', 'jobs', 'lost', 'twice', 'failed', 'unfinished', 'compared', 'differ']
  const row = (migration: MigrationReport, at: number): Markup => {
    const { name, verdict, dials, latch, jobs, comparisons } = migration
    const numbers: [shown: string, n: number][] = [
      [latch.set ? 'latched' : formatShare(dials.target), latch.set ? -1 : dials.target],
      [formatShare(dials.shadow), dials.shadow],
      ...[
        jobs.enqueued,
        jobs.lost,
        jobs.twice,
        jobs.failed,
        jobs.waiting + jobs.running + jobs.moving,
        comparisons.compared,
      ].map((n): [string, number] => [formatCount(n), n]),
      [formatShare(comparisons.share), comparisons.share ?? -1],
    ]
    return html`<tr><th scope="row" class="t"><a href="${href(migration, at)}">${foreign(name, 100)}</a><span class="sentence quiet small">${verdict.text}</span></th><td class="t level ${verdict.level}"><b>${verdict.level}</b></td>${numbers.map(
      ([shown, n]) => html`<td class="n" data-n="${n}">${shown}</td>`,
    )}</tr>
`
  }
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Migrations, table"><table class="sortable index">
<thead><tr>${text.map((title) => html`<th scope="col" class="t">${title}</th>`)}${numeric.map((title) => html`<th scope="col" class="n">${title}</th>`)}</tr></thead>
<tbody>${migrations.map(row)}</tbody></table></div>`
}
