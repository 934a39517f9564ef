// Who reads a queue besides the workers that the ledger knows of, and may jobs be taken out of it?

import type { MigrationSettings } from '../config/resolve.ts'
import type { PresenceRecord } from '../ports/ledger.ts'
import type { Queue } from '../ports/queue.ts'
import { plural } from '../report/format.ts'
import type { Side } from '../vocabulary/job.ts'
import type { Findings } from './findings.ts'
import { isLive } from './processes.ts'

export async function inspectReaders(
  { name }: MigrationSettings,
  side: Side,
  queue: Queue,
  presence: readonly PresenceRecord[],
  findings: Findings,
): Promise<void> {
  const readers = await queue.readers?.()
  const ours = presence.filter((record) => isLive(record) && record.works[side] !== undefined).length
  // a process may have several workers, so that fewer processes than readers is a question, not a fault
  if (readers !== undefined && readers > ours) {
    findings.add(
      name,
      `${side} readers`,
      'warn',
      `${plural(readers, 'worker reads', 'workers read')} ${queue.kind} "${queue.name}", ${plural(ours, 'process', 'processes')} with cutover ${ours === 1 ? 'works' : 'work'} on it`,
      'is one of them without cutover? It asks no fence: stop it before producers stamp, see docs/rollout.md',
    )
  }
  const movable = await queue.movable()
  if (!movable.ok) findings.add(name, `${side} moving`, 'warn', `jobs cannot be moved away: ${movable.reason}`)
}
