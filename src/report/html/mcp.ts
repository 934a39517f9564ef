// Which MCP servers does each place reach, and where does it hang? The matrix, and for each server that is not alike
// everywhere what was seen.

import { formatCount, formatMs, formatTime, plural } from '../format.ts'
import type { McpPlaceReport, McpProbeReport, McpReport } from '../model.ts'
import { foreign, html, type Markup, wordOf } from './markup.ts'

/** The section of text and Markdown that stands here instead. */
export const MCP_SECTION = 'MCP server'

const PLACES = ['baseline', 'legacy', 'target'] as const
const PLACE_WORDS = { baseline: 'a plain process', legacy: 'workers of legacy', target: 'workers of target' } as const
/** Servers in the matrix, and those of which is told what was seen. */
const MOST_SERVERS = 60
const MOST_DETAILED = 8
/** Lines of what was seen of all hangs of the page together, and how many of them one may have. */
const LINES = 240
const [FEWEST_LINES, MOST_LINES] = [8, 40]
const LINE = 160

export function mcpMarkup(servers: readonly McpReport[]): Markup | false {
  if (servers.length === 0) return false
  const shown = servers.slice(0, MOST_SERVERS)
  const more = servers.length - shown.length
  return html`<p class="quiet">From the newest probes of each place: a plain process beside the command, and real workers of each side.</p>
<div class="scroll" tabindex="0" role="group" aria-label="MCP servers, table"><table class="plain">
<thead><tr><th scope="col" class="t">MCP server</th>${PLACES.map(
    (place) => html`<th scope="col" class="t">${PLACE_WORDS[place]}</th>`,
  )}<th scope="col" class="t">verdict</th></tr></thead>
<tbody>${shown.map(row)}</tbody></table></div>
${more > 0 && html`<p class="quiet">and ${plural(more, 'more server')}, all in the JSON report</p>`}
${detailsOf(servers)}`
}

const VERDICTS: Readonly<Record<McpReport['verdict'], string>> = {
  same: 'same',
  better: 'better on target',
  worse: 'worse on target',
  inconclusive: 'inconclusive',
}

function row({ server, reached, verdict, text, places }: McpReport): Markup {
  return html`<tr><th scope="row" class="t">${foreign(server, 80)}${reached !== null && html`<br><span class="quiet small">${foreign(reached, 120)}</span>`}</th>${PLACES.map(
    (place) => html`<td class="t mcp ${places[place].state}">${cell(places[place])}</td>`,
  )}<td class="t wide"><strong>${wordOf(VERDICTS, verdict)}</strong>: ${foreign(text, 300)}</td></tr>
`
}

const STATES: Readonly<Record<McpPlaceReport['state'], string>> = {
  up: 'up',
  flaky: 'flaky',
  down: 'down',
  'not-probed': 'not probed',
}

function cell({ state, probes, good, last }: McpPlaceReport): Markup {
  if (last === null) return html`<b>${wordOf(STATES, state)}</b>`
  const tools = last.tools === null ? '' : `, ${plural(last.tools, 'tool')}`
  return html`<b>${wordOf(STATES, state)}</b> <span class="quiet small">${formatCount(good)} of ${formatCount(probes)} good</span><br>${foreign(last.class, 40)}${tools}, ${formatMs(last.ms)}`
}

/** Of servers whose tools differ or that failed somewhere. */
function detailsOf(servers: readonly McpReport[]): Markup {
  const told = servers.filter((report) => brokenIn(report).length > 0 || differs(report))
  const shown = told.slice(0, MOST_DETAILED)
  const more = told.length - shown.length
  const hangs = shown.reduce((sum, report) => sum + brokenIn(report).length, 0)
  const lines = Math.max(FEWEST_LINES, Math.min(MOST_LINES, Math.floor(LINES / Math.max(1, hangs))))
  return html`${shown.map((report) => details(report, lines))}${more > 0 && html`<p class="quiet">and ${plural(more, 'more server')} that failed or differ, all in the JSON report</p>`}`
}

function brokenIn({ places }: McpReport): { readonly place: (typeof PLACES)[number]; readonly last: McpProbeReport }[] {
  return PLACES.flatMap((place) => {
    const { last } = places[place]
    return last === null || last.class === 'ok' ? [] : [{ place, last }]
  })
}

function differs({ tools }: McpReport): boolean {
  return tools !== null && tools.missing.length + tools.extra.length + tools.changed.length > 0
}

function details(report: McpReport, lines: number): Markup {
  const { server, tools } = report
  return html`<section class="difference" aria-label="MCP server ${server.slice(0, 80)}"><header><span class="path">${foreign(server, 80)}</span></header>
${tools !== null && differs(report) && html`<ul>${names('missing on target', tools.missing)}${names('only on target', tools.extra)}${names('changed', tools.changed)}</ul>`}
${brokenIn(report).map(({ place, last }) => failure(PLACE_WORDS[place], last, lines))}</section>
`
}

function names(what: string, tools: readonly string[]): Markup | false {
  if (tools.length === 0) return false
  const shown = tools.slice(0, 30)
  const more = tools.length - shown.length
  return html`<li><strong>${what}</strong>: ${shown.map((name, at) => html`${at > 0 && ', '}<code>${foreign(name, 80)}</code>`)}${more > 0 && ` and ${formatCount(more)} more`}</li>`
}

function failure(place: string, probe: McpProbeReport, lines: number): Markup {
  const { class: found, at, ms, phases, hang, orphans, protocol, serverInfo, sample } = probe
  const facts = [protocol, serverInfo, sample].filter((fact) => fact !== null)
  const way = phases.map(
    ({ phase, ms: took, ok }, index) =>
      html`${index > 0 && ' → '}${foreign(phase, 20)} ${formatMs(took)} ${ok ? 'ok' : 'failed'}`,
  )
  return html`<h3>In ${place}: ${foreign(found, 40)}</h3>
<p>${hang === null ? 'Where it broke is not known.' : foreign(hang.sentence, 500)}</p>
<p class="quiet small">${formatTime(at)}, after ${formatMs(ms)}: ${way}${orphans > 0 && `; ${plural(orphans, 'process', 'processes')} left behind and killed`}${facts.map((fact) => html`; ${foreign(fact, 120)}`)}</p>
${hang !== null && hang.details.length > 0 && html`<details class="paper"><summary>What was seen</summary>${seen(hang.details, lines)}</details>`}`
}

/** As many of the lines as there is room for; the rest is counted. */
function seen(details: NonNullable<McpProbeReport['hang']>['details'], room: number): Markup {
  let left = room
  let more = 0
  const parts: Markup[] = []
  for (const { what, lines } of details) {
    const shown = lines.slice(0, left)
    left -= shown.length
    more += lines.length - shown.length
    if (shown.length === 0) continue
    parts.push(html`<p class="small"><strong>${foreign(what, 120)}</strong></p>
<div class="scroll" tabindex="0" role="group" aria-label="${what.slice(0, 80)}"><pre>${shown.map(
      (line) => html`${foreign(line, LINE)}
`,
    )}</pre></div>`)
  }
  return html`${parts}${more > 0 && html`<p class="quiet small">and ${plural(more, 'more line')}, in the JSON report</p>`}`
}
