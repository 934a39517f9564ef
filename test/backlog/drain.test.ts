// When is a side drained, and what may be removed at the end? By tables, over made-up facts.

import { describe, expect, test } from 'vitest'
import { type DrainFacts, drainWindowMs, judgeDrain, printOf } from '../../src/backlog/drain.ts'
import { type FinishFacts, judgeFinish } from '../../src/backlog/finish.ts'
import type { Gauges, PresenceRecord, Snapshot } from '../../src/ports/ledger.ts'
import type { QueueCounts } from '../../src/ports/queue.ts'

const NOW = 10_000_000
const WINDOW = 60_000
const EMPTY: QueueCounts = { waiting: 0, delayed: 0, running: 0, failed: 0, parked: 0 }
const none = { legacy: 0, target: 0 }

function snapshot(gauges: Partial<Gauges> = {}, sent = 5): Snapshot {
  return {
    now: NOW,
    control: { now: NOW, latch: { set: true, revision: 4 } },
    buckets: [
      { counts: { 'job/dispatched.legacy': sent, 'key/dispatched.legacy': 99, 'late/moved-in.legacy': 1 } },
      { counts: { 'excluded/dispatched.legacy': 2 } },
    ],
    gauges: { waiting: none, running: none, moving: 0, inDoubt: none, lost: none, ...gauges },
  } as unknown as Snapshot
}

function producer(over: Partial<PresenceRecord> = {}): PresenceRecord {
  const base = {
    instance: 'a',
    host: 'web',
    pid: 7,
    produces: true,
    gone: false,
    latchRevision: 4,
    inFlight: 0,
    at: NOW,
  }
  return { ...base, ...over } as PresenceRecord
}

function facts(over: Partial<DrainFacts> = {}): DrainFacts {
  return {
    ...{ snapshot: snapshot(), presence: [producer()], queues: { legacy: EMPTY, target: EMPTY }, windowMs: WINDOW },
    quiet: { legacy: { print: '7 sent, 1 moved in', since: NOW - WINDOW } },
    ...over,
  }
}

describe('a side', () => {
  test('is drained when nothing is left, nothing under way, and nothing was sent there for the window', () => {
    expect(printOf(snapshot(), 'legacy')).toBe('7 sent, 1 moved in')
    expect(judgeDrain(facts()).sides.legacy).toMatchObject({ left: [], emptySince: NOW - WINDOW, drained: true })
  })

  test.each<[string, Partial<DrainFacts>, object]>([
    [
      'for less than the window',
      { quiet: { legacy: { print: '7 sent, 1 moved in', since: NOW - WINDOW + 1 } } },
      { left: [], drained: false },
    ],
    ['but a job was sent since', { snapshot: snapshot({}, 6) }, { left: [], drained: false }],
    ['never seen before', { quiet: {} }, { left: [], drained: false }],
    [
      'a job waits',
      { queues: { legacy: { ...EMPTY, waiting: 1, retrying: 1 }, target: EMPTY } },
      { left: ['1 waiting in its queue', '1 of these to be tried again'] },
    ],
    [
      'one runs without a sign',
      { queues: { legacy: { ...EMPTY, running: 2, stalled: 1 }, target: EMPTY } },
      { left: ['2 running in its queue', '1 of these with a worker that gives no sign'] },
    ],
    ['one is parked', { queues: { legacy: { ...EMPTY, parked: 1 }, target: EMPTY } }, { left: ['1 parked'] }],
    [
      'its queue is away',
      { queues: { legacy: { untold: 'no route' }, target: EMPTY } },
      { left: ['its queue cannot be asked: no route'] },
    ],
    [
      'a row runs',
      { snapshot: snapshot({ running: { legacy: 1, target: 0 }, inDoubt: { legacy: 1, target: 0 } }) },
      { left: ['1 not ended in the ledger (1 in doubt)'] },
    ],
    [
      'a job is between the sides',
      { snapshot: snapshot({ moving: 3 }) },
      { left: ['3 not ended in the ledger (3 moving)'] },
    ],
    ['an enqueue is under way', { presence: [producer({ inFlight: 2 })] }, { left: ['2 under way at web:7'] }],
    [
      'a producer has not seen the latch',
      { presence: [producer({ latchRevision: 3 })] },
      { left: ['web:7 has not seen the latch as it stands'] },
    ],
    [
      'one has just gone with an enqueue',
      { presence: [producer({ gone: true, inFlight: 1 })] },
      { left: ['1 under way at web:7, which is gone'] },
    ],
  ])('%s', (_what, over, expected) => {
    const { legacy } = judgeDrain(facts(over)).sides
    expect(legacy).toMatchObject({ drained: false, ...expected })
  })

  test.each<[string, Partial<DrainFacts>]>([
    [
      'one that went longer ago than an enqueue may take',
      { presence: [producer({ gone: true, inFlight: 1, at: NOW - 10_001 })] },
    ],
    ['one that produces nothing', { presence: [producer({ produces: false, latchRevision: 0, inFlight: 1 })] }],
    [
      'jobs of other names in the same queue',
      { queues: { legacy: { ...EMPTY, waiting: 3, others: 3 }, target: EMPTY } },
    ],
  ])('does not wait for %s', (_what, over) => {
    expect(judgeDrain(facts(over)).sides.legacy.drained).toBe(true)
  })

  test('the window is longer than anything may stall', () => {
    expect(drainWindowMs({ leaseMs: 30_000, timeoutMs: 10_000 })).toBe(60_000)
    expect(drainWindowMs({ leaseMs: 60_000, timeoutMs: 300_000 })).toBe(600_000)
  })
})

describe('finish', () => {
  function finish(over: Partial<FinishFacts> = {}): FinishFacts {
    return {
      ...{ keep: 'target', settings: { name: 'mail', flag: 'mail' }, names: { legacy: 'L', target: 'T' }, share: 1 },
      ...{ ceiling: 1, latched: false, drain: judgeDrain(facts({ presence: [] })), presence: [] },
      ...{ stamped: { count: 0, things: [] }, shadows: { legacy: EMPTY, target: EMPTY }, schedules: [], ...over },
    }
  }
  const notYet = (over: Partial<FinishFacts>) => {
    const proof = judgeFinish(finish(over))
    expect(proof.done).toBe(proof.items.every(({ may }) => may))
    return proof.items.filter(({ may }) => !may).map(({ step }) => step)
  }

  test('everything, when nothing is left', () => expect(notYet({})).toEqual([]))

  test.each<[string, Partial<FinishFacts>, readonly string[]]>([
    [
      'producers with cutover',
      { presence: [producer()] },
      ['flag', 'old-worker', 'old-queue', 'shadow-queues', 'cutover'],
    ],
    [
      'and a flag that is not at all',
      { presence: [producer()], share: 0.5 },
      ['producers', 'flag', 'old-worker', 'old-queue', 'shadow-queues', 'cutover'],
    ],
    ['no producers, whatever the flag says', { share: undefined }, []],
    [
      'jobs on legacy',
      { drain: judgeDrain(facts({ presence: [], queues: { legacy: { ...EMPTY, delayed: 1 }, target: EMPTY } })) },
      ['old-worker', 'old-queue', 'cutover'],
    ],
    [
      'stamped copies on target',
      { stamped: { count: 1, things: [{ side: 'target', id: 'a', where: 'delayed' }] } },
      ['cutover'],
    ],
    [
      'copies in a shadow queue',
      { shadows: { legacy: EMPTY, target: { ...EMPTY, waiting: 1 } } },
      ['shadow-queues', 'cutover'],
    ],
    ['a shadow queue that is away', { shadows: { legacy: undefined, target: EMPTY } }, ['shadow-queues', 'cutover']],
    ['a schedule', { schedules: ['nightly'] }, ['cutover']],
  ])('%s', (_what, over, steps) => expect(notYet(over)).toEqual(steps))

  test('says of each why', () => {
    const { items } = judgeFinish(finish({ presence: [producer()], share: 0.25, latched: false }))
    expect(items[0]?.why).toEqual(['the flag mail sends 25 % to target'])
    expect(items[1]?.why).toEqual(['web:7 still enqueues with cutover'])
    expect(judgeFinish(finish({ presence: [producer()], latched: true })).items[0]?.why).toEqual([
      'the latch sends every job to legacy',
    ])
    expect(judgeFinish(finish({ presence: [producer()], ceiling: 0.5 })).items[0]?.why).toEqual([
      'the ceiling allows 50 % on target',
    ])
  })

  test('with legacy the latch or a flag at nothing is needed', () => {
    const kept = { keep: 'legacy', presence: [producer()] } as const
    expect(judgeFinish(finish({ ...kept, share: 0 })).items[0]?.may).toBe(true)
    expect(judgeFinish(finish({ ...kept, share: 1, latched: true })).items[0]?.may).toBe(true)
    expect(judgeFinish(finish({ ...kept, share: 0.1 })).items[0]?.why).toEqual([
      expect.stringMatching(/cutover rollback mail/),
    ])
  })
})
