// Heartbeats of processes, and leases that one of them holds at a time.

import { PRESENCE_TTL_MS, type Presence, type PresenceRecord } from '../../../src/ports/ledger.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

export function writePresence(db: SqliteDb, mid: number, presence: Presence, gone: boolean): void {
  const replace = db.sql('INSERT OR REPLACE INTO ledger_presence VALUES (?, ?, ?, ?, ?)')
  replace.run(mid, presence.instance, Date.now(), gone ? 1 : 0, JSON.stringify(presence))
}

export function readPresence(db: SqliteDb, mid: number, retainMs: number): readonly PresenceRecord[] {
  const now = Date.now()
  const records = db
    .sql('SELECT at, gone, presence FROM ledger_presence WHERE mid = ?')
    .all(mid) as unknown as readonly { at: number; gone: number; presence: string }[]
  return records
    .map(({ at, gone, presence }) => ({
      ...(JSON.parse(presence) as Presence),
      at,
      gone: gone === 1 || at + PRESENCE_TTL_MS < now,
    }))
    .filter(({ at, gone }) => !gone || at + retainMs >= now)
}

export function forgetPresence(db: SqliteDb, mid: number, now: number, retainMs: number): void {
  db.sql('DELETE FROM ledger_presence WHERE mid = ?1 AND at < ?2 AND (gone = 1 OR at < ?3)').run(
    ...[mid, now - retainMs, now - Math.max(retainMs, PRESENCE_TTL_MS)],
  )
  db.sql('DELETE FROM ledger_lease WHERE mid = ? AND until < ?').run(mid, now - retainMs)
}

export interface LeaseAnswer {
  readonly held: boolean
  readonly holder: string
  readonly until: number
}

export function acquireLease(
  db: SqliteDb,
  mid: number,
  request: { readonly name: string; readonly holder: string; readonly ttlMs: number },
): LeaseAnswer {
  const { name, holder, ttlMs } = request
  const now = Date.now()
  const known = db.sql('SELECT holder, until FROM ledger_lease WHERE mid = ? AND name = ?').get(mid, name) as
    | { holder: string; until: number }
    | undefined
  if (known !== undefined && known.holder !== holder && known.until > now) return { held: false, ...known }
  const until = now + ttlMs
  db.sql('INSERT OR REPLACE INTO ledger_lease VALUES (?, ?, ?, ?)').run(mid, name, holder, until)
  return { held: true, holder, until }
}

export function releaseLease(db: SqliteDb, mid: number, name: string, holder: string): void {
  db.sql('DELETE FROM ledger_lease WHERE mid = ? AND name = ? AND holder = ?').run(mid, name, holder)
}
