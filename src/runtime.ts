// One migration in one process: its queues, its watch, its producer, its workers and its sweeper, opened when needed.

import { setTimeout as delay } from 'node:timers/promises'
import { Mover } from './backlog/move.ts'
import { Operator } from './backlog/operate.ts'
import { Scheduler } from './backlog/schedules.ts'
import { Sweeper } from './backlog/sweep.ts'
import { fingerprint } from './config/fingerprint.ts'
import type { MigrationSettings } from './config/resolve.ts'
import type { Logger } from './config/types.ts'
import { comparePair } from './execution/compare-pair.ts'
import type { Handler } from './execution/context.ts'
import { Fence } from './execution/fence.ts'
import { Runner } from './execution/runner.ts'
import { Unrecorded } from './execution/unrecorded.ts'
import { ToolPools } from './mcp/pools.ts'
import type { FlagSource } from './ports/flags.ts'
import type { EndScript } from './ports/joint.ts'
import type { MigrationLedger, PairState } from './ports/ledger.ts'
import type { Consumer, Queue } from './ports/queue.ts'
import { ControlWatch } from './routing/control-watch.ts'
import { Dispatcher } from './routing/dispatch.ts'
import { parsePayload, prepare } from './routing/prepare.ts'
import { type Duration, parseDuration } from './vocabulary/duration.ts'
import { CutoverError, isCutoverError } from './vocabulary/errors.ts'
import type { EmitEvent } from './vocabulary/events.ts'
import { newId } from './vocabulary/ids.ts'
import { type Route, SIDES, type Side } from './vocabulary/job.ts'
import type { ProbeJob } from './vocabulary/probe.ts'

export interface RuntimeOptions {
  readonly settings: MigrationSettings
  readonly ledger: () => Promise<MigrationLedger>
  /** `Ledger.store`. */
  readonly ledgerStore: () => string | undefined
  readonly flags: FlagSource
  readonly by: string
  readonly log: Logger
  readonly emit: EmitEvent
  readonly sweepMs: number
  readonly forced?: Route
}

export interface WorkOptions {
  /** Jobs at once. Default 1. */
  readonly concurrency?: number
  /** The handler's version: a new one starts new counts. Default `'1'`; a deploy that does not bump it keeps them. */
  readonly version?: string
}

/** What `work` gives back. */
export interface Worker {
  /** Takes no further job and waits for the running ones, by default `'30s'`. True: all ended in time. */
  stop(options?: { timeout?: Duration }): Promise<boolean>
}

const STOP_MS = 30_000
/** After the abort signal, how long a handler has to obey it. */
const GRACE_MS = 1000
/** For each server that is probed when a worker starts. */
const START_PROBE_MS = 20_000

export class Runtime {
  readonly settings: MigrationSettings
  readonly watch: ControlWatch
  readonly dispatcher: Dispatcher
  readonly #o: RuntimeOptions
  readonly #queues = new Map<string, Promise<Queue>>()
  /** `Queue.store` of those that are open. */
  readonly #stores = new Map<string, string | undefined>()
  readonly #opened = new Map<string, Queue>()
  readonly #fence: Fence
  readonly #unrecorded: Unrecorded
  readonly mover: Mover
  readonly operator: Operator
  readonly #sweeper: Sweeper
  readonly scheduler: Scheduler
  readonly #workers = new Set<WorkerHandle>()
  readonly #pools: ToolPools
  #probing: Promise<void> = Promise.resolve()
  #closed = false
  #started: Promise<void> | undefined

  constructor(options: RuntimeOptions) {
    this.#o = options
    this.settings = options.settings
    const { settings, ledger, flags, emit } = options
    const queue = (side: Side): Promise<Queue> => this.queue(side)
    this.watch = new ControlWatch({
      migration: settings.name,
      ledger,
      flags,
      flag: settings.flag,
      flagKind: settings.flagKind,
      rules: fingerprint(settings),
      by: options.by,
      emit,
      inFlight: () => this.dispatcher.inFlight(),
    })
    this.dispatcher = new Dispatcher({
      settings,
      ledger,
      flags,
      watch: this.watch,
      queue,
      shadowQueue: (side) => this.shadowQueue(side),
      queueStore: (side) => this.#stores.get(side),
      ledgerStore: options.ledgerStore,
      emit,
      ...(options.forced === undefined ? {} : { forced: options.forced }),
    })
    this.#fence = new Fence({ ledger, leaseMs: settings.leaseMs, guard: (asked) => this.watch.guard(asked) })
    this.#unrecorded = new Unrecorded({ fence: this.#fence, ledger })
    this.mover = new Mover({ settings, ledger, queue, by: options.by })
    const shadowQueue = (side: Side): Promise<Queue> => this.shadowQueue(side)
    this.operator = new Operator({ settings, ledger, queue, shadowQueue, mover: this.mover })
    this.#pools = new ToolPools(async (side) => {
      const { ToolPool } = await import('./mcp/pool.ts')
      const { mcp, name: migration } = settings
      if (mcp === undefined) throw new CutoverError('mcp-not-configured', `${migration}: there are no MCP servers`)
      return new ToolPool({ migration, side, mcp, instance: this.watch.instance, ledger, emit })
    })
    this.#sweeper = new Sweeper({
      mover: this.mover,
      migration: settings.name,
      instance: this.watch.instance,
      settings: settings.ledger,
      ledger,
      queue,
      openQueues: () => [...this.#opened.values()],
      compare: this.#compare,
      emit,
      everyMs: options.sweepMs,
    })
    this.scheduler = new Scheduler({
      migration: settings.name,
      instance: this.watch.instance,
      ledger,
      send: async ({ payload, priority, attempts }, id) => {
        await this.watch.produces()
        const more = {
          ...(priority === undefined ? {} : { priority }),
          ...(attempts === undefined ? {} : { attempts }),
        }
        const job = await prepare(settings, payload, { id, ...more })
        await this.dispatcher.send({ ...job, ledgerOnly: true })
      },
      emit,
    })
  }

  get sweeper(): Sweeper {
    return this.#sweeper
  }

  /** Starts the watch, the sweeper and the scheduler, once. */
  start(): Promise<void> {
    this.#started ??= this.watch.start().then(() => {
      this.#sweeper.start()
      this.scheduler.start()
    })
    return this.#started
  }

  queue(side: Side): Promise<Queue> {
    return this.#open(side, () => this.settings[side].create())
  }

  shadowQueue(side: Side): Promise<Queue> {
    return this.#open(`${side}.shadow`, async () => (await this.queue(side)).shadow())
  }

  /** Opens a queue once; a failed opening is tried again at the next call. */
  #open(name: string, create: () => Queue | Promise<Queue>): Promise<Queue> {
    let opening = this.#queues.get(name)
    if (opening === undefined) {
      opening = (async () => {
        const queue = await create()
        await queue.open()
        this.#stores.set(name, queue.store)
        this.#opened.set(name, queue)
        return queue
      })()
      this.#queues.set(name, opening)
      opening.catch(() => this.#queues.delete(name))
    }
    return opening
  }

  #compare = async (id: string, pair: PairState): Promise<void> => {
    const { settings, ledger, emit, log } = this.#o
    await comparePair(id, pair, {
      ledger,
      options: settings.compare,
      onMismatch: (job, differences) => emit({ type: 'mismatch', migration: settings.name, id: job, differences }),
      onError: (cause) => log.warn({ err: cause, migration: settings.name, id }, 'a comparison waits for the sweeper'),
    })
  }

  runner(side: Side, handler: Handler, version: string): Runner {
    const { settings, log, emit } = this.#o
    return new Runner({
      settings,
      side,
      handler,
      version,
      fence: this.#fence,
      unrecorded: this.#unrecorded,
      compare: this.#compare,
      parse: (payload) => parsePayload(settings, payload),
      epoch: () => this.watch.epochNow,
      now: () => this.watch.ledgerNow(),
      quiet: () => !this.watch.everDialled,
      guard: (asked) => this.watch.guard(asked),
      probe: (job) => this.#probe(side, job),
      mcp: settings.mcp === undefined ? undefined : () => this.#pools.of(side),
      log,
      emit,
    })
  }

  /** One after the other, whatever asks for it: two at once could not tell whose process is whose. */
  #probe(side: Side, job: ProbeJob): Promise<void> {
    const { settings, ledger, emit, log } = this.#o
    this.#probing = this.#probing.then(async () => {
      try {
        const { answerProbe } = await import('./mcp/worker-probe.ts')
        const { instance } = this.watch
        const now = (): number => this.watch.ledgerNow()
        await answerProbe({ migration: settings.name, mcp: settings.mcp, side, job, instance, ledger, now, emit })
        await this.#pools.look(side)
      } catch (cause) {
        log.warn(
          { err: cause, migration: settings.name, server: job.server },
          'a probe could not be told to the ledger',
        )
      }
    })
    return this.#probing
  }

  /** Once, when a worker starts and the configuration asks for it. */
  #probeAtStart(side: Side): void {
    const { mcp } = this.settings
    if (mcp?.probeAtStart !== true) return
    const id = newId()
    for (const { name } of mcp.servers) {
      const expiresAt = this.watch.ledgerNow() + START_PROBE_MS * mcp.servers.length
      void this.#probe(side, { id, server: name, expiresAt })
    }
  }

  /** Without a ledger that answers now, ends and acks go their ways one after the other. */
  async #endScript(): Promise<EndScript | undefined> {
    try {
      return await (await this.#o.ledger()).endScript?.()
    } catch (cause) {
      if (!isCutoverError(cause, 'ledger-unavailable')) throw cause
      return undefined
    }
  }

  async work(
    side: Side,
    handler: Handler,
    options: WorkOptions,
    what: { primary: boolean; shadow: boolean },
  ): Promise<Worker> {
    const { concurrency, version } = checkWorkOptions(this.settings.name, handler, options)
    await this.start()
    const runner = this.runner(side, handler, version)
    const consumers: Consumer[] = []
    const endScript = side === 'legacy' && this.settings.fence === 'target' ? await this.#endScript() : undefined
    const consume = async (queue: Queue): Promise<void> => {
      consumers.push(
        await queue.consume((delivery) => runner.deliver(delivery), {
          concurrency,
          endScript,
          onError: (error) => this.#queueError(side, error),
        }),
      )
    }
    try {
      if (what.primary) await consume(await this.queue(side))
      if (what.shadow) await consume(await this.shadowQueue(side))
      await this.watch.works(side, version, what)
      if (this.#closed) throw new CutoverError('closed', `${this.settings.name}: closed while the worker was starting`)
    } catch (cause) {
      await Promise.allSettled(consumers.map((consumer) => consumer.stop({ timeoutMs: GRACE_MS })))
      throw cause
    }
    const handle = new WorkerHandle(
      runner,
      consumers,
      async () => {
        this.#workers.delete(handle)
        if ([...this.#workers].some((other) => other.side === side)) return
        await this.#pools.close(side)
        await this.watch.worksNoMore(side)
      },
      side,
    )
    this.#workers.add(handle)
    this.#probeAtStart(side)
    return handle
  }

  /** A processor for a worker of the user's own. */
  wrap(side: Side, handler: Handler, options: WorkOptions): (...args: unknown[]) => Promise<unknown> {
    const { version } = checkWorkOptions(this.settings.name, handler, options)
    const runner = this.runner(side, handler, version)
    const handle = new WorkerHandle(
      runner,
      [],
      async () => {
        await this.#pools.close(side)
        await this.watch.worksNoMore(side)
      },
      side,
    )
    let ready: Promise<Queue> | undefined
    const prepare = async (): Promise<Queue> => {
      if (this.#closed) throw new CutoverError('closed', `${this.settings.name}: closed; open another cutover`)
      await this.start()
      await this.watch.works(side, version, { primary: true, shadow: false })
      this.#workers.add(handle)
      this.#probeAtStart(side)
      return await this.queue(side)
    }
    const open = (): Promise<Queue> => {
      ready ??= prepare().catch((cause: unknown) => {
        ready = undefined
        throw cause
      })
      return ready
    }
    // announced before its first job; what fails here fails again, and is told, at that job
    open().catch((cause: unknown) => this.#queueError(side, cause))
    return async (...args) => {
      const queue = await open()
      const delivery = queue.fromNative(args)
      return await queue.toNative(delivery, args, await runner.deliver(delivery))
    }
  }

  #queueError(side: Side, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.#o.emit({ type: 'queue-error', migration: this.settings.name, side, message })
  }

  /** Stop consuming → abort signals at the time-out → flush → release leases → close. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true
    await this.#started
    await this.scheduler.stop()
    await Promise.all([...this.#workers].map((worker) => worker.stop({ timeout: timeoutMs })))
    await this.dispatcher.close(timeoutMs)
    await Promise.race([this.#probing, delay(timeoutMs, undefined, { ref: false })])
    await Promise.all(SIDES.map((side) => this.#pools.close(side)))
    await this.#fence.settled()
    const untold = await this.#unrecorded.close(Math.min(timeoutMs, 2000))
    if (untold > 0) this.#o.emit({ type: 'untold', migration: this.settings.name, count: untold })
    if (this.#started !== undefined) await this.#sweeper.stop()
    if (this.#started !== undefined) await this.watch.stop()
    await Promise.allSettled(this.#queues.values())
    const closed = await Promise.allSettled([...this.#opened.values()].map((queue) => queue.close()))
    for (const end of closed) if (end.status === 'rejected') throw end.reason
  }
}

class WorkerHandle implements Worker {
  readonly side: Side
  readonly #runner: Runner
  readonly #consumers: readonly Consumer[]
  readonly #onStopped: () => Promise<void>
  // the process lives as long as it works, whatever its backend's timers do
  readonly #alive = setInterval(() => {}, 2 ** 30)
  #stopping: Promise<boolean> | undefined

  constructor(runner: Runner, consumers: readonly Consumer[], onStopped: () => Promise<void>, side: Side) {
    this.#runner = runner
    this.#consumers = consumers
    this.#onStopped = onStopped
    this.side = side
    if (consumers.length === 0) this.#alive.unref() // a worker of the user's own keeps its process itself
  }

  stop(options: { timeout?: Duration } = {}): Promise<boolean> {
    this.#stopping ??= this.#stop(parseDuration(options.timeout ?? STOP_MS, 'stop timeout'))
    return this.#stopping
  }

  async #stop(timeoutMs: number): Promise<boolean> {
    this.#runner.drain()
    const ended = await this.#drain(timeoutMs)
    if (!ended) {
      this.#runner.abort()
      await this.#drain(GRACE_MS)
    }
    clearInterval(this.#alive)
    await this.#onStopped()
    return ended
  }

  async #drain(timeoutMs: number): Promise<boolean> {
    if (this.#consumers.length === 0) {
      const until = performance.now() + timeoutMs
      while (this.#runner.active > 0 && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 20))
      return this.#runner.active === 0
    }
    const ends = await Promise.all(this.#consumers.map((consumer) => consumer.stop({ timeoutMs })))
    return ends.every((end) => end)
  }
}

function checkWorkOptions(migration: string, handler: unknown, options: WorkOptions): Required<WorkOptions> {
  const { concurrency = 1, version = '1' } = options
  const wrong =
    typeof handler !== 'function'
      ? 'the handler is not a function; pass (payload, ctx) => …'
      : !Number.isInteger(concurrency) || concurrency < 1
        ? `concurrency is ${concurrency}; a whole number from 1`
        : typeof version !== 'string' || version === '' || version.length > 60
          ? 'version is not a text of 1 to 60 characters'
          : undefined
  if (wrong !== undefined) throw new CutoverError('option-invalid', `${migration}: ${wrong}`)
  return { concurrency, version }
}
