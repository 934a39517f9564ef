// Is the configuration right? Without a server and without a connection: for CI.

import type { Command } from 'commander'
import { Findings } from '../findings.ts'
import { inspectFlags, inspectLibraries, inspectMigrations } from '../inspect.ts'
import { inspectPlan } from '../inspect-plan.ts'
import type { Answer, Call } from '../io.ts'
import { examples } from '../options.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

export function checkCommand(program: Command, cli: Cli): void {
  program
    .command('check')
    .description('are configuration and plan right? every migration, the libraries, the flags; no server is asked')
    .option('--traffic', 'ask the ledger for the jobs and keys of the last week, and how long each stage would take')
    .addHelpText(
      'after',
      examples(['cutover check', 'cutover check --traffic', 'cutover check --config config/cutover.config.ts --json']),
    )
    .action(cli.action(check))
}

interface Options {
  readonly traffic?: boolean
}

async function check(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const findings = new Findings()
    const all = inspectMigrations(session, findings)
    for (const settings of all) await inspectPlan(session, settings, findings, call.options)
    inspectLibraries(session, all, findings)
    if (all.length > 0) await inspectFlags(session, all, findings)
    return findings.answer()
  })
}
