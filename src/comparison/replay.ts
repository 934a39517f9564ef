// Gives back what a finished job returned or failed with, to whoever asks again: a redelivery, or `result`.

import { CutoverError } from '../vocabulary/errors.ts'
import type { Outcome, StoredError } from '../vocabulary/outcome.ts'
import { decodeValue, isDigested } from './decode.ts'

/** The result as the handler gave it. `result-too-large` where only its digest was kept. */
export function decodeOutcome(
  outcome: Outcome | undefined,
  job: { readonly migration: string; readonly id: string },
): unknown {
  if (outcome?.value === undefined) return undefined
  if (isDigested(outcome.value)) {
    throw new CutoverError(
      'result-too-large',
      `${job.migration}: the result of job ${job.id} was larger than 64 kB, so only its digest was kept; store large results elsewhere and return a reference`,
      { details: { migration: job.migration, id: job.id } },
    )
  }
  return decodeValue(outcome.value)
}

/** An error that looks like the one that the handler threw: name, message, code and stack, not its class. */
export function decodeError(stored: StoredError | undefined): Error {
  if (stored === undefined) return new CutoverError('job-failed', 'the job failed; its error was not kept')
  const error = new Error(stored.message)
  error.name = stored.name
  if (stored.stack !== undefined) error.stack = stored.stack
  return stored.code === undefined ? error : Object.assign(error, { code: stored.code })
}
