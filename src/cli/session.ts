// What a command has open: the configuration, and of ledger, flags and queues exactly what it asked for.
//
// Each is opened by itself and late, so that a rollback needs the ledger alone. Everything opened is closed at the end,
// within a bounded time.

import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type MigrationSettings, resolveMigration, resolveNamespace } from '../config/resolve.ts'
import type { FlagSource } from '../ports/flags.ts'
import type { Ledger, MigrationLedger } from '../ports/ledger.ts'
import type { Queue } from '../ports/queue.ts'
import { type PlanFile, readPlanFile, withPlan } from '../rollout/plan-file.ts'
import { CutoverError, type CutoverErrorCode } from '../vocabulary/errors.ts'
import type { Side } from '../vocabulary/job.ts'
import { userAtHost } from '../who.ts'
import { type LoadedConfig, loadConfig } from './config-file.ts'
import type { Call } from './io.ts'

const LEDGER_OPEN_MS = 15_000
const FLAGS_READY_MS = 5_000
/** Adapters give up by themselves, within five seconds and what closing takes. */
const QUEUE_OPEN_MS = 10_000
const CLOSE_MS = 3_000

export class Session {
  readonly path: string
  readonly #loaded: LoadedConfig
  readonly #closers: (() => Promise<void>)[] = []
  readonly #queues = new Map<string, Promise<Queue>>()
  #ledger: Promise<Ledger> | undefined
  #flags: Promise<FlagSource> | undefined

  constructor(loaded: LoadedConfig) {
    this.#loaded = loaded
    this.path = loaded.path
  }

  get config(): LoadedConfig['config'] {
    return this.#loaded.config
  }

  get namespace(): string {
    return resolveNamespace(this.config)
  }

  /** Names of all migrations; `config-invalid` where the top is wrong. */
  get names(): readonly string[] {
    resolveNamespace(this.config)
    return Object.keys(this.config.migrations)
  }

  /** With the plan's deadline; a plan that cannot be read keeps no command from working (`check` tells of it). */
  settings(name: string): MigrationSettings {
    const settings = resolveMigration(this.config, name)
    try {
      return withPlan(settings, this.planFile(settings))
    } catch {
      return settings
    }
  }

  /** The plan of a migration as its file has it now; a relative path counts from the configuration's folder. */
  planFile(settings: MigrationSettings): PlanFile {
    if (settings.plan === undefined) return { kind: 'none' }
    const all = this.names.flatMap((name) => {
      try {
        return [resolveMigration(this.config, name)]
      } catch {
        return [] // told by whoever asks for that migration
      }
    })
    return readPlanFile(settings, dirname(this.path), all)
  }

  /** The migration that is meant: the one named, or the only one. `migration-unknown`, `usage`. */
  pick(name: string | undefined): MigrationSettings {
    const [first, ...others] = this.names
    if (name !== undefined) return this.settings(name)
    if (first !== undefined && others.length === 0) return this.settings(first)
    throw new CutoverError('usage', `which migration? Name one of: ${this.names.join(', ')}`, {
      details: { migrations: this.names },
    })
  }

  /** The one named, or all. */
  pickAll(name: string | undefined): readonly MigrationSettings[] {
    return name === undefined ? this.names.map((each) => this.settings(each)) : [this.settings(name)]
  }

  /**
   * Arguments `[NAME] ID`: with one migration its name may be left out. A single argument is an id then, unless it is
   * the migration's name and an id is not needed.
   */
  pickWithId(args: readonly (string | undefined)[], needsId: boolean): { settings: MigrationSettings; id?: string } {
    const [first, second] = args
    if (second !== undefined) return { settings: this.pick(first), id: second }
    if (first === undefined) {
      if (needsId) throw new CutoverError('usage', 'which job? Name its id')
      return { settings: this.pick(undefined) }
    }
    const isName = this.names.includes(first)
    if (needsId && isName) throw new CutoverError('usage', `which job of ${first}? Name its id after the migration`)
    if (isName) return { settings: this.pick(first) }
    // with several migrations a lone argument that is no name is a misspelt name
    return this.names.length === 1 ? { settings: this.pick(undefined), id: first } : { settings: this.pick(first) }
  }

  /** Opens the ledger alone: neither flags nor queues are touched. */
  ledger(): Promise<Ledger> {
    this.#ledger ??= this.#openLedger()
    return this.#ledger
  }

  async #openLedger(): Promise<Ledger> {
    const ledger = this.config.ledger.create({ namespace: this.namespace })
    this.#closers.push(() => ledger.close())
    await inTime(ledger.open(), LEDGER_OPEN_MS, 'ledger-unavailable', `the ${ledger.kind} ledger`)
    return ledger
  }

  async ledgerOf(settings: MigrationSettings): Promise<MigrationLedger> {
    return (await this.ledger()).migration(settings.name, settings.ledger)
  }

  /** The flag source, once its values are known or known not to be had. */
  flags(): Promise<FlagSource> {
    this.#flags ??= this.#openFlags()
    return this.#flags
  }

  async #openFlags(): Promise<FlagSource> {
    const source = this.config.flags.create({ flags: flagNames(this.config.migrations) })
    this.#closers.push(() => source.close())
    await inTime(source.ready(), FLAGS_READY_MS, 'flag-unavailable', `the ${source.kind} flag source`)
    return source
  }

  /** A side's queue, or its shadow queue, opened. */
  queue(settings: MigrationSettings, side: Side, shadow = false): Promise<Queue> {
    const name = `${settings.name} ${side}${shadow ? '.shadow' : ''}`
    const opening = this.#queues.get(name) ?? this.#openQueue(settings, side, shadow)
    this.#queues.set(name, opening)
    return opening
  }

  async #openQueue(settings: MigrationSettings, side: Side, shadow: boolean): Promise<Queue> {
    const queue = shadow ? (await this.queue(settings, side)).shadow() : settings[side].create()
    this.#closers.push(() => queue.close())
    const what = `${settings.name}: the ${side} ${shadow ? 'shadow ' : ''}queue (${queue.kind})`
    await inTime(queue.open(), QUEUE_OPEN_MS, 'queue-unavailable', what)
    return queue
  }

  /** Last opened, first closed. A part that does not close in time or fails to is left: the process ends after this. */
  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) {
      await Promise.race([close().catch(() => {}), delay(CLOSE_MS, undefined, { ref: false })])
    }
  }
}

/** Without checking the migrations: a broken one must not keep the flags of the others from being seen. */
function flagNames(migrations: Readonly<Record<string, { readonly flag?: unknown } | null>>): string[] {
  return Object.entries(migrations).map(([name, given]) => (typeof given?.flag === 'string' ? given.flag : name))
}

/** Rejects with `code` when `promise` has not settled in time. */
export async function inTime<T>(promise: Promise<T>, ms: number, code: CutoverErrorCode, what: string): Promise<T> {
  const late = new AbortController()
  const timeout = delay(ms, undefined, { signal: late.signal }).then(() => {
    throw new CutoverError(code, `${what} gave no answer within ${ms / 1000} s; is it reachable from here?`)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    timeout.catch(() => {}) // aborted below, or reported already
    promise.catch(() => {}) // what it does after the time-out is nobody's concern
    late.abort()
  }
}

/** Runs `work` with the configuration of this call, and closes whatever it opened. */
export async function withSession<T>(call: Call, work: (session: Session) => Promise<T>): Promise<T> {
  const session = new Session(await loadConfig(call.io.cwd, call.options.config))
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** Who did it and why, for the audit log. */
export interface WhoOptions {
  readonly by?: string
  readonly why?: string
}

export function whoOf({ by, why }: WhoOptions): { by: string; why?: string } {
  return { by: by ?? userAtHost(), ...(why === undefined ? {} : { why }) }
}
