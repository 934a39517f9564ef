// The contract of `ControlLedger`: one epoch at a time whoever opens it, a latch that also tells, a ceiling, an audit log.

import { describe, expect, it } from 'vitest'
import type { ControlLedger } from '../../../src/ports/ledger.ts'
import { type LedgerBench, SETTINGS } from './bed.ts'

type EpochRequest = Parameters<ControlLedger['openEpoch']>[0]

function epochOf(expected: number, over: Partial<EpochRequest> = {}): EpochRequest {
  const dials = { target: 0.25, shadow: 1, control: 0 }
  return { expect: expected, dials, flagRevision: '7', versions: { legacy: '1' }, rules: 'r1', by: 'me', ...over }
}

export function controlContract(bench: () => LedgerBench): void {
  it('starts in epoch 0, unlatched, with an open ceiling and no controls', async () => {
    const state = await bench().migration().control()
    expect(state.latch).toEqual({ set: false, revision: 0 })
    expect(state).toMatchObject({ ceiling: 1, controlShare: 0 })
    expect(state.epoch).toMatchObject({
      ...{ epoch: 0, dials: { target: 0, shadow: 0, control: 0 }, versions: {}, latched: false },
    })
    expect(Math.abs(state.now - Date.now())).toBeLessThan(60_000)
  })

  describe('openEpoch', () => {
    it('opens the next one and keeps the ones before', async () => {
      const m = bench().migration()
      const state = await m.openEpoch(epochOf(0))
      const { expect: _expected, ...fields } = epochOf(0)
      expect(state.epoch).toMatchObject({ epoch: 1, latched: false, ...fields })
      expect(Math.abs(state.epoch.startedAt - state.now)).toBeLessThan(1000)
      await m.openEpoch(epochOf(1, { rules: 'r2', versions: {} }))
      const { epochs } = await m.snapshot()
      const sorted = [...epochs].sort((a, b) => a.epoch - b.epoch)
      expect(sorted.map(({ epoch, rules }) => [epoch, rules]).slice(1)).toEqual([
        [1, 'r1'],
        [2, 'r2'],
      ])
      expect((await m.control()).epoch).toEqual(sorted[2])
    })

    it('does nothing when another one is current, and answers that one', async () => {
      const m = bench().migration()
      await m.openEpoch(epochOf(0, { by: 'first' }))
      expect((await m.openEpoch(epochOf(0, { by: 'second' }))).epoch).toMatchObject({ epoch: 1, by: 'first' })
      expect((await m.openEpoch(epochOf(5))).epoch.epoch).toBe(1)
      expect((await m.snapshot()).epochs).toHaveLength(2)
    })

    it('has one winner among many', async () => {
      const { migration, second } = bench()
      const m = migration({}, 'race')
      const other = (await second()).migration('race', SETTINGS)
      const racers = Array.from({ length: 20 }, (_, n) =>
        (n % 2 ? m : other).openEpoch(epochOf(0, { by: `racer-${n}` })),
      )
      const states = await Promise.all(racers)
      expect(new Set(states.map(({ epoch }) => `${epoch.epoch} ${epoch.by}`)).size).toBe(1)
      expect((await m.snapshot()).epochs).toHaveLength(2)
    })

    it('is told in the audit log', async () => {
      const m = bench().migration()
      await m.openEpoch(epochOf(0))
      await m.openEpoch(epochOf(0))
      expect((await m.history()).map(({ action, by }) => [action, by])).toEqual([['epoch', 'me']])
    })
  })

  describe('setLatch', () => {
    it('sets the latch, opens a latched epoch and writes the audit entry', async () => {
      const m = bench().migration()
      await m.openEpoch(epochOf(0))
      const state = await m.setLatch({ set: true, by: 'ops', why: 'too many mismatches' })
      expect(state.latch).toMatchObject({ set: true, revision: 1, by: 'ops', why: 'too many mismatches' })
      expect(typeof state.latch.at).toBe('number')
      expect(state.epoch).toMatchObject({ epoch: 2, latched: true, by: 'ops' })
      expect(await m.control()).toMatchObject({ latch: state.latch, epoch: state.epoch })
      const [entry] = await m.history()
      expect(entry).toMatchObject({ by: 'ops', action: 'latch', why: 'too many mismatches' })
    })

    it('clears it again in an epoch that is not latched', async () => {
      const m = bench().migration()
      await m.setLatch({ set: true, by: 'ops' })
      const state = await m.setLatch({ set: false, by: 'ops', why: 'fixed' })
      expect(state.latch).toMatchObject({ set: false, revision: 2 })
      expect(state.epoch).toMatchObject({ epoch: 2, latched: false })
      expect((await m.history()).map(({ action }) => action)).toEqual(['unlatch', 'latch'])
    })

    it('changes nothing when it is set already', async () => {
      const m = bench().migration()
      const first = await m.setLatch({ set: true, by: 'ops', why: 'one' })
      const again = await m.setLatch({ set: true, by: 'ops', why: 'one' })
      expect(again.latch).toEqual(first.latch)
      expect(again.epoch).toEqual(first.epoch)
      expect(await m.history()).toHaveLength(1)
      const never = await bench().migration().setLatch({ set: false, by: 'ops' })
      expect(never.latch).toEqual({ set: false, revision: 0 })
      expect(never.epoch.epoch).toBe(0)
    })
  })

  it('holds the ceiling and the control share, audited', async () => {
    const m = bench().migration()
    expect(await m.setCeiling({ ceiling: 0.105, by: 'ops', why: 'careful' })).toMatchObject({ ceiling: 0.105 })
    expect(await m.setControlShare({ share: 0.1, by: 'ops' })).toMatchObject({ ceiling: 0.105, controlShare: 0.1 })
    expect(await m.control()).toMatchObject({ ceiling: 0.105, controlShare: 0.1 })
    expect(await m.setCeiling({ ceiling: 0, by: 'ops' })).toMatchObject({ ceiling: 0 })
    const actions = (await m.history()).map(({ action }) => action)
    expect(actions).toEqual(['ceiling', 'control-share', 'ceiling'])
  })

  it('is shared by all handles of a migration, and by no other migration', async () => {
    const { migration, second } = bench()
    const m = migration({}, 'shared')
    await m.setLatch({ set: true, by: 'ops' })
    const other = (await second()).migration('shared', (await m.snapshot()).settings)
    expect((await other.control()).latch.set).toBe(true)
    expect((await migration({}, 'apart').control()).latch.set).toBe(false)
  })
}
