// When is the server asked next? Pure.

export interface Pace {
  readonly pollMs: number
  /** What the last question took, with its answer. */
  readonly tookMs: number
  /** Failures in a row. */
  readonly failures: number
  /** The server asked to wait this long; 0: it did not. */
  readonly retryAfterMs: number
  /** From 0 up to 1. */
  readonly random: number
}

/** A server that fails is asked less often, up to this. */
const SLOWEST_MS = 15_000

/**
 * How long to wait after the answer, ms. While all is well, what the server shows is here within `pollMs`: the next question
 * is asked so early that its answer, if it takes as long as the last one, comes in time, late timers allowed for. Questions
 * are spread over a tenth of the poll, so that processes which were started together do not go on asking together, nor in
 * step with the server's own refresh, where one that is late would always be late. At least half a poll is left between
 * an answer and a question.
 *
 * After failures the pause doubles, spread by a fifth, so that many processes do not come back at once.
 */
export function pauseMs({ pollMs, tookMs, failures, retryAfterMs, random }: Pace): number {
  if (failures === 0) {
    const period = Math.min(pollMs * (0.75 + 0.1 * random), pollMs - tookMs)
    return Math.max(pollMs / 2, period - tookMs)
  }
  const backed = Math.min(pollMs * 2 ** Math.min(failures - 1, 10), Math.max(pollMs, SLOWEST_MS))
  return Math.max(backed * (0.8 + 0.4 * random), retryAfterMs)
}
