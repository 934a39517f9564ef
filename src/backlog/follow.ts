// A move as a standing loop: pass after pass, until it is told to stop or nothing more can come. What was decided before
// a latch, or fails and is put back, comes after the first pass.

import type { MoveProgress, MoveResult, Mover, PassOptions } from './move.ts'

export interface FollowOptions extends Omit<PassOptions, 'onProgress'> {
  /** Asked after each pass; true ends the loop. Default: only `signal` ends it. */
  readonly done?: (pass: MoveResult) => Promise<boolean>
  /** Between two passes; default 500 ms. */
  readonly pauseMs?: number
  readonly onProgress?: (progress: MoveProgress) => void
}

/** Sums over all passes; `left` is of the last one. */
export async function follow(mover: Mover, options: FollowOptions): Promise<MoveResult> {
  const { signal, done, pauseMs = 500, onProgress, limit } = options
  const before = { moved: 0, stale: 0, pending: 0 }
  for (;;) {
    const { moved: base } = before
    const pass = await mover.pass({
      ...options,
      ...(limit === undefined ? {} : { limit: limit - base }),
      onProgress: ({ moved, left, total }) => onProgress?.({ moved: base + moved, left, total: base + total }),
    })
    before.moved += pass.moved
    before.stale += pass.stale
    before.pending += pass.pending
    const sum: MoveResult = { ...pass, ...before }
    const enough = limit !== undefined && before.moved >= limit
    if (enough || isOver(signal) || (done !== undefined && (await done(pass)))) return sum
    await pause(pauseMs, signal)
    if (isOver(signal)) return sum
  }
}

function isOver(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end, { once: true })
  })
}
