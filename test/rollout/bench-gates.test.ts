// The short form of `npm run bench:gates`: looked at after every unit ours keeps its promise where others break it, and
// the tables of docs/gates.md are what the code computes.

import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { isBroken, isPromised, type Measured, measure } from '../../bench/gates/measure.ts'
import { playDrift, playWatermark } from '../../bench/gates/tables.ts'
import { measureTimes } from '../../bench/gates/times.ts'
import { unitsCosts } from '../../bench/gates/units.ts'
import { rate } from '../../src/rollout/evidence.ts'
import { cleanUnits } from '../../src/rollout/gates/index.ts'

describe('looked at after every unit', () => {
  let rows: readonly Measured[]
  beforeAll(() => {
    const only = ['at the limit (1 %)', 'twice the limit', 'bursts of 5', 'canary, difference']
    rows = [...measure({ runs: 150, seed: 1, only })].flat()
  })
  const of = (method: string, stream: string, answer: string): Measured =>
    rows.find((row) => row.method.startsWith(method) && row.stream.includes(stream) && row.answer === answer)!

  it('ours keeps its promise on every stream', () => {
    const promised = rows.filter(isPromised)
    expect(promised).toHaveLength(7)
    expect(promised.filter(isBroken)).toEqual([])
  })
  it('a threshold promotes a version at twice the limit in a third of the runs or more', () => {
    expect(of('threshold', 'twice', 'pass').wrong).toBeGreaterThan(50)
  })
  it('a z-test made for one look breaks its promise, on both sides', () => {
    for (const answer of ['pass', 'fail']) expect(isBroken(of('z-test', 'at the limit (1', answer))).toBe(true)
  })
  it('jobs that fail together break every promise, unless keys are counted', () => {
    expect(isBroken(of('mSPRT', 'bursts', 'pass'))).toBe(true)
    expect(isBroken(rows.find((row) => row.method.endsWith('by job') && row.answer === 'pass')!)).toBe(true)
  })
  it('times at the ratio are neither proven nor refuted', () => {
    const times = [...measureTimes({ runs: 12, seed: 1 })].flat()
    expect(times).toHaveLength(6)
    expect(times.filter(isBroken)).toEqual([])
  })
})

it('looking all the time costs no more units than it may', () => {
  expect(unitsCosts()).toHaveLength(4)
  for (const { ratio, most } of unitsCosts()) expect(ratio).toBeLessThanOrEqual(most)
})

it('without a watermark a version three times over the limit is promoted, with it never', () => {
  expect(playWatermark(30, 1)).toEqual({ off: 1, on: 0 })
})

it('a version that went bad is promoted less and less, and less yet with the recent window', () => {
  const [first, second, third] = playDrift(300, 1)
  expect(first!.whole).toBeGreaterThan(0.85)
  expect(second!.whole).toBeLessThan(0.65)
  expect(third!.whole).toBeLessThan(0.15)
  for (const { whole, recent } of [first!, second!, third!]) expect(recent).toBeLessThanOrEqual(whole)
})

describe('units to pass, docs/gates.md, section 4', () => {
  const page = readFileSync(new URL('../../docs/gates.md', import.meta.url), 'utf8')
  const table = page.slice(page.indexOf('**Units to pass**'), page.indexOf('**Default plan**'))
  const rows = [...table.matchAll(/^\|.*\|$/gm)].map(([line]) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('*', '').trim()),
  )
  const numbers = (cell: string): number[] => cell.split(/ \/ |–/).map((text) => Number(text.replaceAll(/\s/g, '')))
  const levels = [0.05, 0.025, 0.01, 0.001]
  const limitOf = (row: readonly string[]): number => Number.parseFloat(row[1]!) / 100
  const from = rows.findIndex(([gate]) => gate?.startsWith('rate'))
  const upTo = rows.findIndex(([gate]) => gate?.startsWith('errors, difference'))

  it('has rows for rates and for differences', () => expect([from, upTo - from]).toEqual([2, 6]))

  it.each(rows.slice(from, upTo).map((row) => [limitOf(row), row] as const))('rate, %d', (limit, row) => {
    for (const [i, alpha] of levels.entries()) {
      expect(cleanUnits({ gate: 'lost', limit, passAt: -Math.log(alpha) })).toBe(numbers(row[2 + i]!)[0])
    }
    const enough = (n: number, k: number): boolean => rate.pass(n, k, limit) >= -Math.log(0.025)
    const [one, three] = numbers(row[6]!) as [number, number]
    expect([enough(one, 1), enough(one - 1, 1), enough(three, 3), enough(three - 1, 3)]).toEqual([
      true,
      false,
      true,
      false,
    ])
  })
  it.each(rows.slice(upTo, upTo + 3).map((row) => [limitOf(row), row] as const))('difference, %d', (limit, row) => {
    for (const [i, alpha] of levels.entries()) {
      const [least, most] = numbers(row[2 + i]!) as [number, number]
      const passAt = -Math.log(alpha)
      const units = [
        cleanUnits({ gate: 'errorsPaired', limit, passAt }),
        ...[0.01, 0.1, 0.5, 0.9].map((share) => cleanUnits({ gate: 'errorsCanary', limit, share, passAt })),
      ]
      expect(Math.min(...units)).toBeGreaterThanOrEqual(least)
      expect(Math.max(...units)).toBeLessThanOrEqual(most)
    }
  })
})
