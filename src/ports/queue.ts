// What a queue backend must offer. An adapter translates and does nothing else: every rule (fencing, attempts,
// time-outs, comparing) is the library's.

import type { CutoverError } from '../vocabulary/errors.ts'
import type { Backoff } from '../vocabulary/job.ts'
import type { EndScript, JointEnd } from './joint.ts'

/** What a backend can do beyond the must; said once, in the adapter's table. */
export interface Capabilities {
  /** Jobs may be due later. */
  readonly delay: boolean
  /** Smaller numbers first, 0 (highest, the default) to 2 097 151. */
  readonly priority: boolean
  /** Exponential pauses between attempts. */
  readonly backoff: boolean
  /** Hands a running job back to waiting without spending an attempt; else `defer` parks it and the sweeper re-enqueues. */
  readonly defer: boolean
  /** Lists waiting and delayed jobs. */
  readonly list: boolean
  /** Removes a job that is waiting or delayed, and never one that runs. */
  readonly remove: boolean
  /** Knows of a waiting job that it was never started. */
  readonly neverStarted: boolean
  readonly pause: 'none' | 'local' | 'global'
  readonly progress: boolean
  /** Keeps a handler's result in its own store. */
  readonly result: boolean
  /** Several job names in one queue. */
  readonly jobNames: boolean
  /** Largest accepted envelope in bytes. */
  readonly maxPayloadBytes: number
}
export type CapabilityName = keyof Capabilities

/** A job on its way to the backend. */
export interface OutgoingJob {
  /** In a form that every backend accepts: letters, digits, `_` and `-`, never all digits, at most 120 characters. */
  readonly backendId: string
  /** The envelope; JSON. */
  readonly data: unknown
  /** Due after this many ms; 0: now. */
  readonly delayMs: number
  readonly priority?: number
  /** Attempts in all; for a moved job those that remain, at least 1. */
  readonly attempts: number
  /** For a moved job what remains of it. */
  readonly backoff?: Backoff
  /**
   * The ledger knows that no job of this id is under way: a record of an ended one (failed, completed, parked as `late`)
   * is replaced, in one atomic step, and the answer is `accepted`. One that waits, is delayed or runs is a `duplicate`
   * all the same. Where the record did not stop the job from being stored, it is dropped afterwards.
   */
  readonly replaceEnded?: boolean
}

/**
 * `unknown`: the connection broke after sending, the job may be stored: send the same id again.
 * `refused`: certainly not stored.
 */
export type EnqueueAnswer =
  | { readonly status: 'accepted' }
  | { readonly status: 'duplicate' }
  | { readonly status: 'unknown'; readonly cause: unknown }
  | { readonly status: 'refused'; readonly cause: unknown }

/** One run that the backend hands out. */
export interface Delivery<Native = unknown> {
  readonly backendId: string
  /** The stored envelope or plain payload, parsed. */
  readonly data: unknown
  /** The backend's count: 1 for the first attempt. */
  readonly attempt: number
  /** Attempts that the backend will make in all. */
  readonly attempts: number
  /** When it was put into the backend, ms on the backend's clock; undefined if not known. */
  readonly enqueuedAt?: number
  /** The backend's own job object. */
  readonly native: Native
  /** Its ack may bring the end of its run along: it is stored together with the ack, or before. */
  readonly acksJointly?: boolean
  progress(value: unknown): Promise<void>
}

/** What is to become of a delivery. The adapter carries it out before it takes the next job. */
export type Disposition =
  /** `joint`: the end of its run, which is not stored yet; only for a delivery with {@link Delivery.acksJointly}. */
  | { readonly kind: 'ack'; readonly result: unknown; readonly joint?: JointEnd }
  /** `retry` false: no further attempt, whatever attempts are left. */
  | { readonly kind: 'fail'; readonly error: unknown; readonly retry: boolean }
  /** Back to waiting after `delayMs`, no attempt spent; where the backend cannot, parked. */
  | { readonly kind: 'defer'; readonly delayMs: number }
  /** A durable copy into the park list, then the source is removed. */
  | { readonly kind: 'park'; readonly reason: ParkReason }

/** `late`: a fenced copy without a row. `deferred`: back to waiting by the sweeper. `moving`: taken by a mover. `newer`: an envelope of a newer version. */
export type ParkReason = 'late' | 'deferred' | 'moving' | 'newer' | 'damaged'

/** A job as its backend holds it, wherever it is. */
export interface StoredJob {
  readonly backendId: string
  /** The stored envelope or plain payload, parsed; where `damaged` is set, what is there as text, or undefined. */
  readonly data: unknown
  readonly place: QueuePlace
  /** When it was or will be due, ms on the backend's clock; for one that waits when it came, 0 if not known. */
  readonly runAt: number
  /** As in {@link Delivery.enqueuedAt}. */
  readonly enqueuedAt?: number
  /** Unset or 0: none. */
  readonly priority?: number
  /** Attempts in all, those made included. */
  readonly attempts: number
  /** Attempts that failed so far. */
  readonly attemptsMade: number
  /** What remains of it: the pause after the next attempt that fails. */
  readonly backoff?: Backoff
  /** True: no worker ever took it. False: one did. Undefined: the backend cannot tell (capability `neverStarted`). */
  readonly neverStarted: boolean | undefined
  /** Its record is missing or cannot be read: what is wrong. Such a job is listed and left alone. */
  readonly damaged?: string
  /** Something else counts on it where it is (a flow, a schedule): what. `park` and `remove` leave it alone. */
  readonly held?: string
}

/** A job that `park` or `remove` may take, as long as it is still there when they come. */
export interface MovableJob extends StoredJob {
  readonly place: 'waiting' | 'delayed'
}

export interface ParkedJob extends StoredJob {
  readonly place: 'parked'
  readonly reason: ParkReason
  readonly parkedAt: number
}

/** Some of many; `cursor` is what to ask for the next ones with, unset after the last. */
export interface Page<T> {
  readonly jobs: readonly T[]
  readonly cursor?: string
}

export interface ParkedPage extends Page<ParkedJob> {
  /** On the clock of `parkedAt` of what was parked while it waited, ms: the backend's, whatever processes' clocks say. */
  readonly now: number
}

/** A queue is empty when waiting, delayed, running and parked are 0: the others are parts of these. */
export interface QueueCounts {
  /** Ready to run now. */
  readonly waiting: number
  /** Due later, pauses between attempts included. */
  readonly delayed: number
  readonly running: number
  readonly failed: number
  readonly parked: number
  /** Age of the oldest ready job, ms; undefined if there is none or the backend cannot tell. */
  readonly oldestReadyMs?: number
  /** With `detail`: of those waiting and delayed, how many have failed before; unset where they are too many to look at. */
  readonly retrying?: number
  /** With `detail`: of those running, how many have a worker that gives no sign of life. */
  readonly stalled?: number
  /** With `detail`, where a queue carries jobs of other names too: how many of those waiting, delayed and running are others'. */
  readonly others?: number
}

/** Whether jobs may be taken out of a queue: its stored form is private to its library, and known for tested versions only. */
export type Movability = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** Where a backend says that a job is. */
export type QueuePlace = 'waiting' | 'delayed' | 'running' | 'failed' | 'completed' | 'parked' | 'absent'

export interface Consumer {
  /** Takes no further job; waits for the running ones, at most `timeoutMs`. True: all ended. */
  stop(options: { timeoutMs: number }): Promise<boolean>
}

export interface ConsumeOptions {
  readonly concurrency: number
  /** Of the ledger that the ends of runs are told to; a queue on another server has no use for it. */
  readonly endScript?: EndScript | undefined
  /** Told of errors of the connection or the backend's own loop; never of handler errors. */
  readonly onError: (error: unknown) => void
}

export interface Queue<Native = unknown> {
  /** Adapter name, e.g. `bullmq`. */
  readonly kind: string
  /** The backend's queue name, for people. */
  readonly name: string
  readonly capabilities: Capabilities
  /** See `Ledger.store`. */
  readonly store?: string | undefined
  /** Connects; loads the backend's library. Called before anything else, may be called again. `adapter-missing`, `adapter-version`. */
  open(): Promise<void>
  /** One answer a job, in order; never throws for what a job's answer can say. */
  enqueue(jobs: readonly OutgoingJob[]): Promise<readonly EnqueueAnswer[]>
  /** `deliver` never throws. */
  consume(deliver: (delivery: Delivery<Native>) => Promise<Disposition>, options: ConsumeOptions): Promise<Consumer>
  /** For a worker of the user's own: what its processor was called with. */
  fromNative(args: readonly unknown[]): Delivery<Native>
  /** For a worker of the user's own: resolves with what its processor is to return, or rejects with what it is to throw. */
  toNative(delivery: Delivery<Native>, args: readonly unknown[], disposition: Disposition): Promise<unknown>
  /** `detail` looks at single jobs, up to some thousands: for a proof, not for every second. */
  counts(options?: { detail?: boolean }): Promise<QueueCounts>
  /** Where this job is. With `failed` the backend's own reason. */
  find(backendId: string): Promise<{ readonly place: QueuePlace; readonly reason?: string }>
  /** This job, wherever it is (a parked one as in `parked`); undefined if the backend has no record of it. */
  read(backendId: string): Promise<StoredJob | ParkedJob | undefined>
  /**
   * Waiting or delayed jobs, a page at a time, those that run first first. A job that stays where it is while the pages
   * are read is listed at least once, also while others come, run or are taken. A page may be shorter than `limit`
   * (large jobs) or empty and yet have a `cursor`. Needs the capability `list`.
   */
  list(options: { place: 'waiting' | 'delayed'; limit: number; cursor?: string }): Promise<Page<MovableJob>>
  /**
   * Why `enqueue` would refuse this job for what it is: `payload-too-large`, `payload-not-json`, `capability-missing`,
   * `option-invalid`. Asks and stores nothing.
   */
  refusal(job: OutgoingJob): CutoverError | undefined
  /** How many workers read this queue, with this library or without; undefined where the backend cannot tell. */
  readers?(): Promise<number | undefined>
  /** Asked before jobs are taken out for another queue. */
  movable(): Promise<Movability>
  /**
   * From waiting or delayed into the park list, each in one atomic step, hundreds in one call. False: it was neither
   * (a running one never is), it is held, or one of its id is parked already. Parked jobs do not expire. Needs the capability `remove`.
   */
  park(backendIds: readonly string[], reason: ParkReason): Promise<readonly boolean[]>
  /** True: it was waiting or delayed and is gone; hundreds in one call. Needs the capability `remove`. */
  remove(backendIds: readonly string[]): Promise<readonly boolean[]>
  /** Parked jobs, of these reasons where given, in no order across pages; `limit` (500) is about how many a page holds. */
  parked(options?: { reasons?: readonly ParkReason[]; limit?: number; cursor?: string }): Promise<ParkedPage>
  /**
   * Puts parked jobs back under their ids, as they were, to be run when due. False: it was not parked, or a newer job of
   * the same id is under way, until whose end it stays parked.
   */
  unpark(backendIds: readonly string[]): Promise<readonly boolean[]>
  /** Removes parked jobs for good. False: it was not parked. */
  dropParked(backendIds: readonly string[]): Promise<readonly boolean[]>
  /** The sibling queue for shadow and control copies (`email` → `email.shadow`), over the same connection where it can. */
  shadow(): Queue<Native>
  /** Closes what it opened itself; what was handed in stays open. */
  close(): Promise<void>
}

/** What a configuration holds: importing it opens no connection. `Native` types `ctx.native`. */
export interface QueueSpec<Native = unknown> {
  readonly kind: string
  readonly capabilities: Capabilities
  create(): Queue<Native>
  /** Never there; carries the type. */
  readonly __native?: Native
}
