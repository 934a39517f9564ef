// A flag that cannot be written from here, end to end: jobs go as flagd's file says, `flag set` says what to set and waits
// until it sees it, `doctor` and `explain` know it.

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { flagdFlag } from '../../adapters/flags/openfeature/words.ts'
import { loadConfig } from '../../src/cli/config-file.ts'
import { openCutover } from '../../src/cutover.ts'
import type { FlagDials } from '../../src/ports/flags.ts'
import { type Bed, bed } from '../cli/kit.ts'

let place: Bed

beforeAll(() => {
  place = bed(join(import.meta.dirname, '../.tmp'))
  turn({ target: 0, shadow: 0 })
  place.write('cutover.config.ts', configText())
})
afterAll(() => place.remove())

function turn(dials: FlagDials): void {
  const path = join(place.folder, 'flags.json')
  writeFileSync(`${path}.new`, JSON.stringify({ flags: { mail: flagdFlag(dials) } }))
  renameSync(`${path}.new`, path)
}

function configText(): string {
  const file = (name: string): string => JSON.stringify(join(place.folder, name))
  return `import { watchFile } from 'node:fs'
import { FlagdProvider } from '@openfeature/flagd-provider'
import { defineConfig, type } from 'cutover'
import { openFeatureFlags } from 'cutover/flags/openfeature'
import { sqliteLedger } from 'cutover/ledgers/sqlite'
import { embeddedQueue } from 'cutover/queues/embedded'
const queue = (name: string) => embeddedQueue({ path: ${file('queue.db')}, queue: name })
watchFile(${file('flags.json')}, { interval: 25, persistent: false }, () => {}) // the provider looks every five seconds
export default defineConfig({
  ledger: sqliteLedger({ path: ${file('ledger.db')} }),
  flags: openFeatureFlags({
    provider: () => new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: ${file('flags.json')} }),
  }),
  logger: { debug() {}, info() {}, warn() {}, error() {} },
  migrations: { mail: { payload: type<{ n: number }>(), legacy: queue('mail'), target: queue('mail-next'), shadow: 'effects-declared' } },
})
`
}

test('jobs go as the file says, one by one and many at once', async () => {
  turn({ target: 0.5, shadow: 0.5 })
  const { config } = await loadConfig(place.folder, undefined)
  const cutover = await openCutover(config)
  try {
    const one = await cutover.enqueue('mail', { n: 1 }, { id: 'job-1' })
    const many = await cutover.enqueueMany(
      'mail',
      Array.from({ length: 400 }, (_, n) => ({ payload: { n } })),
    )
    expect(new Set([one, ...many].map(({ reason }) => reason))).toEqual(new Set(['flag']))
    expect(new Set(many.map(({ route }) => route)).size).toBe(4)
    expect((await cutover.explain('mail', 'job-1')).route).toBe(one.route)
    expect((await place.json('explain', '--key', 'job-1')).value).toMatchObject({ route: one.route, reason: 'flag' })
  } finally {
    await cutover.close()
  }
})

test('flag set says what to set, and waits until it is seen', async () => {
  turn({ target: 0, shadow: 0 })
  const setting = place.cli('flag', 'set', '--target', '10%', '--shadow', '100%', '--why', 'a start', '--wait', '20s')
  setTimeout(() => turn({ target: 0.1, shadow: 1 }), 500)
  const { code, stdout, stderr } = await setting
  expect(stderr).toMatch(
    /set the string flag "mail" to target 10%, shadow 100%: by targetingKey, in this order, legacy 0%, legacy-shadowed 90%/,
  )
  expect(stderr).toContain('"fractional":[["legacy",0],["legacy-shadowed",900],["target",0],["target-shadowed",100]]')
  expect(stderr).toContain('waiting until it is seen')
  expect(stdout).toMatch(/target +0% → 10%/)
  expect(code).toBe(0)
  expect((await place.json('flag', 'get')).value).toMatchObject({
    dials: { target: 0.1, shadow: 1 },
    flag: { kind: 'openfeature', writable: false, state: 'ok' },
  })
  expect((await place.cli('history')).stdout).toContain('a start')
  const never = await place.cli('flag', 'set', '--target', '90%', '--wait', '300ms')
  expect(never.code).toBe(1)
  expect(never.stderr).toMatch(/was not seen with these dials within 300ms; it reads: target 10%, shadow 100%/)
  for (const way of ['create', 'kill'])
    expect((await place.cli('flag', way)).stderr).toMatch(/has no "flag (create|kill)"/)
})

test('doctor knows the provider and the flag', async () => {
  const { stdout } = await place.cli('doctor')
  expect(stdout).toMatch(/ok +flags +source +openfeature OpenFeature provider flagd/)
  expect(stdout).toMatch(/ok +library +@openfeature\/server-sdk +1\./)
})
