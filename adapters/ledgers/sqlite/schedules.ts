// Schedules: their terms, and the last tick that was fired.

import type { ScheduleLedger, ScheduleRecord, ScheduleTerms } from '../../../src/ports/schedules.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { addAudit } from './control.ts'

interface Stored {
  readonly terms: string
  readonly since: number
  readonly tick: number | null
}

function recordOf({ terms, since, tick }: Stored): ScheduleRecord {
  return { ...(JSON.parse(terms) as ScheduleTerms), since, ...(tick === null ? {} : { lastTick: tick }) }
}

export function declareSchedule(
  db: SqliteDb,
  mid: number,
  { terms, by, why }: Parameters<ScheduleLedger['declareSchedule']>[0],
): ScheduleRecord {
  const now = Date.now()
  const find = db.sql('SELECT terms, since, tick FROM ledger_schedule WHERE mid = ? AND name = ?')
  const known = find.get(mid, terms.name) as Stored | undefined
  const before = known && recordOf(known)
  const since =
    before === undefined || before.cron !== terms.cron || before.timezone !== terms.timezone ? now : before.since
  const stored = { terms: JSON.stringify(terms), since, tick: known?.tick ?? null }
  if (known?.terms === stored.terms) return recordOf(known)
  db.sql('INSERT OR REPLACE INTO ledger_schedule VALUES (?, ?, ?, ?, ?)').run(
    ...[mid, terms.name, stored.terms, since, stored.tick],
  )
  const { name, cron, timezone } = terms
  addAudit(db, mid, {
    ...{ by, action: 'schedule', data: { name, cron, timezone } },
    ...(why === undefined ? {} : { why }),
  })
  return recordOf(stored)
}

export function tickFired(db: SqliteDb, mid: number, name: string, tick: number): void {
  db.sql('UPDATE ledger_schedule SET tick = ?3 WHERE mid = ?1 AND name = ?2 AND (tick IS NULL OR tick < ?3)').run(
    mid,
    name,
    tick,
  )
}

export function removeSchedule(
  db: SqliteDb,
  mid: number,
  { name, by, why }: Parameters<ScheduleLedger['removeSchedule']>[0],
): void {
  const { changes } = db.sql('DELETE FROM ledger_schedule WHERE mid = ? AND name = ?').run(mid, name)
  if (Number(changes) === 0) return
  addAudit(db, mid, { by, action: 'unschedule', data: { name }, ...(why === undefined ? {} : { why }) })
}

export function readSchedules(db: SqliteDb, mid: number): readonly ScheduleRecord[] {
  const found = db.sql('SELECT terms, since, tick FROM ledger_schedule WHERE mid = ? ORDER BY name').all(mid)
  return (found as unknown as readonly Stored[]).map(recordOf)
}
