// What can be said of a configuration without opening a connection? Shared by `check` and `doctor`.

import { installedVersion } from '../config/package.ts'
import type { MigrationSettings } from '../config/resolve.ts'
import { formatShare } from '../vocabulary/dials.ts'
import { formatDuration } from '../vocabulary/duration.ts'
import { SIDES } from '../vocabulary/job.ts'
import { failureOf } from './failure.ts'
import type { Findings } from './findings.ts'
import { dialsText, type FlagView, viewFlag } from './flag-view.ts'
import { inspectServers } from './inspect-mcp.ts'
import type { Session } from './session.ts'

/** Every migration that is valid; what is not is among the findings. */
export function inspectMigrations(session: Session, findings: Findings): readonly MigrationSettings[] {
  findings.add('config', 'file', 'ok', session.path)
  let names: readonly string[]
  try {
    names = session.names
    findings.add('config', 'namespace', 'ok', session.namespace)
  } catch (error) {
    findings.add('config', 'top', 'bad', failureOf(error).message)
    return []
  }
  return names.flatMap((name) => {
    try {
      const settings = session.settings(name)
      inspectMigration(settings, findings)
      return [settings]
    } catch (error) {
      findings.add(name, 'settings', 'bad', failureOf(error).message)
      return []
    }
  })
}

function inspectMigration(settings: MigrationSettings, findings: Findings): void {
  const { name, legacy, target, timeoutMs, attempts, ledger } = settings
  const times = `time-out ${formatDuration(timeoutMs)}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}, deadline ${formatDuration(ledger.deadlineMs)}, kept ${formatDuration(ledger.retainMs)}`
  findings.add(name, 'settings', 'ok', `${legacy.kind} → ${target.kind}; ${times}`)
  if (sameQueue(settings)) {
    findings.add(
      ...([name, 'queues', 'warn', 'legacy and target are of the same kind and have the same queue name'] as const),
      'unless they are on different servers, each side takes the jobs of the other: give target a name of its own',
    )
  }
  inspectServers(settings, findings)
}

function sameQueue({ legacy, target }: MigrationSettings): boolean {
  if (legacy.kind !== target.kind) return false
  const [a, b] = [legacy.create().name, target.create().name]
  // a queue that is made when needed is called by its kind until then
  return a === b && a !== legacy.kind
}

/** The libraries that adapters load late, and from which to install them. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  'bee-queue': ['bee-queue'],
  bullmq: ['bullmq', 'ioredis'],
  redis: ['ioredis'],
  openfeature: ['@openfeature/server-sdk'],
}

/** It has no entry of its own, only parts. */
const MCP_LIBRARY = '@modelcontextprotocol/sdk'

export function inspectLibraries(session: Session, all: readonly MigrationSettings[], findings: Findings): void {
  const kinds = new Set<string>()
  for (const settings of all) for (const side of SIDES) kinds.add(settings[side].kind)
  if (typeof session.config.ledger?.kind === 'string') kinds.add(session.config.ledger.kind)
  if (typeof session.config.flags?.kind === 'string') kinds.add(session.config.flags.kind)
  const needed = new Map<string, string>()
  for (const kind of kinds) for (const library of LIBRARIES[kind] ?? []) needed.set(library, kind)
  if (all.some(({ mcp }) => mcp !== undefined)) needed.set(MCP_LIBRARY, 'mcp')
  for (const [library, kind] of needed) {
    const version = installedVersion(library, library === MCP_LIBRARY ? `${library}/client/index.js` : library)
    if (version !== undefined) findings.add('library', library, 'ok', version)
    else {
      // a queue handed in brings its own library, under whatever name
      const status = kind === 'bee-queue' ? 'warn' : 'bad'
      findings.add('library', library, status, `not found; the ${kind} adapter needs it`, `npm install ${library}`)
    }
  }
  if (needed.size === 0) findings.add('library', 'optional libraries', 'ok', 'none is needed')
}

/** The values of each migration's flag. */
export async function inspectFlags(
  session: Session,
  all: readonly MigrationSettings[],
  findings: Findings,
): Promise<readonly FlagView[]> {
  const views = await Promise.all(all.map((settings) => viewFlag(session, settings)))
  const [first] = views
  if (first === undefined) return []
  const where = first.origin === null ? first.kind : `${first.kind} ${first.origin}`
  const age = first.ageMs === null ? '' : `, last good answer ${formatDuration(first.ageMs)} ago`
  if (first.state === 'ok') findings.add('flags', 'source', 'ok', `${where}${age}`)
  else {
    const bad = first.state === 'broken' || first.state === 'refused' || first.state === 'failed'
    findings.add('flags', 'source', bad ? 'bad' : 'warn', `${where}: ${first.state}\n${first.message ?? ''}`.trimEnd())
  }
  for (const [at, view] of views.entries()) {
    const settings = all[at]!
    if (!(await inspectDoubts(session, settings, view, findings))) inspectFlag(settings, view, findings)
  }
  await inspectWriter(session, first, findings)
  return views
}

/** What the source itself has to say of a flag; true: that is enough. */
async function inspectDoubts(
  session: Session,
  { name, flag, flagKind }: MigrationSettings,
  view: FlagView,
  findings: Findings,
): Promise<boolean> {
  if (view.state === 'failed') return false
  const doubts = (await session.flags()).inspect?.({ flag, flagKind }) ?? []
  for (const { id, status, text, advice } of doubts) {
    findings.add(name, 'flag', status, `"${flag}": ${text} (${id})`, advice.replaceAll('NAME', name))
  }
  return doubts.length > 0
}

async function inspectWriter(session: Session, { state }: FlagView, findings: Findings): Promise<void> {
  if (state === 'failed') return
  const { writer } = await session.flags()
  if (writer?.inspect === undefined) return
  const found = await writer.inspect()
  for (const { status, text, advice } of found) findings.add('flags', 'writing', status, text, advice)
  if (found.length === 0) findings.add('flags', 'writing', 'ok', 'the flag can be written from here')
}

function inspectFlag(settings: MigrationSettings, view: FlagView, findings: Findings): void {
  const { name } = settings
  if (view.state === 'failed') return
  if (view.reading === 'missing') {
    findings.add(
      name,
      'flag',
      'warn',
      `"${view.name}" has no value: every job goes to legacy`,
      `cutover flag set ${name} --target 0% --shadow 0%`,
    )
    return
  }
  const kindIsBoolean = view.reading === 'boolean'
  if (kindIsBoolean && settings.flagKind !== 'boolean') {
    findings.add(
      name,
      'flag',
      'bad',
      `"${view.name}" is a boolean flag, the migration expects dials`,
      "write { target: 25%, shadow: 100% }, or set flagKind: 'boolean'",
    )
    return
  }
  const quiet = (view.shadow ?? 0) > 0 && !settings.shadowable
  if (quiet) {
    findings.add(
      ...([
        name,
        'flag',
        'warn',
        `shadow ${formatShare(view.shadow ?? 0)}, but nothing is shadowed: the migration has shadow: 'off'`,
      ] as const),
      "set shadow: 'effects-declared' once every effect goes through ctx.effect",
    )
    return
  }
  findings.add(name, 'flag', 'ok', dialsText(view))
}
