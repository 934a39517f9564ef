// The commands of the dials.

import type { Command } from 'commander'
import { addWho, duration, examples, NAME_HELP, share } from '../options.ts'
import type { Cli } from '../run.ts'
import { getFlag } from './flag-get.ts'
import { createFlag, killFlag } from './flag-make.ts'
import { setFlag } from './flag-set.ts'
import { waitForFlag } from './flag-wait.ts'

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
    .option('--on', 'also switches a flag on that is off')
    .option('--wait <duration>', SET_WAIT_HELP, duration('--wait'))
  addWho(set)
    .addHelpText(
      'after',
      examples([
        'cutover flag set parse-email --target 0% --shadow 100% --control 10%',
        'cutover flag set parse-email --target 25% --why "first quarter"',
      ]),
    )
    .action(cli.action(setFlag))
  const create = flag
    .command('create')
    .description('makes the flag, with both dials at 0%, where the flag server lets it be written')
    .argument('[name]', NAME_HELP)
  addWho(create)
    .addHelpText('after', examples(['cutover flag create parse-email']))
    .action(cli.action(createFlag))
  const kill = flag
    .command('kill')
    .description('switches the flag off: legacy for every key, whatever the dials')
    .argument('[name]', NAME_HELP)
  addWho(kill)
    .addHelpText('after', examples(['cutover flag kill parse-email --why "wrong subjects"']))
    .action(cli.action(killFlag))
  flag
    .command('wait')
    .description('waits until every live process has applied the flag as it is stored')
    .argument('[name]', NAME_HELP)
    .option('--revision <revision>', 'the revision to wait for (default: the one that is stored now)')
    .option('--timeout <duration>', 'how long to wait (default: 30s)', duration('--timeout'), 30_000)
    .addHelpText('after', examples(['cutover flag wait parse-email', 'cutover flag wait --revision "#41"']))
    .action(cli.action(waitForFlag))
}

const SET_WAIT_HELP =
  'how long to wait until every live process has applied it (default: not at all; 10m where it is set by hand)'
