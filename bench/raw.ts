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
  /** Some of those that wait, oldest first, read as one would who moves them by hand. */
  read(from: number, count: number): Promise<readonly unknown[]>
  /** Adds these payloads, in the backend's own bulk call. */
  addAll(payloads: readonly unknown[]): Promise<unknown>
  /** Drops the queue. */
  clear(): Promise<unknown>
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
    read: async (from, count) => (await queue.getWaiting(from, from + count - 1)).map((job) => job.data),
    addAll: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'job', data, opts: options }))),
    clear: () => queue.drain(),
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
    read: async (from, count) => {
      const page = { start: -from - count, end: -from - 1 }
      return (await queue.getJobs('waiting', page)).map((job) => job.data)
    },
    addAll: (payloads) => queue.saveAll(payloads.map((data) => queue.createJob(data))),
    clear: () => queue.destroy(),
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
  let cursor = ''
  const job = (n: number): OutgoingJob => ({
    backendId: `raw-${name}-${n}`,
    data: payload(n),
    delayMs: 0,
    attempts: 1,
  })
  return {
    add: (n) => queue.enqueue([job(n)]),
    addMany: (from, count) => queue.enqueue(Array.from({ length: count }, (_, i) => job(from + i))),
    read: async (from, count) => {
      const page = await queue.list({ place: 'waiting', limit: count, ...(from === 0 ? {} : { cursor }) })
      cursor = page.cursor ?? ''
      return page.jobs.map((job) => job.data)
    },
    addAll: (payloads) => queue.enqueue(payloads.map((data) => ({ ...job((data as { n: number }).n), data }))),
    clear: async () => {},
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
