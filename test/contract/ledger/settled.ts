// The contract of `RowLedger.settled`: the finished rows that are kept, by how they ended, in pages.

import { describe, expect, it } from 'vitest'
import type { FinishClass, JobRow, MigrationLedger } from '../../../src/ports/ledger.ts'
import type { Outcome } from '../../../src/vocabulary/outcome.ts'
import { allRows, claimOf, failure, finishOf, HOUR, type LedgerBench, ok, pinOf, shadowOf } from './bed.ts'
import { ODD_IDS } from './store.ts'

async function allSettled(
  m: MigrationLedger,
  classes: readonly FinishClass[],
  limit = 5,
): Promise<Map<string, JobRow>> {
  const rows = new Map<string, JobRow>()
  let cursor: string | undefined
  do {
    const page = await m.settled({ classes, limit, ...(cursor === undefined ? {} : { cursor }) })
    for (const row of page.rows) rows.set(row.id, row)
    cursor = page.cursor
  } while (cursor !== undefined)
  return rows
}

async function end(m: MigrationLedger, ids: readonly string[], ok_: boolean): Promise<void> {
  await m.pin(ids.map((id) => pinOf(id)))
  await m.claim(ids.map((id) => claimOf(id)))
  await m.finish(ids.map((id) => finishOf(id, { outcome: ok_ ? ok() : failure(), fatal: true })))
}

const named = (what: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${what}-${i}`)

export function settledContract(bench: () => LedgerBench): void {
  it('has none at first, and none that is unfinished', async () => {
    const m = bench().migration()
    expect(await m.settled({ classes: ['ok', 'failed'], limit: 10 })).toEqual({ rows: [] })
    await m.pin([pinOf('open'), pinOf('running')])
    await m.claim([claimOf('running')])
    expect((await allSettled(m, ['ok', 'failed', 'cancelled', 'backend-failed'])).size).toBe(0)
  })

  it('pages through those of the classes that are asked for, as `row` tells them', async () => {
    const m = bench().migration()
    await end(m, named('ok', 40), true)
    await end(m, named('failed', 23), false)
    await m.pin([pinOf('cancelled'), pinOf('given-up')])
    await m.cancel('cancelled')
    await m.closeFailed('given-up', { name: 'Error', message: 'stalled too often' })
    const failed = await allSettled(m, ['failed', 'backend-failed'])
    expect([...failed.keys()].sort()).toEqual([...named('failed', 23), 'given-up'].sort())
    for (const [id, row] of failed) {
      const { token: _fingerprint, ...told } = row
      expect(await m.row(id)).toMatchObject(told)
    }
    expect(failed.get('failed-3')).toMatchObject({ class: 'failed', slots: { primary: failure() } })
    expect([...(await allSettled(m, ['cancelled'])).keys()]).toEqual(['cancelled'])
    expect((await allSettled(m, ['ok'], 1000)).size).toBe(40)
  })

  it('together with scan has all, also those that wait for a comparison', async () => {
    const m = bench().migration()
    await end(m, named('plain', 3), false)
    const pairs = named('pair', 3)
    await m.pin(pairs.map((id) => pinOf(id, { route: 'legacy-shadowed' })))
    await m.claim(pairs.map((id) => claimOf(id)))
    await m.finish(pairs.map((id) => finishOf(id, { outcome: failure(), fatal: true })))
    await m.finish([shadowOf('pair-1')])
    const scanned = [...(await allRows(m)).keys()]
    const settled = [...(await allSettled(m, ['failed'])).keys()]
    expect([...scanned, ...settled].sort()).toEqual([...named('plain', 3), ...pairs].sort())
  })

  it('a job that runs again is no longer among them', async () => {
    const m = bench().migration()
    await end(m, ['again', 'not'], false)
    const way = { id: 'again', gen: 0, from: 'legacy', to: 'legacy', kind: 'retry', payload: '{}' } as const
    await m.move([{ ...way, leaseMs: 1000, by: 'ops' }])
    expect([...(await allSettled(m, ['failed'])).keys()]).toEqual(['not'])
  })

  describe('odd ids', () => {
    it('are told in full of jobs that failed', async () => {
      const m = bench().migration()
      await end(m, ODD_IDS, false)
      expect([...(await allSettled(m, ['failed'])).keys()].sort()).toEqual([...ODD_IDS].sort())
    })
  })

  it.each<[string, Outcome]>([
    ['a result', ok()],
    ['nothing', { ...ok(), value: undefined as never }],
    ['an effect', { ...ok(), effects: [{ name: 'store', recorded: 1 }] }],
    ['an error', failure()],
  ])('what a run had of its MCP servers is kept beside %s', async (what, outcome) => {
    const m = bench().migration({ retainMs: HOUR })
    const { value, ...rest } = outcome
    const mcp = [
      { server: 'files', tools: 2, hash: 'hash-of-both', names: [['read', 'h1'] as const, ['write', 'h2'] as const] },
      { server: 'mail', tools: 0, hash: 'empty', degraded: 'spawn-blocked', why: 'It “stood” still.' },
    ]
    const whole = { ...rest, ...(value === undefined ? {} : { value }), mcp }
    await m.pin([pinOf(what)])
    await m.claim([claimOf(what)])
    await m.finish([finishOf(what, { outcome: whole, fatal: true })])
    expect((await m.row(what))?.slots.primary).toEqual(whole)
    expect((await m.claim([claimOf(what)]))[0]).toMatchObject({ status: 'finished', outcome: whole })
  })

  it('large outcomes come along', async () => {
    const m = bench().migration({ retainMs: HOUR })
    await m.pin([pinOf('large')])
    await m.claim([claimOf('large')])
    const error = { name: 'Error', message: 'x'.repeat(5000) }
    await m.finish([finishOf('large', { outcome: { ...failure(), error }, fatal: true })])
    expect((await allSettled(m, ['failed'])).get('large')?.slots.primary?.error).toEqual(error)
  })
}
