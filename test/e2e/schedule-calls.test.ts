// `schedule`, `unschedule` and `schedules`: what is refused, what a second declaration changes, what is told.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type App, type AppOptions, type Bed, embeddedBed, openApp, until } from '../support/app.ts'

let bed: Bed
const apps: App[] = []
beforeEach(() => {
  bed = embeddedBed()
})
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
  await bed.stop()
})

async function open(options: AppOptions = {}): Promise<App> {
  const app = await openApp(bed, options)
  apps.push(app)
  return app
}

const EACH_SECOND = '* * * * * *'

it('runs its payload at every tick, under the id of the tick', async () => {
  const app = await open()
  await app.both()
  const declared = await app.cutover.schedule('mail', EACH_SECOND, { n: 7, text: 'tick' })
  await until(() => app.runs.length >= 2, 'two ticks')
  expect(app.runs[0]?.n).toBe(7)
  expect(app.runs.map(({ id }) => id)).toEqual(
    app.runs.map(({ id }) => expect.stringMatching(/^schedule_default_\d{8}T\d{6}Z$/) && id),
  )
  expect(declared).toMatchObject({ name: 'default', cron: EACH_SECOND, timezone: 'UTC', catchUpMs: 600_000 })
  expect(declared.nextTick).toBe(Math.floor(declared.since / 1000) * 1000 + 1000)
  const [now] = await app.cutover.schedules('mail')
  expect(now?.lastTick).toBeGreaterThanOrEqual(declared.nextTick ?? 0)
})

it('goes where the flag sends it, and to legacy while the latch is set', async () => {
  const app = await open({ dials: { target: 1, shadow: 0 } })
  await app.both()
  await app.cutover.schedule('mail', EACH_SECOND, { n: 1 })
  await until(() => app.runs.some(({ side }) => side === 'target'), 'a tick on target')
  await app.cutover.rollback('mail')
  await until(() => app.runs.at(-1)?.side === 'legacy', 'a tick on legacy')
})

it('the same again changes nothing, another pattern starts afresh, and it is all audited', async () => {
  const app = await open()
  const first = await app.cutover.schedule('mail', '0 3 * * *', { n: 1 }, { as: 'nightly', why: 'bills' })
  expect(await app.cutover.schedule('mail', '0 3 * * *', { n: 1 }, { as: 'nightly' })).toEqual(first)
  const other = await app.cutover.schedule('mail', '0 4 * * *', { n: 1 }, { as: 'nightly', by: 'kim' })
  expect(other.since).toBeGreaterThanOrEqual(first.since)
  expect((await app.cutover.schedules('mail')).map(({ cron }) => cron)).toEqual(['0 4 * * *'])
  const entries = (await app.ledger.history()).filter(({ action }) => action === 'schedule')
  expect(entries.map(({ by, why, data }) => [by, why, (data as { cron: string }).cron])).toEqual([
    ['kim', undefined, '0 4 * * *'],
    [expect.stringContaining('@'), 'bills', '0 3 * * *'],
  ])
})

it('ends with unschedule; a later declaration does not fire what came meanwhile', async () => {
  const app = await open()
  await app.both()
  await app.cutover.schedule('mail', EACH_SECOND, { n: 1 }, { as: 'a' })
  await until(() => app.runs.length >= 1, 'a tick')
  await app.cutover.unschedule('mail', 'a', { why: 'enough' })
  expect(await app.cutover.schedules('mail')).toEqual([])
  const { now } = await app.ledger.schedules()
  await until(async () => (await app.ledger.schedules()).now > now + 2500, 'two more seconds')
  const again = await app.cutover.schedule('mail', EACH_SECOND, { n: 2 }, { as: 'a' })
  await until(() => app.runs.some(({ n }) => n === 2), 'a tick again')
  const times = app.runs.filter(({ n }) => n === 2).map(({ id }) => id.slice(-7, -1))
  expect(times[0]).toBe(new Date(again.nextTick ?? 0).toISOString().slice(11, 19).replaceAll(':', ''))
})

it('a Date in the payload arrives as the text that is stored', async () => {
  const app = await open()
  let got: unknown
  await app.both(async (mail) => {
    got = mail
  })
  await app.cutover.schedule('mail', EACH_SECOND, { n: 1, at: new Date(0) } as never)
  await until(() => got !== undefined, 'a tick')
  expect(got).toEqual({ n: 1, at: '1970-01-01T00:00:00.000Z' })
})

describe('is refused, and nothing is stored', () => {
  it.each([
    ['a pattern that is none', 'sometimes', {}, 'option-invalid', /"sometimes" is not a cron pattern; five fields/],
    ['a pattern that never comes', '0 0 30 2 *', {}, 'option-invalid', /never comes again/],
    ['a zone that is none', EACH_SECOND, { timezone: 'Berlin' }, 'option-invalid', /no time zone "Berlin"/],
    [
      'a name that cannot be in an id',
      EACH_SECOND,
      { as: 'every night' },
      'option-invalid',
      /letters, digits, _ and -/,
    ],
    ['an unknown option', EACH_SECOND, { tz: 'UTC' }, 'option-invalid', /no option "tz"; allowed: as, timezone/],
    [
      'a bound that is no duration',
      EACH_SECOND,
      { catchUp: 'long' },
      'option-invalid',
      /catchUp: "long" is not a duration/,
    ],
    ['attempts that the deadline does not cover', EACH_SECOND, { attempts: 999 }, 'deadline-too-short', /999 attempts/],
  ] as const)('%s', async (_what, cron, options, code, message) => {
    const app = await open()
    const refused = app.cutover.schedule('mail', cron, { n: 1 }, options as never)
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect((await app.ledger.schedules()).schedules).toEqual([])
  })

  it('a payload that the schema does not take, also in the form in which it would be sent', async () => {
    const payload = z.object({ n: z.number(), at: z.date().optional() })
    const app = await open({ migration: { payload } as never })
    const wrong = app.cutover.schedule('mail', EACH_SECOND, { n: 'one' } as never)
    await expect(wrong).rejects.toMatchObject({ code: 'payload-invalid' })
    const dated = app.cutover.schedule('mail', EACH_SECOND, { n: 1, at: new Date() } as never)
    await expect(dated).rejects.toMatchObject({ code: 'payload-invalid' })
    expect((await app.ledger.schedules()).schedules).toEqual([])
  })

  it('a second one without a name in the same process', async () => {
    const app = await open()
    await app.cutover.schedule('mail', '0 3 * * *', { n: 1 })
    const second = app.cutover.schedule('mail', '0 4 * * *', { n: 1 })
    await expect(second).rejects.toMatchObject({ code: 'option-invalid', message: expect.stringMatching(/with `as`/) })
    await app.cutover.unschedule('mail')
    expect(await app.cutover.schedule('mail', '0 4 * * *', { n: 1 })).toMatchObject({ cron: '0 4 * * *' })
  })
})

it('a tick that cannot be enqueued stays due, is told once, and is fired when it can be', async () => {
  const before = await open()
  await before.cutover.schedule('mail', EACH_SECOND, { n: 1 })
  await before.cutover.close()
  let strict = true
  const payload = z.object({ n: z.number().refine(() => !strict, 'not now') })
  const app = await open({ migration: { payload } as never })
  await app.both()
  const told = () => app.events.filter(({ type }) => type === 'schedule-error')
  await until(() => told().length > 0, 'it is told')
  const [schedule] = await app.cutover.schedules('mail')
  expect(told()[0]).toMatchObject({
    schedule: 'default',
    message: expect.stringMatching(/is not enqueued yet: .*not now/),
  })
  strict = false
  await until(() => app.runs.length > 0, 'it is fired')
  expect(app.runs[0]?.id.slice(-16)).toBe(
    new Date(schedule?.nextTick ?? 0).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').concat('Z'),
  )
})

it('tells of ticks that were too old to be fired', async () => {
  const before = await open()
  await before.cutover.schedule('mail', EACH_SECOND, { n: 1 }, { catchUp: '0s' })
  await until(async () => (await before.cutover.schedules('mail'))[0]?.lastTick !== undefined, 'the first tick')
  await before.cutover.close()
  const { now } = await before.ledger.schedules()
  await until(async () => (await before.ledger.schedules()).now > now + 3000, 'three seconds')
  const app = await open()
  await app.both()
  await until(() => app.events.some(({ type }) => type === 'schedule-skipped'), 'it is told')
  const skipped = app.events.find(({ type }) => type === 'schedule-skipped') as { from: number; until: number }
  expect(skipped.until - skipped.from).toBeGreaterThanOrEqual(2000)
})
