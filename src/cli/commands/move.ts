// Moves waiting jobs to the other side: a pass, or a standing loop, with a table at the end of what stayed and why.

import { type Command, Option } from 'commander'
import { follow } from '../../backlog/follow.ts'
import { type MoveResult, Mover } from '../../backlog/move.ts'
import { auditMove } from '../../backlog/move-audit.ts'
import { formatCount } from '../../report/format.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import type { Side } from '../../vocabulary/job.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { moveTable } from '../move-table.ts'
import { addWho, count, examples, NAME_HELP, side } from '../options.ts'
import { foreign, type Pen } from '../pen.ts'
import { progressOf } from '../progress.ts'
import type { Cli } from '../run.ts'
import { type WhoOptions, whoOf, withSession } from '../session.ts'

interface Options extends WhoOptions {
  readonly from: Side
  readonly to: Side
  readonly only?: 'waiting' | 'delayed'
  readonly key?: string
  readonly limit?: number
  readonly dryRun?: boolean
  readonly follow?: boolean
}

export function moveCommand(program: Command, cli: Cli): void {
  const command = program
    .command('move')
    .description('moves jobs that wait or are delayed to the other side, with delay, priority and attempts')
    .argument('[name]', NAME_HELP)
    .requiredOption('--from <side>', 'where the jobs are: legacy or target', side)
    .requiredOption('--to <side>', 'where they are to run', side)
    .addOption(new Option('--only <place>', 'only these (default: both)').choices(['waiting', 'delayed']))
    .option('--key <key>', 'only jobs of this key')
    .option('--limit <n>', 'at most so many', count)
    .option('--dry-run', 'look only, and say what would be moved')
    .option('--follow', 'go on with what comes later, until Ctrl-C')
  addWho(command)
    .addHelpText(
      'after',
      examples([
        'cutover move parse-email --from legacy --to target --dry-run',
        'cutover move parse-email --from target --to legacy --follow --why "target is slow"',
      ]),
    )
    .action(cli.action(moveJobs))
}

async function moveJobs(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const { from, to, only, key, limit, dryRun, follow: standing } = call.options
    if (key !== undefined && settings.key === undefined) {
      throw new CutoverError('usage', `${settings.name} has no key function, so no job has the key "${foreign(key)}"`)
    }
    const who = whoOf(call.options)
    const ledger = await session.ledgerOf(settings)
    const mover = new Mover({
      settings,
      by: who.by,
      ledger: async () => ledger,
      queue: (of) => session.queue(settings, of),
    })
    const progress = progressOf(call, 'jobs')
    const signal = call.io.interrupt?.()
    const selection = {
      ...{ from, to, ...(only === undefined ? {} : { only }), ...(key === undefined ? {} : { key }) },
      ...(limit === undefined ? {} : { limit }),
      ...(signal === undefined ? {} : { signal }),
      onProgress: ({ moved, left, total }: { moved: number; left: number; total: number }) =>
        progress.update(moved + left, total, left === 0 ? '' : `${formatCount(left)} stay`),
    }
    let result: MoveResult
    try {
      if (dryRun === true) result = await mover.preview(selection)
      else result = standing === true ? await follow(mover, selection) : await mover.pass(selection)
    } finally {
      progress.end()
    }
    if (dryRun !== true && result.moved + result.pending > 0) await auditMove(ledger, result, who)
    const interrupted = signal?.aborted === true && standing !== true
    return {
      exit: result.pending > 0 || interrupted ? EXIT.hold : EXIT.ok,
      json: { migration: settings.name, dryRun: dryRun === true, interrupted, ...result },
      text: (pen) => toText(settings.name, result, { dry: dryRun === true, interrupted }, pen),
    }
  })
}

function toText(name: string, result: MoveResult, how: { dry: boolean; interrupted: boolean }, pen: Pen): string {
  const what = how.dry ? 'would move' : 'moved'
  const head = `${pen.style('bold', foreign(name))}: ${what} ${formatCount(result.moved)} from ${result.from} to ${result.to}`
  const again = how.interrupted ? '; stopped, the same command goes on' : ''
  return `${[`${head}${again}`, moveTable(result, pen)].filter((part) => part !== '').join('\n')}\n`
}
