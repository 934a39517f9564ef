// No password is ever printed, whichever part meets it, with and without --json and --debug.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../support/redis.ts'
import { type Bed, bed } from './kit.ts'

let place: Bed
const SECRET = 'hunter2'

beforeAll(async () => {
  place = bed()
  const url = `redis://user:${SECRET}@127.0.0.1:${await freePort()}/0`
  place.write(
    'cutover.config.ts',
    `import { defineConfig, type } from 'cutover'
import { fileFlags } from 'cutover/flags/file'
import { redisLedger } from 'cutover/ledgers/redis'
import { beeQueue } from 'cutover/queues/bee-queue'
import { bullmq } from 'cutover/queues/bullmq'
const url = '${url}'
export default defineConfig({
  ledger: redisLedger({ url, timeout: '200ms' }),
  flags: fileFlags({ path: ${JSON.stringify(place.flagFile)} }),
  migrations: {
    mail: { payload: type<string>(), legacy: beeQueue({ queue: 'mail', redis: url }), target: bullmq({ queue: 'mail', connection: url }), shadow: 'effects-declared' },
  },
})
`,
  )
  place.write('syntax.config.ts', `const url = '${url}' oops\nexport default {}`)
  place.write('throws.config.ts', `throw new Error('cannot reach ${url}')`)
  place.write('throws-other.config.ts', `throw { url: '${url}' }`)
  place.write('flags.yaml', `mail: { target: "redis://x:${SECRET}@y" }\n`)
})
afterAll(() => place.remove())

const CALLS = [
  ...[
    ['check'],
    ['doctor'],
    ['status'],
    ['report'],
    ['mismatches'],
    ['job', 'x'],
    ['explain', '--key', 'k'],
    ['history'],
  ],
  ...[
    ['flag', 'get'],
    ['flag', 'set', '--target', '5%'],
    ['rollback'],
    ['unlatch'],
    ['move', '--from', 'target', '--to', 'legacy'],
  ],
  ...['syntax', 'throws', 'throws-other'].map((file) => ['status', '--config', `${file}.config.ts`]),
  ['status', `redis://a:${SECRET}@b`],
]

test.each(CALLS.map((argv) => [argv.join(' ').replaceAll(SECRET, '…'), argv] as const))(
  '%s',
  async (_name, argv) => {
    const ways = [[], ['--json'], ['--debug']]
    const all = await Promise.all(ways.map((more) => place.cli(...argv, ...more)))
    for (const [at, { code, stdout, stderr }] of all.entries()) {
      // what looks on tells what it can while the ledger is down
      if (argv[0] !== 'explain') expect(code).not.toBe(0)
      expect(stdout + stderr).not.toBe('')
      expect(stdout + stderr).not.toContain(SECRET)
      if (ways[at]?.[0] === '--json') JSON.parse(stdout)
    }
  },
  60_000,
)
