// Who is there for a migration, from the heartbeats in the ledger, and is anybody missed?

import type { MigrationSettings } from '../config/resolve.ts'
import { coversRevision } from '../ports/flags.ts'
import type { PresenceRecord } from '../ports/ledger.ts'
import { formatMs, plural } from '../report/format.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'
import { failureOf } from './failure.ts'
import type { Findings } from './findings.ts'
import type { FlagView } from './flag-view.ts'
import { inspectSeenDoubts } from './inspect-doubts.ts'
import { isLive } from './processes.ts'
import type { Session } from './session.ts'

/** A clock farther than this from the ledger's makes times in logs hard to read. */
export const SKEW_NOTED_MS = 1000
/** Clocks that differ by minutes are no drift: one of them is wrong. */
export const SKEW_BAD_MS = 60_000

export async function inspectProcesses(
  session: Session,
  settings: MigrationSettings,
  flag: FlagView | undefined,
  findings: Findings,
): Promise<void> {
  const { name } = settings
  try {
    const ledger = await session.ledgerOf(settings)
    const [state, presence] = await Promise.all([ledger.control(), ledger.presence()])
    const live = presence.filter(isLive)
    const { latch } = state
    if (latch.set)
      findings.add(name, 'latch', 'warn', 'set: every job goes to legacy', `cutover unlatch ${name}, when it may go on`)
    else findings.add(name, 'latch', 'ok', 'off')
    inspectWorkers(settings, live, latch.set ? undefined : flag, findings)
    inspectProducers(settings, live, flag, findings)
    const source = await session.flags().catch(() => undefined) // why it cannot be had is told elsewhere
    const own = source?.inspect?.(settings) ?? []
    inspectSeenDoubts(
      { settings, presence, now: state.now },
      (id) => source?.finding?.(id) ?? own.find((finding) => finding.id === id),
      findings,
    )
  } catch (error) {
    findings.add(name, 'processes', 'bad', failureOf(error).message)
  }
}

/** A missing worker is bad where jobs come in for it, else a thing to know. */
function inspectWorkers(
  settings: MigrationSettings,
  live: readonly PresenceRecord[],
  flag: FlagView | undefined,
  findings: Findings,
): void {
  const produced = live.some(({ produces }) => produces)
  const target = flag?.target ?? 0
  const shadow = settings.shadowable ? (flag?.shadow ?? 0) : 0
  const gets: Readonly<Record<Side, boolean>> = { legacy: target < 1, target: target > 0 }
  const getsShadows: Readonly<Record<Side, boolean>> = {
    legacy: shadow > 0 && target > 0,
    target: shadow > 0 && target < 1,
  }
  for (const side of SIDES) {
    const versions = new Set(live.flatMap(({ works }) => works[side] ?? []))
    const workers = live.filter(({ works }) => works[side] !== undefined).length
    const of = versions.size === 0 ? '' : `, version ${[...versions].join(', ')}`
    report(findings, settings.name, `${side} workers`, { n: workers, of, needed: produced && gets[side] })
    if (!settings.shadowable) continue
    const shadowWorkers = live.filter(({ shadows }) => shadows.includes(side)).length
    report(findings, settings.name, `${side} shadow workers`, {
      n: shadowWorkers,
      of: '',
      needed: produced && getsShadows[side],
    })
  }
}

function report(
  findings: Findings,
  area: string,
  name: string,
  { n, of, needed }: { readonly n: number; readonly of: string; readonly needed: boolean },
): void {
  if (n > 0) findings.add(area, name, 'ok', `${plural(n, 'live process', 'live processes')}${of}`)
  else
    findings.add(
      area,
      name,
      needed ? 'bad' : 'warn',
      needed ? 'none, and jobs come in for them' : 'none',
      'start a worker that calls cutover.work',
    )
}

function inspectProducers(
  settings: MigrationSettings,
  live: readonly PresenceRecord[],
  flag: FlagView | undefined,
  findings: Findings,
): void {
  const { name } = settings
  const producers = live.filter(({ produces }) => produces)
  findings.add(name, 'producers', producers.length === 0 ? 'warn' : 'ok', `${producers.length} live`)
  const behind = live.filter(
    ({ flagRevision }) => flag?.revision != null && !coversRevision(flagRevision, flag.revision),
  )
  if (behind.length > 0) {
    findings.add(
      name,
      'flag values',
      'warn',
      `${behind.length} of ${plural(live.length, 'live process', 'live processes')} have other flag values than this one`,
      'wait a second; if it stays, they read another flag source',
    )
  }
  const skew = Math.max(0, ...live.map(({ skewMs }) => Math.abs(skewMs)))
  if (skew > SKEW_NOTED_MS)
    findings.add(
      name,
      'clocks',
      skew > SKEW_BAD_MS ? 'bad' : 'warn',
      `a live process is ${formatMs(skew)} away from the ledger's clock`,
      'let NTP set the clocks: jobs that it delays come due as much too early or too late',
    )
}
