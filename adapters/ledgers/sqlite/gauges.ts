// What is on its way, in one pass over the rows; settled ones are not among them.

import type { Gauges, LedgerSettings } from '../../../src/ports/ledger.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { BITS, STATE, VERDICT_OPEN } from './row-codec.ts'
import { rowTable } from './schema.ts'

export function readGauges(db: SqliteDb, mid: number, now: number, settings: LedgerSettings): Gauges {
  const bit = (name: keyof typeof BITS): string => `(status >> ${BITS[name]})`
  const groups = db
    .sql(
      `SELECT status & 3 AS state, ${bit('side')} & 1 AS side, count(*) AS n,
        sum(${bit('effects')} & 1 = 1 AND lease <= ?1) AS doubt, sum(${bit('lost')} & 1) AS lost,
        sum(due + ?2 < ?1) AS overdue, sum(${bit('verdict')} & 7 = ${VERDICT_OPEN}) AS pairs,
        sum(${bit('control')} & 7 = ${VERDICT_OPEN}) AS controls,
        min(CASE WHEN ${bit('ready')} & 1 = 1 THEN due END) AS ready
      FROM ${rowTable(mid)} GROUP BY 1, 2`,
    )
    .all(now, settings.deadlineMs) as unknown as readonly (Record<string, number> & { ready: number | null })[]
  const sum = (of: string, where: (group: Record<string, number>) => boolean): number =>
    groups.reduce((total, group) => total + (where(group) ? Number(group[of]) : 0), 0)
  const bySide = (
    of: string,
    state: (group: Record<string, number>) => boolean,
  ): { legacy: number; target: number } => ({
    legacy: sum(of, (group) => group.side === 0 && state(group)),
    target: sum(of, (group) => group.side === 1 && state(group)),
  })
  const is = (state: number) => (group: Record<string, number>) => group.state === state
  const unfinished = (group: Record<string, number>): boolean => group.state !== STATE.finished
  const ready = groups.flatMap((group) => (group.ready === null ? [] : [group.ready]))
  return {
    waiting: bySide('n', is(STATE.open)),
    running: bySide('n', is(STATE.running)),
    moving: sum('n', is(STATE.moving)),
    inDoubt: bySide('doubt', is(STATE.running)),
    lost: bySide('lost', unfinished),
    overdue: sum('overdue', unfinished),
    pairsOpen: sum('pairs', () => true),
    controlsOpen: sum('controls', () => true),
    oldestReadyAt: ready.length === 0 ? null : Math.floor(Math.min(...ready) / 1000) * 1000,
  }
}
