// What do the dials say, is the flag well, and who has applied it?

import type { MigrationSettings } from '../../config/resolve.ts'
import { coversRevision } from '../../ports/flags.ts'
import type { ControlState } from '../../ports/ledger.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { failureOf } from '../failure.ts'
import { dialsOf, dialsText, type FlagView, healthText, viewFlag } from '../flag-view.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { blocks, columns, foreign, type Pen } from '../pen.ts'
import { dutiesOf, isLive, type ProcessView, viewProcess } from '../processes.ts'
import { type Session, withSession } from '../session.ts'
import { readStored } from '../write-dials.ts'

interface Got {
  /** With the dials and the revision that are stored, where the server can be asked for them. */
  readonly flag: FlagView
  /** What the flag's clients see, where that is not what is stored. */
  readonly seen: FlagView | undefined
  readonly control: ControlState | undefined
  readonly processes: readonly ProcessView[]
  readonly ledgerFault: string | undefined
}

export async function getFlag(call: Call): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const [flag, ledger] = await Promise.all([viewFlag(session, settings), readLedger(session, settings)])
    const got: Got = { ...(await storedBeside(session, settings, flag)), ...ledger }
    const known = got.ledgerFault === undefined && got.flag.reading !== 'unknown'
    return {
      exit: known ? EXIT.ok : EXIT.error,
      json: getJson(settings.name, got),
      text: (pen) => getText(settings.name, got, pen),
    }
  })
}

/** A server shows its clients a change a little later than it has stored it. */
async function storedBeside(
  session: Session,
  settings: MigrationSettings,
  seen: FlagView,
): Promise<Pick<Got, 'flag' | 'seen'>> {
  if (seen.state === 'failed') return { flag: seen, seen: undefined }
  const source = await session.flags()
  let flag = seen
  try {
    const { reading, revision } = await readStored(source, settings.flag)
    flag = { ...seen, ...dialsOf(reading), reading: reading.kind, revision }
  } catch (error) {
    flag = { ...seen, message: [seen.message, failureOf(error).message].filter((text) => text !== null).join('\n') }
  }
  return { flag, seen: dialsText(seen) === dialsText(flag) ? undefined : seen }
}

/** The flag is to be seen while the ledger is down. */
async function readLedger(
  session: Session,
  settings: MigrationSettings,
): Promise<Pick<Got, 'control' | 'processes' | 'ledgerFault'>> {
  try {
    const ledger = await session.ledgerOf(settings)
    const [control, presence] = await Promise.all([ledger.control(), ledger.presence()])
    return { control, processes: presence.filter(isLive).map(viewProcess), ledgerFault: undefined }
  } catch (error) {
    return { control: undefined, processes: [], ledgerFault: failureOf(error).message }
  }
}

function hasApplied({ revision }: FlagView): (process: ProcessView) => boolean {
  return ({ flagRevision }) => revision !== null && coversRevision(flagRevision, revision)
}

function getJson(migration: string, { flag, seen, control, processes, ledgerFault }: Got): unknown {
  const has = hasApplied(flag)
  return {
    migration,
    dials: { target: flag.target, shadow: flag.shadow, control: control?.controlShare ?? null },
    flag,
    seen: seen ?? flag,
    latch: control?.latch ?? null,
    ceiling: control?.ceiling ?? null,
    ledger: ledgerFault ?? 'ok',
    processes: processes.map((process) => ({ ...process, applied: has(process) })),
  }
}

/** What is seen is not older than what is stored, and says otherwise all the same. */
function elsewhere(stored: FlagView, seen: FlagView): string {
  if (seen.state !== 'ok' || !coversRevision(seen.revision ?? '', stored.revision ?? '')) return ''
  return '  (the latest: is it read in another environment than it is written in? cutover doctor)'
}

function getText(migration: string, got: Got, pen: Pen): string {
  const { flag, seen, control, processes, ledgerFault } = got
  const has = hasApplied(flag)
  const label = (text: string): string => pen.style('dim', text)
  const latch =
    control === undefined
      ? 'not known'
      : control.latch.set
        ? pen.style('yellow', 'SET: every job goes to legacy')
        : 'off'
  const rows = [
    [
      label('dials'),
      `${dialsText(flag)}  control ${control === undefined ? 'not known' : formatShare(control.controlShare)}`,
    ],
    ...(seen === undefined ? [] : [[label('seen yet'), `${dialsText(seen)}${elsewhere(flag, seen)}`]]),
    [label('flag'), healthText(flag, pen)],
    [label('latch'), latch],
    ...(control === undefined || control.ceiling >= 1 ? [] : [[label('ceiling'), formatShare(control.ceiling)]]),
    ...(ledgerFault === undefined ? [] : [[label('ledger'), pen.style('red', foreign(ledgerFault, 300))]]),
  ]
  const live = processes.map((process) => [
    has(process) ? pen.style('green', 'applied') : pen.style('yellow', 'behind'),
    `${foreign(process.host, 60)}:${process.pid}`,
    foreign(dutiesOf(process)),
    process.flagHealth === 'ok' ? '' : pen.style('yellow', `flag ${foreign(process.flagHealth)}`),
  ])
  const none = ledgerFault === undefined ? 'no live process' : ''
  return blocks([
    `${pen.style('bold', foreign(migration))}\n${columns(rows, '  ')}`,
    live.length === 0 ? none : columns(live, '  '),
  ])
}
