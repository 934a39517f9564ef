// The second half of a rollback: what waits on target comes home, and what is left there is told.

import { bringHome, type HomeResult, isEmpty, type OnTarget, rowsOnTarget } from '../backlog/home.ts'
import { Mover } from '../backlog/move.ts'
import { auditMove } from '../backlog/move-audit.ts'
import type { MigrationSettings } from '../config/resolve.ts'
import type { MigrationLedger } from '../ports/ledger.ts'
import { formatCount } from '../report/format.ts'
import { failureOf } from './failure.ts'
import type { Call } from './io.ts'
import { moveTable } from './move-table.ts'
import { foreign, type Pen } from './pen.ts'
import { progressOf } from './progress.ts'
import type { Session } from './session.ts'

export type Home =
  /** Nothing was there to be moved, or it was to be left. */
  | { readonly kind: 'still'; readonly onTarget: OnTarget }
  | { readonly kind: 'home'; readonly result: HomeResult }
  /** It could not be moved now; it is on target, safe, and the latch holds. */
  | { readonly kind: 'stayed'; readonly onTarget: Omit<OnTarget, 'copies'>; readonly message: string }

export interface HomeCall {
  readonly call: Call<{ readonly wait: number; readonly move?: boolean }>
  readonly session: Session
  readonly settings: MigrationSettings
  readonly ledger: MigrationLedger
  readonly who: { readonly by: string; readonly why?: string }
  readonly signal: AbortSignal | undefined
}

export async function comeHome({ call, session, settings, ledger, who, signal }: HomeCall): Promise<Home> {
  const rows = rowsOnTarget((await ledger.snapshot()).gauges)
  // nothing there: no queue is opened, so that a rollback needs nothing but the ledger
  if (isEmpty({ ...rows, copies: 0 }) || call.options.move === false) {
    return { kind: 'still', onTarget: { ...rows, copies: 0 } }
  }
  const progress = progressOf(call, 'jobs home')
  const queue = (side: 'legacy' | 'target') => session.queue(settings, side)
  const mover = new Mover({ settings, by: who.by, ledger: async () => ledger, queue })
  try {
    const result = await bringHome({
      ...{ mover, ledger, waitMs: call.options.wait, ...(signal === undefined ? {} : { signal }) },
      counts: async () => (await queue('target')).counts({ detail: true }),
      onProgress: ({ moved, left, total }) => progress.update(moved + left, total),
    })
    if (result.moved + result.pending > 0) {
      const sum = { ...result, from: 'target', to: 'legacy', stale: 0, complete: !result.interrupted } as const
      await auditMove(ledger, sum, who)
    }
    return { kind: 'home', result }
  } catch (error) {
    return { kind: 'stayed', onTarget: rows, message: failureOf(error).message }
  } finally {
    progress.end()
  }
}

/** Nothing is left on target, as far as can be known. */
export function isHome(home: Home): boolean {
  return home.kind === 'home' ? home.result.empty : home.kind === 'still' && isEmpty(home.onTarget)
}

export function homeJson(home: Home): object {
  if (home.kind === 'still') return { home: { kind: 'still' }, onTarget: home.onTarget }
  if (home.kind === 'stayed') return { home: { kind: 'stayed', message: home.message }, onTarget: home.onTarget }
  const { onTarget, ...rest } = home.result
  return { home: { kind: 'home', ...rest }, onTarget }
}

export function homeText(home: Home, pen: Pen): string[] {
  if (home.kind === 'still') return leftText(home.onTarget, 'they are worked off there')
  if (home.kind === 'stayed') {
    const why = `${pen.style('yellow', 'warning')}: what waits on target stays there: ${foreign(home.message, 400)}`
    return [why, ...leftText(home.onTarget, 'run rollback again to bring them home')]
  }
  const { moved, left, pending, empty, interrupted, onTarget } = home.result
  const table = moveTable({ left, pending, stale: 0 }, pen)
  const back = `${formatCount(moved)} came home from target${empty ? '; target is empty' : ''}`
  const more = interrupted ? 'stopped: run rollback again to go on' : 'run rollback again to look again'
  return [back, ...(table === '' ? [] : [table]), ...leftText(onTarget, more)]
}

function leftText(onTarget: OnTarget | Omit<OnTarget, 'copies'>, what: string): string[] {
  const { waiting, running, moving } = onTarget
  if (waiting + running + moving === 0) return []
  const under = moving === 0 ? '' : ` and ${formatCount(moving)} under way`
  return [
    `on target there still are ${formatCount(waiting)} waiting and ${formatCount(running)} running${under}; ${what}`,
  ]
}
