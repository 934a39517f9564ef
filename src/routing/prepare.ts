// From what the caller passed to `enqueue` to a job that may be sent, or a refusal before anything is stored.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type MigrationSettings, neededDeadline } from '../config/resolve.ts'
import type { Capabilities, QueueSpec } from '../ports/queue.ts'
import { type Duration, parseDuration } from '../vocabulary/duration.ts'
import { checkPayload } from '../vocabulary/envelope.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { checkId, newId } from '../vocabulary/ids.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'

export interface EnqueueOptions {
  /** An id of your own: the same id is one job, however often it is sent within `retain`. Default: a new UUID. */
  readonly id?: string
  /** Due after this long. Needs the capability `delay` on both sides. */
  readonly delay?: Duration
  /** Smaller first, 0 to 2 097 151. Needs the capability `priority` on both sides. */
  readonly priority?: number
  /** Attempts in all, for this job. Not more than the migration's deadline covers. */
  readonly attempts?: number
}

/** A job that may be sent. */
export interface Prepared {
  readonly id: string
  /** The library made the id just now. */
  readonly fresh: boolean
  readonly payload: unknown
  /** Undefined: the key is the id. */
  readonly key: string | undefined
  readonly delayMs: number
  readonly priority: number | undefined
  readonly attempts: number
  /** Never sent without a row in the ledger, whatever `whenLedgerIsGone` says: its sender tries again by itself. */
  readonly ledgerOnly?: boolean
}

const KNOWN: readonly string[] = ['id', 'delay', 'priority', 'attempts'] satisfies (keyof EnqueueOptions)[]

/** Parses a payload by the migration's schema; `payload-invalid` names the first paths that are wrong. */
export function parsePayload(settings: MigrationSettings, payload: unknown): unknown | Promise<unknown> {
  if (!settings.validates) return payload
  const result = settings.payload['~standard'].validate(payload)
  return result instanceof Promise ? result.then((r) => parsed(settings, r)) : parsed(settings, result)
}

function parsed(settings: MigrationSettings, result: StandardSchemaV1.Result<unknown>): unknown {
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 3).map((issue) => {
    const path = (issue.path ?? []).map((part) => `/${String(typeof part === 'object' ? part.key : part)}`).join('')
    return `${path === '' ? '(top)' : path}: ${issue.message}`
  })
  const more = result.issues.length > 3 ? ` and ${result.issues.length - 3} more` : ''
  throw new CutoverError(
    'payload-invalid',
    `${settings.name}: the payload fails its schema: ${issues.join('; ')}${more}`,
    {
      details: { migration: settings.name, issues },
    },
  )
}

/** Refuses an option that the backend of either side lacks, whatever the route will be. */
function requireCapability(settings: MigrationSettings, name: keyof Capabilities, instead: string): void {
  for (const side of SIDES) {
    const spec = settings[side]
    if (spec.capabilities[name] === false) throw lacks(settings.name, side, spec, name, instead)
  }
}

function lacks(migration: string, side: Side, spec: QueueSpec, name: string, instead: string): CutoverError {
  return new CutoverError(
    'capability-missing',
    `${migration}: the ${side} queue (${spec.kind}) has no "${name}"; ${instead}`,
    { details: { migration, side, adapter: spec.kind, capability: name } },
  )
}

export function prepare(
  settings: MigrationSettings,
  payload: unknown,
  options: EnqueueOptions | undefined,
): Prepared | Promise<Prepared> {
  const maxBytes = Math.min(settings.legacy.capabilities.maxPayloadBytes, settings.target.capabilities.maxPayloadBytes)
  checkPayload(payload, settings.name, maxBytes)
  const fixed = options === undefined ? plain(settings) : checkOptions(settings, options)
  const value = parsePayload(settings, payload)
  const complete = (parsedPayload: unknown): Prepared => ({ ...fixed, payload, key: keyOf(settings, parsedPayload) })
  return value instanceof Promise ? value.then(complete) : complete(value)
}

type Fixed = Omit<Prepared, 'payload' | 'key'>

function plain(settings: MigrationSettings): Fixed {
  return { id: newId(), fresh: true, delayMs: 0, priority: undefined, attempts: settings.attempts }
}

function checkOptions(settings: MigrationSettings, options: EnqueueOptions): Fixed {
  for (const name of Object.keys(options)) {
    if (KNOWN.includes(name)) continue
    throw new CutoverError(
      'option-invalid',
      `${settings.name}: enqueue has no option "${name}"; allowed: ${KNOWN.join(', ')}`,
    )
  }
  if (options.id !== undefined) checkId(options.id)
  const delayMs = options.delay === undefined ? 0 : parseDuration(options.delay, `${settings.name}: delay`)
  if (delayMs > 0) requireCapability(settings, 'delay', 'enqueue it when it is due')
  if (options.priority !== undefined) {
    requireCapability(settings, 'priority', 'use a queue of its own for urgent jobs')
    if (!Number.isInteger(options.priority) || options.priority < 0 || options.priority > 2_097_151) {
      throw new CutoverError(
        'option-invalid',
        `${settings.name}: priority is ${options.priority}; allowed: 0 to 2097151`,
      )
    }
  }
  const attempts = options.attempts ?? settings.attempts
  if (attempts !== settings.attempts) checkAttempts(settings, attempts)
  return { id: options.id ?? newId(), fresh: options.id === undefined, delayMs, priority: options.priority, attempts }
}

function checkAttempts(settings: MigrationSettings, attempts: number): void {
  if (!Number.isInteger(attempts) || attempts < 1) {
    throw new CutoverError('option-invalid', `${settings.name}: attempts is ${attempts}; a whole number from 1`)
  }
  const cost = (count: number): number =>
    neededDeadline({
      waitMs: 0,
      attempts: count,
      timeoutMs: settings.timeoutMs,
      backoffMs: settings.backoff?.delayMs ?? 0,
    })
  if (cost(attempts) > settings.ledger.deadlineMs) {
    throw new CutoverError(
      'deadline-too-short',
      `${settings.name}: ${attempts} attempts take up to ${cost(attempts)} ms, the deadline is ${settings.ledger.deadlineMs} ms: raise the migration's deadline, or lower attempts`,
    )
  }
}

function keyOf(settings: MigrationSettings, payload: unknown): string | undefined {
  if (settings.key === undefined) return undefined
  const key: unknown = settings.key(payload)
  // an empty key is a doubt of its own (legacy, `empty-key`); anything but a text is a bug of the key function
  if (typeof key === 'string') return key
  if (key === undefined || key === null) return ''
  throw new CutoverError(
    'payload-invalid',
    `${settings.name}: the key function gave a ${typeof key}; it must give a text, e.g. String(payload.id)`,
  )
}
