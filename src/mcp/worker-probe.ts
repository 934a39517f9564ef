// Answers a probe inside a worker: tries the server from here and tells the ledger, before and after. Loaded when the
// first probe comes.

import { hostname } from 'node:os'
import type { ProbeLedger } from '../ports/ledger.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import type { Side } from '../vocabulary/job.ts'
import type { ProbeFailure, ProbeJob, ProbeRecord } from '../vocabulary/probe.ts'
import { FAILURE_CLASSES } from './classes.ts'
import { describeServer, type McpServerSettings, type McpSettings } from './config.ts'
import { probeServer } from './probe.ts'
import { readyServer } from './ready.ts'

export interface WorkerProbe {
  readonly migration: string
  readonly mcp: McpSettings | undefined
  readonly side: Side
  readonly job: ProbeJob
  /** `Presence.instance`. */
  readonly instance: string
  readonly ledger: () => Promise<ProbeLedger>
  /** The ledger's clock. */
  readonly now: () => number
  readonly emit: EmitEvent
}

/** Rejects when the ledger cannot be told. A probe that comes too late is not begun: its round has been judged. */
export async function answerProbe(options: WorkerProbe): Promise<void> {
  const { job, side, migration, instance, now, emit } = options
  if (now() >= job.expiresAt) return
  const ledger = await options.ledger()
  const by = { instance, pid: process.pid, host: hostname(), node: process.versions.node }
  const base = { id: job.id, server: job.server, place: side, ms: 0, phases: [], by } as const
  await ledger.noteProbe({ ...base, class: 'running' })
  const record = { ...(await probeFrom(options, base)), by }
  await ledger.noteProbe(record)
  const what = { migration, server: job.server, side } as const
  if (record.class === 'ok') emit({ ...what, type: 'mcp-reachable', tools: record.tools?.length ?? 0 })
  else emit({ ...what, type: 'mcp-unreachable', why: record.hang?.sentence ?? record.class })
}

type Base = Pick<ProbeRecord, 'id' | 'server' | 'place' | 'ms' | 'phases'>

async function probeFrom({ mcp, side, job, now }: WorkerProbe, base: Base): Promise<ProbeRecord> {
  const settings = mcp?.servers.find(({ name }) => name === job.server)
  if (settings === undefined) return { ...base, ...notTried('not-configured') }
  const guarded = mcp?.guard?.(job.server, side)
  if (guarded !== undefined)
    return { ...base, reached: describeServer(settings), ...notTried('skipped-by-guard', guarded) }
  return await probeHere(settings, { id: job.id, place: side, deadlineMs: Math.max(1, job.expiresAt - now()) })
}

/** Tries a server of the configuration in this process and its environment. */
export async function probeHere(
  settings: McpServerSettings,
  { id, place, deadlineMs }: Pick<ProbeRecord, 'id' | 'place'> & { readonly deadlineMs: number },
): Promise<ProbeRecord> {
  const { name, timeouts, sample } = settings
  const reached = describeServer(settings)
  const { server, missing, secrets } = readyServer(settings)
  const base = { id, server: name, place, ms: 0, phases: [], reached } as const
  if (server === undefined) return { ...base, ...notTried('env-missing', `not set here: ${missing.join(', ')}`) }
  const request = { id, name, place, server, timeouts, reached, secrets, deadlineMs }
  return await probeServer(sample === undefined ? request : { ...request, sample })
}

/** A failure of which nothing was begun. */
export function notTried(failure: ProbeFailure, why?: string): Pick<ProbeRecord, 'class' | 'hang'> {
  const { meaning } = FAILURE_CLASSES[failure]
  const sentence = `It was not tried: ${meaning}${why === undefined ? '' : ` (${why})`}.`
  return { class: failure, hang: { sentence, details: [] } }
}
