// The producer's half of the protocol: decide, pin, enqueue, and the shadow copy afterwards.
//
// A job is stored in the ledger before it is stored in a queue, always under the same backend id, and never decided
// twice: whatever row is there wins.

import type { MigrationSettings } from '../config/resolve.ts'
import type { FlagSource } from '../ports/flags.ts'
import { Grouper } from '../ports/grouping.ts'
import type { MigrationLedger, NoteRequest, PinAnswer, PinRequest } from '../ports/ledger.ts'
import type { EnqueueAnswer, OutgoingJob, Queue } from '../ports/queue.ts'
import { CutoverError, isCutoverError } from '../vocabulary/errors.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import { newId } from '../vocabulary/ids.ts'
import { type Decision, type Route, SIDES, type Side, sideOf, sideOfArm } from '../vocabulary/job.ts'
import type { ControlWatch } from './control-watch.ts'
import { decide } from './decide.ts'
import { isControl, keyGroup, keyPosition, keySlot } from './hash.ts'
import { LateNotes } from './late-notes.ts'
import { LazyNotes } from './lazy-notes.ts'
import type { Prepared } from './prepare.ts'
import { SeenKeys } from './seen-keys.ts'
import { allOrRefusal, type Enqueued, outgoingJob, refused, type Send, type Stored, sendUntilKnown } from './sending.ts'
import { ShadowSender } from './shadow-sender.ts'

export type { Enqueued } from './sending.ts'

export interface DispatcherOptions {
  readonly settings: MigrationSettings
  readonly ledger: () => Promise<MigrationLedger>
  readonly flags: FlagSource
  readonly watch: ControlWatch
  /** The opened main queue of a side. */
  readonly queue: (side: Side) => Promise<Queue>
  readonly shadowQueue: (side: Side) => Promise<Queue>
  /** `Queue.store` of a side's opened queue, `Ledger.store` of the opened ledger. */
  readonly queueStore: (side: Side) => string | undefined
  readonly ledgerStore: () => string | undefined
  readonly emit: EmitEvent
  /** For tests of handlers: the route of every job. */
  readonly forced?: Route
}

/** Single enqueues of one tick go in chunks of this size: a whole tick in one call would run in lockstep. */
const CHUNK = 25
/** A bulk is split alike, and the parts overlap. */
const BULK = 250

interface Pinned {
  readonly job: Prepared
  readonly answer: PinAnswer
}

export class Dispatcher {
  readonly #o: DispatcherOptions
  readonly #pins: Grouper<PinRequest, PinAnswer>
  /** For a store that queue and ledger share: a ledger that is lost there is a queue that is lost. */
  readonly #pinsAtOnce: Grouper<PinRequest, PinAnswer>
  readonly #sends: Readonly<Record<Side, Grouper<OutgoingJob, EnqueueAnswer>>>
  readonly #shadows: ShadowSender
  readonly #notes: LateNotes
  readonly #lazy: LazyNotes
  readonly #seen = new SeenKeys()
  readonly #inFlight = new Set<{ readonly since: number }>()
  readonly #pinning = new Set<Promise<unknown>>()
  #idle: (() => void)[] = []

  constructor(options: DispatcherOptions) {
    this.#o = options
    const { settings, ledger, emit } = options
    this.#pins = new Grouper((requests) => this.#pin(requests), { most: BULK })
    this.#pinsAtOnce = new Grouper(async (requests) => (await ledger()).pin(requests), { most: BULK })
    const sends = (side: Side): Grouper<OutgoingJob, EnqueueAnswer> =>
      new Grouper(async (jobs) => (await options.queue(side)).enqueue(jobs), { most: CHUNK })
    this.#sends = { legacy: sends('legacy'), target: sends('target') }
    this.#shadows = new ShadowSender({
      migration: settings.name,
      ledger,
      queue: options.shadowQueue,
      backlog: settings.shadowBacklog,
      emit,
    })
    this.#lazy = new LazyNotes({ ledger, later: (request) => this.#notes.note(request) })
    this.#notes = new LateNotes({
      ledger,
      reachable: () => options.watch.reachable,
      pinsSettled: async () => {
        await Promise.allSettled(this.#pinning)
      },
    })
  }

  /** Resolves when the ledger was told of every unfenced job that was sent so far, where it can be reached. */
  told(): Promise<void> {
    return this.#lazy.flush()
  }

  /**
   * What is pinned and not yet answered by a backend, for the heartbeat; `oldest` also of what was given up and is not yet
   * taken back: if this process dies before, nobody was promised these jobs either.
   */
  inFlight(): { count: number; oldest: number | undefined } {
    const [first] = this.#inFlight
    const since = [first?.since, this.#notes.abandonedSince].filter((one) => one !== undefined)
    return { count: this.#inFlight.size, oldest: since.length === 0 ? undefined : Math.min(...since) }
  }

  /** No pin that is under way was asked for before this. */
  #pinnedSince(): number {
    const [first] = this.#inFlight
    return first?.since ?? 0
  }

  /** The route of a key now. Pass it to {@link prepareKeys} first, where the flags must be asked asynchronously. */
  decide(rawKey: string): Decision {
    const { flags, settings, watch, forced } = this.#o
    const state = watch.state
    const key = settings.flagKey(rawKey)
    return decide({
      flag: flags.decide({ flag: settings.flag, key, flagKind: settings.flagKind }),
      control: {
        known: state !== undefined,
        ageMs: watch.ageMs,
        latchSet: state?.latch.set ?? false,
        ceiling: state?.ceiling ?? 0,
      },
      position: () => keyPosition(settings.flag, key),
      shadowable: settings.shadowable,
      ...(forced === undefined ? {} : { forced }),
    })
  }

  /** Lets a flag source that can only be asked asynchronously answer for these keys; nothing for every other one. */
  async prepareKeys(keys: readonly string[]): Promise<void> {
    const { flags, settings } = this.#o
    await flags.prepare?.({ flag: settings.flag, flagKind: settings.flagKind }, keys.map(settings.flagKey))
  }

  async send(job: Prepared): Promise<Enqueued> {
    if (this.#o.watch.epochIsStale) await this.#ready()
    if (this.#o.flags.prepare !== undefined) await this.prepareKeys([job.key ?? job.id])
    const ticket = this.#enter()
    try {
      if (!job.fresh && this.#notes.waiting) await this.#catchUp()
      const silent = this.#silence(job.fresh)
      if (silent !== undefined) return await this.#withoutLedger(job, silent)
      const request = this.#pinRequest(job)
      if (this.#isUnfenced(job, request)) {
        return await this.#sendUnfenced(job, request, (side, outgoing) => this.#sends[side].ask(outgoing))
      }
      if (job.fresh && this.#sharesStore(sideOf(request.route))) return await this.#sendAtOnce(job, request)
      let answer: PinAnswer
      try {
        answer = await this.#pins.ask(request)
      } catch (cause) {
        return await this.#pinFailed(job, cause)
      }
      return await this.#store({ job, answer }, (side, outgoing) => this.#sends[side].ask(outgoing))
    } finally {
      this.#leave(ticket)
    }
  }

  /** Gives up as soon as the ledger is lost: the caller does not wait for the ledger's own time-out. */
  async #pin(requests: readonly PinRequest[]): Promise<readonly PinAnswer[]> {
    const asked = this.#o.ledger().then((ledger) => ledger.pin(requests))
    this.#pinning.add(asked)
    const ended = (): void => {
      this.#pinning.delete(asked)
    }
    asked.then(ended, ended)
    return await this.#o.watch.guard(asked)
  }

  async #pinFailed(job: Prepared, cause: unknown): Promise<Enqueued> {
    if (!isCutoverError(cause, 'ledger-unavailable') && !isCutoverError(cause, 'ledger-full')) throw cause
    return await this.#withoutLedger(job, cause)
  }

  /**
   * A legacy primary whose id nobody else can know, that nothing is compared with, and whose key this producer has had:
   * with `fence: 'target'` it is sent without asking the ledger (docs/protocol.md, unfenced).
   */
  #isUnfenced(job: Prepared, { route, keySlot }: PinRequest): boolean {
    const { settings } = this.#o
    return settings.fence === 'target' && job.fresh && route === 'legacy' && (keySlot === undefined || keySlot < 0)
  }

  async #sendUnfenced(job: Prepared, request: PinRequest, send: Send): Promise<Enqueued> {
    const { settings, watch } = this.#o
    const { id, route, reason, epoch, group } = request
    const madeAt = watch.ledgerNow()
    const dueAt = madeAt + job.delayMs
    const first = request.keySlot === undefined
    const plain = { why: reason, group, first }
    const answer = await send(
      'legacy',
      outgoingJob(settings, job, { route, epoch, gen: 0, dueAt, fenced: false, plain }, 'primary'),
    )
    if (answer.status === 'refused') throw refused(settings, id, 'legacy', answer.cause)
    if (answer.status === 'unknown') {
      // it may be there without a row: from now on it has one, and what is sent again is fenced
      let pinned: PinAnswer
      try {
        pinned = await this.#pins.ask(request)
      } catch (cause) {
        return await this.#pinFailed(job, cause)
      }
      return await this.#store({ job, answer: pinned }, send, answer)
    }
    const note = { id, epoch, dueAt, reason, maxAttempts: job.attempts, group, first }
    this.#lazy.add({ ...note, producer: watch.instance, madeAt })
    return { id, route, side: 'legacy', reason, duplicate: false }
  }

  /** True when the ledger and this side's queue commit together what they are told in one tick. */
  #sharesStore(side: Side): boolean {
    const store = this.#o.queueStore(side)
    return store !== undefined && store === this.#o.ledgerStore()
  }

  /**
   * Pin and enqueue in one transaction: for an id that nobody else can know, and a store that both share. The row's
   * stamp is what counts; the copy's differs from it by the ms between the two clocks' readings.
   */
  async #sendAtOnce(
    job: Prepared,
    request: PinRequest,
    ask: Send = (side, o) => this.#sends[side].ask(o),
    pin: (request: PinRequest) => Promise<PinAnswer> = (one) => this.#pinsAtOnce.ask(one),
  ): Promise<Enqueued> {
    const side = sideOf(request.route)
    const { route, epoch } = request
    const dueAt = this.#o.watch.ledgerNow() + job.delayMs
    const outgoing = outgoingJob(this.#o.settings, job, { route, epoch, gen: 0, dueAt, fenced: true }, 'primary')
    const [pinned, sent] = await Promise.allSettled([pin(request), ask(side, outgoing)])
    if (pinned.status === 'rejected') {
      // the queue may have taken it all the same: without a row it would only be parked
      const queue = await this.#o.queue(side)
      const taken = sent.status === 'fulfilled' && sent.value.status === 'accepted'
      if (taken && queue.capabilities.remove) await queue.remove([outgoing.backendId])
      return await this.#pinFailed(job, pinned.reason)
    }
    const first = sent.status === 'fulfilled' ? sent.value : ({ status: 'unknown', cause: sent.reason } as const)
    return await this.#store({ job, answer: pinned.value }, ask, first)
  }

  /**
   * Many at once, in parts that overlap; answers in order. If some were refused it rejects, when all are answered, with
   * the first one's error, which names the ids that were stored.
   */
  async sendMany(jobs: readonly Prepared[]): Promise<Enqueued[]> {
    await this.#ready()
    if (this.#o.flags.prepare !== undefined) await this.prepareKeys(jobs.map((job) => job.key ?? job.id))
    const parts: Promise<PromiseSettledResult<Enqueued>[]>[] = []
    for (let start = 0; start < jobs.length; start += BULK) parts.push(this.#sendPart(jobs.slice(start, start + BULK)))
    return allOrRefusal(this.#o.settings.name, (await Promise.all(parts)).flat())
  }

  async #sendPart(jobs: readonly Prepared[]): Promise<PromiseSettledResult<Enqueued>[]> {
    const ticket = this.#enter()
    try {
      const each = await this.#way(jobs)
      return await Promise.allSettled(jobs.map(each))
    } catch (cause) {
      return await Promise.allSettled(jobs.map((job) => this.#pinFailed(job, cause)))
    } finally {
      this.#leave(ticket)
    }
  }

  /** How each job of a part is sent; rejects with why the pins could not be had. */
  async #way(jobs: readonly Prepared[]): Promise<(job: Prepared, index: number) => Promise<Enqueued>> {
    const { settings } = this.#o
    const fresh = jobs.every((job) => job.fresh)
    if (!fresh && this.#notes.waiting) await this.#catchUp()
    const silent = this.#silence(fresh)
    if (silent !== undefined) throw silent
    const bulk = { legacy: this.#bulk('legacy'), target: this.#bulk('target') }
    const ask: Send = (side, outgoing) => bulk[side].ask(outgoing)
    const requests = jobs.map((job) => this.#pinRequest(job))
    if (
      settings.fence === 'always' &&
      jobs.every((job) => job.fresh) &&
      SIDES.every((side) => this.#sharesStore(side))
    ) {
      const pins = new Grouper<PinRequest, PinAnswer>(async (all) => (await this.#o.ledger()).pin(all), { most: BULK })
      return (job, index) => this.#sendAtOnce(job, requests[index] as PinRequest, ask, (one) => pins.ask(one))
    }
    const unfenced = requests.map((request, index) => this.#isUnfenced(jobs[index] as Prepared, request))
    const fenced = requests.flatMap((_request, index) => (unfenced[index] ? [] : [index]))
    const pinned = fenced.length === 0 ? [] : await this.#pin(fenced.map((index) => requests[index] as PinRequest))
    // by place, not by id: the same one may be in a bulk twice
    const answers = new Map(fenced.map((index, at) => [index, pinned[at] as PinAnswer]))
    return (job, index) => {
      const answer = answers.get(index)
      return answer === undefined
        ? this.#sendUnfenced(job, requests[index] as PinRequest, ask)
        : this.#store({ job, answer }, ask)
    }
  }

  #bulk(side: Side): Grouper<OutgoingJob, EnqueueAnswer> {
    return new Grouper(async (jobs) => (await this.#o.queue(side)).enqueue(jobs), { most: BULK })
  }

  /** The epoch belongs to the dials: new ones are told to the ledger before a job is stamped with them. */
  async #ready(): Promise<void> {
    const { watch } = this.#o
    if (!watch.epochIsStale || !watch.reachable) return
    try {
      await watch.syncEpoch()
    } catch (cause) {
      // pin meets the same fault and decides
      if (!isCutoverError(cause, 'ledger-unavailable') && !isCutoverError(cause, 'ledger-full')) throw cause
    }
  }

  #enter(): { readonly since: number } {
    const ticket = { since: this.#o.watch.ledgerNow() }
    this.#inFlight.add(ticket)
    return ticket
  }

  #leave(ticket: { readonly since: number }): void {
    this.#inFlight.delete(ticket)
    if (this.#inFlight.size === 0) for (const idle of this.#idle.splice(0)) idle()
  }

  /** An id of the caller's own may be among what the ledger was not yet told: that comes first. */
  async #catchUp(): Promise<void> {
    if (this.#o.watch.reachable) await this.#notes.flush()
  }

  /** Why the ledger is not even asked: it has been silent for a while, the caller must not wait for its time-out too. */
  #silence(fresh: boolean): CutoverError | undefined {
    const { settings, watch } = this.#o
    const why =
      !watch.reachable && watch.ageMs > 1000
        ? `has not answered for ${Math.round(watch.ageMs)} ms`
        : !fresh && this.#notes.waiting
          ? 'does not take what it was not told while it was away'
          : undefined
    return why === undefined ? undefined : new CutoverError('ledger-unavailable', `${settings.name}: the ledger ${why}`)
  }

  #pinRequest(job: Prepared): PinRequest {
    const { settings, watch, flags } = this.#o
    const key = job.key ?? job.id
    const { route, reason } = this.decide(key)
    flags.exposed?.(settings.flag, { route, reason })
    if (reason === 'empty-key') watch.sawEmptyKey()
    const epoch = watch.epochNow
    const share = watch.state?.controlShare ?? 0
    return {
      id: job.id,
      fresh: job.fresh,
      route,
      reason,
      epoch,
      delayMs: job.delayMs,
      maxAttempts: job.attempts,
      ...(job.key === undefined ? {} : this.#keyTest(epoch, key, job.delayMs)),
      group: keyGroup(key),
      control: share > 0 && isControl(settings.name, job.id, share),
      producer: watch.instance,
    }
  }

  #keyTest(epoch: number, key: string, delayMs: number): Pick<PinRequest, 'keySlot' | 'keySeen'> {
    const seen = this.#seen.seen(epoch, key, this.#o.watch.ledgerNow() + delayMs)
    if (seen === 'day') return { keySlot: -1 }
    return { keySlot: keySlot(key, epoch), ...(seen === 'epoch' ? { keySeen: true } : {}) }
  }

  /** `first`: what the queue answered, where it was asked together with the pin. */
  async #store({ job, answer }: Pinned, send: Send, first?: EnqueueAnswer): Promise<Enqueued> {
    const { side, route, reason, gen } = answer
    if (job.key !== undefined) this.#seen.add(answer.epoch, job.key, answer.dueAt)
    const known = answer.status === 'exists'
    const result: Enqueued = { id: job.id, route, side, reason, duplicate: known }
    // Open at generation 0 it may never have reached the queue (a producer that died): send it, under the same id.
    if (known && (answer.state !== 'open' || gen !== 0)) {
      this.#sendCopies(job, answer)
      return result
    }
    const due = known ? { ...job, delayMs: Math.max(0, answer.dueAt - this.#o.watch.ledgerNow()) } : job
    if (first?.status !== 'accepted') await this.#sendUntilKnown(due, answer, send, first)
    // also when the queue had it already: whoever stored it may have died before the copies were sent
    this.#sendCopies(due, answer)
    return result
  }

  async #sendUntilKnown(job: Prepared, answer: PinAnswer, send: Send, first?: EnqueueAnswer): Promise<Stored> {
    const { settings } = this.#o
    return await sendUntilKnown(settings, job, answer, {
      send,
      ...(first === undefined ? {} : { first }),
      takeBack: async (id) => {
        try {
          await (await this.#o.ledger()).unpin([id])
        } catch {
          this.#notes.abandon(id, this.#pinnedSince()) // taken back when the ledger answers again
        }
      },
    })
  }

  /**
   * The copies of a pair that is still open. Sent again for a known id, too: whoever sent the primary may have died
   * before the copy, and one that is there already is a duplicate for its queue, or fills a slot that is written once.
   */
  #sendCopies(job: Prepared, answer: PinAnswer): void {
    for (const { wanted, which, arm } of [
      { wanted: answer.shadow, which: 'pair', arm: 'shadow' },
      { wanted: answer.control, which: 'control', arm: 'control' },
    ] as const) {
      if (!wanted) continue
      const side = sideOfArm(answer.route, arm)
      this.#shadows.add({ id: job.id, side, which, job: () => outgoingJob(this.#o.settings, job, answer, arm) })
    }
  }

  /** The protocol's table for a ledger that cannot be reached. */
  async #withoutLedger(job: Prepared, cause: unknown): Promise<Enqueued> {
    const { settings, watch } = this.#o
    if (job.ledgerOnly) {
      throw new CutoverError('ledger-unavailable', `${settings.name}: the ledger does not answer`, { cause })
    }
    if (!job.fresh && watch.everDialled && settings.whenLedgerIsGone === 'refuse') {
      throw new CutoverError(
        'ledger-unavailable',
        `${settings.name}: the ledger cannot be asked whether job ${job.id} went to target before, so it was not sent: call again with the same id, or set whenLedgerIsGone: 'legacy' and accept that it may run on both sides`,
        { cause, details: { migration: settings.name, id: job.id } },
      )
    }
    // The pin may have been stored with another route: an id that nobody knows yet is simply given up for a new one.
    const giveUp = job.fresh && watch.everDialled
    if (giveUp) this.#notes.abandon(job.id, this.#pinnedSince())
    const sent = giveUp ? { ...job, id: newId() } : job
    const dueAt = watch.ledgerNow() + job.delayMs
    const epoch = watch.state?.epoch.epoch ?? 0
    const answer = { route: 'legacy', epoch, gen: 0, dueAt, fenced: false } as const
    const pinned: PinAnswer = {
      ...answer,
      status: 'exists',
      state: 'open',
      side: 'legacy',
      reason: 'ledger-unavailable',
      shadow: false,
      control: false,
    }
    const note: NoteRequest = {
      id: sent.id,
      epoch,
      dueAt,
      reason: 'ledger-unavailable',
      maxAttempts: job.attempts,
      group: keyGroup(job.key ?? sent.id),
      producer: watch.instance,
    }
    let stored: Stored
    try {
      stored = await this.#sendUntilKnown(sent, pinned, (side, o) => this.#sends[side].ask(o))
    } catch (failure) {
      // it may be there: noted, so that a later call with this id finds it on legacy and nowhere else
      if (isCutoverError(failure, 'enqueue-unknown')) this.#notes.note(note)
      else if (job.fresh && !giveUp) this.#notes.abandon(job.id, this.#pinnedSince())
      throw failure
    }
    const toTarget = job.fresh ? undefined : (): Promise<void> => this.#followToTarget(sent)
    this.#notes.note(note, toTarget)
    return {
      id: sent.id,
      route: 'legacy',
      side: 'legacy',
      reason: 'ledger-unavailable',
      duplicate: stored === 'duplicate',
    }
  }

  /** The row of an id that was sent to legacy in the dark stands on target: the job is sent there, as its stamp says. */
  async #followToTarget(job: Prepared): Promise<void> {
    const answer = await this.#pins.ask(this.#pinRequest(job))
    await this.#store({ job, answer }, (side, outgoing) => this.#sends[side].ask(outgoing))
  }

  /** Sends what is buffered, waits for what is under way. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#inFlight.size > 0) {
      let timer: NodeJS.Timeout | undefined
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs)
      })
      await Promise.race([new Promise<void>((resolve) => this.#idle.push(resolve)), over])
      clearTimeout(timer)
    }
    await this.#shadows.close(timeoutMs)
    await this.#lazy.flush()
    const untold = await this.#notes.close(timeoutMs)
    if (untold > 0) this.#o.emit({ type: 'untold', migration: this.#o.settings.name, count: untold })
  }
}
