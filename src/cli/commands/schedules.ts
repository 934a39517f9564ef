// Which schedules does a migration have, when did each last fire, and when does it next? And how one is stopped.

import type { Command } from 'commander'
import { formatTime } from '../../report/format.ts'
import { type ScheduleView, viewSchedule } from '../../schedule-terms.ts'
import { formatDuration } from '../../vocabulary/duration.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { addWho, examples, NAME_HELP } from '../options.ts'
import { blocks, columns, foreign, type Pen } from '../pen.ts'
import { iso } from '../processes.ts'
import type { Cli } from '../run.ts'
import { type WhoOptions, whoOf, withSession } from '../session.ts'

export function schedulesCommand(program: Command, cli: Cli): void {
  program
    .command('schedules')
    .description('repeated jobs: patterns, the last tick fired, the next one')
    .argument('[name]', `${NAME_HELP}; without it all are shown`)
    .addHelpText('after', examples(['cutover schedules', 'cutover schedules parse-email --json']))
    .action(cli.action(schedules))
}

export function unscheduleCommand(program: Command, cli: Cli): void {
  const command = program
    .command('unschedule')
    .description('stops a schedule; jobs that it has enqueued stay')
    .argument('[name]', NAME_HELP)
    .argument('[schedule]', 'the name of the schedule')
  addWho(command)
    .addHelpText('after', examples(['cutover unschedule parse-email nightly --why "moved to the new service"']))
    .action(cli.action(unschedule))
}

/** A tick that is due for longer than an owner's death can explain is fired by nobody. */
const LATE_MS = 10_000

interface Shown extends ScheduleView {
  readonly lateMs: number
}

async function schedules(call: Call): Promise<Answer> {
  return await withSession(call, async (session) => {
    const found = await Promise.all(
      session.pickAll(call.args[0]).map(async (settings) => {
        const { now, schedules: records } = await (await session.ledgerOf(settings)).schedules()
        const shown = records.map((record): Shown => {
          const view = viewSchedule(record)
          return { ...view, lateMs: Math.max(0, now - (view.nextTick ?? now)) }
        })
        return { name: settings.name, shown }
      }),
    )
    return {
      json: { migrations: found.map(({ name, shown }) => ({ name, schedules: shown.map(toJson) })) },
      text: (pen) => blocks(found.map(({ name, shown }) => toText(name, shown, pen))),
    }
  })
}

function toJson({ since, lastTick, nextTick, ...rest }: Shown): unknown {
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms))
  return { ...rest, since: iso(since), lastTick: time(lastTick), nextTick: time(nextTick) }
}

function toText(migration: string, shown: readonly Shown[], pen: Pen): string {
  const title = pen.style('bold', foreign(migration))
  if (shown.length === 0) return `${title}: no schedules`
  const time = (ms: number | undefined): string => (ms === undefined ? 'never' : formatTime(iso(ms)))
  const rows = shown.map(({ name, cron, timezone, lastTick, nextTick, lateMs }) => [
    pen.style('bold', foreign(name)),
    foreign(cron),
    foreign(timezone),
    `last ${time(lastTick)}`,
    lateMs > LATE_MS
      ? pen.style('yellow', `due for ${formatDuration(lateMs)}: does a producer or worker run?`)
      : `next ${time(nextTick)}`,
  ])
  return `${title}\n${columns(rows, '  ')}`
}

async function unschedule(call: Call<WhoOptions>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const { settings, id: name } = session.pickWithId(call.args, true)
    const ledger = await session.ledgerOf(settings)
    const { schedules: known } = await ledger.schedules()
    const names = known.map((each) => each.name)
    if (name === undefined || !names.includes(name)) {
      const there = names.length === 0 ? 'there are none' : `there are: ${names.join(', ')}`
      throw new CutoverError('usage', `${settings.name} has no schedule ${foreign(name ?? '')}; ${there}`, {
        details: { migration: settings.name, schedules: names },
      })
    }
    const who = whoOf(call.options)
    await ledger.removeSchedule({ name, ...who })
    return {
      exit: EXIT.ok,
      json: { migration: settings.name, schedule: name, ...who },
      text: () =>
        `${settings.name}: schedule ${foreign(name)} is stopped; take its call out of your code, or the next process declares it again\n`,
    }
  })
}
