// Snapshots for tests: made by hand from counts, or by driving the real row rules over rows in memory.

import { addStored } from '../../src/ports/families.ts'
import { appendTime, LatencySums } from '../../src/ports/latency-log.ts'
import type {
  AuditEntry,
  CompareRequest,
  ControlState,
  CountKey,
  DifferenceGroup,
  EpochRecord,
  Gauges,
  Histogram,
  JobRow,
  LedgerSettings,
  PinRequest,
  PresenceRecord,
  Sample,
  Snapshot,
  TallyBucket,
} from '../../src/ports/ledger.ts'
import * as rules from '../../src/ports/row-rules.ts'
import type { LedgerSnapshot } from '../../src/report/build.ts'
import { DIALS_OFF } from '../../src/vocabulary/dials.ts'
import type { Outcome } from '../../src/vocabulary/outcome.ts'

/** 2026-11-22 14:00:00 UTC. */
export const START: number = Date.UTC(2026, 10, 22, 14)

export const SETTINGS: LedgerSettings = { bucketMs: 10_000, slackMs: 15_000, deadlineMs: 60_000, retainMs: 3_600_000 }

export const NO_GAUGES: Gauges = {
  waiting: { legacy: 0, target: 0 },
  running: { legacy: 0, target: 0 },
  moving: 0,
  inDoubt: { legacy: 0, target: 0 },
  lost: { legacy: 0, target: 0 },
  overdue: 0,
  pairsOpen: 0,
  controlsOpen: 0,
  oldestReadyAt: null,
}

export function epochRecord(record: Partial<EpochRecord> = {}): EpochRecord {
  return {
    ...{ epoch: 1, startedAt: START, dials: DIALS_OFF, flagRevision: 'r1', versions: { legacy: '1', target: '1' } },
    ...{ rules: 'rules', latched: false, by: 'test' },
    ...record,
  }
}

export function controlState(state: Partial<ControlState> = {}): ControlState {
  const epoch = state.epoch ?? epochRecord()
  return {
    ...{ now: START, latch: { set: false, revision: 0 }, ceiling: 1, controlShare: epoch.dials.control },
    drive: { revision: 0, driven: false },
    ...state,
    epoch,
  }
}

/** The first of a key is the first of its day, too: `key-day` is what `key` is where it is not said. */
export function bucket(counts: Record<string, number>, where: Partial<TallyBucket> = {}): TallyBucket {
  const firsts = Object.entries(counts).filter(([key]) => key.startsWith('key/'))
  const days = Object.fromEntries(firsts.map(([key, n]) => [`key-day/${key.slice('key/'.length)}`, n]))
  const all = { ...days, ...counts } as Record<CountKey, number>
  return { epoch: 1, start: START, widthMs: SETTINGS.bucketMs, ...where, counts: all }
}

export function histogram(name: string, counts: Record<number, number>, epoch = 1): Histogram {
  return {
    epoch,
    name,
    family: 'of-key',
    closed: true,
    counts: new Map(Object.entries(counts).map(([at, n]) => [Number(at), n])),
  }
}

export function difference(group: Partial<DifferenceGroup> & { path: string }): DifferenceGroup {
  return {
    ...{ epoch: 1, which: 'pair', kind: 'value', pairs: 1, example: { id: 'job-1', legacy: 'a', target: 'b' } },
    ...group,
  }
}

export function presence(record: Partial<PresenceRecord> = {}): PresenceRecord {
  return {
    ...{ instance: 'i1', pid: 1, host: 'host', startedAt: START, works: {}, shadows: [], produces: false },
    ...{ flagRevision: 'r1', flagHealth: 'ok', latchRevision: 0, inFlight: 0, confirmedBefore: START, skewMs: 0 },
    ...{ at: START, gone: false },
    ...record,
  }
}

export function sample(made: Partial<Sample> = {}): Sample {
  const comparison = { class: 'mismatched', errors: 'none', differences: [], differenceCount: 1 } as const
  return { id: 'job-1', which: 'pair', at: START, epoch: 1, comparison, ...made }
}

export function auditEntry(entry: Partial<AuditEntry> = {}): AuditEntry {
  return { at: START, by: 'ann@host', action: 'flag-set', data: null, ...entry }
}

export interface Parts {
  readonly name?: string
  readonly snapshot?: Partial<Snapshot>
  readonly presence?: readonly PresenceRecord[]
  readonly samples?: readonly Sample[]
  readonly audit?: readonly AuditEntry[]
}

/** One migration's ledger; what is not said is empty. */
export function ledgerSnapshot(parts: Parts = {}): LedgerSnapshot {
  const control = parts.snapshot?.control ?? controlState()
  return {
    name: parts.name ?? 'parse-email',
    snapshot: {
      ...{ now: START + 3_600_000, control, settings: SETTINGS, epochs: [control.epoch] },
      ...{ buckets: [], histograms: [], pairTimes: [], recent: [], differences: [], gauges: NO_GAUGES },
      ...parts.snapshot,
    },
    presence: parts.presence ?? [],
    samples: parts.samples ?? [],
    audit: parts.audit ?? [],
  }
}

export const OK: Outcome = { ok: true, value: 1, effects: [], waitMs: 1, runMs: 1, attempts: 1, version: '1' }
export const FAILED: Outcome = { ...OK, ok: false, error: { name: 'Error', message: 'no' } }

/** Rows in memory, changed by the real rules alone; `snapshot` counts as a ledger would. */
export class RowsInMemory {
  now: number = START
  readonly rows: Map<string, JobRow> = new Map()
  readonly #buckets = new Map<string, { epoch: number; start: number; counts: Record<string, number> }>()
  readonly #times = new Map<number, number[]>()

  get #env(): rules.RuleEnvironment {
    return { now: this.now, settings: SETTINGS }
  }

  pin(request: Partial<PinRequest> & { id: string }, firstOfKey: boolean): void {
    const full: PinRequest = {
      ...{ fresh: false, route: 'legacy', reason: 'flag', epoch: 1, delayMs: 0, maxAttempts: 2, group: 0 },
      ...{ control: false, producer: 'p' },
      ...request,
    }
    this.#apply(full.id, rules.pin(this.rows.get(full.id), full, { ofKey: firstOfKey, ofDay: firstOfKey }, this.#env))
  }

  /** A job without a stamp, found by a worker of this side. */
  adopt(id: string, side: 'legacy' | 'target'): void {
    const absent = { route: side, epoch: 1, dueAt: this.now, adopted: true } as const
    this.#claim(id, side, 0, 'adopted', absent)
  }

  claim(id: string, token: string): void {
    const row = this.rows.get(id)
    if (row !== undefined) this.#claim(id, row.side, row.gen, token)
  }

  #claim(id: string, side: 'legacy' | 'target', gen: number, token: string, absent?: Absent): void {
    const request = {
      ...{ id, side, gen, token, leaseMs: 5000, fenced: absent === undefined, effectsUnknown: false },
      ...{ maxAttempts: 2, maxStarts: 5, absent: absent ?? { route: side, epoch: 1, dueAt: this.now, adopted: false } },
    }
    this.#apply(id, rules.claim(this.rows.get(id), request, this.#env))
  }

  begin(id: string, token: string): void {
    const row = this.rows.get(id)
    this.#apply(id, rules.begin(row, { id, gen: row?.gen ?? 0, token }))
  }

  finish(id: string, arm: 'primary' | 'shadow' | 'control', outcome: Outcome, token: string): void {
    const row = this.rows.get(id)
    if (row === undefined) return
    const opposite = row.side === 'legacy' ? 'target' : 'legacy'
    const side = arm === 'primary' ? row.side : arm === 'control' ? 'legacy' : opposite
    const request = {
      ...{ id, side, gen: row.gen, arm, token, outcome, fatal: false, effectFailed: false },
      ...{ runBucket: 900, waitBucket: 800 },
    } as const
    this.#apply(id, rules.finish(row, request, this.#env))
  }

  compare(id: string, which: 'pair' | 'control', cls: 'matched' | 'mismatched' | 'ignored'): void {
    const comparison: CompareRequest['comparison'] = { class: cls, errors: 'none', differences: [], differenceCount: 0 }
    this.#apply(id, rules.compare(this.rows.get(id), { id, which, comparison }, this.#env))
  }

  shed(id: string, which: 'pair' | 'control'): void {
    this.#apply(id, rules.shed(this.rows.get(id), which, this.#env))
  }

  orphan(id: string, which: 'pair' | 'control'): void {
    this.#apply(id, rules.orphan(this.rows.get(id), which, this.#env))
  }

  cancel(id: string): void {
    this.#apply(id, rules.cancel(this.rows.get(id), this.#env))
  }

  unpin(id: string): void {
    this.#apply(id, rules.unpin(this.rows.get(id), {}, this.#env))
  }

  closeFailed(id: string): void {
    this.#apply(id, rules.closeFailed(this.rows.get(id), { name: 'Stalled', message: 'gave up' }, this.#env))
  }

  markLost(id: string): void {
    this.#apply(id, rules.markLost(this.rows.get(id), true, this.#env))
  }

  #apply(id: string, change: rules.Change<unknown>): void {
    const of = change.row ?? this.rows.get(id)
    const stamp = of?.stamp
    if (change.removed === true) this.rows.delete(id)
    if (change.row !== undefined) this.rows.set(id, change.row)
    if (of === undefined || stamp === undefined) return
    const start = rules.bucketStart(stamp.dueAt, SETTINGS)
    const where = `${stamp.epoch} ${start}`
    const into = this.#buckets.get(where) ?? { epoch: stamp.epoch, start, counts: {} }
    this.#buckets.set(where, into)
    for (const key of change.counts) addStored(into.counts, key, 1)
    const log = this.#times.get(stamp.epoch) ?? []
    this.#times.set(stamp.epoch, log)
    for (const entry of change.times ?? []) appendTime(log, rules.familyOf(of, this.#env), entry)
  }

  gauges(): Gauges {
    const rows = [...this.rows.values()]
    const count = (is: (row: JobRow) => boolean): number => rows.filter(is).length
    const sides = (is: (row: JobRow) => boolean): Gauges['waiting'] => ({
      legacy: count((row) => row.side === 'legacy' && is(row)),
      target: count((row) => row.side === 'target' && is(row)),
    })
    return {
      waiting: sides((row) => row.state === 'open'),
      running: sides((row) => row.state === 'running'),
      moving: count((row) => row.state === 'moving'),
      inDoubt: sides((row) => rules.isInDoubt(row, this.now)),
      lost: sides((row) => row.state !== 'finished' && row.lostAt !== undefined),
      overdue: count((row) => rules.isOverdue(row, this.#env)),
      pairsOpen: count((row) => row.verdict === 'open'),
      controlsOpen: count((row) => row.controlVerdict === 'open'),
      oldestReadyAt: null,
    }
  }

  snapshot(): LedgerSnapshot {
    return ledgerSnapshot({
      snapshot: {
        now: this.now,
        buckets: [...this.#buckets.values()].map(({ counts, ...where }) => bucket(counts, where)),
        histograms: [...this.#times].flatMap(([epoch, log]) =>
          new LatencySums().add(Uint8Array.from(log), []).histograms(epoch, false),
        ),
        gauges: this.gauges(),
      },
    })
  }
}

type Absent = Parameters<typeof rules.claim>[1]['absent']
