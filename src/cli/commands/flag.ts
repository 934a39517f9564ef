// What do the dials say, and how are they turned? One write for both dials of the flag; the control share goes to the
// ledger. Every turn is in the audit log.

import type { Command } from 'commander'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { ControlState, MigrationLedger } from '../../ports/ledger.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { failureOf } from '../failure.ts'
import { dialsText, type FlagView, healthText, viewFlag } from '../flag-view.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { addWho, examples, NAME_HELP, share } from '../options.ts'
import { blocks, columns, foreign, type Pen } from '../pen.ts'
import { dutiesOf, isLive, type ProcessView, viewProcess } from '../processes.ts'
import type { Cli } from '../run.ts'
import { type Session, type WhoOptions, whoOf, withSession } from '../session.ts'
import { writeDials } from '../write-dials.ts'

export function flagCommand(program: Command, cli: Cli): void {
  const flag = program
    .command('flag')
    .description('the dials: which share of keys goes to target, gets a shadow, gets a control')
    .addHelpText(
      'after',
      examples(['cutover flag get parse-email', 'cutover flag set parse-email --target 25% --shadow 100%']),
    )
  flag
    .command('get')
    .description('the dials as they are, the health of the flag, and which processes have applied it')
    .argument('[name]', NAME_HELP)
    .addHelpText('after', examples(['cutover flag get parse-email', 'cutover flag get --json | jq .dials']))
    .action(cli.action(getFlag))
  const set = flag
    .command('set')
    .description('turns the dials; what is not named stays as it is')
    .argument('[name]', NAME_HELP)
    .option('--target <share>', 'share of keys whose jobs run on target, e.g. 25%', share('--target'))
    .option('--shadow <share>', 'share of keys that also get a shadow on the other side', share('--shadow'))
    .option('--control <share>', 'share of the shadowed jobs that also run on legacy again', share('--control'))
  addWho(set)
    .addHelpText(
      'after',
      examples([
        'cutover flag set parse-email --target 0% --shadow 100% --control 10%',
        'cutover flag set parse-email --target 25% --why "first quarter"',
      ]),
    )
    .action(cli.action(setFlag))
}

// ------------------------------------------------------------------------------------------------------------ get

interface Got {
  readonly flag: FlagView
  readonly control: ControlState | undefined
  readonly processes: readonly ProcessView[]
  readonly ledgerFault: string | undefined
}

async function getFlag(call: Call): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const [flag, ledger] = await Promise.all([viewFlag(session, settings), readLedger(session, settings)])
    const got: Got = { flag, ...ledger }
    const known = got.ledgerFault === undefined && flag.state !== 'failed'
    return {
      exit: known ? EXIT.ok : EXIT.error,
      json: getJson(settings.name, got),
      text: (pen) => getText(settings.name, got, pen),
    }
  })
}

/** The flag is to be seen while the ledger is down. */
async function readLedger(session: Session, settings: MigrationSettings): Promise<Omit<Got, 'flag'>> {
  try {
    const ledger = await session.ledgerOf(settings)
    const [control, presence] = await Promise.all([ledger.control(), ledger.presence()])
    return { control, processes: presence.filter(isLive).map(viewProcess), ledgerFault: undefined }
  } catch (error) {
    return { control: undefined, processes: [], ledgerFault: failureOf(error).message }
  }
}

function getJson(migration: string, { flag, control, processes, ledgerFault }: Got): unknown {
  return {
    migration,
    dials: { target: flag.target, shadow: flag.shadow, control: control?.controlShare ?? null },
    flag,
    latch: control?.latch ?? null,
    ceiling: control?.ceiling ?? null,
    ledger: ledgerFault ?? 'ok',
    processes: processes.map((process) => ({ ...process, applied: process.flagRevision === flag.revision })),
  }
}

function getText(migration: string, { flag, control, processes, ledgerFault }: Got, pen: Pen): string {
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
    [label('flag'), healthText(flag, pen)],
    [label('latch'), latch],
    ...(control === undefined || control.ceiling >= 1 ? [] : [[label('ceiling'), formatShare(control.ceiling)]]),
    ...(ledgerFault === undefined ? [] : [[label('ledger'), pen.style('red', foreign(ledgerFault, 300))]]),
  ]
  const live = processes.map((process) => [
    process.flagRevision === flag.revision ? pen.style('green', 'applied') : pen.style('yellow', 'behind'),
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

// ------------------------------------------------------------------------------------------------------------ set

interface SetOptions extends WhoOptions {
  readonly target?: number
  readonly shadow?: number
  readonly control?: number
}

interface Dialled {
  readonly target: number | null
  readonly shadow: number | null
  readonly control: number
}

async function setFlag(call: Call<SetOptions>): Promise<Answer> {
  const { target, shadow, control } = call.options
  if (target === undefined && shadow === undefined && control === undefined) {
    throw new CutoverError('usage', 'nothing to set: give --target, --shadow or --control, e.g. --target 25%')
  }
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    // First the ledger: a turn that cannot be written into the audit log is not made.
    const ledger = await session.ledgerOf(settings)
    const state = await ledger.control()
    const flag = await viewFlag(session, settings)
    const before: Dialled = { target: flag.target, shadow: flag.shadow, control: state.controlShare }
    const after: Dialled = {
      target: target ?? before.target,
      shadow: shadow ?? before.shadow,
      control: control ?? before.control,
    }
    let revision = flag.revision
    if (target !== undefined || shadow !== undefined) {
      revision = await writeDials(session, settings, { target: after.target ?? 0, shadow: after.shadow ?? 0 })
    }
    const who = whoOf(call.options)
    await record(ledger, { settings, before, after, revision, ...who }, control)
    const warnings = warningsOf(settings, after, state)
    return {
      json: {
        migration: settings.name,
        flag: settings.flag,
        before,
        after,
        revision,
        by: who.by,
        why: who.why ?? null,
        warnings,
      },
      text: (pen) => setText(settings.name, before, after, warnings, pen),
    }
  })
}

interface Turn {
  readonly settings: MigrationSettings
  readonly before: Dialled
  readonly after: Dialled
  readonly revision: string | null
  readonly by: string
  readonly why?: string
}

async function record(ledger: MigrationLedger, turn: Turn, control: number | undefined): Promise<void> {
  const { settings, before, after, revision, ...who } = turn
  try {
    if (control !== undefined) await ledger.setControlShare({ share: control, ...who })
    const data = { flag: settings.flag, before: { ...before }, after: { ...after }, revision }
    await ledger.audit({ action: 'flag-set', ...who, data })
  } catch (cause) {
    const { message } = failureOf(cause)
    throw new CutoverError(
      'ledger-unavailable',
      `${settings.name}: the flag's own dials were written, but the ledger did not take the rest (control share, audit entry): ${message}; run the command again`,
      { cause, details: { migration: settings.name } },
    )
  }
}

function warningsOf(settings: MigrationSettings, { target, shadow, control }: Dialled, state: ControlState): string[] {
  const warnings: string[] = []
  if (state.latch.set)
    warnings.push(`the latch is set: every job goes to legacy until: cutover unlatch ${settings.name}`)
  if (target !== null && target > state.ceiling) {
    warnings.push(`the ceiling in the ledger lets no more than ${formatShare(state.ceiling)} of the keys go to target`)
  }
  if (shadow !== null && shadow > 0 && !settings.shadowable) {
    warnings.push(
      "no job is shadowed: set shadow: 'effects-declared' in the configuration once every effect goes through ctx.effect",
    )
  }
  if (control > 0 && shadow === 0)
    warnings.push('no job gets a control: only shadowed jobs do, and the shadow dial is 0%')
  return warnings
}

function setText(migration: string, before: Dialled, after: Dialled, warnings: readonly string[], pen: Pen): string {
  const rows = (['target', 'shadow', 'control'] as const).map((dial) => {
    const [was, is] = [shown(before[dial]), shown(after[dial])]
    return [pen.style('dim', dial), was === is ? is : `${was} → ${pen.style('bold', is)}`]
  })
  const warned = warnings.map((text) => `${pen.style('yellow', 'warning')}: ${text}`)
  return `${[`${pen.style('bold', foreign(migration))}`, columns(rows, '  '), ...warned].join('\n')}\n`
}

function shown(value: number | null): string {
  return value === null ? 'not known' : formatShare(value)
}
