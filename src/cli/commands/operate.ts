// An operator's word on one job: force, retry, discard.

import type { Command } from 'commander'
import { CASE_WORDS } from '../../backlog/job-cases.ts'
import { Mover } from '../../backlog/move.ts'
import { type Operation, type OperationResult, Operator } from '../../backlog/operate.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import type { Side } from '../../vocabulary/job.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { addWho, examples, NAME_HELP, side } from '../options.ts'
import { foreign, type Pen } from '../pen.ts'
import type { Cli } from '../run.ts'
import { type WhoOptions, whoOf, withSession } from '../session.ts'

interface Options extends WhoOptions {
  readonly to?: Side
}

const ID_HELP = 'the id of the job; of a parked copy also the one that its queue has for it'

export function forceCommand(program: Command, cli: Cli): void {
  add(program, cli, 'force', 'makes a job runnable that is in doubt, left by its worker or stuck; needs --why', [
    'cutover force parse-email 0199c0de-… --why "not charged, looked at the bank"',
    'cutover force 0199c0de-… --to target --why "legacy is gone"',
  ])
}

export function retryCommand(program: Command, cli: Cli): void {
  add(program, cli, 'retry', 'runs a failed job again, with all of its attempts, or a parked copy', [
    'cutover retry parse-email 0199c0de-…',
    'cutover retry 0199c0de-… --to legacy --why "fixed in 2.1"',
  ])
}

export function discardCommand(program: Command, cli: Cli): void {
  add(program, cli, 'discard', 'ends a job that will not be run, and removes its copies; needs --why', [
    'cutover discard parse-email 0199c0de-… --why "sent by hand"',
  ])
}

function add(program: Command, cli: Cli, operation: Operation, description: string, lines: readonly string[]): void {
  const command = program
    .command(operation)
    .description(description)
    .argument('[name]', NAME_HELP)
    .argument('[id]', ID_HELP)
  if (operation !== 'discard') command.option('--to <side>', 'where it is to run (default: where it is)', side)
  addWho(command)
    .addHelpText('after', examples([...lines]))
    .action(cli.action((call: Call<Options>) => operate(call, operation)))
}

async function operate(call: Call<Options>, operation: Operation): Promise<Answer> {
  return await withSession(call, async (session) => {
    const { settings, id = '' } = session.pickWithId(call.args, true)
    const who = whoOf(call.options)
    if (operation !== 'retry' && who.why === undefined) {
      throw new CutoverError('usage', `${operation} needs a reason for the audit log: --why "…"`)
    }
    const { to } = call.options
    const ledger = () => session.ledgerOf(settings)
    const queue = (of: Side) => session.queue(settings, of)
    const shadowQueue = (of: Side) => session.queue(settings, of, true)
    const mover = new Mover({ settings, ledger, queue, by: who.by })
    const operator = new Operator({ settings, ledger, queue, shadowQueue, mover })
    const result = await operator.run({ operation, id, ...who, ...(to === undefined ? {} : { to }) })
    return {
      exit: result.pending ? EXIT.hold : EXIT.ok,
      json: { migration: settings.name, ...result, ...who },
      text: (pen) => toText(settings.name, result, pen),
    }
  })
}

function toText(migration: string, result: OperationResult, pen: Pen): string {
  const { id, was, side: from, to, way, pending, generation, removed = 0 } = result
  const job = `${pen.style('bold', foreign(migration))}: job ${foreign(id, 80)} was ${CASE_WORDS[was]} on ${from}`
  const ends: Readonly<Record<OperationResult['way'], string>> = {
    move: `it will run on ${to}, as generation ${generation}; its effects have the idempotency keys that they had before`,
    unpark: 'it waits again, as it was',
    close: `it has ended as cancelled; ${removed === 0 ? 'a worker that meets a copy of it drops that' : 'its copy is removed'}`,
    drop: removed === 0 ? 'the copy is gone already' : 'the copy is removed',
    note: 'it has ended before; that somebody has seen to it is noted',
  }
  const later =
    pending && way === 'move' ? '; it has not reached its queue yet, the sweeper of a live process goes on' : ''
  return `${job}\n${ends[way]}${later}\n`
}
