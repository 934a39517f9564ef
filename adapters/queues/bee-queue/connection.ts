// Which connection does a bee-queue adapter send its commands over? One of its own that fails fast, or the user's.

import { failure, OPEN_TIMEOUT_MS, settles } from '../../queue-support.ts'
import type { BeeQueueOptions } from './index.ts'
import {
  type BeeClass,
  type BeeClient,
  type BeeInstance,
  closeInstance,
  KIND,
  loadClass,
  openInstance,
  type Patience,
  redisSettings,
  reloadScripts,
  unreachable,
} from './library.ts'
import { keysOf } from './scripts.ts'

export interface BeeConnection {
  readonly Class: BeeClass
  readonly name: string
  readonly prefix: string
  readonly stallInterval: number
  /** What a worker connects with. */
  readonly redis: unknown
  readonly instance: BeeInstance
  readonly client: BeeClient
  readonly keys: readonly string[]
  /** For a shadow queue on the same connection: it closes with the last of its users. */
  retain(): void
  close(): Promise<void>
}

/** Options as the adapter hands them on: a shadow queue shares its parent's open connection. */
export type ConnectOptions = BeeQueueOptions & { readonly shared?: BeeConnection }

interface Source {
  readonly Class: BeeClass
  readonly name: string
  readonly prefix: string
  readonly stallInterval: number
  readonly redis: unknown
  /** A client that is there already and stays. */
  readonly client?: BeeClient
}

export async function connect(options: ConnectOptions, suffix: string): Promise<BeeConnection> {
  const { shared: parent } = options
  const source = parent ?? (await sourceOf(options))
  const name = parent === undefined ? source.name + suffix : `${parent.name}.shadow`
  const patience: Patience = { over: false }
  // A lost connection is told by the answers of the calls that meet it.
  const onError = (): void => {}
  const settings = {
    prefix: source.prefix,
    redis: source.client ?? redisSettings(source.redis, patience, { enable_offline_queue: false }),
    stallInterval: source.stallInterval,
    isWorker: false,
    getEvents: false,
    sendEvents: false,
    storeJobs: false,
  }
  const instance = await openInstance(source.Class, name, settings, { onError, patience })
  const { client } = instance
  if (client === null) throw unreachable(name, 'no client')
  const recover = (): void => {
    reloadScripts(source.Class, instance).catch(onError)
  }
  client.on('ready', recover)
  let users = 1
  const release = async (): Promise<void> => {
    users -= 1
    if (users > 0) return
    client.off('ready', recover)
    patience.over = true
    await closeInstance(instance)
    await parent?.close()
  }
  parent?.retain()
  return {
    Class: source.Class,
    name,
    prefix: source.prefix,
    stallInterval: source.stallInterval,
    redis: source.redis,
    instance,
    client,
    keys: keysOf(instance.settings.keyPrefix),
    retain: () => {
      users += 1
    },
    close: release,
  }
}

async function sourceOf(options: ConnectOptions): Promise<Source> {
  const { queue, redis, module } = options
  if (typeof queue === 'function') return fromInstance(queue() as unknown as BeeInstance, options)
  return {
    Class: await loadClass(queue, module ?? (() => import('bee-queue'))),
    name: queue,
    prefix: options.prefix ?? 'bq',
    stallInterval: options.stallInterval ?? 5_000,
    redis: typeof redis === 'function' ? redis() : redis,
  }
}

/** Everything that an instance of the user's tells: its class, its settings, and its connection for commands. */
async function fromInstance(given: BeeInstance, options: ConnectOptions): Promise<Source> {
  // Before anything is awaited: an instance whose Redis is down rejects a promise that nobody else looks at.
  const ready = Promise.resolve(given.ready())
  if (given.listenerCount('error') === 0) given.on('error', () => {})
  const Class = await loadClass(given.name, async () => given.constructor)
  if (!(await settles(ready, OPEN_TIMEOUT_MS)) || given.client === null) {
    throw unreachable(
      given.name,
      await ready.then(
        () => 'no client',
        (cause: unknown) => cause,
      ),
    )
  }
  const { keyPrefix, redis, stallInterval } = given.settings
  const end = `:${given.name}:`
  if (!keyPrefix.endsWith(end)) throw failure('adapter-version', KIND, given.name, `its keys start with "${keyPrefix}"`)
  return {
    Class,
    name: given.name,
    prefix: keyPrefix.slice(0, -end.length),
    stallInterval: options.stallInterval ?? stallInterval,
    redis,
    client: given.client,
  }
}
