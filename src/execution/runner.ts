// One delivery from the backend: claim, run, finish, compare, and only then the ack.
//
// `deliver` never throws. Nothing is acked before its outcome is stored, and nothing is dropped unless the row is
// finished or of a newer generation.

import { decodeError, decodeOutcome } from '../comparison/replay.ts'
import type { MigrationSettings } from '../config/resolve.ts'
import type { Logger } from '../config/types.ts'
import type { McpAccess } from '../mcp/seen.ts'
import { Bag } from '../ports/bag.ts'
import type { ClaimAnswer, ClaimRequest, FinishAnswer, FinishRequest, PairState } from '../ports/ledger.ts'
import type { Delivery, Disposition } from '../ports/queue.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import { newToken } from '../vocabulary/ids.ts'
import { isShadowed, type Side, type Stamp } from '../vocabulary/job.ts'
import type { ProbeJob } from '../vocabulary/probe.ts'
import { type Attempt, runAttempt } from './attempt.ts'
import { type Handler, RunContext } from './context.ts'
import { ErrorClasses } from './error-class.ts'
import { type Fence, isTransient, pause } from './fence.ts'
import { type Identified, identify } from './identify.ts'
import type { Unrecorded } from './unrecorded.ts'

export interface RunnerOptions {
  readonly settings: MigrationSettings
  readonly side: Side
  readonly handler: Handler
  readonly version: string
  readonly fence: Fence
  readonly unrecorded: Unrecorded
  /** Compares what `finish` handed back, if both runs are there; never throws. */
  readonly compare: (id: string, pair: PairState) => Promise<void>
  readonly parse: (payload: unknown) => unknown | Promise<unknown>
  readonly epoch: () => number
  /** The ledger's clock. */
  readonly now: () => number
  /** No dial has been above 0 since this process started: an unfenced job may run without the ledger. */
  readonly quiet: () => boolean
  /** Gives an answer up as soon as the ledger is known to be lost. */
  readonly guard: <T>(asked: Promise<T>) => Promise<T>
  /** Tries an MCP server from inside this worker and tells the ledger; never rejects. */
  readonly probe: (job: ProbeJob) => Promise<void>
  /** The MCP clients of this worker; undefined where no server is configured. */
  readonly mcp?: (() => Promise<McpAccess>) | undefined
  readonly log: Logger
  readonly emit: EmitEvent
}

const BUSY_LOOK_MS = 1000
const NEWER_DELAY_MS = 10_000
const LEDGER_RETRY_MS = 200

type Granted = Extract<ClaimAnswer, { status: 'granted' }>

export class Runner {
  readonly #o: RunnerOptions
  readonly #draining = new AbortController()
  readonly #closing = new AbortController()
  readonly #errors = new ErrorClasses()
  readonly #running = new Bag<RunContext>()
  #active = 0

  constructor(options: RunnerOptions) {
    this.#o = options
  }

  /** Deliveries that are being worked on. */
  get active(): number {
    return this.#active
  }

  /** Claims that wait for another run or for the ledger give up: their jobs go back without having started. */
  drain(): void {
    this.#draining.abort()
  }

  /** Running handlers see their signal abort, too. */
  abort(): void {
    this.drain()
    this.#closing.abort(new CutoverError('closed', 'the worker closes'))
    for (const run of this.#running.all())
      run.abort(new CutoverError('aborted', 'the worker closes before the attempt ended'))
  }

  async deliver(delivery: Delivery): Promise<Disposition> {
    this.#active += 1
    try {
      return await this.#deliver(delivery)
    } catch (cause) {
      const { migration, id } = { migration: this.#o.settings.name, id: delivery.backendId }
      if (!this.#closing.signal.aborted) {
        this.#o.log.error({ err: cause, migration, backendId: id }, 'a delivery could not be worked on; it is deferred')
      }
      return { kind: 'defer', delayMs: BUSY_LOOK_MS }
    } finally {
      this.#active -= 1
    }
  }

  async #deliver(delivery: Delivery): Promise<Disposition> {
    const { settings, side, epoch, now, emit } = this.#o
    const found = identify(delivery, { side, epoch: epoch(), now: now() })
    if (found.kind === 'probe') {
      await this.#o.probe(found.probe)
      return { kind: 'ack', result: undefined }
    }
    if (found.kind === 'newer') return { kind: 'defer', delayMs: NEWER_DELAY_MS }
    if (found.kind === 'damaged') {
      emit({ type: 'job-parked', migration: settings.name, id: delivery.backendId, side, reason: found.why })
      return { kind: 'park', reason: 'damaged' }
    }
    if (found.stamp.arm !== 'primary') return this.#copy(delivery, found)
    return isUnfenced(found, side) ? this.#unfenced(delivery, found) : this.#primary(delivery, found)
  }

  // ---------------------------------------------------------------------------------------------------- primary

  async #primary(delivery: Delivery, job: Identified): Promise<Disposition> {
    for (;;) {
      const token = newToken()
      const claimed = await this.#claim(delivery, job, token)
      if (claimed === 'unreachable') return await this.#withoutLedger(delivery, job, token)
      if (claimed.status === 'finished') return this.#replay(claimed, job.stamp.id)
      if (claimed.status === 'drop') return { kind: 'ack', result: undefined }
      if (claimed.status === 'defer') return { kind: 'defer', delayMs: BUSY_LOOK_MS }
      if (claimed.status === 'park') return this.#park(job.stamp)
      if (claimed.status === 'busy') continue
      const done = await this.#runPrimary(delivery, job, token, claimed)
      if (done !== 'lost') return done
      // another run has the row: the claim says what became of it
    }
  }

  /** A finished job that is delivered again answers as it did, without running. */
  #replay(answer: Extract<ClaimAnswer, { status: 'finished' }>, id: string): Disposition {
    const migration = this.#o.settings.name
    if (answer.class === 'cancelled') return { kind: 'ack', result: undefined }
    if (answer.class !== 'ok') return { kind: 'fail', error: decodeError(answer.outcome?.error), retry: false }
    try {
      return { kind: 'ack', result: decodeOutcome(answer.outcome, { migration, id }) }
    } catch (cause) {
      // A result that was not kept whole cannot be told again; the job is done all the same.
      this.#o.log.debug({ err: cause, migration, id }, 'a finished job was delivered again; its result was not kept')
      return { kind: 'ack', result: undefined }
    }
  }

  #park(stamp: Stamp): Disposition {
    const { settings, side, emit } = this.#o
    emit({ type: 'job-parked', migration: settings.name, id: stamp.id, side, reason: 'late: its row is gone' })
    return { kind: 'park', reason: 'late' }
  }

  /** Claims, waiting while another run is busy with the row and while the ledger is away. */
  async #claim(delivery: Delivery, job: Identified, token: string): Promise<ClaimAnswer | 'unreachable'> {
    const { fence, quiet, guard } = this.#o
    const { stamp } = job
    const request = this.#claimRequest(delivery, job, token)
    for (;;) {
      if (this.#draining.signal.aborted) return { status: 'defer' }
      try {
        const asked = fence.claim(request)
        const answer = await (!stamp.fenced && quiet() ? guard(asked) : asked)
        if (answer.status !== 'busy') return answer
        const left = answer.leaseUntil - answer.now
        await pause(Math.min(BUSY_LOOK_MS, Math.max(10, left)) * (0.75 + Math.random() / 2), this.#draining.signal)
      } catch (cause) {
        if (!isTransient(cause)) throw cause
        if (!stamp.fenced && quiet()) return 'unreachable'
        await pause(LEDGER_RETRY_MS * (0.5 + Math.random()), this.#draining.signal)
      }
    }
  }

  #claimRequest(delivery: Delivery, { stamp, adopted }: Identified, token: string): ClaimRequest {
    const { settings, side } = this.#o
    return {
      id: stamp.id,
      side,
      gen: stamp.gen,
      token,
      leaseMs: settings.leaseMs,
      fenced: stamp.fenced,
      effectsUnknown: !settings.shadowable,
      // what old workers have spent of an adopted job's attempts is spent
      maxAttempts: adopted ? Math.max(1, delivery.attempts - delivery.attempt + 1) : settings.attempts,
      // a job with more attempts of its own may start more often
      maxStarts: settings.maxStarts + Math.max(0, delivery.attempts - settings.attempts),
      absent: { route: stamp.route, epoch: stamp.epoch, dueAt: stamp.due, adopted },
    }
  }

  async #runPrimary(
    delivery: Delivery,
    job: Identified,
    token: string,
    granted: Granted,
  ): Promise<Disposition | 'lost'> {
    const { fence } = this.#o
    const { id, gen } = job.stamp
    const run = this.#context(delivery, job.stamp, granted.attempt, () =>
      fence.begin({ id, gen, token }, this.#closing.signal),
    )
    const release = fence.hold({
      id,
      gen,
      token,
      lost: () => {
        run.refused = true
        run.abort(new CutoverError('aborted', `job ${id} was taken by another run`))
      },
    })
    let attempt: Attempt
    try {
      attempt = await this.#attempt(delivery, job, run)
    } finally {
      release()
      this.#running.take(run.slot)
    }
    if (run.refused) return 'lost'
    if (this.#closing.signal.aborted && !attempt.outcome.ok && !attempt.fatal) {
      // aborted by the close, not by a fault of the job: it spends no attempt and runs again elsewhere
      await fence.release({ id, gen, token })
      return { kind: 'defer', delayMs: 0 }
    }
    const answer = await fence.finish(
      this.#finishRequest(job.stamp, token, attempt, run.effectFailed),
      this.#closing.signal,
    )
    return await this.#afterFinish(delivery, job, attempt, answer)
  }

  #finishRequest(stamp: Stamp, token: string, attempt: Attempt, effectFailed = false): FinishRequest {
    const { outcome, fatal, runBucket, waitBucket } = attempt
    const { id, gen, arm, route } = stamp
    const unpaired = !isShadowed(route)
    const { side } = this.#o
    const request = { id, side, gen, arm, token, outcome, fatal, effectFailed, runBucket, waitBucket, unpaired }
    return outcome.error === undefined ? request : { ...request, errorClass: this.#errors.of(outcome.error) }
  }

  async #afterFinish(
    delivery: Delivery,
    job: Identified,
    attempt: Attempt,
    answer: FinishAnswer,
  ): Promise<Disposition | 'lost'> {
    const { settings, compare } = this.#o
    if (answer.status === 'finished') {
      if (answer.pair !== undefined) await compare(job.stamp.id, answer.pair)
      return answer.class === 'ok'
        ? { kind: 'ack', result: attempt.value }
        : { kind: 'fail', error: attempt.error, retry: false }
    }
    if (answer.status === 'retry') {
      if (delivery.attempt < delivery.attempts) return { kind: 'fail', error: attempt.error, retry: true }
      // The row has attempts left and the backend has none (a stalled run has spent it): back without spending one.
      const delayMs = (settings.backoff?.delayMs ?? 0) * 2 ** (answer.fails - 1)
      return { kind: 'defer', delayMs }
    }
    if (answer.why === 'absent') return this.#park(job.stamp)
    return 'lost'
  }

  // -------------------------------------------------------------------------------------------------- unfenced

  /**
   * A legacy primary that nobody else may run: no claim and no gate before its effects, and only its final outcome is
   * told. Its queue counts the attempts. Stored and counted before the ack, as any other.
   */
  async #unfenced(delivery: Delivery, job: Identified): Promise<Disposition> {
    const run = this.#context(delivery, job.stamp, delivery.attempt, async () => true)
    let attempt: Attempt
    try {
      attempt = await this.#attempt(delivery, job, run)
    } finally {
      this.#running.take(run.slot)
    }
    if (this.#closing.signal.aborted && !attempt.outcome.ok && !attempt.fatal) return { kind: 'defer', delayMs: 0 }
    if (!attempt.outcome.ok && !attempt.fatal && delivery.attempt < delivery.attempts) {
      return { kind: 'fail', error: attempt.error, retry: true }
    }
    const token = newToken()
    const request = this.#unclaimedFinish(job, token, attempt, { unfenced: true, effectFailed: run.effectFailed })
    const claim = (): ClaimRequest => this.#claimRequest(delivery, job, token)
    if (delivery.acksJointly === true && attempt.outcome.ok) {
      const alone = async (): Promise<void> => {
        await this.#tellUnfenced(request, claim)
      }
      return { kind: 'ack', result: attempt.value, joint: { request, alone } }
    }
    const told = await this.#tellUnfenced(request, claim)
    // refused: it has ended before, or was moved since its queue handed it out: this copy is done with
    if (told === 'refused' && !attempt.outcome.ok) return { kind: 'fail', error: attempt.error, retry: false }
    return this.#endOf(attempt)
  }

  /** `unrecorded`: the ledger is away, and is told when it is back. */
  async #tellUnfenced(request: FinishRequest, claim: () => ClaimRequest): Promise<'stored' | 'refused' | 'unrecorded'> {
    const { fence, quiet, unrecorded } = this.#o
    try {
      const asked = quiet() ? fence.finishWhileReachable(request) : fence.finish(request, this.#closing.signal)
      return (await asked).status === 'finished' ? 'stored' : 'refused'
    } catch (cause) {
      if (!isTransient(cause) || !quiet()) throw cause
      unrecorded.add({ claim: claim(), finish: request })
      return 'unrecorded'
    }
  }

  #endOf(attempt: Attempt): Disposition {
    return attempt.outcome.ok
      ? { kind: 'ack', result: attempt.value }
      : { kind: 'fail', error: attempt.error, retry: false }
  }

  /** The end of a run without a claim, with what its row is to say if it has none. */
  #unclaimedFinish(
    job: Identified,
    token: string,
    attempt: Attempt,
    { unfenced = false, effectFailed = false } = {},
  ): FinishRequest {
    const { route, epoch, due, plain } = job.stamp
    const absent = { epoch, dueAt: due, route, adopted: job.adopted }
    const unrecorded =
      plain === undefined ? absent : { ...absent, reason: plain.why, group: plain.group, first: plain.first }
    const request = this.#finishRequest(job.stamp, token, attempt, effectFailed)
    return { ...request, fatal: true, unfenced, unrecorded }
  }

  // ----------------------------------------------------------------------------------------- shadow and control

  async #copy(delivery: Delivery, job: Identified): Promise<Disposition> {
    const { fence, compare } = this.#o
    const run = this.#context(delivery, job.stamp, delivery.attempt, async () => false)
    let attempt: Attempt
    try {
      attempt = await this.#attempt(delivery, job, run)
    } finally {
      this.#running.take(run.slot)
    }
    if (this.#closing.signal.aborted && !attempt.outcome.ok) return { kind: 'defer', delayMs: BUSY_LOOK_MS }
    const more = !attempt.outcome.ok && !attempt.fatal && delivery.attempt < delivery.attempts
    if (more) return { kind: 'fail', error: attempt.error, retry: true }
    const answer = await fence.finish(this.#finishRequest(job.stamp, delivery.backendId, attempt), this.#closing.signal)
    if (answer.status === 'finished' && answer.pair !== undefined) await compare(job.stamp.id, answer.pair)
    return { kind: 'ack', result: undefined }
  }

  // -------------------------------------------------------------------------------------------------- shared

  #context(delivery: Delivery, stamp: Stamp, attempt: number, begin: () => Promise<boolean>): RunContext {
    const { settings, side, log, mcp } = this.#o
    const run = new RunContext({
      migration: settings.name,
      id: stamp.id,
      arm: stamp.arm,
      side,
      attempt,
      native: delivery.native,
      log,
      progress: (value) => delivery.progress(value),
      begin,
      mcp,
      compared: stamp.arm !== 'primary' || isShadowed(stamp.route),
    })
    run.slot = this.#running.add(run)
    return run
  }

  #attempt(delivery: Delivery, job: Identified, run: RunContext): Promise<Attempt> {
    const { settings, handler, version, parse, now } = this.#o
    const due = job.adopted ? (delivery.enqueuedAt ?? job.stamp.due) : job.stamp.due
    return runAttempt({
      handler,
      run,
      payload: () => parse(job.payload),
      timeoutMs: settings.timeoutMs,
      waitMs: Math.max(0, now() - due),
      version,
      migration: settings.name,
    })
  }

  /** The protocol's table: an unfenced job while no dial was ever up runs without the ledger, and is reported later. */
  async #withoutLedger(delivery: Delivery, job: Identified, token: string): Promise<Disposition> {
    const run = this.#context(delivery, job.stamp, delivery.attempt, async () => true)
    let attempt: Attempt
    try {
      attempt = await this.#attempt(delivery, job, run)
    } finally {
      this.#running.take(run.slot)
    }
    if (!attempt.outcome.ok && !attempt.fatal && delivery.attempt < delivery.attempts) {
      return { kind: 'fail', error: attempt.error, retry: true }
    }
    this.#o.unrecorded.add({
      claim: this.#claimRequest(delivery, job, token),
      finish: this.#unclaimedFinish(job, token, attempt),
    })
    return this.#endOf(attempt)
  }
}

/** Sent without a pin on purpose, and still where it was sent. */
function isUnfenced({ stamp, adopted }: Identified, side: Side): boolean {
  return !adopted && !stamp.fenced && stamp.plain !== undefined && stamp.gen === 0 && side === 'legacy'
}
