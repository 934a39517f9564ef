// What is written down of a move: how many went where, how many stayed and why.

import type { MigrationLedger } from '../ports/ledger.ts'
import type { MoveResult } from './move.ts'

/** One entry `move`. */
export async function auditMove(
  ledger: MigrationLedger,
  result: MoveResult,
  who: { readonly by: string; readonly why?: string },
): Promise<void> {
  const { from, to, moved, stale, pending, complete } = result
  const left = Object.fromEntries(Object.entries(result.left).map(([reason, { count }]) => [reason, count]))
  await ledger.audit({ action: 'move', ...who, data: { from, to, moved, stale, pending, left, complete } })
}
