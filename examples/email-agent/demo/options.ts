// What was asked for on the command line, checked; with what the demo does when nothing is said.

import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command, CommanderError } from 'commander'
import { CutoverError } from '../../../src/index.ts'
import { BAD_KINDS, type BadKind } from './bad.ts'

export interface DemoOptions {
  /** Folder of `.eml` files, absolute. */
  readonly input: string
  /** For each migration. */
  readonly jobs: number
  /** `LEGACY,TARGET`. */
  readonly queues: string
  readonly redis: string | undefined
  readonly json: boolean
  /** Drives the repository's plans, in a hurry. */
  readonly plan: boolean
  /** With `plan`: what is wrong with the version on target. */
  readonly bad: BadKind | undefined
  /** Handlers use MCP servers, and legacy's environment blocks their start. */
  readonly mcp: boolean
  /** `redis` as it may be shown. */
  readonly redisShown: string | undefined
  /** Folder for the run's files; undefined: a fresh one. */
  readonly work: string | undefined
}

export const SAMPLES = join(import.meta.dirname, '..', 'emails')
const QUEUES = ['embedded', 'bee-queue', 'bullmq']
const DEFAULT_QUEUES = 'embedded,embedded'
const ON_REDIS = ['bee-queue', 'bullmq']

function refuse(message: string): never {
  throw new CutoverError('usage', message)
}

/** The options, or the status to end with (help was printed, or why not). */
export function parseOptions(
  argv: readonly string[],
  out: { write(text: string): void; error(text: string): void },
): DemoOptions | { readonly status: number } {
  const command = new Command('npm run demo --')
    .description(
      'Two kinds of jobs move from one queue to another while e-mails keep coming in: a producer and two workers, each ' +
        'in a process of its own (kill any of them), the dials turned from legacy over shadow to target, then the ' +
        'report. Ends with 0 only if nothing was lost and nothing done twice.',
    )
    .option('--input <dir>', 'folder of .eml files; the samples unless given')
    .option('--jobs <n>', 'jobs for each of the two migrations, the e-mails repeated; 2000 unless given', '2000')
    .option('--queues <legacy,target>', `two of ${QUEUES.join(', ')}; embedded,embedded unless given`, DEFAULT_QUEUES)
    .option('--redis <url>', 'where bee-queue and bullmq are, and then the ledger, e.g. redis://127.0.0.1:6379')
    .option('--work <dir>', 'empty folder for the files of this run; a fresh one in .cutover unless given')
    .option('--plan', "drive the repository's migration-plan.md, with soaks of seconds; up to four minutes")
    .option('--bad <kind>', `with --plan: what is wrong on target, ${BAD_KINDS.join(', ')}; it is sent back`)
    .option('--mcp', "the agent uses two MCP servers, and in legacy's environment a child process cannot be created")
    .option('--json', 'print the report model, and nothing else')
    .configureHelp({ helpWidth: 100, optionDescription: ({ description }) => description })
    .showHelpAfterError('npm run demo -- --help tells the options')
    .configureOutput({ writeOut: out.write, writeErr: out.error })
    .allowExcessArguments(false)
    .exitOverride()
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return { status: error.exitCode === 0 ? 0 : 2 }
  }
  return checked(command.opts())
}

function checked(given: Record<string, unknown>): DemoOptions {
  const { input, jobs, queues, redis, work, json, plan, bad, mcp } = given as Record<string, string | undefined>
  if (!/^[1-9]\d{0,6}$/.test(jobs ?? '')) refuse(`--jobs: "${jobs}" is not a number of jobs; 1 to 9999999`)
  const kinds = (queues ?? '').split(',').map((kind) => kind.trim())
  if (kinds.length !== 2 || kinds.some((kind) => !QUEUES.includes(kind))) {
    refuse(`--queues: "${queues}" is not two of ${QUEUES.join(', ')}, e.g. --queues bee-queue,bullmq`)
  }
  const onRedis = kinds.find((kind) => ON_REDIS.includes(kind))
  if (onRedis !== undefined && redis === undefined) {
    refuse(`--queues: ${onRedis} needs a Redis; add --redis URL, e.g. --redis redis://127.0.0.1:6379`)
  }
  if (redis !== undefined) checkRedis(redis, onRedis)
  if (work !== undefined && existsSync(work) && readdirSync(work).length > 0) {
    refuse(`--work: ${work} is not empty; name a folder that is empty or not there`)
  }
  const kind = BAD_KINDS.find((each) => each === bad)
  if (bad !== undefined && kind === undefined) refuse(`--bad: "${bad}" is none of ${BAD_KINDS.join(', ')}`)
  if (bad !== undefined && plan === undefined) refuse('--bad shows a rollback of the plan; add --plan')
  if (mcp !== undefined && plan !== undefined) refuse('--mcp and --plan are two demos; choose one')
  return {
    input: resolve(input ?? SAMPLES),
    jobs: Number(jobs),
    queues: kinds.join(','),
    redis,
    redisShown: redis === undefined ? undefined : withoutPassword(redis),
    work: work === undefined ? undefined : resolve(work),
    json: json !== undefined,
    plan: plan !== undefined,
    mcp: mcp !== undefined,
    bad: kind,
  }
}

function checkRedis(url: string, user: string | undefined): void {
  // never the text itself in a message: it may hold a password
  const { protocol } = URL.canParse(url) ? new URL(url) : { protocol: '' }
  if (!['redis:', 'rediss:'].includes(protocol)) {
    refuse('--redis: this is not a redis:// or rediss:// URL; e.g. redis://127.0.0.1:6379')
  }
  if (user === undefined) refuse('--redis: no queue would use it; add --queues bee-queue,bullmq')
}

function withoutPassword(url: string): string {
  const shown = new URL(url)
  if (shown.password !== '') shown.password = '***'
  return shown.href
}
