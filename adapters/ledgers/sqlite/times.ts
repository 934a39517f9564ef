// Times: logs of tally buckets as calls appended them, and one packed sum an epoch of those that are closed.

import { LatencySums, ratiosOf, type Times, timesOf } from '../../../src/ports/latency-log.ts'
import type { EpochRecord } from '../../../src/ports/ledger.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

interface Log {
  readonly epoch: number
  readonly closes: number
  readonly log: Uint8Array
}

/** Closed ones with their sums, and open ones apart. `epoch` undefined: all. */
export function readTimes(
  db: SqliteDb,
  mid: number,
  at: { readonly now: number; readonly epochs: readonly EpochRecord[]; readonly epoch: number | undefined },
): Times {
  const [from, to] = [at.epoch ?? 0, at.epoch ?? Number.MAX_SAFE_INTEGER]
  const closed = new Map<number, LatencySums>()
  const open = new Map<number, LatencySums>()
  for (const { epoch, sums } of db
    .sql('SELECT epoch, sums FROM ledger_time_sum WHERE mid = ? AND epoch BETWEEN ? AND ?')
    .all(mid, from, to) as unknown as readonly { epoch: number; sums: Uint8Array }[]) {
    closed.set(epoch, new LatencySums(sums))
  }
  const logs = db.sql('SELECT epoch, closes, log FROM ledger_time_log WHERE mid = ? AND epoch BETWEEN ? AND ?')
  for (const { epoch, closes, log } of logs.all(mid, from, to) as unknown as readonly Log[]) {
    const into = closes <= at.now ? closed : open
    const sums = into.get(epoch) ?? new LatencySums()
    into.set(epoch, sums.add(log, ratiosOf(at.epochs, epoch)))
  }
  return timesOf(closed, open)
}

/** Adds the logs of closed buckets to the sums of their epochs. */
export function foldTimes(db: SqliteDb, mid: number, now: number, epochs: readonly EpochRecord[]): void {
  const logs = db
    .sql('SELECT epoch, closes, log FROM ledger_time_log WHERE mid = ? AND closes <= ?')
    .all(mid, now) as unknown as readonly Log[]
  if (logs.length === 0) return
  const byEpoch = Map.groupBy(logs, ({ epoch }) => epoch)
  for (const [epoch, of] of byEpoch) {
    const stored = db.sql('SELECT sums FROM ledger_time_sum WHERE mid = ? AND epoch = ?').get(mid, epoch)
    const sums = new LatencySums(stored?.sums as Uint8Array | undefined)
    for (const { log } of of) sums.add(log, ratiosOf(epochs, epoch))
    db.sql('INSERT OR REPLACE INTO ledger_time_sum VALUES (?, ?, ?)').run(mid, epoch, sums.pack())
  }
  db.sql('DELETE FROM ledger_time_log WHERE mid = ? AND closes <= ?').run(mid, now)
}
