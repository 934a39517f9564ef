// What a human says to a driven plan: yes to the next stage, a pause, its end. The controller does what follows from it.

import type { Command } from 'commander'
import { readsAs } from '../../rollout/drive/facts.ts'
import type { DriveRecord } from '../../rollout/drive/record.ts'
import { nextStage, stageOf } from '../../rollout/drive/record.ts'
import { type Saying, saidStep } from '../../rollout/drive/steps.ts'
import { waitsOf } from '../../rollout/drive/words.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { type Driven, mustBeDriven, say } from '../driven.ts'
import { type Answer, type Call, EXIT, type ExitCode } from '../io.ts'
import { addWho, examples, NAME_HELP } from '../options.ts'
import type { Pen } from '../pen.ts'
import type { Cli } from '../run.ts'
import { type WhoOptions, whoOf, withSession } from '../session.ts'

interface PromoteOptions extends WhoOptions {
  readonly dryRun?: boolean
  readonly force?: boolean
}

export function promoteCommand(program: Command, cli: Cli): void {
  const command = program
    .command('promote')
    .description('says yes to the next stage, where the gates pass and only a human is missing')
    .argument('[name]', NAME_HELP)
    .option('--dry-run', 'judge only, and say nothing: 0 would be promoted, 3 holds, 4 failed')
    .option('--force', 'whatever the gates say; needs --why')
  addWho(command)
    .addHelpText(
      'after',
      examples([
        'cutover promote parse-email --dry-run',
        'cutover promote parse-email --why "read the report with support"',
        'cutover promote parse-email --force --why "300 mailboxes: no proof exists"',
      ]),
    )
    .action(cli.action(promote))
}

export function pauseCommand(program: Command, cli: Cli): void {
  const command = program
    .command('pause')
    .description('keeps the plan from going on; it still goes back when a gate fails')
    .argument('[name]', NAME_HELP)
  addWho(command)
    .addHelpText('after', examples(['cutover pause parse-email --why "release freeze"']))
    .action(cli.action((call: Call<WhoOptions>) => turn(call, { kind: 'pause' })))
}

export function resumeCommand(program: Command, cli: Cli): void {
  const command = program
    .command('resume')
    .description('ends a pause; where somebody has moved the dials, puts them back and counts anew')
    .argument('[name]', NAME_HELP)
  addWho(command)
    .addHelpText('after', examples(['cutover resume parse-email']))
    .action(cli.action((call: Call<WhoOptions>) => turn(call, { kind: 'resume' })))
}

/** What else would have to be so; a missing yes and a long stay are what `promote` is for. */
const SAID_BY_PROMOTE = ['approval', 'max-stay']

interface Outlook {
  readonly verdict: 'pass' | 'hold' | 'fail'
  readonly reasons: readonly string[]
  readonly waits: readonly string[]
}

function outlookOf({ record, facts, judged }: Driven): Outlook {
  const judgement = judged?.judgement ?? null
  const own = [
    ...(facts.latch.set ? ['latched'] : []),
    ...(record.phase === 'entering' ? ['producers-behind'] : []),
    ...(record.paused === undefined ? [] : ['paused']),
    ...(record.failed?.reasons ?? []),
    ...(record.phase === 'watching' && facts.flag.state === 'ok' && !readsAs(facts.flag.reading, stageOf(record))
      ? ['dials-moved']
      : []),
  ]
  const gates = judgement === null || judgement.verdict === 'pass' ? [] : judgement.reasons
  const reasons = [...new Set([...gates.filter((reason) => !SAID_BY_PROMOTE.includes(reason)), ...own])]
  const waits = waitsOf({ record, reasons, judgement, facts })
  const failed = judgement?.verdict === 'fail' || record.failed !== undefined || record.phase === 'back'
  return { verdict: failed ? 'fail' : reasons.length > 0 || judgement === null ? 'hold' : 'pass', reasons, waits }
}

async function promote(call: Call<PromoteOptions>): Promise<Answer> {
  const { dryRun = false, force = false, why } = call.options
  if (force && why === undefined && !dryRun) throw new CutoverError('usage', '--force goes past the gates: say --why')
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const driven = await mustBeDriven(session, settings)
    const next = nextStage(driven.record)
    const outlook = outlookOf(driven)
    const stay = next === undefined || driven.record.phase === 'back' || driven.record.phase === 'done'
    if (dryRun || stay || (outlook.verdict !== 'pass' && !force)) {
      return told(driven, { outlook, said: false, dryRun, exit: stay && !dryRun ? EXIT.error : exitOf(outlook) })
    }
    const said = { ...whoOf(call.options), at: driven.facts.now }
    const after = await say(driven, saidStep(driven.record, { kind: 'approve', force }, said))
    return told({ ...driven, record: after }, { outlook, said: true, dryRun, exit: EXIT.ok })
  })
}

function exitOf({ verdict }: Outlook): ExitCode {
  return verdict === 'pass' ? EXIT.ok : verdict === 'hold' ? EXIT.hold : EXIT.fail
}

interface Said {
  readonly outlook: Outlook
  readonly said: boolean
  readonly dryRun: boolean
  readonly exit: ExitCode
}

function told({ record, controllers }: Driven, { outlook, said, dryRun, exit }: Said): Answer {
  const next = nextStage(record)
  const { migration } = record.plan
  return {
    exit,
    json: {
      ...{ migration, stage: record.stage, next: next?.name ?? null, promoted: said, dryRun },
      ...{ ...outlook, controllers: controllers.length },
    },
    text: (pen) => {
      const head = pen.style('bold', migration)
      const where = next === undefined ? 'there is no further stage' : `${record.stage} → ${next.name}`
      const lines = [
        `${head}: ${where}${next === undefined ? '' : ` (target ${formatShare(next.target)})`}`,
        said ? `  ${pen.style('green', 'yes')}: the controller enters it` : `  ${verdictText(outlook, dryRun, pen)}`,
        ...(said ? [] : outlook.waits.map((wait) => `  - ${wait}`)),
        ...(said && controllers.length === 0 ? [`  ${noController(migration, pen)}`] : []),
        ...(!said && !dryRun && next !== undefined && record.phase === 'watching'
          ? [`  nothing was changed; past the gates: cutover promote ${migration} --force --why …`]
          : []),
      ]
      return `${lines.join('\n')}\n`
    },
  }
}

function verdictText({ verdict }: Outlook, dryRun: boolean, pen: Pen): string {
  if (verdict === 'pass') return `${pen.style('green', 'pass')}${dryRun ? ': it would be promoted' : ''}`
  return verdict === 'hold' ? pen.style('yellow', 'hold') : pen.style('red', 'fail')
}

function noController(migration: string, pen: Pen): string {
  return `${pen.style('yellow', 'warning')}: no controller runs; it is done when one does: cutover drive ${migration}`
}

async function turn(call: Call<WhoOptions>, saying: Saying): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const driven = await mustBeDriven(session, settings)
    const { facts, record } = driven
    const moved = facts.flag.state === 'ok' && !readsAs(facts.flag.reading, stageOf(record))
    const said = { ...whoOf(call.options), at: facts.now, moved }
    const after = await say(driven, saidStep(record, saying, said))
    return {
      json: { migration: settings.name, stage: after.stage, phase: after.phase, paused: after.paused ?? null },
      text: (pen) => `${pen.style('bold', settings.name)}: ${turnedText(saying, record, after)}\n`,
    }
  })
}

function turnedText({ kind }: Saying, before: DriveRecord, after: DriveRecord): string {
  if (kind === 'pause') return `paused in ${after.stage}; it still goes back when a gate fails. Go on: cutover resume`
  const again = before.phase !== after.phase ? '; the dials are put back and everything is counted anew' : ''
  return before.paused === undefined && again === ''
    ? `was not paused (${after.stage})`
    : `goes on in ${after.stage}${again}`
}
