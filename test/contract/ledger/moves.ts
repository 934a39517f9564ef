// The contract of moves: what may be moved, what a moved job is afterwards, and what is kept of it meanwhile.

import { describe, expect, it } from 'vitest'
import {
  claimOf,
  counted,
  eventually,
  failure,
  finishOf,
  type LedgerBench,
  moveOf,
  newId,
  ok,
  only,
  pinOf,
  shadowOf,
} from './bed.ts'
import { type Case, granted, jobIn, judged, type State } from './row-cases.ts'
import { timeless } from './rows.ts'

const taken = { status: 'moving', gen: 1 } as const
const refusal = (why: string): Case => ({ answer: { status: 'refused', why } })
const crossing = {
  ...judged({ 'moved-out.legacy': 1 }),
  'excluded/moved-in.target': 1,
}
const moving = { state: 'moving', side: 'target', gen: 1 } as const
const reopened = (cls: string): Case => ({
  answer: { ...taken, fails: 0 },
  row: { state: 'moving', side: 'legacy', gen: 1, starts: 0, slots: {} },
  counts: { [`excluded/reopened.${cls}.legacy`]: 1 },
})

const CASES: Readonly<Record<'move' | 'force' | 'retry', Readonly<Record<State, Case>>>> = {
  move: {
    absent: refusal('absent'),
    open: { answer: taken, row: moving, counts: crossing },
    retried: { answer: { ...taken, fails: 1 }, row: { ...moving, fails: 1, starts: 1 }, counts: crossing },
    running: refusal('busy'),
    expired: { answer: taken, row: moving, counts: crossing },
    begun: refusal('busy'),
    ok: refusal('finished'),
    failed: refusal('finished'),
    cancelled: refusal('finished'),
    closed: refusal('finished'),
  },
  force: {
    absent: refusal('absent'),
    open: { answer: taken, row: moving, counts: crossing },
    retried: { answer: taken, row: moving, counts: crossing },
    running: refusal('busy'),
    expired: { answer: taken, row: moving, counts: crossing },
    begun: refusal('busy'),
    ok: refusal('finished'),
    failed: refusal('finished'),
    cancelled: refusal('finished'),
    closed: refusal('finished'),
  },
  retry: {
    absent: refusal('absent'),
    open: { answer: taken, counts: { ...judged({ 'moved-out.legacy': 1 }), 'excluded/moved-in.legacy': 1 } },
    retried: { answer: taken, counts: { ...judged({ 'moved-out.legacy': 1 }), 'excluded/moved-in.legacy': 1 } },
    running: refusal('busy'),
    expired: { answer: taken, counts: { ...judged({ 'moved-out.legacy': 1 }), 'excluded/moved-in.legacy': 1 } },
    begun: refusal('busy'),
    ok: refusal('finished'),
    failed: reopened('failed'),
    cancelled: refusal('finished'),
    closed: reopened('backend-failed'),
  },
}

export function moveContract(bench: () => LedgerBench): void {
  describe.each(Object.entries(CASES))('%s', (kind, cases) => {
    it.each(Object.entries(cases))('of a row that is %s', async (state, { answer, row, counts = {} }) => {
      const m = bench().migration()
      const id = await jobIn(state as State, m)
      const request = moveOf(id, { kind: kind as 'move', to: kind === 'retry' ? 'legacy' : 'target' })
      const before = await m.row(id)
      let first: unknown
      const added = await counted(m, async () => {
        first = await only(m.move([request]))
      })
      expect(first).toMatchObject(answer as object)
      expect(added).toEqual(counts)
      const after = await m.row(id)
      const committed = (first as { status: string }).status === 'moving'
      if (row !== undefined) expect(after).toMatchObject(row)
      if (!committed) expect(timeless(after)).toEqual(timeless(before))
      expect(await m.payloads([id])).toEqual([committed ? request.payload : undefined])
      expect(await m.moves(id)).toHaveLength(committed ? 1 : 0)

      const repeated = await counted(m, async () => {
        expect(timeless(await only(m.move([request])))).toEqual(timeless(first))
      })
      expect(repeated).toEqual({})
      expect(timeless(await m.row(id))).toEqual(timeless(after))
    })
  })

  it('refuses a job in doubt, and takes it by force', async () => {
    const m = bench().migration()
    const id = newId()
    await m.pin([pinOf(id)])
    await m.claim([claimOf(id, { leaseMs: 30 })])
    await m.begin([{ id, gen: 0, token: 'token-1' }])
    await eventually(
      () => m.snapshot(),
      ({ gauges }) => gauges.inDoubt.legacy === 1,
    )
    expect(await only(m.move([moveOf(id)]))).toEqual({ status: 'refused', why: 'in-doubt' })
    expect(await only(m.move([moveOf(id, { kind: 'force' })]))).toMatchObject(taken)
    expect(await m.row(id)).toMatchObject({ ...moving, effectsBegun: true })
    expect((await m.snapshot()).gauges).toMatchObject({ moving: 1, inDoubt: { legacy: 0, target: 0 } })
  })

  it('refuses a job that waits for an attempt after one that began effects, but by force', async () => {
    const m = bench().migration()
    const id = newId()
    await m.pin([pinOf(id)])
    await m.claim([claimOf(id, { effectsUnknown: true })])
    await m.finish([finishOf(id, { outcome: failure() })])
    expect(await only(m.move([moveOf(id)]))).toEqual({ status: 'refused', why: 'effects-begun' })
    expect(await only(m.move([moveOf(id, { kind: 'force' })]))).toMatchObject({ ...taken, fails: 1 })
  })

  it('refuses by what the copy is of: another side, an older or a newer generation', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a')])
    const moved = (over: object) => only(m.move([moveOf('a', over)]))
    expect(await moved({ from: 'target', to: 'legacy' })).toEqual({ status: 'refused', why: 'elsewhere' })
    expect(await moved({ gen: 1 })).toEqual({ status: 'refused', why: 'elsewhere' })
    expect(await moved({})).toMatchObject(taken)
    expect(await moved({ from: 'target', to: 'legacy', gen: 1 })).toEqual({ status: 'refused', why: 'moving' })
    await m.arrive([{ id: 'a', gen: 1 }])
    expect(await moved({})).toEqual({ status: 'refused', why: 'generation' })
    expect(await moved({ from: 'target', to: 'legacy', gen: 1 })).toMatchObject({ status: 'moving', gen: 2 })
  })

  it('arrives: the row waits on the other side, the payload is dropped, once', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a')])
    await m.move([moveOf('a')])
    expect((await m.snapshot()).gauges).toMatchObject({ moving: 1, waiting: { legacy: 0, target: 0 } })
    expect(
      await m.arrive([
        { id: 'a', gen: 0 },
        { id: 'b', gen: 1 },
      ]),
    ).toEqual([false, false])
    expect(await m.payloads(['a', 'b'])).toEqual([moveOf('a').payload, undefined])
    expect(await m.arrive([{ id: 'a', gen: 1 }])).toEqual([true])
    expect(await m.arrive([{ id: 'a', gen: 1 }])).toEqual([false])
    expect(await m.row('a')).toMatchObject({ state: 'open', side: 'target', gen: 1, leaseUntil: 0 })
    expect(await m.payloads(['a'])).toEqual([undefined])
    expect((await m.snapshot()).gauges).toMatchObject({ moving: 0, waiting: { legacy: 0, target: 1 } })
  })

  it('a claim of the new generation proves the arrival; the old one is dropped, its outcome refused', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a')])
    await m.claim([claimOf('a', { leaseMs: 0 })])
    await m.move([moveOf('a')])
    expect(await only(m.claim([claimOf('a', { token: 'again' })]))).toEqual({ status: 'drop' })
    expect(await m.begin([{ id: 'a', gen: 0, token: 'token-1' }])).toEqual([false])
    expect(await m.extend([{ id: 'a', gen: 0, token: 'token-1', leaseMs: 1000 }])).toEqual([false])
    expect(await only(m.finish([finishOf('a')]))).toEqual({ status: 'refused', why: 'moving' })
    const there = claimOf('a', { side: 'target', gen: 1, token: 'there' })
    expect(await only(m.claim([there]))).toMatchObject(granted({ starts: 2 }))
    expect(await m.payloads(['a'])).toEqual([undefined])
    expect(await m.arrive([{ id: 'a', gen: 1 }])).toEqual([false])
    const ended = finishOf('a', { side: 'target', gen: 1, token: 'there' })
    expect(await counted(m, () => m.finish([ended]))).toEqual({ 'excluded/ok.target': 1 })
    expect(await only(m.claim([claimOf('a', { token: 'late' })]))).toMatchObject({ status: 'finished' })
    expect(await only(m.move([moveOf('a')]))).toEqual({ status: 'refused', why: 'finished' })
  })

  it('closes what was to be compared as moved, and counts no copy of it as late', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a', { route: 'legacy-shadowed', control: true })])
    await m.finish([shadowOf('a')])
    const added = await counted(m, () => m.move([moveOf('a')]))
    expect(added).toEqual({ ...crossing, ...judged({ 'pair.moved': 1, 'control.moved': 1, 'triple.out': 1 }) })
    expect(await m.row('a')).toMatchObject({ verdict: 'moved', controlVerdict: 'moved', slots: {} })
    expect(await counted(m, () => m.finish([shadowOf('a')]))).toEqual({})
    expect((await m.snapshot()).gauges).toMatchObject({ pairsOpen: 0, controlsOpen: 0 })
  })

  it('inserts a job without a row where the mover may: adopted, or a late copy at somebody’s word', async () => {
    const m = bench().migration()
    const where = {
      route: 'legacy',
      epoch: 0,
      dueAt: Date.now(),
      maxAttempts: 3,
      fails: 1,
      adopted: true,
      fenced: false,
    }
    const request = moveOf('a', { absent: where as never })
    const added = await counted(m, () => m.move([request]))
    const counts = ['dispatched.legacy', 'route.legacy', 'adopted.legacy', 'moved-out.legacy', 'moved-in.target']
    expect(added).toEqual(Object.fromEntries(counts.map((name) => [`excluded/${name}`, 1])))
    expect(await m.row('a')).toMatchObject({ ...moving, fails: 1, maxAttempts: 3, stamp: { adopted: true } })
    expect(await only(m.move([request]))).toMatchObject(taken)
    expect(await m.payloads(['a'])).toEqual([request.payload])
  })

  it('runs a failed job again although its row was settled, also under a long id', async () => {
    const m = bench().migration()
    const long = `order:${'9'.repeat(200)}`
    for (const id of ['plain', long]) {
      await m.pin([pinOf(id)])
      await m.claim([claimOf(id)])
      await m.finish([finishOf(id, { outcome: failure(), fatal: true })])
      await m.move([moveOf(id, { kind: 'retry', to: 'legacy' })])
      await m.arrive([{ id, gen: 1 }])
      const page = await m.scan({ limit: 100 })
      expect(page.rows.map((row) => row.id)).toContain(id)
      expect(await only(m.claim([claimOf(id, { gen: 1, token: 'again' })]))).toMatchObject(granted())
      await m.finish([finishOf(id, { gen: 1, token: 'again' })])
      expect(await m.row(id)).toMatchObject({ state: 'finished', class: 'ok', slots: { primary: ok() } })
      expect(await only(m.move([moveOf(id, { kind: 'retry', to: 'legacy', gen: 1 })]))).toMatchObject({
        why: 'finished',
      })
    }
  })

  it('tells the moves of a job, oldest first, with who and when', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a')])
    await m.move([moveOf('a')])
    await m.arrive([{ id: 'a', gen: 1 }])
    await m.move([moveOf('a', { gen: 1, from: 'target', to: 'legacy', kind: 'force', by: 'other@host' })])
    const [there, back] = await m.moves('a')
    expect(there).toMatchObject({ kind: 'move', from: 'legacy', to: 'target', gen: 1, by: 'op@host' })
    expect(back).toMatchObject({ kind: 'force', from: 'target', to: 'legacy', gen: 2, by: 'other@host' })
    expect(back?.at).toBeGreaterThanOrEqual(there?.at ?? Number.NaN)
    await m.arrive([{ id: 'a', gen: 2 }])
    await m.finish([finishOf('a', { gen: 2 })])
    await m.compact()
    expect(await m.moves('a')).toHaveLength(2)
  })

  it('discards what no run holds: waiting, moving, in doubt; never what runs or has ended', async () => {
    const m = bench().migration()
    const discarded = async (state: State) => m.discard(await jobIn(state, m))
    expect(await discarded('absent')).toBe('absent')
    expect(await discarded('open')).toBe('discarded')
    expect(await discarded('expired')).toBe('discarded')
    expect(await discarded('running')).toBe('running')
    expect(await discarded('ok')).toBe('finished')
    expect(await discarded('cancelled')).toBe('discarded')
    await m.pin([pinOf('a')])
    await m.move([moveOf('a')])
    expect(await m.discard('a')).toBe('discarded')
    expect(await m.discard('a')).toBe('discarded')
    expect(await m.row('a')).toMatchObject({ state: 'finished', class: 'cancelled' })
    expect(await m.payloads(['a'])).toEqual([undefined])
    expect(await only(m.claim([claimOf('a', { side: 'target', gen: 1 })]))).toMatchObject({ class: 'cancelled' })
    expect((await m.snapshot()).gauges).toMatchObject({ moving: 0, running: { legacy: 1 } })
  })
}
