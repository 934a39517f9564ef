// Is a side drained? What is in its queue and in the ledger, what producers still have under way, and for how long all of
// that has been nothing. A proof of docs/protocol.md, rollback and completion: reading is IO, judging is pure.

import { ENQUEUE_TIMEOUT_MS, type MigrationSettings } from '../config/resolve.ts'
import type { Quiet } from '../ports/drain.ts'
import type { MigrationLedger, PresenceRecord, Snapshot } from '../ports/ledger.ts'
import type { Queue, QueueCounts } from '../ports/queue.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'

/** A worker or mover that is silent for longer than this is not stalled but gone, whatever its backend calls it. */
const LEAST_WINDOW_MS = 60_000

/** For how long a side has to be empty: longer than anything may stall that could still put a job there. */
export function drainWindowMs({ leaseMs, timeoutMs }: Pick<MigrationSettings, 'leaseMs' | 'timeoutMs'>): number {
  return Math.max(LEAST_WINDOW_MS, 2 * leaseMs, 2 * timeoutMs, 3 * ENQUEUE_TIMEOUT_MS)
}

/** Of rows that have not ended. */
export interface UnfinishedRows {
  readonly waiting: number
  readonly running: number
  /** Under way between the sides: they count on both. */
  readonly moving: number
  readonly inDoubt: number
  readonly lost: number
}

export interface ProducerState {
  /** `host:pid`. */
  readonly process: string
  readonly latchRevision: number
  /** It has not told yet that it has seen the latch as it stands now. */
  readonly behind: boolean
  /** Enqueues under way when it last told. */
  readonly inFlight: number
  /** It has gone without a word, and what it had under way may still arrive. */
  readonly gone: boolean
}

export interface SideDrain {
  readonly side: Side
  /** Undefined: the queue could not be asked, `untold` says why. */
  readonly queue?: QueueCounts
  readonly untold?: string
  readonly rows: UnfinishedRows
  /** Nothing is left there, as far as is known; why not, otherwise. */
  readonly left: readonly string[]
  /** Since when it has been seen empty, with nothing sent there since; ms on the ledger's clock. */
  readonly emptySince?: number
  readonly windowMs: number
  /** Nothing is left, nothing is under way, for longer than the window. */
  readonly drained: boolean
}

export interface DrainProof {
  readonly now: number
  readonly producers: readonly ProducerState[]
  readonly sides: Readonly<Record<Side, SideDrain>>
}

export interface DrainFacts {
  readonly snapshot: Snapshot
  readonly presence: readonly PresenceRecord[]
  readonly quiet: Readonly<Partial<Record<Side, Quiet>>>
  readonly queues: Readonly<Record<Side, QueueCounts | { readonly untold: string }>>
  readonly windowMs: number
}

export function judgeDrain(facts: DrainFacts): DrainProof {
  const producers = producerStates(facts)
  const side = (name: Side): SideDrain => judgeSide(name, facts, producers)
  return { now: facts.snapshot.now, producers, sides: { legacy: side('legacy'), target: side('target') } }
}

/** Those that live, and those whose last enqueues may still be on their way. */
function producerStates({ snapshot, presence }: DrainFacts): readonly ProducerState[] {
  const { revision } = snapshot.control.latch
  return presence
    .filter(({ produces, gone, inFlight, at }) => {
      return produces && (!gone || (inFlight > 0 && at + ENQUEUE_TIMEOUT_MS > snapshot.now))
    })
    .map(({ host, pid, latchRevision, inFlight, gone }) => {
      return { process: `${host}:${pid}`, latchRevision, behind: latchRevision < revision, inFlight, gone }
    })
}

function judgeSide(side: Side, facts: DrainFacts, producers: readonly ProducerState[]): SideDrain {
  const { snapshot, quiet, queues, windowMs } = facts
  const { waiting, running, moving, inDoubt, lost } = snapshot.gauges
  const rows = {
    ...{ waiting: waiting[side], running: running[side], moving },
    ...{ inDoubt: inDoubt[side], lost: lost[side] },
  }
  const asked = queues[side]
  const queue = 'untold' in asked ? undefined : asked
  const left = [
    ...('untold' in asked ? [`its queue cannot be asked: ${asked.untold}`] : queueLeft(asked)),
    ...rowsLeft(rows),
    ...producers.flatMap((producer) => producerLeft(producer)),
  ]
  const noted = quiet[side]
  const since = left.length === 0 && noted?.print === printOf(snapshot, side) ? noted.since : undefined
  return {
    side,
    ...('untold' in asked ? { untold: asked.untold } : {}),
    ...(queue === undefined ? {} : { queue }),
    rows,
    left,
    ...(since === undefined ? {} : { emptySince: since }),
    windowMs,
    // a look that is the first is noted a little after its own reading
    drained: since !== undefined && Math.max(0, snapshot.now - since) >= windowMs,
  }
}

/** `retrying` is a part of those waiting and delayed, `stalled` of those running. */
function queueLeft({
  waiting,
  delayed,
  running,
  parked,
  retrying = 0,
  stalled = 0,
  others = 0,
}: QueueCounts): string[] {
  const some = (n: number, what: string): string[] => (n === 0 ? [] : [`${n} ${what}`])
  // jobs of other names in the same queue are nobody's concern here
  if (waiting + delayed + running - others <= 0 && parked === 0) return []
  return [
    ...some(waiting, 'waiting in its queue'),
    ...some(delayed, 'delayed in its queue'),
    ...some(running, 'running in its queue'),
    ...some(retrying, 'of these to be tried again'),
    ...some(stalled, 'of these with a worker that gives no sign'),
    ...some(others, 'of these of other names'),
    ...some(parked, 'parked'),
  ]
}

function rowsLeft({ waiting, running, moving, inDoubt, lost }: UnfinishedRows): string[] {
  const unfinished = waiting + running + moving
  if (unfinished === 0) return []
  const parts = [
    ...(moving > 0 ? [`${moving} moving`] : []),
    ...(inDoubt > 0 ? [`${inDoubt} in doubt`] : []),
    ...(lost > 0 ? [`${lost} lost`] : []),
  ]
  return [`${unfinished} not ended in the ledger${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`]
}

function producerLeft({ process, behind, inFlight, gone }: ProducerState): string[] {
  const under = inFlight === 0 ? [] : [`${inFlight} under way at ${process}${gone ? ', which is gone' : ''}`]
  return [...under, ...(behind ? [`${process} has not seen the latch as it stands`] : [])]
}

/** Stands for all that was ever sent to a side: every such job is one more of these counts. */
export function printOf({ buckets }: Pick<Snapshot, 'buckets'>, side: Side): string {
  let sent = 0
  let moved = 0
  for (const { counts } of buckets) {
    for (const family of ['job', 'excluded', 'late'] as const) {
      sent += counts[`${family}/dispatched.${side}`] ?? 0
      moved += counts[`${family}/moved-in.${side}`] ?? 0
    }
  }
  return `${sent} sent, ${moved} moved in`
}

export interface DrainReading {
  readonly ledger: MigrationLedger
  /** Opened, or rejecting in bounded time. */
  readonly queue: (side: Side) => Promise<Queue>
  readonly windowMs: number
}

/** `note`: also notes the look, so that the next one knows for how long. */
export async function readDrain({ ledger, queue, windowMs }: DrainReading, note: boolean): Promise<DrainProof> {
  const count = (side: Side): Promise<QueueCounts | { untold: string }> =>
    queue(side)
      .then((opened) => opened.counts({ detail: true }))
      .catch((cause: unknown) => ({ untold: cause instanceof Error ? cause.message : String(cause) }))
  const [legacy, target, presence, quiet] = await Promise.all([
    ...[count('legacy'), count('target')],
    ledger.presence(),
    ledger.quiet(),
  ] as const)
  // read last: what was sent while the queues were asked is in it
  const snapshot = await ledger.snapshot()
  const facts: DrainFacts = { snapshot, presence, quiet, queues: { legacy, target }, windowMs }
  const proof = judgeDrain(facts)
  if (!note) return proof
  const noted: Partial<Record<Side, Quiet>> = {}
  for (const side of SIDES) {
    const empty = proof.sides[side].left.length === 0
    const seen = await ledger.noteQuiet(side, empty ? printOf(snapshot, side) : undefined)
    if (seen !== undefined) noted[side] = seen
  }
  return judgeDrain({ ...facts, quiet: noted })
}
