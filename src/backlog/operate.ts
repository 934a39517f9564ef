// An operator's word on one job: force, retry, discard. Looked at first, audited, then done.
//
// The audit entry comes before the change, so that none is made without one; when the change is refused after all (a
// worker was quicker), a second entry says so.

import type { MigrationSettings } from '../config/resolve.ts'
import type { JobRow, MigrationLedger, MoveKind } from '../ports/ledger.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { Side } from '../vocabulary/job.ts'
import type { Json } from '../vocabulary/outcome.ts'
import { backendIdOfRow } from './backend-id.ts'
import { type Found, findJob, type Whereabouts } from './find-job.ts'
import { CASE_WORDS, caseOf, type JobCase, type Operation, ruleOf, type Way } from './job-cases.ts'
import type { Mover } from './move.ts'
import { LEFT_REASONS, lookAt, type MovableCopy, movedJob, moveRequest, readMovePayload } from './move-job.ts'

export type { Operation } from './job-cases.ts'

export interface OperatorOptions extends Whereabouts {
  readonly settings: MigrationSettings
  readonly mover: Mover
}

export interface OperationRequest {
  readonly operation: Operation
  readonly id: string
  /** Where it is to run; default: where it is. */
  readonly to?: Side
  readonly by: string
  readonly why?: string
}

export interface OperationResult {
  readonly operation: Operation
  readonly id: string
  /** What it was. */
  readonly was: JobCase
  /** Where it was. */
  readonly side: Side
  readonly way: Way
  /** Where it is now, and the generation that it has there; of a job that was made runnable. */
  readonly to?: Side
  readonly generation?: number
  /** Committed, and not known to have reached its queue: the sweeper goes on. */
  readonly pending: boolean
  /** Copies that were removed; of a job that was closed. */
  readonly removed?: number
}

/** A job that was looked at, with what is to be done. */
interface Looked extends Found {
  readonly request: OperationRequest
  readonly was: JobCase
  readonly side: Side
}

export class Operator {
  readonly #o: OperatorOptions

  constructor(options: OperatorOptions) {
    this.#o = options
  }

  /**
   * `job-unknown`: neither ledger nor park lists have it. `job-state`: where it stands this is not done. `job-copy-missing`:
   * there is nothing that could be run. `move-no-workers`, `move-latched`: of a job that is to run.
   */
  async run(request: OperationRequest): Promise<OperationResult> {
    const ledger = await this.#o.ledger()
    const found = await findJob(this.#o, request.id)
    const { now } = await ledger.control()
    const was = caseOf(found.row, found.parked?.job.reason, now)
    const side = found.row?.side ?? found.parked?.side
    if (was === undefined || side === undefined) throw this.#unknown(request.id)
    const looked: Looked = { ...found, request, was, side }
    const rule = ruleOf(was, request.operation)
    if ('refused' in rule) throw this.#refused(looked, rule.refused)
    if (found.parked?.shadow === true && rule.way !== 'drop') {
      throw this.#refused(looked, `it is a ${found.parked.arm} copy, run only to be compared; discard it`)
    }
    const result = { operation: request.operation, id: request.id, was, side, way: rule.way } as const
    if (rule.way === 'move') return { ...result, ...(await this.#move(looked, ledger)) }
    await this.#audit(looked, ledger)
    if (rule.way === 'unpark') return { ...result, ...(await this.#unpark(looked)) }
    if (rule.way === 'close') return { ...result, ...(await this.#close(looked, ledger)) }
    if (rule.way === 'drop') return { ...result, ...(await this.#drop(looked, ledger)) }
    return { ...result, pending: false }
  }

  // --------------------------------------------------------------------------------------------- runnable again

  async #move(looked: Looked, ledger: MigrationLedger) {
    const { request, side } = looked
    const to = request.to ?? side
    if (looked.was === 'waiting' && to === side) {
      throw this.#refused(looked, 'it waits there already; name the other side with --to')
    }
    const copy = await this.#copyOf(looked, ledger)
    await this.#checkDestination(looked, copy, to, ledger)
    await this.#audit(looked, ledger, { to })
    const kind: MoveKind = request.operation === 'retry' ? 'retry' : 'force'
    const late = looked.was === 'parked-late'
    const answer = await this.#o.mover.one(copy, { from: side, to, kind, by: request.by, late })
    if (answer?.status === 'moving') return { to, generation: answer.gen, pending: answer.pending }
    throw await this.#raced(looked, ledger, LEFT_REASONS[answer?.why ?? 'elsewhere'])
  }

  /** What can be run of it; `job-copy-missing` where nothing is left. */
  async #copyOf(looked: Looked, ledger: MigrationLedger): Promise<MovableCopy> {
    const { row, copy, side, request } = looked
    if (row?.state === 'moving') {
      const [payload] = await ledger.payloads([row.id])
      const kept = payload === undefined ? undefined : readMovePayload(payload)
      if (kept === undefined) throw this.#refused(looked, 'its move has just come to its end, or is of a newer version')
      const { payload: value, runAt, priority, backoff, source } = kept
      return { ...ofRow(row), backendId: source.backendId, payload: value, runAt, priority, backoff }
    }
    if (copy === undefined) {
      throw new CutoverError(
        'job-copy-missing',
        `${this.#o.settings.name}: job ${request.id} is ${CASE_WORDS[looked.was]}, and the ${side} queue has no copy of it, so there is nothing to run: ${row?.state === 'finished' ? 'enqueue it again under another id' : 'discard it, and enqueue it again under another id'}`,
        { details: { migration: this.#o.settings.name, id: request.id, side } },
      )
    }
    const { epoch } = (await ledger.control()).epoch
    const seen = lookAt(copy, side, epoch)
    if ('left' in seen) throw this.#refused(looked, seen.why ?? LEFT_REASONS[seen.left])
    // the row knows of attempts what the backend may not
    return row === undefined
      ? seen.copy
      : { ...seen.copy, id: row.id, attempts: row.maxAttempts, attemptsMade: row.fails }
  }

  async #checkDestination(looked: Looked, copy: MovableCopy, to: Side, ledger: MigrationLedger): Promise<void> {
    const { settings, mover } = this.#o
    const details = { migration: settings.name, id: looked.request.id, side: to }
    if (to === 'target' && (await ledger.control()).latch.set) {
      const message = `${settings.name}: the latch is set, nothing goes to target: run it on legacy with --to legacy, or lift the latch first with cutover unlatch ${settings.name}`
      throw new CutoverError('move-latched', message, { details })
    }
    if (!(await mover.hasWorkers(to))) {
      const message = `${settings.name}: no live worker on ${to}, so job ${looked.request.id} would only wait there; it stays where it is. Start one: cutover.work('${settings.name}', '${to}', …)`
      throw new CutoverError('move-no-workers', message, { details })
    }
    const request = moveRequest(copy, { from: looked.side, to, kind: 'force', leaseMs: 0, by: '' })
    const kept = readMovePayload(request.payload)
    const stamp = { route: copy.route, epoch: copy.epoch, dueAt: copy.due }
    const job = { id: copy.id, gen: copy.gen + 1, fails: copy.attemptsMade, maxAttempts: copy.attempts, stamp }
    const refusal = kept && (await this.#o.queue(to)).refusal(movedJob(job, kept, Date.now()))
    if (refusal !== undefined) throw refusal
  }

  async #unpark({ parked, side, request }: Looked) {
    if (parked === undefined) return { pending: false }
    if (request.to !== undefined && request.to !== side) {
      const message = `${this.#o.settings.name}: a copy that is put back as it is stays on ${side}`
      throw new CutoverError('option-invalid', message)
    }
    const [back] = await (await this.#o.queue(side)).unpark([parked.job.backendId])
    return { to: side, pending: back !== true }
  }

  // ------------------------------------------------------------------------------------------------------ closed

  async #close(looked: Looked, ledger: MigrationLedger) {
    const row = looked.row as JobRow
    const answer = await ledger.discard(row.id)
    if (answer !== 'discarded') throw await this.#raced(looked, ledger, answer)
    return { removed: await this.#removeCopies(looked), pending: false }
  }

  async #drop(looked: Looked, ledger: MigrationLedger) {
    const { row, parked } = looked
    if (row !== undefined) return await this.#close(looked, ledger)
    if (parked === undefined) return { removed: 0, pending: false }
    const queue = await (parked.shadow ? this.#o.shadowQueue(parked.side) : this.#o.queue(parked.side))
    const [dropped] = await queue.dropParked([parked.job.backendId])
    return { removed: dropped === true ? 1 : 0, pending: false }
  }

  /** A copy that cannot be taken out (it runs, or its queue is away) is acked without a run by whoever meets it. */
  async #removeCopies({ row, side }: Looked): Promise<number> {
    const queue = await this.#o.queue(side)
    const backendId = backendIdOfRow(row as JobRow)
    const [parked] = await queue.dropParked([backendId])
    if (parked === true) return 1
    if (!this.#o.settings[side].capabilities.remove) return 0
    const [removed] = await queue.remove([backendId])
    return removed === true ? 1 : 0
  }

  // ------------------------------------------------------------------------------------------------------ telling

  async #audit({ request, was, side, row }: Looked, ledger: MigrationLedger, more: { to?: Side } = {}): Promise<void> {
    const { operation, id, by, why } = request
    const data: Json = { id, was, side, generation: row?.gen ?? null, ...more }
    await ledger.audit({ action: operation, by, ...(why === undefined ? {} : { why }), data })
  }

  async #raced(looked: Looked, ledger: MigrationLedger, why: string): Promise<CutoverError> {
    const { operation, id, by } = looked.request
    await ledger.audit({ action: `${operation}-refused`, by, data: { id, why } })
    return this.#refused(looked, `it has changed meanwhile: ${why}`)
  }

  #refused({ request, was, side }: Looked, why: string): CutoverError {
    const { name } = this.#o.settings
    return new CutoverError(
      'job-state',
      `${name}: job ${request.id} is ${CASE_WORDS[was]} on ${side} and stays so, ${request.operation} is refused: ${why}`,
      { details: { migration: name, id: request.id, state: was, side, operation: request.operation } },
    )
  }

  #unknown(id: string): CutoverError {
    const { name } = this.#o.settings
    return new CutoverError(
      'job-unknown',
      `${name}: neither the ledger nor a park list knows job ${id}: it was never enqueued, or finished longer ago than retain`,
      { details: { migration: name, id } },
    )
  }
}

function ofRow({ id, gen, stamp, maxAttempts, fails }: JobRow) {
  const { route, epoch, dueAt, fenced, adopted } = stamp
  return { id, gen, route, epoch, due: dueAt, fenced, adopted, attempts: maxAttempts, attemptsMade: fails }
}
