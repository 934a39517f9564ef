// Random sequences of operations, held against the reference ledger: answers, rows, counts, latencies, gauges, sum law.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { FinishRequest, Gauges, JobRow, MigrationLedger, Snapshot } from '../../../src/ports/ledger.ts'
import { DEFAULT_RATIOS } from '../../../src/ports/pair-times.ts'
import { ROUTES, type Side } from '../../../src/vocabulary/job.ts'
import { ReferenceLedger } from '../../support/reference-ledger.ts'
import {
  claimOf,
  failure,
  finishOf,
  HOUR,
  IGNORED,
  type LedgerBench,
  MATCHED,
  mismatch,
  moveOf,
  noteOf,
  ok,
  pinOf,
  SETTINGS,
  sumLaw,
} from './bed.ts'
import { timeless } from './rows.ts'

/** Jobs that are due now count under `job`; those 10 hours ago have closed buckets and are orphans at once. */
const AGES = [0, 10 * HOUR]

interface Step {
  readonly name: string
  readonly real: (m: MigrationLedger) => Promise<unknown>
  readonly model: (reference: ReferenceLedger) => unknown
}

const PLAIN = { route: 'legacy', adopted: false, reason: 'flag', group: 9 } as const
/** The library's own ids, which a ledger may store by another way, and the caller's. */
const IDS = ['a', 'b', '019a9f6e-3c41-7d5a-9b1c-2f64c0a81e55']
const ids = fc.constantFrom(...IDS)
const sides = fc.constantFrom<Side>('legacy', 'target')
const tokens = fc.constantFrom('t1', 't2')
const which = fc.constantFrom<'pair' | 'control'>('pair', 'control')
const gens = fc.constantFrom(0, 0, 0, 0, 1, 1, 2)
const leases = fc.constantFrom(60_000, 60_000, 0)
const error = { name: 'Error', message: 'gone', code: 'E_GONE' }

const pins = fc
  .record({
    ...{ id: ids, route: fc.constantFrom(...ROUTES), control: fc.boolean(), epoch: fc.constantFrom(0, 1) },
    ...{ keySlot: fc.constantFrom(1, 2, -1, undefined), keySeen: fc.boolean(), maxAttempts: fc.constantFrom(1, 2, 3) },
    ...{
      reason: fc.constantFrom('flag' as const, 'flag' as const, 'flag-stale' as const),
      age: fc.constantFrom(...AGES),
    },
  })
  .map(({ age, keySlot, ...over }) => pinOf(over.id, { ...over, delayMs: -age, ...(keySlot ? { keySlot } : {}) }))
const claims = fc
  .record({
    ...{ id: ids, side: sides, gen: gens, token: tokens, leaseMs: leases, fenced: fc.boolean() },
    ...{ effectsUnknown: fc.boolean(), maxStarts: fc.constantFrom(2, 20), age: fc.constantFrom(...AGES) },
  })
  .map(({ age, ...over }) =>
    claimOf(over.id, {
      ...over,
      absent: { route: 'legacy', epoch: 0, dueAt: Date.now() - age, adopted: over.effectsUnknown },
    }),
  )
const finishes = fc
  .record({
    ...{ id: ids, side: sides, gen: gens, token: tokens, fatal: fc.boolean(), effectFailed: fc.boolean() },
    ...{ arm: fc.constantFrom<FinishRequest['arm']>('primary', 'primary', 'shadow', 'control') },
    ...{ outcome: fc.constantFrom(ok(), ok({ n: 1 }), failure(), failure('E_OTHER')) },
    ...{
      runBucket: fc.constantFrom(1, 2),
      waitBucket: fc.constantFrom(1, 90),
      unrecorded: fc.constantFrom(0, 0, 1, 2),
    },
    errorClass: fc.constantFrom('', 'TypeError', 'Error:E_PARSE'),
    // only a hint: wrong ones change nothing either
    unpaired: fc.constantFrom(true, true, false, undefined),
  })
  .map(({ unrecorded, errorClass, unpaired, ...over }) =>
    finishOf(over.id, {
      ...over,
      ...(unpaired === undefined ? {} : { unpaired }),
      ...(errorClass === '' || over.outcome.ok ? {} : { errorClass }),
      // of a run that had no claim: in the dark, adopted, or unfenced on purpose
      ...(unrecorded === 1
        ? { unrecorded: { epoch: 1, dueAt: Date.now(), route: 'legacy', adopted: over.fatal } }
        : unrecorded === 2
          ? { unfenced: true, fatal: true, unrecorded: { ...PLAIN, epoch: 1, dueAt: Date.now(), first: over.fatal } }
          : {}),
    }),
  )
const compares = fc
  .record({
    ...{ id: ids, which, comparison: fc.constantFrom(MATCHED, IGNORED, mismatch()) },
    ...{ times: fc.constantFrom(undefined, { legacy: 900, target: 900 }, { legacy: 900, target: 1000 }) },
  })
  .map(({ times, ...compare }) => ({ ...compare, ...(times === undefined ? {} : { times }) }))
const moves = fc
  .record({
    ...{ id: ids, gen: gens, from: sides, to: sides, leaseMs: leases, payload: fc.constantFrom('{"n":1}', '"é"') },
    ...{ kind: fc.constantFrom('move' as const, 'move' as const, 'force' as const, 'retry' as const) },
    ...{ absent: fc.boolean(), adopted: fc.boolean(), fails: fc.constantFrom(0, 1, 9) },
  })
  .map(({ absent, adopted, fails, ...over }) => {
    const where = {
      route: 'legacy',
      epoch: 0,
      dueAt: Date.now(),
      maxAttempts: 2,
      fails,
      adopted,
      fenced: !adopted,
    } as const
    return moveOf(over.id, { ...over, ...(absent ? { absent: where } : {}) })
  })
const arrivals = fc.record({ id: ids, gen: fc.constantFrom(0, 1, 1, 2, 3) })
const runs = fc.record({ id: ids, gen: gens, token: tokens })
const pairs = fc.record({ id: ids, which })

const list = <T>(items: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(items, { minLength: 1, maxLength: 4 })

const steps: fc.Arbitrary<Step> = fc.oneof(
  list(pins).map((q) =>
    step(
      'pin',
      q,
      (m) => m.pin(q),
      (r) => q.map((x) => r.pin(x)),
    ),
  ),
  list(claims).map((q) =>
    step(
      'claim',
      q,
      (m) => m.claim(q),
      (r) => q.map((x) => r.claim(x)),
    ),
  ),
  list(finishes).map((q) =>
    step(
      'finish',
      q,
      (m) => m.finish(q),
      (r) => q.map((x) => r.finish(x)),
    ),
  ),
  list(compares).map((q) =>
    step(
      'compare',
      q,
      (m) => m.compare(q),
      (r) => q.map((x) => r.compare(x)),
    ),
  ),
  list(pairs).map((q) =>
    step(
      'orphan',
      q,
      (m) => m.orphan(q),
      (r) => q.map((x) => r.orphan(x.id, x.which)),
    ),
  ),
  pairs.map((q) =>
    step(
      'shed',
      q,
      (m) => m.shed([q]),
      (r) => r.shed(q.id, q.which),
    ),
  ),
  list(moves).map((q) =>
    step(
      'move',
      q,
      (m) => m.move(q),
      (r) => q.map((x) => r.move(x)),
    ),
  ),
  list(arrivals).map((q) =>
    step(
      'arrive',
      q,
      (m) => m.arrive(q),
      (r) => q.map((x) => r.arrive(x.id, x.gen)),
    ),
  ),
  ids.map((id) =>
    step(
      'discard',
      id,
      (m) => m.discard(id),
      (r) => r.discard(id),
    ),
  ),
  runs.map((q) =>
    step(
      'begin',
      q,
      (m) => m.begin([q]),
      (r) => [r.begin(q)],
    ),
  ),
  fc.tuple(runs, leases).map(([run, leaseMs]) => {
    const q = { ...run, leaseMs }
    return step(
      'extend',
      q,
      (m) => m.extend([q]),
      (r) => [r.extend(q)],
    )
  }),
  runs.map((q) =>
    step(
      'release',
      q,
      (m) => m.release([q]),
      (r) => [r.release(q)],
    ),
  ),
  fc.tuple(ids, fc.boolean()).map(([id, evenIfShared]) =>
    step(
      'unpin',
      [id, evenIfShared],
      (m) => m.unpin([id], { evenIfShared }),
      (r) => r.unpin(id, { evenIfShared }),
    ),
  ),
  list(fc.tuple(ids, fc.boolean(), fc.boolean(), fc.boolean()))
    .map((some) =>
      some.map(([id, first, plain, made]) =>
        noteOf(id, { first, ...(plain ? { reason: 'flag' } : {}), ...(made ? { madeAt: Date.now() } : {}) }),
      ),
    )
    .map((q) =>
      step(
        'note',
        q,
        (m) => m.note(q),
        (r) => {
          for (const x of q) r.note(x)
        },
      ),
    ),
  ids.map((id) =>
    step(
      'cancel',
      id,
      (m) => m.cancel(id),
      (r) => r.cancel(id),
    ),
  ),
  ids.map((id) =>
    step(
      'closeFailed',
      id,
      (m) => m.closeFailed(id, error),
      (r) => r.closeFailed(id, error),
    ),
  ),
  fc.tuple(ids, fc.boolean()).map(([id, lost]) =>
    step(
      'markLost',
      [id, lost],
      (m) => m.markLost(id, lost),
      (r) => r.markLost(id, lost),
    ),
  ),
)

function step(name: string, request: unknown, real: Step['real'], model: Step['model']): Step {
  return { name: `${name} ${JSON.stringify(request)}`, real, model }
}

/** What docs/protocol.md promises of each single step, whatever it was. */
function expectPromises(before: JobRow, after: JobRow | undefined, step: string): void {
  if (after === undefined) {
    // only a pin that nothing ever ran from is taken back
    expect({ state: before.state, gen: before.gen, startedAt: before.startedAt }, step).toEqual({
      ...{ state: 'open', gen: 0, startedAt: undefined },
    })
    return
  }
  // one side at a time: another one, and another run after the end, is another generation
  expect(after.gen, step).toBeGreaterThanOrEqual(before.gen)
  if (after.gen === before.gen) {
    expect(after.side, step).toBe(before.side)
    if (before.state === 'finished') expect([after.state, after.class], step).toEqual(['finished', before.class])
    if (before.state !== 'moving') expect(after.state, step).not.toBe('moving')
  } else expect([after.gen, after.state], step).toEqual([before.gen + 1, 'moving'])
  // what may have happened is never forgotten, and no attempt comes back but by an operator's word
  if (before.effectsBegun) expect(after.effectsBegun, step).toBe(true)
  if (before.state !== 'finished') expect(after.fails, step).toBeGreaterThanOrEqual(before.fails)
  // a slot is written once, a verdict closed once
  if (after.gen === before.gen) {
    if (before.slots.primary !== undefined) expect(after.slots.primary, step).toEqual(before.slots.primary)
    if (before.verdict !== 'open') expect(after.verdict, step).toBe(before.verdict)
  }
}

/** What of a row must be the same in every ledger; a settled one may forget who ran it and when it was made. */
function comparable(row: JobRow | undefined): unknown {
  if (row === undefined) return undefined
  const { id, state, side, gen, fails, starts, stamp, verdict, controlVerdict, slots, seenArms = [] } = row
  const always = { id, state, side, gen, fails, starts, stamp, verdict, controlVerdict, slots }
  const unsettled = state !== 'finished' || verdict === 'open' || controlVerdict === 'open'
  const { token, maxAttempts, effectsBegun, producer, lostAt, shared } = row
  return timeless({
    ...{ ...always, class: row.class, seenArms: [...seenArms].sort() },
    ...(unsettled ? { token, maxAttempts, effectsBegun, producer, lost: lostAt !== undefined, shared } : {}),
  })
}

function byEpoch(snapshot: Snapshot): Record<'counts' | 'latencies' | 'recent' | 'pairs', Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const bucket of snapshot.buckets) {
    for (const [key, n] of Object.entries(bucket.counts)) {
      counts[`${bucket.epoch} ${key}`] = (counts[`${bucket.epoch} ${key}`] ?? 0) + n
    }
  }
  const latencies: Record<string, number> = {}
  for (const { epoch, name, family, counts: buckets } of snapshot.histograms) {
    for (const [bucket, n] of buckets) {
      const key = `${epoch} ${name} ${family} ${bucket}`
      latencies[key] = (latencies[key] ?? 0) + n
    }
  }
  const recent: Record<string, number> = {}
  for (const minute of snapshot.recent) {
    for (const [key, n] of Object.entries(minute.counts)) {
      recent[`${minute.epoch} ${key}`] = (recent[`${minute.epoch} ${key}`] ?? 0) + n
    }
  }
  const pairs: Record<string, number> = {}
  for (const { epoch, family, ratio, legacy } of snapshot.pairTimes) {
    for (const [bucket, n] of legacy) pairs[`${epoch} ${family} ${ratio} ${bucket}`] = n
  }
  return { counts, latencies, recent, pairs }
}

/** Pairs in closed buckets, which are those that came too late; both ratios of every pair are counted. */
function closedPairs({ pairs }: ReferenceLedger): Record<string, number> {
  const closed: Record<string, number> = {}
  for (const [key, n] of pairs) {
    const [epoch, family, legacy] = key.split(' ')
    if (family !== 'late') continue
    for (const ratio of DEFAULT_RATIOS) {
      const name = `${epoch} ${family} ${ratio} ${legacy}`
      closed[name] = (closed[name] ?? 0) + n
    }
  }
  return closed
}

/** The two pin at moments of their own, a few ms apart: when the oldest was due is told by hours. */
function comparableGauges({ oldestReadyAt, ...gauges }: Gauges): object {
  return { ...gauges, oldest: oldestReadyAt === null ? null : Math.round((Date.now() - oldestReadyAt) / HOUR) }
}

export function randomContract(bench: () => LedgerBench): void {
  it('give the answers, rows, counts and gauges of the reference', { timeout: 60_000 }, async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (sequence) => {
        const m = bench().migration({}, `random-${run++}`)
        const reference = new ReferenceLedger(SETTINGS)
        for (const { name, real, model } of sequence) {
          const answer = await real(m)
          reference.watch = (before, after) => expectPromises(before, after, name)
          expect(timeless(answer), name).toEqual(timeless(model(reference)))
        }
        for (const id of IDS) {
          expect(comparable(await m.row(id)), id).toEqual(comparable(reference.rows.get(id)))
        }
        expect(await m.payloads(IDS)).toEqual(IDS.map((id) => reference.payload(id)))
        for (const look of ['as it was written', 'compacted']) {
          if (look === 'compacted') await m.compact()
          const snapshot = await m.snapshot()
          const { counts, latencies, recent, pairs } = byEpoch(snapshot)
          expect(counts, look).toEqual(Object.fromEntries(reference.counts))
          expect(latencies, look).toEqual(Object.fromEntries(reference.latencies))
          expect(recent, look).toEqual(Object.fromEntries(reference.recent))
          expect(pairs, look).toEqual(closedPairs(reference))
          expect(comparableGauges(snapshot.gauges), look).toEqual(comparableGauges(reference.gauges()))
          for (const kind of ['pair', 'control'] as const) {
            const { accounted, wanted } = sumLaw(snapshot, kind)
            expect(accounted, kind).toBe(wanted)
          }
        }
      }),
      { numRuns: 400 },
    )
  })
}
