// Which connection does a bee-queue adapter send its commands over? One of its own that fails fast, or the user's.

import { failure, OPEN_TIMEOUT_MS, settles } from '../../queue-support.ts'
import { connected, disconnect, forBee, ownClient } from './client.ts'
import type { BeeQueueOptions } from './index.ts'
import { keysOf } from './keys.ts'
import {
  type BeeClass,
  type BeeClient,
  type BeeInstance,
  closeInstance,
  KIND,
  loadClass,
  openInstance,
  reloadScripts,
  unreachable,
} from './library.ts'

export interface BeeConnection {
  readonly Class: BeeClass
  readonly name: string
  readonly prefix: string
  readonly stallInterval: number
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
  readonly client: BeeClient
  /** Made here, so closed here. */
  readonly own: boolean
}

export async function connect(options: ConnectOptions, suffix: string): Promise<BeeConnection> {
  const { shared: parent } = options
  const source = parent === undefined ? await sourceOf(options) : { ...parent, own: false }
  const { Class, client, prefix, stallInterval } = source
  const name = parent === undefined ? source.name + suffix : `${parent.name}.shadow`
  // A lost connection is told by the answers of the calls that meet it.
  const onError = (): void => {}
  const settings = { prefix, stallInterval, isWorker: false, getEvents: false, sendEvents: false, storeJobs: false }
  let instance: BeeInstance
  try {
    await connected(client, name)
    instance = await openInstance(Class, name, client, { ...settings, onError })
  } catch (error) {
    if (source.own) disconnect(client)
    throw error
  }
  const recover = (): void => {
    reloadScripts(Class, instance).catch(onError)
  }
  client.on('ready', recover)
  let users = 1
  parent?.retain()
  return {
    ...{ Class, name, prefix, stallInterval, instance, client },
    keys: keysOf(instance.settings.keyPrefix),
    retain: () => {
      users += 1
    },
    close: async () => {
      users -= 1
      if (users > 0) return
      client.off('ready', recover)
      await closeInstance(instance)
      if (source.own) disconnect(client)
      await parent?.close()
    },
  }
}

async function sourceOf(options: ConnectOptions): Promise<Source> {
  const { queue, redis, module } = options
  if (typeof queue === 'function') return fromInstance(queue() as unknown as BeeInstance, options)
  const Class = await loadClass(queue, module ?? (() => import('bee-queue')))
  const own = typeof redis !== 'function'
  return {
    Class,
    name: queue,
    prefix: options.prefix ?? 'bq',
    stallInterval: options.stallInterval ?? 5_000,
    client: own ? ownClient(Class, queue, redis) : forBee(redis() as BeeClient),
    own,
  }
}

/** Everything that an instance of the user's tells: its class, its settings, and its connection. */
async function fromInstance(given: BeeInstance, options: ConnectOptions): Promise<Source> {
  // Before anything is awaited: an instance whose Redis is down rejects a promise that nobody else looks at.
  const ready = Promise.resolve(given.ready())
  const cause = ready.then(
    () => 'no connection in time',
    (error: unknown) => error,
  )
  if (given.listenerCount('error') === 0) given.on('error', () => {})
  const Class = await loadClass(given.name, async () => given.constructor)
  if (!(await settles(ready, OPEN_TIMEOUT_MS)) || given.client === null) {
    throw unreachable(given.name, await Promise.race([cause, 'no connection in time']))
  }
  const { keyPrefix, stallInterval } = given.settings
  const end = `:${given.name}:`
  if (!keyPrefix.endsWith(end)) throw failure('adapter-version', KIND, given.name, `its keys start with "${keyPrefix}"`)
  return {
    Class,
    name: given.name,
    prefix: keyPrefix.slice(0, -end.length),
    stallInterval: options.stallInterval ?? stallInterval,
    client: given.client,
    own: false,
  }
}
