// What may be removed when a migration is over: producers' calls, flag, old worker, old queue, cutover itself. Each in its
// turn, and each only when nothing needs it any more. Reading is IO, judging is pure.

import type { MigrationSettings } from '../config/resolve.ts'
import type { MigrationLedger, PresenceRecord } from '../ports/ledger.ts'
import type { Queue, QueueCounts } from '../ports/queue.ts'
import { openEnvelope } from '../vocabulary/envelope.ts'
import { otherSide, SIDES, type Side } from '../vocabulary/job.ts'
import { type DrainProof, readDrain, type SideDrain } from './drain.ts'

/** Something that is left, by the name under which it can be looked for. */
export interface LeftThing {
  readonly side: Side
  /** The job's id; of a copy whose stamp cannot be read its backend's. */
  readonly id: string
  readonly where: 'waiting' | 'delayed' | 'parked' | 'not ended'
}

export type FinishStep = 'producers' | 'flag' | 'old-worker' | 'old-queue' | 'shadow-queues' | 'cutover'

export interface FinishItem {
  readonly step: FinishStep
  /** What it is, and what to do. */
  readonly text: string
  readonly may: boolean
  /** Why not yet. */
  readonly why: readonly string[]
}

export interface FinishProof {
  readonly keep: Side
  readonly items: readonly FinishItem[]
  readonly left: readonly LeftThing[]
  /** Those that are left and not listed. */
  readonly more: number
  readonly drain: DrainProof
  readonly done: boolean
}

export interface FinishFacts {
  readonly keep: Side
  readonly settings: Pick<MigrationSettings, 'name' | 'flag'>
  readonly names: Readonly<Record<Side, string>>
  /** Share of keys that the flag sends to target; undefined: not known. */
  readonly share: number | undefined
  readonly ceiling: number
  readonly latched: boolean
  readonly drain: DrainProof
  readonly presence: readonly PresenceRecord[]
  /** Stamped copies in the queue that stays, and stamped jobs that have not ended. */
  readonly stamped: { readonly count: number; readonly things: readonly LeftThing[] }
  readonly shadows: Readonly<Record<Side, QueueCounts | undefined>>
  readonly schedules: readonly string[]
}

export function judgeFinish(facts: FinishFacts): FinishProof {
  const { keep, settings, names, drain, stamped } = facts
  const leave = otherSide(keep)
  const producers = facts.presence.filter(({ produces, gone }) => produces && !gone)
  const living = producers.map(({ host, pid }) => `${host}:${pid} still enqueues with cutover`)
  // once nobody asks the flag any more it does not matter what it says, nor whether it is there
  const route = living.length === 0 ? [] : routeWhy(facts)
  const drained = drainedWhy(drain.sides[leave])
  const shadows = shadowsWhy(facts.shadows)
  const item = (step: FinishStep, text: string, why: readonly string[]): FinishItem => ({
    step,
    text,
    may: why.length === 0,
    why,
  })
  const items = [
    item('producers', `enqueue with the library of ${names[keep]} instead of cutover.enqueue`, route),
    item('flag', `remove the flag ${settings.flag}`, living),
    item('old-worker', `stop the ${leave} workers and remove their code`, [...living, ...drained]),
    item('old-queue', `remove the keys of ${names[leave]}`, [...living, ...drained]),
    item('shadow-queues', `remove the keys of the shadow queues`, [...living, ...shadows]),
    item('cutover', `work on ${names[keep]} with its own library; remove cutover, its configuration and its ledger`, [
      ...living,
      ...drained,
      ...shadows,
      ...(stamped.count === 0
        ? []
        : [`${stamped.count} stamped jobs are left on ${keep}: only cutover's workers fence them`]),
      ...facts.schedules.map(
        (name) => `the schedule ${name} is still there: declare it in the new library, then cutover unschedule`,
      ),
    ]),
  ]
  return {
    ...{ keep, items, left: stamped.things, more: stamped.count - stamped.things.length, drain },
    done: items.every(({ may }) => may),
  }
}

/** Why new jobs do not all go to the side that stays. */
function routeWhy({ keep, share, ceiling, latched, settings }: FinishFacts): string[] {
  if (keep === 'legacy') {
    return latched || share === 0 ? [] : [`new jobs may still go to target: cutover rollback ${settings.name}`]
  }
  if (latched) return ['the latch sends every job to legacy']
  if (share === undefined) return [`it is not known what the flag ${settings.flag} says`]
  if (share < 1) return [`the flag ${settings.flag} sends ${Math.round(share * 1000) / 10} % to target`]
  return ceiling < 1 ? [`the ceiling allows ${Math.round(ceiling * 1000) / 10} % on target`] : []
}

function drainedWhy({ side, left, emptySince, windowMs, drained }: SideDrain): string[] {
  if (drained) return []
  if (left.length > 0) return left.map((what) => `${side}: ${what}`)
  const window = `${Math.ceil(windowMs / 1000)} s`
  return emptySince === undefined
    ? [`${side} is empty, seen for the first time; it has to be so for ${window}`]
    : [`${side} is empty, but not yet for ${window}`]
}

function shadowsWhy(shadows: FinishFacts['shadows']): string[] {
  return SIDES.flatMap((side) => {
    const counts = shadows[side]
    if (counts === undefined) return [`the shadow queue of ${side} cannot be asked`]
    const copies = counts.waiting + counts.delayed + counts.running + counts.parked
    return copies === 0 ? [] : [`${copies} copies in the shadow queue of ${side}`]
  })
}

// --------------------------------------------------------------------------------------------------------- reading

export interface FinishReading {
  readonly settings: MigrationSettings
  readonly ledger: MigrationLedger
  readonly queue: (side: Side) => Promise<Queue>
  readonly shadowQueue: (side: Side) => Promise<Queue>
  readonly keep: Side
  readonly share: number | undefined
  readonly windowMs: number
}

const LISTED = 20
const PAGE = 500

export async function readFinish(reading: FinishReading): Promise<FinishProof> {
  const { settings, ledger, queue, shadowQueue, keep, share, windowMs } = reading
  const drain = await readDrain({ ledger, queue, windowMs }, true)
  const shadow = async (side: Side): Promise<QueueCounts | undefined> => {
    try {
      return await (await shadowQueue(side)).counts()
    } catch {
      return undefined // told as such
    }
  }
  const [control, presence, stamped, legacy, target, { schedules }] = await Promise.all([
    ...[ledger.control(), ledger.presence(), stampedLeft(reading)],
    ...[shadow('legacy'), shadow('target'), ledger.schedules()],
  ] as const)
  const name = (side: Side): string => `the ${side} queue (${settings[side].kind})`
  return judgeFinish({
    ...{ keep, settings, share, drain, presence, stamped, names: { legacy: name('legacy'), target: name('target') } },
    ...{ ceiling: control.ceiling, latched: control.latch.set, shadows: { legacy, target } },
    schedules: schedules.map((schedule) => schedule.name),
  })
}

/** Jobs with a stamp on the side that stays: their copies, and their rows that have not ended. Plain jobs may stay. */
async function stampedLeft({ ledger, queue, keep }: FinishReading): Promise<FinishFacts['stamped']> {
  const found = new Map<string, LeftThing>()
  const source = await queue(keep)
  for (const where of ['waiting', 'delayed', 'parked'] as const) {
    let cursor: string | undefined
    do {
      const next: { cursor?: string } = cursor === undefined ? {} : { cursor }
      const page =
        where === 'parked' ? await source.parked(next) : await source.list({ place: where, limit: PAGE, ...next })
      for (const { data, backendId } of page.jobs) {
        const opened = openEnvelope(data)
        if (opened.kind === 'plain' && where !== 'parked') continue
        const id = opened.kind === 'stamped' ? opened.stamp.id : backendId
        found.set(id, { side: keep, id, where })
      }
      cursor = page.cursor
    } while (cursor !== undefined)
  }
  let cursor: string | undefined
  do {
    const page = await ledger.scan({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
    for (const { id, side, state, stamp } of page.rows) {
      const ours = side === keep && state !== 'finished' && !stamp.adopted
      if (ours && !found.has(id)) found.set(id, { side, id, where: 'not ended' })
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return { count: found.size, things: [...found.values()].slice(0, LISTED) }
}
