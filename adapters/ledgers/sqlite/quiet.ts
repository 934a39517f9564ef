// Since when a side has been seen empty.

import type { Quiet } from '../../../src/ports/drain.ts'
import type { Side } from '../../../src/vocabulary/job.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

export function noteQuiet(db: SqliteDb, mid: number, side: Side, print: string | undefined): Quiet | undefined {
  if (print === undefined) {
    db.sql('DELETE FROM ledger_quiet WHERE mid = ? AND side = ?').run(mid, side)
    return undefined
  }
  const known = readQuiet(db, mid)[side]
  if (known?.print === print) return known
  const since = Date.now()
  db.sql('INSERT OR REPLACE INTO ledger_quiet VALUES (?, ?, ?, ?)').run(mid, side, since, print)
  return { print, since }
}

export function readQuiet(db: SqliteDb, mid: number): Readonly<Partial<Record<Side, Quiet>>> {
  const found = db.sql('SELECT side, since, print FROM ledger_quiet WHERE mid = ?').all(mid)
  return Object.fromEntries(
    found.map(({ side, since, print }) => [side as Side, { print: String(print), since: Number(since) }]),
  )
}
