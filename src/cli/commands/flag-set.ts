// Turns the dials: one write for both of the flag, the control share into the ledger, every turn into the audit log.

import { setTimeout as delay } from 'node:timers/promises'
import type { MigrationSettings } from '../../config/resolve.ts'
import type { FlagDials, FlagSource } from '../../ports/flags.ts'
import type { ControlState, MigrationLedger } from '../../ports/ledger.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { formatDuration } from '../../vocabulary/duration.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { failureOf } from '../failure.ts'
import { dialsOf, type FlagView, viewFlag } from '../flag-view.ts'
import { type Answer, type Call, EXIT } from '../io.ts'
import { columns, foreign, type Pen } from '../pen.ts'
import { type Session, type WhoOptions, whoOf, withSession } from '../session.ts'
import { readStored, writeDials } from '../write-dials.ts'
import { type Applied, awaitApplied } from './flag-wait.ts'

interface SetOptions extends WhoOptions {
  readonly target?: number
  readonly shadow?: number
  readonly control?: number
  readonly force?: boolean
  /** Also switches a flag on that is off. */
  readonly on?: boolean
  readonly wait?: number
}

interface Dialled {
  readonly target: number | null
  readonly shadow: number | null
  readonly control: number
}

export async function setFlag(call: Call<SetOptions>): Promise<Answer> {
  const { target, shadow, control } = call.options
  if (target === undefined && shadow === undefined && control === undefined) {
    throw new CutoverError('usage', 'nothing to set: give --target, --shadow or --control, e.g. --target 25%')
  }
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    // First the ledger: a turn that cannot be written into the audit log is not made.
    const ledger = await session.ledgerOf(settings)
    const state = await ledger.control()
    if (state.drive.driven && call.options.force !== true) refuseDriven(settings.name)
    const flag = await stored(session, settings, await viewFlag(session, settings))
    const before: Dialled = { target: flag.target, shadow: flag.shadow, control: state.controlShare }
    const after: Dialled = {
      target: target ?? before.target,
      shadow: shadow ?? before.shadow,
      control: control ?? before.control,
    }
    let revision = flag.revision
    if (target !== undefined || shadow !== undefined) {
      const dials = { target: after.target ?? 0, shadow: after.shadow ?? 0 }
      revision = await turnFlag(call, session, settings, dials)
    }
    const who = whoOf(call.options)
    await record(ledger, { settings, before, after, revision, ...who }, control)
    const applied = await waited(call, ledger, revision)
    const warnings = [...warningsOf(settings, after, state), ...behindOf(applied)]
    return {
      exit: applied === undefined || applied.all ? EXIT.ok : EXIT.hold,
      json: {
        migration: settings.name,
        flag: settings.flag,
        before,
        after,
        revision,
        by: who.by,
        why: who.why ?? null,
        warnings,
      },
      text: (pen) => setText(settings.name, before, after, warnings, pen),
    }
  })
}

function refuseDriven(name: string): never {
  throw new CutoverError(
    'plan-driven',
    `${name}: a plan is being driven, and its controller turns the dials: cutover promote, pause or rollback. --force turns them past the gates (the plan holds until: cutover resume ${name}); cutover plan release ${name} lets the plan go`,
    { details: { migration: name } },
  )
}

const BY_HAND_WAIT_MS = 600_000

/** Writes the dials, or says what to set by hand and waits until it is seen; answers the revision. */
async function turnFlag(
  call: Call<SetOptions>,
  session: Session,
  settings: MigrationSettings,
  dials: FlagDials,
): Promise<string> {
  const source = await session.flags()
  const { instructions } = source
  if (source.writer !== undefined || instructions === undefined) {
    return await writeDials(session, settings, dials, { switchOn: call.options.on === true })
  }
  if (!isSeen(source, settings.flag, dials)) {
    call.note(instructions.call(source, settings.flag, dials))
    call.note('waiting until it is seen …')
  }
  const ms = call.options.wait ?? BY_HAND_WAIT_MS
  const until = performance.now() + ms
  while (!isSeen(source, settings.flag, dials)) {
    if (performance.now() >= until) {
      const seen = source.read(settings.flag)
      const now =
        seen.kind === 'dials' ? `target ${formatShare(seen.target)}, shadow ${formatShare(seen.shadow)}` : seen.kind
      throw new CutoverError(
        'flag-not-writable',
        `${settings.name}: the flag "${settings.flag}" was not seen with these dials within ${formatDuration(ms)}; it reads: ${now}. ${instructions.call(source, settings.flag, dials)}`,
        { details: { migration: settings.name, flag: settings.flag } },
      )
    }
    await delay(200)
  }
  return source.revision()
}

function isSeen(source: FlagSource, flag: string, dials: FlagDials): boolean {
  const seen = source.read(flag)
  return seen.kind === 'dials' && seen.target === dials.target && seen.shadow === dials.shadow
}

async function waited(
  call: Call<SetOptions>,
  ledger: MigrationLedger,
  wanted: string | null,
): Promise<Applied | undefined> {
  const ms = call.options.wait
  if (ms === undefined || wanted === null) return undefined
  return await awaitApplied({ ledger, wanted, ms, note: call.note })
}

function behindOf(applied: Applied | undefined): string[] {
  const behind = (applied?.processes ?? []).filter((each) => !each.applied).map(({ host, pid }) => `${host}:${pid}`)
  return behind.length === 0 ? [] : [`not yet applied by ${behind.join(', ')}; look with: cutover flag wait`]
}

/** What clients see may lag behind: a dial that is not named keeps the value that is stored. */
async function stored(session: Session, { flag }: MigrationSettings, view: FlagView): Promise<FlagView> {
  if (view.state === 'failed') return view
  const { reading, revision } = await readStored(await session.flags(), flag)
  return { ...view, ...dialsOf(reading), reading: reading.kind, revision }
}

interface Turn {
  readonly settings: MigrationSettings
  readonly before: Dialled
  readonly after: Dialled
  readonly revision: string | null
  readonly by: string
  readonly why?: string
}

async function record(ledger: MigrationLedger, turn: Turn, control: number | undefined): Promise<void> {
  const { settings, before, after, revision, ...who } = turn
  try {
    if (control !== undefined) await ledger.setControlShare({ share: control, ...who })
    const data = { flag: settings.flag, before: { ...before }, after: { ...after }, revision }
    await ledger.audit({ action: 'flag-set', ...who, data })
  } catch (cause) {
    const { message } = failureOf(cause)
    throw new CutoverError(
      'ledger-unavailable',
      `${settings.name}: the flag's own dials were written, but the ledger did not take the rest (control share, audit entry): ${message}; run the command again`,
      { cause, details: { migration: settings.name } },
    )
  }
}

function warningsOf(settings: MigrationSettings, { target, shadow, control }: Dialled, state: ControlState): string[] {
  const warnings: string[] = []
  if (state.latch.set)
    warnings.push(`the latch is set: every job goes to legacy until: cutover unlatch ${settings.name}`)
  if (target !== null && target > state.ceiling) {
    warnings.push(`the ceiling in the ledger lets no more than ${formatShare(state.ceiling)} of the keys go to target`)
  }
  if (shadow !== null && shadow > 0 && !settings.shadowable) {
    warnings.push(
      "no job is shadowed: set shadow: 'effects-declared' in the configuration once every effect goes through ctx.effect",
    )
  }
  if (control > 0 && shadow === 0)
    warnings.push('no job gets a control: only shadowed jobs do, and the shadow dial is 0%')
  return warnings
}

function setText(migration: string, before: Dialled, after: Dialled, warnings: readonly string[], pen: Pen): string {
  const rows = (['target', 'shadow', 'control'] as const).map((dial) => {
    const [was, is] = [shown(before[dial]), shown(after[dial])]
    return [pen.style('dim', dial), was === is ? is : `${was} → ${pen.style('bold', is)}`]
  })
  const warned = warnings.map((text) => `${pen.style('yellow', 'warning')}: ${text}`)
  return `${[`${pen.style('bold', foreign(migration))}`, columns(rows, '  '), ...warned].join('\n')}\n`
}

function shown(value: number | null): string {
  return value === null ? 'not known' : formatShare(value)
}
