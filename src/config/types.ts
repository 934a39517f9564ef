// What a user writes in `cutover.config.ts`, and how its types reach `enqueue`, `work` and `ctx`.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { CompareOptions } from '../comparison/options.ts'
import type { McpConfig } from '../mcp/config.ts'
import type { FlagSpec } from '../ports/flags.ts'
import type { LedgerSpec } from '../ports/ledger.ts'
import type { QueueSpec } from '../ports/queue.ts'
import type { Duration } from '../vocabulary/duration.ts'
import type { HashKey } from './flag-key.ts'

/** Anything of pino's shape. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * Names a type where nothing is to be validated: `result: type<Parsed>()`. It is a Standard Schema that accepts
 * everything.
 */
export function type<T>(): StandardSchemaV1<T, T> {
  return { '~standard': { version: 1, vendor: 'cutover', validate: (value) => ({ value: value as T }) } }
}

/** The options of a migration that carry no inferred type. */
export interface MigrationBase {
  /** How long one attempt may run. Default `'60s'`. */
  readonly timeout?: Duration
  /** Attempts in all, set on both sides alike. Default 1: no retry. */
  readonly attempts?: number
  /** The first pause between attempts, doubling. Default none. */
  readonly backoff?: Duration
  /** How long a job may wait before it starts, within the deadline. Default `'5m'`. */
  readonly waitAllowance?: Duration
  /**
   * After its due time plus this, a job without an outcome is overdue. Default: wait allowance + attempts × timeout +
   * backoffs; a smaller one is refused.
   */
  readonly deadline?: Duration
  /** `bucket`: width of a counting bucket of due time, default `'10s'`; `slack`: grace after the deadline, default `'15s'`. */
  readonly tally?: { readonly bucket?: Duration; readonly slack?: Duration }
  /** How long finished jobs are remembered; an id may not be used again within it. Default `'1h'`. */
  readonly retain?: Duration
  /** How long a run may be silent before another may take its job. Default `'30s'`; renewed while the worker lives. */
  readonly lease?: Duration
  /** `'off'` (default): never shadowed, as nothing is known of its effects. */
  readonly shadow?: 'off' | 'effects-declared'
  /** Shadow copies that may wait on a side before further ones are shed. Default 1000. */
  readonly shadowBacklog?: number
  /** How often a job may be started without an end before it is failed (it kills its workers). Default attempts + 5. */
  readonly maxStarts?: number
  /** Name of the flag where it is not called like the migration. */
  readonly flag?: string
  /** `'boolean'`: the flag has two values, on means target. Default `'string'`. */
  readonly flagKind?: 'string' | 'boolean'
  /**
   * Keys are hashed before the flag sees them: `true` with SHA-256, or by a function of your own, e.g. with a secret.
   * Changing it draws the lots anew. Default `false`.
   */
  readonly hashKey?: HashKey
  /**
   * What `enqueue` does with an id of your own while the ledger cannot be asked and a dial is above 0: `'refuse'`
   * (default), or `'legacy'`: send it to legacy, at the risk that the same id was sent to target before.
   */
  readonly whenLedgerIsGone?: 'refuse' | 'legacy'
  /**
   * `always` (default): every job is fenced. `target`: legacy jobs whose ids the library makes, and with which nothing is
   * compared, are sent and run without asking the ledger first; it is told of them in groups. They are counted all the
   * same, but a worker that stalls may begin effects a second time on legacy, and only what its queue knows to have
   * never been started can be moved.
   */
  readonly fence?: 'always' | 'target'
  /**
   * Path of the Markdown plan; a relative one counts from the working directory, for the command line from this
   * configuration's folder. Its `deadline` takes the place of the one here, so producers and workers read it too.
   */
  readonly plan?: string
  /** Names of the MCP servers that its handlers use. Default: all that are configured. */
  readonly mcp?: readonly string[]
}

type Schemas<I> = {
  readonly [K in keyof I]: MigrationBase & {
    /** Checked at `enqueue`, parsed again in the worker. Any Standard Schema, or `type<Email>()`. */
    readonly payload: StandardSchemaV1<I[K], unknown>
  }
}
type Parsed<J> = {
  readonly [K in keyof J]: {
    readonly payload: StandardSchemaV1<unknown, J[K]>
    /** The sticky unit, e.g. the mailbox. Default: the job's id. */
    readonly key?: (payload: J[K]) => string
  }
}
type Results<R> = {
  readonly [K in keyof R]: {
    /** The handler's result: `type<Parsed>()`. */
    readonly result?: StandardSchemaV1<unknown, R[K]>
    /** How results are compared. Default: exactly. */
    readonly compare?: CompareOptions<R[K]>
  }
}
type Effects<E> = {
  readonly [K in keyof E]: {
    /** What `ctx.effect` records, by effect name: `type<{ store: { id: string } }>()`. */
    readonly effects?: StandardSchemaV1<unknown, E[K]>
  }
}
type Legacy<L> = { readonly [K in keyof L]: { readonly legacy: QueueSpec<L[K]> } }
type Target<T> = { readonly [K in keyof T]: { readonly target: QueueSpec<T[K]> } }

export interface ConfigBase {
  /** In every key of the ledger: two applications may share one. Default `'default'`. Letters, digits, `-`, `_`, `.`. */
  readonly namespace?: string
  /** Where the ledger is, e.g. `sqliteLedger()` or `redisLedger({ url })`. */
  readonly ledger: LedgerSpec
  /** Where the flags come from, e.g. `fileFlags()`. */
  readonly flags: FlagSpec
  readonly logger?: Logger
  /** MCP servers that handlers use. */
  readonly mcp?: McpConfig
  /**
   * Where a report's links to the docs lead: URL (https, http, file) of their folder, or a path relative to where the
   * report lies. Default: where the package says they are published; else, of a report that is written into a project, the
   * docs installed there.
   */
  readonly docs?: string
}

/** The configuration with its inferred types: schema input, schema output, result, effects, native jobs. */
export interface CutoverConfig<I = Names, J = Names, R = Names, E = Names, L = Names, T = Names> extends ConfigBase {
  readonly migrations: Schemas<I> & Parsed<J> & Results<R> & Effects<E> & Legacy<L> & Target<T>
}
// biome-ignore lint/suspicious/noExplicitAny: the widest configuration, of which every inferred one is a case
type Names = Record<string, any>

/**
 * Checks nothing and opens nothing: gives the configuration its types. One type parameter for each thing to infer,
 * each in a mapped type of its own, so that `key`, `compare` and the handlers are typed from the schemas.
 */
export function defineConfig<I, J, R, E, L, T>(
  config: CutoverConfig<I, J, R, E, L, T>,
): CutoverConfig<I, J, R, E, L, T> {
  return config
}
