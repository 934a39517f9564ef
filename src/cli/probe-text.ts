// Probes for people: the matrix server × place, the verdict, and where it hangs.

import { FAILURE_CLASSES, isFailure } from '../mcp/classes.ts'
import type { ToolDifference } from '../mcp/tools.ts'
import { type ProbeVerdict, probeVerdicts, type ServerVerdict } from '../mcp/verdict.ts'
import { formatMs, plural } from '../report/format.ts'
import { PROBE_PLACES, type ProbePlace, type ProbeRecord } from '../vocabulary/probe.ts'
import { blocks, columns, foreign, type Pen, type Style } from './pen.ts'

export interface Probed {
  readonly migration: string
  readonly records: readonly ProbeRecord[]
}

const COLOURS: Readonly<Record<ProbeVerdict, Style>> = {
  same: 'green',
  better: 'green',
  worse: 'red',
  inconclusive: 'yellow',
}

export function probeText({ records }: Probed, pen: Pen): string {
  return blocks(probeVerdicts(records).map((verdict) => serverText(verdict, records, pen)))
}

function serverText(verdict: ServerVerdict, all: readonly ProbeRecord[], pen: Pen): string {
  const records = all.filter(({ server }) => server === verdict.server)
  const reached = records.find((record) => record.reached !== undefined)?.reached
  const name = pen.style('bold', foreign(verdict.server))
  const head = `${name}  ${pen.style(COLOURS[verdict.verdict], verdict.verdict.toUpperCase())}  ${verdict.text}`
  return [
    head,
    ...(reached === undefined ? [] : [pen.style('dim', `  ${foreign(reached)}`)]),
    columns(
      PROBE_PLACES.flatMap((place) => placeRow(place, records, pen)),
      '  ',
    ),
    ...toolLines(verdict.tools),
    ...hangLines(records, pen),
  ].join('\n')
}

function placeRow(place: ProbePlace, all: readonly ProbeRecord[], pen: Pen): string[][] {
  const records = all.filter((record) => record.place === place)
  const last = records.at(-1)
  if (last === undefined) return []
  const good = records.filter(({ class: found }) => found === 'ok').length
  const shown = (records.findLast(({ class: found }) => found !== 'ok') ?? last).class
  const style: Style = good === records.length ? 'green' : 'red'
  const share = records.length === 1 ? '' : ` ${good}/${records.length}`
  const orphans = records.reduce((sum, each) => sum + (each.orphans ?? 0), 0)
  const more = [last.protocol, last.serverInfo, last.sample === undefined ? undefined : `sample ${last.sample}`]
  const facts = more.flatMap((fact) => (fact === undefined ? [] : [foreign(fact, 60)]))
  if (orphans > 0) facts.unshift(`${plural(orphans, 'orphan')} left behind`)
  const tools = last.tools === undefined ? '' : plural(last.tools.length, 'tool')
  return [[pen.style('dim', place), pen.style(style, `${shown}${share}`), tools, phasesText(last), facts.join(', ')]]
}

function phasesText({ phases }: ProbeRecord): string {
  return phases.map(({ phase, ms, ok }) => `${phase} ${formatMs(ms)}${ok ? '' : ' ✗'}`).join(' · ')
}

const TOOLS_SHOWN = 10

function toolLines(tools: ToolDifference | null): readonly string[] {
  if (tools === null) return []
  const of = [
    ['missing on target', tools.missing],
    ['changed in schema', tools.changed],
    ['only on target', tools.extra],
  ] as const
  return of.flatMap(([what, names]) => {
    if (names.length === 0) return []
    const rest = names.length > TOOLS_SHOWN ? ` and ${names.length - TOOLS_SHOWN} more` : ''
    return [
      `  ${what}: ${names
        .slice(0, TOOLS_SHOWN)
        .map((name) => foreign(name, 60))
        .join(', ')}${rest}`,
    ]
  })
}

/**
 * Of the last failure in each place: the sentence first, then what was seen, then what to do. What failed of the same
 * before it is not shown again.
 */
function hangLines(records: readonly ProbeRecord[], pen: Pen): readonly string[] {
  const shown = new Set<string>()
  return PROBE_PLACES.flatMap((place) => {
    const failed = records.findLast((record) => record.place === place && record.class !== 'ok')
    if (failed?.hang === undefined) return []
    const sentence = `  ${pen.style('bold', place)} ${foreign(failed.hang.sentence, 300)}`
    if (shown.has(failed.class)) return [sentence]
    shown.add(failed.class)
    const lines = failed.hang.details.flatMap(({ what, lines: seen }) => [
      pen.style('dim', `    ${foreign(what)}`),
      ...seen.map((line) => `      ${foreign(line)}`),
    ])
    const advice = isFailure(failed.class) ? FAILURE_CLASSES[failed.class].advice : ''
    return [sentence, ...lines, `    ${pen.style('cyan', 'to do')} ${advice}`]
  })
}
