// The answer of `cutover simulate` as text.

import { formatCount, formatInterval, formatShare, plural } from '../report/format.ts'
import type { Often, Spread, StageSummary, Summary, Traffic, Version } from '../rollout/simulate/index.ts'
import { blocks, columns, type Pen } from './pen.ts'

export interface Simulation extends Summary {
  readonly migration: string
  readonly file: string
  readonly preset: string
  readonly version: Version
  readonly traffic: Traffic
  readonly attempt: number
  readonly seed: number
  readonly wanted: number
}

export function simulationText(told: Simulation, pen: Pen): string {
  return blocks([head(told, pen), ends(told, pen), stageTable(told, pen), reasons(told), jumps(told, pen)])
}

function head(told: Simulation, pen: Pen): string {
  const { migration, file, runs, wanted, seed, attempt } = told
  const times = runs === wanted ? plural(runs, 'run') : `${formatCount(runs)} of ${plural(wanted, 'run')}`
  return [
    `${pen.style('bold', migration)} (${file}), ${times}, seed ${seed}${attempt === 1 ? '' : `, attempt ${attempt}`}`,
    `  version  ${told.preset}: ${versionText(told.version)}`,
    `  traffic  ${trafficText(told.traffic)}`,
  ].join('\n')
}

function versionText(version: Version): string {
  const shares = [
    [version.mismatch, 'mismatches'],
    [version.noise, 'noise'],
    [version.errors, `errors on both (${formatShare(version.errorsApart)} on one side alone)`],
    [version.errorsMore, 'more on target'],
    [version.errorsInEffects, 'more in effects'],
    [version.lost, 'lost'],
  ] as const
  const parts = shares.filter(([share]) => share > 0).map(([share, what]) => `${formatShare(share)} ${what}`)
  if (version.slower !== 1) parts.push(`${version.slower} × as slow`)
  if (version.slowestTenth !== 1) parts.push(`its slowest tenth ${version.slowestTenth} ×`)
  if (version.byKey) parts.push('faults by key')
  return parts.length === 0 ? 'no fault' : parts.join(', ')
}

function trafficText({ jobsPerDay, keys, skew, burst }: Traffic): string {
  const whose =
    keys === null ? 'each with a key of its own' : `${plural(keys, 'key')}${skew > 0 ? `, skew ${skew}` : ''}`
  return `${formatCount(jobsPerDay)} jobs a day, ${whose}${burst > 1 ? `, in bursts of ${burst}` : ''}`
}

function ends({ promoted, rolledBack, held, days }: Simulation, pen: Pen): string {
  const row = (name: string, often: Often, more: string): string[] => [
    name,
    formatCount(often.n),
    formatShare(often.share),
    pen.style('dim', `(${formatInterval({ ...often, level: 0.95 } as never)})`),
    more,
  ]
  const took = days === null ? '' : `after ${daysText(days.median)} days (9 of 10: ${daysText(days.p90)})`
  return columns([row('promoted', promoted, took), row('rolled back', rolledBack, ''), row('held', held, '')], '  ')
}

function stageTable({ stages }: Simulation, pen: Pen): string {
  const titles = ['stage', 'target', 'entered', 'passed', 'failed', 'held', 'units (9 of 10)', 'of', 'days (9 of 10)']
  const rows = stages.map((stage) => {
    const { name, target, entered, passed, failed, held } = stage
    const [gate, units] = deciding(stage)
    return [
      name,
      `${Number((target * 100).toFixed(1))}%`,
      ...[entered, passed, failed, held].map(formatCount),
      spreadText(units, formatCount),
      gate ?? '',
      spreadText(passed > 0 ? stage.days : stage.failedDays, daysText),
    ]
  })
  return columns([titles.map((title) => pen.style('dim', title)), ...rows], '  ')
}

/** The gate that was last to pass in most runs; where none passed, the one that failed. */
function deciding(stage: StageSummary): readonly [gate: string | undefined, units: Spread | null] {
  const { last, units, failedBy, failedUnits, passed } = stage
  const [gate] = Object.keys(passed > 0 ? last : failedBy)
  const from = passed > 0 ? units : failedUnits
  return [gate, from[gate as keyof typeof from] ?? null]
}

function spreadText(spread: Spread | null, text: (n: number) => string): string {
  return spread === null ? '–' : `${text(spread.median)} (${text(spread.p90)})`
}

function daysText(days: number): string {
  return days >= 100 ? formatCount(days) : days.toFixed(days < 10 ? 2 : 1)
}

const HOLDS = ': on-fail: hold, so nothing is moved'

/** What failed and what held, by stage. */
function reasons({ stages }: Simulation): string {
  const said = (what: string, by: Readonly<Record<string, number>>): string =>
    `${what} ${Object.entries(by)
      .map(([name, n]) => `${name} (${formatCount(n)})`)
      .join(', ')}`
  const rows = stages.flatMap(({ name, onFail, failed, failedBy, held, heldBy }) => [
    ...(failed > 0 ? [[name, `${said('failed by', failedBy)}${onFail === 'hold' ? HOLDS : ''}`]] : []),
    ...(held > 0 ? [[name, said('held by', heldBy)]] : []),
  ])
  return columns(rows, '  ')
}

function jumps({ stages }: Simulation, pen: Pen): string {
  const jumped = stages.filter((stage) => stage.jumped > 0)
  if (jumped.length === 0) return ''
  const names = jumped.map(({ name, jumped: n }) => `${name} (${formatCount(n)})`).join(', ')
  return pen.style('dim', `  not every job was played, the evidence of the first ones was left as it was: ${names}`)
}
