// Into which bucket does a time fall? The one scale on which times are counted.
//
// Bucket `b` holds the times above edge `b − 1` up to edge `b`; each edge is 0.48 % above the one before. So "over edge
// `a`" is exactly `bucket > a`, and counts of any number of workers merge by addition.

import { CutoverError } from './errors.ts'

/** Logarithm of the growth from one edge to the next. */
export const LATENCY_STEP: number = Math.log(1.1) / 20
/** The bucket whose upper edge is 1 ms. */
const ONE_MS = 900
export const FIRST_BUCKET = 1
export const LAST_BUCKET = 5600

/** The bucket of a time in ms; times out of range (0, negative by clock skew, 200 days) go to the outermost buckets. */
export function latencyBucket(ms: number): number {
  if (Number.isNaN(ms)) throw new CutoverError('contradiction', 'a latency is NaN: a clock was not read')
  if (ms <= 0) return FIRST_BUCKET
  return Math.min(LAST_BUCKET, Math.max(FIRST_BUCKET, Math.ceil(Math.log(ms) / LATENCY_STEP) + ONE_MS))
}

/** Upper edge of a bucket in ms. */
export function latencyEdge(bucket: number): number {
  return Math.exp((bucket - ONE_MS) * LATENCY_STEP)
}

/** A scale twenty times as coarse, for waits: upper edges are powers of 1.1 ms, and all up to 107 ms is the first class. */
export const FIRST_WAIT_CLASS = 49
export function waitClass(bucket: number): number {
  return Math.max(FIRST_WAIT_CLASS, Math.ceil((bucket - ONE_MS) / 20))
}
/** Upper edge of a wait class in ms. */
export function waitClassEdge(wait: number): number {
  return latencyEdge(ONE_MS + wait * 20)
}
