// `cutover schedules` and `cutover unschedule`.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText, until } from './kit.ts'

let place: Bed
beforeEach(() => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
})
afterEach(() => place.remove())

const MAIL = { id: 'x', from: 'kim', text: '' }

async function declare(as: string, cron: string): Promise<void> {
  const cutover = await openCutover(configOf(place))
  await cutover.schedule('parse-email', cron, MAIL, { as, timezone: 'Europe/Berlin' })
  await cutover.close()
}

test('none', async () => {
  expect(await place.cli('schedules')).toMatchObject({ code: 0, stdout: 'parse-email: no schedules\n' })
  expect((await place.json('schedules', 'parse-email')).value).toEqual({
    migrations: [{ name: 'parse-email', schedules: [] }],
  })
})

test('what is declared, the last tick and the next one', async () => {
  await declare('yearly', '0 0 1 1 *')
  const { code, value } = await place.json('schedules')
  expect(code).toBe(0)
  const [schedule] = value.migrations[0].schedules
  expect(schedule).toMatchObject({ name: 'yearly', cron: '0 0 1 1 *', timezone: 'Europe/Berlin', lateMs: 0 })
  expect(schedule.lastTick).toBe(null)
  expect(schedule.nextTick).toMatch(/-12-31T23:00:00.000Z$/)
  const { stdout } = await place.cli('schedules')
  expect(stdout).toMatch(
    /parse-email\n {2}yearly +0 0 1 1 \* +Europe\/Berlin +last never +next \d{4}-12-31 23:00:00 UTC\n/,
  )
})

test('says when nobody fires', async () => {
  await declare('each-second', '* * * * * *')
  const late = async () => (await place.json('schedules')).value.migrations[0].schedules[0].lateMs > 10_000
  await until('it is late', late, 20_000)
  expect((await place.cli('schedules')).stdout).toMatch(/due for \d+s: does a producer or worker run\?/)
})

test('unschedule stops it and says what is left to do; audited', async () => {
  await declare('nightly', '0 3 * * *')
  const { code, stdout } = await place.cli('unschedule', 'nightly', '--why', 'moved', '--by', 'kim')
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/nightly is stopped; take its call out/) })
  expect((await place.json('schedules')).value.migrations[0].schedules).toEqual([])
  const { value } = await place.json('history', '--limit', '1')
  expect(value.entries[0]).toMatchObject({ action: 'unschedule', by: 'kim', why: 'moved', data: { name: 'nightly' } })
})

test('unschedule refuses a name that is not there, and says which are', async () => {
  await declare('nightly', '0 3 * * *')
  const { code, stderr } = await place.cli('unschedule', 'parse-email', 'daily')
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/no schedule daily; there are: nightly/) })
  expect((await place.cli('unschedule')).code).toBe(2)
})
