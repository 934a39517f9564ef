// The plan of a migration as it is driven now, seen as its controller sees it.

import type { MigrationSettings } from '../config/resolve.ts'
import type { MigrationLedger, PresenceRecord } from '../ports/ledger.ts'
import type { Seen } from '../report/rollout.ts'
import type { DriveFacts } from '../rollout/drive/facts.ts'
import { driveFacts, flagFacts, type Judged, judgeDriven, type LedgerView } from '../rollout/drive/look.ts'
import { planReading } from '../rollout/drive/plan-reading.ts'
import { type DriveRecord, readRecord } from '../rollout/drive/record.ts'
import type { Step } from '../rollout/drive/steps.ts'
import { overTrend } from '../rollout/drive/trend.ts'
import type { McpCounts } from '../rollout/gates/stage.ts'
import { mcpCounts } from '../rollout/mcp-counts.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { newId } from '../vocabulary/ids.ts'
import { failureOf } from './failure.ts'
import type { Session } from './session.ts'

export interface Driven {
  readonly ledger: MigrationLedger
  readonly view: LedgerView
  readonly record: DriveRecord
  readonly facts: DriveFacts
  readonly judged: Judged | null
  /** Live controllers: the one that drives, and those that wait. */
  readonly controllers: readonly { readonly host: string; readonly pid: number }[]
}

/** Undefined: no plan is driven. */
export async function lookDriven(session: Session, settings: MigrationSettings): Promise<Driven | undefined> {
  const ledger = await session.ledgerOf(settings)
  const drive = await ledger.driveState()
  const record = drive.driven ? readRecord(drive) : undefined
  if (record === undefined) return undefined
  const began = performance.now()
  const [snapshot, presence, flag, mcp] = await Promise.all([
    ledger.snapshot({ epoch: record.epoch ?? Number.MAX_SAFE_INTEGER }),
    ledger.presence(),
    flagOf(session, settings),
    probedOf(ledger, settings),
  ])
  const view = { drive, snapshot, presence }
  const plan = planReading(record, session.planFile(settings))
  const facts = driveFacts(record, view, { flag, plan })
  const judged = judgeDriven(record, view, { facts, mcp, ageMs: performance.now() - began })
  return { ledger, view, record, facts, judged, controllers: controllersOf(presence) }
}

/** What the gates read of MCP servers: of each that the migration uses, also where it was never probed. */
export async function probedOf(ledger: MigrationLedger, { mcp }: MigrationSettings): Promise<readonly McpCounts[]> {
  if (mcp === undefined) return []
  return mcpCounts(
    await ledger.probes(),
    mcp.servers.map(({ name }) => name),
  )
}

export function controllersOf(presence: readonly PresenceRecord[]): readonly { host: string; pid: number }[] {
  return presence.filter(({ gone, drives }) => !gone && drives === true).map(({ host, pid }) => ({ host, pid }))
}

/** What a report of the ledger does not know of a driven plan. */
export async function seenOf(session: Session, settings: MigrationSettings, ledger: MigrationLedger): Promise<Seen> {
  const drive = await ledger.driveState()
  const record = drive.driven ? readRecord(drive) : undefined
  if (record === undefined) return {}
  const [flag, mcp] = await Promise.all([flagOf(session, settings), probedOf(ledger, settings)])
  return { flag, plan: planReading(record, session.planFile(settings)), mcp }
}

async function flagOf(session: Session, { flag }: MigrationSettings): Promise<DriveFacts['flag']> {
  try {
    return flagFacts(await session.flags(), flag)
  } catch (error) {
    const reading = { kind: 'missing' } as const
    return { state: 'unreachable', reading, revision: '', writable: false, message: failureOf(error).message }
  }
}

export async function mustBeDriven(session: Session, settings: MigrationSettings): Promise<Driven> {
  const driven = await lookDriven(session, settings)
  if (driven !== undefined) return driven
  throw new CutoverError(
    'plan-not-driven',
    `${settings.name}: no plan is being driven; start with: cutover drive ${settings.name}`,
    {
      details: { migration: settings.name },
    },
  )
}

/** How often the controller may note how the evidence stands while something is said. */
const TRIES = 5

/** Writes what a human says into the record. `plan-moved`: the controller was faster, and it has to be said again. */
export async function say({ ledger, view, record }: Driven, step: Step): Promise<DriveRecord> {
  const latch = view.snapshot.control.latch.revision
  const saying = (said: Step, drive: number) => ledger.drive({ ...said, expect: { drive, latch }, token: newId() })
  let answer = await saying(step, view.drive.revision)
  let after = readRecord(answer.drive)
  for (let left = TRIES; !answer.done && after !== undefined && left > 0; left -= 1) {
    const again = overTrend(step, record, after)
    if (again === undefined) break
    answer = await saying(again, answer.drive.revision)
    after = readRecord(answer.drive)
  }
  if (answer.done && after !== undefined) return after
  const stands = `${after?.stage ?? record.stage} (${after?.phase ?? record.phase})`
  throw new CutoverError(
    'plan-moved',
    `${ledger.migration}: the plan has moved on meanwhile, to ${stands}; nothing was changed: look at cutover status, and say it again`,
    { details: { migration: ledger.migration } },
  )
}
