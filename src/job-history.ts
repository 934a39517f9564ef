// What happened to one job, in order: from the ledger's row, the notes of its moves, the audit log and the park lists.

import type { ParkedCopy } from './backlog/find-job.ts'
import type { AuditEntry, FinishClass, JobRow, MigrationLedger, MoveKind, PresenceRecord } from './ports/ledger.ts'
import type { ParkReason } from './ports/queue.ts'
import type { DecisionReason, Route, Side } from './vocabulary/job.ts'

/** `at`: ms since 1970 on the ledger's clock, of a parked copy on its queue's. */
export type JobEvent = { readonly at: number } & (
  | {
      readonly kind: 'enqueued'
      readonly route: Route
      readonly reason: DecisionReason
      /** `host:pid`, while the ledger remembers that process. */
      readonly by?: string
    }
  /** The first run began; later ones are counted, not timed. */
  | { readonly kind: 'started' }
  | {
      readonly kind: 'moved'
      readonly how: MoveKind
      readonly from: Side
      readonly to: Side
      readonly generation: number
      readonly by: string
    }
  /** The sweeper found no copy. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'parked'; readonly side: Side; readonly reason: ParkReason }
  | { readonly kind: 'ended'; readonly as: FinishClass }
  /** An operator's word on this very job. */
  | { readonly kind: 'audited'; readonly action: string; readonly by: string; readonly why?: string }
)

/** Audit entries that are searched for the job, newest first. */
const AUDIT_SEARCHED = 10_000

export async function jobEvents(
  ledger: MigrationLedger,
  id: string,
  row: JobRow | undefined,
  parked: ParkedCopy | undefined,
): Promise<readonly JobEvent[]> {
  const [moves, entries, processes] = await Promise.all([
    ledger.moves(id),
    ledger.history({ limit: AUDIT_SEARCHED }),
    row?.producer === undefined ? [] : ledger.presence(),
  ])
  const events: JobEvent[] = [
    ...(row === undefined ? [] : rowEvents(row, processes)),
    // before the moves: of the same ms, an operator's word comes first
    ...entries.filter((entry) => isAbout(entry, id)).map(auditEvent),
    ...moves.map(
      ({ at, kind, from, to, gen, by }): JobEvent => ({ at, kind: 'moved', how: kind, from, to, generation: gen, by }),
    ),
    ...(parked === undefined ? [] : [parkedEvent(parked)]),
  ]
  return events.sort((a, b) => a.at - b.at)
}

function rowEvents(row: JobRow, processes: readonly PresenceRecord[]): JobEvent[] {
  const { stamp, pinnedAt, producer, startedAt, lostAt, finishedAt } = row
  const process = processes.find(({ instance }) => instance === producer)
  const by = process === undefined ? {} : { by: `${process.host}:${process.pid}` }
  return [
    { at: pinnedAt, kind: 'enqueued', route: stamp.route, reason: stamp.reason, ...by },
    ...(startedAt === undefined ? [] : [{ at: startedAt, kind: 'started' } as const]),
    ...(lostAt === undefined ? [] : [{ at: lostAt, kind: 'lost' } as const]),
    ...(finishedAt === undefined ? [] : [{ at: finishedAt, kind: 'ended', as: row.class ?? 'ok' } as const]),
  ]
}

function parkedEvent({ side, job }: ParkedCopy): JobEvent {
  return { at: job.parkedAt, kind: 'parked', side, reason: job.reason }
}

function isAbout({ data }: AuditEntry, id: string): boolean {
  return typeof data === 'object' && data !== null && !Array.isArray(data) && (data as { id?: unknown }).id === id
}

function auditEvent({ at, action, by, why }: AuditEntry): JobEvent {
  return { at, kind: 'audited', action, by, ...(why === undefined ? {} : { why }) }
}
