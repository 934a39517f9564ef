// The contract of `TallyLedger`: counts by bucket of due time and epoch, latencies, gauges, and roll-up without loss.

import { describe, expect, it } from 'vitest'
import {
  allRows,
  claimOf,
  counted,
  countsOf,
  failure,
  finishOf,
  HOUR,
  type LedgerBench,
  newId,
  only,
  overdueBy,
  pinOf,
  SETTINGS,
  shadowOf,
} from './bed.ts'

export function tallyContract(bench: () => LedgerBench): void {
  describe('buckets', () => {
    it('are those of the due time, whenever the job ends', async () => {
      const m = bench().migration()
      const first = await only(m.pin([overdueBy(30_000, 'past')]))
      const second = await only(m.pin([pinOf('future', { delayMs: 90_000 })]))
      await m.finish([finishOf('past'), finishOf('future')])
      const { buckets } = await m.snapshot()
      const starts = [first, second].map(({ dueAt }) => Math.floor(dueAt / SETTINGS.bucketMs) * SETTINGS.bucketMs)
      expect(buckets.map(({ start }) => start).sort((a, b) => a - b)).toEqual(starts)
      for (const bucket of buckets) {
        expect(bucket).toMatchObject({ epoch: 0, widthMs: SETTINGS.bucketMs })
        expect(bucket.counts).toMatchObject({ 'job/dispatched.legacy': 1, 'job/ok.legacy': 1 })
      }
    })

    it('never mix epochs, and a snapshot of one epoch shows that one alone', async () => {
      const m = bench().migration()
      await m.pin([pinOf('zero'), pinOf('one', { epoch: 1 }), pinOf('one-b', { epoch: 1 })])
      await m.finish([finishOf('one'), finishOf('zero')])
      const all = await m.snapshot()
      const dispatched = (epoch: number, from = all): number =>
        from.buckets
          .filter((bucket) => bucket.epoch === epoch)
          .reduce((sum, { counts }) => sum + (counts['job/dispatched.legacy'] ?? 0), 0)
      expect([dispatched(0), dispatched(1)]).toEqual([1, 2])
      const one = await m.snapshot({ epoch: 1 })
      expect([dispatched(0, one), dispatched(1, one)]).toEqual([0, 2])
      expect(new Set(one.histograms.map(({ epoch }) => epoch))).toEqual(new Set([1]))
      expect(one.gauges).toEqual(all.gauges)
    })

    it('take nothing but `late` once they are closed', async () => {
      const m = bench().migration({ deadlineMs: 1000 })
      await m.pin([overdueBy(60_000, 'late', { route: 'legacy-shadowed' })])
      await m.finish([finishOf('late'), shadowOf('late', { outcome: failure() })])
      expect(countsOf(await m.snapshot())).toEqual({
        'late/dispatched.legacy': 1,
        'late/ok.legacy': 1,
        'late/route.legacy-shadowed': 1,
        'late/shadow.failed.target': 1,
        'late/shadow.wanted.target': 1,
      })
    })

    it('count what no gate judges as `excluded`', async () => {
      const m = bench().migration()
      const added = await counted(m, () => m.pin([pinOf('doubt', { reason: 'flag-stale' })]))
      const names = ['dispatched.legacy', 'route.legacy', 'unflagged.legacy']
      expect(added).toEqual(Object.fromEntries(names.map((name) => [`excluded/${name}`, 1])))
      expect(await counted(m, () => m.bump('unrecorded.legacy', 3))).toEqual({ 'excluded/unrecorded.legacy': 3 })
      expect(await counted(m, () => m.bump('unrecorded.legacy', 2))).toEqual({ 'excluded/unrecorded.legacy': 2 })
    })
  })

  it('counts the first job of a key in an epoch, and only it, under `key`', async () => {
    const m = bench().migration()
    const keyed = async (...pins: Parameters<typeof pinOf>[]): Promise<number> => {
      const added = await counted(m, () => m.pin(pins.map((pin) => pinOf(...pin))))
      return added['key/dispatched.legacy'] ?? 0
    }
    expect(await keyed(['a', { keySlot: 7 }])).toBe(1)
    expect(await keyed(['a', { keySlot: 7 }])).toBe(0)
    expect(await keyed(['b', { keySlot: 7 }])).toBe(0)
    expect(await keyed(['c', { keySlot: 7, epoch: 1 }])).toBe(1)
    expect(await keyed(['d', { keySlot: 1_048_575 }], ['e', { keySlot: 1_048_575 }], ['f', { keySlot: 0 }])).toBe(2)
    expect(await keyed(['g', {}], ['h', {}])).toBe(2)
    expect(await counted(m, () => m.finish([finishOf('a'), finishOf('b')]))).toEqual({
      'job/ok.legacy': 2,
      'key-day/ok.legacy': 1,
      'key/ok.legacy': 1,
    })
    expect((await m.row('b'))?.stamp.firstOfKey).toBe(false)
  })

  it('adds run and wait times of final runs to histograms', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a', { route: 'legacy-shadowed' }), pinOf('b'), pinOf('c', { route: 'target' })])
    await m.claim([claimOf('b')])
    await m.finish([finishOf('b', { outcome: failure() })])
    await m.finish([finishOf('a', { runBucket: 3 }), shadowOf('a', { runBucket: 40 }), finishOf('b'), finishOf('b')])
    await m.finish([finishOf('c', { side: 'target', runBucket: 0, waitBucket: 1000 })])
    const { histograms } = await m.snapshot()
    const byName = Object.fromEntries(histograms.map(({ name, counts }) => [name, Object.fromEntries(counts)]))
    expect(byName).toEqual({
      'run.primary.legacy': { 3: 1, 7: 1 },
      'run.primary.target': { 0: 1 },
      'run.shadow.target': { 40: 1 },
      'wait.legacy': { 9: 2 },
      'wait.target': { 1000: 1 },
    })
  })

  it('gauges what is on its way', async () => {
    const m = bench().migration()
    const zero = { legacy: 0, target: 0 }
    const { gauges: none } = await m.snapshot()
    const noGauges = { waiting: zero, running: zero, moving: 0, inDoubt: zero, lost: zero }
    expect(none).toEqual({ ...noGauges, overdue: 0, pairsOpen: 0, controlsOpen: 0, oldestReadyAt: null })
    await m.pin([pinOf('waits'), pinOf('delayed', { delayMs: HOUR }), overdueBy(2 * HOUR, 'overdue')])
    const [waiting] = await m.pin([
      pinOf('waits-t', { route: 'target' }),
      pinOf('runs'),
      pinOf('doubt'),
      pinOf('no-doubt'),
    ])
    await m.pin([pinOf('half', { route: 'legacy-shadowed', control: true })])
    await m.finish([finishOf('half')])
    await m.claim([claimOf('runs'), claimOf('doubt', { leaseMs: 0, effectsUnknown: true })])
    await m.claim([claimOf('no-doubt', { leaseMs: 0 })])
    await m.markLost('overdue', true)
    const { gauges } = await m.snapshot()
    expect(gauges).toEqual({
      waiting: { legacy: 3, target: 1 },
      running: { legacy: 3, target: 0 },
      moving: 0,
      inDoubt: { legacy: 1, target: 0 },
      lost: { legacy: 1, target: 0 },
      overdue: 1,
      pairsOpen: 1,
      controlsOpen: 1,
      oldestReadyAt: Math.floor((waiting?.dueAt ?? 0) / 1000) * 1000,
    })
    expect((await allRows(m)).size).toBe(8)
  })

  it('tells its clock, settings, control state and epochs in one snapshot', async () => {
    const m = bench().migration()
    const before = Date.now()
    const { now, control, settings, epochs } = await m.snapshot()
    expect(Math.abs(now - before)).toBeLessThan(60_000)
    expect(settings).toEqual(SETTINGS)
    expect(control.latch).toMatchObject({ set: false, revision: 0 })
    expect(epochs.map(({ epoch }) => epoch)).toEqual([0])
  })

  describe('compact', () => {
    it('merges old closed buckets into hours and days and changes no sum', async () => {
      const m = bench().migration({ deadlineMs: 1000 })
      const ages = [0, 1, 2, 3, 5, 30, 31, 32, 72, 73, 96, 97].map((hours) => hours * HOUR)
      await m.pin(ages.flatMap((age) => [0, 1500, 3000].map((more) => overdueBy(age + more, newId()))))
      await m.pin([overdueBy(5 * HOUR, 'of epoch 1', { epoch: 1 })])
      const before = await m.snapshot()
      const { merged } = await m.compact()
      expect(merged).toBeGreaterThan(0)
      const after = await m.snapshot()
      expect(countsOf(after)).toEqual(countsOf(before))
      expect(after.buckets.length).toBeLessThan(before.buckets.length)
      const widths = new Set(after.buckets.map(({ widthMs }) => widthMs))
      expect([...widths].sort((a, b) => a - b)).toEqual([SETTINGS.bucketMs, HOUR, 24 * HOUR])
      for (const { start, widthMs } of after.buckets) expect(start % widthMs).toBe(0)
      const recent = after.buckets.filter(({ start }) => start > after.now - HOUR)
      expect(recent.every(({ widthMs }) => widthMs === SETTINGS.bucketMs)).toBe(true)
      expect(after.buckets.filter(({ epoch }) => epoch === 1)).toHaveLength(1)
      expect((await m.compact()).merged).toBe(0)
      expect(countsOf(await m.snapshot())).toEqual(countsOf(before))
    })

    it('frees finished rows after the retention, and never an unfinished one', async () => {
      const m = bench().migration({ retainMs: 200 })
      await m.pin(['done', 'half', 'open'].map((id) => pinOf(id, id === 'half' ? { route: 'legacy-shadowed' } : {})))
      await m.finish([finishOf('done'), finishOf('half')])
      expect(await m.row('done')).toMatchObject({ state: 'finished' })
      const until = Date.now() + 5000
      while ((await m.row('done')) !== undefined && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        await m.compact()
      }
      expect(await m.row('done')).toBeUndefined()
      expect((await m.row('half'))?.state).toBe('finished')
      expect((await m.row('open'))?.state).toBe('open')
      expect(countsOf(await m.snapshot())).toMatchObject({ 'job/ok.legacy': 2 })
      expect(await only(m.pin([pinOf('done')]))).toMatchObject({ status: 'pinned' })
    })

    it('keeps finished rows for the whole retention', async () => {
      const m = bench().migration({ retainMs: 1500 })
      await m.pin([pinOf('done')])
      await m.finish([finishOf('done')])
      const finished = Date.now()
      while (Date.now() - finished < 500) {
        await m.compact()
        expect(await m.row('done')).toBeDefined()
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
  })
}
