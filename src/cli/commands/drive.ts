// Drives a plan until it is at its end: the controller in the foreground, with one line for whatever it does.

import type { Command } from 'commander'
import { Controller, type Tick } from '../../rollout/controller.ts'
import { dialsOf, nextStage, stageOf } from '../../rollout/drive/record.ts'
import { waitsOf } from '../../rollout/drive/words.ts'
import { planOfFile } from '../../rollout/plan-file.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { probedOf } from '../driven.ts'
import { type Answer, type Call, EXIT, type ExitCode } from '../io.ts'
import { addWho, duration, examples, NAME_HELP } from '../options.ts'
import { foreign } from '../pen.ts'
import type { Cli } from '../run.ts'
import { type WhoOptions, whoOf, withSession } from '../session.ts'

interface Options extends WhoOptions {
  readonly every?: number
  readonly once?: boolean
}

export function driveCommand(program: Command, cli: Cli): void {
  const command = program
    .command('drive')
    .description('drives the plan: turns the dials stage by stage, as far as the gates allow; goes back when one fails')
    .argument('[name]', NAME_HELP)
    .option(
      '--every <duration>',
      'how often to look (default: half a counting bucket, 250ms to 5s)',
      duration('--every'),
    )
    .option('--once', 'do what can be done now, and end: 0 nothing holds, 3 held, 4 failed or rolled back')
  addWho(command)
    .addHelpText('after', examples(['cutover drive parse-email', 'cutover drive parse-email --once --json']))
    .action(cli.action(drive))
}

async function drive(call: Call<Options>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const ledger = await session.ledgerOf(settings)
    const { driven } = await ledger.driveState()
    // a first plan must be right; one that is driven already is in the ledger, and goes back without its file
    if (!driven) planOfFile(settings.name, session.planFile(settings))
    const { every, once } = call.options
    const told = new Teller(settings.name, call.note)
    const controller = new Controller({
      ...{ settings, ledger, flags: await session.flags(), by: whoOf(call.options).by },
      planFile: () => session.planFile(settings),
      mcp: () => probedOf(ledger, settings),
      onTick: (tick) => told.tick(tick),
      ...(every === undefined ? {} : { everyMs: every }),
    })
    const stop = call.io.interrupt?.() ?? new AbortController().signal
    const last = once === true ? await controller.once() : await controller.run(stop)
    return answerOf(settings.name, last)
  })
}

function answerOf(migration: string, tick: Tick): Answer {
  const { record, action, facts, judged } = tick
  const reasons = action?.kind === 'hold' ? action.reasons : []
  const waits = facts === undefined ? [] : waitsOf({ record, reasons, judgement: judged?.judgement ?? null, facts })
  const json = {
    ...{ migration, state: tick.state, action: action?.kind ?? null, phase: record?.phase ?? null },
    ...{ stage: record?.stage ?? null, next: record === undefined ? null : (nextStage(record)?.name ?? null) },
    ...{ dials: record === undefined ? null : dialsOf(stageOf(record)), reasons, waits, message: tick.message ?? null },
  }
  return { exit: exitOf(tick), json, text: () => `${stands(migration, tick)}\n` }
}

function exitOf({ state, record, action }: Tick): ExitCode {
  if (state === 'rests') return EXIT.ok
  if (record?.phase === 'back' || record?.failed !== undefined) return EXIT.fail
  if (state === 'held' || state === 'waiting' || state === 'lost') return EXIT.hold
  return action?.kind === 'rollback' ? EXIT.fail : EXIT.ok
}

function stands(migration: string, { state, record, message }: Tick): string {
  if (state === 'waiting') return `${migration}: another controller drives it (${message})`
  if (state === 'lost') return `${migration}: ${message}`
  if (record === undefined) return `${migration}: not driven yet`
  if (record.phase === 'done')
    return `${migration}: the plan is at its end; what may be removed now: cutover finish ${migration}`
  return `${migration}: ${record.stage} (${record.phase}); goes on with: cutover drive ${migration}`
}

/** One line for whatever is new, nothing for what is as before. */
class Teller {
  readonly #migration: string
  readonly #note: (text: string) => void
  #last = ''

  constructor(migration: string, note: (text: string) => void) {
    this.#migration = migration
    this.#note = note
  }

  tick(tick: Tick): void {
    for (const line of linesOf(tick)) {
      if (line === this.#last) continue
      this.#last = line
      this.#note(`${new Date().toISOString().slice(11, 19)} ${this.#migration}: ${foreign(line, 400)}`)
    }
  }
}

function linesOf(tick: Tick): string[] {
  const { state, action, record, facts, judged } = tick
  if (state === 'waiting') return [`another controller drives it (${tick.message}); waiting to take over`]
  if (state === 'lost') return [`the ledger does not answer, nothing moves: ${tick.message}`]
  if (action === undefined || facts === undefined) return []
  const move = record?.moves.at(-1)
  switch (action.kind) {
    case 'hold': {
      const waits = waitsOf({ record, reasons: action.reasons, judgement: judged?.judgement ?? null, facts })
      return [`${record?.stage ?? 'before the first stage'} holds: ${waits.join('; ')}`]
    }
    case 'rest':
      return []
    case 'write-flag':
      return action.to === 'off' ? ['flag: both dials to 0%'] : [`flag: ${dialsText(record)}`]
    case 'open-epoch':
      return [`${record?.stage}: every producer has it; counting in epoch ${record?.epoch}, attempt ${move?.attempt}`]
    case 'promote':
      return [`→ ${record?.stage} (${dialsText(record)}): ${move?.why ?? ''}`]
    case 'begin':
      return [`begins with ${record?.stage} (${dialsText(record)})`]
    case 'finish':
      return ['the last stage has passed: the plan is at its end']
    case 'rollback':
    case 'note-rollback':
      return [`ROLLED BACK, every job goes to legacy: ${move?.why ?? ''}`]
    case 'fail':
      return [`${record?.stage} FAILED and holds: ${move?.why ?? ''}`]
    default:
      return [`${action.kind} ${record?.stage}${move?.why === undefined ? '' : `: ${move.why}`}`]
  }
}

function dialsText(record: Tick['record']): string {
  if (record === undefined) return ''
  const { target, shadow, control } = stageOf(record)
  return `target ${formatShare(target)}, shadow ${formatShare(shadow)}, control ${formatShare(control)}`
}
