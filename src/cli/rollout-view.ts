// The staged cutover on a terminal: where it stands, what each gate says, why it holds and what that takes.

import { formatCount, formatTime } from '../report/format.ts'
import type { GateReport, RolloutReport, RolloutStage } from '../report/rollout-model.ts'
import { intervalText, neededText } from '../report/rollout-sections.ts'
import { REASON_TEXTS } from '../rollout/drive/words.ts'
import type { GateVerdict } from '../rollout/gates/types.ts'
import { formatShare } from '../vocabulary/dials.ts'
import { formatDuration } from '../vocabulary/duration.ts'
import { columns, foreign, type Pen, type Style } from './pen.ts'

const STYLES: Readonly<Record<GateVerdict, Style>> = { pass: 'green', hold: 'yellow', fail: 'red' }
const MOVES_SHOWN = 4

export interface RolloutSeen {
  readonly report: RolloutReport
  readonly migration: string
  /** The ledger's clock. */
  readonly asOf: string
  /** Live controllers, the one that drives among them. */
  readonly controllers: readonly { readonly host: string; readonly pid: number }[]
}

export function rolloutText(seen: RolloutSeen, pen: Pen): string {
  const { report } = seen
  const parts = [
    headText(seen, pen),
    stagesText(report, pen),
    gatesText(report, pen),
    waitsText(seen, pen),
    movesText(report, pen),
  ]
  return parts.filter((part) => part !== '').join('\n')
}

function headText({ report, asOf, controllers, migration }: RolloutSeen, pen: Pen): string {
  const { stage, attempt, phase, verdict, driven, enteredAt } = report
  const since = formatDuration(Math.max(0, Date.parse(asOf) - Date.parse(enteredAt)))
  const state = !driven
    ? 'let go: the dials are turned by hand'
    : phase === 'watching'
      ? `${verdict === null ? 'nothing counted now' : pen.style(STYLES[verdict], verdict.toUpperCase())}`
      : PHASES[phase]
  const label = pen.style('dim', 'plan')
  const which = attempt === 1 ? '' : ` (attempt ${attempt})`
  const who = controllers.map(({ host, pid }) => `${foreign(host, 40)}/${pid}`).join(', ')
  const nobody = driven && phase !== 'done' && controllers.length === 0
  const controller = nobody
    ? pen.style('yellow', `no controller runs, nothing moves: cutover drive ${foreign(migration)}`)
    : who === ''
      ? ''
      : `driven by ${who}`
  return [`  ${label}  ${pen.style('bold', stage)}${which}  ${state}  for ${since}`, controller]
    .filter(Boolean)
    .join('  ')
}

const PHASES: Readonly<Record<Exclude<RolloutReport['phase'], 'watching'>, string>> = {
  entering: 'being entered',
  back: 'ROLLED BACK',
  done: 'at its end',
}

function stagesText({ stages }: RolloutReport, pen: Pen): string {
  const one = ({ name, state, approval, dials }: RolloutStage): string => {
    const text = `${name} ${formatShare(dials.target)}`
    if (state === 'passed') return pen.style('green', `✓ ${text}`)
    if (state === 'current') return pen.style('bold', `▶ ${text}`)
    return pen.style('dim', `· ${text}${approval === 'manual' ? ' (by hand)' : ''}`)
  }
  return `        ${stages.map(one).join('  ')}`
}

/** Gates with evidence first, each with its bar; the others where they do not pass, and those that do in one line. */
function gatesText({ gates }: RolloutReport, pen: Pen): string {
  if (gates.length === 0) return ''
  const weighed = gates.filter(({ rule }) => rule !== 'plain')
  const plain = gates.filter(({ rule }) => rule === 'plain')
  const quiet = plain.filter(({ verdict }) => verdict === 'pass').map(nameOf)
  const loud = plain.filter(({ verdict }) => verdict !== 'pass')
  const head = [
    'gate',
    `bad ${'─'.repeat(HALF - 4)}┼${'─'.repeat(HALF - 5)} good`,
    'seen',
    'true value between',
    'still needed',
  ].map((text) => pen.style('dim', text))
  const rows = [...weighed.map((gate) => weighedRow(gate, pen)), ...loud.map((gate) => plainRow(gate, pen))]
  const rest = quiet.length === 0 ? '' : `\n  ${pen.style('green', 'pass')}  ${pen.style('dim', quiet.join(', '))}`
  return `\n${columns([['', ...head], ...rows], '  ')}${rest}`
}

function nameOf({ name, server }: GateReport): string {
  return server === null ? name : `${name} ${foreign(server, 30)}`
}

function weighedRow(gate: GateReport, pen: Pen): string[] {
  const { verdict, reason, rule } = gate
  const needed = neededText(gate)
  const why = verdict === 'hold' && needed !== '' ? needed : REASON_TEXTS[reason]
  return [
    pen.style(STYLES[verdict], verdict),
    `${nameOf(gate)}${rule === 'watch' ? pen.style('dim', ' (watch)') : ''}`,
    bar(gate, pen),
    foreign(gate.text, 60),
    intervalText(gate),
    foreign(verdict === 'hold' && needed !== '' && reason !== 'undecided' ? `${why} (${reason})` : why, 60),
  ]
}

function plainRow(gate: GateReport, pen: Pen): string[] {
  const needed = neededText(gate)
  const why = needed === '' ? REASON_TEXTS[gate.reason] : needed
  return [pen.style(STYLES[gate.verdict], gate.verdict), nameOf(gate), '', foreign(gate.text, 60), '', foreign(why, 60)]
}

const HALF = 12

/**
 * Evidence on a scale from proven bad (left end) to proven good (right end): how far each is of what it takes. Of a gate
 * that only watches, the right side proves nothing and is left empty.
 */
function bar({ evidenceFor, evidenceAgainst, passAt, failAt, rule }: GateReport, pen: Pen): string {
  const part = (log: number | null, at: number): number => {
    return log === null || log <= 0 ? 0 : Math.min(HALF, Math.floor((HALF * log) / at))
  }
  const [bad, good] = [part(evidenceAgainst, failAt), rule === 'watch' ? 0 : part(evidenceFor, passAt)]
  const left = `${'·'.repeat(HALF - bad)}${pen.style('red', '█'.repeat(bad))}`
  const right = `${pen.style('green', '█'.repeat(good))}${(rule === 'watch' ? ' ' : '·').repeat(HALF - good)}`
  return `${left}│${right}`
}

function waitsText({ report }: RolloutSeen, pen: Pen): string {
  const { waits, verdict, driven } = report
  if (!driven || waits.length === 0) return ''
  const label = verdict === 'fail' ? 'fails because' : 'waits because'
  return `\n  ${pen.style('dim', label)}\n${waits.map((wait) => `    - ${foreign(wait, 400)}`).join('\n')}`
}

function movesText({ timeline }: RolloutReport, pen: Pen): string {
  const rows = timeline
    .slice(-MOVES_SHOWN)
    .map(({ at, action, stage, by, why, decision, dials }) => [
      pen.style('dim', formatTime(at).slice(11, 19)),
      action,
      `${foreign(stage, 40)} (target ${formatShare(dials.target)})`,
      foreign(
        [`by ${by}`, why, decision === null ? null : `decision ${formatCount(decision)}`]
          .filter((text) => text !== null)
          .join(', '),
        120,
      ),
    ])
  return rows.length === 0 ? '' : `\n  ${pen.style('dim', 'last steps')}\n${columns(rows, '    ')}`
}
