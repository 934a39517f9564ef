// What the tests of rollout share.

import { expect } from 'vitest'
import { CutoverError } from '../../src/vocabulary/errors.ts'

export function expectClose(actual: number, expected: number, tolerance: number): void {
  if (actual === expected) return
  expect(Math.abs(actual - expected), `${actual} for ${expected}`).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(expected)),
  )
}

/** The CutoverError that `call` throws. */
export function raised(call: () => unknown): CutoverError {
  try {
    call()
  } catch (error) {
    if (error instanceof CutoverError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
