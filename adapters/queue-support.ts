// What the queue adapters on a Redis share: late loading, clean errors, bounded waiting, and how a parked job is stored.

import type { Delivery, EnqueueAnswer, OutgoingJob, ParkedJob, ParkReason } from '../src/ports/queue.ts'
import type { CutoverErrorCode } from '../src/vocabulary/errors.ts'
import { CutoverError } from '../src/vocabulary/errors.ts'

/** How long connecting and a single call may take before they count as failed. */
export const OPEN_TIMEOUT_MS = 5_000
export const CALL_TIMEOUT_MS = 10_000
/** Failed jobs of ours that stay to be looked at; older ones are removed. */
export const KEPT_FAILED = 1_000

/** Loads a backend's library, or says what to install. */
export async function loadLibrary(adapter: string, install: string, load: () => Promise<unknown>): Promise<unknown> {
  try {
    return await load()
  } catch (cause) {
    throw new CutoverError('adapter-missing', `${adapter}: the library cannot be loaded; run: npm install ${install}`, {
      cause: cleanError(cause),
      details: { adapter, install },
    })
  }
}

/** Hides the password of every URL in a text. */
export function redact(text: string): string {
  return text.replace(/(\b[a-z]+s?:\/\/)[^\s/@]*@/gi, '$1***@')
}

/** The same error without what a Redis client hangs on it: commands and arguments hold payloads and passwords. */
export function cleanError(error: unknown): Error {
  if (error instanceof CutoverError) return error
  if (!(error instanceof Error)) return new Error(redact(String(error)))
  const clean = new Error(redact(error.message))
  clean.name = error.name
  const { code } = error as { code?: unknown }
  if (code !== undefined) Object.assign(clean, { code })
  return clean
}

/** An answer of the server itself: certainly no lost connection. */
export function isReply(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  // node_redis aborts all of a broken transaction; the server refused the first of its commands.
  return (
    error.name === 'ReplyError' || /^(OOM|EXECABORT|READONLY|NOSCRIPT|WRONGTYPE|MISCONF|NOPERM) /.test(error.message)
  )
}

/** Rejects when `promise` has not settled in time; what it does afterwards is no unhandled rejection. */
export function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: no answer within ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** True when `promise` settled in time. */
export async function settles(promise: Promise<unknown>, ms: number): Promise<boolean> {
  try {
    await within(promise, ms, 'wait')
    return true
  } catch {
    return false
  }
}

export function failure(
  code: CutoverErrorCode,
  adapter: string,
  name: string,
  text: string,
  cause?: unknown,
): CutoverError {
  return new CutoverError(code, `${adapter}, queue "${name}": ${text}`, {
    details: { adapter, queue: name },
    ...(cause === undefined ? {} : { cause: cleanError(cause) }),
  })
}

export function refused(cause: unknown): EnqueueAnswer {
  return { status: 'refused', cause: cleanError(cause) }
}

export function unknownAnswer(cause: unknown): EnqueueAnswer {
  return { status: 'unknown', cause: cleanError(cause) }
}

/**
 * Sends jobs in chunks that overlap: one big pipeline keeps sender and server in lockstep. `send` gets no more than it can
 * answer one by one.
 */
export async function inChunks(
  jobs: readonly OutgoingJob[],
  send: (jobs: readonly OutgoingJob[]) => Promise<readonly EnqueueAnswer[]>,
): Promise<readonly EnqueueAnswer[]> {
  const size = jobs.length <= 100 ? 25 : 250
  if (jobs.length <= size) return send(jobs)
  const chunks: Promise<readonly EnqueueAnswer[]>[] = []
  for (let from = 0; from < jobs.length; from += size) chunks.push(send(jobs.slice(from, from + size)))
  return (await Promise.all(chunks)).flat()
}

/** `payload-too-large` or `payload-not-json`, or undefined. Encodes only what may be too large. */
export function payloadFault(adapter: string, data: unknown, limit: number): CutoverError | undefined {
  // A character becomes at most 6 bytes (`\u0000`): what is far below the limit need not be encoded to know it.
  if (roughSize(data, 0, limit / 8) < limit / 8) return undefined
  try {
    const bytes = Buffer.byteLength(JSON.stringify(data) ?? '')
    if (bytes <= limit) return undefined
    const text = `${adapter}: the payload has ${bytes} bytes, ${limit} are allowed; store it elsewhere and send a reference`
    return new CutoverError('payload-too-large', text, { details: { adapter, bytes, limit } })
  } catch (cause) {
    const text = `${adapter}: the payload is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`
    return new CutoverError('payload-not-json', text, { cause, details: { adapter } })
  }
}

/** A lower bound of characters, at once Infinity where only encoding can tell (BigInt, `toJSON`, very deep). */
function roughSize(value: unknown, depth: number, enough: number): number {
  if (typeof value === 'string') return value.length
  if (typeof value === 'bigint') return Number.POSITIVE_INFINITY
  if (typeof value !== 'object' || value === null) return 5
  if (depth > 50 || typeof (value as { toJSON?: unknown }).toJSON === 'function') return Number.POSITIVE_INFINITY
  let size = 2
  for (const key in value) {
    size += key.length + 3 + roughSize((value as Record<string, unknown>)[key], depth + 1, enough)
    if (size > enough) return size
  }
  return size
}

/** Both libraries read `error.message` and take a missing error for none: only real errors are thrown at them. */
export function asError(error: unknown): Error {
  if (error instanceof Error) return error
  const wrapped = new Error(typeof error === 'string' ? error : `a thrown ${error === null ? 'null' : typeof error}`)
  wrapped.name = 'NonError'
  return wrapped
}

/** What JSON cannot hold must not fail a job whose outcome is stored already: such a result is acked as undefined. */
export function jsonResult(result: unknown): unknown {
  if (typeof result === 'bigint') return undefined
  if (typeof result !== 'object' || result === null) return result
  try {
    JSON.stringify(result)
    return result
  } catch {
    return undefined
  }
}

/** The line in front of a parked job's own record. */
export interface ParkNote {
  readonly reason: ParkReason
  readonly parkedAt: number
  readonly runAt: number
  readonly priority?: number
  readonly attempts: number
  readonly attemptsMade: number
  readonly backoff?: { readonly delayMs: number }
}

export function parkNote(
  delivery: Delivery,
  reason: ParkReason,
  more: { readonly priority?: number; readonly backoffMs?: number | undefined },
): string {
  const now = Date.now()
  const note: ParkNote = {
    reason,
    parkedAt: now,
    runAt: now,
    attempts: delivery.attempts,
    attemptsMade: delivery.attempt - 1,
    ...(more.priority === undefined || more.priority === 0 ? {} : { priority: more.priority }),
    ...(more.backoffMs === undefined ? {} : { backoff: { delayMs: more.backoffMs } }),
  }
  return JSON.stringify(note)
}

/** Reads `NOTE\nRECORD`; `dataOf` finds the payload in the backend's record. */
export function parkedJob(backendId: string, stored: string, dataOf: (record: string) => unknown): ParkedJob {
  const end = stored.indexOf('\n')
  const note = JSON.parse(stored.slice(0, end)) as ParkNote
  return { backendId, data: dataOf(stored.slice(end + 1)), ...note }
}

/** Reads a hash step by step, so that a long park list never blocks the server. */
export async function scanParked(
  scan: (cursor: string, count: number) => Promise<unknown>,
  limit: number,
  read: (id: string, stored: string) => ParkedJob,
): Promise<readonly ParkedJob[]> {
  const found = new Map<string, ParkedJob>()
  let cursor = '0'
  do {
    const [next, flat] = (await scan(cursor, Math.min(limit, 200))) as [string, string[]]
    for (let at = 0; at < flat.length; at += 2) found.set(flat[at]!, read(flat[at]!, flat[at + 1]!))
    cursor = next
  } while (cursor !== '0' && found.size < limit)
  return [...found.values()].sort((a, b) => a.parkedAt - b.parkedAt).slice(0, limit)
}
