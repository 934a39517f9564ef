// Which MCP servers can each side's workers really use, and where does it hang?

import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { McpServerSettings } from '../../mcp/config.ts'
import { type ProbeVerdict, probeVerdicts } from '../../mcp/verdict.ts'
import { formatMs } from '../../report/format.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { newId } from '../../vocabulary/ids.ts'
import type { ProbeRecord } from '../../vocabulary/probe.ts'
import { type Answer, type Call, EXIT, type ExitCode } from '../io.ts'
import { count, duration, examples, NAME_HELP } from '../options.ts'
import { penOf } from '../pen.ts'
import { probeText } from '../probe-text.ts'
import type { Cli } from '../run.ts'
import { type Session, withSession } from '../session.ts'

interface Options {
  readonly server?: string
  readonly repeat?: number
  readonly deadline: number
  readonly watch?: boolean
  readonly every: number
}

export function probeCommand(program: Command, cli: Cli): void {
  program
    .command('probe')
    .description('tries MCP servers from a plain process and from a real worker of each side')
    .argument('[name]', NAME_HELP)
    .option('--server <name>', 'one server only')
    .option('--repeat <n>', 'so many rounds (default: 1, with --watch without an end)', count)
    .option('--deadline <duration>', 'for each server in each place, e.g. 20s', duration('--deadline'), 20_000)
    .option('--watch', 'repeats and prints each round')
    .option('--every <duration>', 'with --watch: from round to round', duration('--every'), 30_000)
    .addHelpText(
      'after',
      examples([
        'cutover probe parse-email',
        'cutover probe parse-email --server files --repeat 5 --deadline 10s',
        'cutover probe --watch --every 1m',
        'cutover probe --json | jq ".servers[] | {server, verdict}"',
      ]),
    )
    .action(cli.action(probe))
}

const DEADLINE_LEAST = 1000

async function probe(call: Call<Options>): Promise<Answer> {
  const { options } = call
  if (options.deadline < DEADLINE_LEAST) throw new CutoverError('usage', '--deadline is at least 1s')
  if (options.watch === true && options.json === true)
    throw new CutoverError('usage', '--watch prints round after round; with --json use --repeat')
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const servers = serversOf(settings, options.server)
    const records: ProbeRecord[] = []
    const stop = call.io.interrupt?.()
    const isStopped = (): boolean => stop?.aborted === true
    const rounds = options.repeat ?? (options.watch === true ? Number.POSITIVE_INFINITY : 1)
    for (let round = 1; round <= rounds; round += 1) {
      const found = await probeAll(call, session, { settings, servers, ...(stop && { signal: stop }) })
      records.push(...found)
      if (isStopped()) break
      if (options.watch !== true) continue
      const text = probeText({ migration: settings.name, records: found }, penOf(call.io, options))
      call.io.stdout.write(`${new Date().toISOString()}\n${text}\n`)
      if (round < rounds) await delay(options.every, undefined, stop && { signal: stop }).catch(() => {}) // stopped
      if (isStopped()) break
    }
    return answer(settings.name, records, options)
  })
}

function serversOf({ name, mcp }: MigrationSettings, wanted: string | undefined): readonly McpServerSettings[] {
  const servers = mcp?.servers ?? []
  if (servers.length === 0)
    throw new CutoverError('usage', `${name} uses no MCP server; name some under mcp in the configuration`)
  const chosen = wanted === undefined ? servers : servers.filter((server) => server.name === wanted)
  if (chosen.length > 0) return chosen
  const there = servers.map((server) => server.name)
  throw new CutoverError('usage', `${name} uses no server "${wanted}"; it uses: ${there.join(', ')}`)
}

interface Round {
  readonly settings: MigrationSettings
  readonly servers: readonly McpServerSettings[]
  readonly signal?: AbortSignal
}

async function probeAll(
  { options, note }: Call<Options>,
  session: Session,
  { settings, servers, signal }: Round,
): Promise<readonly ProbeRecord[]> {
  const { probeRound } = await import('../../mcp/round.ts')
  const ledger = await session.ledgerOf(settings)
  const id = newId()
  const records: ProbeRecord[] = []
  for (const server of servers) {
    const found = await probeRound({
      id,
      server,
      deadlineMs: options.deadline,
      ledger,
      queue: (side) => session.queue(settings, side),
      ...(signal && { signal }),
      onResult: ({ place, class: what, ms }) => note(`${server.name} from ${place}: ${what} (${formatMs(ms)})`),
    })
    records.push(...found)
  }
  return records
}

/** The worst of all servers counts. */
function exitOf(verdicts: readonly ProbeVerdict[]): ExitCode {
  if (verdicts.includes('worse')) return EXIT.fail
  return verdicts.includes('inconclusive') ? EXIT.hold : EXIT.ok
}

function answer(migration: string, records: readonly ProbeRecord[], { deadline, watch }: Options): Answer {
  const verdicts = probeVerdicts(records)
  return {
    exit: exitOf(verdicts.map(({ verdict }) => verdict)),
    json: {
      migration,
      deadlineMs: deadline,
      rounds: new Set(records.map(({ id }) => id)).size,
      servers: verdicts.map((verdict) => ({
        ...verdict,
        probes: records.filter(({ server }) => server === verdict.server),
      })),
    },
    text: (pen) => (watch === true ? '' : probeText({ migration, records }, pen)),
  }
}
