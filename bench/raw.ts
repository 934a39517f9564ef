// The raw backends, used as one would use them without this library.

import BeeQueue from 'bee-queue'
import { Queue, Worker } from 'bullmq'
import { embeddedQueue } from '../adapters/queues/embedded/index.ts'
import type { OutgoingJob } from '../src/ports/queue.ts'
import { type Backend, payload, type World } from './world.ts'

export interface RawQueue {
  /** One job. */
  add(n: number): Promise<unknown>
  /** Many, in the backend's own bulk call. */
  addMany(from: number, count: number): Promise<unknown>
  /** Works until `count` jobs are done. */
  work(count: number, concurrency: number): Promise<void>
  close(): Promise<void>
}

export function openRaw(world: World, backend: Backend, name: string): Promise<RawQueue> {
  return { bullmq: rawBullmq, 'bee-queue': rawBee, embedded: rawEmbedded }[backend](world, name)
}

async function rawBullmq(world: World, name: string): Promise<RawQueue> {
  const connection = { host: '127.0.0.1', port: world.redis.port }
  const options = { removeOnComplete: true, attempts: 1 }
  const queue = new Queue(name, { connection })
  await queue.waitUntilReady()
  return {
    add: (n) => queue.add('job', payload(n), options),
    addMany: (from, count) =>
      queue.addBulk(Array.from({ length: count }, (_, i) => ({ name: 'job', data: payload(from + i), opts: options }))),
    work: async (count, concurrency) => {
      const done = counter(count)
      const worker = new Worker(name, async () => done.one(), {
        connection: { ...connection, maxRetriesPerRequest: null },
        concurrency,
      })
      await done.all
      await worker.close()
    },
    close: () => queue.close(),
  }
}

async function rawBee(world: World, name: string): Promise<RawQueue> {
  const redis = { host: '127.0.0.1', port: world.redis.port }
  const queue = new BeeQueue(name, {
    redis,
    isWorker: false,
    getEvents: false,
    sendEvents: false,
    removeOnSuccess: true,
  })
  await queue.ready()
  return {
    add: (n) => queue.createJob(payload(n)).save(),
    addMany: (from, count) =>
      queue.saveAll(Array.from({ length: count }, (_, i) => queue.createJob(payload(from + i)))),
    work: async (count, concurrency) => {
      const worker = new BeeQueue(name, { redis, getEvents: false, sendEvents: false, removeOnSuccess: true })
      const done = counter(count)
      worker.process(concurrency, async () => done.one())
      await done.all
      await worker.close()
    },
    close: () => queue.close(),
  }
}

async function rawEmbedded(world: World, name: string): Promise<RawQueue> {
  const queue = embeddedQueue({ path: `${world.folder}/embedded.db`, queue: name }).create()
  await queue.open()
  const job = (n: number): OutgoingJob => ({
    backendId: `raw-${name}-${n}`,
    data: payload(n),
    delayMs: 0,
    attempts: 1,
  })
  return {
    add: (n) => queue.enqueue([job(n)]),
    addMany: (from, count) => queue.enqueue(Array.from({ length: count }, (_, i) => job(from + i))),
    work: async (count, concurrency) => {
      const done = counter(count)
      const consumer = await queue.consume(
        async () => {
          done.one()
          return { kind: 'ack', result: undefined }
        },
        { concurrency, onError: (error) => done.fail(error) },
      )
      await done.all
      await consumer.stop({ timeoutMs: 5000 })
    },
    close: () => queue.close(),
  }
}

export function counter(count: number): { one(): void; fail(error: unknown): void; all: Promise<void> } {
  let left = count
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  return {
    one: () => {
      left -= 1
      if (left === 0) resolve()
    },
    fail: reject,
    all: promise,
  }
}
