// The sources that need no server, held to the contract.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { writeFlag } from '../../adapters/flags/file/write.ts'
import { flagsContract } from '../contract/flags-contract.ts'

flagsContract('file', {
  sameRoutes: true,
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cutover-flags-'))
    const path = join(folder, 'flags.yaml')
    await writeFlag(path, 'mail', { target: 0, shadow: 0 })
    const source = fileFlags({ path, poll: '100ms' }).create({ flags: ['mail'] })
    return {
      source,
      flag: 'mail',
      set: (dials) => writeFlag(path, 'mail', dials),
      close: async () => {
        await source.close()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
})
