// Is the configuration right? Without a server and without a connection: for CI.

import type { Command } from 'commander'
import { Findings } from '../findings.ts'
import { inspectFlags, inspectLibraries, inspectMigrations } from '../inspect.ts'
import type { Answer, Call } from '../io.ts'
import { examples } from '../options.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

export function checkCommand(program: Command, cli: Cli): void {
  program
    .command('check')
    .description('is the configuration right? every migration, the libraries, the flags; no server is asked')
    .addHelpText('after', examples(['cutover check', 'cutover check --config config/cutover.config.ts --json']))
    .action(cli.action(check))
}

async function check(call: Call): Promise<Answer> {
  return await withSession(call, async (session) => {
    const findings = new Findings()
    const all = inspectMigrations(session, findings)
    inspectLibraries(session, all, findings)
    if (all.length > 0) await inspectFlags(session, all, findings)
    return findings.answer()
  })
}
