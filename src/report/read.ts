// Reads what a report is built from: one snapshot a migration, with who is there, samples and the audit log.

import type { MigrationLedger } from '../ports/ledger.ts'
import { buildReport } from './build.ts'
import type { ReportModel } from './model.ts'

const AUDIT_SHOWN = 20

export async function readReport(ledgers: readonly MigrationLedger[]): Promise<ReportModel> {
  const ledgerSnapshots = await Promise.all(
    ledgers.map(async (ledger) => {
      const [snapshot, presence, samples, audit] = await Promise.all([
        ledger.snapshot(),
        ledger.presence(),
        ledger.samples(),
        ledger.history({ limit: AUDIT_SHOWN }),
      ])
      return { name: ledger.migration, snapshot, presence, samples, audit }
    }),
  )
  return buildReport({ ledgerSnapshots, at: Date.now() })
}
