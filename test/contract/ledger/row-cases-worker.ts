// What a worker does to a row, in every state.

import { claimOf, failure, finishOf, HOUR, ok, only } from './bed.ts'
import { done, failedBy, granted, judged, type Operation, refused, running, sameFor } from './row-cases.ts'

export const WORKER_OPERATIONS: Readonly<Record<string, Operation>> = {
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
      retried: { answer: { status: 'finished', class: 'failed' }, row: done('failed'), counts: judged(failedBy) },
      running: { answer: { status: 'busy' } },
      expired: {
        answer: { status: 'finished', class: 'failed', outcome: { ok: false, error: { code: 'starts-exceeded' } } },
        row: done('failed'),
        counts: judged(failedBy),
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
  release: {
    run: (m, id) => only(m.release([{ id, gen: 0, token: 'token-1' }])),
    again: () => false,
    cases: {
      ...sameFor(
        { answer: true, row: { state: 'open', starts: 0, fails: 0, leaseUntil: 0 } },
        { answer: false },
        { answer: false },
      ),
      open: { answer: false, row: { state: 'open', starts: 0 } },
      retried: { answer: false, row: { state: 'open', starts: 1, fails: 1 } },
      begun: { answer: true, row: { state: 'open', starts: 0, effectsBegun: true } },
    },
  },
  'release with another token': {
    run: (m, id) => only(m.release([{ id, gen: 0, token: 'token-2' }])),
    cases: sameFor({ answer: false }, { answer: false }, { answer: false }),
  },
  'release of another generation': {
    run: (m, id) => only(m.release([{ id, gen: 1, token: 'token-1' }])),
    cases: sameFor({ answer: false }, { answer: false }, { answer: false }),
  },
  'finish with a success': {
    run: (m, id) => only(m.finish([finishOf(id)])),
    cases: {
      ...sameFor(
        { answer: { status: 'finished', class: 'ok' }, row: done('ok'), counts: judged({ 'ok.legacy': 1 }) },
        { answer: { status: 'finished', class: 'ok' }, row: done('ok') },
        { answer: refused('absent') },
      ),
      // the same token answers what was stored; a token that never held the row is a second completion
      failed: { answer: { status: 'finished', class: 'failed' }, row: done('failed') },
      closed: { answer: { status: 'finished', class: 'backend-failed' }, row: done('backend-failed') },
      cancelled: {
        answer: refused('done', 'cancelled'),
        row: done('cancelled'),
        counts: judged({ 'zombie.legacy': 1 }),
      },
    },
  },
  'finish with a success of another token': {
    run: (m, id) => only(m.finish([finishOf(id, { token: 'token-2', outcome: ok('second') })])),
    cases: {
      ...sameFor(
        { answer: { status: 'finished', class: 'ok' }, row: done('ok'), counts: judged({ 'ok.legacy': 1 }) },
        { answer: refused('done', 'ok'), row: done('ok'), counts: judged({ 'zombie.legacy': 1 }) },
        { answer: refused('absent') },
      ),
      failed: { answer: refused('done', 'failed'), row: done('failed'), counts: judged({ 'zombie.legacy': 1 }) },
      cancelled: { answer: refused('done', 'cancelled'), counts: judged({ 'zombie.legacy': 1 }) },
      closed: { answer: refused('done', 'backend-failed'), counts: judged({ 'zombie.legacy': 1 }) },
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
        counts: judged({ 'retried.legacy': 1 }),
      },
      expired: {
        answer: { status: 'retry', fails: 1 },
        row: { state: 'open' },
        counts: judged({ 'retried.legacy': 1 }),
      },
      begun: { answer: { status: 'retry', fails: 1 }, row: { state: 'open' }, counts: judged({ 'retried.legacy': 1 }) },
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
          counts: judged({ ...failedBy, 'effect-failed.legacy': 1 }),
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
        { answer: refused('generation'), counts: judged({ 'zombie.legacy': 1 }) },
        { answer: refused('done', 'ok'), counts: judged({ 'finished-twice': 1 }) },
        { answer: refused('absent') },
      ),
      failed: { answer: refused('done', 'failed'), counts: judged({ 'finished-twice': 1 }) },
      cancelled: { answer: refused('done', 'cancelled'), counts: judged({ 'finished-twice': 1 }) },
      closed: { answer: refused('done', 'backend-failed'), counts: judged({ 'finished-twice': 1 }) },
    },
  },
  'finish of a run that went on without the ledger': {
    run: (m, id) =>
      only(m.finish([finishOf(id, { unrecorded: { epoch: 0, dueAt: Date.now(), route: 'legacy', adopted: false } })])),
    cases: {
      ...sameFor(
        { answer: { status: 'finished', class: 'ok' }, counts: judged({ 'ok.legacy': 1 }) },
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
      cancelled: { answer: refused('done', 'cancelled'), counts: judged({ 'zombie.legacy': 1 }) },
    },
  },
}
