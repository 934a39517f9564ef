// Which route would this key get now, and why? Asked of flag and ledger as a producer would, without becoming one.

import type { Command } from 'commander'
import type { FlagDecision } from '../../ports/flags.ts'
import type { ControlState } from '../../ports/ledger.ts'
import { decide } from '../../routing/decide.ts'
import { keyPosition, POSITIONS } from '../../routing/hash.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import type { Decision } from '../../vocabulary/job.ts'
import { failureOf } from '../failure.ts'
import { dialsText, type FlagView, healthText, viewFlag } from '../flag-view.ts'
import type { Answer, Call } from '../io.ts'
import { examples, NAME_HELP } from '../options.ts'
import { columns, foreign, type Pen } from '../pen.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

export function explainCommand(program: Command, cli: Cli): void {
  program
    .command('explain')
    .description('which route a key would get now, and why')
    .argument('[name]', NAME_HELP)
    .requiredOption('--key <key>', 'the key, e.g. a mailbox')
    .addHelpText(
      'after',
      examples(['cutover explain parse-email --key kim@example.org', 'cutover explain --key kim@example.org --json']),
    )
    .action(cli.action(explain))
}

/** Why a reason is what it is, for people. */
const REASONS: Readonly<Record<Decision['reason'], string>> = {
  flag: 'the flag says so',
  forced: 'the route was forced',
  latch: 'the latch is set: everything goes to legacy',
  ceiling: 'the flag says target, the ceiling in the ledger does not allow it for this key',
  'not-shadowable': "the flag says shadow, the migration has shadow: 'off'",
  'flag-doubt': 'the flag source has not answered yet',
  'flag-missing': 'the flag has no value',
  'flag-off': 'the flag is off',
  'flag-unknown-value': 'the flag has a value that nobody knows',
  'flag-stale': 'the last answer of the flag source is too old',
  'flag-error': 'the flag could not be evaluated',
  'empty-key': 'the key is empty',
  'ledger-stale': 'the last read of the ledger is too old',
  'ledger-unavailable': 'the ledger cannot be reached',
  'epoch-behind': 'another epoch was opened meanwhile',
  adopted: 'the job was adopted',
}

interface Explained {
  readonly migration: string
  readonly key: string
  readonly decision: Decision
  readonly position: number
  readonly flag: FlagView
  readonly control: ControlState | undefined
  readonly ledgerFault: string | undefined
}

async function explain(call: Call<{ readonly key: string }>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const { key } = call.options
    const flagKey = settings.flagKey(key)
    const flag = await viewFlag(session, settings)
    let said: FlagDecision = { route: 'legacy', reason: 'flag-error' }
    if (flag.state !== 'failed') {
      const source = await session.flags()
      await source.prepare?.({ flag: settings.flag, flagKind: settings.flagKind }, [flagKey])
      said = source.decide({ flag: settings.flag, key: flagKey, flagKind: settings.flagKind })
    }
    let control: ControlState | undefined
    let ledgerFault: string | undefined
    try {
      control = await (await session.ledgerOf(settings)).control()
    } catch (error) {
      ledgerFault = failureOf(error).message
    }
    const position = keyPosition(settings.flag, flagKey)
    const decision = decide({
      flag: said,
      control: {
        known: control !== undefined,
        ageMs: 0,
        latchSet: control?.latch.set ?? false,
        ceiling: control?.ceiling ?? 0,
      },
      position: () => position,
      shadowable: settings.shadowable,
    })
    const found: Explained = { migration: settings.name, key, decision, position, flag, control, ledgerFault }
    return { json: toJson(found), text: (pen) => toText(found, pen) }
  })
}

function toJson({ migration, key, decision, position, flag, control, ledgerFault }: Explained): unknown {
  return {
    ...{ migration, key, ...decision, why: REASONS[decision.reason], position, flag },
    latch: control?.latch ?? null,
    ceiling: control?.ceiling ?? null,
    epoch: control?.epoch.epoch ?? null,
    ledger: ledgerFault === undefined ? 'ok' : ledgerFault,
  }
}

function toText({ migration, key, decision, position, flag, control, ledgerFault }: Explained, pen: Pen): string {
  const label = (text: string): string => pen.style('dim', text)
  const rows = [
    [label('route'), `${pen.style('bold', decision.route)}: ${REASONS[decision.reason]} (${decision.reason})`],
    [label('position'), positionText(position, flag)],
    [label('dials'), dialsText(flag)],
    [label('flag'), healthText(flag, pen)],
    [label('latch'), control === undefined ? 'not known' : control.latch.set ? pen.style('yellow', 'SET') : 'off'],
    [label('ceiling'), control === undefined ? 'not known' : formatShare(control.ceiling)],
    ...(ledgerFault === undefined ? [] : [[label('ledger'), pen.style('yellow', foreign(ledgerFault, 300))]]),
  ]
  return `${pen.style('bold', foreign(migration))}, key ${foreign(JSON.stringify(key))}\n${columns(rows, '  ')}\n`
}

function positionText(position: number, { target }: FlagView): string {
  if (target === null) return `${position} of ${POSITIONS}`
  const first = POSITIONS - Math.round(POSITIONS * target) + 1
  return `${position} of ${POSITIONS}; ${first > POSITIONS ? 'none is on target' : `target has ${first} to ${POSITIONS}`}`
}
