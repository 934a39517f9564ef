// The contract of what comparisons leave behind: samples of mismatches and groups of differences, both bounded.

import { describe, expect, it } from 'vitest'
import { DIFFERENCE_GROUPS_KEPT, type MigrationLedger, SAMPLES_KEPT } from '../../../src/ports/ledger.ts'
import {
  controlOf,
  difference,
  finishOf,
  IGNORED,
  type LedgerBench,
  MATCHED,
  mismatch,
  only,
  pinOf,
  shadowOf,
} from './bed.ts'

async function compared(m: MigrationLedger, id: string, comparison = MATCHED): Promise<boolean> {
  await m.pin([pinOf(id, { route: 'legacy-shadowed' })])
  await m.finish([finishOf(id), shadowOf(id)])
  return only(m.compare([{ id, which: 'pair', comparison }]))
}

export function differenceContract(bench: () => LedgerBench): void {
  describe('samples', () => {
    it('keep mismatches only, newest first, and find those of a job', async () => {
      const m = bench().migration()
      await compared(m, 'one', mismatch([difference('/result/a')]))
      await compared(m, 'same', MATCHED)
      await compared(m, 'ignored', { ...IGNORED, differences: [difference('/result/z')], differenceCount: 1 })
      await compared(m, 'two', mismatch([difference('/result/b', 'missing')]))
      await m.compare([{ id: 'two', which: 'pair', comparison: mismatch() }])
      const samples = await m.samples()
      expect(samples.map(({ id, which }) => [id, which])).toEqual([
        ['two', 'pair'],
        ['one', 'pair'],
      ])
      expect(samples[1]).toMatchObject({ epoch: 0, comparison: mismatch([difference('/result/a')]) })
      expect((await m.samples({ id: 'one' })).map(({ id }) => id)).toEqual(['one'])
      expect(await m.samples({ id: 'same' })).toEqual([])
    })

    it('are bounded, but one of each path and kind is kept', async () => {
      const m = bench().migration()
      await compared(m, 'rare', mismatch([difference('/result/rare', 'type')]))
      const ids = Array.from({ length: SAMPLES_KEPT * 2 }, (_, n) => `often-${n}`)
      await m.pin(ids.map((id) => pinOf(id, { route: 'legacy-shadowed' })))
      await m.finish(ids.flatMap((id) => [finishOf(id), shadowOf(id)]))
      for (const id of ids)
        await m.compare([{ id, which: 'pair', comparison: mismatch([difference('/result/often')]) }])
      const samples = await m.samples()
      expect(samples.slice(0, SAMPLES_KEPT).map(({ id }) => id)).toEqual(ids.slice(-SAMPLES_KEPT).reverse())
      expect(samples.map(({ id }) => id)).toContain('rare')
      expect(samples.length).toBeLessThanOrEqual(SAMPLES_KEPT + 2)
    })
  })

  describe('difference groups', () => {
    it('count pairs by path, kind and which, array positions together, with the first as example', async () => {
      const m = bench().migration()
      const attachments = [0, 1, 12].map((n) => difference(`/result/attachments/${n}/name`))
      await compared(m, 'a', mismatch([...attachments, difference('/result/date', 'missing')]))
      await compared(m, 'b', mismatch([difference('/result/attachments/3/name')]))
      await compared(m, 'c', mismatch([difference('/result/attachments/3/name', 'type')]))
      await compared(m, 'd', MATCHED)
      const { differences } = await m.snapshot()
      const short = differences.map(({ which, path, kind, pairs, example }) => [which, path, kind, pairs, example.id])
      expect(short.sort()).toEqual([
        ['pair', '/result/attachments/*/name', 'type', 1, 'c'],
        ['pair', '/result/attachments/*/name', 'value', 2, 'a'],
        ['pair', '/result/date', 'missing', 1, 'a'],
      ])
      expect(differences[0]).toMatchObject({ epoch: 0, example: { legacy: 'a', target: 'b' } })
    })

    it('keep the differences of controls apart', async () => {
      const m = bench().migration()
      await m.pin([pinOf('a', { route: 'legacy-shadowed', control: true })])
      await m.finish([finishOf('a'), controlOf('a')])
      await m.compare([{ id: 'a', which: 'control', comparison: mismatch() }])
      const { differences } = await m.snapshot()
      expect(differences.map(({ which, path, pairs }) => [which, path, pairs])).toEqual([
        ['control', '/result/subject', 1],
      ])
    })

    it('beyond the bound are counted together', async () => {
      const m = bench().migration()
      const each = 50
      const ids = Array.from({ length: DIFFERENCE_GROUPS_KEPT / each + 2 }, (_, n) => `wide-${n}`)
      for (const id of ids) {
        const differences = Array.from({ length: each }, (_, n) => difference(`/result/${id}/field-${n}`))
        await compared(m, id, mismatch(differences))
      }
      const { differences } = await m.snapshot()
      const rest = differences.filter(({ path }) => path === '…')
      expect(differences.length - rest.length).toBe(DIFFERENCE_GROUPS_KEPT)
      expect(rest.map(({ pairs }) => pairs)).toEqual([2])
      await compared(m, 'again', mismatch([difference(`/result/${ids[0]}/field-0`)]))
      const after = await m.snapshot()
      expect(after.differences.find(({ path }) => path === `/result/${ids[0]}/field-0`)?.pairs).toBe(2)
    })
  })
}
