// The staged cutover in a report's tables: the stages, the gates of the one under way, and what was done when.

import { formatCount, formatMs, formatShare, formatTime, formatTimes } from './format.ts'
import type { GateReport, RolloutReport, TimelineEntry } from './rollout-model.ts'
import type { Cell, Section } from './sections.ts'

const TIMELINE_SHOWN = 12

export function stagesSection({ stages, phase, attempt, stage: current }: RolloutReport): Section {
  const states = { passed: 'passed', ahead: '', current: PHASES[phase] } as const
  return {
    head: ['Plan', 'target', 'shadow', 'control', 'soak', 'attempt', 'state'],
    rows: stages.map(({ name, dials, minSoakMs, attempts, state, approval }): Cell[] => [
      { foreign: name },
      formatShare(dials.target),
      formatShare(dials.shadow),
      formatShare(dials.control),
      formatMs(minSoakMs),
      attempts === 0 ? '' : String(name === current ? attempt : attempts),
      [states[state], approval === 'manual' && state === 'ahead' ? 'a human says yes' : ''].filter(Boolean).join(', '),
    ]),
    textColumns: [0, 6],
  }
}

const PHASES: Readonly<Record<RolloutReport['phase'], string>> = {
  entering: 'being entered',
  watching: 'counted and judged',
  back: 'rolled back',
  done: 'passed',
}

export function gatesSection({ gates, verdict, stage, waits }: RolloutReport): Section {
  const holds = waits.length === 0 ? '' : `: ${waits.join('; ')}`
  return {
    head: [`Gates of ${stage}`, 'verdict', 'what was seen', 'from, to', 'for', 'against', 'units', 'needed'],
    rows: gates.map(gateRow),
    textColumns: [0, 1, 2, 3],
    ...(verdict === null ? {} : { rest: `${verdict}${holds}` }),
  }
}

function gateRow(gate: GateReport): Cell[] {
  const { name, server, rule, verdict, reason, text, evidenceFor, evidenceAgainst, passAt, failAt, units } = gate
  const reaching = (log: number | null, at: number): string =>
    log === null ? '' : `${log.toFixed(2)} of ${at.toFixed(2)}`
  // only a gate that has to prove something has a number to reach; one that watches proves nothing, whatever is said for it
  const watched = (log: number | null): string => (log === null ? '' : log.toFixed(2))
  return [
    server === null ? name : { foreign: `${name} ${server}` },
    `${verdict} ${reason}`,
    { foreign: text },
    intervalText(gate),
    rule === 'prove' ? reaching(evidenceFor, passAt) : watched(evidenceFor),
    reaching(evidenceAgainst, failAt),
    units === null ? '' : formatCount(units),
    neededText(gate),
  ]
}

/** A share, a difference of shares, or how many times legacy's; empty where the gate has none. */
export function intervalText({ name, interval, estimate }: GateReport): string {
  const times = name === 'p50' || name === 'p95'
  if (interval === null) return times && estimate !== null ? 'too few yet' : ''
  return times ? formatTimes(interval) : `${formatShare(interval.lower)} – ${formatShare(interval.upper)}`
}

/** Units and time still needed; an estimate, and said so where nobody knows. */
export function neededText({ verdict, unitsNeeded, msNeeded, unit }: GateReport): string {
  if (verdict !== 'hold') return ''
  const time = msNeeded === null || msNeeded === 0 ? '' : `about ${formatMs(msNeeded)}`
  if (unitsNeeded === null) return time === '' && unit !== null ? 'not known' : time
  const units = unitsNeeded === 0 ? '' : `${formatCount(unitsNeeded)} more`
  return [units, time].filter((text) => text !== '').join(', ')
}

export function timelineSection({ timeline }: RolloutReport, most: number = TIMELINE_SHOWN): Section {
  const shown = timeline.slice(-Math.min(most, timeline.length))
  const earlier = timeline.length - shown.length
  return {
    head: ['Timeline', 'what', 'stage', 'attempt', 'target', 'shadow', 'by', 'why', 'decision'],
    rows: shown.map(timelineRow),
    textColumns: [0, 1, 2, 6, 7],
    ...(earlier === 0 ? {} : { rest: `and ${formatCount(earlier)} earlier` }),
  }
}

function timelineRow({ at, action, stage, attempt, dials, by, why, decision }: TimelineEntry): Cell[] {
  return [
    formatTime(at),
    action,
    { foreign: stage },
    String(attempt),
    formatShare(dials.target),
    formatShare(dials.shadow),
    { foreign: by },
    why === null ? '' : { foreign: why },
    decision === null ? '' : String(decision),
  ]
}
