// Ledgers as a report may meet them: empty, quiet, busy with everything, broken, hostile, huge.

import type { LedgerSnapshot } from '../../src/report/build.ts'
import {
  auditEntry,
  bucket,
  controlState,
  difference,
  epochRecord,
  histogram,
  ledgerSnapshot,
  NO_GAUGES,
  presence,
  START,
  sample,
} from './snapshots.ts'

export const EMPTY: LedgerSnapshot = ledgerSnapshot({ name: 'thread-email' })

/** Done, compared, nothing differs. */
export const CLEAN: LedgerSnapshot = ledgerSnapshot({
  snapshot: {
    buckets: [
      bucket({
        ...{ 'job/dispatched.legacy': 1200, 'job/route.legacy-shadowed': 1200, 'job/ok.legacy': 1200 },
        ...{ 'job/shadow.wanted.target': 1200, 'job/shadow.ok.target': 1200, 'job/pair.matched': 1200 },
        ...{ 'key/pair.matched': 1200, 'key/shadow.wanted.target': 1200, 'key/shadow.ok.target': 1200 },
      }),
    ],
  },
})

const dials = { target: 0.25, shadow: 1, control: 0.1 }
const second = epochRecord({ epoch: 2, startedAt: START + 1_800_000, dials })

/** Everything at once, all sums right. */
export const BUSY: LedgerSnapshot = ledgerSnapshot({
  snapshot: {
    control: controlState({ epoch: second, controlShare: 0.1 }),
    epochs: [epochRecord(), second],
    buckets: [
      bucket({
        ...{ 'job/dispatched.legacy': 9300, 'job/route.legacy': 6200, 'job/route.legacy-shadowed': 3100 },
        ...{ 'job/ok.legacy': 9289, 'job/failed.legacy': 3, 'job/backend-failed.legacy': 1, 'late/ok.legacy': 1 },
        ...{ 'job/error.primary.legacy.Error:ECONNREFUSED': 2, 'job/error.primary.legacy.TypeError': 1 },
        ...{ 'job/error.shadow.target.TypeError': 5 },
        ...{ 'job/shadow.wanted.target': 3100, 'job/shadow.ok.target': 3080, 'job/shadow.failed.target': 5 },
        ...{
          'job/pair.matched': 2510,
          'job/pair.mismatched': 565,
          'job/pair.ignored': 10,
          'job/shadow.shed.target': 10,
        },
        ...{ 'job/pair.orphaned.target': 2, 'job/pair.errors.target-only': 4, 'job/late-outcome.shadow': 1 },
        ...{ 'key/pair.matched': 510, 'key/pair.mismatched': 130, 'job/retried.legacy': 17 },
        ...{ 'key/shadow.wanted.target': 640, 'key/shadow.ok.target': 640 },
        ...{
          'job/control.wanted': 310,
          'job/control.ok': 310,
          'job/control.matched': 309,
          'job/control.mismatched': 1,
        },
        ...{ 'key/control.matched': 60 },
      }),
      bucket(
        {
          ...{ 'job/dispatched.target': 3103, 'job/route.target': 3103, 'job/ok.target': 3085, 'job/failed.target': 2 },
          ...{ 'job/refused.target': 2, 'job/cancelled.target': 4, 'job/zombie.target': 1 },
          ...{ 'excluded/adopted.legacy': 12, 'excluded/dispatched.legacy': 12, 'excluded/route.legacy': 12 },
          ...{ 'excluded/ok.legacy': 12, 'excluded/unrecorded.legacy': 5 },
        },
        { epoch: 2, start: START + 1_800_000 },
      ),
    ],
    gauges: {
      ...NO_GAUGES,
      ...{ waiting: { legacy: 5, target: 7 }, running: { legacy: 1, target: 3 }, inDoubt: { legacy: 0, target: 1 } },
      ...{ overdue: 2, pairsOpen: 3 },
    },
    histograms: [
      histogram('run.primary.legacy', { 1300: 9000, 1500: 290 }),
      histogram('run.primary.target', { 1250: 3000, 1450: 80 }),
      histogram('wait.legacy', { 1000: 9000 }),
      histogram('run.shadow.target', { 1250: 3080 }),
    ],
    differences: [
      difference({ path: '/result/date', pairs: 60, kind: 'type', example: { id: 'old', legacy: 1, target: 2 } }),
      difference({ path: '/result/text', pairs: 412, example: { id: 'mail-1', legacy: 'a\n', target: 'a' } }),
      difference({
        path: '/result/name',
        pairs: 98,
        kind: 'missing',
        example: { id: 'mail-17', legacy: 'Übersicht.pdf' },
      }),
      difference({ path: '/result/date', pairs: 1, which: 'control', kind: 'type' }),
      difference({ path: '…', pairs: 500 }),
      difference({
        ...{ epoch: 2, path: '/result/date', pairs: 2, kind: 'type' },
        example: { id: 'mail-18', legacy: '2026-03-01T10:00:00.000Z', target: null },
      }),
    ],
  },
  presence: [
    presence({ produces: true }),
    presence({ instance: 'i2', works: { legacy: '1' }, skewMs: -40 }),
    presence({ instance: 'i3', works: { target: '2' }, shadows: ['target'] }),
    presence({ instance: 'i4', works: { target: '1' }, gone: true }),
  ],
  audit: [auditEntry({ why: 'first canary' })],
  samples: [sample({ at: START }), sample({ id: 'job-2', at: START + 1000 })],
})

/** What someone else's text may try: a terminal's escapes, turned reading, ends of Markdown's forms. */
export const HOSTILE =
  '\u001b[31mred\u0007\u202eevil\u2066\u200b`` ``` | <script>alert(1)</script> <!-- @team #1 https://x.example ![i](u) \r\n\n# h\n```\n~~~ \u009b2J \ud800'

export const ATTACKED: LedgerSnapshot = ledgerSnapshot({
  name: HOSTILE,
  snapshot: {
    ...CLEAN.snapshot,
    control: controlState({ latch: { set: true, revision: 1, by: HOSTILE, why: HOSTILE, at: START } }),
    differences: [
      difference({ path: `/result/${HOSTILE}`, example: { id: HOSTILE, legacy: HOSTILE, target: [HOSTILE] } }),
      difference({ path: '/result/\\|', example: { id: '`', legacy: { [HOSTILE]: 1 }, target: '```' } }),
    ],
  },
  presence: [
    presence({ produces: true, flagHealth: HOSTILE, works: { target: HOSTILE } }),
    presence({ works: { target: '1' } }),
  ],
  audit: [auditEntry({ by: HOSTILE, action: HOSTILE, why: `${HOSTILE} \\| |` })],
  samples: [sample({ id: HOSTILE })],
})

/** Ten thousand buckets, ten thousand groups of differences, millions of jobs. */
export function huge(): LedgerSnapshot {
  const buckets = Array.from({ length: 10_000 }, (_, i) =>
    bucket(
      {
        ...{
          'job/dispatched.legacy': 200,
          'job/route.legacy-shadowed': 200,
          'job/ok.legacy': 199,
          'job/failed.legacy': 1,
        },
        ...{ 'key/dispatched.legacy': 20, 'key/route.legacy-shadowed': 20, 'key/ok.legacy': 20 },
        ...{ 'job/shadow.wanted.target': 200, 'job/shadow.ok.target': 200, 'job/pair.matched': 180 },
        ...{
          'job/pair.mismatched': 20,
          'key/pair.matched': 18,
          'key/pair.mismatched': 2,
          'key/shadow.wanted.target': 20,
        },
        ...{ 'job/control.wanted': 20, 'job/control.ok': 20, 'job/control.matched': 20, 'key/shadow.ok.target': 20 },
        'job/retried.legacy': 3,
      },
      { start: START + i * 10_000, epoch: 1 + (i % 5) },
    ),
  )
  const differences = Array.from({ length: 10_000 }, (_, i) => difference({ path: `/result/f${i}`, pairs: i + 1 }))
  return ledgerSnapshot({ snapshot: { buckets, differences } })
}
