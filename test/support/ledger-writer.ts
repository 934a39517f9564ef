// A process that writes to a SQLite ledger as fast as it can until it is killed: pins, claims, finishes, compares. Tells
// on standard output what was answered to it, one JSON line a step.
//
// node ledger-writer.ts PATH NAMESPACE PREFIX

import { writeSync } from 'node:fs'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { claimOf, finishOf, MATCHED, pinOf, SETTINGS, shadowOf } from '../contract/ledger/bed.ts'

const [path = '', namespace = '', prefix = ''] = process.argv.slice(2)
const tell = (line: object): void => {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

const ledger = sqliteLedger({ path }).create({ namespace })
await ledger.open()
const m = ledger.migration('crash', SETTINGS)
for (let round = 0; ; round++) {
  const ids = Array.from({ length: 20 }, (_, n) => `${prefix}-${round}-${n}`)
  await m.pin([...ids.map((id) => pinOf(id, { route: 'legacy-shadowed' })), pinOf(`shared-${round}`)])
  tell({ pinned: ids })
  await m.claim(ids.map((id) => claimOf(id)))
  await m.finish(ids.flatMap((id) => [finishOf(id), shadowOf(id)]))
  tell({ finished: ids })
  const half = ids.slice(0, 10)
  await m.compare(half.map((id) => ({ id, which: 'pair' as const, comparison: MATCHED })))
  tell({ compared: half })
}
