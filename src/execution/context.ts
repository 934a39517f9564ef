// What a handler is given beside its payload, and how the effects of one run are recorded, performed or left out.
//
// An effect is performed in a primary only, and only after the ledger has said that this run still holds its job.

import { encodeValue } from '../comparison/encode.ts'
import type { Logger } from '../config/types.ts'
import type { McpAccess } from '../mcp/seen.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { Arm, Side } from '../vocabulary/job.ts'
import type { RecordedEffect, SeenTools } from '../vocabulary/outcome.ts'
import { type HandlerMcp, RunMcp } from './run-mcp.ts'

/** What an effect's function is given. */
export interface EffectCall {
  /** The same at every attempt and on either side: job id, effect name, ordinal of that name in the run. */
  readonly idempotencyKey: string
  readonly signal: AbortSignal
}

type EffectsOf<E> = unknown extends E ? Record<string, unknown> : E

/** A handler's second argument. `E`: what its effects record, by name; `N`: the backend's own job object. */
export interface JobContext<E = unknown, N = unknown> {
  readonly id: string
  readonly arm: Arm
  readonly side: Side
  /** 1 for the first. */
  readonly attempt: number
  /** Aborted when the attempt's time is over, the worker closes, or another run has taken the job. */
  readonly signal: AbortSignal
  /** The backend's own job object. */
  readonly native: N
  readonly log: Logger
  /** The MCP servers of this migration. */
  readonly mcp: HandlerMcp
  /** Hands progress to the backend, in a primary whose backend has it; else it does nothing. */
  progress(value: unknown): Promise<void>
  /**
   * Runs `run` in a primary only; `recorded` is what is compared. In a shadow or control nothing is run and
   * `inShadow()` is returned, or undefined without one.
   */
  effect<K extends keyof EffectsOf<E> & string, V, S>(
    name: K,
    recorded: EffectsOf<E>[K],
    run: (call: EffectCall) => V | Promise<V>,
    inShadow: () => S,
  ): Promise<V | S>
  effect<K extends keyof EffectsOf<E> & string, V>(
    name: K,
    recorded: EffectsOf<E>[K],
    run: (call: EffectCall) => V | Promise<V>,
  ): Promise<V | undefined>
}

/** A user's handler. */
export type Handler<J = unknown, R = unknown, E = unknown, N = unknown> = (
  payload: J,
  ctx: JobContext<E, N>,
) => R | Promise<R>

export interface RunOptions {
  readonly migration: string
  readonly id: string
  readonly arm: Arm
  readonly side: Side
  readonly attempt: number
  readonly native: unknown
  readonly log: Logger
  readonly progress: (value: unknown) => Promise<void>
  /** Asks the ledger to begin effects; false: this run has lost its job. */
  readonly begin: () => Promise<boolean>
  /** The worker's MCP clients; undefined where no server is configured. */
  readonly mcp?: (() => Promise<McpAccess>) | undefined
  /** Its outcome will be compared. */
  readonly compared?: boolean
}

/** One run's context and the notes taken of it. */
export class RunContext {
  readonly context: JobContext
  readonly effects: RecordedEffect[] = []
  readonly #options: RunOptions
  /** Made when somebody asks for the signal: most handlers do not, and it costs more than the rest of a context. */
  #controller: AbortController | undefined
  #reason: CutoverError | undefined
  /** Told of the abort, before the signal. */
  onAbort: ((reason: CutoverError) => void) | undefined
  #mcp: RunMcp | undefined
  /** How often each effect's name was met; made with the first. */
  #ordinals: Map<string, number> | undefined
  #begun: Promise<boolean> | undefined
  #ended = false
  #inEffects = 0
  #effectMs = 0
  #effectSince = 0
  #waitedMs = 0
  #waitingSince: number | undefined
  /** An effect threw. */
  effectFailed = false
  /** The ledger refused the effects: this run must not report an end. */
  refused = false
  /** Where it stands among those that run. */
  slot = -1

  constructor(options: RunOptions) {
    this.#options = options
    this.context = new HandlerContext(this, options)
  }

  /**
   * Time spent inside `ctx.effect` so far, ms: waiting for the ledger to allow it and what a shadow does in its place, too.
   * Overlapping ones count once, one that is under way up to now.
   */
  get effectMs(): number {
    return this.#inEffects === 0 ? this.#effectMs : this.#effectMs + performance.now() - this.#effectSince
  }

  /** Time spent waiting for the ledger to allow effects, ms, until now. */
  get waitedMs(): number {
    return this.#waitingSince === undefined ? this.#waitedMs : this.#waitedMs + performance.now() - this.#waitingSince
  }

  async #begin(): Promise<boolean> {
    this.#waitingSince = performance.now()
    try {
      return await this.#options.begin()
    } finally {
      this.#waitedMs += performance.now() - this.#waitingSince
      this.#waitingSince = undefined
    }
  }

  /** The run is over: what it left running unawaited begins no further effect. */
  end(): void {
    this.#ended = true
  }

  abort(reason: CutoverError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.onAbort?.(reason)
    this.#controller?.abort(reason)
  }

  /** The MCP tools that the run had; undefined when it did not ask. */
  get seenTools(): SeenTools | undefined {
    return this.#mcp?.seen
  }

  get handlerMcp(): RunMcp {
    if (this.#mcp === undefined) {
      const { migration, id, arm, mcp: access, compared = true } = this.#options
      const isCopy = arm !== 'primary'
      this.#mcp = new RunMcp({ migration, id, access, isCopy, compared, signal: () => this.signal })
    }
    return this.#mcp
  }

  /** Why the run is over before its handler ended, if it is. */
  get aborted(): CutoverError | undefined {
    return this.#reason
  }

  /** The handler's signal. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  async effect(
    name: string,
    recorded: unknown,
    run: (call: EffectCall) => unknown,
    inShadow?: () => unknown,
  ): Promise<unknown> {
    this.#refuseIfOver(name)
    if (this.#inEffects === 0) this.#effectSince = performance.now()
    this.#inEffects += 1
    try {
      return await this.#inEffect(name, recorded, run, inShadow)
    } finally {
      this.#inEffects -= 1
      if (this.#inEffects === 0) this.#effectMs += performance.now() - this.#effectSince
    }
  }

  async #inEffect(
    name: string,
    recorded: unknown,
    run: (call: EffectCall) => unknown,
    inShadow?: () => unknown,
  ): Promise<unknown> {
    const { id, arm, migration } = this.#options
    this.#ordinals ??= new Map()
    const ordinal = (this.#ordinals.get(name) ?? 0) + 1
    this.#ordinals.set(name, ordinal)
    this.effects.push({ name, recorded: encodeValue(recorded, { refused: 'note' }).json })
    if (arm !== 'primary') return inShadow?.()
    this.#begun ??= this.#begin()
    if (!(await this.#begun)) {
      this.refused = true
      const error = new CutoverError(
        'effect-refused',
        `${migration}: job ${id} was taken by another run, so its effect "${name}" was not performed here`,
        { details: { migration, id, effect: name } },
      )
      this.abort(error)
      throw error
    }
    this.#refuseIfOver(name)
    return await this.#perform(run, `${migration}:${id}:${plain(name)}:${ordinal}`)
  }

  async #perform(run: (call: EffectCall) => unknown, idempotencyKey: string): Promise<unknown> {
    try {
      const signal = (): AbortSignal => this.signal
      return await run({
        idempotencyKey,
        get signal() {
          return signal()
        },
      })
    } catch (cause) {
      this.effectFailed = true
      throw cause
    }
  }

  /** A handler that ignores its signal may compute on, but it begins no further effect. */
  #refuseIfOver(name: string): void {
    if (this.#reason === undefined && !this.#ended) return
    const { id, migration } = this.#options
    const reason = this.#reason
    const why = reason !== undefined ? reason.message : 'its handler returned without waiting for this effect'
    throw new CutoverError(
      'effect-refused',
      `${migration}: job ${id} is over (${why}), so its effect "${name}" was not performed`,
      { ...(reason === undefined ? {} : { cause: reason }), details: { migration, id, effect: name } },
    )
  }
}

const RUN = Symbol('run')

/** The same getters for all contexts: with getters of its own each would cost more than all the rest of it. */
const SIGNAL: PropertyDescriptor & ThisType<HandlerContext> = {
  enumerable: true,
  get() {
    return this[RUN].signal
  },
}
const MCP: PropertyDescriptor & ThisType<HandlerContext> = {
  enumerable: true,
  get() {
    return this[RUN].handlerMcp
  },
}

/**
 * What handlers see: all of it its own, so that a copy (`{ ...ctx, log }`) has everything, too, and nothing depends on
 * `this` being this very object. What most runs do not need is made when it is asked for.
 */
class HandlerContext implements JobContext {
  readonly id: string
  readonly arm: Arm
  readonly side: Side
  readonly attempt: number
  readonly native: unknown
  readonly log: Logger
  readonly progress: JobContext['progress']
  readonly effect: JobContext['effect']
  declare readonly signal: AbortSignal
  declare readonly mcp: HandlerMcp
  readonly [RUN]: RunContext

  constructor(run: RunContext, { id, arm, side, attempt, native, log, progress }: RunOptions) {
    this.id = id
    this.arm = arm
    this.side = side
    this.attempt = attempt
    this.native = native
    this.log = log
    this.progress = async (value) => {
      if (arm === 'primary') await progress(value)
    }
    this.effect = ((
      name: string,
      recorded: unknown,
      perform: (call: EffectCall) => unknown,
      inShadow?: () => unknown,
    ) => run.effect(name, recorded, perform, inShadow)) as JobContext['effect']
    this[RUN] = run
    Object.defineProperty(this, 'signal', SIGNAL)
    Object.defineProperty(this, 'mcp', MCP)
  }
}

/** Ids may hold any text, so the other parts of a key hold no `:`; else two effects could share one. */
function plain(name: string): string {
  return name.includes(':') || name.includes('%') ? name.replaceAll('%', '%25').replaceAll(':', '%3A') : name
}
