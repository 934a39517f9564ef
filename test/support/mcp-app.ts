// Migrations whose workers have MCP servers, for probes through real queues, in this process and in others.
//
// Each migration has queues of its own, so that a probe is taken by the worker that is meant.

import { join } from 'node:path'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { resolveMigration } from '../../src/config/resolve.ts'
import { type CutoverConfig, type } from '../../src/config/types.ts'
import type { McpConfig, McpServerSettings } from '../../src/mcp/config.ts'
import { probeRound } from '../../src/mcp/round.ts'
import type { LedgerSpec, MigrationLedger } from '../../src/ports/ledger.ts'
import type { Queue, QueueSpec } from '../../src/ports/queue.ts'
import { testFlags } from '../../src/testing/index.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import type { ProbePlace, ProbeRecord } from '../../src/vocabulary/probe.ts'
import { type Place, SILENT } from './app.ts'

/** bee-queue and BullMQ with a ledger on the same Redis, or embedded queues and a SQLite ledger. */
export function mcpConfig(
  place: Place,
  migrations: readonly string[],
  mcp: McpConfig | undefined,
  more: object = {},
): CutoverConfig {
  const queue = (name: string, side: Side): QueueSpec => {
    if (!('url' in place)) {
      const path = join(place.folder, 'queue.db')
      return embeddedQueue({ path, queue: `${name}-${side}`, pollMs: 20 })
    }
    return side === 'legacy'
      ? beeQueue({ queue: name, redis: place.url })
      : bullmq({ queue: name, connection: place.url })
  }
  const ledger: LedgerSpec =
    'url' in place ? redisLedger({ url: place.url }) : sqliteLedger({ path: join(place.folder, 'ledger.db') })
  const entries = migrations.map((name) => [
    name,
    { payload: type<unknown>(), legacy: queue(name, 'legacy'), target: queue(name, 'target'), ...more },
  ])
  const all = {
    ledger,
    flags: testFlags({ target: 0, shadow: 0 }),
    logger: SILENT,
    ...(mcp === undefined ? {} : { mcp }),
  }
  return { ...all, migrations: Object.fromEntries(entries) } as unknown as CutoverConfig
}

export interface Prober {
  readonly ledger: (migration: string) => MigrationLedger
  readonly servers: readonly McpServerSettings[]
  probe(migration: string, server: string, places: readonly ProbePlace[], deadlineMs?: number): Promise<ProbeRecord[]>
  close(): Promise<void>
}

/** What the command does, over connections of its own. */
export async function openProber(config: CutoverConfig): Promise<Prober> {
  const store = config.ledger.create({ namespace: config.namespace ?? 'default' })
  await store.open()
  const queues = new Map<string, Promise<Queue>>()
  const [first = ''] = Object.keys(config.migrations)
  const servers = resolveMigration(config, first).mcp?.servers ?? []
  const ledger = (migration: string): MigrationLedger =>
    store.migration(migration, resolveMigration(config, migration).ledger)
  const queueOf = (migration: string, side: Side): Promise<Queue> => {
    const key = `${migration} ${side}`
    const opening =
      queues.get(key) ??
      (async () => {
        const queue = resolveMigration(config, migration)[side].create()
        await queue.open()
        return queue
      })()
    queues.set(key, opening)
    return opening
  }
  return {
    ledger,
    servers,
    probe: async (migration, name, places, deadlineMs = 20_000) => {
      const server = servers.find((each) => each.name === name)
      if (server === undefined) throw new Error(`no server ${name}`)
      const queue = (side: Side): Promise<Queue> => queueOf(migration, side)
      return [...(await probeRound({ id: newId(), server, deadlineMs, ledger: ledger(migration), queue, places }))]
    },
    close: async () => {
      for (const queue of await Promise.all(queues.values())) await queue.close()
      await store.close()
    },
  }
}
