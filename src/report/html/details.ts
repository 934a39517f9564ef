// The parts of a migration's report that are tables and little else: what is behind the numbers above them.

import { formatCount, formatMs, formatShare, formatTime, plural } from '../format.ts'
import type { ConfigurationReport, MigrationReport } from '../model.ts'
import { html, type Markup } from './markup.ts'
import { table } from './table.ts'

/** Epochs whose versions are told. */
const EPOCHS_TOLD = 30

/** The groups in which legacy differs from itself, as a sentence and a table. */
export function noise({ noise: { differences: groups, compared } }: MigrationReport): Markup | false {
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
export function excluded({ jobs, comparisons, noise: { shed, orphaned, late } }: MigrationReport): Markup {
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

export function processes({ processes: p, flag, sides }: MigrationReport): Markup | false {
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
export function versions({ epochs }: MigrationReport): Markup | false {
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

export function configuration(c: ConfigurationReport): Markup {
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

export function audit({ audit: entries }: MigrationReport, id: string): Markup | false {
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

export function contradictions({ contradictions: broken }: MigrationReport): Markup | false {
  if (broken.length === 0) return false
  const rows = broken.map(({ law, expected, found }) => [{ foreign: law }, String(expected), String(found)])
  return html`<p>These numbers break laws of counting that hold at every moment: trust none of them.</p>
${table({ head: ['Law', 'expected', 'found'], rows, textColumns: [0] })}`
}
