// The SQLite ledger under the contract of all ledgers.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { ledgerContract } from '../contract/ledger-contract.ts'

ledgerContract({
  name: 'sqlite',
  create: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cutover-ledger-'))
    return {
      spec: () => sqliteLedger({ path: join(folder, 'nested', 'ledger.db') }),
      stop: async () => rmSync(folder, { recursive: true, force: true }),
    }
  },
})
