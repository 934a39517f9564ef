// The decisions of a plan's controller in the audit log, by their numbers.

import type { AuditEntry, MigrationLedger } from '../ports/ledger.ts'
import { type DecisionSnapshot, unpackSnapshot } from '../rollout/drive/snapshot.ts'
import { CutoverError } from '../vocabulary/errors.ts'

interface Decided {
  readonly decision: number
  readonly snapshot: string
}

/** Undefined: the entry is about something else. */
export function decidedIn({ data }: AuditEntry): Decided | undefined {
  const { decision, snapshot } = (data ?? {}) as Partial<Decided>
  return typeof decision === 'number' && typeof snapshot === 'string' ? { decision, snapshot } : undefined
}

/** Without what it was made from, for a list. */
export function listed({ data, ...entry }: AuditEntry): AuditEntry {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return { ...entry, data }
  const { snapshot: _snapshot, plan: _plan, ...rest } = data as Record<string, AuditEntry['data']>
  return { ...entry, data: rest }
}

export async function decisionOf(ledger: MigrationLedger, decision: number): Promise<DecisionSnapshot> {
  const entries = await ledger.history()
  const numbers: number[] = []
  for (const entry of entries) {
    const found = decidedIn(entry)
    if (found?.decision === decision) return unpackSnapshot(found.snapshot)
    if (found !== undefined) numbers.push(found.decision)
  }
  const known =
    numbers.length === 0 ? 'there is none yet' : `there are ${Math.min(...numbers)} to ${Math.max(...numbers)}`
  throw new CutoverError('usage', `${ledger.migration}: there is no decision ${decision}; ${known}`, {
    details: { migration: ledger.migration, decision },
  })
}
