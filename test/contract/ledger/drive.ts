// The contract of a plan's steps: all of a step or nothing, once, and only from what still stands.

import { describe, expect, it } from 'vitest'
import type { DriveRequest, MigrationLedger } from '../../../src/ports/ledger.ts'
import { type LedgerBench, SETTINGS } from './bed.ts'

let made = 0

function stepOf(over: Partial<DriveRequest> = {}): DriveRequest {
  made += 1
  const audit = [{ action: 'stage', why: 'because', data: { stage: 'canary' } }]
  return {
    ...{ expect: { drive: 0, latch: 0 }, token: `step-${made}`, driven: true, record: { stage: 'canary' }, by: 'me' },
    ...{ ceiling: 0.105, controlShare: 0.1, audit },
    ...over,
  }
}

function epochOf(expected: number): NonNullable<DriveRequest['epoch']> {
  const dials = { target: 0.1, shadow: 1, control: 0.1 }
  return { expect: expected, dials, flagRevision: '7', versions: { target: '2' }, rules: 'r1' }
}

/** Everything that a step could change. */
async function standing(m: MigrationLedger): Promise<unknown> {
  const { now: _, ...control } = await m.control()
  return { control, drive: await m.driveState(), history: await m.history() }
}

export function driveContract(bench: () => LedgerBench): void {
  it('starts undriven', async () => {
    const m = bench().migration()
    expect(await m.driveState()).toEqual({ revision: 0, driven: false, record: null })
    expect((await m.control()).drive).toEqual({ revision: 0, driven: false })
  })

  it('does all of a step together', async () => {
    const m = bench().migration()
    const answer = await m.drive(stepOf({ epoch: epochOf(0) }))
    expect(answer.done).toBe(true)
    expect(answer.drive).toEqual({ revision: 1, driven: true, record: { stage: 'canary' } })
    expect(answer.control).toMatchObject({ ceiling: 0.105, controlShare: 0.1, drive: { revision: 1, driven: true } })
    const { expect: _, ...fields } = epochOf(0)
    expect(answer.control.epoch).toMatchObject({ epoch: 1, by: 'me', latched: false, ...fields })
    const { now: _now, ...now } = await m.control()
    expect(answer.control).toMatchObject(now)
    expect(await m.driveState()).toEqual(answer.drive)
    expect(await m.history()).toMatchObject([{ by: 'me', action: 'stage', why: 'because', data: { stage: 'canary' } }])
    expect((await m.snapshot()).control.drive).toEqual({ revision: 1, driven: true })
  })

  it('leaves alone what a step does not name, and stops being driven when told', async () => {
    const m = bench().migration()
    await m.drive(stepOf())
    const bare = { expect: { drive: 1, latch: 0 }, token: 'bare', by: 'you', audit: [] }
    const answer = await m.drive({ ...bare, driven: false, record: { text: 'ünï' } })
    expect(answer.control).toMatchObject({ ceiling: 0.105, controlShare: 0.1, drive: { revision: 2, driven: false } })
    expect(answer.drive).toEqual({ revision: 2, driven: false, record: { text: 'ünï' } })
    expect(answer.control.epoch.epoch).toBe(0)
  })

  it('does a step once, however often its answer is lost', async () => {
    const m = bench().migration()
    const step = stepOf({ epoch: epochOf(0) })
    await m.drive(step)
    const before = await standing(m)
    expect((await m.drive(step)).done).toBe(true)
    expect(await standing(m)).toEqual(before)
  })

  describe('does nothing', () => {
    it.each([
      ['when another step came before', { expect: { drive: 0, latch: 0 } }],
      ['when the latch was turned', { expect: { drive: 1, latch: 1 } }],
      ['when another epoch is current', { expect: { drive: 1, latch: 0 }, epoch: epochOf(3) }],
    ] as const)('%s', async (_, over) => {
      const m = bench().migration()
      await m.drive(stepOf())
      const before = await standing(m)
      const answer = await m.drive(stepOf({ ...over, record: { stage: 'full' }, ceiling: 1, controlShare: 0 }))
      expect(answer.done).toBe(false)
      expect(answer.drive).toEqual({ revision: 1, driven: true, record: { stage: 'canary' } })
      expect(await standing(m)).toEqual(before)
    })
  })

  it('has one winner among many', async () => {
    const { migration, second } = bench()
    const m = migration({}, 'drive-race')
    const other = (await second()).migration('drive-race', SETTINGS)
    const racers = Array.from({ length: 20 }, (_, n) => (n % 2 ? m : other).drive(stepOf({ record: { racer: n } })))
    const answers = await Promise.all(racers)
    expect(answers.filter(({ done }) => done)).toHaveLength(1)
    expect((await m.driveState()).revision).toBe(1)
    expect(await m.history()).toHaveLength(1)
  })

  it('rolls back in one step: latch, ceiling, record, and the latch tells who and why', async () => {
    const m = bench().migration()
    await m.drive(stepOf({ ceiling: 0.5, epoch: epochOf(0) }))
    const back = { expect: { drive: 1, latch: 0 }, ceiling: 0, latch: { why: 'errors over-limit' } }
    const { done, control } = await m.drive(stepOf({ ...back, by: 'controller' }))
    expect(done).toBe(true)
    expect(control.latch).toMatchObject({ set: true, revision: 1, by: 'controller', why: 'errors over-limit' })
    expect(control).toMatchObject({ ceiling: 0, epoch: { epoch: 2, latched: true, by: 'controller' } })
  })

  it('is fenced off by a rollback: the ceiling is 0 at once, and a step decided before raises nothing', async () => {
    const m = bench().migration()
    await m.drive(stepOf({ ceiling: 0.1 }))
    const late = stepOf({ expect: { drive: 1, latch: 0 }, ceiling: 0.5, record: { stage: 'canary-50' } })
    expect((await m.setLatch({ set: true, by: 'ops' })).ceiling).toBe(0)
    expect((await m.drive(late)).done).toBe(false)
    await m.setLatch({ set: false, by: 'ops' })
    expect((await m.drive(late)).done).toBe(false)
    expect(await m.control()).toMatchObject({ ceiling: 0, latch: { set: false, revision: 2 } })
  })

  it('lets nobody open an epoch who has not heard of it, or who has not heard of its end', async () => {
    const m = bench().migration()
    await m.openEpoch({ ...epochOf(0), by: 'early' })
    await m.drive(stepOf())
    expect((await m.openEpoch({ ...epochOf(1), by: 'unaware' })).epoch).toMatchObject({ epoch: 1, by: 'early' })
    expect((await m.openEpoch({ ...epochOf(1), by: 'aware', driven: true })).epoch).toMatchObject({
      epoch: 2,
      by: 'aware',
    })
    const bare = { expect: { drive: 1, latch: 0 }, token: 'end', by: 'you', audit: [] }
    await m.drive({ ...bare, driven: false, record: null })
    expect((await m.openEpoch({ ...epochOf(2), by: 'late', driven: true })).epoch.epoch).toBe(2)
    expect((await m.openEpoch({ ...epochOf(2), by: 'free' })).epoch).toMatchObject({ epoch: 3, by: 'free' })
  })

  it('keeps the ceiling at a rollback while no plan is driven', async () => {
    const m = bench().migration()
    expect((await m.setLatch({ set: true, by: 'ops' })).ceiling).toBe(1)
  })
}
