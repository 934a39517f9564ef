// Moves of a migration in Redis: how they are written for the scripts, and what these answer.

import type {
  DiscardAnswer,
  MoveAnswer,
  MoveNote,
  MoveRefusal,
  MoveRequest,
  RowLedger,
} from '../../../src/ports/ledger.ts'
import { codeOf, SIDE_WORDS } from './codes.ts'
import { booleans, lettered, type Port, runBatch, texts } from './port.ts'
import { ADOPTED, readRow, staticBits } from './rows.ts'
import { SCRIPTS } from './scripts.ts'
import { idArg, type Writer } from './wire.ts'

const KINDS = ['move', 'force', 'retry'] as const
const REFUSALS: Readonly<Record<string, MoveRefusal>> = {
  b: 'busy',
  d: 'in-doubt',
  e: 'effects-begun',
  f: 'finished',
  g: 'generation',
  h: 'elsewhere',
  v: 'moving',
  a: 'absent',
}

type MoveLedger = Pick<RowLedger, 'move' | 'arrive' | 'payloads' | 'moves' | 'discard'>

export function moveLedger(port: Port): MoveLedger {
  return {
    move: (requests) =>
      runBatch(port, {
        script: SCRIPTS.move,
        items: requests,
        idOf: ({ id }) => id,
        write: writeMove,
        read: readMoves,
      }),
    arrive: (requests) =>
      runBatch(port, {
        ...{ script: SCRIPTS.arrive, items: requests, read: booleans },
        idOf: ({ id }: { readonly id: string }) => id,
        write: (w, { gen }) => w.u32(gen),
      }),
    payloads: (ids) =>
      runBatch(port, {
        ...{ script: SCRIPTS.payloads, items: ids, idOf: (id: string) => id, write: () => {} },
        read: (reply) => (reply as readonly (Buffer | null)[]).map((text) => text?.toString('utf8')),
      }),
    moves: async (id) => texts(await port.run(SCRIPTS.moves, [idArg(id)])).map((text) => JSON.parse(text) as MoveNote),
    discard: async (id) => String(await port.run(SCRIPTS.end, [idArg(id), 'discard', ''])) as DiscardAnswer,
  }
}

function writeMove(w: Writer, move: MoveRequest): void {
  const { absent } = move
  w.u8(
    codeOf(SIDE_WORDS, move.from) |
      (codeOf(SIDE_WORDS, move.to) << 1) |
      (KINDS.indexOf(move.kind) << 2) |
      (absent === undefined ? 0 : 16),
  )
  w.u32(move.gen).u32(move.leaseMs).text(move.by.slice(0, 80), 1).fullId(move.id).text(move.payload, 4)
  w.u24(absent === undefined ? 0 : absentBits(absent, move.to))
    .u32(absent?.epoch ?? 0)
    .time(absent?.dueAt ?? 0)
  w.u32(absent?.maxAttempts ?? 1).u32(absent?.fails ?? 0)
}

/** What is fixed in the row of a job that had none. */
function absentBits(absent: NonNullable<MoveRequest['absent']>, side: MoveRequest['to']): number {
  const { route, adopted, fenced, reason = adopted ? 'adopted' : 'ledger-unavailable' } = absent
  return staticBits({ route, reason, fenced, group: 0, side }) | (adopted ? ADOPTED : 0)
}

function readMoves(reply: unknown): readonly MoveAnswer[] {
  const { letters, rest } = lettered(reply)
  return Array.from(letters, (letter): MoveAnswer => {
    if (letter === 'm') {
      const { gen, fails, maxAttempts, stamp } = readRow(rest).row
      return { status: 'moving', gen, fails, maxAttempts, stamp }
    }
    const why = REFUSALS[letter] ?? 'elsewhere'
    return { status: 'refused', why, ...(why === 'busy' ? { leaseUntil: rest.time() } : {}) }
  })
}
