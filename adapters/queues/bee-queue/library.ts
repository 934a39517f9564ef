// How is a bee-queue instance made, opened and closed without ever crashing the process? The same for 1.7 and 2.0.

import type { EventEmitter } from 'node:events'
import type BeeQueue from 'bee-queue'
import type { CutoverError } from '../../../src/vocabulary/errors.ts'
import { failure, loadLibrary, OPEN_TIMEOUT_MS, settles, within } from '../../queue-support.ts'
import type { RedisClient } from '../../redis-script.ts'
import { disconnect } from './client.ts'

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
  _doStalledJobCheck(): Promise<number>
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

/** Makes an instance on a client that is connected. It never connects by itself, and its errors always have a listener. */
export async function openInstance(
  Class: BeeClass,
  name: string,
  client: BeeClient,
  settings: BeeSettings & { readonly onError: (error: unknown) => void },
): Promise<BeeInstance> {
  const { onError, ...rest } = settings
  const instance = new Class(name, { ...rest, redis: client, quitCommandClient: false, autoConnect: false })
  instance.on('error', onError)
  instance.connect().catch(onError)
  try {
    await within(instance.ready(), OPEN_TIMEOUT_MS, 'connect')
  } catch (cause) {
    await closeInstance(instance)
    throw unreachable(name, cause)
  }
  return instance
}

export function unreachable(name: string, cause: unknown): CutoverError {
  const text = 'its Redis cannot be reached; check the option `redis` and that the server runs'
  return failure('queue-unavailable', KIND, name, text, cause)
}

/** Closes an instance that runs nothing, but not the client that it was given; a lost server cannot keep it open. */
export async function closeInstance(instance: BeeInstance): Promise<void> {
  if (await settles(instance.close(1_000), 2_000)) return
  disconnect(instance.bclient)
  disconnect(instance.eclient)
}

/** A restarted server has forgotten bee-queue's scripts, and bee-queue loads them only when it connects first. */
export async function reloadScripts(Class: BeeClass, instance: BeeInstance): Promise<void> {
  if (instance.client === null) return
  const settings = { isWorker: false, getEvents: false, onError: () => {} }
  await closeInstance(await openInstance(Class, instance.name, instance.client, settings))
}
