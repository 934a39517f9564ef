// Which MCP servers does each place reach, and where does it hang? The matrix, and for each server that is not alike
// everywhere what was seen.

import { formatCount, formatMs, formatTime, plural } from '../format.ts'
import type { McpPlaceReport, McpProbeReport, McpReport } from '../model.ts'
import { foreign, html, type Markup, wordOf } from './markup.ts'

/** The section of text and Markdown that stands here instead. */
export const MCP_SECTION = 'MCP server'

const PLACES = ['baseline', 'legacy', 'target'] as const
const PLACE_WORDS = { baseline: 'a plain process', legacy: 'workers of legacy', target: 'workers of target' } as const
/** Lines of what was seen of a hang, and servers that are told in full. */
const MOST_LINES = 40
const MOST_SERVERS = 60

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
${shown.map(details)}`
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
function details(report: McpReport): Markup | false {
  const { server, tools, places } = report
  const broken = PLACES.flatMap((place) => {
    const { last } = places[place]
    return last === null || last.class === 'ok' ? [] : [{ place, last }]
  })
  const differ = tools !== null && tools.missing.length + tools.extra.length + tools.changed.length > 0
  if (broken.length === 0 && !differ) return false
  return html`<section class="difference" aria-label="MCP server ${server.slice(0, 80)}"><header><span class="path">${foreign(server, 80)}</span></header>
${tools !== null && differ && html`<ul>${names('missing on target', tools.missing)}${names('only on target', tools.extra)}${names('changed', tools.changed)}</ul>`}
${broken.map(({ place, last }) => failure(PLACE_WORDS[place], last))}</section>
`
}

function names(what: string, tools: readonly string[]): Markup | false {
  if (tools.length === 0) return false
  const shown = tools.slice(0, 30)
  const more = tools.length - shown.length
  return html`<li><strong>${what}</strong>: ${shown.map((name, at) => html`${at > 0 && ', '}<code>${foreign(name, 80)}</code>`)}${more > 0 && ` and ${formatCount(more)} more`}</li>`
}

function failure(
  place: string,
  { class: found, at, ms, phases, hang, orphans, protocol, serverInfo, sample }: McpProbeReport,
): Markup {
  const facts = [protocol, serverInfo, sample].filter((fact) => fact !== null)
  return html`<h3>In ${place}: ${foreign(found, 40)}</h3>
<p>${hang === null ? 'Where it broke is not known.' : foreign(hang.sentence, 500)}</p>
<p class="quiet small">${formatTime(at)}, after ${formatMs(ms)}: ${phases.map(({ phase, ms: took, ok }, index) => html`${index > 0 && ' → '}${foreign(phase, 20)} ${formatMs(took)} ${ok ? 'ok' : 'failed'}`)}${orphans > 0 && `; ${plural(orphans, 'process', 'processes')} left behind and killed`}${facts.map((fact) => html`; ${foreign(fact, 120)}`)}</p>
${
  hang !== null &&
  hang.details.length > 0 &&
  html`<details><summary>What was seen</summary>${hang.details.slice(0, 12).map(
    ({ what, lines }) =>
      html`<p class="small"><strong>${foreign(what, 120)}</strong></p><div class="scroll" tabindex="0" role="group" aria-label="${what.slice(0, 80)}"><pre>${lines
        .slice(0, MOST_LINES)
        .map(
          (line) => html`${foreign(line, 300)}
`,
        )}</pre></div>${lines.length > MOST_LINES && html`<p class="quiet small">and ${plural(lines.length - MOST_LINES, 'more line')}</p>`}`,
  )}</details>`
}`
}
