// What happened, with every number: the report as text, Markdown, JSON or HTML.

import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { DOCS_ALLOWED, docsBase, docsOf, installedDocs } from '../../config/docs.ts'
import { jsonReport } from '../../report/json.ts'
import { markdownReport } from '../../report/markdown.ts'
import type { ReportModel } from '../../report/model.ts'
import { readReport } from '../../report/read.ts'
import { redactSecrets } from '../../report/redact.ts'
import { textReport } from '../../report/text.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import type { Answer, Call } from '../io.ts'
import { examples, NAME_HELP } from '../options.ts'
import type { Pen } from '../pen.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

const FORMATS = ['text', 'md', 'json', 'html'] as const
type Format = (typeof FORMATS)[number]

interface Options {
  readonly format?: Format
  readonly output?: string
  readonly all?: boolean
  readonly docs?: string
}

export function reportCommand(program: Command, cli: Cli): void {
  program
    .command('report')
    .description('what happened: jobs, comparisons, differences, latency, from the ledger alone')
    .argument('[name]', `${NAME_HELP}; without it all are reported`)
    .addOption(new Option('--format <format>', 'how it is written (default: text)').choices(FORMATS))
    .option('-o, --output <path>', 'write it into this file instead; with --all and html into this folder')
    .option('--docs <url>', 'where its links to the docs lead: URL or relative path of their folder')
    .option('--all', 'all migrations; with --format html a page for each and an index')
    .addHelpText(
      'after',
      examples([
        'cutover report parse-email',
        'cutover report parse-email --format html -o report.html',
        'cutover report --all --format html -o reports/',
        'cutover report --format md -o report.md',
        'cutover report --json | jq .migrations[].comparisons',
      ]),
    )
    .action(cli.action(report))
}

async function report(call: Call<Options>): Promise<Answer> {
  const format = formatOf(call)
  const { output } = call.options
  return await withSession(call, async (session) => {
    const chosen = session.pickAll(call.args[0])
    const ledgers = await Promise.all(chosen.map((settings) => session.ledgerOf(settings)))
    const model = await readReport(ledgers, chosen, { docs: docsFor(call, format, session.config.docs) })
    if (call.options.all === true && format === 'html') return await writePages(call, model)
    if (output === undefined && format !== 'html') {
      return { json: model, text: (pen) => written(model, format, pen) }
    }
    const text = format === 'html' ? await htmlOf(model) : written(model, format, { width: 100, colours: false })
    if (output === undefined) return { json: model, text: () => text }
    const path = resolve(call.io.cwd, output)
    write(path, text)
    return { json: { written: path, format }, text: () => `written to ${path}\n` }
  })
}

/** As it was said; else the docs that are installed where the report will lie. */
function docsFor({ options, io }: Call<Options>, format: Format, configured: string | undefined): string | null {
  const { output, all, docs = configured } = options
  const base = docsOf(docs)
  if (base !== null || output === undefined) return base
  const path = resolve(io.cwd, output)
  return installedDocs(all === true && format === 'html' ? path : dirname(path))
}

/** Refuses options that contradict each other, before anything is opened. */
function formatOf({ options, args }: Call<Options>): Format {
  const { json = false, all = false, output } = options
  const usage = (message: string): never => {
    throw new CutoverError('usage', message)
  }
  const format = options.format ?? (json ? 'json' : 'text')
  if (json && format !== 'json' && output === undefined) {
    usage(`--json and --format ${format} contradict each other; give one`)
  }
  if (all && args[0] !== undefined) usage(`--all and ${args[0]} contradict each other; give one`)
  if (all && format === 'html' && output === undefined) {
    usage('--all --format html writes several pages: name their folder, e.g. -o reports/')
  }
  const docs = options.docs === undefined ? undefined : docsBase(options.docs)
  if (docs !== undefined && 'wrong' in docs) {
    throw new CutoverError('option-invalid', `--docs ${docs.wrong}; allowed: ${DOCS_ALLOWED}`)
  }
  return format
}

/** Loaded late: the charting library is large, and no other view needs it. */
async function htmlOf(model: ReportModel): Promise<string> {
  const { htmlReport } = await import('../../report/html.ts')
  return await htmlReport(model)
}

async function writePages(call: Call<Options>, model: ReportModel): Promise<Answer> {
  const folder = resolve(call.io.cwd, call.options.output ?? '.')
  if (existsSync(folder) && !statSync(folder).isDirectory()) {
    throw new CutoverError('option-invalid', `--output: ${folder} is a file; with --all it is a folder`)
  }
  const { htmlPages } = await import('../../report/html.ts')
  const pages = (await htmlPages(model)).map(({ file, html }) => ({ path: join(folder, file), html }))
  for (const { path, html } of pages) write(path, html)
  const paths = pages.map(({ path }) => path)
  return { json: { written: paths, format: 'html' }, text: () => `written to ${paths.join('\n           ')}\n` }
}

function written(
  model: ReportModel,
  format: Exclude<Format, 'html'>,
  { width, colours }: Pick<Pen, 'width' | 'colours'>,
): string {
  if (format === 'json') return jsonReport(model)
  return format === 'md' ? markdownReport(model) : textReport(model, { width, colours })
}

function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, redactSecrets(text))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CutoverError('option-invalid', `--output: ${path} cannot be written: ${why}`, { cause })
  }
}
