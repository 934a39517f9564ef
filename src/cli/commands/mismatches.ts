// Which jobs came out differently, and in what? The kept samples, one by one.

import type { Command } from 'commander'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { MigrationLedger, Sample } from '../../ports/ledger.ts'
import { formatTime, plural } from '../../report/format.ts'
import { formatValues } from '../../report/values.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import type { Answer, Call } from '../io.ts'
import { count, examples, NAME_HELP } from '../options.ts'
import { blocks, foreign, type Pen } from '../pen.ts'
import { iso } from '../processes.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

interface Options {
  readonly limit: number
  readonly controls?: boolean
}

export function mismatchesCommand(program: Command, cli: Cli): void {
  program
    .command('mismatches')
    .description('jobs whose two runs differ, with every difference that was kept')
    .argument('[name]', NAME_HELP)
    .argument('[id]', 'one job only')
    .option('--limit <n>', 'at most so many jobs', count, 20)
    .option('--controls', 'only legacy against itself: the noise')
    .addHelpText(
      'after',
      examples([
        'cutover mismatches parse-email',
        'cutover mismatches parse-email 0199c0de-…',
        'cutover mismatches --limit 100 --json',
      ]),
    )
    .action(cli.action(mismatches))
}

async function mismatches(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const { settings, id } = session.pickWithId(call.args, false)
    const ledger = await session.ledgerOf(settings)
    const kept = await ledger.samples(id === undefined ? {} : { id })
    const wanted = kept.filter(({ which }) => call.options.controls !== true || which === 'control')
    if (id !== undefined && wanted.length === 0) return await withoutSample(settings, ledger, id)
    const shown = wanted.slice(0, call.options.limit)
    return {
      json: {
        migration: settings.name,
        kept: wanted.length,
        samples: shown.map((sample) => ({ ...sample, at: iso(sample.at) })),
      },
      text: (pen) => {
        if (shown.length === 0) return `${settings.name}: no mismatch is kept\n`
        const rest = wanted.length - shown.length
        const more = rest === 0 ? '' : `and ${plural(rest, 'more job')}; --limit shows more`
        return blocks([...shown.map((sample) => sampleText(sample, pen)), more])
      },
    }
  })
}

/** Not every mismatch keeps its differences: what the row still knows is told instead. */
async function withoutSample(settings: MigrationSettings, ledger: MigrationLedger, id: string): Promise<Answer> {
  const row = await ledger.row(id)
  if (row === undefined) {
    throw new CutoverError(
      'job-unknown',
      `${settings.name}: the ledger knows no job ${foreign(id)}: it was never enqueued, or finished longer ago than retain, and no mismatch of it is kept`,
      { details: { migration: settings.name, id } },
    )
  }
  const { verdict, controlVerdict } = row
  return {
    json: { migration: settings.name, kept: 0, samples: [], verdict, controlVerdict },
    text: () => `${settings.name}: no differences are kept of job ${foreign(id)}; its comparison is: ${verdict}\n`,
  }
}

function sampleText({ id, which, at, epoch, comparison }: Sample, pen: Pen): string {
  const { differences, differenceCount, errors } = comparison
  const against = which === 'control' ? ', legacy against itself' : ''
  const [left, right] = which === 'control' ? ['legacy', 'again'] : ['legacy', 'target']
  const head = `${pen.style('bold', `job ${foreign(id, 80)}`)}  ${plural(differenceCount, 'difference')}${against}  ${pen.style('dim', `${formatTime(iso(at))}, epoch ${epoch}`)}`
  const split = errors === 'none' ? '' : `  ${pen.style('yellow', `errors: ${errors}`)}`
  const room = pen.width - 12
  const lines = differences.flatMap((difference) => {
    const { legacy, target } = formatValues(difference, difference.kind, room)
    return [
      `  ${pen.style('bold', foreign(difference.path))}  ${difference.kind}`,
      `    ${pen.style('dim', left.padEnd(6))}  ${legacy}`,
      `    ${pen.style('dim', right.padEnd(6))}  ${target}`,
    ]
  })
  const rest = differenceCount - differences.length
  return [
    `${head}${split}`,
    ...lines,
    ...(rest > 0 ? [`  and ${plural(rest, 'more difference')}, not kept`] : []),
  ].join('\n')
}
