// Would this plan let that version through, and how long would it take? Nothing is opened: the plan is played.

import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { MigrationSettings } from '../../config/resolve.ts'
import { formatCount, plural } from '../../report/format.ts'
import { type Plan, parsePlan, planOf } from '../../rollout/plan.ts'
import { planOfFile } from '../../rollout/plan-file.ts'
import {
  DEFAULT_TRAFFIC,
  PRESETS,
  type Preset,
  presetVersion,
  type Run,
  type SimulateOptions,
  simulate,
  Tally,
  type Traffic,
  type Version,
} from '../../rollout/simulate/index.ts'
import { CutoverError, isCutoverError } from '../../vocabulary/errors.ts'
import { loadConfig } from '../config-file.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { count, examples } from '../options.ts'
import { progressOf } from '../progress.ts'
import type { Cli } from '../run.ts'
import { Session } from '../session.ts'
import { simulationText } from '../simulation-view.ts'

interface Options extends Partial<Omit<Version, 'errorsDiffer' | 'medianMs'>>, Partial<Omit<Traffic, 'keys'>> {
  readonly plan?: string
  readonly preset: Preset
  readonly keys?: number
  readonly runs: number
  readonly seed?: number
  readonly attempt: number
}

const DEFAULT_RUNS = 1000
const PLAN_FILE = 'migration-plan.md'

export function simulateCommand(program: Command, cli: Cli): void {
  const command = program
    .command('simulate')
    .description('plays the plan many times against a described version: how often it is promoted, after how long')
    .argument('[name]', 'the migration; may be left out where the plan file has just one')
    .option('--plan <file>', `the Markdown file with the plan (default: the migration's own, or ${PLAN_FILE})`)
    .addOption(new Option('--preset <version>', 'what the version is like').choices(PRESETS).default('good'))
  describeVersion(command)
    .option('--jobs-per-day <n>', `default ${DEFAULT_TRAFFIC.jobsPerDay}`, positive)
    .option('--keys <n>', 'how many different keys there are (default: every job has its own)', count)
    .option('--skew <s>', "Zipf's exponent of jobs a key: 0 all alike (default), 1 strongly skewed", positive)
    .option('--burst <n>', 'jobs of one key that come in a row and share their fate (default 1)', count)
    .option('--runs <n>', 'how often the plan is played', count, DEFAULT_RUNS)
    .option('--seed <n>', 'the same seed gives the same runs (default: drawn, and printed)', seed)
    .option('--attempt <n>', 'which attempt of this handler version', count, 1)
    .addHelpText(
      'after',
      examples([
        'cutover simulate parse-email --jobs-per-day 5000',
        'cutover simulate parse-email --preset mismatch-2x --keys 300 --runs 200',
        'cutover simulate --plan draft.md --mismatch 0.5% --errors-more 0.2% --seed 1 --json',
      ]),
    )
    .action(cli.action(run))
}

function describeVersion(command: Command): Command {
  return command
    .option('--mismatch <share>', 'pairs that differ because of target, e.g. 0.1%', rate)
    .option('--noise <share>', 'runs that differ from another run of the same code', rate)
    .option('--errors <share>', 'jobs that fail on either side', rate)
    .option('--errors-apart <share>', 'the part of --errors that only one side has, on each', rate)
    .option('--errors-more <share>', 'more errors on target, in shadows too', rate)
    .option('--errors-in-effects <share>', 'more errors on target that no shadow shows', rate)
    .option('--lost <share>', 'copies sent to target whose outcome never comes', rate)
    .option('--slower <factor>', "target's run times over legacy's, e.g. 1.2", positive)
    .option('--slowest-tenth <factor>', "the same again, for target's slowest tenth alone", positive)
    .option('--sigma <s>', 'standard deviation of the logarithm of run times (default 0.8)', positive)
    .option('--correlation <r>', 'of the logarithms of the two times of a job (default 0.8)', positive)
    .option('--by-key', 'faults of target sit in keys: a key has one always or never')
}

/** A share with its sign, as fine as one likes: `0.05%`. */
function rate(text: string): number {
  const match = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text.trim())
  const percent = match === null ? Number.NaN : Number(match[1])
  if (!(percent >= 0 && percent <= 100)) throw new InvalidArgumentError('write a share with its sign, e.g. 0.05%.')
  return percent / 100
}

function positive(text: string): number {
  const n = text.trim() === '' ? Number.NaN : Number(text)
  if (!(n >= 0 && Number.isFinite(n))) throw new InvalidArgumentError('write a number from 0, e.g. 1.2.')
  return n
}

function seed(text: string): number {
  const n = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(n < 2 ** 32)) throw new InvalidArgumentError('write a whole number from 0 to 4294967295.')
  return n
}

async function run(call: Call<Options>): Promise<Answer> {
  const { options } = call
  const { plan, file, settings } = await planFor(call)
  const version = { ...presetVersion(options.preset, plan), ...given(options, VERSION_OPTIONS) }
  const traffic = { ...DEFAULT_TRAFFIC, ...given(options, TRAFFIC_OPTIONS) }
  const simulation: SimulateOptions = {
    plan,
    version,
    traffic,
    runs: options.runs,
    seed: options.seed ?? randomInt(2 ** 32),
    attempt: options.attempt,
    ...(settings === undefined
      ? {}
      : {
          deadlineMs: settings.ledger.deadlineMs,
          bucketMs: settings.ledger.bucketMs,
          slackMs: settings.ledger.slackMs,
        }),
  }
  const tally = new Tally(plan)
  await playAll(call, simulation, tally)
  if (tally.runs === 0) throw new CutoverError('aborted', 'stopped before the first run had ended')
  const told = {
    ...{ migration: plan.migration, file, preset: options.preset, version, traffic },
    ...{ attempt: options.attempt, seed: simulation.seed, wanted: options.runs },
    ...tally.summary(),
  }
  return { exit: EXIT.ok, json: told, text: (pen) => simulationText(told, pen) }
}

const VERSION_OPTIONS = [
  ...(['mismatch', 'noise', 'errors', 'errorsApart', 'errorsMore', 'errorsInEffects', 'lost'] as const),
  ...(['slower', 'slowestTenth', 'sigma', 'correlation', 'byKey'] as const),
]
const TRAFFIC_OPTIONS = ['jobsPerDay', 'keys', 'skew', 'burst'] as const

function given<Name extends keyof Options>(options: Options, names: readonly Name[]): Pick<Options, Name> {
  return Object.fromEntries(
    names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  ) as Pick<Options, Name>
}

interface Found {
  readonly plan: Plan
  readonly file: string
  readonly settings?: MigrationSettings
}

/** With `--plan` no configuration is needed. */
async function planFor({ io, options, args }: Call<Options>): Promise<Found> {
  const [name] = args
  if (options.plan !== undefined) return await readPlan(io.cwd, options.plan, name)
  const loaded = await loadConfig(io.cwd, options.config).catch((error: unknown) => {
    if (options.config === undefined && isCutoverError(error, 'config-not-found')) return undefined
    throw error
  })
  if (loaded === undefined) return await readPlan(io.cwd, PLAN_FILE, name)
  const session = new Session(loaded)
  const settings = session.pick(name)
  if (settings.plan === undefined) return { ...(await readPlan(io.cwd, PLAN_FILE, settings.name)), settings }
  return { plan: planOfFile(settings.name, session.planFile(settings)), file: settings.plan, settings }
}

async function readPlan(cwd: string, file: string, name: string | undefined): Promise<Found> {
  const text = await readFile(resolve(cwd, file), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CutoverError('usage', `${file} cannot be read: ${cause.message}; --plan takes the path of a plan`, {
      cause,
    })
  })
  const plans = parsePlan(text, file)
  const [first, ...others] = plans
  if (name !== undefined) return { plan: planOf(plans, name, file), file }
  if (first !== undefined && others.length === 0) return { plan: first, file }
  const names = plans.map(({ migration }) => migration)
  throw new CutoverError('usage', `which migration? ${file} has: ${names.join(', ')}`, {
    details: { migrations: names },
  })
}

/** How long runs go on before signals, and the bar, are looked after. */
const SLICE_MS = 50

async function playAll(call: Call<Options>, options: SimulateOptions, tally: Tally): Promise<void> {
  const runs: Iterable<Run> = simulate(options)
  const progress = progressOf(call, 'runs')
  const signal = call.io.interrupt?.()
  let began = performance.now()
  for (const each of runs) {
    tally.add(each)
    if (performance.now() - began < SLICE_MS) continue
    progress.update(tally.runs, options.runs)
    await breathe()
    if (signal?.aborted === true) break
    began = performance.now()
  }
  progress.end()
  const { runs: played } = tally
  if (played < options.runs) call.note(`stopped after ${plural(played, 'run')} of ${formatCount(options.runs)}`)
}
