// The contract of `PresenceLedger` and `AuditLedger`: who is alive, who holds a lease, who did what.

import { describe, expect, it } from 'vitest'
import { PRESENCE_TTL_MS } from '../../../src/ports/ledger.ts'
import { eventually, type LedgerBench, presenceOf } from './bed.ts'

export function presenceContract(bench: () => LedgerBench): void {
  describe('presence', () => {
    it('tells of every process by its last heartbeat, which answers the control state', async () => {
      const m = bench().migration()
      await m.setCeiling({ ceiling: 0.5, by: 'ops' })
      expect(await m.beat(presenceOf('one'))).toMatchObject({ ceiling: 0.5, latch: { set: false } })
      await m.beat(presenceOf('two', { works: {}, shadows: [] }))
      await m.beat(presenceOf('one', { inFlight: 3, confirmedBefore: 17, latchRevision: 2 }))
      const records = [...(await m.presence())].sort((a, b) => (a.instance < b.instance ? -1 : 1))
      expect(records).toHaveLength(2)
      expect(records[0]).toMatchObject({
        ...presenceOf('one', { inFlight: 3, confirmedBefore: 17, latchRevision: 2 }),
        gone: false,
      })
      expect(records[1]).toMatchObject({ instance: 'two', works: {}, shadows: [], gone: false })
      expect(Math.abs((records[0]?.at ?? 0) - Date.now())).toBeLessThan(60_000)
    })

    it('tells of doubts as they were told, and none of a process that does not', async () => {
      const m = bench().migration()
      const doubts = { flagDoubts: [{ id: 'stale', since: 17 }], emptyKeys: { times: 2, last: 18 } }
      await m.beat(presenceOf('new', doubts))
      await m.leave(presenceOf('new', doubts))
      await m.beat(presenceOf('old'))
      const [told, old] = [...(await m.presence())].sort((a, b) => (a.instance < b.instance ? -1 : 1))
      expect(told).toMatchObject({ instance: 'new', gone: true, ...doubts })
      expect(old).toMatchObject({ instance: 'old' })
      expect(old).not.toHaveProperty('flagDoubts')
      expect(old).not.toHaveProperty('emptyKeys')
    })

    it('tells of one that left, with its last words', async () => {
      const m = bench().migration()
      await m.beat(presenceOf('one', { inFlight: 1 }))
      await m.leave(presenceOf('one', { inFlight: 0, confirmedBefore: 99 }))
      expect(await m.presence()).toMatchObject([{ instance: 'one', inFlight: 0, confirmedBefore: 99, gone: true }])
      await m.leave(presenceOf('one', { inFlight: 0, confirmedBefore: 99 }))
      expect(await m.presence()).toHaveLength(1)
    })

    it('holds one for gone that has not been heard of for the time it may be silent', async () => {
      const m = bench().migration()
      await m.beat(presenceOf('silent'))
      expect(await m.presence()).toMatchObject([{ gone: false }])
      const gone = await eventually(
        () => m.presence(),
        ([record]) => record?.gone === true,
        PRESENCE_TTL_MS + 3000,
      )
      expect(gone).toMatchObject([{ instance: 'silent', gone: true }])
    })

    it('forgets those gone for longer than the retention', async () => {
      const m = bench().migration({ retainMs: 100 })
      await m.beat(presenceOf('stays'))
      await m.leave(presenceOf('left'))
      await eventually(
        async () => {
          await m.compact()
          return m.presence()
        },
        (records) => records.length === 1 && records[0]?.instance === 'stays',
      )
    })
  })

  describe('leases', () => {
    it('are held by one at a time, and prolonged by their holder', async () => {
      const { migration, second } = bench()
      const m = migration({}, 'leased')
      const other = (await second()).migration('leased', (await m.snapshot()).settings)
      const first = await m.acquireLease('controller', 'a', 60_000)
      expect(first).toMatchObject({ held: true, holder: 'a' })
      expect(await other.acquireLease('controller', 'b', 60_000)).toEqual({ ...first, held: false })
      const longer = await m.acquireLease('controller', 'a', 120_000)
      expect(longer.held).toBe(true)
      expect(longer.until).toBeGreaterThan(first.until)
      expect(await other.acquireLease('sweeper', 'b', 60_000)).toMatchObject({ held: true, holder: 'b' })
    })

    it('are given up only by their holder', async () => {
      const m = bench().migration()
      await m.acquireLease('controller', 'a', 60_000)
      await m.releaseLease('controller', 'b')
      expect(await m.acquireLease('controller', 'b', 60_000)).toMatchObject({ held: false, holder: 'a' })
      await m.releaseLease('controller', 'a')
      await m.releaseLease('controller', 'a')
      expect(await m.acquireLease('controller', 'b', 60_000)).toMatchObject({ held: true, holder: 'b' })
    })

    it('end by themselves', async () => {
      const m = bench().migration()
      await m.acquireLease('controller', 'a', 60)
      const taken = await eventually(
        () => m.acquireLease('controller', 'b', 60_000),
        ({ held }) => held,
      )
      expect(taken.holder).toBe('b')
    })

    it('have one winner among many', async () => {
      const m = bench().migration()
      const racers = Array.from({ length: 20 }, (_, n) => m.acquireLease('controller', `racer-${n}`, 60_000))
      expect((await Promise.all(racers)).filter(({ held }) => held)).toHaveLength(1)
    })
  })

  it('keeps an audit log, newest first', async () => {
    const m = bench().migration()
    for (let n = 0; n < 5; n++) await m.audit({ by: 'me@host', action: 'flag-set', data: { n } })
    await m.audit({ by: 'you', action: 'discard', why: 'a duplicate', data: null })
    const history = await m.history()
    expect(history.map(({ data }) => data)).toEqual([null, { n: 4 }, { n: 3 }, { n: 2 }, { n: 1 }, { n: 0 }])
    expect(history[0]).toMatchObject({ by: 'you', action: 'discard', why: 'a duplicate' })
    expect(Math.abs((history[0]?.at ?? 0) - Date.now())).toBeLessThan(60_000)
    expect(await m.history({ limit: 2 })).toEqual(history.slice(0, 2))
  })
}
