// How is this application's move configured? Everything of cutover is named here once; producer, workers, the command
// line and the demo all read it. Importing it opens nothing.
//
// The demo says by environment variables which queues to use and where; without them it is embedded queues in
// `.cutover/email-agent`.

import { join } from 'node:path'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { CutoverError, defineConfig, type Side, type } from '../../src/index.ts'
import { withoutLastLineBreaks } from './compare.ts'
import { badKind, losing } from './demo/bad.ts'
import { mcpConfig, mcpMode } from './demo/mcp.ts'
import type { EmailJob, ParsedEmail, ParseEffects, ThreadEffects, ThreadPlace } from './types.ts'

const env = process.env
/** The folder that holds the flag file and, without Redis, queues and ledger. */
const folder = env['EMAIL_AGENT_FOLDER'] ?? '.cutover/email-agent'
/** The two backends, `LEGACY,TARGET`. */
const kinds = (env['EMAIL_AGENT_QUEUES'] ?? 'embedded,embedded').split(',')
const redisUrl = env['EMAIL_AGENT_REDIS']
/** In front of every key in Redis; the demo takes another one for each run. */
const prefix = env['EMAIL_AGENT_PREFIX'] ?? 'email-agent'

/** After this long without a sign of life a worker's jobs go to another one. Short: the demo kills workers. */
const LEASE = '3s'
const LEASE_MS = 3000

/** One side's queue of one migration. */
function queue(side: Side, name: string) {
  const kind = kinds[side === 'legacy' ? 0 : 1]
  switch (kind) {
    case 'embedded':
      return embeddedQueue({
        path: join(folder, `queues-${side}.db`),
        queue: `${name}.${side}`,
        leaseMs: LEASE,
        pollMs: 20,
      })
    case 'bee-queue':
      return beeQueue({
        queue: `${name}.${side}`,
        prefix,
        stallInterval: LEASE_MS,
        ...(redisUrl && { redis: redisUrl }),
      })
    case 'bullmq': {
      // A job may lose its worker more often than BullMQ's once: cutover's own `maxStarts` bounds it.
      const worker = { lockDuration: LEASE_MS, stalledInterval: 1000, maxStalledCount: 10 }
      return bullmq({ queue: `${name}.${side}`, prefix, worker, ...(redisUrl && { connection: redisUrl }) })
    }
    default: {
      const allowed = 'two of embedded, bee-queue, bullmq with a comma between them'
      throw new CutoverError('config-invalid', `EMAIL_AGENT_QUEUES: "${kinds.join(',')}" is not ${allowed}`)
    }
  }
}

/** Where a plan is driven in minutes: a stage lasts two deadlines at least. */
const hurry = env['EMAIL_AGENT_HURRY'] !== undefined
/** Times of the demo: everything that is to settle settles within seconds. In production leave them out. */
const times = {
  timeout: hurry ? '1500ms' : '4s',
  attempts: hurry ? 2 : 3,
  backoff: hurry ? '100ms' : '200ms',
  waitAllowance: hurry ? '2500ms' : '5s',
  lease: LEASE,
  tally: { bucket: '1s', slack: '1s' },
} as const
const plan = env['EMAIL_AGENT_PLAN'] ?? join(import.meta.dirname, '../../migration-plan.md')

const threadTarget = losing(queue('target', 'thread-email'), badKind(env))

const mcp = mcpMode(env)

export default defineConfig({
  namespace: 'email-agent',
  ledger: redisUrl ? redisLedger({ url: redisUrl, prefix }) : sqliteLedger({ path: join(folder, 'ledger.db') }),
  flags: fileFlags({ path: join(folder, 'cutover.flags.yaml') }),
  ...(mcp === undefined ? {} : { mcp: mcpConfig(mcp, folder) }),
  migrations: {
    'parse-email': {
      ...times,
      mcp: [],
      plan,
      payload: type<EmailJob>(),
      result: type<ParsedEmail>(),
      effects: type<ParseEffects>(),
      legacy: queue('legacy', 'parse-email'),
      target: queue('target', 'parse-email'),
      key: (email) => email.mailbox,
      shadow: 'effects-declared',
      compare: { normalise: withoutLastLineBreaks },
    },
    'thread-email': {
      ...times,
      plan,
      payload: type<EmailJob>(),
      result: type<ThreadPlace>(),
      effects: type<ThreadEffects>(),
      legacy: queue('legacy', 'thread-email'),
      target: threadTarget,
      key: (email) => email.mailbox,
      shadow: 'effects-declared',
    },
  },
})
