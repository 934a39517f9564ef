// The contract of `DrainLedger`: since when a side has been seen empty.

import { expect, it } from 'vitest'
import type { LedgerBench } from './bed.ts'

export function quietContract(bench: () => LedgerBench): void {
  it('knows of nothing at first', async () => {
    const m = bench().migration()
    expect(await m.quiet()).toEqual({})
    expect(await m.noteQuiet('legacy', undefined)).toBeUndefined()
  })

  it('remembers the first look with a print, of each side by itself', async () => {
    const m = bench().migration()
    const first = await m.noteQuiet('legacy', '12 sent: 0')
    expect(first).toMatchObject({ print: '12 sent: 0' })
    expect(Math.abs((first?.since ?? 0) - (await m.control()).now)).toBeLessThan(10_000)
    while ((await m.control()).now <= (first?.since ?? 0)); // a time of its own
    expect(await m.noteQuiet('legacy', '12 sent: 0')).toEqual(first)
    const other = await m.noteQuiet('target', '')
    expect(await m.quiet()).toEqual({ legacy: first, target: other })
  })

  it('begins anew with another print, and forgets a side that is not empty', async () => {
    const m = bench().migration()
    const first = await m.noteQuiet('legacy', '1')
    while ((await m.control()).now <= (first?.since ?? 0));
    const second = await m.noteQuiet('legacy', '2')
    expect(second?.since).toBeGreaterThan(first?.since ?? Number.POSITIVE_INFINITY)
    expect(await m.noteQuiet('legacy', undefined)).toBeUndefined()
    expect(await m.quiet()).toEqual({})
  })
}
