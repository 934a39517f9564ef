// Which Redis client does bee-queue work with? node_redis 3, the one that bee-queue brings along, or one that was handed
// in. It is connected here, with a listener for its errors, before bee-queue sees it: bee-queue leaves rejected promises
// and unheard errors behind when its own first connection fails, and each of them ends the process.

import { createRequire } from 'node:module'
import { failure, OPEN_TIMEOUT_MS, settles } from '../../queue-support.ts'
import type { RedisClient } from '../../redis-script.ts'
import { type BeeClass, KIND, unreachable } from './library.ts'

/** node_redis settings of a connection of our own; what the user set wins. */
export function ownClient(Class: BeeClass, name: string, redis: unknown): RedisClient {
  const given = typeof redis === 'string' ? { url: redis } : (redis as object | undefined)
  return createClientOf(
    Class,
    name,
  )({
    retry_strategy: ({ attempt }: { attempt: number }) => Math.min(attempt * 50, 1_000),
    // node_redis gives up for good after this much time without a connection; its default is an hour.
    connect_timeout: 2_147_483_647,
    ...given,
    // A producer must say "unknown" at once when its connection is lost.
    enable_offline_queue: false,
  })
}

type CreateClient = (settings: object) => RedisClient

/** The node_redis next to the bee-queue that is used, whichever of several that is. */
function createClientOf(Class: BeeClass, name: string): CreateClient {
  const loaded = Object.values(createRequire(import.meta.url).cache)
  const file = loaded.find((module) => module?.exports === Class)?.filename
  try {
    if (file !== undefined) return (createRequire(file)('redis') as { createClient: CreateClient }).createClient
  } catch {
    // Told below: it comes to the same as a bundled bee-queue, which is in no cache.
  }
  const text =
    "bee-queue's own node_redis cannot be found (is it bundled?); hand in a client: redis: () => createClient(url)"
  throw failure('adapter-missing', KIND, name, text)
}

/** Waits until a client is connected; tells the newest error if it is not in time. */
export async function connected(client: RedisClient, name: string): Promise<void> {
  let last: unknown
  client.on('error', (error) => {
    last = error
  })
  // node_redis tells a failed attempt only here when it has a strategy for retries.
  client.on('reconnecting', (attempt: { error?: unknown } | undefined) => {
    last = attempt?.error ?? last
  })
  if (client.ready === true || client.status === 'ready') return
  const ready = new Promise<void>((resolve) => client.once('ready', () => resolve()))
  if (client['status'] === 'wait') (client['connect'] as () => Promise<unknown>)().catch(() => {})
  if (!(await settles(ready, OPEN_TIMEOUT_MS))) throw unreachable(name, last ?? 'no connection in time')
}

/** For a worker: the same server, but it waits for a lost one. */
export function patientCopy(client: RedisClient): RedisClient {
  const duplicate = client['duplicate'] as (settings: object) => RedisClient
  const patient = { enable_offline_queue: true, enableOfflineQueue: true, maxRetriesPerRequest: null }
  return forBee(duplicate.call(client, patient))
}

export function disconnect(client: RedisClient | null): void {
  if (client === null) return
  if (typeof client['disconnect'] === 'function') (client['disconnect'] as () => void).call(client)
  else (client['end'] as (flush: boolean) => void).call(client, true)
}

/**
 * bee-queue knows a client by the name of its class, which ioredis 5 and 6 do not show, and calls `batch`, which only
 * node_redis has.
 */
export function forBee(client: RedisClient): RedisClient {
  const name = client.constructor.name
  if (name === 'Redis' || name === 'RedisClient') return client
  const shown: Record<string | symbol, unknown> = {
    constructor: class Redis {},
    batch: () => (client['pipeline'] as () => unknown).call(client),
  }
  return new Proxy(client, {
    get(target, property) {
      if (property in shown && Object.hasOwn(shown, property)) return shown[property]
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      shown[property] = value.bind(target)
      return shown[property]
    },
  })
}
