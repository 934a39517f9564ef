// The two commands of the dials.

import type { Command } from 'commander'
import { addWho, examples, NAME_HELP, share } from '../options.ts'
import type { Cli } from '../run.ts'
import { getFlag } from './flag-get.ts'
import { setFlag } from './flag-set.ts'

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
    .option('--force', 'also while a plan is being driven, past its gates: the plan holds until cutover resume')
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
