// Which connections does a BullMQ adapter use? For commands one of its own that fails fast, or the user's; for each
// worker a copy of it that waits for a lost server.

import type { Queue as BullQueue } from 'bullmq'
import type { Redis, RedisOptions } from 'ioredis'
import { cleanError, failure, loadLibrary, OPEN_TIMEOUT_MS, settles, within } from '../../queue-support.ts'
import type { RedisClient } from '../../redis-script.ts'
import type { BullmqOptions } from './index.ts'
import { keysOf } from './keys.ts'
import { definedOn } from './own-scripts.ts'

export const KIND = 'bullmq'
export type BullModule = typeof import('bullmq')

export interface BullConnection {
  readonly module: BullModule
  readonly name: string
  readonly prefix: string
  readonly queue: BullQueue
  /** For commands; what `queue` uses. */
  readonly client: RedisClient
  /** In front of every job's id. */
  readonly keyPrefix: string
  readonly keys: readonly string[]
  /** A connection for a worker, to be closed by it. */
  forWorker(): Redis
  /** For a shadow queue on the same connection: it closes with the last of its users. */
  retain(): void
  close(): Promise<void>
}

/** Options as the adapter hands them on: a shadow queue shares its parent's open connection. */
export type ConnectOptions = BullmqOptions & { readonly shared?: BullConnection }

/** As BullMQ takes them: ioredis options that may hold a `url`. */
type Settings = RedisOptions & { readonly url?: string; readonly replyMapping?: 'legacy' }

interface Source {
  readonly name: string
  readonly prefix: string
  readonly client: Redis
  /** The user's own, used as it is. */
  readonly given?: BullQueue
  readonly own: boolean
}

export async function connect(options: ConnectOptions, suffix: string): Promise<BullConnection> {
  const { shared: parent } = options
  const module = parent?.module ?? ((await loadLibrary(KIND, 'bullmq ioredis', () => import('bullmq'))) as BullModule)
  const source = parent === undefined ? await sourceOf(options) : shadowOf(parent)
  const name = parent === undefined ? source.name + suffix : `${parent.name}.shadow`
  const queue =
    suffix === '' && source.given !== undefined
      ? source.given
      : new module.Queue(name, { connection: source.client, prefix: source.prefix })
  // A lost connection is told by the answers of the calls that meet it.
  if (queue.listenerCount('error') === 0) queue.on('error', () => {})
  checkVersion(queue, name)
  const keyPrefix = queue.toKey('')
  let users = 1
  const ended = async (): Promise<void> => {
    if (queue !== source.given) await settles(queue.close(), 2_000)
    if (source.own) await disconnect(source.client)
    await parent?.close()
  }
  parent?.retain()
  if (!(await settles(queue.waitUntilReady(), OPEN_TIMEOUT_MS))) {
    await ended()
    throw unreachable(name, `no answer within ${OPEN_TIMEOUT_MS} ms`)
  }
  if (definedOn(source.client, 'addStandardJob:') === undefined) {
    await ended()
    throw unknownVersion(name)
  }
  return {
    module,
    name,
    prefix: source.prefix,
    queue,
    client: source.client as unknown as RedisClient,
    keyPrefix,
    keys: keysOf(keyPrefix),
    forWorker: () => {
      const copy = source.client.duplicate({ maxRetriesPerRequest: null, enableOfflineQueue: true, lazyConnect: false })
      copy.on('error', () => {})
      return copy
    },
    retain: () => {
      users += 1
    },
    close: async () => {
      users -= 1
      if (users === 0) await ended()
    },
  }
}

function shadowOf(parent: BullConnection): Source {
  const client = parent.client as unknown as Redis
  return { name: parent.name, prefix: parent.prefix, client, own: false }
}

async function sourceOf(options: ConnectOptions): Promise<Source> {
  const { queue, connection } = options
  if (typeof queue === 'function') return fromQueue(queue() as BullQueue)
  const prefix = options.prefix ?? 'bull'
  if (typeof connection === 'function') {
    const client = connection() as Redis
    await ready(client, queue, undefined)
    return { name: queue, prefix, client, own: false }
  }
  const { Redis } = (await loadLibrary(KIND, 'bullmq ioredis', () => import('ioredis'))) as typeof import('ioredis')
  // A producer must say "unknown" at once when its connection breaks; a worker's copy waits and sends again instead.
  const fast = { enableOfflineQueue: false, maxRetriesPerRequest: 0 }
  const { url, ...rest } = typeof connection === 'string' ? { url: connection } : ({ ...connection } as Settings)
  const settings = { ...rest, ...fast } as Settings
  const client = url === undefined ? new Redis(settings) : new Redis(url, settings)
  let last: unknown
  client.on('error', (error) => {
    last = error
  })
  try {
    await ready(client, queue, () => last)
  } catch (error) {
    client.disconnect()
    throw error
  }
  return { name: queue, prefix, client, own: true }
}

async function fromQueue(given: BullQueue): Promise<Source> {
  if (given.listenerCount('error') === 0) given.on('error', () => {})
  checkVersion(given, given.name)
  const client = await within(given.getBackend().client, OPEN_TIMEOUT_MS, 'connect').catch((cause: unknown) => {
    throw unreachable(given.name, cause)
  })
  const prefix = (given.opts as { prefix?: string }).prefix ?? 'bull'
  return { name: given.name, prefix, client: client as unknown as Redis, given, own: false }
}

async function ready(client: Redis, name: string, last: (() => unknown) | undefined): Promise<void> {
  if (client.status === 'ready') return
  const connected = new Promise<void>((resolve) => client.once('ready', resolve))
  if (client.status === 'wait') client.connect().catch(() => {})
  if (!(await settles(connected, OPEN_TIMEOUT_MS))) throw unreachable(name, last?.() ?? 'no connection in time')
}

function unreachable(name: string, cause: unknown): Error {
  const text = 'its Redis cannot be reached; check the option `connection` and that the server runs'
  return failure('queue-unavailable', KIND, name, text, cleanError(cause))
}

/** The keys and scripts are BullMQ's own business, its hold on a client's scripts that of ioredis; they are known for 6.7. */
function checkVersion(queue: BullQueue, name: string): void {
  const backend = (queue as Partial<BullQueue>).getBackend?.() as { addJobToTransaction?: unknown } | undefined
  if (typeof backend?.addJobToTransaction !== 'function') throw unknownVersion(name)
}

function unknownVersion(name: string): Error {
  return failure(
    'adapter-version',
    KIND,
    name,
    'needed is BullMQ 6.7 over ioredis; run: npm install bullmq@6.7 ioredis',
  )
}

export async function disconnect(client: Redis): Promise<void> {
  if (client.status !== 'ready' || !(await settles(client.quit(), 1_000))) client.disconnect()
}
