// Which numbers does a reader see, in which order, in which words? The text and Markdown views only lay this out.
//
// So both views say the same. A cell is a text made here, or `foreign`: from payloads, configuration or people, which
// each view must make harmless in its own way.

import { SIDES } from '../vocabulary/job.ts'
import { formatCount, formatInterval, formatMs, formatShare, formatTime, plural, unitsPhrase } from './format.ts'
import { mcpSection } from './mcp.ts'
import type { EpochReport, JobsReport, MigrationReport, PairCounts, Quantiles, SideReport } from './model.ts'
import { drainSection, movesSection } from './moves.ts'
import { gatesSection, stagesSection, timelineSection } from './rollout-sections.ts'

export type Cell = string | { readonly foreign: string }

export interface Section {
  readonly head: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
  /** Columns that hold text; the others hold numbers and are set to the right. */
  readonly textColumns: readonly number[]
  /** What was left out. */
  readonly rest?: string
}

/** Groups of differences that are printed; all are in the JSON. */
export const DIFFERENCES_SHOWN = 20
/** In place of the example of what the ledger gathered without a name. */
export const GATHERED_PHRASE = 'further fields, beyond those that the ledger keeps by name'
const EPOCHS_SHOWN = 8
const CHANGES_SHOWN = 5

/** Everything but the differences, which each view prints in a form of its own. */
export function sectionsOf(migration: MigrationReport): { before: Section[]; after: Section[] } {
  const { rollout } = migration
  const plan = rollout === null ? [] : [stagesSection(rollout), gatesSection(rollout)]
  const moves = rollout === null ? [] : [timelineSection(rollout)]
  return {
    before: [...plan, jobsSection(migration), routesSection(migration), comparisonsSection(migration)].filter(hasRows),
    after: [
      errorsSection(migration),
      latencySection(migration),
      mcpSection(migration.mcp),
      movesSection(migration),
      drainSection(migration),
      ...moves,
      epochsSection(migration),
      changesSection(migration),
    ].filter(hasRows),
  }
}

function hasRows(section: Section): boolean {
  return section.rows.length > 0
}

/** The two lines under the verdict: what is set, and since when this is counted. */
export function contextLines(migration: MigrationReport): [string, string] {
  const { dials, ceiling, latch, flag, processes, since, asOf } = migration
  const set = [
    `target ${formatShare(dials.target)}, shadow ${formatShare(dials.shadow)}, control ${formatShare(dials.control)}`,
    ...(latch.set ? ['latch set: all to legacy'] : []),
    ...(ceiling < 1 ? [`ceiling ${formatShare(ceiling)}`] : []),
    `flag ${flag.health}`,
    processes.live === 0 ? 'no live process' : `${plural(processes.live, 'live process', 'live processes')}`,
  ]
  const from = since === null ? 'nothing counted yet' : `counted since ${formatTime(since)}`
  return [set.join(' · '), `${from} · as of ${formatTime(asOf)}`]
}

interface JobRow {
  readonly label: string
  readonly side?: (side: SideReport) => number
  readonly all: (jobs: JobsReport) => number
  /** Printed even when it is zero. */
  readonly always?: true
}

const JOB_ROWS: readonly JobRow[] = [
  { label: 'enqueued', side: (s) => s.enqueued, all: (j) => j.enqueued, always: true },
  { label: 'done', side: (s) => s.done, all: (j) => j.done, always: true },
  { label: 'failed', side: (s) => s.failed, all: (j) => j.failed, always: true },
  { label: '· failed by the backend', side: (s) => s.backendFailed, all: (j) => j.backendFailed },
  { label: 'cancelled', side: (s) => s.cancelled, all: (j) => j.cancelled },
  { label: 'refused', side: (s) => s.refused, all: (j) => j.refused },
  { label: 'waiting', side: (s) => s.waiting, all: (j) => j.waiting, always: true },
  { label: 'running', side: (s) => s.running, all: (j) => j.running, always: true },
  { label: 'moving', all: (j) => j.moving },
  { label: 'moved here', side: (s) => s.movedIn, all: (j) => j.moved },
  { label: 'moved away', side: (s) => s.movedOut, all: (j) => j.moved },
  { label: 'run again after a failure', side: (s) => s.reopened, all: (j) => j.reopened },
  { label: '· in doubt', side: (s) => s.inDoubt, all: (j) => j.inDoubt, always: true },
  { label: '· overdue', all: (j) => j.overdue },
  { label: '· lost', side: (s) => s.lost, all: (j) => j.lost, always: true },
  { label: 'done twice', all: (j) => j.twice, always: true },
  { label: 'adopted', side: (s) => s.adopted, all: (j) => j.adopted },
  { label: 'unflagged', side: (s) => s.unflagged, all: (j) => j.unflagged },
  { label: 'ended late', all: (j) => j.late },
  { label: 'attempts retried', side: (s) => s.retried, all: (j) => j.retried },
  { label: 'zombie outcomes', side: (s) => s.zombie, all: (j) => j.zombie },
  { label: 'effects failed', side: (s) => s.effectFailed, all: (j) => j.effectFailed },
  { label: 'unrecorded', side: (s) => s.unrecorded, all: (j) => j.unrecorded },
]

function jobsSection({ jobs, sides }: MigrationReport): Section {
  const rows = JOB_ROWS.filter(({ all, always }) => (always === true && jobs.enqueued > 0) || all(jobs) !== 0).map(
    ({ label, side, all }) => [
      label,
      ...SIDES.map((name) => (side === undefined ? '' : formatCount(side(sides[name])))),
      formatCount(all(jobs)),
    ],
  )
  const live = SIDES.map((side) => formatCount(sides[side].workers))
  const shadow = SIDES.map((side) => formatCount(sides[side].shadowWorkers))
  if (rows.length > 0) rows.push(['live workers', ...live, ''], ['live shadow workers', ...shadow, ''])
  return { head: ['Jobs', 'legacy', 'target', 'all'], rows, textColumns: [0] }
}

function routesSection({ jobs, routes }: MigrationReport): Section {
  const rows = Object.entries(routes).map(([name, { enqueued, share }]) => [
    name,
    formatCount(enqueued),
    formatShare(share),
  ])
  return { head: ['Routes', 'jobs', 'share'], rows: jobs.enqueued === 0 ? [] : rows, textColumns: [0] }
}

function comparisonsSection({ comparisons, noise }: MigrationReport): Section {
  const withNoise = noise.wanted > 0
  const row = (label: string, of: (pairs: PairCounts) => string): Cell[] => {
    return [label, of(comparisons), ...(withNoise ? [of(noise)] : [])]
  }
  const optional = (label: string, of: (pairs: PairCounts) => number): Cell[][] => {
    return of(comparisons) === 0 && of(noise) === 0 ? [] : [row(label, (pairs) => formatCount(of(pairs)))]
  }
  const only = (label: string, n: number): Cell[][] =>
    n === 0 ? [] : [[label, formatCount(n), ...(withNoise ? [''] : [])]]
  const { errors } = comparisons
  const rows: Cell[][] = [
    ['wanted', formatCount(comparisons.shadowed), ...(withNoise ? [formatCount(noise.wanted)] : [])],
    row('matched', (pairs) => formatCount(pairs.matched)),
    row('mismatched', (pairs) => formatCount(pairs.mismatched)),
    ...optional('ignored', (pairs) => pairs.ignored),
    ...optional('orphaned', (pairs) => pairs.orphaned),
    ...optional('shed', (pairs) => pairs.shed),
    ...optional('moved first', (pairs) => pairs.moved),
    ...optional('open', (pairs) => pairs.open),
    ...optional('came too late', (pairs) => pairs.late),
    ...only('· error on both', errors.both),
    ...only('· error on target only', errors.targetOnly),
    ...only('· error on legacy only', errors.legacyOnly),
    row('differ', (pairs) => formatShare(pairs.share)),
    row('95 % interval', ({ interval }) => (interval.units === 0 ? '–' : formatInterval(interval))),
    row('· over', ({ interval }) => unitsPhrase(interval)),
    row('· of which differ', ({ interval }) => formatShare(interval.share)),
  ]
  return {
    head: ['Comparisons', 'shadows', ...(withNoise ? ['controls (noise)'] : [])],
    rows: comparisons.shadowed === 0 ? [] : rows,
    textColumns: [0],
  }
}

/** In this many classes text and Markdown tell the errors; the page tells all that the model has. */
const ERRORS_SHOWN = 8

export function errorsSection({ errors }: MigrationReport, most: number = ERRORS_SHOWN): Section {
  const shown = errors.slice(0, most)
  const more = errors.length - shown.length
  return {
    head: ['Errors', 'legacy', 'target', 'shadows on legacy', 'shadows on target'],
    rows: shown.map(({ class: name, legacy, target }) => [
      { foreign: name },
      ...[legacy.jobs, target.jobs, legacy.shadows, target.shadows].map(formatCount),
    ]),
    textColumns: [0],
    ...(more === 0 ? {} : { rest: `and ${plural(more, 'more class', 'more classes')}` }),
  }
}

function latencySection({ latency }: MigrationReport): Section {
  const lines: [string, Quantiles][] = [
    ['wait, legacy', latency.legacy.wait],
    ['wait, target', latency.target.wait],
    ['run, legacy', latency.legacy.run],
    ['run, target', latency.target.run],
    ['run, shadow on legacy', latency.legacy.shadowRun],
    ['run, shadow on target', latency.target.shadowRun],
    ['run, control on legacy', latency.controlRun],
  ]
  const rows = lines
    .filter(([, { n }]) => n > 0)
    .map(([label, { n, p50, p95, p99 }]) => [label, formatCount(n), formatMs(p50), formatMs(p95), formatMs(p99)])
  return { head: ['Latency', 'runs', 'p50', 'p95', 'p99'], rows, textColumns: [0] }
}

function epochsSection({ epochs }: MigrationReport): Section {
  const counted = epochs.filter((epoch) => epoch.enqueued > 0 || epoch === epochs.at(-1))
  const shown = counted.slice(-EPOCHS_SHOWN)
  const earlier = counted.length - shown.length
  return {
    head: ['Epoch', 'since', 'target', 'shadow', 'jobs', 'failed', 'compared', 'differ'],
    rows: counted.length < 2 ? [] : shown.map(epochRow),
    textColumns: [1],
    ...(earlier === 0 ? {} : { rest: `and ${formatCount(earlier)} earlier` }),
  }
}

function epochRow({ epoch, startedAt, dials, latched, enqueued, failed, compared, mismatched }: EpochReport): Cell[] {
  return [
    String(epoch),
    startedAt === null ? 'the beginning' : formatTime(startedAt),
    latched ? 'latched' : formatShare(dials.target),
    formatShare(dials.shadow),
    formatCount(enqueued),
    formatCount(failed),
    formatCount(compared),
    formatShare(compared === 0 ? null : mismatched / compared),
  ]
}

function changesSection({ recent }: MigrationReport): Section {
  const rows = recent.changes
    .slice(0, CHANGES_SHOWN)
    .map(({ at, by, action, why }) => [
      formatTime(at),
      { foreign: action },
      { foreign: by },
      why === null ? '' : { foreign: why },
    ])
  return { head: ['Last changes', 'what', 'by', 'why'], rows, textColumns: [0, 1, 2, 3] }
}
