// What the parts of the ledger contract share: a store to open ledgers in, requests with sensible defaults, and ways to
// look at what was stored.

import { randomUUID } from 'node:crypto'
import type {
  ClaimRequest,
  CountKey,
  FinishRequest,
  JobRow,
  Ledger,
  LedgerSettings,
  LedgerSpec,
  MigrationLedger,
  MoveRequest,
  NoteRequest,
  PinRequest,
  Presence,
  Snapshot,
} from '../../../src/ports/ledger.ts'
import type { Comparison, Difference } from '../../../src/vocabulary/comparison.ts'
import type { Json, Outcome } from '../../../src/vocabulary/outcome.ts'

export const HOUR = 3_600_000

/** The store under test. All specs of one bed share one store, as processes do. */
export interface LedgerBed {
  spec(namespace: string): LedgerSpec
  stop(): Promise<void>
}

/** A ledger open in a namespace of its own. */
export interface LedgerBench {
  readonly namespace: string
  readonly ledger: Ledger
  /** A handle; each call with another name is another migration. */
  migration(settings?: Partial<LedgerSettings>, name?: string): MigrationLedger
  /** The same namespace opened again, as another process would. */
  second(): Promise<Ledger>
  close(): Promise<void>
}

export const SETTINGS: LedgerSettings = { bucketMs: 1000, slackMs: 1000, deadlineMs: HOUR, retainMs: HOUR }

/** Buckets so wide that none is ever closed: orphans can be made without being late. */
export const ONE_BUCKET: Partial<LedgerSettings> = { bucketMs: 1e12, deadlineMs: 50, slackMs: 50 }

export async function openBench(bed: LedgerBed): Promise<LedgerBench> {
  const namespace = `contract-${randomUUID()}`
  const opened: Ledger[] = []
  const open = async (): Promise<Ledger> => {
    const ledger = bed.spec(namespace).create({ namespace })
    await ledger.open()
    opened.push(ledger)
    return ledger
  }
  const ledger = await open()
  let made = 0
  return {
    namespace,
    ledger,
    migration: (settings = {}, name = `migration-${made++}`) => ledger.migration(name, { ...SETTINGS, ...settings }),
    second: open,
    close: async () => {
      await Promise.all(opened.map((each) => each.close()))
    },
  }
}

let counter = 0
/** A new id, as a user might give one. */
export function newId(): string {
  return `job-${counter++}`
}

export function pinOf(id: string, over: Partial<PinRequest> = {}): PinRequest {
  return {
    ...{ id, fresh: false, route: 'legacy', reason: 'flag', epoch: 0, delayMs: 0, maxAttempts: 3, group: 5 },
    ...{ control: false, producer: 'producer-1', ...over },
  }
}

/** A pin of a job that was due `ms` ago. */
export function overdueBy(ms: number, id: string, over: Partial<PinRequest> = {}): PinRequest {
  return pinOf(id, { delayMs: -ms, ...over })
}

export function claimOf(id: string, over: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    ...{ id, side: 'legacy', gen: 0, token: 'token-1', leaseMs: 60_000, fenced: true, effectsUnknown: false },
    ...{ maxAttempts: 3, maxStarts: 20 },
    absent: { route: 'legacy', epoch: 0, dueAt: Date.now(), adopted: true },
    ...over,
  }
}

export function ok(value: Json = { parsed: true }): Outcome {
  return { ok: true, value, effects: [], waitMs: 12, runMs: 3, attempts: 1, version: '1' }
}
export function failure(code = 'E_PARSE'): Outcome {
  const error = { name: 'Error', message: 'cannot be parsed', code }
  return { ok: false, error, effects: [], waitMs: 12, runMs: 3, attempts: 1, version: '1' }
}

export function finishOf(id: string, over: Partial<FinishRequest> = {}): FinishRequest {
  return {
    ...{ id, side: 'legacy', gen: 0, arm: 'primary', token: 'token-1', outcome: ok(), fatal: false },
    ...{ effectFailed: false, runBucket: 7, waitBucket: 9, ...over },
  }
}
export function shadowOf(id: string, over: Partial<FinishRequest> = {}): FinishRequest {
  return finishOf(id, { arm: 'shadow', side: 'target', token: 'shadow-token', ...over })
}
export function controlOf(id: string, over: Partial<FinishRequest> = {}): FinishRequest {
  return finishOf(id, { arm: 'control', side: 'legacy', token: 'control-token', ...over })
}

export function moveOf(id: string, over: Partial<MoveRequest> = {}): MoveRequest {
  return {
    ...{ id, gen: 0, from: 'legacy', to: 'target', kind: 'move', payload: `{"of":"${id}"}`, leaseMs: 60_000 },
    ...{ by: 'op@host', ...over },
  }
}

export function noteOf(id: string, over: Partial<NoteRequest> = {}): NoteRequest {
  return {
    ...{ id, epoch: 0, dueAt: Date.now(), reason: 'ledger-unavailable', maxAttempts: 3, group: 5 },
    ...{ producer: 'producer-1', ...over },
  }
}

export const MATCHED: Comparison = { class: 'matched', errors: 'none', differences: [], differenceCount: 0 }
export const IGNORED: Comparison = { ...MATCHED, class: 'ignored' }
export function mismatch(differences: readonly Difference[] = [difference('/result/subject')]): Comparison {
  return { class: 'mismatched', errors: 'none', differences, differenceCount: differences.length }
}
export function difference(path: string, kind: Difference['kind'] = 'value'): Difference {
  return { path, kind, legacy: 'a', target: 'b' }
}

export function presenceOf(instance: string, over: Partial<Presence> = {}): Presence {
  return {
    ...{ instance, pid: 4711, host: 'host', startedAt: 1, works: { legacy: '1' }, shadows: ['target'] as const },
    ...{ produces: true, flagRevision: '7', flagHealth: 'ok', latchRevision: 0, inFlight: 0, confirmedBefore: 0 },
    ...{ skewMs: 0, ...over },
  }
}

/** One item in, one answer out. */
export async function only<A>(answers: Promise<readonly A[]>): Promise<A> {
  const list = await answers
  if (list.length !== 1) throw new Error(`one answer was expected, there are ${list.length}`)
  return list[0] as A
}

/** Counts summed over buckets and epochs. */
export function countsOf(snapshot: Snapshot): Record<CountKey, number> {
  const sums: Record<string, number> = {}
  for (const { counts } of snapshot.buckets) {
    for (const [key, n] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + n
  }
  return Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What an operation added to the counts. */
export async function counted(m: MigrationLedger, act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = countsOf(await m.snapshot())
  await act()
  const added: Record<string, number> = {}
  for (const [key, n] of Object.entries(countsOf(await m.snapshot()))) {
    const more = n - (before[key as CountKey] ?? 0)
    if (more !== 0) added[key] = more
  }
  return added
}

/** Matched + mismatched + ignored + orphaned + shed + moved + open against wanted; they are equal at any time. */
export function sumLaw(snapshot: Snapshot, which: 'pair' | 'control'): { accounted: number; wanted: number } {
  const sum = (...starts: string[]): number =>
    Object.entries(countsOf(snapshot))
      .filter(([key]) => !key.startsWith('key/') && !key.startsWith('key-day/'))
      .filter(([key]) => starts.some((start) => key.slice(key.indexOf('/') + 1).startsWith(start)))
      .reduce((total, [, n]) => total + n, 0)
  const kind = which === 'pair' ? 'shadow' : 'control'
  const open = which === 'pair' ? snapshot.gauges.pairsOpen : snapshot.gauges.controlsOpen
  const closed = ['matched', 'mismatched', 'ignored', 'orphaned', 'moved'].map((cls) => `${which}.${cls}`)
  return { accounted: sum(...closed, `${kind}.shed`) + open, wanted: sum(`${kind}.wanted`) }
}

/** Waits until a condition holds that only time or another process brings about. */
export async function eventually<T>(look: () => Promise<T>, holds: (value: T) => boolean, within = 5000): Promise<T> {
  const until = Date.now() + within
  for (;;) {
    const value = await look()
    if (holds(value)) return value
    if (Date.now() > until) throw new Error(`still not so after ${within} ms: ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export async function allRows(m: MigrationLedger, limit = 7): Promise<Map<string, JobRow>> {
  const rows = new Map<string, JobRow>()
  let cursor: string | undefined
  do {
    const page = await m.scan({ limit, ...(cursor === undefined ? {} : { cursor }) })
    for (const row of page.rows) rows.set(row.id, row)
    cursor = page.cursor
  } while (cursor !== undefined)
  return rows
}
