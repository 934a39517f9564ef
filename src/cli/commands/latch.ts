// The way back, and its end: sends everything to legacy at once, or lets the flag decide again.
//
// Only the ledger is needed for that. Afterwards the flag's dials are turned to 0 and what waits on target is brought
// home, where that can be done; neither holds up the latch, and what fails of it is told, not an error.

import type { Command } from 'commander'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { ControlState, MigrationLedger } from '../../ports/ledger.ts'
import { formatTime, plural } from '../../report/format.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { failureOf } from '../failure.ts'
import { dialsOf, dialsText, type FlagView, viewFlag } from '../flag-view.ts'
import { comeHome, type Home, homeJson, homeText, isHome } from '../home.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { addWho, duration, examples, NAME_HELP } from '../options.ts'
import { foreign, type Pen } from '../pen.ts'
import { awaitObedience, iso, type Obedience } from '../processes.ts'
import type { Cli } from '../run.ts'
import { type Session, type WhoOptions, whoOf, withSession } from '../session.ts'
import { readStored, writeDials } from '../write-dials.ts'

interface Options extends WhoOptions {
  readonly wait: number
  /** False with `--no-flag`. */
  readonly flag?: boolean
  /** False with `--no-move`. */
  readonly move?: boolean
}

/** A producer tells once a second what it has seen; one that died is counted as gone after five. */
const WAIT_MS = 6000
const ROLLBACK_WAIT_HELP =
  'how long to wait for every live producer to obey, then for target to be empty; 0s: not at all (default: 6s)'
const WAIT_HELP = 'how long to wait for every live producer to obey, 0s: not at all (default: 6s)'

export function rollbackCommand(program: Command, cli: Cli): void {
  const command = program
    .command('rollback')
    .description('sends everything to legacy at once, whatever the flag says; needs the ledger only')
    .argument('[name]', NAME_HELP)
    .option('--wait <duration>', ROLLBACK_WAIT_HELP, duration('--wait'), WAIT_MS)
    .option('--no-flag', "leave the flag's dials as they are")
    .option('--no-move', 'leave what waits on target to its workers')
  addWho(command)
    .addHelpText(
      'after',
      examples(['cutover rollback parse-email --why "attachments are missing"', 'cutover rollback --json']),
    )
    .action(cli.action((call: Call<Options>) => turn(call, true)))
}

export function unlatchCommand(program: Command, cli: Cli): void {
  const command = program
    .command('unlatch')
    .description('lifts the latch that rollback set: the flag decides again')
    .argument('[name]', NAME_HELP)
    .option('--wait <duration>', WAIT_HELP, duration('--wait'), WAIT_MS)
  addWho(command)
    .addHelpText('after', examples(['cutover unlatch parse-email --why "fixed in 2.1"']))
    .action(cli.action((call: Call<Options>) => turn(call, false)))
}

/** What became of the flag beside the latch. */
type FlagOutcome =
  | { readonly kind: 'zeroed'; readonly was: string }
  | { readonly kind: 'left'; readonly dials: string }
  | { readonly kind: 'failed'; readonly message: string }

interface Turned {
  readonly migration: string
  readonly ledger: string
  readonly set: boolean
  readonly before: ControlState
  readonly after: ControlState
  readonly obedience: Obedience
  readonly flag: FlagOutcome
  /** False: this ledger had never heard of the migration. */
  readonly known: boolean
  readonly home: Home | undefined
}

async function turn(call: Call<Options>, set: boolean): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const root = await session.ledger()
    const known = (await root.migrations()).includes(settings.name)
    const ledger = await session.ledgerOf(settings)
    const before = await ledger.control()
    const who = whoOf(call.options)
    const after = await ledger.setLatch({ set, ...who })
    call.note(
      `${settings.name}: the latch is ${set ? 'set: everything goes to legacy' : 'off'} (revision ${after.latch.revision})`,
    )
    const signal = set ? call.io.interrupt?.() : undefined
    const [obedience, flag] = await Promise.all([
      awaitObedience(ledger, after.latch.revision, call.options.wait),
      set && call.options.flag !== false ? zeroFlag(session, settings, ledger, who) : lookAtFlag(session, settings),
    ])
    const home = set ? await comeHome({ call, session, settings, ledger, who, signal }) : undefined
    const found: Turned = {
      migration: settings.name,
      ledger: root.kind,
      set,
      before,
      after,
      obedience,
      flag,
      known,
      home,
    }
    return {
      exit: obedience.behind.length === 0 && (home === undefined || isHome(home)) ? EXIT.ok : EXIT.hold,
      json: toJson(found, who),
      text: (pen) => toText(found, pen),
    }
  })
}

async function zeroFlag(
  session: Session,
  settings: MigrationSettings,
  ledger: MigrationLedger,
  who: { by: string; why?: string },
): Promise<FlagOutcome> {
  const view = await viewFlag(session, settings)
  if (view.state === 'failed') return { kind: 'failed', message: view.message ?? 'the flag source cannot be read' }
  try {
    // clients do not show yet what was written a moment ago: it would be left, and be obeyed once the latch is lifted
    const stored = await storedView(session, settings, view)
    const { target, shadow } = stored
    if (view.state === 'ok' && target === 0 && shadow === 0) return { kind: 'left', dials: dialsText(stored) }
    const revision = await writeDials(session, settings, { target: 0, shadow: 0 })
    const before = { target, shadow }
    const data = { flag: settings.flag, before, after: { target: 0, shadow: 0 }, revision, with: 'rollback' }
    await ledger.audit({ action: 'flag-set', ...who, data })
    return { kind: 'zeroed', was: dialsText(stored) }
  } catch (error) {
    return { kind: 'failed', message: failureOf(error).message }
  }
}

async function lookAtFlag(session: Session, settings: MigrationSettings): Promise<FlagOutcome> {
  const view = await viewFlag(session, settings)
  if (view.state !== 'ok') return { kind: 'failed', message: view.message ?? `the flag source is ${view.state}` }
  const stored = await storedView(session, settings, view).catch(() => view) // no right to ask for it: what clients see
  return { kind: 'left', dials: dialsText(stored) }
}

async function storedView(session: Session, { flag }: MigrationSettings, seen: FlagView): Promise<FlagView> {
  const { reading } = await readStored(await session.flags(), flag)
  return { ...seen, reading: reading.kind, ...dialsOf(reading) }
}

// ----------------------------------------------------------------------------------------------------------- views

function toJson(turned: Turned, who: { by: string; why?: string }): unknown {
  const { migration, ledger, set, before, after, obedience, flag, known, home } = turned
  return {
    ...{
      migration,
      ledger,
      known,
      latch: after.latch,
      changed: before.latch.set !== set,
      by: who.by,
      why: who.why ?? null,
    },
    ...{ epoch: after.epoch.epoch, producers: obedience, flag },
    ...(home === undefined ? {} : homeJson(home)),
  }
}

function toText(turned: Turned, pen: Pen): string {
  const { migration, ledger, known } = turned
  const warn = (text: string): string => `${pen.style('yellow', 'warning')}: ${text}`
  const lines = [
    headline(turned, pen),
    obedienceText(turned.obedience, warn),
    flagText(turned, warn),
    ...(turned.home === undefined ? [] : homeText(turned.home, pen)),
    ...(known
      ? []
      : [
          warn(
            `this ledger (${ledger}) had never heard of ${foreign(migration)}: is it the one that your processes use?`,
          ),
        ]),
  ]
  return `${lines.filter((line) => line !== '').join('\n')}\n`
}

function headline({ migration, set, before, after }: Turned, pen: Pen): string {
  const name = pen.style('bold', foreign(migration))
  const { latch } = after
  if (before.latch.set === set) {
    const when = latch.at === undefined ? '' : ` at ${formatTime(iso(latch.at))}`
    const by = latch.by === undefined ? '' : ` by ${foreign(latch.by)}`
    return set
      ? `${name}: the latch was set already${by}${when}; everything goes to legacy`
      : `${name}: the latch was off already`
  }
  if (set)
    return `${name}: ${pen.style('green', 'everything goes to legacy')} (latch revision ${latch.revision}); back with: cutover unlatch ${foreign(migration)}`
  const ceiling = after.ceiling < 1 ? `, up to the ceiling of ${formatShare(after.ceiling)}` : ''
  return `${name}: the latch is off, the flag decides again${ceiling}`
}

function obedienceText({ obeyed, producers, inFlight, behind }: Obedience, warn: (text: string) => string): string {
  const busy = inFlight === 0 ? '' : `; ${plural(inFlight, 'enqueue')} under way when they last told`
  if (producers === 0) return 'no live producer'
  if (behind.length === 0) return `${obeyed} of ${plural(producers, 'live producer')} obeyed${busy}`
  return warn(
    `${obeyed} of ${plural(producers, 'live producer')} obeyed; not yet: ${behind.map((each) => foreign(each)).join(', ')}. A producer that cannot read the ledger for a second sends to legacy by itself${busy}`,
  )
}

function flagText({ flag, set }: Turned, warn: (text: string) => string): string {
  if (flag.kind === 'zeroed') return `flag: ${flag.was} → target 0%  shadow 0%`
  if (flag.kind === 'left') return `flag: ${flag.dials}`
  const what = set ? "the flag's dials stay as they are (the latch holds all the same)" : 'the flag cannot be read'
  return warn(`${what}: ${foreign(flag.message, 400)}`)
}
