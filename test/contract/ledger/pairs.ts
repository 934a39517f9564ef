// The contract of `PairLedger`: verdicts close once, and every wanted pair is accounted for.

import { describe, expect, it } from 'vitest'
import type { JobRow, MigrationLedger, PairState } from '../../../src/ports/ledger.ts'
import {
  controlOf,
  counted,
  failure,
  finishOf,
  HOUR,
  IGNORED,
  type LedgerBench,
  MATCHED,
  mismatch,
  newId,
  ONE_BUCKET,
  ok,
  only,
  overdueBy,
  pinOf,
  shadowOf,
  sumLaw,
} from './bed.ts'
import { judged } from './row-cases.ts'

async function laws(m: MigrationLedger): Promise<void> {
  const snapshot = await m.snapshot()
  for (const which of ['pair', 'control'] as const) {
    const { accounted, wanted } = sumLaw(snapshot, which)
    expect(accounted).toBe(wanted)
  }
}

export function pairContract(bench: () => LedgerBench): void {
  describe('finish of a shadowed job', () => {
    it('answers both slots to whoever ends second, and keeps the row until it is compared', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed' })])
      const first = await only(m.finish([finishOf(id, { outcome: ok('of legacy') })]))
      expect(first).toMatchObject({
        status: 'finished',
        pair: { verdict: 'open', slots: { primary: ok('of legacy') } },
      })
      const added = await counted(m, async () => {
        const second = await only(m.finish([shadowOf(id, { outcome: ok('of target') })]))
        const slots = { primary: ok('of legacy'), shadow: ok('of target') }
        expect(second).toEqual({
          status: 'finished',
          class: 'ok',
          pair: { route: 'legacy-shadowed', verdict: 'open', controlVerdict: 'none', slots } satisfies PairState,
        })
        expect(await only(m.finish([shadowOf(id, { outcome: ok('of target') })]))).toEqual(second)
      })
      expect(added).toEqual(judged({ 'shadow.ok.target': 1 }))
      expect((await m.row(id))?.slots.shadow).toEqual(ok('of target'))
      await laws(m)
    })

    it('counts a copy of a job that wants none as absent', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id)])
      const added = await counted(m, async () => {
        expect(await only(m.finish([shadowOf(id)]))).toEqual({ status: 'refused', why: 'absent' })
        expect(await only(m.finish([controlOf(id)]))).toEqual({ status: 'refused', why: 'absent' })
      })
      expect(added).toEqual({})
    })

    it('never replaces a slot that is filled', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'target-shadowed', control: true })])
      await m.finish([shadowOf(id, { side: 'legacy', outcome: ok('first') }), controlOf(id, { outcome: failure() })])
      const added = await counted(m, () =>
        m.finish([shadowOf(id, { side: 'legacy', outcome: ok('second') }), controlOf(id, { outcome: ok('second') })]),
      )
      expect(added).toEqual({})
      expect((await m.row(id))?.slots).toEqual({ shadow: ok('first'), control: failure() })
    })
  })

  describe('compare', () => {
    it.each([
      [MATCHED, judged({ 'pair.matched': 1 })],
      [IGNORED, judged({ 'pair.ignored': 1 })],
      [mismatch(), judged({ 'pair.mismatched': 1 })],
      [
        { ...mismatch(), errors: 'target-only' } as const,
        judged({ 'pair.mismatched': 1, 'pair.errors.target-only': 1 }),
      ],
      [{ ...MATCHED, errors: 'both' } as const, judged({ 'pair.matched': 1, 'pair.errors.both': 1 })],
    ])('closes a full pair once: %o', async (comparison, counts) => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed' })])
      await m.finish([finishOf(id), shadowOf(id)])
      const added = await counted(m, async () => {
        expect(await only(m.compare([{ id, which: 'pair', comparison }]))).toBe(true)
        expect(await only(m.compare([{ id, which: 'pair', comparison }]))).toBe(false)
      })
      expect(added).toEqual(counts)
      const row = await m.row(id)
      expect(row).toMatchObject({ state: 'finished', verdict: comparison.class, slots: { primary: ok() } })
      expect(row?.slots.shadow).toBeUndefined()
      await laws(m)
    })

    it('refuses while a slot is empty, or where there is no row', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed' })])
      const compare = (of: string) => only(m.compare([{ id: of, which: 'pair', comparison: MATCHED }]))
      expect(await compare(id)).toBe(false)
      await m.finish([shadowOf(id)])
      expect(await compare(id)).toBe(false)
      expect(await compare('nobody')).toBe(false)
      await laws(m)
    })

    it.each(['legacy-shadowed', 'target-shadowed'] as const)(
      'compares a control with legacy’s run: %s',
      async (route) => {
        const m = bench().migration()
        const id = newId()
        const side = route === 'legacy-shadowed' ? 'legacy' : 'target'
        const onLegacy = side === 'legacy' ? finishOf(id) : shadowOf(id, { side: 'legacy' })
        const other = side === 'legacy' ? shadowOf(id) : finishOf(id, { side: 'target' })
        await m.pin([pinOf(id, { route, control: true })])
        await m.finish([controlOf(id), other])
        expect(await only(m.compare([{ id, which: 'control', comparison: MATCHED }]))).toBe(false)
        await m.finish([onLegacy])
        const added = await counted(m, async () => {
          expect(await m.compare([{ id, which: 'control', comparison: MATCHED }])).toEqual([true])
          expect((await m.row(id))?.slots.shadow).toBeDefined()
          expect(await m.compare([{ id, which: 'pair', comparison: MATCHED }])).toEqual([true])
        })
        expect(added).toEqual(judged({ 'control.matched': 1, 'pair.matched': 1, 'triple.neither': 1 }))
        await laws(m)
      },
    )
  })

  describe('shed', () => {
    it('closes an open verdict whose copy has not come, once', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed', control: true })])
      const added = await counted(m, async () => {
        for (const which of ['pair', 'pair', 'control', 'control'] as const) await m.shed([{ id, which }])
      })
      expect(added).toEqual(judged({ 'shadow.shed.target': 1, 'control.shed': 1, 'triple.out': 1 }))
      await laws(m)
      const late = await counted(m, () => m.finish([shadowOf(id), shadowOf(id), controlOf(id), controlOf(id)]))
      expect(late).toEqual(judged({ 'late-outcome.shadow': 1, 'late-outcome.control': 1 }))
      expect([...((await m.row(id))?.seenArms ?? [])].sort()).toEqual(['control', 'shadow'])
      await laws(m)
    })

    it('does nothing to a pair whose shadow has ended, or to a job without one', async () => {
      const m = bench().migration()
      await m.pin([pinOf('ended', { route: 'legacy-shadowed' }), pinOf('plain')])
      await m.finish([shadowOf('ended')])
      const ids = ['ended', 'plain', 'nobody']
      expect(await counted(m, () => m.shed(ids.map((id) => ({ id, which: 'pair' as const }))))).toEqual({})
      expect((await m.row('ended'))?.verdict).toBe('open')
    })

    it('counts a late copy of a job that is settled already', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed' })])
      await m.shed([{ id, which: 'pair' }])
      await m.finish([finishOf(id)])
      const late = await counted(m, () => m.finish([shadowOf(id), shadowOf(id)]))
      expect(late).toEqual(judged({ 'late-outcome.shadow': 1 }))
      expect(await m.row(id)).toMatchObject({ state: 'finished', verdict: 'shed', slots: { primary: ok() } })
    })
  })

  describe('orphan', () => {
    const overdue = (id: string, route: 'legacy-shadowed' | 'target-shadowed' = 'legacy-shadowed') =>
      overdueBy(1000, id, { route, control: true })

    it('closes a pair with one slot, after deadline and slack, by the side that is missing', async () => {
      const m = bench().migration(ONE_BUCKET)
      await m.pin([overdue('no-shadow'), overdue('no-primary'), overdue('neither'), pinOf('young', overdueless)])
      await m.finish([finishOf('no-shadow'), shadowOf('no-primary'), finishOf('young')])
      const asked = ['no-shadow', 'no-primary', 'neither', 'young', 'nobody']
      const added = await counted(m, async () => {
        const orphan = () => m.orphan(asked.map((id) => ({ id, which: 'pair' as const })))
        expect(await orphan()).toEqual([true, true, false, false, false])
        expect(await orphan()).toEqual([false, false, false, false, false])
      })
      expect(added).toEqual(judged({ 'pair.orphaned.target': 1, 'pair.orphaned.legacy': 1 }))
      await laws(m)
    })
    const overdueless = { route: 'legacy-shadowed', delayMs: HOUR } as const

    it('closes a control only when its pair is closed', async () => {
      const m = bench().migration(ONE_BUCKET)
      const id = newId()
      await m.pin([overdue(id, 'target-shadowed')])
      await m.finish([finishOf(id, { side: 'target' })])
      const orphan = (which: 'pair' | 'control') => only(m.orphan([{ id, which }]))
      expect(await orphan('control')).toBe(false)
      expect(await orphan('pair')).toBe(true)
      expect(await counted(m, async () => expect(await orphan('control')).toBe(true))).toEqual(
        judged({ 'control.orphaned.legacy': 1 }),
      )
      await laws(m)
    })

    it('counts what comes after it as late, once', async () => {
      const m = bench().migration(ONE_BUCKET)
      await m.pin([overdue('a'), overdue('b')])
      await m.finish([finishOf('a'), shadowOf('b')])
      await m.orphan([
        { id: 'a', which: 'pair' },
        { id: 'b', which: 'pair' },
      ])
      const late = await counted(m, () => m.finish([shadowOf('a'), shadowOf('a'), finishOf('b'), finishOf('b')]))
      expect(late).toEqual(judged({ 'late-outcome.shadow': 1, 'late-outcome.primary': 1, 'ok.legacy': 1 }))
      await laws(m)
    })
  })

  describe('a copy that was in time', () => {
    const overdue = (id: string, route: 'legacy-shadowed' | 'target-shadowed') =>
      overdueBy(1000, id, { route, control: true })
    const orphan = (m: MigrationLedger, id: string, which: 'pair' | 'control') => only(m.orphan([{ id, which }]))

    it.each(['legacy-shadowed', 'target-shadowed'] as const)(
      'is not late when it comes again after its pair was orphaned and forgotten: %s',
      async (route) => {
        const m = bench().migration(ONE_BUCKET)
        const id = newId()
        const [side, other] =
          route === 'legacy-shadowed' ? (['legacy', 'target'] as const) : (['target', 'legacy'] as const)
        const copies = [shadowOf(id, { side: other }), controlOf(id)]
        await m.pin([overdue(id, route)])
        await m.finish(copies)
        expect(await orphan(m, id, 'pair')).toBe(true)
        const control = route === 'legacy-shadowed'
        // on target-shadowed, shadow and control are both there: they are compared
        if (control) expect(await orphan(m, id, 'control')).toBe(true)
        else expect(await m.compare([{ id, which: 'control', comparison: MATCHED }])).toEqual([true])
        await m.finish([finishOf(id, { side })])
        expect((await m.row(id))?.slots).toEqual({ primary: ok() })
        expect(await counted(m, () => m.finish(copies))).toEqual({})
        expect(await counted(m, () => m.finish([...copies].reverse()))).toEqual({})
        await laws(m)
      },
    )

    it('is not late after its pair was orphaned, while one that did come late is, once', async () => {
      const m = bench().migration(ONE_BUCKET)
      await m.pin([overdue('a', 'legacy-shadowed'), overdue('b', 'legacy-shadowed')])
      await m.finish([shadowOf('a'), controlOf('b'), finishOf('b')])
      for (const id of ['a', 'b']) for (const which of ['pair', 'control'] as const) await orphan(m, id, which)
      expect(await m.row('b')).toMatchObject({ verdict: 'orphaned', controlVerdict: 'open' })
      await m.compare([{ id: 'b', which: 'control', comparison: MATCHED }])
      await m.finish([finishOf('a')])
      const late = await counted(m, async () => {
        for (let i = 0; i < 2; i++) for (const id of ['a', 'b']) await m.finish([shadowOf(id), controlOf(id)])
      })
      expect(late).toEqual(judged({ 'late-outcome.control': 1, 'late-outcome.shadow': 1 }))
      await laws(m)
    })

    it('is not late after the other copy was shed', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed', control: true })])
      await m.finish([controlOf(id)])
      await m.shed([{ id, which: 'pair' }])
      await m.finish([finishOf(id)])
      await m.compare([{ id, which: 'control', comparison: MATCHED }])
      const late = await counted(m, () => m.finish([controlOf(id), shadowOf(id), shadowOf(id), controlOf(id)]))
      expect(late).toEqual(judged({ 'late-outcome.shadow': 1 }))
      await laws(m)
    })
  })

  describe('ends of a shadowed job without a run', () => {
    it('unpin sheds its copies; cancel orphans them, and nobody waits for the copies', async () => {
      const m = bench().migration()
      await m.pin(['unpinned', 'cancelled'].map((id) => pinOf(id, { route: 'legacy-shadowed', control: true })))
      const unpinned = await counted(m, () => m.unpin(['unpinned', 'unpinned', 'nobody']))
      expect(unpinned).toEqual(
        judged({
          ...{ 'refused.legacy': 1, 'shadow.shed.target': 1, 'shadow.refused.target': 1, 'control.shed': 1 },
          ...{ 'triple.out': 1 },
        }),
      )
      const cancelled = await counted(m, () => m.cancel('cancelled'))
      expect(cancelled).toEqual(
        judged({
          ...{ 'cancelled.legacy': 1, 'pair.orphaned.legacy': 1, 'control.orphaned.legacy': 1 },
          ...{ 'pair.cancelled': 1, 'shadow.withdrawn.target': 1, 'triple.out': 1 },
        }),
      )
      const late = await counted(m, () => m.finish([shadowOf('cancelled'), controlOf('cancelled')]))
      expect(late).toEqual({})
      await laws(m)
    })

    it('closeFailed keeps the pair open for its shadow', async () => {
      const m = bench().migration()
      const id = newId()
      await m.pin([pinOf(id, { route: 'legacy-shadowed' })])
      await m.closeFailed(id, { name: 'Error', message: 'stalled', code: 'E_STALLED' })
      const answer = await only(m.finish([shadowOf(id)]))
      const primary = { ok: false, error: { code: 'E_STALLED' } }
      expect(answer).toMatchObject({ status: 'finished', pair: { verdict: 'open', slots: { primary, shadow: ok() } } })
      const row = (await m.row(id)) as JobRow
      expect(row).toMatchObject({ state: 'finished', class: 'backend-failed', verdict: 'open' })
    })
  })
}
