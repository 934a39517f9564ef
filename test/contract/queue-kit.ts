// What the queue contract's cases share: opened handles and workers that are always cleaned up, and waiting for what happens.

import { expect } from 'vitest'
import type {
  CapabilityName,
  Consumer,
  Delivery,
  Disposition,
  OutgoingJob,
  Page,
  ParkedJob,
  Queue,
  QueueSpec,
} from '../../src/ports/queue.ts'
import { isCutoverError } from '../../src/vocabulary/errors.ts'

/** Capabilities that no method of the port shows: the adapter's own test proves them with the backend's means. */
export type UnseenCapability = 'neverStarted' | 'pause' | 'progress' | 'result' | 'jobNames'

/** A handle whose connection can be broken, e.g. over `test/support/proxy.ts`. */
export interface BreakableConnection {
  spec(): QueueSpec
  /** From now on what is sent arrives, and the connection breaks in place of the answer. */
  loseAnswers(): Promise<void> | void
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void> | void
  heal(): Promise<void> | void
}

/** One fresh, empty queue; made anew for every case. */
export interface QueueHarness {
  /** A new handle on the same queue at each call. */
  spec(): QueueSpec
  /** How a process of its own gets a handle: `factory(options)` of `module`; the options are JSON. */
  readonly child?: { readonly module: string | URL; readonly factory: string; readonly options: unknown }
  readonly connection?: BreakableConnection
  /** A handle made from a connection or instance of the user's; `usable` says whether that one still works. */
  handedIn?(): Promise<{ spec: QueueSpec; usable(): Promise<boolean> }>
  /** The backend's own plain worker, one job at a time, calling `processor` with the backend's own arguments. */
  native?(processor: (...args: unknown[]) => Promise<unknown>): Promise<{ stop(): Promise<void> }>
  /** Puts jobs into the queue as an application without this library does; answers their ids, oldest first. */
  plain?(payloads: readonly object[]): Promise<string[]>
  /** Cuts a stored job's data short, or loses its record while its id stays listed; false: the backend has no such thing. */
  damage?(backendId: string, how: 'cut' | 'missing'): Promise<boolean>
  /** Each throws where its capability does not hold. Needed for each of these that is declared. */
  readonly prove?: { readonly [K in UnseenCapability]?: (queue: Queue, bench: Bench) => Promise<void> }
  stop(): Promise<void>
}

/** `runs`: those of this worker so far, this one last. A delivery may come before `work` has answered. */
export type Deliver = (delivery: Delivery, run: Run, runs: readonly Run[]) => Promise<Disposition> | Disposition

export interface Run {
  readonly id: string
  readonly attempt: number
  readonly data: unknown
  readonly startedAt: number
  endedAt: number
}

export const ACK: Disposition = { kind: 'ack', result: undefined }

/** A worker of a case: what it ran and which errors it was told of. */
export class Work {
  readonly runs: Run[] = []
  readonly errors: unknown[] = []
  consumer: Consumer | undefined
  readonly #waiting = new Set<() => void>()

  async deliver(delivery: Delivery, deliver: Deliver): Promise<Disposition> {
    const run: Run = {
      id: delivery.backendId,
      attempt: delivery.attempt,
      data: delivery.data,
      startedAt: Date.now(),
      endedAt: 0,
    }
    this.runs.push(run)
    this.changed()
    const disposition = await deliver(delivery, run, this.runs)
    run.endedAt = Date.now()
    queueMicrotask(() => this.changed())
    return disposition
  }

  fault(error: unknown): void {
    this.errors.push(error)
    this.changed()
  }

  changed(): void {
    for (const look of [...this.#waiting]) look()
  }

  /** Resolves when `holds`; looked at whenever a run starts or ends. */
  until(holds: (runs: readonly Run[]) => boolean, timeoutMs = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds(this.runs)) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        const seen = this.runs.slice(-10).map((run) => `${run.id}#${run.attempt}`)
        reject(
          new Error(
            `after ${timeoutMs} ms ${this.runs.length} runs, the last: ${seen.join(' ')}; errors: ${this.errors}`,
          ),
        )
      }, timeoutMs)
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      this.#waiting.add(look)
      look()
    })
  }
}

/** One case's handles, workers and gates; `end` releases, stops and closes them all. */
export class Bench {
  readonly harness: QueueHarness
  readonly #cleanups: (() => Promise<unknown>)[] = []
  readonly #gates: (() => void)[] = []

  constructor(harness: QueueHarness) {
    this.harness = harness
  }

  /** Another opened handle on the case's queue. */
  async queue(spec: QueueSpec = this.harness.spec()): Promise<Queue> {
    const queue = spec.create()
    this.onEnd(() => queue.close())
    await queue.open()
    return queue
  }

  async work(queue: Queue, deliver: Deliver = () => ACK, concurrency = 1): Promise<Work> {
    const work = new Work()
    const onError = (error: unknown): void => work.fault(error)
    const consumer = await queue.consume((delivery) => work.deliver(delivery, deliver), { concurrency, onError })
    work.consumer = consumer
    this.onEnd(() => consumer.stop({ timeoutMs: 3_000 }))
    return work
  }

  /** A promise for handlers to wait on; opened at the end of the case at the latest. */
  gate(): { readonly passed: Promise<void>; open(): void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gates.push(resolve)
    return { passed: promise, open: resolve }
  }

  onEnd(cleanup: () => Promise<unknown>): void {
    this.#cleanups.push(cleanup)
  }

  async end(): Promise<void> {
    for (const open of this.#gates) open()
    for (const cleanup of this.#cleanups.reverse()) await cleanup()
    await this.harness.stop()
  }
}

let made = 0
/** A job with a new id, due now, one attempt, unless said otherwise. */
export function job(changes: Partial<OutgoingJob> = {}): OutgoingJob {
  made += 1
  return { backendId: `job_${process.pid}_${made}`, data: { n: made }, delayMs: 0, attempts: 1, ...changes }
}

export function jobs(count: number, changes: Partial<OutgoingJob> = {}): OutgoingJob[] {
  return Array.from({ length: count }, () => job(changes))
}

export async function enqueueAll(queue: Queue, list: readonly OutgoingJob[]): Promise<void> {
  const answers = await queue.enqueue(list)
  expect(answers.map((answer) => answer.status)).toEqual(list.map(() => 'accepted'))
}

/** Of one job. */
export async function removeOne(queue: Queue, backendId: string): Promise<boolean | undefined> {
  return (await queue.remove([backendId]))[0]
}

export async function unparkOne(queue: Queue, backendId: string): Promise<boolean | undefined> {
  return (await queue.unpark([backendId]))[0]
}

export async function dropOne(queue: Queue, backendId: string): Promise<boolean | undefined> {
  return (await queue.dropParked([backendId]))[0]
}

/** Every page of a list, in its order. */
export async function everyPage<T>(read: (cursor: { cursor?: string }) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = []
  let cursor: string | undefined
  do {
    const page = await read(cursor === undefined ? {} : { cursor })
    all.push(...page.jobs)
    cursor = page.cursor
  } while (cursor !== undefined)
  return all
}

export function allParked(queue: Queue): Promise<ParkedJob[]> {
  return everyPage((cursor) => queue.parked(cursor))
}

/** Asks until `read` gives what `holds` accepts: for state in a backend that tells nobody of its changes. */
export async function eventually<T>(
  read: () => Promise<T>,
  holds: (value: T) => boolean,
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const value = await read()
    if (holds(value)) return value
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(value)} after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}

export async function placed(queue: Queue, id: string, place: string): Promise<string | undefined> {
  const found = await eventually(
    () => queue.find(id),
    (answer) => answer.place === place,
  )
  return found.reason
}

/** The error of a call that must not succeed: thrown, or the cause of a `refused`. */
export async function refusal(call: () => Promise<unknown>): Promise<unknown> {
  let answer: unknown
  try {
    answer = await call()
  } catch (error) {
    return error
  }
  const first = Array.isArray(answer) ? (answer[0] as { status?: string; cause?: unknown } | undefined) : undefined
  if (first?.status === 'refused') return first.cause
  throw new Error(`expected a refusal, got ${JSON.stringify(answer)}`)
}

/** `capability-missing` that names the capability and the adapter, and says what to use instead. */
export async function expectMissing(
  queue: Queue,
  capability: CapabilityName,
  call: () => Promise<unknown>,
): Promise<void> {
  const error = await refusal(call)
  if (!isCutoverError(error, 'capability-missing')) throw new Error('expected capability-missing', { cause: error })
  expect(error.message).toContain(queue.kind)
  expect(error.message).toContain(capability)
  expect(error.message).toMatch(/instead|use /)
  expect(error.details).toMatchObject({ capability, adapter: queue.kind })
}
