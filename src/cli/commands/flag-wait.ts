// Waits until every live process has applied the flag as it is stored, and shows who has.

import { setTimeout as delay } from 'node:timers/promises'
import type { MigrationSettings } from '../../config/resolve.ts'
import { coversRevision } from '../../ports/flags.ts'
import type { MigrationLedger } from '../../ports/ledger.ts'
import { plural } from '../../report/format.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { columns, foreign, type Pen } from '../pen.ts'
import { dutiesOf, isLive, type ProcessView, viewProcess } from '../processes.ts'
import { withSession } from '../session.ts'
import { readStored } from '../write-dials.ts'

interface Options {
  readonly revision?: string
  readonly timeout: number
}

const LOOK_EVERY_MS = 100

export async function waitForFlag(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const [source, ledger] = await Promise.all([session.flags(), session.ledgerOf(settings)])
    const wanted = call.options.revision ?? (await readStored(source, settings.flag)).revision
    const applied = await awaitApplied({ ledger, wanted, ms: call.options.timeout, note: call.note })
    return appliedAnswer(settings, wanted, applied)
  })
}

export interface Applied {
  readonly processes: readonly (ProcessView & { readonly applied: boolean })[]
  readonly all: boolean
}

/** Looks until every live process has the revision, at most `ms`; tells of each that gets there. */
export async function awaitApplied(options: {
  readonly ledger: MigrationLedger
  readonly wanted: string
  readonly ms: number
  readonly note: (text: string) => void
}): Promise<Applied> {
  const { ledger, wanted, ms, note } = options
  const until = performance.now() + ms
  const told = new Set<string>()
  for (;;) {
    const live = (await ledger.presence()).filter(isLive).map(viewProcess)
    const processes = live.map((each) => ({ ...each, applied: coversRevision(each.flagRevision, wanted) }))
    for (const { host, pid, applied, flagRevision } of processes) {
      const name = `${host}:${pid}`
      if (!applied || told.has(name)) continue
      told.add(name)
      note(`${foreign(name)} has applied ${foreign(flagRevision)}`)
    }
    const all = processes.every(({ applied }) => applied)
    if (all || performance.now() >= until) return { processes, all }
    await delay(LOOK_EVERY_MS)
  }
}

function appliedAnswer({ name, flag }: MigrationSettings, wanted: string, { processes, all }: Applied): Answer {
  return {
    exit: all ? EXIT.ok : EXIT.hold,
    json: { migration: name, flag, revision: wanted, all, processes },
    text: (pen) => appliedText(name, wanted, { processes, all }, pen),
  }
}

function appliedText(name: string, wanted: string, { processes, all }: Applied, pen: Pen): string {
  const have = processes.filter(({ applied }) => applied).length
  const count = `${have} of ${plural(processes.length, 'live process', 'live processes')}`
  const headline =
    processes.length === 0
      ? 'no live process'
      : all
        ? pen.style('green', `${count} have applied revision ${foreign(wanted)}`)
        : pen.style('yellow', `${count} have applied revision ${foreign(wanted)}`)
  const rows = processes.map((each) => [
    each.applied ? pen.style('green', 'applied') : pen.style('yellow', 'behind'),
    `${foreign(each.host, 60)}:${each.pid}`,
    foreign(each.flagRevision, 40),
    foreign(dutiesOf(each)),
    each.flagHealth === 'ok' ? '' : pen.style('yellow', `flag ${foreign(each.flagHealth)}`),
  ])
  const list = rows.length === 0 ? '' : `${columns(rows, '  ')}\n`
  return `${pen.style('bold', foreign(name))}: ${headline}\n${list}`
}
