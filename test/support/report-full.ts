// A ledger in the middle of a migration, with everything that a report can show and enough of it to be looked at.

import { resolveMigration } from '../../src/config/resolve.ts'
import { type CutoverConfig, type } from '../../src/config/types.ts'
import type { Snapshot } from '../../src/ports/ledger.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'
import type { LedgerSnapshot } from '../../src/report/build.ts'
import { driveFacts, judgeDriven } from '../../src/rollout/drive/look.ts'
import { type DriveRecord, type Move, recordJson } from '../../src/rollout/drive/record.ts'
import { withTrend } from '../../src/rollout/drive/trend.ts'
import { defaultPlan, type Plan, parsePlan } from '../../src/rollout/plan.ts'
import { PROBE_PLACES, type ProbePlace, type StoredProbe, type ToolStamp } from '../../src/vocabulary/probe.ts'
import { BUSY } from './report-cases.ts'
import { auditEntry, bucket, difference, epochRecord, histogram, START } from './snapshots.ts'

const MINUTE = 60_000

const queue = (kind: string): QueueSpec => ({
  kind,
  capabilities: { backoff: true } as QueueSpec['capabilities'],
  create: () => {
    throw new Error('a report opens no queue')
  },
})

const CONFIG = {
  migrations: {
    'parse-email': {
      ...{ payload: type(), legacy: queue('bee-queue'), target: queue('bullmq'), key: () => 'k', attempts: 3 },
      ...{ backoff: '10s', shadow: 'effects-declared', plan: 'migration-plan.md' },
      compare: { ignore: ['/receivedAt'], tolerance: { '/score': 1e-9 }, redact: ['/from'], ignoreWhen: () => false },
    },
  },
} as unknown as CutoverConfig

/** Histograms as of a log-normal time: a bell over the logarithmic buckets. */
function bell(middle: number, width: number, n: number): Record<number, number> {
  const counts: Record<number, number> = {}
  for (let step = -30; step <= 45; step += 1) {
    const count = Math.round((n / 25) * Math.exp(-((step / 14) ** 2)))
    if (count > 0) counts[middle + step * width] = count
  }
  return counts
}

/** What is due in a minute of the canary stage, beside what `BUSY` has. */
const COMPARED = Object.fromEntries(
  Object.entries({
    ...{ 'dispatched.legacy': 20, 'route.legacy-shadowed': 20, 'ok.legacy': 20, 'shadow.wanted.target': 20 },
    ...{ 'shadow.ok.target': 20, 'pair.matched': 16, 'pair.mismatched': 4 },
  }).flatMap(([measure, n]) => [
    [`job/${measure}`, n],
    [`key/${measure}`, n],
  ]),
)

const [PLAN] = parsePlan(
  defaultPlan({ migration: 'parse-email', legacy: 'bee-queue', target: 'bullmq' }),
  'migration-plan.md',
) as [Plan]

/** In its third stage, with a rollback behind it. */
const RECORD: DriveRecord = {
  ...{ v: 1, plan: PLAN, phase: 'watching', stage: PLAN.stages[2]?.name ?? '', targetVersion: '2', legacyRate: 0.001 },
  ...{ attempts: Object.fromEntries(PLAN.stages.slice(0, 3).map(({ name }, at) => [name, at === 1 ? 2 : 1])) },
  ...{ enteredAt: START + 30 * MINUTE, epoch: 2, latch: 2, decisions: 4, told: [] },
  moves: [
    ...['enter', 'promote', 'rollback', 'enter', 'promote'].map((action, at): Move => {
      const stage = PLAN.stages[[0, 1, 0, 1, 2][at] ?? 0] ?? PLAN.stages[0]
      const { name = '', target = 0, shadow = 0, control = 0 } = stage ?? {}
      return {
        ...{
          at: START + at * 7 * MINUTE,
          by: 'controller@host',
          action,
          stage: name,
          attempt: at > 2 ? 2 : 1,
          epoch: 1,
        },
        ...{ dials: { target, shadow, control }, why: 'no alarm', decision: at + 1 },
      }
    }),
  ],
}

const TOOLS = ['create_issue', 'get_file', 'list_issues', 'search_code'].map((name): ToolStamp => [name, 'a1b2'])

function probe(server: string, place: ProbePlace, over: Partial<StoredProbe> = {}): StoredProbe {
  const phases = (['spawn', 'initialize', 'list', 'close'] as const).map((phase, at) => ({
    phase,
    ms: 40 + at,
    ok: true,
  }))
  return {
    ...{ id: 'round-1', server, place, class: 'ok', ms: 166, phases, at: START + 50 * MINUTE, tools: TOOLS },
    ...{ reached: 'stdio npx, 2 arguments, env TOKEN', protocol: '2025-06-18', serverInfo: `${server} 1.4.0` },
    ...over,
  }
}

/** One alike everywhere, one that hangs in the workers of target, one with fewer tools there. */
const PROBES: readonly StoredProbe[] = [
  ...PROBE_PLACES.map((place) => probe('files', place)),
  ...(['baseline', 'legacy'] as const).map((place) => probe('github', place)),
  {
    ...probe('github', 'target', { class: 'spawn-blocked', ms: 30_000, orphans: 2 }),
    phases: [{ phase: 'spawn', ms: 30_000, ok: false }],
    hang: {
      sentence: 'the worker waits in spawn for a child that has not called exec; the event loop stands still',
      details: [
        {
          what: 'the main thread',
          lines: ['wchan anon_pipe_read', 'child 4711: its command line is still that of the worker'],
        },
        {
          what: 'stack at the last crumb',
          lines: ['at ChildProcess.spawn (node:internal/child_process:421:11)', 'at startServer'],
        },
      ],
    },
  },
  ...(['baseline', 'legacy'] as const).map((place) => probe('search', place)),
  probe('search', 'target', { tools: TOOLS.slice(1) }),
]

/** The record of a controller that looked every minute. */
function drivenRecord(snapshot: Snapshot): DriveRecord {
  let record = RECORD
  const facts = driveFacts(RECORD, { snapshot, presence: [], drive: NO_DRIVE }, SEEN)
  const { startedAt } = snapshot.control.epoch
  const scaled = (counts: ReadonlyMap<number, number>, share: number) =>
    new Map([...counts].map(([at, n]) => [at, Math.round(n * share)]))
  for (let now = startedAt + MINUTE; now < snapshot.now; now += MINUTE) {
    const share = (now - startedAt) / (snapshot.now - startedAt)
    const until = {
      ...{ ...snapshot, now, buckets: snapshot.buckets.filter(({ start }) => start < now) },
      histograms: snapshot.histograms.map((each) => ({ ...each, counts: scaled(each.counts, share) })),
    }
    const judged = judgeDriven(RECORD, { snapshot: until, presence: [], drive: NO_DRIVE }, { facts })
    if (judged !== null) record = withTrend(record, judged.judgement, { now, startedAt, decisive: false })
  }
  return record
}
const NO_DRIVE = { revision: 0, driven: true, record: null }
const SEEN = {
  flag: { state: 'ok', reading: { kind: 'missing' }, revision: 'r1', writable: true },
  plan: { kind: 'same' },
} as const

/** `BUSY` spread over an hour, with traffic, noise and changes. */
export function full(): LedgerSnapshot {
  const made = undriven()
  return { ...made, drive: { revision: 7, driven: true, record: recordJson(drivenRecord(made.snapshot)) } }
}

function undriven(): LedgerSnapshot {
  const { snapshot } = BUSY
  const flow = Array.from({ length: 60 }, (_, minute) => {
    const looks = {
      'excluded/backlog.looks': 12,
      'excluded/backlog.oldest.legacy': 12 * (4000 - 50 * minute),
      'excluded/backlog.seen.legacy': 12 * (20 - Math.floor(minute / 4)),
    }
    const seen = minute < 30 ? {} : { 'excluded/backlog.seen.target': 12 * (minute - 28) }
    const start = START + minute * MINUTE
    const shadowed = minute < 30 ? {} : COMPARED
    return bucket({ ...looks, ...seen, ...shadowed }, { start, widthMs: MINUTE, epoch: minute < 30 ? 1 : 2 })
  })
  return {
    ...BUSY,
    probes: PROBES,
    settings: resolveMigration(CONFIG, 'parse-email'),
    snapshot: {
      ...snapshot,
      epochs: [epochRecord({ dials: { target: 0, shadow: 0.3, control: 0 } }), ...snapshot.epochs.slice(1)],
      buckets: [...snapshot.buckets.flatMap(spread), ...flow],
      histograms: [
        histogram('run.primary.legacy', bell(1500, 12, 6000)),
        histogram('run.primary.legacy', bell(1500, 12, 3000), 2),
        histogram('run.primary.target', bell(1380, 14, 3000), 2),
        histogram('run.shadow.target', bell(1390, 13, 3000)),
        histogram('wait.legacy', bell(1750, 10, 9000)),
        histogram('wait.target', bell(1600, 10, 3000)),
      ],
      differences: [
        ...snapshot.differences,
        difference({
          ...{ path: '/effects/store/0/subject', pairs: 31, kind: 'value' },
          example: { id: 'mail-40', legacy: 'Re: your order of 12 wheels', target: 'Re: your order  of 12 wheels' },
        }),
        difference({ path: '/error/name', pairs: 4, kind: 'extra', example: { id: 'mail-41', target: 'RangeError' } }),
      ],
    },
    audit: [
      auditEntry({ at: START + 30 * MINUTE, action: 'flag-set', why: 'a quarter of the mailboxes' }),
      auditEntry({ at: START + 20 * MINUTE, action: 'unlatch', by: 'bo@host', why: 'it was the network' }),
      auditEntry({
        ...{ at: START + 12 * MINUTE, by: 'bo@host', action: 'move', why: 'what waits on target' },
        data: { from: 'target', to: 'legacy', moved: 40, stale: 1, pending: 0, left: { started: 2 }, complete: true },
      }),
      auditEntry({ at: START + 10 * MINUTE, action: 'latch', by: 'bo@host', why: 'errors on target' }),
      ...BUSY.audit,
    ],
  }
}

/** One bucket's counts as those of thirty minutes, some more and some less. */
function spread({ epoch, start, counts }: LedgerSnapshot['snapshot']['buckets'][number]) {
  const parts = 30
  return Array.from({ length: parts }, (_, at) => {
    const share = (n: number): number => {
      const upTo = (k: number): number => Math.round((n * (k + Math.sin(k) / 2)) / parts)
      return at === parts - 1 ? n - upTo(at) : upTo(at + 1) - upTo(at)
    }
    const own = Object.entries(counts).map(([key, n]): [string, number] => [key, share(n)])
    return bucket(Object.fromEntries(own), { epoch, start: start + at * MINUTE, widthMs: MINUTE })
  })
}
