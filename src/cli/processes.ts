// Who is there, from the heartbeats in the ledger, and who has obeyed the latch?

import { setTimeout as delay } from 'node:timers/promises'
import type { MigrationLedger, PresenceRecord } from '../ports/ledger.ts'
import type { Side } from '../vocabulary/job.ts'

export interface ProcessView {
  readonly pid: number
  readonly host: string
  readonly startedAt: string
  readonly heardAt: string
  readonly produces: boolean
  /** Handler versions by the sides that it works on. */
  readonly works: Readonly<Partial<Record<Side, string>>>
  readonly shadows: readonly Side[]
  readonly flagRevision: string
  readonly flagHealth: string
  readonly latchRevision: number
  readonly inFlight: number
  readonly skewMs: number
}

export function isLive({ gone }: PresenceRecord): boolean {
  return !gone
}

export function viewProcess(record: PresenceRecord): ProcessView {
  const { pid, host, produces, works, shadows, flagRevision, flagHealth, latchRevision, inFlight, skewMs } = record
  return {
    ...{ pid, host, startedAt: iso(record.startedAt), heardAt: iso(record.at), produces, works, shadows },
    ...{ flagRevision, flagHealth, latchRevision, inFlight, skewMs },
  }
}

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}

/** What a process does, in words: `produces, works on legacy (1), shadows of target`. */
export function dutiesOf({ produces, works, shadows }: Pick<ProcessView, 'produces' | 'works' | 'shadows'>): string {
  const duties = [
    ...(produces ? ['produces'] : []),
    ...Object.entries(works).map(([side, version]) => `works on ${side} (version ${version})`),
    ...shadows.map((side) => `shadows on ${side}`),
  ]
  return duties.length === 0 ? 'looks on' : duties.join(', ')
}

export interface Obedience {
  /** Live producers that have seen this revision of the latch. */
  readonly obeyed: number
  readonly producers: number
  /** Enqueues that live producers had under way. */
  readonly inFlight: number
  readonly behind: readonly string[]
}

const LOOK_EVERY_MS = 100

/** Waits until every live producer has seen the latch at `revision`, at most `waitMs`. */
export async function awaitObedience(ledger: MigrationLedger, revision: number, waitMs: number): Promise<Obedience> {
  const until = performance.now() + waitMs
  for (;;) {
    const producers = (await ledger.presence()).filter((record) => isLive(record) && record.produces)
    const behind = producers.filter(({ latchRevision }) => latchRevision < revision)
    if (behind.length === 0 || performance.now() >= until) {
      return {
        obeyed: producers.length - behind.length,
        producers: producers.length,
        inFlight: producers.reduce((sum, record) => sum + record.inFlight, 0),
        behind: behind.map(({ host, pid }) => `${host}:${pid}`),
      }
    }
    await delay(LOOK_EVERY_MS)
  }
}
