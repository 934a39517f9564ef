// What may an operator do with a job, by where it stands? One pure table; everything else here only carries it out.

import type { JobRow } from '../ports/ledger.ts'
import type { ParkReason } from '../ports/queue.ts'
import { isFailed, isInDoubt } from '../ports/row-rules.ts'

export type Operation = 'force' | 'retry' | 'discard'

export type JobCase =
  | 'waiting'
  | 'running'
  /** Its worker went away after its effects had begun. */
  | 'in-doubt'
  /** Its worker went away before any effect. */
  | 'interrupted'
  | 'moving'
  /** Nobody goes on with its move. */
  | 'stuck'
  | 'lost'
  | 'done'
  | 'failed'
  | 'cancelled'
  | `parked-${ParkReason}`

/** `parked`: why a copy of it lies in a park list, where one does. */
export function caseOf(row: JobRow | undefined, parked: ParkReason | undefined, now: number): JobCase | undefined {
  if (row?.state === 'finished') return row.class === 'ok' ? 'done' : isFailed(row) ? 'failed' : 'cancelled'
  if (row?.state === 'moving') return row.leaseUntil > now ? 'moving' : 'stuck'
  if (row?.state === 'running' && row.leaseUntil > now) return 'running'
  if (parked !== undefined) return `parked-${parked}`
  if (row === undefined) return undefined
  if (row.lostAt !== undefined) return 'lost'
  if (isInDoubt(row, now)) return 'in-doubt'
  return row.state === 'running' ? 'interrupted' : 'waiting'
}

/**
 * How an operation is carried out. `move`: the ledger takes it out of where it is, and a copy of the next generation is
 * enqueued. `unpark`: the copy goes back to waiting as it is. `close`: the row ends as cancelled, copies are removed.
 * `drop`: the parked copy is removed. `note`: nothing is left to be done but the audit entry.
 */
export type Way = 'move' | 'unpark' | 'close' | 'drop' | 'note'
export type Rule = { readonly way: Way } | { readonly refused: string }

const move: Rule = { way: 'move' }
const unpark: Rule = { way: 'unpark' }
const close: Rule = { way: 'close' }
const drop: Rule = { way: 'drop' }
const no = (refused: string): Rule => ({ refused })

const RUNS = no('a worker is running it: wait for its end, or for the end of its lease')
const ENDED = no('it has ended well; there is nothing to do')
const CANCELLED = no('it was cancelled; enqueue it again under another id')
const MOVES = no('it is being moved: look again in a moment')
const TAKEN = no('a mover has taken it; the sweeper goes on with it, or puts it back')
const DOUBT = no('nobody knows how far its effects have got: look at them, then cutover force')

const RULES: Readonly<Record<JobCase, Readonly<Record<Operation, Rule>>>> = {
  waiting: { force: move, retry: no('it has not ended: it waits for a worker'), discard: close },
  running: { force: RUNS, retry: RUNS, discard: RUNS },
  'in-doubt': { force: move, retry: DOUBT, discard: close },
  interrupted: { force: move, retry: no('its queue delivers it again by itself'), discard: close },
  moving: { force: MOVES, retry: MOVES, discard: MOVES },
  stuck: { force: move, retry: no('its move does not come to its end: cutover force'), discard: close },
  lost: { force: move, retry: no('no queue has a copy of it: discard it, and enqueue it again'), discard: close },
  done: { force: ENDED, retry: ENDED, discard: ENDED },
  failed: { force: no('it has ended: cutover retry runs it again'), retry: move, discard: { way: 'note' } },
  cancelled: { force: CANCELLED, retry: CANCELLED, discard: { way: 'note' } },
  'parked-late': {
    force: no('the ledger does not know it any more: cutover retry runs it'),
    retry: move,
    discard: drop,
  },
  'parked-newer': {
    force: no('a newer version of cutover wrote it: update this process'),
    retry: unpark,
    discard: drop,
  },
  'parked-damaged': {
    force: no('its stamp cannot be read: retry puts it back as it is'),
    retry: unpark,
    discard: drop,
  },
  'parked-deferred': { force: move, retry: unpark, discard: drop },
  'parked-moving': { force: TAKEN, retry: TAKEN, discard: TAKEN },
}

export function ruleOf(jobCase: JobCase, operation: Operation): Rule {
  return RULES[jobCase][operation]
}

/** The words for a case, for people. */
export const CASE_WORDS: Readonly<Record<JobCase, string>> = {
  waiting: 'waiting',
  running: 'running',
  'in-doubt': 'in doubt',
  interrupted: 'left by its worker, before any effect',
  moving: 'being moved',
  stuck: 'stuck in a move',
  lost: 'lost',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  'parked-late': 'parked: it came after the ledger had forgotten it',
  'parked-newer': 'parked: a newer version wrote it',
  'parked-damaged': 'parked: its stamp cannot be read',
  'parked-deferred': 'parked until it is due again',
  'parked-moving': 'parked for a move',
}
