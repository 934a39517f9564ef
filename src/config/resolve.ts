// From what the user wrote to settled numbers: every default in one place, everything wrong refused by its path.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type CompareOptions, compareRules } from '../comparison/options.ts'
import { type McpSettings, resolveMcp } from '../mcp/config.ts'
import type { LedgerSettings } from '../ports/ledger.ts'
import type { QueueSpec } from '../ports/queue.ts'
import { parseDuration } from '../vocabulary/duration.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { type Backoff, SIDES, type Side } from '../vocabulary/job.ts'
import { DOCS_ALLOWED, docsBase } from './docs.ts'
import { type FlagKey, flagKeyOf, type HashKey } from './flag-key.ts'
import type { CutoverConfig } from './types.ts'

/** One migration, every default filled in, all times in ms. */
export interface MigrationSettings {
  readonly name: string
  readonly payload: StandardSchemaV1
  /** True when there is something to validate (`type<T>()` accepts everything). */
  readonly validates: boolean
  readonly key?: (payload: unknown) => string
  readonly legacy: QueueSpec
  readonly target: QueueSpec
  readonly compare: CompareOptions<unknown>
  readonly timeoutMs: number
  readonly attempts: number
  readonly backoff?: Backoff
  readonly leaseMs: number
  readonly ledger: LedgerSettings
  /** Wait allowance + attempts × timeout + backoffs: no deadline may be shorter. */
  readonly neededDeadlineMs: number
  readonly shadowable: boolean
  readonly shadowBacklog: number
  readonly maxStarts: number
  readonly flag: string
  readonly flagKind: 'string' | 'boolean'
  /** The key as the flag and the ceiling see it. */
  readonly flagKey: FlagKey
  readonly whenLedgerIsGone: 'refuse' | 'legacy'
  /** `target`: legacy jobs with ids of the library's own are sent and run without asking the ledger first. */
  readonly fence: 'always' | 'target'
  readonly plan?: string
  /** Undefined where this migration has no MCP server. */
  readonly mcp?: McpSettings
}

/** A send whose answer was lost is repeated for at most this long. */
export const ENQUEUE_TIMEOUT_MS = 10_000

const KNOWN = {
  config: ['namespace', 'ledger', 'flags', 'logger', 'mcp', 'docs', 'migrations'],
  migration: [
    ...['payload', 'result', 'effects', 'legacy', 'target', 'key', 'timeout', 'attempts', 'backoff', 'waitAllowance'],
    ...['deadline', 'tally', 'retain', 'lease', 'shadow', 'shadowBacklog', 'maxStarts', 'flag', 'flagKind', 'hashKey'],
    ...['compare', 'whenLedgerIsGone', 'fence', 'plan', 'mcp'],
  ],
} as const

function refuse(path: string, wrong: string, allowed: string): never {
  throw new CutoverError('config-invalid', `cutover.config: ${path}: ${wrong}; ${allowed}`, { details: { path } })
}

function refuseUnknown(value: object, known: readonly string[], path: string): void {
  for (const name of Object.keys(value)) {
    if (!known.includes(name))
      refuse(path === '' ? name : `${path}.${name}`, 'is not known', `allowed: ${known.join(', ')}`)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Refuses what is wrong at the top (`config-invalid`); answers the namespace. */
export function resolveNamespace(config: CutoverConfig): string {
  if (!isObject(config))
    refuse('(top)', `is ${config === null ? 'null' : typeof config}`, 'export default defineConfig({ … })')
  refuseUnknown(config, KNOWN.config, '')
  if (!isObject(config.ledger) || typeof config.ledger.create !== 'function') {
    refuse('ledger', 'is missing', 'name one, e.g. sqliteLedger() or redisLedger({ url })')
  }
  if (!isObject(config.flags) || typeof config.flags.create !== 'function') {
    refuse('flags', 'is missing', 'name a source, e.g. fileFlags()')
  }
  if (!isObject(config.migrations) || Object.keys(config.migrations).length === 0) {
    refuse('migrations', 'is empty', 'name at least one migration')
  }
  const namespace = config.namespace ?? 'default'
  if (typeof namespace !== 'string' || !/^[A-Za-z0-9._-]{1,60}$/.test(namespace)) {
    refuse('namespace', `is ${JSON.stringify(namespace)}`, '1 to 60 letters, digits, "-", "_" or "."')
  }
  if (config.docs !== undefined) {
    const read = docsBase(config.docs)
    if ('wrong' in read) refuse('docs', read.wrong, DOCS_ALLOWED)
  }
  return namespace
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], fallback: T, path: string): T {
  if (value === undefined) return fallback
  if (!allowed.includes(value as T)) refuse(path, `is ${JSON.stringify(value)}`, `allowed: ${allowed.join(', ')}`)
  return value as T
}

function integer(value: unknown, least: number, fallback: number, path: string): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || (value as number) < least)
    refuse(path, `is ${String(value)}`, `a whole number from ${least}`)
  return value as number
}

function queueSpec(value: unknown, path: string): QueueSpec {
  if (!isObject(value) || typeof value['create'] !== 'function') {
    refuse(
      path,
      'is missing',
      'name a queue, e.g. beeQueue({ queue: "email" }), bullmq({ queue: "email" }) or embeddedQueue({ queue: "email" })',
    )
  }
  return value as unknown as QueueSpec
}

function requireBackoff(queues: Readonly<Record<Side, QueueSpec>>, path: string): void {
  for (const side of SIDES) {
    const { kind, capabilities } = queues[side]
    if (capabilities.backoff) continue
    refuse(
      `${path}.backoff`,
      `the ${side} queue (${kind}) has no "backoff"`,
      'leave it out, or use a queue that has it',
    )
  }
}

/** Wait allowance + attempts × timeout + Σ backoffs (docs/gates.md, section 3). */
export function neededDeadline(o: { waitMs: number; attempts: number; timeoutMs: number; backoffMs: number }): number {
  return o.waitMs + o.attempts * o.timeoutMs + o.backoffMs * (2 ** (o.attempts - 1) - 1)
}

/** All of one migration's options with their defaults. `config-invalid`, `deadline-too-short`, `retain-too-short`. */
export function resolveMigration(config: CutoverConfig, name: string): MigrationSettings {
  const given: unknown = Object.hasOwn(config.migrations, name) ? config.migrations[name] : undefined
  if (!isObject(given)) {
    throw new CutoverError(
      'migration-unknown',
      `there is no migration "${name}" in the configuration; there are: ${Object.keys(config.migrations).join(', ')}`,
      { details: { migration: name } },
    )
  }
  const path = `migrations.${name}`
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    refuse(path, 'is not a name for a migration', 'up to 100 letters, digits, "-", "_" or ".", a letter or digit first')
  }
  refuseUnknown(given, KNOWN.migration, path)
  const payload = given['payload'] as StandardSchemaV1 | undefined
  if (!isObject(payload?.['~standard']))
    refuse(`${path}.payload`, 'is not a Standard Schema', 'e.g. a zod schema, or type<Email>()')
  for (const option of ['key'] as const) {
    if (given[option] !== undefined && typeof given[option] !== 'function')
      refuse(`${path}.${option}`, 'is not a function', 'e.g. (email) => email.mailbox')
  }
  const times = resolveTimes(given, path)
  const legacy = queueSpec(given['legacy'], `${path}.legacy`)
  const target = queueSpec(given['target'], `${path}.target`)
  if (times.backoff !== undefined) requireBackoff({ legacy, target }, path)
  const attempts = times.attempts
  const shadow = oneOf(given['shadow'], ['off', 'effects-declared'], 'off', `${path}.shadow`)
  const flag = given['flag'] ?? name
  if (typeof flag !== 'string' || flag === '') refuse(`${path}.flag`, 'is not a name', 'the name of the flag')
  const mcp = resolveMcp(config.mcp, given['mcp'], `${path}.mcp`)
  const { hashKey } = given
  if (hashKey !== undefined && typeof hashKey !== 'boolean' && typeof hashKey !== 'function')
    refuse(`${path}.hashKey`, 'is neither true, false nor a function', 'e.g. (key) => hmac(secret, key)')
  return {
    name,
    payload: payload as StandardSchemaV1,
    validates: payload?.['~standard'].vendor !== 'cutover',
    ...(given['key'] === undefined ? {} : { key: given['key'] as (payload: unknown) => string }),
    legacy,
    target,
    compare: compareRules((given['compare'] ?? {}) as CompareOptions<unknown>, `cutover.config: ${path}.compare`)
      .options,
    ...times,
    shadowable: shadow === 'effects-declared',
    shadowBacklog: integer(given['shadowBacklog'], 0, 1000, `${path}.shadowBacklog`),
    maxStarts: integer(given['maxStarts'], attempts, attempts + 5, `${path}.maxStarts`),
    flag,
    flagKind: oneOf(given['flagKind'], ['string', 'boolean'], 'string', `${path}.flagKind`),
    flagKey: flagKeyOf(hashKey as HashKey | undefined),
    whenLedgerIsGone: oneOf(given['whenLedgerIsGone'], ['refuse', 'legacy'], 'refuse', `${path}.whenLedgerIsGone`),
    fence: oneOf(given['fence'], ['always', 'target'], 'always', `${path}.fence`),
    ...(given['plan'] === undefined ? {} : { plan: String(given['plan']) }),
    ...(mcp === undefined ? {} : { mcp }),
  }
}

function durationOf(value: unknown, path: string): number {
  try {
    return parseDuration(value, path)
  } catch (cause) {
    const message = cause instanceof CutoverError ? cause.message : String(cause)
    throw new CutoverError('config-invalid', `cutover.config: ${message}`, { details: { path } })
  }
}

type Times = Pick<MigrationSettings, 'timeoutMs' | 'attempts' | 'backoff' | 'leaseMs' | 'ledger' | 'neededDeadlineMs'>

function resolveTimes(given: Record<string, unknown>, path: string): Times {
  const duration = (name: string, fallback: number, value: unknown = given[name]): number =>
    value === undefined ? fallback : durationOf(value, `${path}.${name}`)
  const attempts = integer(given['attempts'], 1, 1, `${path}.attempts`)
  const timeoutMs = duration('timeout', 60_000)
  if (!(timeoutMs > 0)) refuse(`${path}.timeout`, 'is 0', 'how long one attempt may run, e.g. "60s"')
  const backoffMs = duration('backoff', 0)
  const leaseMs = duration('lease', 30_000)
  if (leaseMs < 1000) refuse(`${path}.lease`, `is ${leaseMs} ms`, 'at least "1s"')
  const needed = neededDeadline({ waitMs: duration('waitAllowance', 300_000), attempts, timeoutMs, backoffMs })
  const deadlineMs = duration('deadline', needed)
  if (deadlineMs < needed) {
    throw new CutoverError(
      'deadline-too-short',
      `cutover.config: ${path}.deadline is ${deadlineMs} ms; waiting, ${attempts} attempts of ${timeoutMs} ms and their pauses need ${needed} ms: raise it, or lower waitAllowance, attempts or timeout`,
      { details: { path, needed, given: deadlineMs } },
    )
  }
  const tally = (given['tally'] ?? {}) as { bucket?: unknown; slack?: unknown }
  const bucketMs = duration('tally.bucket', 10_000, tally.bucket)
  if (bucketMs < 100) refuse(`${path}.tally.bucket`, `is ${bucketMs} ms`, 'at least "100ms"')
  const slackMs = duration('tally.slack', 15_000, tally.slack)
  const retainMs = duration('retain', 3_600_000)
  // An id may be sent again for the resend window, and a stalled run may come back after its lease: both must find the row.
  const least = 2 * leaseMs + ENQUEUE_TIMEOUT_MS
  if (retainMs < least) {
    throw new CutoverError(
      'retain-too-short',
      `cutover.config: ${path}.retain is ${retainMs} ms; two leases and the resend window need ${least} ms: raise it, or lower lease`,
      { details: { path, needed: least, given: retainMs } },
    )
  }
  return {
    timeoutMs,
    attempts,
    ...(backoffMs === 0 ? {} : { backoff: { delayMs: backoffMs } }),
    leaseMs,
    ledger: { bucketMs, slackMs, deadlineMs, retainMs },
    neededDeadlineMs: needed,
  }
}
