// The staged cutover on the page: where it stands, what its gates say, how the evidence grew, and who moved it.

import { STATISTICAL_GATES } from '../../rollout/plan/types.ts'
import { formatMs, formatShare, formatTime, plural } from '../format.ts'
import type { MigrationReport, RolloutReport, RolloutStage, StageLimit } from '../model.ts'
import { gatesSection, timelineSection } from '../rollout-sections.ts'
import type { Draw } from './draw.ts'
import { figure } from './figure.ts'
import { foreign, html, type Markup, wordOf } from './markup.ts'
import type { Ink, Line, Panel, Plot } from './plot.ts'
import { table } from './table.ts'

/** Sections of text and Markdown that stand here instead, by the beginning of their title. */
export const ROLLOUT_SECTIONS: readonly string[] = ['Plan', 'Gates of ', 'Timeline']

export function rolloutMarkup({ rollout }: MigrationReport, draw: Draw, id: (name: string) => string): Markup | false {
  if (rollout === null) return false
  const { driven, stage, attempt, phase, verdict, waits, paused, approved, enteredAt } = rollout
  const plot = evidencePlot(rollout, id('gate-evidence'))
  return html`<p>${driven ? 'The plan is being driven.' : 'The plan was let go: the dials are turned by hand.'} Stage <strong>${foreign(stage, 60)}</strong>, attempt ${attempt}, since ${formatTime(enteredAt)}: ${wordOf(PHASES, phase)}${verdict !== null && html`, <strong>${verdict}</strong>`}.</p>
${waits.length > 0 && html`<ul>${waits.slice(0, MOST_WAITS).map((wait) => html`<li>${foreign(wait, 600)}</li>`)}${waits.length > MOST_WAITS && html`<li>and ${plural(waits.length - MOST_WAITS, 'more reason')}</li>`}</ul>`}
${said('Paused', paused)}${said('Approved', approved)}
<ol class="stages">${rollout.stages.map((each) => stageMarkup(each, phase))}</ol>
${gates(rollout)}
${plot !== undefined && figure(plot, draw)}
${timeline(rollout)}`
}

const PHASES: Readonly<Record<RolloutReport['phase'], string>> = {
  entering: 'the dials are on their way to every producer',
  watching: 'it is counted and judged',
  back: 'rolled back',
  done: 'the last stage has passed',
}

function said(what: string, by: RolloutReport['paused']): Markup | false {
  if (by === null) return false
  return html`<p><strong>${what}</strong> by ${foreign(by.by, 80)} at ${formatTime(by.at)}${by.why !== null && html`: ${foreign(by.why, 300)}`}</p>`
}

const STATES: Readonly<Record<RolloutStage['state'], string>> = { passed: 'passed', current: 'now', ahead: 'ahead' }

/** The stage that was left is none that is on. */
function stageMarkup(
  { name, state, dials, minSoakMs, approval, attempts, limits }: RolloutStage,
  phase: RolloutReport['phase'],
): Markup {
  const left = state === 'current' && phase === 'back'
  const { target, shadow, control } = dials
  const set = [
    `target ${formatShare(target)}`,
    `shadow ${formatShare(shadow)}`,
    ...(control > 0 ? [`control ${formatShare(control)}`] : []),
  ]
  const more = [
    `soaks ${formatMs(minSoakMs)}`,
    ...(approval === 'manual' ? ['a human says yes'] : []),
    ...(attempts > 1 ? [`attempt ${attempts}`] : []),
  ]
  return html`<li class="${left ? 'left' : state}"${state === 'current' && html` aria-current="step"`}><b>${foreign(name, 60)}</b> <span class="state">${left ? 'rolled back' : wordOf(STATES, state)}</span>
<span>${unbroken(set)}</span>
<span class="quiet">${more.join(', ')}</span>${limitsMarkup('proves', 'prove', limits)}${limitsMarkup('watches', 'watch', limits)}</li>
`
}

/** A list that is broken only between its items. */
function unbroken(items: readonly string[]): Markup {
  return html`${items.map((item, at) => html`<i>${item}${at < items.length - 1 && ','}</i> `)}`
}

function limitsMarkup(verb: string, rule: StageLimit['rule'], limits: readonly StageLimit[]): Markup | false {
  const told = limits.filter((each) => each.rule === rule)
  if (told.length === 0) return false
  const text = told.map(({ gate, limit }) => `${gate} ${limit > 1 ? `${limit} ×` : formatShare(limit)}`)
  return html`<span class="quiet">${verb} ${unbroken(text)}</span>`
}

function gates(rollout: RolloutReport): Markup | false {
  if (rollout.gates.length === 0) return false
  // what it waits for is said above
  const { head, rows, textColumns } = gatesSection(rollout)
  const order = { fail: 0, hold: 1, pass: 2 } as const
  // of very many servers those that fail or hold come first; else as the plan has them
  const all = rollout.gates.map((gate, at) => ({ verdict: gate.verdict, cells: rows[at] ?? [] }))
  const shown = (all.length > MOST_GATES ? all.toSorted((a, b) => order[a.verdict] - order[b.verdict]) : all).slice(
    0,
    MOST_GATES,
  )
  const more = all.length - shown.length
  return html`<h3>${foreign(head[0] ?? '', 100)}</h3>
<p class="quiet small">Evidence for and against in natural logarithms: proven where “for” has reached its number, refuted where “against” has; a gate that only watches can be refuted and proves nothing. Intervals are right at every moment at once, each end at the level of the verdict.</p>
${table({ head: ['Gate', ...head.slice(1)], rows: shown.map(({ cells }) => cells), textColumns, marked: shown.map(({ verdict }) => verdict) })}
${more > 0 && html`<p class="quiet">and ${plural(more, 'more gate')}, all in the JSON report</p>`}`
}

/** The newest first here, as in the audit log. */
function timeline(rollout: RolloutReport): Markup | false {
  if (rollout.timeline.length === 0) return false
  const { head, rows, textColumns } = timelineSection(rollout, Number.POSITIVE_INFINITY)
  return html`<h3>Who moved it, and when</h3>
${table({ head: ['When', ...head.slice(1)], rows: rows.toReversed(), textColumns })}`
}

const MOST_GATES = 40
const MOST_WAITS = 12

/** Beyond this many times what is needed, a curve says nothing more. */
const MOST = 1.5

/** For and against each gate, on one axis with the two numbers that decide. */
function evidencePlot({ trend, trendLevels, phase, stage, stages }: RolloutReport, id: string): Plot | undefined {
  if (trend.length < 2 || trendLevels === null) return undefined
  const { passAt, failAt } = trendLevels
  const most = MOST * Math.max(passAt, failAt)
  const { limits = [] } = stages.find(({ name }) => name === stage) ?? {}
  const panels = STATISTICAL_GATES.flatMap((name): Panel[] => {
    const at = trend.map((point) => point.gates.find((each) => each.name === name))
    if (!at.some((each) => each !== undefined)) return []
    const proves = limits.some(({ gate, rule }) => gate === name && rule === 'prove')
    const line = (name: string, ink: Ink, of: 'evidenceFor' | 'evidenceAgainst'): Line => {
      const values = at.map((each) => each?.[of] ?? null)
      return { name, ink, values, drawn: values.map((value) => clip(value, most)) }
    }
    return [
      {
        ...{
          title: `${name}: evidence, ${proves ? 'to be proven' : 'watched'}`,
          unit: 'evidence',
          height: 100,
          most,
        },
        lines: [line('for', 'ok', 'evidenceFor'), line('against', 'bad', 'evidenceAgainst')],
        marks: [
          // a gate that watches proves nothing
          ...(proves ? [{ name: 'proven from here on', ink: 'ok', at: passAt } as const] : []),
          { name: 'refuted from here on', ink: 'bad', at: failAt },
        ],
      },
    ]
  })
  if (panels.length === 0) return undefined
  const of =
    phase === 'back' ? 'Of the stage that was left, until it was' : 'Of the current stage, since its counts began'
  return {
    id,
    title: 'Evidence of the gates over time',
    caption: `${of}: what the gates said at each look of the controller. A curve at the upper edge says more than enough.`,
    ...{ axis: 'time', width: 'wide', x: trend.map(({ at }) => Date.parse(at)), panels },
  }
}

function clip(value: number | null, most: number): number | null {
  return value === null ? null : Math.max(0, Math.min(most, value))
}
