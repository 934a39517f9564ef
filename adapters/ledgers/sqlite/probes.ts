// What probes of MCP servers found: the newest of each server and place.

import { PROBES_KEPT, type ProbeRecord, type StoredProbe } from '../../../src/vocabulary/probe.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

export function noteProbe(db: SqliteDb, mid: number, probe: ProbeRecord): void {
  const { server, place, id } = probe
  db.sql(
    `INSERT INTO ledger_probe (mid, server, place, id, at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
     ON CONFLICT (mid, server, place, id) DO UPDATE SET at = ?5, record = ?6`,
  ).run(mid, server, place, id, Date.now(), JSON.stringify(probe))
  db.sql(
    `DELETE FROM ledger_probe WHERE mid = ?1 AND server = ?2 AND place = ?3 AND seq <= (SELECT seq FROM ledger_probe
     WHERE mid = ?1 AND server = ?2 AND place = ?3 ORDER BY seq DESC LIMIT 1 OFFSET ?4)`,
  ).run(mid, server, place, PROBES_KEPT)
}

export function readProbes(db: SqliteDb, mid: number): readonly StoredProbe[] {
  const records = db
    .sql('SELECT at, record FROM ledger_probe WHERE mid = ? ORDER BY server, place, seq')
    .all(mid) as unknown as readonly { at: number; record: string }[]
  return records.map(({ at, record }) => ({ ...(JSON.parse(record) as ProbeRecord), at }))
}
