// Writes what a migration starts with: configuration, flags, plan and worker, for the queues that the project has.
//
// Nothing is overwritten without `--force`, and nothing is written when something is in the way.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { defaultPlan } from '../../rollout/plan/default.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { CONFIG_NAMES } from '../config-file.ts'
import type { Answer, Call, Io } from '../io.ts'
import { examples } from '../options.ts'
import type { Cli } from '../run.ts'
import { configTemplate } from '../templates/config.ts'
import { FLAG_LIBRARIES, FLAGS_BY_LIBRARY, flagSteps, flagsFile } from '../templates/flags.ts'
import {
  FLAG_KINDS,
  type FlagKind,
  LEDGER_KINDS,
  type LedgerKind,
  type Names,
  QUEUE_KINDS,
  type QueueKind,
} from '../templates/names.ts'
import { workerTemplate } from '../templates/worker.ts'

interface Options {
  readonly name: string
  readonly legacy?: QueueKind
  readonly target?: QueueKind
  readonly ledger?: LedgerKind
  readonly flags?: FlagKind
  readonly keys: 'many' | 'few'
  readonly force?: boolean
}

export function initCommand(program: Command, cli: Cli): void {
  program
    .command('init')
    .description('writes a configuration, flags, a plan and a worker for the queues in package.json')
    .option('--name <name>', 'the migration', 'my-job')
    .addOption(
      new Option('--legacy <kind>', 'the queue that there is (default: from package.json)').choices(QUEUE_KINDS),
    )
    .addOption(new Option('--target <kind>', 'the queue to move to (default: from package.json)').choices(QUEUE_KINDS))
    .addOption(
      new Option(
        '--ledger <kind>',
        'where counts and rows are kept (default: redis with a queue on Redis, else sqlite)',
      ).choices(LEDGER_KINDS),
    )
    .addOption(
      new Option(
        '--flags <kind>',
        'where the flag is (default: unleash with unleash-client in package.json, openfeature with flagd-provider, else file)',
      ).choices(FLAG_KINDS),
    )
    .addOption(
      new Option('--keys <how many>', 'few: the plan for some hundred keys, with limits that so few can prove')
        .choices(['many', 'few'])
        .default('many'),
    )
    .option('--force', 'overwrite what is there')
    .addHelpText(
      'after',
      examples([
        'cutover init --name parse-email',
        'cutover init --name parse-email --legacy bee-queue --target bullmq --ledger redis',
        'cutover init --name parse-email --flags unleash',
        'cutover init --name parse-email --keys few',
      ]),
    )
    .action(cli.action(init))
}

async function init(call: Call<Options>): Promise<Answer> {
  const { io, options } = call
  const found = readPackage(io)
  const names = namesOf(options, found)
  const files: Readonly<Record<string, string>> = {
    [`cutover.config.${names.extension}`]: configTemplate(names),
    ...(await flagsFile(names)),
    'migration-plan.md': planOf(names, options),
    [`cutover.worker.${names.extension}`]: workerTemplate(names),
  }
  const inTheWay = [...new Set([...CONFIG_NAMES, ...Object.keys(files)])].filter((file) =>
    existsSync(join(io.cwd, file)),
  )
  if (inTheWay.length > 0 && options.force !== true) {
    throw new CutoverError(
      'option-invalid',
      `${io.cwd} has ${inTheWay.join(', ')} already; nothing was written. --force overwrites, or run this in another folder`,
      { details: { exists: inTheWay } },
    )
  }
  for (const [file, text] of Object.entries(files)) write(join(io.cwd, file), text)
  const next = nextSteps(names, found)
  const { name, legacy, target, ledger, flags } = names
  return {
    json: { migration: name, legacy, target, ledger, flags, written: Object.keys(files), next },
    text: (pen) =>
      [
        `${pen.style('bold', name)}: ${legacy} → ${target}, ledger ${ledger}, flags ${flags}`,
        ...Object.keys(files).map((file) => `  ${pen.style('green', 'written')}  ${file}`),
        '',
        'Next:',
        ...next.map((step, at) => `  ${at + 1}. ${step}`),
        '',
      ].join('\n'),
  }
}

function planOf({ name, legacy, target }: Names, { keys }: Options): string {
  return defaultPlan({ migration: name, legacy, target, few: keys === 'few' })
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CutoverError('option-invalid', `${path} cannot be written: ${why}; check the folder's rights`, { cause })
  }
}

interface Package {
  readonly dependencies: ReadonlySet<string>
  readonly type: string | undefined
}

function readPackage({ cwd }: Io): Package {
  const path = join(cwd, 'package.json')
  if (!existsSync(path)) return { dependencies: new Set(), type: undefined }
  let read: unknown
  try {
    read = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new CutoverError('option-invalid', `${path} is no JSON: ${(cause as Error).message}; repair it first`, {
      cause,
    })
  }
  const fields = typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {}
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
  const dependencies = kinds.flatMap((kind) => Object.keys((fields[kind] ?? {}) as object))
  return { dependencies: new Set(dependencies), type: typeof fields['type'] === 'string' ? fields['type'] : undefined }
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

function namesOf(options: Options, { dependencies, type }: Package): Names {
  if (!NAME.test(options.name)) {
    throw new CutoverError(
      'usage',
      `--name: ${JSON.stringify(options.name)} is not a name for a migration; up to 100 letters, digits, "-", "_" or ".", a letter or digit first`,
    )
  }
  const legacy =
    options.legacy ?? (dependencies.has('bee-queue') ? 'bee-queue' : dependencies.has('bullmq') ? 'bullmq' : 'embedded')
  const target = options.target ?? (legacy === 'embedded' ? 'embedded' : 'bullmq')
  const ledger = options.ledger ?? (legacy === 'embedded' && target === 'embedded' ? 'sqlite' : 'redis')
  // Node takes a .ts file of an explicit CommonJS package for CommonJS, where `import` is a syntax error.
  const [, flagsOfPackage = 'file'] = Object.entries(FLAGS_BY_LIBRARY).find(([each]) => dependencies.has(each)) ?? []
  const flags = options.flags ?? flagsOfPackage
  return { name: options.name, legacy, target, ledger, flags, extension: type === 'commonjs' ? 'mts' : 'ts' }
}

const LIBRARIES: Readonly<Record<QueueKind, readonly string[]>> = {
  embedded: [],
  'bee-queue': ['bee-queue'],
  bullmq: ['bullmq', 'ioredis'],
}

function nextSteps(names: Names, { dependencies }: Package): string[] {
  const { name, legacy, target, ledger, flags, extension } = names
  const queues = [...LIBRARIES[legacy], ...LIBRARIES[target]]
  const needed = ['cutover', ...queues, ...(ledger === 'redis' ? ['ioredis'] : []), ...FLAG_LIBRARIES[flags]]
  const { first, drive } = flagSteps(names)
  const missing = [...new Set(needed)].filter((library) => !dependencies.has(library))
  const local = ledger === 'sqlite' || legacy === 'embedded' || target === 'embedded'
  return [
    ...(missing.length === 0 ? [] : [`npm install ${missing.join(' ')}`]),
    ...(local ? ['add .cutover/ to .gitignore'] : []),
    `put your job's types into cutover.config.${extension} and its work into cutover.worker.${extension}`,
    ...first,
    'npx cutover check',
    `node cutover.worker.${extension}, and npx cutover doctor beside it`,
    `where jobs are made: const { id, route } = await cutover.enqueue('${name}', payload)`,
    drive,
  ]
}
