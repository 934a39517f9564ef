// `npm run demo`: e-mails flow through two queues while the dials turn from legacy to target, and in the end a report
// says what happened. Exit codes: 0 nothing lost and nothing done twice, 1 otherwise, 2 wrong usage, 130 Ctrl-C.

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { CutoverError, isCutoverError } from '../../src/index.ts'
import { BAD_VARIABLE } from './demo/bad.ts'
import { DemoFailure } from './demo/failure.ts'
import { makeFolder } from './demo/folder.ts'
import { MCP_VARIABLE, type McpMode } from './demo/mcp.ts'
import { type DemoOptions, parseOptions } from './demo/options.ts'
import type { RunOptions } from './demo/run.ts'
import { planFor, shortPlan } from './demo/short-plan.ts'
import { STORE_VARIABLE } from './store.ts'

const PLAN = 'migration-plan.md'

const out = (text: string): void => void process.stdout.write(text)
const tell = (text: string): void => void process.stderr.write(text)

/** `npm run` hands on the Ctrl-C that the terminal has already sent. */
const SAME_SIGNAL_MS = 500

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv, { write: out, error: tell })
  if ('status' in options) return options.status
  const { readEmails } = await import('./input.ts')
  readEmails(options.input) // refused before anything is made
  const folder = makeFolder(options.work)
  const prefix = `demo-${randomBytes(3).toString('hex')}`
  writePlan(folder, options)
  const blocker = options.mcp ? await blockerFor(folder) : undefined
  Object.assign(process.env, environment(options, folder, prefix))
  if (options.mcp) process.env[MCP_VARIABLE] = modeOf(blocker)
  const say = options.json ? (): void => {} : tell
  say(introduction(options, folder))
  return await run(options, { folder, prefix, say, blocker })
}

async function run(
  options: DemoOptions,
  {
    folder,
    prefix,
    say,
    blocker,
  }: { folder: string; prefix: string; say: (text: string) => void; blocker: string | undefined },
): Promise<number> {
  const stop = new AbortController()
  let endAll = (): void => {}
  let heardAt = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    const again = performance.now() - heardAt > SAME_SIGNAL_MS
    if (!stop.signal.aborted) say(`\n${signal}: ending the processes (once more: at once)\n`)
    else if (again) endAll()
    heardAt = performance.now()
    stop.abort(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // only now: the configuration reads the environment when it is loaded
  const [{ runDemo }, { faultsOf, outcomeText }, { textReport }, { jsonReport }, { htmlReport }, { installedDocs }] =
    await Promise.all([
      import('./demo/run.ts'),
      import('./demo/outcome.ts'),
      import('../../src/report/text.ts'),
      import('../../src/report/json.ts'),
      import('../../src/report/html.ts'),
      import('../../src/config/docs.ts'),
    ])
  const { input, jobs, json, redis, bad } = options
  try {
    const onChildren = (children: { kill(): void }): void => {
      endAll = () => children.kill()
    }
    const shared = { input, json, prefix, folder, env: { ...process.env }, signal: stop.signal, onChildren }
    const { planOutcome, runPlan } = await import('./demo/plan-run.ts')
    const byPlan = options.plan ? await runPlan({ ...shared, bad, say: (line) => say(`${line}\n`) }) : undefined
    const looks = options.mcp ? await mcpRun({ json, blocker, signal: stop.signal }) : {}
    const result = byPlan ?? (await runDemo({ ...shared, jobs, ...looks }))
    const colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
    const width = process.stdout.columns || 100
    if (json) out(jsonReport(result.model))
    else {
      const last = byPlan === undefined ? outcomeText(result, jobs) : planOutcome(byPlan)
      out(`\n${textReport(result.model, { colours, width })}\n`)
      if (options.mcp) out(`${(await import('./demo/mcp-look.ts')).toolsText(result.model)}\n`)
      out(last)
    }
    const page = join(folder, 'report.html')
    writeFileSync(page, await htmlReport({ ...result.model, docs: installedDocs(folder) }))
    if (!json) out(`The report as a page: ${relative('', page)}\n`)
    const faults = byPlan?.faults ?? faultsOf(result, jobs)
    if (json && faults.length > 0) tell(`${faults.join('\n')}\n`)
    if (faults.length === 0 && redis !== undefined) {
      const { removeKeys } = await import('./demo/redis-keys.ts')
      say(`removed ${await removeKeys(redis, prefix)} keys of this run from Redis\n`)
    } else if (faults.length > 0) say(leftovers(options, folder, prefix))
    return faults.length === 0 ? 0 : 1
  } catch (error) {
    if (!stop.signal.aborted) throw error
    say(`Stopped before the end. ${leftovers(options, folder, prefix)}`)
    return stop.signal.reason === 'SIGTERM' ? 143 : 130
  }
}

async function blockerFor(folder: string): Promise<string | undefined> {
  return (await import('./demo/blocked.ts')).buildBlocker(folder)
}

function modeOf(blocker: string | undefined): McpMode {
  return blocker === undefined ? 'guarded' : 'blocked'
}

/** Legacy's worker gets the library that blocks; before the first e-mail the servers are probed. */
async function mcpRun(how: {
  readonly json: boolean
  readonly blocker: string | undefined
  readonly signal: AbortSignal
}): Promise<Pick<RunOptions, 'envOf' | 'onWorking'>> {
  const { json, blocker, signal } = how
  const [{ probeServers }, { default: config }] = await Promise.all([
    import('./demo/mcp-look.ts'),
    import('./cutover.config.ts'),
  ])
  return {
    ...(blocker === undefined ? {} : { envOf: { 'legacy-worker': { LD_PRELOAD: blocker } } }),
    onWorking: async ({ ledger, say }) => {
      const matrix = await probeServers({ config, ledger, signal }, say)
      if (!json) say(`The MCP servers, as each place reaches them:\n\n${matrix}`)
    },
  }
}

/** What the configuration, in this process and in all of its children, reads. */
function environment({ queues, redis, plan, bad }: DemoOptions, folder: string, prefix: string): NodeJS.ProcessEnv {
  return {
    EMAIL_AGENT_FOLDER: folder,
    EMAIL_AGENT_QUEUES: queues,
    EMAIL_AGENT_PREFIX: prefix,
    ...(redis === undefined ? {} : { EMAIL_AGENT_REDIS: redis }),
    EMAIL_AGENT_PLAN: join(folder, PLAN),
    ...(plan ? { EMAIL_AGENT_HURRY: '1' } : {}),
    ...(bad === undefined ? {} : { [BAD_VARIABLE]: bad }),
    [STORE_VARIABLE]: join(folder, 'mail'),
    // Both sides are to differ by their parsers, not by where they run.
    TZ: 'UTC',
    LANG: 'C.UTF-8',
  }
}

/** The repository's plan, for these queues. */
function writePlan(folder: string, { queues, plan }: DemoOptions): void {
  const own = planFor(readFileSync(join(import.meta.dirname, '../..', PLAN), 'utf8'), queues)
  writeFileSync(join(folder, PLAN), plan ? shortPlan(own) : own)
}

function introduction({ jobs, queues, redisShown, plan, bad, mcp }: DemoOptions, folder: string): string {
  const here = relative('', folder)
  const variables = [
    `EMAIL_AGENT_FOLDER=${here}`,
    `EMAIL_AGENT_PLAN=${join(here, PLAN)}`,
    ...(plan ? ['EMAIL_AGENT_HURRY=1'] : []),
    ...(mcp ? [`${MCP_VARIABLE}=${process.env[MCP_VARIABLE]}`] : []),
    ...(redisShown === undefined
      ? []
      : [
          `EMAIL_AGENT_QUEUES=${queues}`,
          `EMAIL_AGENT_PREFIX=${process.env['EMAIL_AGENT_PREFIX']}`,
          `EMAIL_AGENT_REDIS=${redisShown}`,
        ]),
  ]
  const [legacy, target] = queues.split(',')
  const cli = `${relative('', join(import.meta.dirname, '../../src/cli/bin.ts'))}`
  const config = relative('', join(import.meta.dirname, 'cutover.config.ts'))
  return [
    plan
      ? `Two migrations, from ${legacy} to ${target}, each by its plan (${join(here, PLAN)})${bad === undefined ? '' : `; bad: ${bad}`}; a producer, two workers and two controllers, each a process.`
      : `Two migrations of ${jobs} jobs each, from ${legacy} to ${target}; a producer and two workers, each a process.`,
    ...(mcp ? [mcpIntroduction()] : []),
    `Files: ${here} (pids.json: whom to kill -9 if you like; *.log: what they say)`,
    'From another terminal, while it runs:',
    `  ${variables.join(' ')} npx node ${cli} status ${plan ? 'thread-email --watch ' : ''}--config ${config}`,
    '',
    '',
  ].join('\n')
}

function mcpIntroduction(): string {
  return process.env[MCP_VARIABLE] === 'blocked'
    ? 'thread-email uses two MCP servers; in legacy’s worker a preloaded library lets no child process reach exec.'
    : 'thread-email uses two MCP servers; in legacy’s worker a guard keeps them off (no C compiler, or no Linux, to block a spawn).'
}

function leftovers({ redis }: DemoOptions, folder: string, prefix: string): string {
  const keys = redis === undefined ? '' : `, and in Redis the keys ${prefix}*`
  return `Left to look at: ${relative('', folder)}${keys}\n`
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status
  },
  (error: unknown) => {
    const expected = error instanceof CutoverError || error instanceof DemoFailure
    tell(expected ? `${error.message}\n` : `${error instanceof Error ? error.stack : String(error)}\n`)
    const usage = isCutoverError(error, 'usage')
    if (usage) tell('npm run demo -- --help tells the options\n')
    process.exitCode = usage ? 2 : 1
  },
)
