// What a producer, an operator or the sweeper does to a row, in every state.

import { noteOf, only, pinOf } from './bed.ts'
import { closedBy, done, exists, judged, type Operation, running, sameFor } from './row-cases.ts'

export const PRODUCER_OPERATIONS: Readonly<Record<string, Operation>> = {
  pin: {
    run: (m, id) => only(m.pin([pinOf(id, { route: 'legacy' })])),
    again: (answer) => ({ ...(answer as object), status: 'exists' }),
    cases: {
      absent: {
        answer: { status: 'pinned', state: 'open', side: 'legacy', gen: 0, fenced: true, control: false },
        row: { state: 'open', verdict: 'none', starts: 0 },
        counts: judged({ 'dispatched.legacy': 1, 'route.legacy': 1 }),
        repeated: { shared: true },
      },
      open: { answer: exists('open'), row: { state: 'open', shared: true } },
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
        counts: judged({
          'dispatched.target': 1,
          'route.target-shadowed': 1,
          'shadow.wanted.legacy': 1,
          'control.wanted': 1,
        }),
        repeated: { shared: true },
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
      open: { answer: undefined, gone: true, counts: judged({ 'refused.legacy': 1 }) },
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
  cancel: {
    run: (m, id) => m.cancel(id),
    cases: {
      ...sameFor({ answer: 'running', row: running }, { answer: 'finished' }, { answer: 'absent' }),
      open: { answer: 'cancelled', row: done('cancelled'), counts: judged({ 'cancelled.legacy': 1 }) },
      retried: { answer: 'cancelled', row: done('cancelled'), counts: judged({ 'cancelled.legacy': 1 }) },
      cancelled: { answer: 'cancelled', row: done('cancelled') },
    },
  },
  closeFailed: {
    run: (m, id) => m.closeFailed(id, { name: 'Error', message: 'stalled too often', code: 'E_STALLED' }),
    again: () => false,
    cases: sameFor(
      { answer: true, row: done('backend-failed'), counts: judged(closedBy) },
      { answer: false },
      { answer: false },
    ),
  },
  markLost: {
    run: async (m, id) => {
      const changed = await m.markLost(id, true)
      return { changed, lost: (await m.row(id))?.lostAt !== undefined }
    },
    again: (answer) => ({ ...(answer as object), changed: false }),
    cases: sameFor(
      { answer: { changed: true, lost: true } },
      { answer: { changed: false, lost: false } },
      { answer: { changed: false, lost: false } },
    ),
  },
  'markLost, found again': {
    run: async (m, id) => {
      const changed = [await m.markLost(id, false), await m.markLost(id, true), await m.markLost(id, false)]
      return { changed, lostAt: (await m.row(id))?.lostAt }
    },
    cases: sameFor(
      { answer: { changed: [false, true, true], lostAt: undefined } },
      { answer: { changed: [false, false, false], lostAt: undefined } },
      { answer: { changed: [false, false, false], lostAt: undefined } },
    ),
  },
}
