// Would it work right now, on this machine, with these servers? Each part is asked by itself; none keeps another from
// being looked at.

import type { Command } from 'commander'
import { packageVersion } from '../../config/package.ts'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { CapabilityName, QueueCounts } from '../../ports/queue.ts'
import { formatMs } from '../../report/format.ts'
import { SIDES, type Side } from '../../vocabulary/job.ts'
import { failureOf } from '../failure.ts'
import { Findings } from '../findings.ts'
import { inspectFlags, inspectLibraries, inspectMigrations } from '../inspect.ts'
import { inspectProbes } from '../inspect-mcp.ts'
import { inspectPlan } from '../inspect-plan.ts'
import { inspectProcesses, SKEW_BAD_MS, SKEW_NOTED_MS } from '../inspect-processes.ts'
import { inspectReaders } from '../inspect-readers.ts'
import type { Answer, Call } from '../io.ts'
import { examples } from '../options.ts'
import type { Cli } from '../run.ts'
import { inTime, type Session, withSession } from '../session.ts'

export function doctorCommand(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description('would it work right now? versions, ledger, queues, workers, flags, clocks')
    .addHelpText(
      'after',
      examples(['cutover doctor', 'cutover doctor --json | jq ".checks[] | select(.status != \\"ok\\")"']),
    )
    .action(cli.action(doctor))
}

const NODE_NEEDED = 24

async function doctor(call: Call): Promise<Answer> {
  return await withSession(call, async (session) => {
    const findings = new Findings()
    inspectVersions(findings)
    const all = inspectMigrations(session, findings)
    inspectLibraries(session, all, findings)
    if (all.length === 0) return findings.answer()
    const ledgerIsThere = await inspectLedger(session, findings)
    const flags = await inspectFlags(session, all, findings)
    // at once: what cannot be reached takes seconds to say so
    const parts = await Promise.all(
      all.map(async (settings, at) => {
        const own = new Findings()
        inspectCapabilities(settings, own)
        await inspectQueues(session, settings, own)
        await inspectPlan(session, settings, own, { traffic: ledgerIsThere })
        if (ledgerIsThere) await inspectProcesses(session, settings, flags[at], own)
        if (ledgerIsThere) await inspectProbes(session, settings, own)
        return own
      }),
    )
    for (const part of parts) findings.all.push(...part.all)
    return findings.answer()
  })
}

function inspectVersions(findings: Findings): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= NODE_NEEDED) findings.add('versions', 'node', 'ok', process.versions.node)
  else findings.add('versions', 'node', 'bad', process.versions.node, `install Node ${NODE_NEEDED} or newer`)
  findings.add('versions', 'cutover', 'ok', packageVersion())
}

async function inspectLedger(session: Session, findings: Findings): Promise<boolean> {
  try {
    const ledger = await session.ledger()
    const asked = Date.now()
    const { now, roundTripMs } = await ledger.ping()
    findings.add('ledger', ledger.kind, 'ok', `reachable, round trip ${formatMs(roundTripMs)}`)
    // the ledger's clock was read somewhere between question and answer
    const skew = Math.max(0, Math.abs(now - (asked + Date.now()) / 2) - roundTripMs)
    if (skew <= SKEW_NOTED_MS)
      findings.add('ledger', 'clock', 'ok', `within ${formatMs(Math.ceil(skew))} of this machine's`)
    else
      findings.add(
        'ledger',
        'clock',
        skew > SKEW_BAD_MS ? 'bad' : 'warn',
        `${formatMs(skew)} away from this machine's`,
        'let NTP set both clocks',
      )
    for (const { name, value, status, advice } of await ledger.facts())
      findings.add('ledger', name, status, value, advice)
    return true
  } catch (error) {
    findings.add('ledger', session.config.ledger.kind, 'bad', failureOf(error).message)
    return false
  }
}

const REFUSED: readonly { readonly name: CapabilityName; readonly what: string }[] = [
  { name: 'delay', what: 'enqueue with delay' },
  { name: 'priority', what: 'enqueue with priority' },
]

/** What one side lacks is refused on both, so that a flip of the flag loses nothing. */
function inspectCapabilities(settings: MigrationSettings, findings: Findings): void {
  for (const { name, what } of REFUSED) {
    const lacking = SIDES.filter((side) => settings[side].capabilities[name] !== true)
    if (lacking.length === 0) continue
    const who = lacking.map((side) => `${settings[side].kind} (${side})`).join(' and ')
    findings.add(
      settings.name,
      name,
      lacking.length === SIDES.length ? 'ok' : 'warn',
      `${what} is refused: ${who} lacks it`,
    )
  }
  if (!settings.shadowable) {
    findings.add(
      ...([settings.name, 'shadow', 'warn', 'off: nothing is compared before jobs go to target'] as const),
      "set shadow: 'effects-declared' once every effect goes through ctx.effect",
    )
  }
}

const COUNTS_MS = 5_000

async function inspectQueues(session: Session, settings: MigrationSettings, findings: Findings): Promise<void> {
  const kinds = settings.shadowable ? [false, true] : [false]
  const wanted = SIDES.flatMap((side) => kinds.map((shadow) => ({ side, shadow })))
  const parts = await Promise.all(wanted.map(({ side, shadow }) => inspectQueue(session, settings, side, shadow)))
  for (const part of parts) findings.all.push(...part.all)
}

async function inspectQueue(
  session: Session,
  settings: MigrationSettings,
  side: Side,
  shadow: boolean,
): Promise<Findings> {
  const findings = new Findings()
  const name = `${side} ${shadow ? 'shadow ' : ''}queue`
  try {
    const queue = await session.queue(settings, side, shadow)
    const counts = await inTime(queue.counts(), COUNTS_MS, 'queue-unavailable', `${settings.name}: the ${name}`)
    const parked =
      counts.parked > 0 ? 'look at parked jobs: they came late, damaged or from a newer version' : undefined
    const text = `${queue.kind} "${queue.name}": ${countsText(counts)}`
    findings.add(settings.name, name, parked === undefined ? 'ok' : 'warn', text, parked)
    if (!shadow) {
      // a ledger that cannot be asked is told elsewhere
      const presence = await session.ledgerOf(settings).then(
        (ledger) => ledger.presence(),
        () => [],
      )
      await inspectReaders(settings, side, queue, presence, findings)
    }
  } catch (error) {
    findings.add(settings.name, name, 'bad', failureOf(error).message)
  }
  return findings
}

function countsText({ waiting, delayed, running, failed, parked, oldestReadyMs }: QueueCounts): string {
  const oldest = oldestReadyMs === undefined ? '' : `, the oldest for ${formatMs(oldestReadyMs)}`
  return `${waiting} waiting${oldest}, ${delayed} delayed, ${running} running, ${failed} failed, ${parked} parked`
}
