// The contract of `ProbeLedger`: a bounded list of each server and place, and a round that is told twice.

import { expect, it } from 'vitest'
import { PROBES_KEPT, type ProbePlace, type ProbeRecord } from '../../../src/vocabulary/probe.ts'
import type { LedgerBench } from './bed.ts'

function probeOf(id: string, over: Partial<ProbeRecord> = {}): ProbeRecord {
  return {
    id,
    server: 'files',
    place: 'legacy',
    class: 'ok',
    ms: 12,
    phases: [{ phase: 'spawn', ms: 5, ok: true }],
    ...over,
  }
}

export function probeContract(bench: () => LedgerBench): void {
  it('none at first', async () => expect(await bench().migration().probes()).toEqual([]))

  it('keeps what was found, as it was told', async () => {
    const m = bench().migration()
    const full = probeOf('a', {
      class: 'crashed',
      reached: 'stdio npx, 2 arguments',
      tools: [['search', 'hash']],
      orphans: 2,
      hang: { sentence: 'It “broke”.', details: [{ what: 'its end', lines: ['exit code 1', 'ä'] }] },
      by: { instance: 'x', pid: 7, host: 'h', node: '24.0.0' },
    })
    await m.noteProbe(full)
    const [kept, ...others] = await m.probes()
    expect(others).toEqual([])
    expect(kept).toEqual({ ...full, at: expect.any(Number) })
    expect(Math.abs((kept?.at ?? 0) - Date.now())).toBeLessThan(60_000)
  })

  it('by server and place, newest last', async () => {
    const m = bench().migration()
    const each: readonly [string, ProbePlace, string][] = [
      ['b', 'target', '1'],
      ['a', 'legacy', '1'],
      ['b', 'target', '2'],
      ['a', 'baseline', '1'],
      ['b', 'legacy', '2'],
    ]
    for (const [server, place, id] of each) await m.noteProbe(probeOf(id, { server, place }))
    const found = (await m.probes()).map(({ server, place, id }) => `${server} ${place} ${id}`)
    expect(found).toEqual(['a baseline 1', 'a legacy 1', 'b legacy 2', 'b target 1', 'b target 2'])
  })

  it('the same round again replaces what it began, in its place', async () => {
    const m = bench().migration()
    await m.noteProbe(probeOf('1', { class: 'running' }))
    await m.noteProbe(probeOf('2'))
    await m.noteProbe(probeOf('1', { class: 'loop-blocked' }))
    expect((await m.probes()).map(({ id, class: found }) => [id, found])).toEqual([
      ['1', 'loop-blocked'],
      ['2', 'ok'],
    ])
  })

  it('only the newest are kept, of each server and place for itself', async () => {
    const m = bench().migration()
    await m.noteProbe(probeOf('other', { place: 'target' }))
    for (let n = 0; n < PROBES_KEPT + 5; n += 1) await m.noteProbe(probeOf(`n${n}`))
    const all = await m.probes()
    const kept = all.filter(({ place }) => place === 'legacy').map(({ id }) => id)
    expect(kept).toEqual(Array.from({ length: PROBES_KEPT }, (_, n) => `n${n + 5}`))
    expect(all).toHaveLength(PROBES_KEPT + 1)
  })

  it('of each migration for itself', async () => {
    await bench().migration().noteProbe(probeOf('1'))
    expect(await bench().migration({}, 'another').probes()).toEqual([])
  })
}
