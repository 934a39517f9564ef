// Final errors are counted by class: once a job, on the side where it failed, and not for attempts that are followed by
// another.

import { expect, it } from 'vitest'
import type { MigrationLedger } from '../../../src/ports/ledger.ts'
import { claimOf, failure, finishOf, type LedgerBench, pinOf, shadowOf } from './bed.ts'

export function errorClassContract(bench: () => LedgerBench): void {
  it('a job counts under the class of its last error, once', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a', { maxAttempts: 2 }), pinOf('b')])
    for (const [token, errorClass] of [
      ['t1', 'Error:FIRST'],
      ['t2', 'Error:LAST'],
    ] as const) {
      await m.claim([claimOf('a', { token })])
      const end = finishOf('a', { token, outcome: failure(), errorClass })
      await m.finish([end])
      await m.finish([end])
    }
    await m.claim([claimOf('b')])
    await m.finish([finishOf('b')])
    expect(await errorsOf(m)).toEqual({ 'error.primary.legacy.Error:LAST': 1 })
  })

  it('a shadow counts under the class of its error', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a', { route: 'legacy-shadowed' })])
    const end = shadowOf('a', { outcome: failure(), errorClass: 'TypeError' })
    await m.finish([end])
    await m.finish([end])
    expect(await errorsOf(m)).toEqual({ 'error.shadow.target.TypeError': 1 })
  })

  it('an error without a class is counted as failed alone', async () => {
    const m = bench().migration()
    await m.pin([pinOf('a', { maxAttempts: 1 })])
    await m.claim([claimOf('a')])
    await m.finish([finishOf('a', { outcome: failure() })])
    expect(await errorsOf(m)).toEqual({})
  })
}

async function errorsOf(ledger: MigrationLedger): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const { counts } of (await ledger.snapshot()).buckets) {
    for (const [key, n] of Object.entries(counts) as [string, number][]) {
      if (key.startsWith('job/error.')) found[key.slice(4)] = (found[key.slice(4)] ?? 0) + n
    }
  }
  return found
}
