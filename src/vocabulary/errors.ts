// The one error class of the library: what is wrong, where, what is allowed, what to do.

/** Every code that a {@link CutoverError} can carry; documented one by one in `docs/errors.md`. */
export type CutoverErrorCode =
  | 'config-invalid'
  | 'config-not-found'
  | 'migration-unknown'
  | 'side-unknown'
  | 'adapter-missing'
  | 'adapter-version'
  | 'capability-missing'
  | 'payload-invalid'
  | 'payload-too-large'
  | 'payload-not-json'
  | 'payload-reserved'
  | 'id-invalid'
  | 'option-invalid'
  | 'enqueue-refused'
  | 'enqueue-unknown'
  | 'queue-unavailable'
  | 'ledger-unavailable'
  | 'ledger-schema'
  | 'ledger-full'
  | 'flag-invalid'
  | 'flag-unavailable'
  | 'flag-not-writable'
  | 'result-not-comparable'
  | 'result-too-large'
  | 'result-timeout'
  | 'attempt-timeout'
  | 'aborted'
  | 'effect-refused'
  | 'job-unknown'
  | 'job-failed'
  | 'job-cancelled'
  | 'job-state'
  | 'job-copy-missing'
  | 'starts-exceeded'
  | 'backend-failed'
  | 'deadline-too-short'
  | 'plan-invalid'
  | 'plan-driven'
  | 'plan-moved'
  | 'plan-not-driven'
  | 'snapshot-invalid'
  | 'retain-too-short'
  | 'backend-untested'
  | 'move-same-side'
  | 'move-no-workers'
  | 'move-latched'
  | 'mcp-not-configured'
  | 'mcp-unavailable'
  | 'mcp-tool-unknown'
  | 'mcp-call-failed'
  | 'closed'
  | 'usage'
  | 'contradiction'

/** Plain, printable fields of an error: never a secret, never a payload. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/**
 * An expected way in which something cannot be done.
 *
 * `message` says what is wrong, where, what is allowed and what to do; `code` is stable and meant for programs;
 * `details` are plain fields of the same facts; `cause` is the error underneath, where there is one.
 */
export class CutoverError extends Error {
  readonly code: CutoverErrorCode
  readonly details: ErrorDetails

  constructor(code: CutoverErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CutoverError'
    this.code = code
    this.details = Object.freeze({ ...options.details })
  }
}

/** Whether `error` is a {@link CutoverError}, with this code if one is given. */
export function isCutoverError(error: unknown, code?: CutoverErrorCode): error is CutoverError {
  return error instanceof CutoverError && (code === undefined || error.code === code)
}
