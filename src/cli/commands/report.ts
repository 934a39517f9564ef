// What happened, with every number: the report as text, Markdown or JSON.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { jsonReport } from '../../report/json.ts'
import { markdownReport } from '../../report/markdown.ts'
import type { ReportModel } from '../../report/model.ts'
import { readReport } from '../../report/read.ts'
import { textReport } from '../../report/text.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import type { Answer, Call } from '../io.ts'
import { examples, NAME_HELP } from '../options.ts'
import type { Pen } from '../pen.ts'
import { redactDeep, redactSecrets } from '../redact.ts'
import type { Cli } from '../run.ts'
import { withSession } from '../session.ts'

const FORMATS = ['text', 'md', 'json'] as const
type Format = (typeof FORMATS)[number]

interface Options {
  readonly format?: Format
  readonly output?: string
}

export function reportCommand(program: Command, cli: Cli): void {
  program
    .command('report')
    .description('what happened: jobs, comparisons, differences, latency, from the ledger alone')
    .argument('[name]', `${NAME_HELP}; without it all are reported`)
    .addOption(new Option('--format <format>', 'how it is written (default: text)').choices(FORMATS))
    .option('-o, --output <file>', 'write it into this file instead')
    .addHelpText(
      'after',
      examples([
        'cutover report parse-email',
        'cutover report --format md -o report.md',
        'cutover report --json | jq .migrations[].comparisons',
      ]),
    )
    .action(cli.action(report))
}

async function report(call: Call<Options>): Promise<Answer> {
  const { json = false, output } = call.options
  const format = call.options.format ?? (json ? 'json' : 'text')
  if (json && format !== 'json')
    throw new CutoverError('usage', `--json and --format ${format} contradict each other; give one`)
  return await withSession(call, async (session) => {
    const ledgers = await Promise.all(session.pickAll(call.args[0]).map((settings) => session.ledgerOf(settings)))
    const model = redactDeep(await readReport(ledgers)) as ReportModel
    if (output === undefined) return { json: model, text: (pen) => written(model, format, pen) }
    const path = resolve(call.io.cwd, output)
    write(path, written(model, format, { width: 100, colours: false }))
    return { json: { written: path, format }, text: () => `written to ${path}\n` }
  })
}

function written(model: ReportModel, format: Format, { width, colours }: Pick<Pen, 'width' | 'colours'>): string {
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
