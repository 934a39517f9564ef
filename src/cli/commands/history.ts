// Who changed what, when and why? The audit log, newest first.

import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { MigrationLedger } from '../../ports/ledger.ts'
import { formatTime } from '../../report/format.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { decisionOf, listed } from '../decisions.ts'
import type { Answer, Call } from '../io.ts'
import { count, examples, NAME_HELP } from '../options.ts'
import { columns, foreign } from '../pen.ts'
import { iso } from '../processes.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

interface Options {
  readonly limit: number
  readonly decision?: number
  readonly save?: string
}

export function historyCommand(program: Command, cli: Cli): void {
  program
    .command('history')
    .description('the audit log: who changed what, when and why, newest first')
    .argument('[name]', NAME_HELP)
    .option('--limit <n>', 'at most so many entries', count, 50)
    .option('--decision <n>', 'with --save: which decision of the plan', count)
    .option('--save <file>', 'write what the decision was made from, for cutover judge')
    .addHelpText(
      'after',
      examples([
        'cutover history parse-email',
        'cutover history --limit 5 --json',
        'cutover history parse-email --decision 12 --save decision-12.json',
      ]),
    )
    .action(cli.action(history))
}

async function history(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const ledger = await session.ledgerOf(settings)
    const { decision, save } = call.options
    if (decision !== undefined || save !== undefined) return await saved(call, ledger)
    const found = await ledger.history({ limit: call.options.limit })
    const entries = found
      .map(listed)
      .map(({ at, by, action, why, data }) => ({ at: iso(at), by, action, why: why ?? null, data }))
    return {
      json: { migration: settings.name, entries },
      text: (pen) => {
        if (entries.length === 0) return `${settings.name}: nothing was changed yet\n`
        const rows = entries.map(({ at, by, action, why, data }) => [
          formatTime(at),
          pen.style('bold', foreign(action, 40)),
          foreign(by, 60),
          `${why === null ? '' : `“${foreign(why)}” `}${pen.style('dim', foreign(JSON.stringify(data), 160))}`,
        ])
        return `${columns(rows)}\n`
      },
    }
  })
}

async function saved(call: Call<Options>, ledger: MigrationLedger): Promise<Answer> {
  const { decision, save } = call.options
  if (decision === undefined || save === undefined) {
    throw new CutoverError('usage', '--decision N and --save FILE go together')
  }
  const snapshot = await decisionOf(ledger, decision)
  const path = resolve(call.io.cwd, save)
  try {
    writeFileSync(path, `${JSON.stringify(snapshot, null, 2)}\n`)
  } catch (cause) {
    throw new CutoverError('usage', `--save: ${path} cannot be written: ${(cause as Error).message}`, { cause })
  }
  const { migration, at, stage, verdict } = snapshot
  return {
    json: { migration, decision, at, stage: stage.name, verdict, file: path },
    text: () =>
      `${migration}: decision ${decision} (${stage.name}: ${verdict}) is in ${path}; cutover judge --snapshot ${save}\n`,
  }
}
