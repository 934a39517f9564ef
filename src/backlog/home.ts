// Brings home what waits on target after a rollback: passes until target is empty, or nothing more can be done in time.
//
// Not one pass: a producer that decided before the latch can still enqueue after it, and a job that runs on target can
// fail and wait there again.

import type { Gauges, MigrationLedger, PresenceRecord } from '../ports/ledger.ts'
import type { QueueCounts } from '../ports/queue.ts'
import type { MoveProgress, MoveResult, Mover } from './move.ts'

export interface HomeOptions {
  readonly mover: Mover
  readonly ledger: MigrationLedger
  /** In detail. */
  readonly counts: () => Promise<QueueCounts>
  /** How long to go on without having moved anything. */
  readonly waitMs: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: MoveProgress) => void
}

/** What is still on target. */
export interface OnTarget {
  /** Rows that wait or are delayed there, and those that run. */
  readonly waiting: number
  readonly running: number
  /** Rows under way between the sides. */
  readonly moving: number
  /** Copies in its queue: waiting, delayed, running or parked. */
  readonly copies: number
}

export interface HomeResult {
  readonly moved: number
  readonly pending: number
  readonly left: MoveResult['left']
  readonly onTarget: OnTarget
  /** Nothing is on target, and no live producer has anything under way that could still come. */
  readonly empty: boolean
  readonly interrupted: boolean
}

const LOOK_EVERY_MS = 200

export async function bringHome(options: HomeOptions): Promise<HomeResult> {
  const { mover, waitMs, signal, onProgress } = options
  let [moved, pending] = [0, 0]
  let until = performance.now() + waitMs
  for (;;) {
    const base = moved
    const pass = await mover.pass({
      ...{ from: 'target', to: 'legacy' },
      ...(signal === undefined ? {} : { signal }),
      onProgress: (at) => onProgress?.({ ...at, moved: base + at.moved, total: base + at.total }),
    })
    moved += pass.moved
    pending += pass.pending
    if (pass.moved > 0) until = performance.now() + waitMs
    const onTarget = await lookAtTarget(options)
    const empty = isEmpty(onTarget) && (await isQuiet(options.ledger))
    const interrupted = signal?.aborted === true
    if (empty || interrupted || performance.now() >= until) {
      return { moved, pending, left: pass.left, onTarget, empty, interrupted }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

export async function lookAtTarget({ ledger, counts }: Pick<HomeOptions, 'ledger' | 'counts'>): Promise<OnTarget> {
  const { waiting, delayed, running, parked, others = 0 } = await counts()
  // jobs of other names in the same queue are nobody's concern here
  const copies = Math.max(0, waiting + delayed + running - others) + parked
  return { ...rowsOnTarget((await ledger.snapshot()).gauges), copies }
}

export function rowsOnTarget({ waiting, running, moving }: Gauges): Omit<OnTarget, 'copies'> {
  return { waiting: waiting.target, running: running.target, moving }
}

export function isEmpty({ waiting, running, moving, copies }: OnTarget): boolean {
  return waiting + running + moving + copies === 0
}

/** Every live producer has obeyed the latch and has no enqueue under way that it decided before. */
async function isQuiet(ledger: MigrationLedger): Promise<boolean> {
  const { latch } = await ledger.control()
  const obeys = ({ latchRevision, inFlight }: PresenceRecord): boolean =>
    latchRevision >= latch.revision && inFlight === 0
  return (await ledger.presence()).filter(({ gone, produces }) => produces && !gone).every(obeys)
}
