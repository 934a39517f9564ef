// How is a bee-queue instance made, opened and closed without ever crashing the process? The same for 1.7 and 2.0.

import type { EventEmitter } from 'node:events'
import type BeeQueue from 'bee-queue'
import type { CutoverError } from '../../../src/vocabulary/errors.ts'
import { failure, loadLibrary, OPEN_TIMEOUT_MS, settles, within } from '../../queue-support.ts'
import type { RedisClient } from '../../redis-script.ts'

export type BeeJob = BeeQueue.Job<unknown>
export type BeeClient = RedisClient
export type BeeSettings = Record<string, unknown>

/** What we use of an instance, the parts that its types leave out included; alike in 1.7.1 and 2.0.0. */
export interface BeeInstance extends EventEmitter {
  readonly name: string
  readonly settings: BeeSettings & { keyPrefix: string; redis: unknown; stallInterval: number }
  readonly client: BeeClient | null
  readonly bclient: BeeClient | null
  readonly eclient: BeeClient | null
  readonly backoffStrategies: Map<string, (job: BeeJob) => number>
  _isClosed: boolean
  _activateDelayed(): void
  connect(): Promise<boolean>
  ready(): Promise<unknown>
  close(timeout?: number): Promise<void>
  createJob(data: unknown): BeeJob
  saveAll(jobs: BeeJob[]): Promise<Map<BeeJob, Error>>
  process(concurrency: number, handler: (job: BeeJob) => Promise<unknown>): void
  checkStalledJobs(interval?: number): Promise<number>
}
export type BeeClass = new (name: string, settings: BeeSettings) => BeeInstance

export const KIND = 'bee-queue'

/** The class behind a module, an instance, or the class itself. */
export async function loadClass(name: string, load: () => Promise<unknown>): Promise<BeeClass> {
  const loaded = await loadLibrary(KIND, 'bee-queue', load)
  const found = (loaded as { default?: unknown }).default ?? loaded
  if (typeof found === 'function' && typeof (found.prototype as Partial<BeeInstance>)?.saveAll === 'function')
    return found as BeeClass
  throw failure(
    'adapter-version',
    KIND,
    name,
    'this is no bee-queue that is known here; needed is 1.7 or 2.0, run: npm install bee-queue@2',
  )
}

/** A client that was handed in, as bee-queue tells one from settings. */
export function isClient(redis: unknown): redis is BeeClient {
  const made = typeof redis === 'object' && redis !== null ? redis.constructor.name : ''
  return made === 'Redis' || made === 'RedisClient'
}

/** Ends the attempts to connect: until its first success nobody can reach the client of an instance to stop it. */
export interface Patience {
  over: boolean
  lastError?: Error | undefined
}

/** Settings of a connection of our own; what the user set wins. */
export function redisSettings(redis: unknown, patience: Patience, extra: BeeSettings = {}): unknown {
  if (isClient(redis)) return redis
  const given = typeof redis === 'string' ? { url: redis } : (redis as BeeSettings | undefined)
  const retry_strategy = ({ attempt, error }: { attempt: number; error?: Error }): number | Error => {
    patience.lastError = error
    return patience.over ? (error ?? new Error('closed')) : Math.min(attempt * 50, 1_000)
  }
  // node_redis gives up for good after this much time without a connection; its default is an hour.
  return { retry_strategy, connect_timeout: 2_147_483_647, ...extra, ...given }
}

/**
 * Makes an instance and waits until it is connected. bee-queue leaves a rejected promise behind when its first connection
 * fails, which ends the process; so it never connects by itself here, and its errors always have a listener.
 */
export async function openInstance(
  Class: BeeClass,
  name: string,
  settings: BeeSettings,
  options: { onError: (error: unknown) => void; patience: Patience },
): Promise<BeeInstance> {
  const instance = new Class(name, { ...settings, autoConnect: false })
  instance.on('error', options.onError)
  instance.connect().catch(options.onError)
  try {
    await within(instance.ready(), OPEN_TIMEOUT_MS, 'connect')
  } catch (cause) {
    options.patience.over = true
    await closeInstance(instance)
    throw unreachable(name, options.patience.lastError ?? cause)
  }
  return instance
}

export function unreachable(name: string, cause: unknown): CutoverError {
  const text = 'its Redis cannot be reached; check the option `redis` and that the server runs'
  return failure('queue-unavailable', KIND, name, text, cause)
}

/** Closes an instance that runs nothing; a lost server cannot keep it open. */
export async function closeInstance(instance: BeeInstance): Promise<void> {
  if (await settles(instance.close(1_000), 2_000)) return
  const own = [instance.bclient, instance.eclient, instance.settings.quitCommandClient ? instance.client : null]
  for (const client of own) disconnect(client)
}

export function disconnect(client: BeeClient | null): void {
  if (client === null) return
  if (typeof client.disconnect === 'function') (client.disconnect as () => void)()
  else (client.end as (flush: boolean) => void)(true)
}

/** A restarted server has forgotten bee-queue's scripts, and bee-queue loads them only when it connects first. */
export async function reloadScripts(Class: BeeClass, instance: BeeInstance): Promise<void> {
  const helper = await openInstance(
    Class,
    instance.name,
    { redis: instance.client, isWorker: false, getEvents: false },
    { onError: () => {}, patience: { over: false } },
  )
  await closeInstance(helper)
}
