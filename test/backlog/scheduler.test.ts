// What an owner does between two looks: it sends nothing on knowledge that is older than its lease, and tells once.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SCHEDULE_LEASE_MS, Scheduler } from '../../src/backlog/schedules.ts'
import { tickId } from '../../src/backlog/ticks.ts'
import type { MigrationLedger } from '../../src/ports/ledger.ts'
import type { ScheduleRecord } from '../../src/ports/schedules.ts'
import { CutoverError } from '../../src/vocabulary/errors.ts'
import type { CutoverEvent } from '../../src/vocabulary/events.ts'

const START = Date.parse('2026-03-10T12:00:00.500Z')

beforeEach(() => {
  vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
})
afterEach(() => vi.useRealTimers())

interface Scene {
  readonly sent: string[]
  readonly events: CutoverEvent[]
  record: ScheduleRecord
  /** Whether it gets the lease. */
  held: boolean
  send: (id: string) => Promise<void>
  reads: number
  readonly released: string[]
}

function scene(): { it: Scene; scheduler: Scheduler } {
  const it: Scene = {
    ...{ sent: [], events: [], held: true, reads: 0, released: [], send: async () => {} },
    record: {
      ...{ name: 's', cron: '* * * * * *', timezone: 'UTC', payload: null, catchUpMs: 600_000, since: START },
    },
  }
  const ledger = {
    schedules: async () => {
      it.reads += 1
      return { now: Date.now(), schedules: [it.record] }
    },
    acquireLease: async () => ({ held: it.held, holder: '', until: 0 }),
    releaseLease: async (name: string) => void it.released.push(name),
    tickFired: async (_name: string, tick: number) => {
      it.record = { ...it.record, lastTick: Math.max(tick, it.record.lastTick ?? 0) }
    },
  } as unknown as MigrationLedger
  const scheduler = new Scheduler({
    ...{ migration: 'mail', instance: 'me', ledger: async () => ledger, emit: (event) => it.events.push(event) },
    send: async (_schedule, id) => {
      it.sent.push(id)
      await it.send(id)
    },
  })
  return { it, scheduler }
}

const idAt = (iso: string): string => tickId('s', Date.parse(iso))

test('fires each second at its second', async () => {
  const { it, scheduler } = scene()
  scheduler.start()
  await vi.advanceTimersByTimeAsync(3000)
  expect(it.sent).toEqual(['12:00:01', '12:00:02', '12:00:03'].map((time) => idAt(`2026-03-10T${time}Z`)))
  await scheduler.stop()
  expect(it.released).toEqual(['schedules'])
  await vi.advanceTimersByTimeAsync(5000)
  expect(it.sent).toHaveLength(3)
})

test('one that stood still within a call reads again before it sends more', async () => {
  const { it, scheduler } = scene()
  it.record = { ...it.record, since: START - 10_000 }
  it.send = async () => {
    // it stands still past its lease; meanwhile another owner fires all of it, and their rows are purged
    vi.setSystemTime(Date.now() + SCHEDULE_LEASE_MS + 1)
    await vi.advanceTimersByTimeAsync(0)
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + SCHEDULE_LEASE_MS + 1)
    it.record = { ...it.record, lastTick: Date.now() + 60_000 }
    it.held = false
  }
  scheduler.start()
  await vi.advanceTimersByTimeAsync(1)
  await vi.advanceTimersByTimeAsync(2000)
  expect(it.sent).toHaveLength(1)
  await scheduler.stop()
  expect(it.released).toEqual([])
})

test('without the lease nothing is sent; with it everything that is due', async () => {
  const { it, scheduler } = scene()
  it.held = false
  scheduler.start()
  await vi.advanceTimersByTimeAsync(4000)
  expect(it.sent).toEqual([])
  it.held = true
  await vi.advanceTimersByTimeAsync(1000)
  expect(it.sent.length).toBeGreaterThanOrEqual(4)
  expect(new Set(it.sent).size).toBe(it.sent.length)
  await scheduler.stop()
})

test('a refused tick is told once, tried again, and told anew after it went through', async () => {
  const { it, scheduler } = scene()
  let refuse = true
  it.send = async () => {
    if (refuse) throw new Error('no')
  }
  scheduler.start()
  await vi.advanceTimersByTimeAsync(3500)
  expect(it.events).toEqual([
    { type: 'schedule-error', migration: 'mail', schedule: 's', message: expect.stringMatching(/12:00:01.*: no/) },
  ])
  expect(new Set(it.sent)).toEqual(new Set([idAt('2026-03-10T12:00:01Z')]))
  refuse = false
  await vi.advanceTimersByTimeAsync(1500)
  expect(it.record.lastTick).toBe(Date.parse('2026-03-10T12:00:05Z'))
  refuse = true
  await vi.advanceTimersByTimeAsync(2000)
  expect(it.events).toHaveLength(2)
  await scheduler.stop()
})

test('a ledger that is away is not told by it: others do', async () => {
  const { it, scheduler } = scene()
  it.send = async () => {
    throw new CutoverError('ledger-unavailable', 'away')
  }
  scheduler.start()
  await vi.advanceTimersByTimeAsync(3000)
  expect(it.events).toEqual([])
  it.send = async () => {}
  await vi.advanceTimersByTimeAsync(2000)
  expect(it.sent.length).toBeGreaterThan(2)
  await scheduler.stop()
})

test('a process that has never seen a schedule looks every few seconds', async () => {
  const { it, scheduler } = scene()
  const none = vi.fn(async () => ({ now: Date.now(), schedules: [] }))
  const idle = new Scheduler({
    ...{ migration: 'mail', instance: 'me', emit: () => {}, send: async () => {} },
    ledger: async () => ({ schedules: none }) as unknown as MigrationLedger,
  })
  idle.start()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(none.mock.calls.length).toBeLessThan(20)
  await idle.stop()
  await scheduler.stop()
  expect(it.reads).toBe(0)
})
