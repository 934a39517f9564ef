// What happened in each migration? Builds the report from what the ledger holds, and from nothing else.
//
// Pure: the same snapshots give the same report. A snapshot must be of all epochs, since the gauges are.

import type { MigrationSettings } from '../config/resolve.ts'
import type { Quiet } from '../ports/drain.ts'
import { coversRevision } from '../ports/flags.ts'
import type { AuditEntry, DriveState, PresenceRecord, Sample, Snapshot } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import { mcpCounts } from '../rollout/mcp-counts.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'
import type { StoredProbe } from '../vocabulary/probe.ts'
import { configurationReport } from './configuration.ts'
import { errorsReport } from './errors.ts'
import { bySide, jobsReport, routesReport, sideReport } from './jobs.ts'
import { latencyReport } from './latencies.ts'
import { contradictionsOf } from './laws.ts'
import { mcpReport } from './mcp.ts'
import {
  type ChangeReport,
  type EpochReport,
  type FlagReport,
  type LatchReport,
  type MigrationReport,
  type ProcessesReport,
  REPORT_SCHEMA,
  type RecentReport,
  type ReportModel,
} from './model.ts'
import { drainReport, movesReport } from './moves.ts'
import { comparisonsReport, differencesReport, noiseReport } from './pairs.ts'
import { redactDeep } from './redact.ts'
import { rolloutReport, type Seen } from './rollout.ts'
import { readableGauges, type SummedBuckets, Sums, sumBuckets } from './sums.ts'
import { evidenceReport, timelineReport } from './timeline.ts'
import { verdictOf } from './verdict.ts'

/** What one migration's ledger answers: `snapshot()`, `presence()`, `samples()` and `history()`. */
export interface LedgerSnapshot {
  readonly name: string
  readonly snapshot: Snapshot
  readonly presence: readonly PresenceRecord[]
  readonly samples: readonly Sample[]
  readonly audit: readonly AuditEntry[]
  /** `quiet()`. */
  readonly quiet?: Readonly<Partial<Record<Side, Quiet>>>
  /** The configuration, where it is at hand. */
  readonly settings?: MigrationSettings
  /** `driveState()`; absent: no plan was ever driven. */
  readonly drive?: DriveState
  /** `probes()`. */
  readonly probes?: readonly StoredProbe[]
  readonly seen?: Seen
}

const RECENT = 10

/** `at`: when the report is made, ms since 1970; `version` of cutover; `docs`: base of its docs. Secrets are out of the model before any view. */
export function buildReport(input: {
  readonly ledgerSnapshots: readonly LedgerSnapshot[]
  readonly at: number
  readonly version?: string
  readonly docs?: string | null
}): ReportModel {
  const { ledgerSnapshots, at, version = 'unknown', docs = null } = input
  const migrations = ledgerSnapshots.map(migrationReport)
  return redactDeep({ schema: REPORT_SCHEMA, at: isoTime(at), cutover: version, docs, migrations }) as ReportModel
}

function migrationReport({
  name,
  snapshot,
  presence,
  samples,
  audit,
  quiet = {},
  settings,
  drive,
  probes = [],
  seen = {},
}: LedgerSnapshot): MigrationReport {
  const { control } = snapshot
  const gauges = readableGauges(snapshot.gauges)
  const summed = sumBuckets(snapshot.buckets)
  const sums = summed.all
  const live = presence.filter((process) => !process.gone)
  const comparisons = comparisonsReport(sums, gauges)
  const noise = noiseReport(sums, gauges, snapshot.differences)
  const numbers = {
    jobs: jobsReport(sums, gauges),
    routes: routesReport(sums),
    sides: bySide((side) => sideReport(side, sums, gauges, live)),
    comparisons,
    noise,
    differences: differencesReport(snapshot.differences, comparisons.compared, noise),
    errors: errorsReport(sums),
    latency: latencyReport(snapshot.histograms),
  }
  const facts = {
    name,
    asOf: isoTime(snapshot.now),
    since: sinceWhen(snapshot, summed),
    contradictions: contradictionsOf(numbers, sums, snapshot),
    dials: { ...control.epoch.dials, control: control.controlShare },
    latch: latchReport(snapshot),
    ceiling: control.ceiling,
    flag: flagReport(snapshot, live),
    ...numbers,
    processes: processesReport(snapshot, { all: presence, live, clockJumps: sums.of(MEASURES.clockJumped) }),
    epochs: epochsReport(snapshot, summed),
    recent: recentReport(samples, audit),
    rollout:
      drive === undefined
        ? null
        : rolloutReport({ snapshot, presence, drive }, { ...mcpSeen(probes, settings), ...seen }),
    mcp: mcpReport(probes),
    moves: movesReport(audit),
    drain: drainReport({ snapshot, gauges, quiet, settings }),
    timeline: timelineReport(snapshot.buckets),
    evidence: evidenceReport(snapshot.buckets, comparisons.interval),
    audit: audit.map(changeReport),
    configuration: settings === undefined ? null : configurationReport(settings),
  }
  return { ...facts, verdict: verdictOf(facts) }
}

/** What the gates of a driven plan read of the probes. */
function mcpSeen(probes: readonly StoredProbe[], settings: MigrationSettings | undefined): Pick<Seen, 'mcp'> {
  const servers = settings?.mcp?.servers.map(({ name }) => name)
  return servers === undefined && probes.length === 0 ? {} : { mcp: mcpCounts(probes, servers) }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

/** Start of the first epoch; for counts from before any epoch was opened, the start of their first bucket. */
function sinceWhen({ epochs }: Snapshot, { firstStart }: SummedBuckets): string | null {
  const started = new Map(
    epochs.filter(({ startedAt }) => startedAt > 0).map((record) => [record.epoch, record.startedAt]),
  )
  const unopened = [...firstStart].filter(([epoch]) => !started.has(epoch)).map(([, start]) => start)
  const earliest = [...started.values(), ...unopened].reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  return Number.isFinite(earliest) ? isoTime(earliest) : null
}

function latchReport({ control: { latch } }: Snapshot): LatchReport {
  return {
    set: latch.set,
    by: latch.by ?? null,
    why: latch.why ?? null,
    at: latch.at === undefined ? null : isoTime(latch.at),
  }
}

function flagReport({ control }: Snapshot, live: readonly PresenceRecord[]): FlagReport {
  const producers = live.filter((process) => process.produces)
  const states = new Map<string, number>()
  for (const { flagHealth } of producers) states.set(flagHealth, (states.get(flagHealth) ?? 0) + 1)
  const degraded = [...states.keys()].some((state) => state !== 'ok')
  return {
    revision: control.epoch.flagRevision,
    health: producers.length === 0 ? 'unknown' : degraded ? 'degraded' : 'ok',
    states: [...states].map(([state, count]) => ({ state, producers: count })),
    behind: producers.filter((process) => !coversRevision(process.flagRevision, control.epoch.flagRevision)).length,
  }
}

function processesReport(
  { control }: Snapshot,
  {
    all,
    live,
    clockJumps,
  }: {
    readonly all: readonly PresenceRecord[]
    readonly live: readonly PresenceRecord[]
    readonly clockJumps: number
  },
): ProcessesReport {
  const producers = live.filter((process) => process.produces)
  return {
    live: live.length,
    producers: producers.length,
    gone: all.length - live.length,
    inFlight: live.reduce((sum, process) => sum + process.inFlight, 0),
    latchBehind: producers.filter((process) => process.latchRevision < control.latch.revision).length,
    maxSkewMs: live.reduce((max, process) => Math.max(max, Math.abs(process.skewMs)), 0),
    clockJumps,
  }
}

function epochsReport({ epochs, control }: Snapshot, { byEpoch }: SummedBuckets): EpochReport[] {
  const known = new Map([...epochs, control.epoch].map((record) => [record.epoch, record]))
  return [...known.values()]
    .sort((a, b) => a.epoch - b.epoch)
    .map(({ epoch, startedAt, dials, latched, versions, by }) => {
      const sums = byEpoch.get(epoch) ?? new Sums(new Map())
      const per = (measure: (side: 'legacy' | 'target') => string): number =>
        SIDES.reduce((sum, side) => sum + sums.of(measure(side)), 0)
      const mismatched = sums.of(MEASURES.compared('pair', 'mismatched'))
      return {
        epoch,
        startedAt: startedAt > 0 ? isoTime(startedAt) : null,
        dials,
        latched,
        versions,
        by,
        enqueued: per(MEASURES.dispatched),
        done: per((side) => MEASURES.settled('ok', side)),
        failed:
          per((side) => MEASURES.settled('failed', side)) + per((side) => MEASURES.settled('backend-failed', side)),
        compared: sums.of(MEASURES.compared('pair', 'matched')) + mismatched,
        mismatched,
      }
    })
}

function recentReport(samples: readonly Sample[], audit: readonly AuditEntry[]): RecentReport {
  return {
    mismatches: [...samples]
      .sort((a, b) => b.at - a.at)
      .slice(0, RECENT)
      .map(({ id, which, at, epoch, comparison }) => {
        return { id, which, at: isoTime(at), epoch, differences: comparison.differenceCount }
      }),
    changes: audit.slice(0, RECENT).map(changeReport),
  }
}

function changeReport({ at, by, action, why }: AuditEntry): ChangeReport {
  return { at: isoTime(at), by, action, why: why ?? null }
}
