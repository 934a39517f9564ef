// What an operator may do with a job, in every state: the whole table.

import { describe, expect, test } from 'vitest'
import { CASE_WORDS, caseOf, type JobCase, type Operation, ruleOf } from '../../src/backlog/job-cases.ts'
import type { JobRow, RowStamp } from '../../src/ports/ledger.ts'
import { emptyRow } from '../../src/ports/row-rules.ts'

const NOW = 1_000_000

const stamp: RowStamp = {
  ...{ route: 'legacy', reason: 'flag', epoch: 1, dueAt: NOW, firstOfKey: true, firstOfDay: true, group: 0 },
  fenced: true,
  adopted: false,
}
const rowOf = (over: Partial<JobRow>): JobRow => ({ ...emptyRow('a', 'legacy', stamp, 3, NOW), ...over })

describe('the case of a job', () => {
  const held = { state: 'running', leaseUntil: NOW + 1 } as const
  const left = { state: 'running', leaseUntil: NOW } as const

  test.each<[JobCase, Partial<JobRow>]>([
    ['waiting', {}],
    ['waiting', { effectsBegun: true }],
    ['lost', { lostAt: 5 }],
    ['running', held],
    ['running', { ...held, effectsBegun: true, lostAt: 5 }],
    ['interrupted', left],
    ['in-doubt', { ...left, effectsBegun: true }],
    ['lost', { ...left, effectsBegun: true, lostAt: 5 }],
    ['moving', { state: 'moving', leaseUntil: NOW + 1 }],
    ['stuck', { state: 'moving', leaseUntil: NOW }],
    ['done', { state: 'finished', class: 'ok' }],
    ['failed', { state: 'finished', class: 'failed' }],
    ['failed', { state: 'finished', class: 'backend-failed' }],
    ['cancelled', { state: 'finished', class: 'cancelled' }],
  ])('%s: %j', (expected, over) => {
    expect(caseOf(rowOf(over), undefined, NOW)).toBe(expected)
  })

  test('a parked copy is what is seen of a job that has not ended and that nobody holds', () => {
    expect(caseOf(undefined, undefined, NOW)).toBe(undefined)
    expect(caseOf(undefined, 'late', NOW)).toBe('parked-late')
    expect(caseOf(rowOf({}), 'newer', NOW)).toBe('parked-newer')
    expect(caseOf(rowOf({ ...left, effectsBegun: true }), 'deferred', NOW)).toBe('parked-deferred')
    expect(caseOf(rowOf(held), 'deferred', NOW)).toBe('running')
    expect(caseOf(rowOf({ state: 'moving', leaseUntil: NOW }), 'moving', NOW)).toBe('stuck')
    expect(caseOf(rowOf({ state: 'finished', class: 'failed' }), 'late', NOW)).toBe('failed')
  })
})

/** `–`: refused. */
const TABLE: Readonly<Record<JobCase, readonly [force: string, retry: string, discard: string]>> = {
  waiting: ['move', '–', 'close'],
  running: ['–', '–', '–'],
  'in-doubt': ['move', '–', 'close'],
  interrupted: ['move', '–', 'close'],
  moving: ['–', '–', '–'],
  stuck: ['move', '–', 'close'],
  lost: ['move', '–', 'close'],
  done: ['–', '–', '–'],
  failed: ['–', 'move', 'note'],
  cancelled: ['–', '–', 'note'],
  'parked-late': ['–', 'move', 'drop'],
  'parked-newer': ['–', 'unpark', 'drop'],
  'parked-damaged': ['–', 'unpark', 'drop'],
  'parked-deferred': ['move', 'unpark', 'drop'],
  'parked-moving': ['–', '–', '–'],
}

test.each(Object.entries(TABLE))('%s', (name, ways) => {
  for (const [at, operation] of (['force', 'retry', 'discard'] satisfies Operation[]).entries()) {
    const rule = ruleOf(name as JobCase, operation)
    expect('refused' in rule ? '–' : rule.way).toBe(ways[at])
    // each refusal says what to do, or why there is nothing to do
    if ('refused' in rule) expect(rule.refused.length).toBeGreaterThan(20)
  }
  expect(CASE_WORDS[name as JobCase]).not.toBe('')
})
