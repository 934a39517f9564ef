// What an error of ioredis or of the server means for the ledger: try again, or which `CutoverError` it is.
//
// The errors underneath carry the command with its arguments, payloads and passwords among them: only their text goes on.

import { CutoverError } from '../../../src/vocabulary/errors.ts'

/** Replies that pass: a server that starts, fails over or waits for its disk. */
const PASSING = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MISCONF|UNBLOCKED)\b/
const REPLY = /^[A-Z][A-Z0-9]{1,20} /

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

function isReply(error: unknown): boolean {
  return error instanceof Error && (error.name === 'ReplyError' || REPLY.test(error.message))
}

export function isUnknownScript(error: unknown): boolean {
  return isReply(error) && messageOf(error).startsWith('NOSCRIPT')
}

/** Whether the same call may succeed a moment later: the connection broke, or the server says so. */
export function isPassing(error: unknown): boolean {
  return isReply(error) ? PASSING.test(messageOf(error)) : true
}

/** `origin` names the server without secrets. */
export function ledgerError(error: unknown, origin: string, doing: string): CutoverError {
  if (error instanceof CutoverError) return error
  const text = messageOf(error)
  const cause = new Error(text)
  if (text.startsWith('OOM')) {
    return new CutoverError(
      'ledger-full',
      `the Redis ledger at ${origin} has no memory left (${doing}): raise maxmemory, or shorten retain`,
      { cause, details: { origin } },
    )
  }
  const advice = /^(NOAUTH|WRONGPASS|NOPERM)/.test(text)
    ? 'check the user and password of the URL and what that user may do'
    : 'check that the server runs and can be reached'
  return new CutoverError(
    'ledger-unavailable',
    `the Redis ledger at ${origin} gave no answer (${doing}): ${text}; ${advice}`,
    {
      cause,
      details: { origin },
    },
  )
}
