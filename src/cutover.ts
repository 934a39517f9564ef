// The object that a user holds: producers enqueue with it, workers work with it, and everything asks it what happened.

import { channel } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import { backendIdOfRow } from './backlog/backend-id.ts'
import { findJob } from './backlog/find-job.ts'
import { follow } from './backlog/follow.ts'
import type { MoveResult, PassOptions } from './backlog/move.ts'
import { auditMove } from './backlog/move-audit.ts'
import type { Operation, OperationResult } from './backlog/operate.ts'
import { decodeError, decodeOutcome } from './comparison/replay.ts'
import { docsOf } from './config/docs.ts'
import { resolveMigration, resolveNamespace } from './config/resolve.ts'
import type { CutoverConfig, Logger } from './config/types.ts'
import type { Handler } from './execution/context.ts'
import { type JobEvent, jobEvents } from './job-history.ts'
import { type JobPage, type JobsOptions, listJobs } from './job-list.ts'
import { type JobView, viewJob } from './job-view.ts'
import type { FlagSource } from './ports/flags.ts'
import type { CancelAnswer, ControlState, Ledger, MigrationLedger } from './ports/ledger.ts'
import type { ReportModel } from './report/model.ts'
import { readPlanFile, withPlan } from './rollout/plan-file.ts'
import type { Enqueued } from './routing/dispatch.ts'
import { keyPosition } from './routing/hash.ts'
import { type EnqueueOptions, type Prepared, prepare } from './routing/prepare.ts'
import { Runtime, type Worker, type WorkOptions } from './runtime.ts'
import {
  DEFAULT_SCHEDULE,
  type ScheduleOptions,
  type ScheduleView,
  scheduleTerms,
  viewSchedule,
} from './schedule-terms.ts'
import { type Duration, parseDuration } from './vocabulary/duration.ts'
import { CutoverError, isCutoverError } from './vocabulary/errors.ts'
import type { CutoverEvent } from './vocabulary/events.ts'
import { type Decision, type Route, SIDES, type Side } from './vocabulary/job.ts'
import { userAtHost } from './who.ts'

export interface OpenOptions {
  /** Who changes things, in the audit log. Default `user@host`. */
  readonly by?: string
  /** How often the sweeper looks, in each process that asks for its lease. Default `'5s'`. */
  readonly sweepEvery?: Duration
  /**
   * What to do when the ledger cannot be reached now. `'degrade'` (default): go on as the table in docs/faults.md
   * says. `'refuse'`: reject with `ledger-unavailable`.
   */
  readonly withoutLedger?: 'degrade' | 'refuse'
  /** Gives every job this route, for tests of handlers; neither flag nor latch is asked. */
  readonly forcedRoute?: Route
}

export interface MoveOptions extends PassOptions {
  /** Looks only: `moved` is what a move would take. */
  readonly dryRun?: boolean
  /** Goes on with what comes later, until `signal` ends it. */
  readonly follow?: boolean
}

export interface EnqueueItem<P> extends EnqueueOptions {
  readonly payload: P
}

/** Why a key gets its route now. */
export interface Explanation {
  readonly key: string
  readonly route: Route
  readonly reason: Decision['reason']
  /** The key's place in the order of the flag, 1 to 1000; high places move to target first. */
  readonly position: number
  readonly latch: ControlState['latch'] | undefined
  readonly ceiling: number | undefined
  readonly epoch: number
  readonly flag: { readonly name: string; readonly reading: string; readonly health: string; readonly revision: string }
}

type Name<X> = keyof X & string
type NativeOf<S extends Side, L, T, N extends string> = S extends 'legacy'
  ? N extends keyof L
    ? L[N]
    : unknown
  : N extends keyof T
    ? T[N]
    : unknown
type At<X, N extends string> = N extends keyof X ? X[N] : unknown

/** A handler as a migration's configuration types it. */
export type HandlerOf<J, R, E, L, T, N extends string, S extends Side> = Handler<
  At<J, N>,
  At<R, N>,
  At<E, N>,
  NativeOf<S, L, T, N>
>

const CHANNEL = channel('cutover')
/** Events that are no warnings. */
const QUIET: ReadonlySet<CutoverEvent['type']> = new Set<CutoverEvent['type']>([
  ...(['mismatch', 'epoch-opened', 'shadow-shed', 'mcp-reachable', 'mcp-restored'] as const),
])
const RESULT_LOOK_MS = 25
const RESULT_LOOK_MOST_MS = 500

export class Cutover<I, J, R, E, L, T> {
  readonly #options: OpenOptions
  readonly #ledger: Ledger
  readonly #flags: FlagSource
  readonly #log: Logger
  readonly #by: string
  readonly #docs: string | undefined
  readonly #runtimes = new Map<string, Runtime>()
  readonly #listeners = new Set<(event: CutoverEvent) => void>()
  /** Schedules that this process has declared, and how. */
  readonly #declared = new Map<string, string>()
  #opening: Promise<void> | undefined
  #opened = false
  #closing: Promise<void> | undefined

  /** Use `openCutover`. */
  constructor(config: CutoverConfig<I, J, R, E, L, T>, options: OpenOptions) {
    this.#options = options
    const namespace = resolveNamespace(config as unknown as CutoverConfig)
    // every migration is checked before anything is opened
    const given = Object.keys(config.migrations).map((name) =>
      resolveMigration(config as unknown as CutoverConfig, name),
    )
    const plans = given.map((settings) => readPlanFile(settings, process.cwd(), given))
    const all = given.map((settings, at) => withPlan(settings, plans[at] ?? { kind: 'none' }))
    this.#by = options.by ?? userAtHost()
    this.#docs = config.docs
    this.#log = config.logger ?? STDERR
    for (const [at, file] of plans.entries()) {
      if (file.kind !== 'missing') continue
      const fields = { migration: given[at]?.name, path: file.path }
      this.#log.warn(fields, 'the plan is not there: its deadline, if it has one, is not known to this process')
    }
    this.#ledger = config.ledger.create({ namespace })
    this.#flags = config.flags.create({ flags: all.map((settings) => settings.flag) })
    for (const settings of all) {
      const ledger = memo(async () => {
        await this.#openLedger()
        return this.#ledger.migration(settings.name, settings.ledger)
      })
      this.#runtimes.set(
        settings.name,
        new Runtime({
          settings,
          ledger,
          ledgerStore: () => this.#ledger.store,
          flags: this.#flags,
          by: this.#by,
          log: this.#log,
          emit: (event) => this.#emit(event),
          sweepMs: parseDuration(options.sweepEvery ?? '5s', 'sweepEvery'),
          ...(options.forcedRoute === undefined ? {} : { forced: options.forcedRoute }),
        }),
      )
    }
  }

  /** Opens flags and ledger; called by `openCutover`. */
  async open(): Promise<void> {
    try {
      await this.#openLedger()
    } catch (cause) {
      const away = isCutoverError(cause, 'ledger-unavailable') || isCutoverError(cause, 'ledger-full')
      if (this.#options.withoutLedger === 'refuse' || !away) throw cause
      this.#log.error({ err: cause }, 'the ledger cannot be reached; jobs go to legacy until it can')
    }
    await this.#flags.ready()
  }

  async #openLedger(): Promise<void> {
    if (this.#opened) return
    this.#opening ??= this.#ledger.open().then(
      () => {
        this.#opened = true
      },
      (cause: unknown) => {
        this.#opening = undefined
        throw cause
      },
    )
    await this.#opening
  }

  // ------------------------------------------------------------------------------------------------- producing

  /**
   * Stores a job and resolves when its queue has it. The answer says where it went and why. The same id again (within
   * `retain`) is the same job.
   *
   * Refused before anything is stored: `payload-invalid`, `payload-not-json`, `payload-too-large`, `payload-reserved`,
   * `id-invalid`, `option-invalid`, `capability-missing`. `enqueue-unknown`: call again with the same id.
   */
  async enqueue<N extends Name<I>>(name: N, payload: I[N], options?: EnqueueOptions): Promise<Enqueued> {
    const runtime = this.#runtime(name)
    const prepared = prepare(runtime.settings, payload, options)
    const job = prepared instanceof Promise ? await prepared : prepared
    if (!runtime.watch.isProducing) await this.#produce(runtime)
    return await runtime.dispatcher.send(job)
  }

  /** Many at once, faster than one by one. All are checked before the first is stored; answers in order. */
  async enqueueMany<N extends Name<I>>(name: N, items: readonly EnqueueItem<I[N]>[]): Promise<Enqueued[]> {
    const runtime = this.#runtime(name)
    const jobs: (Prepared | Promise<Prepared>)[] = []
    try {
      for (const { payload, ...options } of items) {
        jobs.push(prepare(runtime.settings, payload, Object.keys(options).length === 0 ? undefined : options))
      }
    } catch (refused) {
      await Promise.allSettled(jobs) // an earlier one may be refused, too, and must not be left unheard
      throw refused
    }
    const prepared = await Promise.all(jobs)
    await this.#produce(runtime)
    return await runtime.dispatcher.sendMany(prepared)
  }

  /**
   * Enqueues `payload` at every tick of a cron pattern, as one job with the id `schedule_NAME_TIME`. The schedule is kept
   * in the ledger and fired by any one process that has this migration open, until `unschedule`; the same again changes
   * nothing, other terms under the same name replace it.
   *
   * Refused before anything is stored: `option-invalid`, and what `enqueue` refuses of the payload.
   */
  async schedule<N extends Name<I>>(
    name: N,
    cron: string,
    payload: I[N],
    options: ScheduleOptions = {},
  ): Promise<ScheduleView> {
    const runtime = this.#runtime(name)
    const terms = await scheduleTerms(runtime.settings, cron, payload, options)
    const text = JSON.stringify(terms)
    const own = `${name} ${terms.name}`
    if (options.as === undefined && (this.#declared.get(own) ?? text) !== text) {
      throw new CutoverError(
        'option-invalid',
        `${name}: this process has declared another schedule without a name; give each one of its own with \`as\``,
        { details: { migration: name, cron } },
      )
    }
    const { by = this.#by, why } = options
    const ledger = await this.#ledgerOf(name)
    const record = await ledger.declareSchedule({ terms, by, ...(why === undefined ? {} : { why }) })
    this.#declared.set(own, text)
    await runtime.start()
    runtime.scheduler.wake()
    return viewSchedule(record)
  }

  /** Stops a schedule, by default the one without a name. Jobs that it has enqueued stay. */
  async unschedule(
    name: Name<I>,
    schedule: string = DEFAULT_SCHEDULE,
    options: { by?: string; why?: string } = {},
  ): Promise<void> {
    await (await this.#ledgerOf(name)).removeSchedule({ name: schedule, by: this.#by, ...options })
    this.#declared.delete(`${name} ${schedule}`)
  }

  /** The schedules of a migration, by name. */
  async schedules(name: Name<I>): Promise<ScheduleView[]> {
    const { schedules } = await (await this.#ledgerOf(name)).schedules()
    return schedules.map(viewSchedule)
  }

  async #produce(runtime: Runtime): Promise<void> {
    await runtime.start()
    await runtime.watch.produces()
  }

  // --------------------------------------------------------------------------------------------------- working

  /** Works on a side's queue and, where shadows are declared, on its shadow queue, until `stop` or `close`. */
  async work<N extends Name<I>, S extends Side>(
    name: N,
    side: S,
    handler: HandlerOf<J, R, E, L, T, N, S>,
    options: WorkOptions = {},
  ): Promise<Worker> {
    const runtime = this.#runtime(name, side)
    return await runtime.work(side, handler as Handler, options, { primary: true, shadow: runtime.settings.shadowable })
  }

  /**
   * The processor for a worker that you have: `queue.process(8, cutover.wrap(…))`, or `new Worker(name, cutover.wrap(…))`.
   * Where shadows are declared, start `workShadows` beside it.
   */
  wrap<N extends Name<I>, S extends Side>(
    name: N,
    side: S,
    handler: HandlerOf<J, R, E, L, T, N, S>,
    options: Pick<WorkOptions, 'version'> = {},
  ): (...args: unknown[]) => Promise<unknown> {
    return this.#runtime(name, side).wrap(side, handler as Handler, options)
  }

  /** Works on a side's shadow queue only, beside `wrap`. */
  async workShadows<N extends Name<I>, S extends Side>(
    name: N,
    side: S,
    handler: HandlerOf<J, R, E, L, T, N, S>,
    options: WorkOptions = {},
  ): Promise<Worker> {
    const runtime = this.#runtime(name, side)
    if (!runtime.settings.shadowable) {
      throw new CutoverError(
        'option-invalid',
        `${name}: there are no shadows to work on; set shadow: 'effects-declared' once every effect goes through ctx.effect`,
      )
    }
    return await runtime.work(side, handler as Handler, options, { primary: false, shadow: true })
  }

  // --------------------------------------------------------------------------------------------------- looking

  /** A job by its id; undefined if the ledger does not know it (never enqueued, or finished longer ago than `retain`). */
  async get(name: Name<I>, id: string): Promise<JobView | undefined> {
    const ledger = await this.#toldLedgerOf(name)
    const row = await ledger.row(id)
    return row === undefined ? undefined : viewJob(row, (await ledger.control()).now)
  }

  /**
   * Cancels a job that has not started. `cancelled`: it will not run, whatever copy is left in a queue. `running`,
   * `moving`, `finished`, `absent`: nothing was changed.
   */
  async cancel(name: Name<I>, id: string): Promise<CancelAnswer> {
    const runtime = this.#runtime(name)
    const ledger = await this.#toldLedgerOf(name)
    const row = await ledger.row(id)
    if (row !== undefined && row.state === 'open' && !row.stamp.fenced && row.gen === 0) {
      // no worker asks for its row before it runs it: only without its copy it is certain not to run
      const [removed] = await (await runtime.queue(row.side)).remove([backendIdOfRow(row)])
      if (removed !== true) return (await ledger.row(id))?.state === 'finished' ? 'finished' : 'running'
    }
    const answer = await ledger.cancel(id)
    // The row decides; the copy is only tidied away, and a worker that finds it acks it without running.
    if (answer === 'cancelled' && row !== undefined && runtime.settings[row.side].capabilities.remove) {
      try {
        await (await runtime.queue(row.side)).remove([backendIdOfRow(row)])
      } catch (cause) {
        this.#log.debug({ err: cause, migration: name, id }, 'the copy of a cancelled job is left to its worker')
      }
    }
    return answer
  }

  /**
   * Waits for a job's end and gives its result. Rejects with what the job failed with, or with `job-cancelled`,
   * `job-unknown`, `result-too-large`, `result-timeout`. Results are kept for `retain`.
   */
  async result<N extends Name<I>>(name: N, id: string, options: { timeout?: Duration } = {}): Promise<At<R, N>> {
    const ledger = await this.#toldLedgerOf(name)
    const until = performance.now() + parseDuration(options.timeout ?? '60s', `${name}: result timeout`)
    for (let pause = RESULT_LOOK_MS; ; pause = Math.min(RESULT_LOOK_MOST_MS, pause * 1.3)) {
      const row = await ledger.row(id)
      if (row === undefined) {
        throw new CutoverError(
          'job-unknown',
          `${name}: the ledger knows no job ${id}: it was never enqueued, or finished longer ago than retain`,
        )
      }
      if (row.state === 'finished') {
        if (row.class === 'cancelled') throw new CutoverError('job-cancelled', `${name}: job ${id} was cancelled`)
        if (row.class === 'ok') return decodeOutcome(row.slots.primary, { migration: name, id }) as At<R, N>
        throw decodeError(row.slots.primary?.error)
      }
      if (performance.now() + pause > until) {
        throw new CutoverError(
          'result-timeout',
          `${name}: job ${id} is ${viewJob(row, Date.now()).state}; it has no result yet`,
        )
      }
      await delay(pause)
    }
  }

  /** What a key would get now, and why. */
  async explain(name: Name<I>, key: string): Promise<Explanation> {
    const runtime = this.#runtime(name)
    await runtime.start()
    const { settings, watch, dispatcher } = runtime
    await dispatcher.prepareKeys([key])
    const decision = dispatcher.decide(key)
    const reading = this.#flags.read(settings.flag)
    return {
      key,
      ...decision,
      position: keyPosition(settings.flag, settings.flagKey(key)),
      latch: watch.state?.latch,
      ceiling: watch.state?.ceiling,
      epoch: watch.epochNow,
      flag: {
        name: settings.flag,
        reading: reading.kind === 'dials' ? `target ${reading.target}, shadow ${reading.shadow}` : reading.kind,
        health: this.#flags.health().state,
        revision: this.#flags.revision(),
      },
    }
  }

  /** What happened to one migration, or to all, from the ledger alone. */
  async report(name?: Name<I>): Promise<ReportModel> {
    const names = name === undefined ? [...this.#runtimes.keys()] : [name]
    const ledgers = await Promise.all(names.map((each) => this.#ledgerOf(each)))
    const { readReport } = await import('./report/read.ts')
    const settings = names.map((each) => this.#runtime(each).settings)
    return await readReport(ledgers, settings, { docs: docsOf(this.#docs) })
  }

  // ------------------------------------------------------------------------------------------------------ back

  /** Sends everything to legacy at once, whatever the flag says; every producer obeys within a second. */
  async rollback(name: Name<I>, options: { by?: string; why?: string } = {}): Promise<ControlState> {
    return await (await this.#ledgerOf(name)).setLatch({ set: true, by: this.#by, ...options })
  }

  /** Lifts the latch: the flag decides again. */
  async unlatch(name: Name<I>, options: { by?: string; why?: string } = {}): Promise<ControlState> {
    return await (await this.#ledgerOf(name)).setLatch({ set: false, by: this.#by, ...options })
  }

  // -------------------------------------------------------------------------------------------------- moving

  /**
   * Moves jobs that wait or are delayed from one side to the other, with their delay, priority and the attempts that
   * they have left. One pass, or with `follow` pass after pass until `signal` ends it. May be stopped or killed at any
   * point, and called by any number at once: what was begun is brought to its end by the next one, or by the sweeper.
   *
   * Refused before anything is touched: `move-same-side`, `move-no-workers`, `move-latched`, `capability-missing`,
   * `backend-untested`. What cannot be moved stays where it is and is told by reason.
   */
  async move(name: Name<I>, options: MoveOptions): Promise<MoveResult> {
    const { dryRun, follow: standing, ...selection } = options
    const runtime = this.#runtime(name)
    if (selection.key !== undefined && runtime.settings.key === undefined) {
      throw new CutoverError(
        'option-invalid',
        `${name}: there is no key function, so no job has the key that is asked for`,
      )
    }
    await this.#openLedger()
    if (dryRun === true) return await runtime.mover.preview(selection)
    const result = standing === true ? await follow(runtime.mover, selection) : await runtime.mover.pass(selection)
    if (result.moved > 0 || result.pending > 0) await auditMove(await this.#ledgerOf(name), result, { by: this.#by })
    return result
  }

  // ---------------------------------------------------------------------------------------------- one by one

  /** Jobs that need somebody's eye, in pages: in doubt, parked, overdue, lost, or failed within `retain`. */
  async jobs(name: Name<I>, options: JobsOptions): Promise<JobPage> {
    const runtime = this.#runtime(name)
    await this.#openLedger()
    const { settings } = runtime
    return await listJobs(
      {
        ...{ migration: settings.name, settings: settings.ledger, ledger: () => this.#ledgerOf(name) },
        ...{ queue: (side) => runtime.queue(side), shadowQueue: (side) => runtime.shadowQueue(side) },
      },
      options,
    )
  }

  /** What happened to a job, in order; empty if neither ledger nor park lists know it. */
  async jobHistory(name: Name<I>, id: string): Promise<readonly JobEvent[]> {
    const runtime = this.#runtime(name)
    const ledger = await this.#ledgerOf(name)
    const { row, parked } = await findJob(
      {
        ...{ ledger: async () => ledger, queue: (side) => runtime.queue(side) },
        shadowQueue: (side) => runtime.shadowQueue(side),
      },
      id,
    )
    return await jobEvents(ledger, id, row, parked)
  }

  /**
   * Makes a job runnable that nobody would run by himself: in doubt, left by its worker, stuck in a move, lost and found
   * again; on its side, or on the other one with `to`. What it did before it may do again: only the idempotency keys of
   * its effects, which stay the same, make that safe.
   *
   * Refused, and nothing is changed: `job-unknown`, `job-state`, `job-copy-missing`, `move-no-workers`, `move-latched`.
   */
  async force(name: Name<I>, id: string, options: { to?: Side; by?: string; why: string }): Promise<OperationResult> {
    return await this.#operate(name, 'force', id, options)
  }

  /** Runs a failed job again, with all of its attempts, or a parked copy. Refused as `force` is. */
  async retry(
    name: Name<I>,
    id: string,
    options: { to?: Side; by?: string; why?: string } = {},
  ): Promise<OperationResult> {
    return await this.#operate(name, 'retry', id, options)
  }

  /**
   * Ends a job that will not be run: waiting, parked, lost, in doubt or stuck, as `cancelled`; its copies are removed. Of a
   * failed one it only notes that somebody has seen to it. `job-unknown`, `job-state`.
   */
  async discard(name: Name<I>, id: string, options: { by?: string; why: string }): Promise<OperationResult> {
    return await this.#operate(name, 'discard', id, options)
  }

  async #operate(
    name: Name<I>,
    operation: Operation,
    id: string,
    { to, by = this.#by, why }: { to?: Side; by?: string; why?: string },
  ): Promise<OperationResult> {
    const runtime = this.#runtime(name, to)
    if (operation !== 'retry' && (why ?? '').trim() === '') {
      throw new CutoverError('option-invalid', `${name}: ${operation} needs \`why\`, for the audit log`)
    }
    await this.#openLedger()
    const more = { ...(to === undefined ? {} : { to }), ...(why === undefined ? {} : { why }) }
    return await runtime.operator.run({ operation, id, by, ...more })
  }

  // ---------------------------------------------------------------------------------------------------- around

  /** Hears of every rollback, latch, mismatch, lost flag channel and the like; answers how to stop hearing. */
  onEvent(listener: (event: CutoverEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #emit(event: CutoverEvent): void {
    CHANNEL.publish(event)
    const loud = !QUIET.has(event.type)
    if (loud) this.#log.warn({ ...event }, `cutover: ${event.type}`)
    else this.#log.debug({ ...event }, `cutover: ${event.type}`)
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (cause) {
        this.#log.error({ err: cause }, 'an event listener threw')
      }
    }
  }

  /**
   * Stops consuming, aborts what runs longer than `timeout` (default `'30s'`), flushes, releases leases, closes what
   * was opened here. The library installs no signal handlers: call this from yours.
   */
  close(options: { timeout?: Duration } = {}): Promise<void> {
    this.#closing ??= this.#close(parseDuration(options.timeout ?? '30s', 'close timeout'))
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    const ends = await Promise.allSettled([...this.#runtimes.values()].map((runtime) => runtime.close(timeoutMs)))
    await this.#flags.close()
    await this.#ledger.close()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #runtime(name: string, side?: Side): Runtime {
    if (this.#closing !== undefined) throw new CutoverError('closed', 'this cutover is closed; open another one')
    const runtime = this.#runtimes.get(name)
    if (runtime === undefined) {
      throw new CutoverError(
        'migration-unknown',
        `there is no migration "${name}" in the configuration; there are: ${[...this.#runtimes.keys()].join(', ')}`,
      )
    }
    if (side !== undefined && !SIDES.includes(side)) {
      throw new CutoverError(
        'side-unknown',
        `${name}: there is no side "${String(side)}"; there are: ${SIDES.join(', ')}`,
      )
    }
    return runtime
  }

  /** Once it was told of all that this process has sent. */
  async #toldLedgerOf(name: string): Promise<MigrationLedger> {
    await this.#runtime(name).dispatcher.told()
    return await this.#ledgerOf(name)
  }

  async #ledgerOf(name: string): Promise<MigrationLedger> {
    const { settings } = this.#runtime(name)
    await this.#openLedger()
    return this.#ledger.migration(settings.name, settings.ledger)
  }

  /** For the command line and tests: the sweeper's pass now. */
  async sweep(name: Name<I>): Promise<void> {
    await this.#runtime(name).sweeper.sweep()
  }
}

/** Answers the first success for ever; a failure is tried again. */
function memo<V>(make: () => Promise<V>): () => Promise<V> {
  let kept: Promise<V> | undefined
  return () => {
    kept ??= make().catch((cause: unknown) => {
      kept = undefined
      throw cause
    })
    return kept
  }
}

const STDERR: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => console.error(message, printable(fields)),
  error: (fields, message) => console.error(message, printable(fields)),
}

function printable(fields: object): string {
  return JSON.stringify(fields, (_name, value: unknown) => (value instanceof Error ? value.message : value))
}

/** Opens flags and ledger and answers the object that producers and workers use. */
export async function openCutover<I, J, R, E, L, T>(
  config: CutoverConfig<I, J, R, E, L, T>,
  options: OpenOptions = {},
): Promise<Cutover<I, J, R, E, L, T>> {
  const cutover = new Cutover(config, options)
  try {
    await cutover.open()
  } catch (cause) {
    await cutover.close() // what was opened before the refusal
    throw cause
  }
  return cutover
}
