// The contract of what gates read: units by key and day, triples, copies nobody waits for, times by closed bucket, the
// last minutes; and that what is missing, by these counts, is exactly what has not ended.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CompareRequest, MigrationLedger, Snapshot } from '../../../src/ports/ledger.ts'
import { DEFAULT_RATIOS, PAIR_MEASURES, pairRanges, ratioSteps } from '../../../src/ports/pair-times.ts'
import { isTripleOpen } from '../../../src/ports/row-rules.ts'
import { EXCESS, LOST, MISMATCH } from '../../../src/rollout/observe/readings.ts'
import type { Route } from '../../../src/vocabulary/job.ts'
import { waitClass } from '../../../src/vocabulary/latency.ts'
import { ReferenceLedger } from '../../support/reference-ledger.ts'
import {
  claimOf,
  controlOf,
  counted,
  countsOf,
  eventually,
  failure,
  finishOf,
  HOUR,
  IGNORED,
  type LedgerBench,
  MATCHED,
  mismatch,
  moveOf,
  ONE_BUCKET,
  overdueBy,
  pinOf,
  SETTINGS,
  shadowOf,
} from './bed.ts'
import { judged } from './row-cases.ts'

const DAY = 24 * HOUR
const CLOSED = SETTINGS.deadlineMs + SETTINGS.slackMs + 2 * SETTINGS.bucketMs

/** Buckets that stay open long enough for what is to be counted in them, and close while a test waits. */
const CLOSING = { bucketMs: 100, slackMs: 100, deadlineMs: 3000 }

type Which = CompareRequest['which']

export function gateCountsContract(bench: () => LedgerBench): void {
  describe('the first job of a key on a day of due time', () => {
    it('counts under `key-day`, whatever the order in which days come', async () => {
      const m = bench().migration()
      const kinds = async (id: string, over: Parameters<typeof pinOf>[1]): Promise<string[]> => {
        const added = await counted(m, () => m.pin([pinOf(id, { keySlot: 9, ...over })]))
        return Object.keys(added)
          .filter((key) => key.endsWith('/dispatched.legacy'))
          .map((key) => key.slice(0, key.indexOf('/')))
      }
      expect(await kinds('a', {})).toEqual(['job', 'key-day', 'key'])
      expect(await kinds('b', {})).toEqual(['job'])
      expect(await kinds('c', { delayMs: 2 * DAY })).toEqual(['job', 'key-day'])
      expect(await kinds('d', { delayMs: DAY })).toEqual(['job', 'key-day'])
      expect(await kinds('e', { delayMs: 2 * DAY })).toEqual(['job'])
      expect(await kinds('f', { epoch: 1, delayMs: DAY })).toEqual(['job', 'key-day', 'key'])
      expect((await m.row('c'))?.stamp).toMatchObject({ firstOfKey: false, firstOfDay: true })
      expect((await m.row('a'))?.stamp).toMatchObject({ firstOfKey: true, firstOfDay: true })
    })

    it('is not asked for what its producer has seen: the key in this epoch, or on this day too', async () => {
      const m = bench().migration()
      await m.pin([pinOf('seen', { keySlot: 4, keySeen: true })])
      expect((await m.row('seen'))?.stamp).toMatchObject({ firstOfKey: false, firstOfDay: true })
      await m.pin([pinOf('known', { keySlot: -1 }), pinOf('first', { keySlot: 4 })])
      expect((await m.row('known'))?.stamp).toMatchObject({ firstOfKey: false, firstOfDay: false })
      // a bit of the epoch that nobody has tested is still there to be had
      expect((await m.row('first'))?.stamp).toMatchObject({ firstOfKey: true, firstOfDay: true })
      await m.compact()
      await m.pin([pinOf('again', { keySlot: 4 })])
      expect((await m.row('again'))?.stamp).toMatchObject({ firstOfKey: false, firstOfDay: false })
    })
  })

  describe('triples', () => {
    const compare = (m: MigrationLedger, id: string, which: Which, differs: boolean | 'ignored') =>
      m.compare([{ id, which, comparison: differs === 'ignored' ? IGNORED : differs ? mismatch() : MATCHED }])
    const shadowed = async (m: MigrationLedger, id: string, ...ends: ('primary' | 'shadow' | 'control')[]) => {
      await m.pin([pinOf(id, { route: 'legacy-shadowed', control: true })])
      const make = { primary: finishOf, shadow: shadowOf, control: controlOf }
      for (const arm of ends) await m.finish([make[arm](id)])
    }

    it.each([
      [false, false, 'neither'],
      [true, false, 'target-only'],
      [false, true, 'control-only'],
      [true, true, 'both'],
    ])('of a pair that differs (%s) and a control that differs (%s): %s', async (pair, control, name) => {
      for (const order of [
        ['pair', 'control'],
        ['control', 'pair'],
      ] as const) {
        const m = bench().migration()
        await shadowed(m, 'a', 'primary', 'shadow', 'control')
        const differs = { pair, control }
        const added = await counted(m, async () => {
          for (const which of [...order, ...order]) await compare(m, 'a', which, differs[which])
        })
        expect(Object.fromEntries(Object.entries(added).filter(([key]) => key.includes('triple')))).toEqual(
          judged({ [`triple.${name}`]: 1 }),
        )
      }
    })

    it('that will never be complete are out, once', async () => {
      const m = bench().migration()
      const out = async (act: () => Promise<unknown>): Promise<number> => (await counted(m, act))['job/triple.out'] ?? 0
      await shadowed(m, 'ignored', 'primary', 'shadow', 'control')
      expect(await out(() => compare(m, 'ignored', 'pair', 'ignored'))).toBe(1)
      expect(await out(() => compare(m, 'ignored', 'control', 'ignored'))).toBe(0)
      await shadowed(m, 'shed', 'primary', 'shadow')
      await compare(m, 'shed', 'pair', true)
      expect(await out(() => m.shed([{ id: 'shed', which: 'control' }]))).toBe(1)
      await shadowed(m, 'complete', 'shadow', 'control', 'primary')
      for (const which of ['pair', 'control'] as const) await compare(m, 'complete', which, false)
      expect(await out(() => m.cancel('complete'))).toBe(0)
      await m.pin([pinOf('no control', { route: 'legacy-shadowed' })])
      expect(await out(() => m.shed([{ id: 'no control', which: 'pair' }]))).toBe(0)
    })
  })

  it('nobody waits for the copies of a job that was cancelled or moved before they came', async () => {
    const m = bench().migration()
    const ids = ['cancelled', 'moved', 'shadow first', 'cancelled later']
    await m.pin(ids.map((id) => pinOf(id, { route: 'legacy-shadowed' })))
    await m.finish([shadowOf('shadow first'), shadowOf('cancelled later')])
    await m.cancel('cancelled')
    await m.move([moveOf('moved'), moveOf('shadow first')])
    await m.cancel('cancelled later')
    const counts = countsOf(await m.snapshot())
    const get = (measure: string): number => counts[`job/${measure}`] ?? 0
    expect(get('shadow.withdrawn.target')).toBe(2)
    expect(get('pair.cancelled')).toBe(2)
    expect(MISMATCH.read(get)).toEqual({ n: 0, mismatched: 0, orphaned: 0 })
    expect(LOST.read(get)).toEqual({ n: 2, lost: 0 })
  })

  describe('times', () => {
    const histogramsOf = ({ histograms }: Snapshot) =>
      Object.fromEntries(
        histograms.map(({ name, family, closed, counts }) => [
          `${name} ${family} ${closed ? 'closed' : 'open'}`,
          Object.fromEntries(counts),
        ]),
      )

    it('are filed as what is counted, apart for closed and open buckets', { timeout: 30_000 }, async () => {
      const m = bench().migration(CLOSING)
      await m.pin([
        pinOf('key', { keySlot: 1 }),
        pinOf('again', { keySlot: 1 }),
        pinOf('doubt', { reason: 'flag-stale' }),
      ])
      await m.pin([pinOf('day', { keySlot: 1, delayMs: 3 * DAY }), overdueBy(60_000, 'late')])
      const runs = ['key', 'again', 'doubt', 'day', 'late'].map((id, i) =>
        finishOf(id, { runBucket: 900 + i, waitBucket: 0 }),
      )
      await m.finish(runs)
      const open = histogramsOf(await m.snapshot())
      expect(open).toEqual({
        'run.primary.legacy of-key open': { 900: 1 },
        'run.primary.legacy again open': { 901: 1 },
        'run.primary.legacy excluded open': { 902: 1 },
        'run.primary.legacy of-day open': { 903: 1 },
        'run.primary.legacy late closed': { 904: 1 },
      })
      const closed = {
        'run.primary.legacy of-key closed': { 900: 1 },
        'run.primary.legacy again closed': { 901: 1 },
        'run.primary.legacy excluded closed': { 902: 1 },
        'run.primary.legacy of-day open': { 903: 1 },
        'run.primary.legacy late closed': { 904: 1 },
      }
      const names = (snapshot: Snapshot): string => Object.keys(histogramsOf(snapshot)).sort().join()
      await eventually(
        () => m.snapshot(),
        (snapshot) => names(snapshot) === Object.keys(closed).sort().join(),
        15_000,
      )
      expect(histogramsOf(await m.snapshot())).toEqual(closed)
      await m.compact()
      expect(histogramsOf(await m.snapshot())).toEqual(closed)
      // what comes late adds to what was summed already
      await m.pin([overdueBy(60_000, 'later')])
      await m.finish([finishOf('later', { runBucket: 904, waitBucket: 0 })])
      for (let twice = 0; twice < 2; twice++) {
        expect(histogramsOf(await m.snapshot())['run.primary.legacy late closed']).toEqual({ 904: 2 })
        await m.compact()
      }
    })

    it('of pairs are counted at every edge, for the ratios of their epoch, once both are there', {
      timeout: 30_000,
    }, async () => {
      const m = bench().migration(CLOSING)
      const first = {
        dials: { target: 0, shadow: 1, control: 0 },
        flagRevision: '1',
        versions: {},
        rules: '',
        by: 'test',
      }
      await m.openEpoch({ ...first, expect: 0, ratios: [1.5] })
      const pairs = [
        [900, 900],
        [900, 960],
        [1000, 900],
      ] as const
      for (const epoch of [0, 1]) {
        for (const [i, [legacy, target]] of pairs.entries()) {
          const id = `${epoch} ${i}`
          await m.pin([pinOf(id, { epoch, route: 'legacy-shadowed' })])
          await m.finish([finishOf(id), shadowOf(id)])
          await m.compare([{ id, which: 'pair', comparison: MATCHED, times: { legacy, target } }])
        }
      }
      await m.pin(['ignored', 'untimed'].map((id) => pinOf(id, { epoch: 1, route: 'legacy-shadowed' })))
      await m.finish(['ignored', 'untimed'].flatMap((id) => [finishOf(id), shadowOf(id)]))
      await m.compare([{ id: 'ignored', which: 'pair', comparison: IGNORED, times: { legacy: 1, target: 1 } }])
      await m.compare([{ id: 'untimed', which: 'pair', comparison: MATCHED }])
      const n = ({ pairTimes }: Snapshot): number =>
        pairTimes.reduce((sum, { legacy }) => sum + [...legacy.values()].reduce((a, b) => a + b, 0), 0)
      await eventually(
        () => m.snapshot(),
        (snapshot) => n(snapshot) >= 9,
        15_000,
      )
      for (let twice = 0; twice < 2; twice++) {
        const { pairTimes } = await m.snapshot()
        expect(pairTimes.map(({ epoch, ratio, family }) => [epoch, ratio, family]).sort()).toEqual([
          ...DEFAULT_RATIOS.map((ratio) => [0, ratio, 'of-key']),
          [1, 1.5, 'of-key'],
        ])
        for (const times of pairTimes) {
          expect(Object.fromEntries(times.legacy)).toEqual({ 900: 2, 1000: 1 })
          for (const measure of PAIR_MEASURES) {
            const expected = new Map<number, number>()
            const add = (at: number, n: number) => expected.set(at, (expected.get(at) ?? 0) + n)
            for (const [legacy, target] of pairs) {
              const range = pairRanges(legacy, target, ratioSteps(times.ratio))[measure]
              if (range === undefined) continue
              add(range[0], 1)
              add(range[1] + 1, -1)
            }
            const changes = [...expected].filter(([, n]) => n !== 0).sort(([a], [b]) => a - b)
            expect(
              [...times[measure]].sort(([a], [b]) => a - b),
              measure,
            ).toEqual(changes)
          }
        }
        await m.compact()
      }
    })
  })

  it('the last minutes tell who ended, who failed and how long copies on target waited, of jobs that gates judge', async () => {
    const m = bench().migration()
    const pins = ['ok', 'bad', 'worse'].map((id, i) => pinOf(id, { route: 'target', group: i, maxAttempts: 1 }))
    await m.pin([...pins, pinOf('legacy', { maxAttempts: 1 }), pinOf('shadowed', { route: 'legacy-shadowed' })])
    await m.pin([
      pinOf('doubt', { reason: 'flag-stale' }),
      pinOf('moved'),
      pinOf('cancelled'),
      overdueBy(CLOSED, 'late'),
    ])
    await m.claim([claimOf('bad', { side: 'target' }), claimOf('legacy')])
    await m.finish([
      finishOf('ok', { side: 'target', waitBucket: 900 }),
      finishOf('bad', { side: 'target', outcome: failure(), waitBucket: 3000 }),
      finishOf('legacy', { outcome: failure() }),
      shadowOf('shadowed', { waitBucket: 3000 }),
      finishOf('shadowed', { waitBucket: 0 }),
      finishOf('doubt'),
      finishOf('late'),
    ])
    await m.closeFailed('worse', { name: 'Error', message: 'gave up' })
    await m.cancel('cancelled')
    await m.move([moveOf('moved')])
    await m.claim([claimOf('moved', { side: 'target', gen: 1 })])
    await m.finish([finishOf('moved', { side: 'target', gen: 1 })])
    const { recent, now } = await m.snapshot()
    const sums: Record<string, number> = {}
    for (const { epoch, start, counts } of recent) {
      expect([epoch, start <= now && start > now - HOUR, start % 60_000]).toEqual([0, true, 0])
      for (const [key, n] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + n
    }
    expect(sums).toEqual({
      ...{ 'settled.target': 3, 'failed.target': 2, 'failed.group.1': 1, 'failed.group.2': 1 },
      ...{ 'settled.legacy': 3, 'failed.legacy': 1 },
      ...{ [`wait.${waitClass(900)}`]: 1, [`wait.${waitClass(3000)}`]: 2 },
    })
  })

  it('the oldest job that waits on target for its first run', async () => {
    const m = bench().migration()
    const oldest = async (): Promise<number | null> => (await m.snapshot()).gauges.oldestReadyAt
    const second = (at: number | undefined): number => Math.floor((at ?? 0) / 1000) * 1000
    expect(await oldest()).toBeNull()
    const answers = await m.pin([
      overdueBy(20_000, 'old', { route: 'target' }),
      overdueBy(10_000, 'young', { route: 'target' }),
      overdueBy(30_000, 'legacy'),
      overdueBy(40_000, 'moved'),
      pinOf('delayed', { route: 'target', delayMs: HOUR }),
    ])
    await m.move([moveOf('moved')])
    await m.arrive([{ id: 'moved', gen: 1 }])
    expect(await oldest()).toBe(second(answers[0]?.dueAt))
    await m.claim([claimOf('old', { side: 'target', token: 'o' })])
    expect(await oldest()).toBe(second(answers[1]?.dueAt))
    // between its attempts a job waits for its backoff, not for a worker
    await m.finish([finishOf('old', { side: 'target', token: 'o', outcome: failure() })])
    await m.finish([finishOf('young', { side: 'target' })])
    expect(await oldest()).toBe(second(answers[4]?.dueAt))
    await m.unpin(['delayed'])
    expect(await oldest()).toBeNull()
  })

  it('what is missing by the counts is what has not ended', { timeout: 60_000 }, async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const m = bench().migration(ONE_BUCKET, `histories-${run++}`)
        const reference = new ReferenceLedger({ ...SETTINGS, ...ONE_BUCKET })
        await m.pin(history.map(({ id, route, control }) => pinOf(id, { route, control })))
        for (const { id, route, control } of history) reference.pin(pinOf(id, { route, control }))
        for (const { id, steps, route } of history) {
          for (const step of steps) {
            const side = route === 'target-shadowed' ? 'target' : 'legacy'
            await act(m, { id, step, side })
            apply(reference, { id, step, side })
          }
        }
        const counts = countsOf(await m.snapshot())
        expect(counts).toEqual(Object.fromEntries([...reference.counts].map(([key, n]) => [key.slice(2), n]).sort()))
        const get = (measure: string): number => counts[`job/${measure}`] ?? 0
        const rows = [...reference.rows.values()].filter(({ gen }) => gen === 0)
        const waits = rows.filter(({ verdict }) => verdict === 'open')
        expect(MISMATCH.read(get).orphaned, 'pairs').toBe(waits.length)
        expect(EXCESS.read(get).orphaned, 'triples').toBe(rows.filter(isTripleOpen).length)
        const unfinished = rows.filter(({ side, state }) => side === 'target' && state !== 'finished')
        const shadows = waits.filter(({ stamp, slots }) => stamp.route === 'legacy-shadowed' && !slots.shadow)
        expect(LOST.read(get).lost, 'lost').toBe(unfinished.length + shadows.length)
      }),
      { numRuns: 150 },
    )
  })
}

// ------------------------------------------------------------------------------------------- histories of shadowed jobs

const STEPS = [
  'primary',
  'shadow',
  'control',
  'pair',
  'pair ignored',
  'pair differs',
  'noise',
  'noise differs',
] as const
const ENDS = ['shed pair', 'shed control', 'cancel', 'move', 'unpin', 'fail'] as const
type Step = (typeof STEPS)[number] | (typeof ENDS)[number]

interface History {
  readonly id: string
  readonly route: Route
  readonly control: boolean
  readonly steps: readonly Step[]
}

const histories: fc.Arbitrary<History[]> = fc
  .array(
    fc.record({
      route: fc.constantFrom<Route>('legacy-shadowed', 'target-shadowed'),
      control: fc.boolean(),
      steps: fc
        .tuple(fc.shuffledSubarray([...STEPS]), fc.array(fc.constantFrom(...STEPS, ...ENDS), { maxLength: 3 }))
        .map(([some, more]) => [...some, ...more]),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((all) => all.map((each, i) => ({ ...each, id: `job-${i}` })))

interface Act {
  readonly id: string
  readonly step: Step
  readonly side: 'legacy' | 'target'
}

const COMPARISONS = {
  pair: MATCHED,
  'pair ignored': IGNORED,
  'pair differs': mismatch(),
  noise: MATCHED,
  'noise differs': mismatch(),
}

function requestsOf({ id, step, side }: Act) {
  const other = side === 'legacy' ? ('target' as const) : ('legacy' as const)
  return {
    primary: finishOf(id, { side }),
    failed: finishOf(id, { side, outcome: failure(), fatal: true }),
    shadow: shadowOf(id, { side: other }),
    control: controlOf(id),
    compare: {
      id,
      which: step.startsWith('pair') ? ('pair' as const) : ('control' as const),
      comparison: COMPARISONS[step as keyof typeof COMPARISONS],
    },
    move: moveOf(id, { from: side, to: other }),
    claim: claimOf(id, { side }),
  }
}

async function act(m: MigrationLedger, what: Act): Promise<void> {
  const { id, step } = what
  const { primary, failed, shadow, control, compare, move, claim } = requestsOf(what)
  if (step === 'primary') await m.finish([primary])
  else if (step === 'shadow') await m.finish([shadow])
  else if (step === 'control') await m.finish([control])
  else if (step === 'shed pair') await m.shed([{ id, which: 'pair' }])
  else if (step === 'shed control') await m.shed([{ id, which: 'control' }])
  else if (step === 'cancel') await m.cancel(id)
  else if (step === 'move') await m.move([move])
  else if (step === 'unpin') await m.unpin([id])
  else if (step === 'fail') {
    await m.claim([claim])
    await m.finish([failed])
  } else await m.compare([compare])
}

function apply(reference: ReferenceLedger, what: Act): void {
  const { id, step } = what
  const { primary, failed, shadow, control, compare, move, claim } = requestsOf(what)
  if (step === 'primary') reference.finish(primary)
  else if (step === 'shadow') reference.finish(shadow)
  else if (step === 'control') reference.finish(control)
  else if (step === 'shed pair') reference.shed(id, 'pair')
  else if (step === 'shed control') reference.shed(id, 'control')
  else if (step === 'cancel') reference.cancel(id)
  else if (step === 'move') reference.move(move)
  else if (step === 'unpin') reference.unpin(id)
  else if (step === 'fail') {
    reference.claim(claim)
    reference.finish(failed)
  } else reference.compare(compare)
}
