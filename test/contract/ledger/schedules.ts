// The contract of `ScheduleLedger`: terms that the last declaration gives, a last tick that only ever rises.

import { describe, expect, it } from 'vitest'
import type { ScheduleTerms } from '../../../src/ports/schedules.ts'
import type { LedgerBench } from './bed.ts'

function termsOf(over: Partial<ScheduleTerms> = {}): ScheduleTerms {
  const payload = { list: ['a', null, 1.5], ключ: 'café' }
  return { name: 'nightly', cron: '0 3 * * *', timezone: 'UTC', payload, catchUpMs: 600_000, ...over }
}

export function scheduleContract(bench: () => LedgerBench): void {
  it('has none at first', async () => {
    const { now, schedules } = await bench().migration().schedules()
    expect(schedules).toEqual([])
    expect(Math.abs(now - Date.now())).toBeLessThan(60_000)
  })

  it('keeps what was declared, by name, with the time of the declaration', async () => {
    const m = bench().migration()
    const terms = termsOf({ name: 'weekly', cron: '0 3 * * 1', timezone: 'Europe/Berlin', priority: 3, attempts: 2 })
    const record = await m.declareSchedule({ terms, by: 'me' })
    await m.declareSchedule({ terms: termsOf(), by: 'me' })
    const { now, schedules } = await m.schedules()
    expect(record).toEqual({ ...terms, since: record.since })
    expect(now - record.since).toBeLessThan(10_000)
    expect(now).toBeGreaterThanOrEqual(record.since)
    expect(schedules.map(({ name }) => name)).toEqual(['nightly', 'weekly'])
    expect(schedules[1]).toEqual(record)
    expect(schedules[0]).toMatchObject(termsOf())
  })

  it('changes nothing when the same is declared again, and writes one audit entry', async () => {
    const m = bench().migration()
    const first = await m.declareSchedule({ terms: termsOf(), by: 'me', why: 'monthly bills' })
    await m.tickFired('nightly', first.since + 5000)
    const again = await m.declareSchedule({ terms: termsOf(), by: 'you' })
    expect(again).toEqual({ ...first, lastTick: first.since + 5000 })
    expect(await m.history()).toMatchObject([
      {
        by: 'me',
        action: 'schedule',
        why: 'monthly bills',
        data: { name: 'nightly', cron: '0 3 * * *', timezone: 'UTC' },
      },
    ])
  })

  it('keeps the last tick through every change, and starts afresh with another pattern or zone', async () => {
    const m = bench().migration()
    const first = await m.declareSchedule({ terms: termsOf(), by: 'me' })
    await m.tickFired('nightly', 1_700_000_000_000)
    const paid = await m.declareSchedule({ terms: termsOf({ payload: 'other' }), by: 'me' })
    expect(paid).toEqual({ ...termsOf({ payload: 'other' }), since: first.since, lastTick: 1_700_000_000_000 })
    while ((await m.schedules()).now <= first.since); // a time of its own
    const zoned = await m.declareSchedule({ terms: termsOf({ timezone: 'Asia/Tokyo' }), by: 'me' })
    expect(zoned.since).toBeGreaterThan(first.since)
    expect(zoned.lastTick).toBe(1_700_000_000_000)
    while ((await m.schedules()).now <= zoned.since);
    const hourly = await m.declareSchedule({ terms: termsOf({ timezone: 'Asia/Tokyo', cron: '0 * * * *' }), by: 'me' })
    expect(hourly.since).toBeGreaterThan(zoned.since)
    expect(await m.history()).toHaveLength(4)
  })

  it('remembers the latest tick, whatever the order in which ticks are told', async () => {
    const { migration, second } = bench()
    const m = migration({}, 'ticks')
    const other = (await second()).migration('ticks', (await m.snapshot()).settings)
    await m.declareSchedule({ terms: termsOf(), by: 'me' })
    const ticks = [5000, 3000, 9000, 1000, 7000]
    await Promise.all(ticks.map((tick, n) => (n % 2 ? m : other).tickFired('nightly', tick)))
    expect((await m.schedules()).schedules).toMatchObject([{ lastTick: 9000 }])
    await other.tickFired('absent', 1)
    expect((await m.schedules()).schedules).toHaveLength(1)
  })

  it('forgets one that is removed, once, audited', async () => {
    const m = bench().migration()
    await m.declareSchedule({ terms: termsOf(), by: 'me' })
    await m.removeSchedule({ name: 'nightly', by: 'ops', why: 'no longer needed' })
    await m.removeSchedule({ name: 'nightly', by: 'ops' })
    expect((await m.schedules()).schedules).toEqual([])
    expect((await m.history()).map(({ action, by, why }) => [action, by, why])).toEqual([
      ['unschedule', 'ops', 'no longer needed'],
      ['schedule', 'me', undefined],
    ])
    expect(await m.declareSchedule({ terms: termsOf(), by: 'me' })).not.toHaveProperty('lastTick')
  })

  describe('of another migration', () => {
    it('are its own', async () => {
      const { migration } = bench()
      await migration({}, 'one').declareSchedule({ terms: termsOf(), by: 'me' })
      expect((await migration({}, 'two').schedules()).schedules).toEqual([])
    })
  })
}
