// What only the SQLite ledger promises: small settled rows, purging by slice, a schema that refuses the future.

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { v7 } from 'uuid'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { LEDGER_SCHEMA, type Ledger, type LedgerSettings, type MigrationLedger } from '../../src/ports/ledger.ts'
import { claimOf, failure, finishOf, ok, only, pinOf, SETTINGS } from '../contract/ledger/bed.ts'

let folder: string
let path: string
let ledger: Ledger
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-store-'))
  path = join(folder, 'ledger.db')
  ledger = sqliteLedger({ path }).create({ namespace: 'store' })
  await ledger.open()
})
afterEach(async () => {
  await ledger.close()
  rmSync(folder, { recursive: true, force: true })
})

const migration = (over: Partial<LedgerSettings> = {}): MigrationLedger =>
  ledger.migration('store', { ...SETTINGS, ...over })

/** Jobs with ids of the library's kind, run in the way and the disorder of a worker with concurrency 50. */
async function runJobs(m: MigrationLedger, jobs: number): Promise<void> {
  for (let done = 0; done < jobs; done += 100) {
    const ids = Array.from({ length: 100 }, () => v7())
    await m.pin(ids.map((id) => pinOf(id, { fresh: true })))
    const tokens = new Map(ids.map((id) => [id, `${id.slice(24)}-token`]))
    await m.claim(ids.map((id) => claimOf(id, { token: tokens.get(id) ?? '' })))
    const disorder = [...ids].sort((a, b) => (a.slice(28) < b.slice(28) ? -1 : 1))
    await m.finish(disorder.map((id) => finishOf(id, { token: tokens.get(id) ?? '', outcome: ok({ id: done }) })))
  }
}

it('needs at most 90 bytes of file a finished row', async () => {
  const jobs = 20_000
  const empty = await emptySize()
  await runJobs(migration(), jobs)
  await ledger.close()
  expect((statSync(path).size - empty) / jobs).toBeLessThanOrEqual(90)
})

async function emptySize(): Promise<number> {
  await migration().control()
  await ledger.close()
  const { size } = statSync(path)
  await ledger.open()
  return size
}

it('gives back the room of old slices, in steps, and keeps its size', async () => {
  const m = migration({ retainMs: 400 })
  let purged = 0
  const sizes: number[] = []
  for (let round = 0; round < 4; round++) {
    await runJobs(m, 5000)
    await new Promise((resolve) => setTimeout(resolve, 500))
    purged += (await m.compact()).purged
    sizes.push(Number((await ledger.facts()).find(({ name }) => name === 'size')?.value.replace(' MB', '')))
  }
  expect(purged).toBe(20_000)
  expect(sizes[3]).toBeLessThanOrEqual((sizes[0] ?? 0) * 1.5)
})

it('replays results up to 64 kB and forgets larger ones with the pair', async () => {
  const m = migration()
  await m.pin(['small', 'large'].map((id) => pinOf(id)))
  await m.finish([finishOf('small', { outcome: ok('x'.repeat(64_000)) })])
  await m.finish([finishOf('large', { outcome: ok('ü'.repeat(33_000)) })])
  expect(await only(m.claim([claimOf('small')]))).toMatchObject({ outcome: { ok: true } })
  expect(await only(m.claim([claimOf('large')]))).toEqual({ status: 'finished', class: 'ok' })
})

it('ends a run by what is stored, not by what this process remembers of its claim', async () => {
  const here = migration()
  const ids = [v7(), v7(), v7()]
  await here.pin(ids.map((id) => pinOf(id)))
  await here.claim(ids.map((id) => claimOf(id, { token: 'a', leaseMs: 0 })))
  // another process, as it were: a handle that remembers nothing of the first one's
  const there = migration({ slackMs: SETTINGS.slackMs + 1 })
  const [taken, begun, extended] = ids as [string, string, string]
  await only(there.claim([claimOf(taken, { token: 'b' })]))
  expect(await there.begin([{ id: begun, gen: 0, token: 'a' }])).toEqual([true])
  expect(await there.extend([{ id: extended, gen: 0, token: 'a', leaseMs: 5000 }])).toEqual([true])
  expect(await only(here.finish([finishOf(taken, { token: 'a', outcome: failure() })]))).toEqual({
    status: 'refused',
    why: 'token',
  })
  expect(await here.row(taken)).toMatchObject({ state: 'running', token: 'b', starts: 2 })
  await here.finish([begun, extended].map((id) => finishOf(id, { token: 'a', outcome: ok(id) })))
  expect(await there.row(begun)).toMatchObject({ state: 'finished', effectsBegun: true })
  expect(await there.row(extended)).toMatchObject({ state: 'finished', slots: { primary: { value: extended } } })
})

it('refuses a file that a newer version has written', async () => {
  await ledger.close()
  const db = new DatabaseSync(path)
  db.prepare(`UPDATE ledger_meta SET value = ? WHERE name = 'schema'`).run(LEDGER_SCHEMA + 1)
  db.close()
  const opening = sqliteLedger({ path }).create({ namespace: 'store' }).open()
  await expect(opening).rejects.toMatchObject({ code: 'ledger-schema', details: { stored: LEDGER_SCHEMA + 1 } })
})

it('is refused before it is open, and after it is closed', async () => {
  const unopened = sqliteLedger({ path }).create({ namespace: 'store' })
  await expect(unopened.migrations()).rejects.toMatchObject({ code: 'closed' })
  const m = migration()
  await ledger.close()
  await expect(m.control()).rejects.toMatchObject({ code: 'closed' })
})

it('tells doctor of its durability, disk and mode', async () => {
  const full = sqliteLedger({ path: join(folder, 'full.db'), durability: 'full' }).create({ namespace: 'store' })
  await full.open()
  const facts = Object.fromEntries((await full.facts()).map(({ name, value }) => [name, value]))
  expect(facts).toMatchObject({ 'journal mode': 'wal', file: join(folder, 'full.db') })
  expect(facts.durability).toContain('full')
  expect((await ledger.facts()).find(({ name }) => name === 'durability')?.advice).toContain("'full'")
  await full.close()
})
