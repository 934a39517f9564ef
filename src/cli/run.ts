// The whole command line as a function: arguments and streams in, an exit code out.

import { Command, CommanderError, type OutputConfiguration } from 'commander'
import { packageVersion } from '../config/package.ts'
import { redactSecrets } from '../report/redact.ts'
import { checkCommand } from './commands/check.ts'
import { doctorCommand } from './commands/doctor.ts'
import { driveCommand } from './commands/drive.ts'
import { explainCommand } from './commands/explain.ts'
import { finishCommand } from './commands/finish.ts'
import { flagCommand } from './commands/flag.ts'
import { historyCommand } from './commands/history.ts'
import { initCommand } from './commands/init.ts'
import { jobCommand } from './commands/job.ts'
import { jobsCommand } from './commands/jobs.ts'
import { judgeCommand } from './commands/judge.ts'
import { rollbackCommand, unlatchCommand } from './commands/latch.ts'
import { mismatchesCommand } from './commands/mismatches.ts'
import { moveCommand } from './commands/move.ts'
import { discardCommand, forceCommand, retryCommand } from './commands/operate.ts'
import { planCommand } from './commands/plan.ts'
import { probeCommand } from './commands/probe.ts'
import { pauseCommand, promoteCommand, resumeCommand } from './commands/promote.ts'
import { reportCommand } from './commands/report.ts'
import { schedulesCommand, unscheduleCommand } from './commands/schedules.ts'
import { simulateCommand } from './commands/simulate.ts'
import { statusCommand } from './commands/status.ts'
import { debugText, failureJson, failureOf, failureText } from './failure.ts'
import { type Answer, type Call, EXIT, type ExitCode, type GlobalOptions, type Io, type Sink } from './io.ts'
import { jsonText } from './json.ts'
import { penOf } from './pen.ts'

/** What commands hang their actions on. */
export interface Cli {
  /** An action that runs `work` and prints its answer. */
  action<O>(work: (call: Call<O>) => Promise<Answer>): (...args: unknown[]) => Promise<void>
}

const COMMANDS = [
  ...[initCommand, checkCommand, doctorCommand],
  ...[statusCommand, reportCommand, mismatchesCommand, jobCommand, jobsCommand, explainCommand, historyCommand],
  ...[flagCommand, rollbackCommand, unlatchCommand, moveCommand],
  ...[forceCommand, retryCommand, discardCommand, finishCommand],
  ...[schedulesCommand, unscheduleCommand],
  ...[planCommand, driveCommand, promoteCommand, pauseCommand, resumeCommand, judgeCommand, simulateCommand],
  ...[probeCommand],
]

/** Runs one command. Never rejects: whatever goes wrong is printed and in the exit code. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const runner = new Runner(io, wantsJson(argv))
  const program = build(runner)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return runner.exit
  } catch (error) {
    if (error instanceof CommanderError) return runner.usage(error)
    return runner.fail(error)
  }
}

/** Known before the arguments are parsed, as errors in them are told as JSON too. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}

function build(runner: Runner): Command {
  const program = new Command('cutover')
    .description('Move background jobs from one queue system to another while they keep running.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--json', 'print one JSON value and nothing else')
    .option('--config <path>', 'the configuration (default: cutover.config.ts, .js or .mjs in this folder)')
    .option('--no-color', 'no colours, as with the variable NO_COLOR')
    .option('--debug', 'print stacks of errors')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows what is allowed)')
    .exitOverride()
    .configureOutput(runner.output)
    .addHelpText('after', EXIT_HELP)
  for (const add of COMMANDS) add(program, runner)
  return program
}

const EXIT_HELP = `
Exit codes: 0 done, 1 error, 2 wrong usage, 3 hold (not everything is known or confirmed yet), 4 fail.
Every command has examples in its own help: cutover rollback --help`

class Runner implements Cli {
  exit: ExitCode = EXIT.ok
  readonly #io: Io
  readonly #json: boolean
  readonly #stdout: Sink
  readonly #stderr: Sink
  #complaint = ''
  #debug = false

  constructor(io: Io, json: boolean) {
    this.#stdout = { write: (text) => io.stdout.write(redactSecrets(text)) }
    this.#stderr = { write: (text) => io.stderr.write(redactSecrets(text)) }
    this.#io = { ...io, stdout: this.#stdout, stderr: this.#stderr }
    this.#json = json
  }

  /** Help goes to standard output; complaints are kept, as with `--json` they are told in another form. */
  get output(): OutputConfiguration {
    return {
      writeOut: (text) => this.#stdout.write(text),
      writeErr: (text) => {
        this.#complaint += text
      },
      getOutHelpWidth: () => this.#io.columns ?? 100,
      getErrHelpWidth: () => this.#io.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    }
  }

  action<O>(work: (call: Call<O>) => Promise<Answer>): (...args: unknown[]) => Promise<void> {
    return async (...given) => {
      const command = given.at(-1) as Command
      const options = command.optsWithGlobals<GlobalOptions & O>()
      this.#debug = options.debug === true
      const note = (text: string): void => {
        if (!this.#json) this.#stderr.write(`${text}\n`)
      }
      const args = given.slice(0, -2) as (string | undefined)[]
      this.#print(await work({ io: this.#io, options, args, note }), options)
    }
  }

  #print(answer: Answer, options: GlobalOptions): void {
    this.exit = answer.exit ?? EXIT.ok
    this.#stdout.write(this.#json ? jsonText(answer.json) : answer.text(penOf(this.#io, options)))
  }

  /** What commander threw: help that was asked for, or arguments that are wrong. */
  usage(error: CommanderError): ExitCode {
    if (error.exitCode === 0) return EXIT.ok
    const message = this.#complaint.replace(/^error: /, '').trim()
    if (this.#json) {
      const [first = ''] = message.split('\n')
      const details = { reason: error.code.replace('commander.', '') }
      this.#stdout.write(jsonText(failureJson({ exit: EXIT.usage, code: 'usage', message: first, details })))
    } else {
      this.#stderr.write(error.code === 'commander.help' ? this.#complaint : `cutover: ${message}\n`)
    }
    return EXIT.usage
  }

  fail(error: unknown): ExitCode {
    const failure = failureOf(error)
    if (this.#json) this.#stdout.write(jsonText(failureJson(failure)))
    else this.#stderr.write(failureText(failure))
    if (this.#debug) this.#stderr.write(debugText(error))
    return failure.exit
  }
}
