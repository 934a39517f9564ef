// The contract of `RowLedger`: every state of a row against every operation, and that each call may be repeated.

import { describe, expect, it } from 'vitest'
import type { JobRow, MigrationLedger } from '../../../src/ports/ledger.ts'
import {
  allRows,
  claimOf,
  counted,
  failure,
  finishOf,
  HOUR,
  type LedgerBench,
  newId,
  noteOf,
  ok,
  only,
  pinOf,
} from './bed.ts'

type State = 'absent' | 'open' | 'retried' | 'running' | 'expired' | 'begun' | 'ok' | 'failed' | 'cancelled' | 'closed'
const STATES = 'absent open retried running expired begun ok failed cancelled closed'.split(' ') as State[]

/** Brings a new job into a state by the operations that lead there. */
async function jobIn(state: State, m: MigrationLedger): Promise<string> {
  const id = newId()
  if (state === 'absent') return id
  await m.pin([pinOf(id)])
  if (state === 'open') return id
  if (state === 'cancelled') {
    await m.cancel(id)
    return id
  }
  await m.claim([claimOf(id, state === 'expired' ? { leaseMs: 0 } : {})])
  const error = failure().error ?? { name: 'Error', message: '' }
  if (state === 'begun') await m.begin([{ id, gen: 0, token: 'token-1' }])
  if (state === 'ok') await m.finish([finishOf(id)])
  if (state === 'retried') await m.finish([finishOf(id, { outcome: failure() })])
  if (state === 'failed') await m.finish([finishOf(id, { outcome: failure(), fatal: true })])
  if (state === 'closed') await m.closeFailed(id, error)
  return id
}

interface Case {
  readonly answer: unknown
  /** Of the row after it. */
  readonly row?: Partial<JobRow>
  /** There is no row after it. */
  readonly gone?: boolean
  readonly counts?: Record<string, number>
}

interface Operation {
  readonly run: (m: MigrationLedger, id: string) => Promise<unknown>
  /** What it answers when it is asked once more, where that is not the same. */
  readonly again?: (answer: unknown) => unknown
  readonly cases: Readonly<Record<State, Case>>
}

const j = (measures: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(measures).flatMap(([k, n]) => [[`job/${k}`, n] as const, [`key/${k}`, n] as const]))
const granted = (over: object = {}): object => ({
  status: 'granted',
  attempt: 1,
  fails: 0,
  starts: 1,
  maxAttempts: 3,
  ...over,
})
const done = (cls: string): Partial<JobRow> => ({ state: 'finished', class: cls as 'ok' })
const failedBy = { 'failed.legacy': 1, 'failed.group.legacy.5': 1 }
const closedBy = { 'backend-failed.legacy': 1, 'failed.group.legacy.5': 1 }
const refused = (why: string, cls?: string): object => ({ status: 'refused', why, ...(cls ? { class: cls } : {}) })
const exists = (state: string): object => ({
  status: 'exists',
  state,
  side: 'legacy',
  gen: 0,
  route: 'legacy',
  epoch: 0,
})
const running = { state: 'running', token: 'token-1', starts: 1 } as const

const OPERATIONS: Readonly<Record<string, Operation>> = {
  pin: {
    run: (m, id) => only(m.pin([pinOf(id, { route: 'legacy' })])),
    again: (answer) => ({ ...(answer as object), status: 'exists' }),
    cases: {
      absent: {
        answer: { status: 'pinned', state: 'open', side: 'legacy', gen: 0, fenced: true, control: false },
        row: { state: 'open', verdict: 'none', starts: 0 },
        counts: j({ 'dispatched.legacy': 1, 'route.legacy': 1 }),
      },
      open: { answer: exists('open'), row: { state: 'open' } },
      retried: { answer: exists('open'), row: { state: 'open', fails: 1 } },
      running: { answer: exists('running'), row: running },
      expired: { answer: exists('running'), row: running },
      begun: { answer: exists('running'), row: { effectsBegun: true } },
      ok: { answer: exists('finished'), row: done('ok') },
      failed: { answer: exists('finished'), row: done('failed') },
      cancelled: { answer: exists('finished'), row: done('cancelled') },
      closed: { answer: exists('finished'), row: done('backend-failed') },
    },
  },
  'pin of another route': {
    run: (m, id) => only(m.pin([pinOf(id, { route: 'target-shadowed', epoch: 3, control: true })])),
    again: (answer) => ({ ...(answer as object), status: 'exists' }),
    cases: {
      absent: {
        answer: { status: 'pinned', side: 'target', route: 'target-shadowed', epoch: 3, control: true },
        row: { side: 'target', verdict: 'open', controlVerdict: 'open' },
        counts: j({
          'dispatched.target': 1,
          'route.target-shadowed': 1,
          'shadow.wanted.legacy': 1,
          'control.wanted': 1,
        }),
      },
      open: { answer: exists('open'), row: { state: 'open', side: 'legacy', verdict: 'none' } },
      retried: { answer: exists('open') },
      running: { answer: exists('running') },
      expired: { answer: exists('running') },
      begun: { answer: exists('running') },
      ok: { answer: exists('finished') },
      failed: { answer: exists('finished') },
      cancelled: { answer: exists('finished') },
      closed: { answer: exists('finished') },
    },
  },
  unpin: {
    run: (m, id) => m.unpin([id]),
    cases: {
      absent: { answer: undefined },
      open: { answer: undefined, gone: true, counts: j({ 'refused.legacy': 1 }) },
      retried: { answer: undefined, row: { state: 'open', fails: 1 } },
      running: { answer: undefined, row: running },
      expired: { answer: undefined, row: running },
      begun: { answer: undefined, row: running },
      ok: { answer: undefined, row: done('ok') },
      failed: { answer: undefined, row: done('failed') },
      cancelled: { answer: undefined, row: done('cancelled') },
      closed: { answer: undefined, row: done('backend-failed') },
    },
  },
  note: {
    run: (m, id) => m.note([noteOf(id)]),
    cases: {
      absent: {
        answer: undefined,
        row: { state: 'open', side: 'legacy' },
        counts: { 'excluded/dispatched.legacy': 1, 'excluded/route.legacy': 1, 'excluded/unflagged.legacy': 1 },
      },
      open: { answer: undefined, row: { state: 'open' } },
      retried: { answer: undefined, row: { fails: 1 } },
      running: { answer: undefined, row: running },
      expired: { answer: undefined, row: running },
      begun: { answer: undefined, row: running },
      ok: { answer: undefined, row: done('ok') },
      failed: { answer: undefined, row: done('failed') },
      cancelled: { answer: undefined, row: done('cancelled') },
      closed: { answer: undefined, row: done('backend-failed') },
    },
  },
  'claim, a new run': {
    run: (m, id) => only(m.claim([claimOf(id, { token: 'token-2' })])),
    cases: {
      absent: { answer: { status: 'park' } },
      open: { answer: granted(), row: { state: 'running', token: 'token-2', starts: 1, effectsBegun: false } },
      retried: { answer: granted({ attempt: 2, fails: 1, starts: 2 }), row: { state: 'running', token: 'token-2' } },
      running: { answer: { status: 'busy' }, row: running },
      expired: { answer: granted({ starts: 2 }), row: { state: 'running', token: 'token-2', starts: 2 } },
      begun: { answer: { status: 'busy' }, row: running },
      ok: { answer: { status: 'finished', class: 'ok', outcome: ok() }, row: done('ok') },
      failed: { answer: { status: 'finished', class: 'failed', outcome: failure() }, row: done('failed') },
      cancelled: { answer: { status: 'finished', class: 'cancelled' }, row: done('cancelled') },
      closed: {
        answer: { status: 'finished', class: 'backend-failed', outcome: { ok: false, error: failure().error } },
        row: done('backend-failed'),
      },
    },
  },
  'claim by the same run': {
    run: (m, id) => only(m.claim([claimOf(id, { effectsUnknown: true })])),
    cases: {
      absent: { answer: { status: 'park' } },
      open: { answer: granted({ effectsBegun: true }), row: { ...running, effectsBegun: true } },
      retried: { answer: granted({ attempt: 2, fails: 1, starts: 2 }), row: { state: 'running', starts: 2 } },
      running: { answer: granted({ effectsBegun: false }), row: running },
      expired: { answer: granted(), row: running },
      begun: { answer: granted({ effectsBegun: true }), row: running },
      ok: { answer: { status: 'finished' } },
      failed: { answer: { status: 'finished' } },
      cancelled: { answer: { status: 'finished' } },
      closed: { answer: { status: 'finished' } },
    },
  },
  'claim of an unfenced copy without a stamp': {
    run: (m, id) => only(m.claim([claimOf(id, { token: 'token-2', fenced: false })])),
    cases: {
      absent: {
        answer: granted({ stamp: { adopted: true, reason: 'adopted', fenced: false } }),
        row: { state: 'running', token: 'token-2' },
        counts: { 'excluded/dispatched.legacy': 1, 'excluded/route.legacy': 1, 'excluded/adopted.legacy': 1 },
      },
      open: { answer: granted() },
      retried: { answer: granted({ attempt: 2, fails: 1, starts: 2 }) },
      running: { answer: { status: 'busy' } },
      expired: { answer: granted({ starts: 2 }) },
      begun: { answer: { status: 'busy' } },
      ok: { answer: { status: 'finished' } },
      failed: { answer: { status: 'finished' } },
      cancelled: { answer: { status: 'finished' } },
      closed: { answer: { status: 'finished' } },
    },
  },
  'claim of a newer generation': {
    run: (m, id) => only(m.claim([claimOf(id, { gen: 1 })])),
    cases: sameFor({ answer: { status: 'defer' } }, { answer: { status: 'finished' } }, { answer: { status: 'park' } }),
  },
  'claim on the other side': {
    run: (m, id) => only(m.claim([claimOf(id, { side: 'target' })])),
    cases: sameFor({ answer: { status: 'defer' } }, { answer: { status: 'finished' } }, { answer: { status: 'park' } }),
  },
  'claim above the most starts': {
    run: (m, id) => only(m.claim([claimOf(id, { token: 'token-2', maxStarts: 1 })])),
    cases: {
      absent: { answer: { status: 'park' } },
      open: { answer: granted() },
      retried: { answer: { status: 'finished', class: 'failed' }, row: done('failed'), counts: j(failedBy) },
      running: { answer: { status: 'busy' } },
      expired: {
        answer: { status: 'finished', class: 'failed', outcome: { ok: false, error: { code: 'starts-exceeded' } } },
        row: done('failed'),
        counts: j(failedBy),
      },
      begun: { answer: { status: 'busy' } },
      ok: { answer: { status: 'finished', class: 'ok' } },
      failed: { answer: { status: 'finished', class: 'failed' } },
      cancelled: { answer: { status: 'finished', class: 'cancelled' } },
      closed: { answer: { status: 'finished', class: 'backend-failed' } },
    },
  },
  begin: {
    run: (m, id) => only(m.begin([{ id, gen: 0, token: 'token-1' }])),
    cases: {
      ...sameFor({ answer: true, row: { state: 'running', effectsBegun: true } }, { answer: false }, { answer: false }),
      open: { answer: false, row: { state: 'open', effectsBegun: false } },
      retried: { answer: false, row: { state: 'open', effectsBegun: false } },
    },
  },
  'begin with another token': {
    run: (m, id) => only(m.begin([{ id, gen: 0, token: 'token-2' }])),
    cases: sameFor({ answer: false }, { answer: false }, { answer: false }),
  },
  'begin of another generation': {
    run: (m, id) => only(m.begin([{ id, gen: 1, token: 'token-1' }])),
    cases: sameFor({ answer: false }, { answer: false }, { answer: false }),
  },
  extend: {
    run: (m, id) => only(m.extend([{ id, gen: 0, token: 'token-1', leaseMs: HOUR }])),
    cases: {
      ...sameFor({ answer: true, row: running }, { answer: false }, { answer: false }),
      open: { answer: false, row: { state: 'open', leaseUntil: 0 } },
      retried: { answer: false, row: { state: 'open', leaseUntil: 0 } },
    },
  },
  'extend with another token': {
    run: (m, id) => only(m.extend([{ id, gen: 0, token: 'token-2', leaseMs: HOUR }])),
    cases: sameFor({ answer: false }, { answer: false }, { answer: false }),
  },
  'finish with a success': {
    run: (m, id) => only(m.finish([finishOf(id)])),
    cases: {
      ...sameFor(
        { answer: { status: 'finished', class: 'ok' }, row: done('ok'), counts: j({ 'ok.legacy': 1 }) },
        { answer: { status: 'finished', class: 'ok' }, row: done('ok') },
        { answer: refused('absent') },
      ),
      // the same token answers what was stored; a token that never held the row is a second completion
      failed: { answer: { status: 'finished', class: 'failed' }, row: done('failed') },
      closed: { answer: { status: 'finished', class: 'backend-failed' }, row: done('backend-failed') },
      cancelled: {
        answer: refused('done', 'cancelled'),
        row: done('cancelled'),
        counts: j({ 'zombie.legacy': 1 }),
      },
    },
  },
  'finish with a success of another token': {
    run: (m, id) => only(m.finish([finishOf(id, { token: 'token-2', outcome: ok('second') })])),
    cases: {
      ...sameFor(
        { answer: { status: 'finished', class: 'ok' }, row: done('ok'), counts: j({ 'ok.legacy': 1 }) },
        { answer: refused('done', 'ok'), row: done('ok'), counts: j({ 'zombie.legacy': 1 }) },
        { answer: refused('absent') },
      ),
      failed: { answer: refused('done', 'failed'), row: done('failed'), counts: j({ 'zombie.legacy': 1 }) },
      cancelled: { answer: refused('done', 'cancelled'), counts: j({ 'zombie.legacy': 1 }) },
      closed: { answer: refused('done', 'backend-failed'), counts: j({ 'zombie.legacy': 1 }) },
    },
  },
  'finish with a failure': {
    run: (m, id) => only(m.finish([finishOf(id, { outcome: failure() })])),
    cases: {
      absent: { answer: refused('absent') },
      open: { answer: refused('token'), row: { state: 'open', fails: 0 } },
      retried: { answer: { status: 'retry', fails: 1, maxAttempts: 3 }, row: { state: 'open', fails: 1 } },
      running: {
        answer: { status: 'retry', fails: 1, maxAttempts: 3 },
        row: { state: 'open', fails: 1, leaseUntil: 0 },
        counts: j({ 'retried.legacy': 1 }),
      },
      expired: { answer: { status: 'retry', fails: 1 }, row: { state: 'open' }, counts: j({ 'retried.legacy': 1 }) },
      begun: { answer: { status: 'retry', fails: 1 }, row: { state: 'open' }, counts: j({ 'retried.legacy': 1 }) },
      ok: { answer: { status: 'finished', class: 'ok' } },
      failed: { answer: { status: 'finished', class: 'failed' } },
      cancelled: { answer: refused('done', 'cancelled') },
      closed: { answer: { status: 'finished', class: 'backend-failed' } },
    },
  },
  'finish with a fatal failure': {
    run: (m, id) => only(m.finish([finishOf(id, { outcome: failure(), fatal: true, effectFailed: true })])),
    cases: {
      ...sameFor(
        {
          answer: { status: 'finished', class: 'failed' },
          row: done('failed'),
          counts: j({ ...failedBy, 'effect-failed.legacy': 1 }),
        },
        { answer: { status: 'finished', class: 'ok' } },
        { answer: refused('absent') },
      ),
      open: { answer: refused('token'), row: { state: 'open' } },
      retried: { answer: { status: 'retry', fails: 1 }, row: { state: 'open' } },
      failed: { answer: { status: 'finished', class: 'failed' } },
      cancelled: { answer: refused('done', 'cancelled') },
      closed: { answer: { status: 'finished', class: 'backend-failed' } },
    },
  },
  'finish with a failure of another token': {
    run: (m, id) => only(m.finish([finishOf(id, { token: 'token-2', outcome: failure(), fatal: true })])),
    cases: {
      ...sameFor({ answer: refused('token') }, { answer: refused('done', 'ok') }, { answer: refused('absent') }),
      failed: { answer: refused('done', 'failed') },
      cancelled: { answer: refused('done', 'cancelled') },
      closed: { answer: refused('done', 'backend-failed') },
    },
  },
  'finish of a newer generation': {
    run: (m, id) => only(m.finish([finishOf(id, { gen: 1, token: 'token-2' })])),
    again: (answer) => answer,
    cases: {
      ...sameFor(
        { answer: refused('generation'), counts: j({ 'zombie.legacy': 1 }) },
        { answer: refused('done', 'ok'), counts: j({ 'finished-twice': 1 }) },
        { answer: refused('absent') },
      ),
      failed: { answer: refused('done', 'failed'), counts: j({ 'finished-twice': 1 }) },
      cancelled: { answer: refused('done', 'cancelled'), counts: j({ 'finished-twice': 1 }) },
      closed: { answer: refused('done', 'backend-failed'), counts: j({ 'finished-twice': 1 }) },
    },
  },
  'finish of a run that went on without the ledger': {
    run: (m, id) =>
      only(m.finish([finishOf(id, { unrecorded: { epoch: 0, dueAt: Date.now(), route: 'legacy', adopted: false } })])),
    cases: {
      ...sameFor(
        { answer: { status: 'finished', class: 'ok' }, counts: j({ 'ok.legacy': 1 }) },
        { answer: { status: 'finished', class: 'ok' } },
        {
          answer: { status: 'finished', class: 'ok' },
          row: done('ok'),
          counts: {
            ...{ 'excluded/dispatched.legacy': 1, 'excluded/route.legacy': 1 },
            ...{ 'excluded/unflagged.legacy': 1, 'excluded/ok.legacy': 1 },
          },
        },
      ),
      failed: { answer: { status: 'finished', class: 'failed' } },
      closed: { answer: { status: 'finished', class: 'backend-failed' } },
      cancelled: { answer: refused('done', 'cancelled'), counts: j({ 'zombie.legacy': 1 }) },
    },
  },
  cancel: {
    run: (m, id) => m.cancel(id),
    cases: {
      ...sameFor({ answer: 'running', row: running }, { answer: 'finished' }, { answer: 'absent' }),
      open: { answer: 'cancelled', row: done('cancelled'), counts: j({ 'cancelled.legacy': 1 }) },
      retried: { answer: 'cancelled', row: done('cancelled'), counts: j({ 'cancelled.legacy': 1 }) },
      cancelled: { answer: 'cancelled', row: done('cancelled') },
    },
  },
  closeFailed: {
    run: (m, id) => m.closeFailed(id, { name: 'Error', message: 'stalled too often', code: 'E_STALLED' }),
    again: () => false,
    cases: sameFor(
      { answer: true, row: done('backend-failed'), counts: j(closedBy) },
      { answer: false },
      { answer: false },
    ),
  },
  markLost: {
    run: async (m, id) => {
      await m.markLost(id, true)
      return (await m.row(id))?.lostAt !== undefined
    },
    cases: sameFor({ answer: true }, { answer: false }, { answer: false }),
  },
  'markLost, found again': {
    run: async (m, id) => {
      await m.markLost(id, true)
      await m.markLost(id, false)
      return (await m.row(id))?.lostAt
    },
    cases: sameFor({ answer: undefined }, { answer: undefined }, { answer: undefined }),
  },
}

/** One case for all unfinished states, one for all finished ones, one for an absent row. */
function sameFor(unfinished: Case, finished: Case, absent: Case): Record<State, Case> {
  const over = ['ok', 'failed', 'cancelled', 'closed']
  const of = (state: State): Case => (state === 'absent' ? absent : over.includes(state) ? finished : unfinished)
  return Object.fromEntries(STATES.map((state) => [state, of(state)])) as Record<State, Case>
}

/** Refused second completions are counted each time: they are events of the worker, not of the row. */
const COUNTED_EACH_TIME = ['zombie', 'finished-twice']

export function rowContract(bench: () => LedgerBench): void {
  describe.each(Object.entries(OPERATIONS))('%s', (_name, { run, again, cases }) => {
    it.each(Object.entries(cases))('of a row that is %s', async (state, { answer, row, gone, counts = {} }) => {
      const m = bench().migration()
      const id = await jobIn(state as State, m)
      let first: unknown
      expect(
        await counted(m, async () => {
          first = await run(m, id)
        }),
      ).toEqual(counts)
      if (typeof answer === 'object') expect(first).toMatchObject(answer as object)
      else expect(first).toBe(answer)
      const after = await m.row(id)
      if (row !== undefined) expect(after).toMatchObject(row)
      const stillAbsent = state === 'absent' && Object.keys(counts).length === 0
      if (stillAbsent || gone === true) expect(after).toBeUndefined()

      const repeated = await counted(m, async () => {
        const second = await run(m, id)
        if (again === undefined) expect(timeless(second)).toEqual(timeless(first))
        else expect(timeless(second)).toEqual(timeless(again(first)))
      })
      const events = Object.keys(repeated).filter((key) => !COUNTED_EACH_TIME.some((name) => key.includes(name)))
      expect(events).toEqual([])
      expect(timeless(await m.row(id))).toEqual(timeless(after))
    })
  })

  describe('scan', () => {
    it('returns every unfinished row and every finished one with an open verdict, and no other', async () => {
      const m = bench().migration()
      const open = Array.from({ length: 20 }, (_, n) => `open-${n}`)
      await m.pin([...open, 'done', 'half', 'compared'].map((id) => pinOf(id, { route: 'legacy-shadowed' })))
      await m.pin([pinOf('plain-done')])
      await m.finish(['half', 'done', 'plain-done'].map((id) => finishOf(id)))
      await m.shed([{ id: 'done', which: 'pair' }])
      const rows = await allRows(m, 3)
      expect([...rows.keys()].sort()).toEqual([...open, 'compared', 'half'].sort())
      expect(rows.get('half')?.slots.primary).toEqual(ok())
    })

    it('misses no row while others come and go', async () => {
      const m = bench().migration()
      const ids = Array.from({ length: 30 }, (_, n) => `stays-${n}`)
      await m.pin([...ids, ...ids.map((id) => `${id}-goes`)].map((id) => pinOf(id)))
      const seen = new Set<string>()
      let cursor: string | undefined
      let page = 0
      do {
        const answer = await m.scan({ limit: 5, ...(cursor === undefined ? {} : { cursor }) })
        for (const row of answer.rows) seen.add(row.id)
        cursor = answer.cursor
        page += 1
        if (page <= 10) await m.finish(ids.slice(page * 2, page * 2 + 2).map((id) => finishOf(`${id}-goes`)))
        if (page <= 10) await m.pin([pinOf(`a-new-${page}`), pinOf(`z-new-${page}`)])
      } while (cursor !== undefined)
      expect(ids.filter((id) => !seen.has(id))).toEqual([])
    })
  })
}

const TIMES = new Set(['now', 'dueAt', 'leaseUntil', 'finishedAt', 'pinnedAt', 'startedAt', 'lostAt'])
/** Without what differs between two calls only because time passed. */
export function timeless(value: unknown): unknown {
  if (value === undefined) return undefined
  return JSON.parse(JSON.stringify(value, (key, part: unknown) => (TIMES.has(key) ? undefined : part)))
}
