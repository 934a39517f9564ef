// What a job that is moved leaves beside its row: its payload until it has arrived, and a note of each move.

import type { MoveAnswer, MoveNote, MoveRequest } from '../../../src/ports/ledger.ts'
import { move } from '../../../src/ports/move-rules.ts'
import type { SqliteDb } from '../../sqlite-file.ts'
import { keyOf } from './row-codec.ts'
import type { Unit } from './unit.ts'

export function moveOne(unit: Unit, request: MoveRequest): MoveAnswer {
  let committed = false
  const answer = unit.change(request.id, (row, env) => {
    const change = move(row, request, env)
    committed = change.row !== undefined
    return change
  })
  if (!committed || answer.status !== 'moving') return answer
  const { db, mid, key, env } = unit
  db.sql('UPDATE ledger_move SET until = NULL WHERE mid = ? AND id = ?').run(mid, key)
  db.sql('INSERT OR REPLACE INTO ledger_moving VALUES (?, ?, ?)').run(mid, key, request.payload)
  const { kind, from, to, by } = request
  const note: Omit<MoveNote, 'at' | 'gen'> = { kind, from, to, by }
  const add = db.sql('INSERT OR REPLACE INTO ledger_move VALUES (?, ?, ?, ?, ?, NULL)')
  add.run(mid, key, answer.gen, env.now, JSON.stringify(note))
  return answer
}

/** Of the row in hand: it moves no more. */
export function dropPayload({ db, mid, key }: Pick<Unit, 'db' | 'mid' | 'key'>): void {
  db.sql('DELETE FROM ledger_moving WHERE mid = ? AND id = ?').run(mid, key)
}

export function readPayload(db: SqliteDb, mid: number, id: string): string | undefined {
  const found = db.sql('SELECT payload FROM ledger_moving WHERE mid = ? AND id = ?').get(mid, keyOf(id))
  return found === undefined ? undefined : String(found.payload)
}

export function readMoves(db: SqliteDb, mid: number, id: string): readonly MoveNote[] {
  const found = db
    .sql('SELECT gen, at, note FROM ledger_move WHERE mid = ? AND id = ? ORDER BY gen')
    .all(mid, keyOf(id))
  return found.map(({ gen, at, note }) => ({
    at: Number(at),
    gen: Number(gen),
    ...(JSON.parse(String(note)) as Omit<MoveNote, 'at' | 'gen'>),
  }))
}

/** Of the row in hand, which has just been settled: its notes go when it does. */
export function keepMoves({ db, mid, key }: Pick<Unit, 'db' | 'mid' | 'key'>, until: number): void {
  db.sql('UPDATE ledger_move SET until = ? WHERE mid = ? AND id = ?').run(until, mid, key)
}

export function forgetMoves(db: SqliteDb, mid: number, now: number): void {
  db.sql('DELETE FROM ledger_move WHERE mid = ? AND until < ?').run(mid, now)
}
