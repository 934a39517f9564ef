// Judges again what a decision was made from: the same counts, the same gates, the same verdict.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { type DecisionSnapshot, parseSnapshot, replay } from '../../rollout/drive/snapshot.ts'
import { reasonText } from '../../rollout/drive/words.ts'
import type { GateResult } from '../../rollout/gates/stage.ts'
import type { GateVerdict } from '../../rollout/gates/types.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { decisionOf } from '../decisions.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { count, examples, NAME_HELP } from '../options.ts'
import { columns, foreign, type Pen, type Style } from '../pen.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

interface Options {
  readonly snapshot?: string
  readonly decision?: number
}

export function judgeCommand(program: Command, cli: Cli): void {
  program
    .command('judge')
    .description('judges a decision of the plan again from the counts that it was made from: 0 pass, 3 hold, 4 fail')
    .argument('[name]', `${NAME_HELP}; not needed with --snapshot`)
    .option('--snapshot <file>', 'what history --save wrote')
    .option('--decision <n>', 'the number of the decision in the audit log', count)
    .addHelpText(
      'after',
      examples(['cutover judge parse-email --decision 12', 'cutover judge --snapshot decision-12.json --json']),
    )
    .action(cli.action(judge))
}

async function judge(call: Call<Options>): Promise<Answer> {
  const snapshot = await read(call)
  const { verdict, reasons, gates, holds } = replay(snapshot)
  const same = verdict === snapshot.verdict && reasons.join() === snapshot.reasons.join()
  const { migration, at, stage } = snapshot
  return {
    exit: { pass: EXIT.ok, hold: EXIT.hold, fail: EXIT.fail }[verdict],
    json: {
      migration,
      at,
      stage: stage.name,
      verdict,
      reasons,
      holds,
      same,
      decided: { verdict: snapshot.verdict, reasons: snapshot.reasons },
      gates: gates.map(shown),
    },
    text: (pen) => {
      const head = `${pen.style('bold', foreign(migration))}  ${foreign(stage.name)}  ${foreign(at)}  ${verdictText(verdict, pen)}: ${reasons.map(reasonText).join('; ')}`
      const differs = same
        ? ''
        : `\n${pen.style('yellow', 'warning')}: then it was ${snapshot.verdict} (${snapshot.reasons.join(', ')})`
      return `${head}${differs}\n${columns(
        gates.map((gate) => row(gate, pen)),
        '  ',
      )}\n`
    },
  }
}

async function read(call: Call<Options>): Promise<DecisionSnapshot> {
  const { snapshot, decision } = call.options
  if (snapshot !== undefined) {
    const path = resolve(call.io.cwd, snapshot)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (cause) {
      throw new CutoverError('usage', `--snapshot: ${path} cannot be read: ${(cause as Error).message}`, { cause })
    }
    return parseSnapshot(text)
  }
  if (decision === undefined)
    throw new CutoverError('usage', 'which decision? --snapshot FILE or --decision N; cutover history lists them')
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    return await decisionOf(await session.ledgerOf(settings), decision)
  })
}

/** Without its tables of latencies. */
function shown({ name, server, verdict, reason, message, logEPass, logEFail, passAt, failAt }: GateResult): unknown {
  return { name, server: server ?? null, verdict, reason, message: message ?? null, logEPass, logEFail, passAt, failAt }
}

export const VERDICT_STYLES: Readonly<Record<GateVerdict, Style>> = { pass: 'green', hold: 'yellow', fail: 'red' }

export function verdictText(verdict: GateVerdict, pen: Pen): string {
  return pen.style(VERDICT_STYLES[verdict], verdict)
}

function row(gate: GateResult, pen: Pen): string[] {
  const evidence = (log: number | null, at: number): string =>
    log === null ? '' : `${log.toFixed(2)}/${at.toFixed(2)}`
  return [
    verdictText(gate.verdict, pen),
    `${gate.name}${gate.server === undefined ? '' : ` ${foreign(gate.server, 40)}`}`,
    pen.style('dim', evidence(gate.logEPass, gate.passAt)),
    pen.style('dim', evidence(gate.logEFail, gate.failAt)),
    `${reasonText(gate.reason)}${gate.message === undefined ? '' : `: ${foreign(gate.message)}`}`,
  ]
}
