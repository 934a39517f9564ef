// What `doctor` says of other processes' doubts, from their heartbeats alone: new ones, old ones, strange ones.

import { describe, expect, test } from 'vitest'
import { Findings } from '../../src/cli/findings.ts'
import { inspectSeenDoubts } from '../../src/cli/inspect-doubts.ts'
import type { FlagFinding } from '../../src/ports/flags.ts'
import type { PresenceRecord } from '../../src/ports/ledger.ts'
import { presenceOf } from '../contract/ledger/bed.ts'

const NOW = Date.UTC(2026, 10, 25, 12)
const HOUR = 3_600_000
const STALE: FlagFinding = { id: 'stale', status: 'bad', text: 'old', advice: 'mend it, or cutover rollback NAME' }

const beat = (pid: number, over: Partial<PresenceRecord> = {}): PresenceRecord => ({
  ...presenceOf(`i-${pid}`, { pid, works: {}, shadows: [] }),
  ...{ at: NOW, gone: false, ...over },
})

function told(...presence: readonly PresenceRecord[]) {
  const findings = new Findings()
  const settings = { name: 'mail', flag: 'mail-flag' }
  inspectSeenDoubts({ settings, presence, now: NOW }, (id) => (id === STALE.id ? STALE : undefined), findings)
  return findings.all
}

describe('doubts of running processes', () => {
  test('a well process, and one of an older version that tells nothing of doubts, need no word', () => {
    expect(told(beat(1), beat(2, { flagDoubts: [] }))).toEqual([])
  })

  test('one finding a doubt, with its fix and every process that has it', () => {
    const stale = { flagHealth: 'unreachable', flagDoubts: [{ id: 'stale', since: NOW - 90_000 }] }
    expect(told(beat(1, stale), beat(2), beat(3, { ...stale, produces: false, works: { target: '2' } }))).toEqual([
      {
        ...{ area: 'mail', name: 'flag in processes', status: 'bad', advice: 'mend it, or cutover rollback mail' },
        text: [
          '"mail-flag": old (stale)',
          'host/1 (produces) since 2026-11-25 11:58:30 UTC',
          'host/3 (works on target (version 2)) since 2026-11-25 11:58:30 UTC',
        ].join('\n'),
      },
    ])
  })

  test('a controller is called one; many are counted', () => {
    const flagDoubts = [{ id: 'stale', since: NOW }]
    const many = Array.from({ length: 8 }, (_, pid) => beat(pid, { flagDoubts, produces: false, drives: pid === 0 }))
    const lines = told(...many)[0]?.text.split('\n') ?? []
    expect(lines).toHaveLength(7)
    expect(lines[1]).toMatch(/^host\/0 \(drives the plan\)/)
    expect(lines.at(-1)).toBe('and 3 more')
  })

  test('what a process doubted that is gone is over', () => {
    expect(told(beat(1, { gone: true, flagHealth: 'refused', flagDoubts: [{ id: 'stale', since: NOW }] }))).toEqual([])
  })

  test('a doubt without a name here is told all the same', () => {
    expect(told(beat(1, { flagDoubts: [{ id: 'of-tomorrow', since: NOW }] }))).toMatchObject([
      { status: 'warn', text: expect.stringMatching(/\(of-tomorrow\)\nhost\/1/), advice: expect.any(String) },
    ])
  })

  test('who is not well and does not say why is named by the state', () => {
    expect(told(beat(1, { flagHealth: 'refused' }), beat(2, { flagHealth: 'broken', flagDoubts: [] }))).toEqual([
      {
        ...{ area: 'mail', name: 'flag channel', status: 'warn' },
        text: 'not well in 2 live processes: refused, broken\nhost/1 (produces)\nhost/2 (produces)',
      },
    ])
  })
})

describe('empty keys', () => {
  test('how often, when last, and what to do; also of a process that was there for a moment', () => {
    const [finding, ...more] = told(
      beat(1, { emptyKeys: { times: 12, last: NOW - 5000 } }),
      beat(2, { gone: true, emptyKeys: { times: 1, last: NOW - HOUR } }),
      beat(3),
    )
    expect(more).toEqual([])
    expect(finding).toMatchObject({ status: 'warn', advice: expect.stringContaining('the function key') })
    expect(finding?.text.split('\n')).toEqual([
      '"mail-flag": the job\'s key is empty (empty-key)',
      'host/1 (produces): sent to legacy 12 times since it started, last at 2026-11-25 11:59:55 UTC',
      'host/2 (produces, gone): sent to legacy 1 time since it started, last at 2026-11-25 11:00:00 UTC',
    ])
  })

  test('longer ago than an hour is no news', () => {
    expect(told(beat(1, { emptyKeys: { times: 12, last: NOW - HOUR - 1 } }))).toEqual([])
  })
})
