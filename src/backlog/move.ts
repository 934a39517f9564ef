// Moves jobs that wait from one side to the other: docs/protocol.md, mover. Any number at any time, killed anywhere.
//
// park on the source → the ledger's commit → enqueue on the destination → the ledger's arrival → drop what was parked.
// What a mover that died has left is taken up by the sweeper (`recover.ts`).

import type { MoveKind } from '../ports/ledger.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { Side } from '../vocabulary/job.ts'
import { type Committed, Delivery } from './delivery.ts'
import { type MovableCopy, type MovePayload, moveRequest, readMovePayload, type UnderWay } from './move-job.ts'
import type { MoveResult, MoverOptions, MoveSelection, PassOptions } from './move-types.ts'
import { hasWorkers, Pass } from './pass.ts'

export type { LeftJobs, MoveProgress, MoveResult, MoverOptions, MoveSelection, PassOptions } from './move-types.ts'

export class Mover {
  readonly #o: MoverOptions

  constructor(options: MoverOptions) {
    this.#o = options
  }

  /** While a mover works on a job, nobody else takes its move up; it would do no harm. */
  get leaseMs(): number {
    return this.#o.settings.leaseMs
  }

  /**
   * Refuses what cannot be begun: `move-same-side`, `move-no-workers`, `capability-missing`, `backend-untested`.
   * Nothing is touched.
   */
  async check({ from, to }: Pick<MoveSelection, 'from' | 'to'>): Promise<void> {
    const { settings, ledger } = this.#o
    const { name } = settings
    if (from === to) throw new CutoverError('move-same-side', `${name}: the jobs are on ${from} already`)
    for (const capability of ['list', 'remove'] as const) {
      if (settings[from].capabilities[capability]) continue
      const kind = settings[from].kind
      throw new CutoverError('capability-missing', `${name}: the ${from} queue (${kind}) has no "${capability}"`)
    }
    const { latch } = await (await ledger()).control()
    if (latch.set && to === 'target') {
      throw new CutoverError(
        'move-latched',
        `${name}: the latch is set, nothing goes to target: lift it first with cutover unlatch ${name}`,
        { details: { migration: name } },
      )
    }
    if (!(await this.hasWorkers(to))) {
      throw new CutoverError(
        'move-no-workers',
        `${name}: no live worker on ${to}: what is moved there would wait. Start one: cutover.work('${name}', '${to}', …)`,
        { details: { migration: name, side: to } },
      )
    }
    const source = await this.#o.queue(from)
    const movable = await source.movable()
    if (!movable.ok) {
      throw new CutoverError('backend-untested', `${name}: jobs cannot be taken out of ${from}: ${movable.reason}`, {
        details: { migration: name, side: from },
      })
    }
    await this.#o.queue(to)
  }

  async hasWorkers(side: Side): Promise<boolean> {
    return await hasWorkers(await this.#o.ledger(), side)
  }

  /** What a pass would meet, without touching anything: by place, and those that would be left by reason. */
  async preview(selection: PassOptions): Promise<MoveResult> {
    await this.check(selection)
    return await new Pass(this.#o, selection, true).run()
  }

  /** One pass over what waits now. Rejects as `check` does, or when a queue or the ledger goes away for good. */
  async pass(selection: PassOptions): Promise<MoveResult> {
    await this.check(selection)
    return await new Pass(this.#o, selection, false).run()
  }

  /** Goes on with copies that are parked for a move: steps 2 to 5. */
  async resume(jobs: readonly MovableCopy[], selection: MoveSelection): Promise<MoveResult> {
    return await new Pass(this.#o, selection, false).resume(jobs)
  }

  /** Steps 3 to 5 of jobs that are committed already, one try each. Answers how many are not known to have arrived. */
  async deliver(jobs: readonly { readonly job: UnderWay; readonly payload: string }[], to: Side): Promise<number> {
    const committed = jobs.flatMap(({ job, payload }): Committed[] => {
      const kept = readMovePayload(payload)
      return kept === undefined ? [] : [{ job, kept }]
    })
    const { pending } = await new Delivery(this.#o, 0).deliver(committed, to)
    return pending + (jobs.length - committed.length)
  }

  /** One job from wherever it is, at an operator's word; the ledger's answer. */
  async one(copy: MovableCopy, way: { from: Side; to: Side; kind: MoveKind; by: string; late?: boolean }) {
    const ledger = await this.#o.ledger()
    const request = moveRequest(copy, { ...way, leaseMs: this.#o.settings.leaseMs }, way.late)
    const [answer] = await ledger.move([request])
    if (answer?.status !== 'moving') return answer
    const kept = readMovePayload(request.payload) as MovePayload
    const { pending } = await new Delivery(this.#o).deliver([{ job: { id: copy.id, ...answer }, kept }], way.to)
    return { ...answer, pending: pending > 0 }
  }
}
