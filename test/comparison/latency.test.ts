import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latencyBucket, latencyEdge, mergeLatencies, quantile, summarise } from '../../src/comparison/latency.ts'

const g = Math.log(1.1) / 20

describe('buckets', () => {
  it.each([
    [1, 900],
    [1.0001, 901],
    [0.9999, 900],
    [0, 1],
    [-5, 1],
    [1e-9, 1],
    [1.1, 920],
    [Number.POSITIVE_INFINITY, 5600],
    [1e15, 5600],
  ])('%d ms is in bucket %d', (ms, bucket) => expect(latencyBucket(ms)).toBe(bucket))
  it('refuses NaN', () => expect(() => latencyBucket(Number.NaN)).toThrow(/NaN/))
  it('is the formula, and "over edge a" is "bucket > a"', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.02, max: 1e9, noNaN: true }), fc.integer({ min: 1, max: 5599 }), (ms, a) => {
        expect(latencyBucket(ms)).toBe(Math.ceil(Math.log(ms) / g) + 900)
        // exactly on an edge rounding decides; the definition is in terms of buckets
        if (Math.abs(ms / latencyEdge(a) - 1) > 1e-9) expect(latencyBucket(ms) > a).toBe(ms > latencyEdge(a))
      }),
    )
  })
})

describe('quantiles', () => {
  it('has none without outcomes', () => {
    expect(quantile(new Map(), 0.5)).toBeUndefined()
    expect(quantile(new Map([[5, 0]]), 0.5)).toBeUndefined()
    expect(summarise(new Map())).toEqual({ n: 0 })
  })
  it('answers the nearest rank, within a bucket', () => {
    const times = fc.array(fc.double({ min: 0.05, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(times, fc.constantFrom(0, 0.01, 0.5, 0.95, 0.99, 1), (values, q) => {
        const counts = mergeLatencies(values.map((ms) => new Map([[latencyBucket(ms), 1]])))
        const sorted = [...values].sort((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(q * values.length - 1e-9)) - 1]!
        const answer = quantile(counts, q)!
        expect(answer / exact).toBeGreaterThanOrEqual(1 - 1e-9)
        expect(answer / exact).toBeLessThanOrEqual(Math.exp(g) + 1e-9)
      }),
    )
  })
  it('summarises', () => {
    const counts = new Map([
      [900, 94],
      [2000, 5],
      [3000, 1],
    ])
    expect(summarise(counts)).toEqual({ n: 100, p50: 1, p95: latencyEdge(2000), p99: latencyEdge(2000) })
  })
  it('refuses a quantile that is none', () => expect(() => quantile(new Map([[1, 1]]), 95)).toThrow(/0.95/))
})

describe('merging', () => {
  it('adds and leaves its input alone', () => {
    const one = new Map([[1, 2]])
    const sum = mergeLatencies([
      one,
      new Map([
        [1, 3],
        [7, 1],
      ]),
    ])
    expect([...sum]).toEqual([
      [1, 5],
      [7, 1],
    ])
    expect([...one]).toEqual([[1, 2]])
    expect(mergeLatencies([])).toEqual(new Map())
  })
})
