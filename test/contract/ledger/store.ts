// The contract of the ledger as a store: namespaces, several handles at once, odd ids, large batches and results.

import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/vocabulary/outcome.ts'
import { allRows, claimOf, countsOf, failure, finishOf, type LedgerBench, ok, only, pinOf, shadowOf } from './bed.ts'

export const ODD_IDS: readonly string[] = [
  '1',
  '00017',
  '-5',
  'a:b:c',
  ':',
  ' leading and trailing ',
  'new\nline\ttab',
  'naïve ☕ 日本語 🐝',
  'e\u0301 is not \u00e9',
  '{brace}*?[x]',
  '__proto__',
  'quote\'s "both" \\ and / more',
  '018f3c2e-7b1a-7c3d-9e4f-0123456789ab',
  '018F3C2E-7B1A-7C3D-9E4F-0123456789AB',
  '018f3c2e7b1a7c3d9e4f0123456789ab',
  'x'.repeat(1024),
  `${'x'.repeat(1023)}y`,
  'ü'.repeat(512),
]

export function storeContract(bench: () => LedgerBench): void {
  it('keeps namespaces and migrations apart', async () => {
    const { migration, ledger } = bench()
    const [a, b] = [migration({}, 'a'), migration({}, 'a:b')]
    await a.pin([pinOf('b:c')])
    await b.pin([pinOf('c', { route: 'target' })])
    expect(await a.row('c')).toBeUndefined()
    expect(await b.row('b:c')).toBeUndefined()
    expect([...(await ledger.migrations())].sort()).toEqual(['a', 'a:b'])
    expect(countsOf(await b.snapshot())).toMatchObject({ 'job/dispatched.target': 1 })
    expect(countsOf(await a.snapshot())).not.toHaveProperty(['job/dispatched.target'])
  })

  it('gives the same handle for the same settings, and one that works alike for others', async () => {
    const { migration } = bench()
    expect(migration({}, 'a')).toBe(migration({}, 'a'))
    await migration({}, 'a').pin([pinOf('x')])
    expect(await migration({ deadlineMs: 5 }, 'a').row('x')).toBeDefined()
    expect(migration({}, 'a').migration).toBe('a')
  })

  it('tells its clock and what doctor wants to know', async () => {
    const { ledger } = bench()
    const { now, roundTripMs } = await ledger.ping()
    expect(Math.abs(now - Date.now())).toBeLessThan(60_000)
    expect(roundTripMs).toBeGreaterThanOrEqual(0)
    const facts = await ledger.facts()
    expect(facts.length).toBeGreaterThan(0)
    for (const { name, value, status } of facts) {
      expect(name).not.toBe('')
      expect(value).not.toBe('')
      expect(['ok', 'warn', 'bad']).toContain(status)
    }
  })

  it('may be closed twice, and opened twice', async () => {
    const other = await bench().second()
    await other.open()
    await other.close()
    await other.close()
  })

  it('answers an empty call with nothing', async () => {
    const m = bench().migration()
    expect(await Promise.all([m.pin([]), m.claim([]), m.finish([]), m.begin([]), m.compare([])])).toEqual([
      [],
      [],
      [],
      [],
      [],
    ])
  })

  describe('odd ids', () => {
    it('go the whole way, none taken for another', async () => {
      const m = bench().migration()
      const pinned = await m.pin(ODD_IDS.map((id) => pinOf(id, { route: 'legacy-shadowed' })))
      expect(pinned.map(({ status }) => status)).toEqual(ODD_IDS.map(() => 'pinned'))
      expect([...(await allRows(m)).keys()].sort()).toEqual([...ODD_IDS].sort())
      const claims = await m.claim(ODD_IDS.map((id) => claimOf(id)))
      expect(claims.map(({ status }) => status)).toEqual(ODD_IDS.map(() => 'granted'))
      await m.finish(ODD_IDS.map((id) => finishOf(id, { outcome: ok(id) })))
      const ended = await m.finish(ODD_IDS.map((id) => shadowOf(id, { outcome: ok(id) })))
      expect(ended.map((answer) => answer.status === 'finished' && answer.pair?.slots.primary?.value)).toEqual(ODD_IDS)
      await m.compare(ODD_IDS.map((id) => ({ id, which: 'pair', comparison: { ...MATCHED } })))
      for (const id of ODD_IDS)
        expect(await m.row(id)).toMatchObject({ id, verdict: 'matched', slots: { primary: ok(id) } })
      const again = await m.pin(ODD_IDS.map((id) => pinOf(id)))
      expect(again.map(({ status, state }) => [status, state])).toEqual(ODD_IDS.map(() => ['exists', 'finished']))
    })
    const MATCHED = { class: 'matched', errors: 'none', differences: [], differenceCount: 0 } as const
  })

  describe('batches', () => {
    it('of a thousand answer in order', async () => {
      const m = bench().migration()
      const ids = Array.from({ length: 1000 }, (_, n) => `batch-${n}`)
      await m.pin(ids.filter((_, n) => n % 3 === 0).map((id) => pinOf(id, { route: 'target' })))
      const answers = await m.pin(ids.map((id) => pinOf(id)))
      expect(answers.map(({ status }) => status)).toEqual(ids.map((_, n) => (n % 3 === 0 ? 'exists' : 'pinned')))
      const claims = await m.claim(ids.map((id) => claimOf(id)))
      expect(claims.map(({ status }) => status)).toEqual(ids.map((_, n) => (n % 3 === 0 ? 'defer' : 'granted')))
      const ends = await m.finish(ids.map((id, n) => finishOf(id, { side: n % 3 === 0 ? 'target' : 'legacy' })))
      expect(ends.every(({ status }) => status === 'finished')).toBe(true)
      expect(countsOf(await m.snapshot())).toMatchObject({
        ...{ 'job/dispatched.target': 334, 'job/dispatched.legacy': 666 },
        ...{ 'job/ok.target': 334, 'job/ok.legacy': 666 },
      })
    })

    it('apply items of one call in order, also to the same row', async () => {
      const m = bench().migration()
      const pins = await m.pin([pinOf('x', { route: 'target' }), pinOf('x'), pinOf('y')])
      expect(pins.map(({ status, route }) => [status, route])).toEqual([
        ['pinned', 'target'],
        ['exists', 'target'],
        ['pinned', 'legacy'],
      ])
      const claims = await m.claim([claimOf('y', { token: 'one' }), claimOf('y', { token: 'two' })])
      expect(claims.map(({ status }) => status)).toEqual(['granted', 'busy'])
      const ends = await m.finish([finishOf('y', { token: 'one' }), finishOf('y', { token: 'two' })])
      expect(ends.map(({ status }) => status)).toEqual(['finished', 'refused'])
    })

    it('apply ends of one call in order, whatever each of them hints', async () => {
      const m = bench().migration()
      await m.pin([pinOf('x'), pinOf('y'), pinOf('z'), pinOf('s', { route: 'legacy-shadowed' })])
      await m.claim([claimOf('y'), claimOf('z', { token: 'lost' })])
      const ends = await m.finish([
        finishOf('x', { token: 'one', outcome: ok('first') }),
        finishOf('y', { unpaired: true }),
        finishOf('x', { token: 'two', outcome: ok('second'), unpaired: true }),
        finishOf('s', { unpaired: true }),
        finishOf('z', { token: 'other', outcome: failure() }),
        finishOf('nobody', { unpaired: true }),
      ])
      expect(ends.map((answer) => (answer.status === 'refused' ? answer.why : answer.status))).toEqual([
        ...['finished', 'finished', 'done', 'finished', 'token', 'absent'],
      ])
      expect(ends.map((answer) => 'pair' in answer)).toEqual([false, false, false, true, false, false])
      expect((await m.row('x'))?.slots.primary?.value).toBe('first')
      expect(await m.finish([finishOf('y', { unpaired: true })])).toEqual([{ status: 'finished', class: 'ok' }])
    })
  })

  describe('several handles at once', () => {
    it('pin, run and finish each job once', async () => {
      const { migration, second } = bench()
      const one = migration({}, 'busy')
      const two = (await second()).migration('busy', (await one.snapshot()).settings)
      const ids = Array.from({ length: 300 }, (_, n) => `shared-${n}`)
      const pins = await Promise.all(
        [one, two].flatMap((m) => ids.map(async (id) => only(m.pin([pinOf(id, { keySlot: 1 })])))),
      )
      expect(pins.filter(({ status }) => status === 'pinned')).toHaveLength(ids.length)
      const claims = await Promise.all(
        [one, two].flatMap((m, n) => ids.map(async (id) => only(m.claim([claimOf(id, { token: `run-${n}` })])))),
      )
      expect(claims.filter(({ status }) => status === 'granted')).toHaveLength(ids.length)
      expect(claims.filter(({ status }) => status === 'busy')).toHaveLength(ids.length)
      const begun = await Promise.all(
        [one, two].flatMap((m, n) => ids.map((id) => only(m.begin([{ id, gen: 0, token: `run-${n}` }])))),
      )
      expect(begun.filter(Boolean)).toHaveLength(ids.length)
      await Promise.all([one, two].flatMap((m, n) => ids.map((id) => m.finish([finishOf(id, { token: `run-${n}` })]))))
      expect(countsOf(await one.snapshot())).toMatchObject({
        ...{ 'job/dispatched.legacy': 300, 'key/dispatched.legacy': 1, 'job/ok.legacy': 300, 'job/zombie.legacy': 300 },
      })
    })
  })

  describe('results', () => {
    const replay = async (value: Json): Promise<unknown> => {
      const m = bench().migration()
      await m.pin([pinOf('x')])
      await m.finish([finishOf('x', { outcome: ok(value) })])
      return only(m.claim([claimOf('x', { token: 'again' })]))
    }

    it.each([
      ['null', null],
      ['text', 'naïve ☕\u0000 \ud83d\ude00'],
      ['fractions', [0.1, -1e-9, 1e21, 0]],
      ['nested', { a: [{ b: null }, [], {}], '': 'empty key', __proto__x: 1 }],
      ['10 kB', 'x'.repeat(10_000)],
      ['60 kB', 'x'.repeat(60_000)],
    ])('are replayed as they were stored: %s', async (_name, value) => {
      expect(await replay(value)).toEqual({ status: 'finished', class: 'ok', outcome: ok(value) })
    })

    it('above 64 kB are not kept for replay', async () => {
      expect(await replay('x'.repeat(70_000))).toEqual({ status: 'finished', class: 'ok' })
    })

    it('keep every part of an outcome', async () => {
      const m = bench().migration()
      const error = { name: 'TypeError', message: 'no', code: 'E_X', stack: 'TypeError: no\n    at a' }
      const effects = [
        { name: 'store', recorded: { id: 1 } },
        { name: 'reply', recorded: null },
      ]
      const outcome = { ok: false, error, effects, waitMs: 12.75, runMs: 0.001, attempts: 3, version: '2.0-β' }
      await m.pin([pinOf('x')])
      await m.claim([claimOf('x')])
      await m.finish([finishOf('x', { outcome, fatal: true })])
      expect((await m.row('x'))?.slots.primary).toEqual(outcome)
    })
  })
}
