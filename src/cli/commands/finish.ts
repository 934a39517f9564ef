// What may be removed now that the migration is over, and what may not yet, and why?

import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { drainWindowMs } from '../../backlog/drain.ts'
import { type FinishProof, readFinish } from '../../backlog/finish.ts'
import { formatCount } from '../../report/format.ts'
import type { Side } from '../../vocabulary/job.ts'
import { drainJson } from '../drain-view.ts'
import { viewFlag } from '../flag-view.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { duration, examples, NAME_HELP, side } from '../options.ts'
import { blocks, columns, foreign, type Pen } from '../pen.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

interface Options {
  readonly keep: Side
  readonly window?: number
  readonly wait: number
}

export function finishCommand(program: Command, cli: Cli): void {
  program
    .command('finish')
    .description('what may be removed now: the calls of producers, flag, old worker, old queue, cutover itself')
    .argument('[name]', NAME_HELP)
    .option('--keep <side>', 'the side that stays (default: target)', side, 'target' as Side)
    .option(
      '--wait <duration>',
      'how long to wait for everything to be ready (default: not at all)',
      duration('--wait'),
      0,
    )
    .option(
      '--window <duration>',
      'for how long a side has to be empty (default: from the time-outs)',
      duration('--window'),
    )
    .addHelpText('after', examples(['cutover finish parse-email', 'cutover finish --wait 10m --json']))
    .action(cli.action(finish))
}

const LOOK_EVERY_MS = 1000

async function finish(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const ledger = await session.ledgerOf(settings)
    const { keep, wait, window = drainWindowMs(settings) } = call.options
    const signal = call.io.interrupt?.()
    const look = async (): Promise<FinishProof> => {
      const flag = await viewFlag(session, settings)
      return await readFinish({
        ...{
          settings,
          ledger,
          keep,
          windowMs: window,
          share: flag.state === 'ok' ? (flag.target ?? undefined) : undefined,
        },
        queue: (of) => session.queue(settings, of),
        shadowQueue: (of) => session.queue(settings, of, true),
      })
    }
    const until = performance.now() + wait
    let proof = await look()
    while (!proof.done && performance.now() < until && signal?.aborted !== true) {
      const open = proof.items.filter(({ may }) => !may)
      call.note(`${settings.name}: not yet: ${foreign(open[0]?.why[0] ?? '', 200)}`)
      await delay(LOOK_EVERY_MS)
      proof = await look()
    }
    const { items, left, more, done, drain } = proof
    return {
      exit: done ? EXIT.ok : EXIT.hold,
      json: { migration: settings.name, keep, done, items, left, more, drain: drainJson(drain) },
      text: (pen) => toText(settings.name, proof, pen),
    }
  })
}

function toText(name: string, { keep, items, left, more, done }: FinishProof, pen: Pen): string {
  const head = `${pen.style('bold', foreign(name))}: ${done ? pen.style('green', `everything but ${keep} may be removed`) : `to finish with ${keep}, in this order`}`
  const rows = items.flatMap(({ text, may, why }) => [
    [may ? pen.style('green', 'now') : pen.style('yellow', 'not yet'), foreign(text)],
    ...why.map((reason) => ['', pen.style('dim', foreign(reason, 300))]),
  ])
  const things = left.map((thing) => [thing.side, thing.where, foreign(thing.id, 80)])
  const rest = more === 0 ? '' : `\n  and ${formatCount(more)} more`
  return blocks([
    `${head}\n${columns(rows, '  ')}`,
    things.length === 0 ? '' : `What is left\n${columns(things, '  ')}${rest}`,
  ])
}
