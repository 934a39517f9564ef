// What the queue adapters on a Redis share: late loading, clean errors, bounded waiting.

import type { EnqueueAnswer, OutgoingJob } from '../src/ports/queue.ts'
import type { CutoverErrorCode } from '../src/vocabulary/errors.ts'
import { CutoverError } from '../src/vocabulary/errors.ts'

/** How long connecting and a single call may take before they count as failed. */
export const OPEN_TIMEOUT_MS = 5_000
export const CALL_TIMEOUT_MS = 10_000
/** Failed jobs of ours that stay to be looked at; older ones are removed. */
export const KEPT_FAILED = 1_000

/** A count of single jobs looks at this many at most. */
export const MOST_LOOKED_AT = 5_000

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

/** Answers of hundreds of ids a call, calls that overlap: `ask` gives a digit an id, `1` for true. */
export async function inPacks(
  backendIds: readonly string[],
  ask: (ids: readonly string[]) => Promise<unknown>,
): Promise<readonly boolean[]> {
  const packs: Promise<unknown>[] = []
  for (let at = 0; at < backendIds.length; at += 250) packs.push(ask(backendIds.slice(at, at + 250)))
  return (await Promise.all(packs)).flatMap((digits) => Array.from(String(digits), (digit) => digit === '1'))
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
