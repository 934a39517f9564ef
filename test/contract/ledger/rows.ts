// The contract of `RowLedger`: every state of a row against every operation, and that each call may be repeated.

import { describe, expect, it } from 'vitest'
import {
  allRows,
  claimOf,
  counted,
  finishOf,
  type LedgerBench,
  MATCHED,
  newId,
  ok,
  only,
  pinOf,
  shadowOf,
} from './bed.ts'
import { exists, granted, jobIn, judged, type State } from './row-cases.ts'
import { PRODUCER_OPERATIONS } from './row-cases-producer.ts'
import { WORKER_OPERATIONS } from './row-cases-worker.ts'

/** Refused second completions are counted each time: they are events of the worker, not of the row. */
const COUNTED_EACH_TIME = ['zombie', 'finished-twice']

export function rowContract(bench: () => LedgerBench): void {
  describe.each(Object.entries({ ...PRODUCER_OPERATIONS, ...WORKER_OPERATIONS }))(
    '%s',
    (_name, { run, again, cases }) => {
      it.each(Object.entries(cases))(
        'of a row that is %s',
        async (state, { answer, row, gone, counts = {}, repeated: more = {} }) => {
          const m = bench().migration()
          const id = await jobIn(state as State, m)
          let first: unknown
          expect(
            await counted(m, async () => {
              first = await run(m, id)
            }),
          ).toEqual(counts)
          if (typeof answer === 'object') expect(first).toMatchObject(answer as object)
          else expect(first).toBe(answer)
          const after = await m.row(id)
          if (row !== undefined) expect(after).toMatchObject(row)
          const stillAbsent = state === 'absent' && Object.keys(counts).length === 0
          if (stillAbsent || gone === true) expect(after).toBeUndefined()

          const repeated = await counted(m, async () => {
            const second = await run(m, id)
            if (again === undefined) expect(timeless(second)).toEqual(timeless(first))
            else expect(timeless(second)).toEqual(timeless(again(first)))
          })
          const events = Object.keys(repeated).filter((key) => !COUNTED_EACH_TIME.some((name) => key.includes(name)))
          expect(events).toEqual([])
          expect(timeless(await m.row(id))).toEqual(timeless(after && { ...after, ...more }))
        },
      )
    },
  )

  it('tells the times of a settled row as they were', async () => {
    const m = bench().migration()
    const id = newId()
    await m.pin([pinOf(id, { delayMs: -250, route: 'legacy-shadowed' })])
    await new Promise((resolve) => setTimeout(resolve, 15))
    await m.claim([claimOf(id)])
    await new Promise((resolve) => setTimeout(resolve, 15))
    await m.finish([finishOf(id)])
    const before = await m.row(id)
    await m.shed([{ id, which: 'pair' }])
    const after = await m.row(id)
    expect(after?.verdict).toBe('shed')
    expect([after?.stamp.dueAt, after?.finishedAt]).toEqual([before?.stamp.dueAt, before?.finishedAt])
    expect([after?.pinnedAt ?? before?.pinnedAt, after?.startedAt ?? before?.startedAt]).toEqual([
      before?.pinnedAt,
      before?.startedAt,
    ])
    expect((before?.startedAt ?? 0) - (before?.pinnedAt ?? 0)).toBeGreaterThanOrEqual(14)
  })

  describe('a pin that another call relies on', () => {
    it('stays although it is taken back; who knows better takes it back', async () => {
      const m = bench().migration()
      await m.pin([pinOf('a'), pinOf('alone')])
      expect(await only(m.pin([pinOf('a', { fresh: true, producer: 'producer-2' })]))).toMatchObject(exists('open'))
      expect(await m.row('a')).toMatchObject({ shared: true, producer: 'producer-1' })
      expect((await m.row('alone'))?.shared).toBeUndefined()
      expect(await counted(m, () => m.unpin(['a', 'alone']))).toEqual(judged({ 'refused.legacy': 1 }))
      expect(await m.row('a')).toMatchObject({ state: 'open', shared: true })
      expect(await m.row('alone')).toBeUndefined()
      expect(await only(m.claim([claimOf('a')]))).toMatchObject(granted())
      expect(await only(m.finish([finishOf('a')]))).toEqual({ status: 'finished', class: 'ok' })
      expect(await m.row('a')).toMatchObject({ state: 'finished', class: 'ok', starts: 1 })

      await m.pin([pinOf('b'), pinOf('b', { route: 'target' }), pinOf('b')])
      expect(await counted(m, () => m.unpin(['b'], { evenIfShared: true }))).toEqual(judged({ 'refused.legacy': 1 }))
      expect(await m.row('b')).toBeUndefined()
      expect((await m.snapshot()).gauges).toMatchObject({ waiting: { legacy: 0 }, running: { legacy: 0 }, overdue: 0 })
    })

    it('is not noted once the job has started: the copy is there', async () => {
      const m = bench().migration()
      const id = await jobIn('running', m)
      await m.pin([pinOf(id)])
      expect((await m.row(id))?.shared).toBeUndefined()
    })

    it('keeps its pair: a shadowed job is compared as any other', async () => {
      const m = bench().migration()
      await m.pin([pinOf('a', { route: 'legacy-shadowed' }), pinOf('a', { route: 'legacy-shadowed' })])
      await m.unpin(['a'])
      await m.finish([finishOf('a'), shadowOf('a')])
      expect(await m.row('a')).toMatchObject({
        state: 'finished',
        verdict: 'open',
        slots: { primary: ok(), shadow: ok() },
      })
      expect(await m.compare([{ id: 'a', which: 'pair', comparison: MATCHED }])).toEqual([true])
      expect(await m.row('a')).toMatchObject({ verdict: 'matched', slots: { primary: ok() } })
      expect((await m.snapshot()).gauges.pairsOpen).toBe(0)
    })
  })

  describe('release', () => {
    it('gives the start back, and the fails stay', async () => {
      const m = bench().migration()
      const id = await jobIn('retried', m)
      const run = (token: string) => only(m.claim([claimOf(id, { token, maxStarts: 2 })]))
      for (const token of ['token-2', 'token-3', 'token-4']) {
        expect(await run(token)).toMatchObject(granted({ attempt: 2, fails: 1, starts: 2 }))
        expect((await m.snapshot()).gauges).toMatchObject({ waiting: { legacy: 0 }, running: { legacy: 1 } })
        expect(await m.release([{ id, gen: 0, token }])).toEqual([true])
        expect((await m.snapshot()).gauges).toMatchObject({ waiting: { legacy: 1 }, running: { legacy: 0 } })
      }
      expect(await m.row(id)).toMatchObject({ state: 'open', fails: 1, starts: 1, leaseUntil: 0 })
    })

    it('does not make a job one that was never accepted', async () => {
      const m = bench().migration()
      const id = await jobIn('running', m)
      await m.release([{ id, gen: 0, token: 'token-1' }])
      await m.pin([pinOf(id)])
      await m.unpin([id], { evenIfShared: true })
      const row = await m.row(id)
      expect(row).toMatchObject({ state: 'open', starts: 0 })
      expect([row?.shared, typeof row?.startedAt]).toEqual([undefined, 'number'])
    })
  })

  describe('scan', () => {
    it('returns every unfinished row and every finished one with an open verdict, and no other', async () => {
      const m = bench().migration()
      const open = Array.from({ length: 20 }, (_, n) => `open-${n}`)
      await m.pin([...open, 'done', 'half', 'compared'].map((id) => pinOf(id, { route: 'legacy-shadowed' })))
      await m.pin([pinOf('plain-done')])
      await m.finish(['half', 'done', 'plain-done'].map((id) => finishOf(id)))
      await m.shed([{ id: 'done', which: 'pair' }])
      const rows = await allRows(m, 3)
      expect([...rows.keys()].sort()).toEqual([...open, 'compared', 'half'].sort())
      expect(rows.get('half')?.slots.primary).toEqual(ok())
    })

    it('misses no row while others come and go', async () => {
      const m = bench().migration()
      const ids = Array.from({ length: 30 }, (_, n) => `stays-${n}`)
      await m.pin([...ids, ...ids.map((id) => `${id}-goes`)].map((id) => pinOf(id)))
      const seen = new Set<string>()
      let cursor: string | undefined
      let page = 0
      do {
        const answer = await m.scan({ limit: 5, ...(cursor === undefined ? {} : { cursor }) })
        for (const row of answer.rows) seen.add(row.id)
        cursor = answer.cursor
        page += 1
        if (page <= 10) await m.finish(ids.slice(page * 2, page * 2 + 2).map((id) => finishOf(`${id}-goes`)))
        if (page <= 10) await m.pin([pinOf(`a-new-${page}`), pinOf(`z-new-${page}`)])
      } while (cursor !== undefined)
      expect(ids.filter((id) => !seen.has(id))).toEqual([])
    })
  })
}

const TIMES = new Set(['now', 'dueAt', 'leaseUntil', 'finishedAt', 'pinnedAt', 'startedAt', 'lostAt'])
/** Without what differs between two calls only because time passed. */
export function timeless(value: unknown): unknown {
  if (value === undefined) return undefined
  return JSON.parse(JSON.stringify(value, (key, part: unknown) => (TIMES.has(key) ? undefined : part)))
}
