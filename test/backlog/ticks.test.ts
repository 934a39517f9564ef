// Which ticks of a schedule are due, by tables and by properties: none twice, none left out but those too old.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dueTicks, nextTick, patternProblem, tickId } from '../../src/backlog/ticks.ts'
import type { ScheduleRecord } from '../../src/ports/schedules.ts'

const at = (iso: string): number => Date.parse(iso)

function schedule(over: Partial<ScheduleRecord> & { cron: string }): ScheduleRecord {
  return { name: 's', timezone: 'UTC', payload: null, catchUpMs: 600_000, since: at('2026-01-01T00:00:00Z'), ...over }
}

function due(over: Partial<ScheduleRecord> & { cron: string }, now: string, limit = 1000) {
  const { ticks, more, skippedFrom } = dueTicks(schedule(over), at(now), limit)
  const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
  return { ticks: ticks.map(iso), more, ...(skippedFrom === undefined ? {} : { skippedFrom: iso(skippedFrom) }) }
}

describe('due ticks', () => {
  const daily = { cron: '0 3 * * *', lastTick: at('2026-03-10T03:00:00Z') }
  const seconds = { cron: '* * * * * *', lastTick: at('2026-03-10T12:00:00Z') }

  test.each([
    ['nothing before the next one', daily, '2026-03-11T02:59:59.999Z', []],
    ['at the very ms', daily, '2026-03-11T03:00:00Z', ['2026-03-11T03:00:00Z']],
    ['missed within the bound', daily, '2026-03-11T03:09:00Z', ['2026-03-11T03:00:00Z']],
    [
      'every missed one, oldest first',
      seconds,
      '2026-03-10T12:00:03.500Z',
      [1, 2, 3].map((s) => `2026-03-10T12:00:0${s}Z`),
    ],
  ] as const)('%s', (_what, terms, now, ticks) => {
    expect(due(terms, now)).toEqual({ ticks, more: false })
  })

  test('the first after the declaration, never one before it', () => {
    const terms = { cron: '0 * * * *', since: at('2026-03-10T12:00:00Z') }
    expect(due(terms, '2026-03-10T12:59:59Z').ticks).toEqual([])
    expect(due(terms, '2026-03-10T13:00:01Z').ticks).toEqual(['2026-03-10T13:00:00Z'])
    const changed = { ...terms, lastTick: at('2026-03-10T03:00:00Z') }
    expect(due(changed, '2026-03-10T12:30:00Z').ticks).toEqual([])
  })

  test('a clock that was set back fires nothing again', () => {
    expect(due(daily, '2026-03-10T02:59:59Z').ticks).toEqual([])
    expect(due(daily, '2026-03-10T03:00:00Z').ticks).toEqual([])
  })

  test('only the latest, where all are too old', () => {
    expect(due(daily, '2026-03-14T09:00:00Z')).toEqual({
      ticks: ['2026-03-14T03:00:00Z'],
      more: false,
      skippedFrom: '2026-03-11T03:00:00Z',
    })
    expect(due(daily, '2026-03-11T09:00:00Z')).toEqual({ ticks: ['2026-03-11T03:00:00Z'], more: false })
  })

  test('only what is young enough, where some is', () => {
    const terms = { ...seconds, catchUpMs: 2000 }
    expect(due(terms, '2026-03-10T13:00:00.500Z')).toEqual({
      ticks: ['2026-03-10T12:59:59Z', '2026-03-10T13:00:00Z'],
      more: false,
      skippedFrom: '2026-03-10T12:00:01Z',
    })
    expect(due({ ...terms, catchUpMs: 0 }, '2026-03-10T13:00:00.500Z').ticks).toEqual(['2026-03-10T13:00:00Z'])
  })

  test('a page at a time', () => {
    const page = due(seconds, '2026-03-10T12:05:00Z', 50)
    expect([page.ticks.length, page.more, page.ticks[0]]).toEqual([50, true, '2026-03-10T12:00:01Z'])
    const last = due({ ...seconds, lastTick: at('2026-03-10T12:04:10Z') }, '2026-03-10T12:05:00Z', 50)
    expect([last.ticks.length, last.more]).toEqual([50, false])
  })

  test('years of seconds are not walked through', () => {
    const since = at('2016-01-01T00:00:00Z')
    const { ticks, skippedFrom } = due({ cron: '* * * * * *', since, catchUpMs: 0 }, '2026-03-10T12:00:00.500Z')
    expect({ ticks, skippedFrom }).toEqual({ ticks: ['2026-03-10T12:00:00Z'], skippedFrom: '2016-01-01T00:00:01Z' })
  })
})

describe('summer time in Europe/Berlin', () => {
  const berlin = { timezone: 'Europe/Berlin', catchUpMs: 48 * 3_600_000 }

  test('a local time that does not exist is fired when the gap is over', () => {
    const terms = { ...berlin, cron: '30 2 * * *', lastTick: at('2026-03-28T01:30:00Z') }
    expect(due(terms, '2026-03-30T00:00:00Z').ticks).toEqual(['2026-03-29T01:00:00Z'])
  })

  test('a local time that comes twice is fired at its first coming', () => {
    const terms = { ...berlin, cron: '30 2 * * *', lastTick: at('2026-10-24T00:30:00Z') }
    expect(due(terms, '2026-10-26T00:00:00Z').ticks).toEqual(['2026-10-25T00:30:00Z'])
  })

  test('a step of minutes goes on through both hours', () => {
    const terms = { ...berlin, cron: '*/30 * * * *', lastTick: at('2026-10-24T23:30:00Z') }
    const halves = ['00:00', '00:30', '01:00', '01:30', '02:00']
    expect(due(terms, '2026-10-25T02:10:00Z').ticks).toEqual(halves.map((time) => `2026-10-25T${time}:00Z`))
  })
})

describe('whoever owns the schedule, and however late', () => {
  const cron = fc.constantFrom(
    '* * * * * *',
    '*/7 * * * * *',
    '* * * * *',
    '*/5 9-17 * * 1-5',
    '15 2 * * *',
    '0 0 1 * *',
  )
  const timezone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe')
  const start = fc.integer({ min: at('2026-03-01T00:00:00Z'), max: at('2026-11-20T00:00:00Z') })

  test('looks at any times add up to every tick, each once and in order', () => {
    fc.assert(
      fc.property(
        cron,
        timezone,
        start,
        fc.array(fc.integer({ min: 1, max: 120_000 }), { maxLength: 20 }),
        (c, z, from, pauses) => {
          let record = schedule({ cron: c, timezone: z, since: from, catchUpMs: 1e12 })
          let now = from
          const fired: number[] = []
          for (const pause of pauses) {
            now += pause
            for (const tick of dueTicks(record, now, 1e6).ticks) {
              fired.push(tick)
              record = { ...record, lastTick: tick }
            }
          }
          const all: number[] = []
          for (let t = nextTick(record, from); t !== undefined && t <= now; t = nextTick(record, t)) all.push(t)
          expect(fired).toEqual(all)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('what is fired is due, later than what was fired, and not too old but for the latest', () => {
    const gap = fc.integer({ min: 0, max: 90 * 24 * 3_600_000 })
    fc.assert(
      fc.property(
        cron,
        timezone,
        start,
        gap,
        fc.integer({ min: 0, max: 3_600_000 }),
        (c, z, last, later, catchUpMs) => {
          const record = schedule({ cron: c, timezone: z, lastTick: last, catchUpMs })
          const now = last + later
          const { ticks, skippedFrom } = dueTicks(record, now, 20)
          for (const [n, tick] of ticks.entries()) {
            expect(tick).toBeGreaterThan(ticks[n - 1] ?? last)
            expect(tick).toBeLessThanOrEqual(now)
            expect(nextTick(record, tick - 1)).toBe(tick)
            if (tick >= now - catchUpMs) continue
            expect(ticks).toHaveLength(1)
            expect(nextTick(record, tick) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(now)
          }
          const first = nextTick(record, last)
          expect(ticks.length > 0).toBe(first !== undefined && first <= now)
          if (skippedFrom !== undefined) expect([skippedFrom, skippedFrom < (ticks[0] ?? 0)]).toEqual([first, true])
          else if (ticks.length > 0) expect(ticks[0]).toBe(first)
        },
      ),
      { numRuns: 200 },
    )
  })
})

test('the id of a tick is plain, and another one for each second and schedule', () => {
  expect(tickId('nightly', at('2026-03-29T01:00:00Z'))).toBe('schedule_nightly_20260329T010000Z')
  const ids = new Set(
    ['a', 'b'].flatMap((name) => [0, 1000, 3_600_000].map((ms) => tickId(name, at('2026-03-29T01:00:00Z') + ms))),
  )
  expect(ids.size).toBe(6)
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{1,80}$/)
})

describe('patterns', () => {
  const now = at('2026-03-10T12:00:00Z')

  test.each([
    '* * * * *',
    '*/5 * * * * *',
    '0 3 * * MON-FRI',
    '@daily',
    '0 0 L * *',
    '0 3 * * 1#2',
    '0 0 0 1 1 * 2030',
  ])('%s is one', (cron) => expect(patternProblem(cron, 'UTC', now)).toBe(undefined))

  test.each([
    ['', 'UTC', /not a cron pattern/],
    ['every day', 'UTC', /not a cron pattern; five fields/],
    ['61 * * * *', 'UTC', /minute: 61/],
    ['* * * *', 'UTC', /not a cron pattern/],
    ['2026-12-01T00:00:00Z', 'UTC', /not a cron pattern/],
    ['0 0 31 2 *', 'UTC', /never comes again/],
    ['0 0 0 1 1 * 2020', 'UTC', /never comes again/],
    ['* * * * *', 'Mars/Phobos', /no time zone "Mars\/Phobos"/],
  ])('%s in %s is refused', (cron, zone, why) => expect(patternProblem(cron, zone, now)).toMatch(why))
})
