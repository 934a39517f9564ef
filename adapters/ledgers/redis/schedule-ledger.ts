// Schedules in Redis.

import type { ScheduleLedger, ScheduleRecord, ScheduleTerms } from '../../../src/ports/schedules.ts'
import { entry } from './control-ledger.ts'
import type { Port } from './port.ts'
import { SCRIPTS } from './scripts.ts'
import { Reader } from './wire.ts'

function readSchedule(stored: Buffer): ScheduleRecord {
  const reader = new Reader(stored)
  const [since, tick] = [reader.time(), reader.time()]
  reader.text(2) // the pattern, which the terms have too
  return { ...(JSON.parse(reader.rest()) as ScheduleTerms), since, ...(tick === 0 ? {} : { lastTick: tick }) }
}

export function scheduleLedger(port: Port): ScheduleLedger {
  return {
    declareSchedule: async ({ terms, by, why }) => {
      const { name, cron, timezone } = terms
      const audit = entry(by, 'schedule', why, { name, cron, timezone })
      const args = [name, `${timezone} ${cron}`, JSON.stringify(terms), audit]
      return readSchedule((await port.run(SCRIPTS.declare, args)) as Buffer)
    },
    tickFired: async (name, tick) => {
      await port.run(SCRIPTS.tick, [name, String(tick)])
    },
    removeSchedule: async ({ name, by, why }) => {
      await port.run(SCRIPTS.unschedule, [name, entry(by, 'unschedule', why, { name })])
    },
    schedules: async () => {
      const [now, ...stored] = (await port.run(SCRIPTS.scheduled, [])) as [Buffer, ...Buffer[]]
      const schedules = stored.map(readSchedule).sort((a, b) => (a.name < b.name ? -1 : 1))
      return { now: Number(now), schedules }
    },
  }
}
