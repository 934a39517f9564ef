// Processes that write to one SQLite ledger at once and are killed with SIGKILL in the middle: whatever was answered is
// stored, and rows and counts agree.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { allRows, countsOf, SETTINGS, sumLaw } from '../contract/ledger/bed.ts'

const WRITER = join(import.meta.dirname, '..', 'support', 'ledger-writer.ts')

let folder: string
const writers = new Set<ChildProcess>()
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-crash-'))
})
afterEach(() => {
  for (const writer of writers) writer.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

interface Told {
  readonly pinned: string[]
  readonly finished: string[]
  readonly compared: string[]
}

/** Runs a writer, kills it once it has told of `steps` steps; answers what it was told by the ledger. */
async function killAfter(path: string, prefix: string, steps: number): Promise<Told> {
  const child = spawn(process.execPath, [WRITER, path, 'crash', prefix], { stdio: ['ignore', 'pipe', 'pipe'] })
  writers.add(child)
  const gone = once(child, 'close')
  let output = ''
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.split('\n').length > steps) child.kill('SIGKILL')
  })
  const [, signal] = (await gone) as [number | null, string | null]
  writers.delete(child)
  expect(signal, errors).toBe('SIGKILL')
  const told: Told = { pinned: [], finished: [], compared: [] }
  for (const line of output.split('\n').slice(0, -1)) {
    for (const [step, ids] of Object.entries(JSON.parse(line) as Partial<Told>)) told[step as keyof Told].push(...ids)
  }
  return told
}

it('keeps what it has answered, and agrees with itself, whenever its writers are killed', async () => {
  const path = join(folder, 'ledger.db')
  const rounds: Told[] = []
  for (const [round, steps] of [7, 22, 41].entries()) {
    rounds.push(...(await Promise.all(['a', 'b'].map((name) => killAfter(path, `${name}${round}`, steps)))))
  }

  const ledger = sqliteLedger({ path }).create({ namespace: 'crash' })
  await ledger.open()
  const m = ledger.migration('crash', SETTINGS)
  for (const { pinned, finished, compared } of rounds) {
    expect(pinned.length).toBeGreaterThan(0)
    for (const id of pinned) expect(await m.row(id), id).toBeDefined()
    for (const id of finished) expect((await m.row(id))?.state, id).toBe('finished')
    for (const id of compared) expect((await m.row(id))?.verdict, id).toBe('matched')
  }

  const snapshot = await m.snapshot()
  const counts = countsOf(snapshot)
  const unsettled = [...(await allRows(m, 500)).values()]
  const { gauges } = snapshot
  const unfinished = gauges.waiting.legacy + gauges.running.legacy
  expect(counts['job/dispatched.legacy']).toBe((counts['job/ok.legacy'] ?? 0) + unfinished)
  expect(gauges.waiting.legacy).toBe(unsettled.filter(({ state }) => state === 'open').length)
  expect(gauges.pairsOpen).toBe(unsettled.filter(({ verdict }) => verdict === 'open').length)
  const { accounted, wanted } = sumLaw(snapshot, 'pair')
  expect(accounted).toBe(wanted)
  const runs = snapshot.histograms.find(({ name }) => name === 'run.primary.legacy')
  expect([...(runs?.counts.values() ?? [])].reduce((sum, n) => sum + n, 0)).toBe(counts['job/ok.legacy'])
  await ledger.close()

  const db = new DatabaseSync(path)
  expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  const settled = db.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE 'ledger\\_settled\\_%' ESCAPE '\\'`).all()
  const rows = settled.map(({ name }) => Number(db.prepare(`SELECT count(*) AS n FROM ${name}`).get()?.n))
  expect(rows.reduce((sum, n) => sum + n, 0) + unsettled.length).toBe(counts['job/dispatched.legacy'])
  db.close()
})
