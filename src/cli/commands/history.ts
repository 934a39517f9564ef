// Who changed what, when and why? The audit log, newest first.

import type { Command } from 'commander'
import { formatTime } from '../../report/format.ts'
import type { Answer, Call } from '../io.ts'
import { count, examples, NAME_HELP } from '../options.ts'
import { columns, foreign } from '../pen.ts'
import { iso } from '../processes.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

interface Options {
  readonly limit: number
}

export function historyCommand(program: Command, cli: Cli): void {
  program
    .command('history')
    .description('the audit log: who changed what, when and why, newest first')
    .argument('[name]', NAME_HELP)
    .option('--limit <n>', 'at most so many entries', count, 50)
    .addHelpText('after', examples(['cutover history parse-email', 'cutover history --limit 5 --json']))
    .action(cli.action(history))
}

async function history(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const ledger = await session.ledgerOf(settings)
    const found = await ledger.history({ limit: call.options.limit })
    const entries = found.map(({ at, by, action, why, data }) => ({ at: iso(at), by, action, why: why ?? null, data }))
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
