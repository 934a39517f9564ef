// Reads what a report is built from: one snapshot a migration, with who is there, samples and the audit log.

import { packageVersion } from '../config/package.ts'
import type { MigrationSettings } from '../config/resolve.ts'
import type { MigrationLedger } from '../ports/ledger.ts'
import { buildReport } from './build.ts'
import type { ReportModel } from './model.ts'
import type { Seen } from './rollout.ts'

const AUDIT_READ = 100

export interface ReadOptions {
  /** What a live look at flag and plan knows beyond the ledger, by migration. */
  readonly seen?: ReadonlyMap<string, Seen>
  /** Base of links to the docs (`docsBase`); null: there are none. */
  readonly docs?: string | null
}

/** `settings`: the configuration of the migrations, where it is at hand; the report tells it. */
export async function readReport(
  ledgers: readonly MigrationLedger[],
  settings: readonly MigrationSettings[] = [],
  { seen = new Map(), docs = null }: ReadOptions = {},
): Promise<ReportModel> {
  const byName = new Map(settings.map((each) => [each.name, each]))
  const ledgerSnapshots = await Promise.all(
    ledgers.map(async (ledger) => {
      const [snapshot, presence, samples, audit, drive, probes, quiet] = await Promise.all([
        ledger.snapshot(),
        ledger.presence(),
        ledger.samples(),
        ledger.history({ limit: AUDIT_READ }),
        ledger.driveState(),
        ledger.probes(),
        ledger.quiet(),
      ])
      const own = byName.get(ledger.migration)
      return {
        name: ledger.migration,
        snapshot,
        presence,
        samples,
        audit,
        drive,
        probes,
        quiet,
        ...(own && { settings: own }),
        seen: seen.get(ledger.migration) ?? {},
      }
    }),
  )
  return buildReport({ ledgerSnapshots, at: Date.now(), version: packageVersion(), docs })
}
