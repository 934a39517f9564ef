// Moves jobs that wait from one side to the other: docs/protocol.md, mover. Any number at any time, killed anywhere.
//
// park on the source → the ledger's commit → enqueue on the destination → the ledger's arrival → drop what was parked.
// What a mover that died has left is taken up by the sweeper (`recover.ts`).

import type { MigrationSettings } from '../config/resolve.ts'
import { ENQUEUE_TIMEOUT_MS } from '../config/resolve.ts'
import type { MigrationLedger, MoveKind } from '../ports/ledger.ts'
import type { EnqueueAnswer, OutgoingJob, Queue, StoredJob } from '../ports/queue.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { adoptedId, isOwnBackendId } from '../vocabulary/ids.ts'
import type { Side } from '../vocabulary/job.ts'
import {
  type LeftReason,
  lookAt,
  type MovableCopy,
  type MovePayload,
  movedJob,
  moveRequest,
  readMovePayload,
  STALE,
  type UnderWay,
} from './move-job.ts'
import { strandedJobs } from './stranded.ts'

export interface MoverOptions {
  readonly settings: MigrationSettings
  readonly ledger: () => Promise<MigrationLedger>
  readonly queue: (side: Side) => Promise<Queue>
  readonly by: string
}

export interface MoveSelection {
  readonly from: Side
  readonly to: Side
  /** Default: both. */
  readonly only?: 'waiting' | 'delayed'
  /** Only jobs of this key. */
  readonly key?: string
  /** At most so many. */
  readonly limit?: number
}

export interface LeftJobs {
  readonly count: number
  /** A few of them. */
  readonly ids: readonly string[]
  /** What was said of one of them, where more is known. */
  readonly why?: string
}

export interface MoveResult {
  readonly from: Side
  readonly to: Side
  readonly moved: number
  /** Copies of jobs that had ended or been moved before; removed. */
  readonly stale: number
  /** Committed, and not known to have arrived: the sweeper goes on with them. */
  readonly pending: number
  readonly left: Readonly<Partial<Record<LeftReason, LeftJobs>>>
  /** False: ended before everything was looked at, by `limit` or `signal`. */
  readonly complete: boolean
}

export interface MoveProgress {
  readonly moved: number
  readonly left: number
  /** Waiting and delayed on the source when the pass began. */
  readonly total: number
}

export interface PassOptions extends MoveSelection {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: MoveProgress) => void
}

const BATCH = 250
/** Batches under way at once: while one waits for its ledger, another waits for its queue. */
const OVERLAP = 2
const KEPT_IDS = 5

/** A copy that was taken out, and what the ledger has committed of it. */
interface Committed {
  readonly job: UnderWay
  readonly kept: MovePayload
}

export class Mover {
  readonly #o: MoverOptions

  constructor(options: MoverOptions) {
    this.#o = options
  }

  /** While a mover works on a job, nobody else takes its move up; it would do no harm. */
  get leaseMs(): number {
    return this.#o.settings.leaseMs
  }

  /**
   * Refuses what cannot be begun: `move-same-side`, `move-no-workers`, `capability-missing`, `backend-untested`.
   * Nothing is touched.
   */
  async check({ from, to }: Pick<MoveSelection, 'from' | 'to'>): Promise<void> {
    const { settings, ledger } = this.#o
    const { name } = settings
    if (from === to) throw new CutoverError('move-same-side', `${name}: the jobs are on ${from} already`)
    for (const capability of ['list', 'remove'] as const) {
      if (settings[from].capabilities[capability]) continue
      const kind = settings[from].kind
      throw new CutoverError('capability-missing', `${name}: the ${from} queue (${kind}) has no "${capability}"`)
    }
    const { latch } = await (await ledger()).control()
    if (latch.set && to === 'target') {
      throw new CutoverError(
        'move-latched',
        `${name}: the latch is set, nothing goes to target: lift it first with cutover unlatch ${name}`,
        { details: { migration: name } },
      )
    }
    if (!(await this.hasWorkers(to))) {
      throw new CutoverError(
        'move-no-workers',
        `${name}: no live worker on ${to}: what is moved there would wait. Start one: cutover.work('${name}', '${to}', …)`,
        { details: { migration: name, side: to } },
      )
    }
    const source = await this.#o.queue(from)
    const movable = await source.movable()
    if (!movable.ok) {
      throw new CutoverError('backend-untested', `${name}: jobs cannot be taken out of ${from}: ${movable.reason}`, {
        details: { migration: name, side: from },
      })
    }
    await this.#o.queue(to)
  }

  async hasWorkers(side: Side): Promise<boolean> {
    return await hasWorkers(await this.#o.ledger(), side)
  }

  /** What a pass would meet, without touching anything: by place, and those that would be left by reason. */
  async preview(selection: PassOptions): Promise<MoveResult> {
    await this.check(selection)
    return await new Pass(this.#o, selection, true).run()
  }

  /** One pass over what waits now. Rejects as `check` does, or when a queue or the ledger goes away for good. */
  async pass(selection: PassOptions): Promise<MoveResult> {
    await this.check(selection)
    return await new Pass(this.#o, selection, false).run()
  }

  /** Goes on with copies that are parked for a move: steps 2 to 5. */
  async resume(jobs: readonly MovableCopy[], selection: MoveSelection): Promise<MoveResult> {
    return await new Pass(this.#o, selection, false).resume(jobs)
  }

  /** Steps 3 to 5 of jobs that are committed already, one try each. Answers how many are not known to have arrived. */
  async deliver(jobs: readonly { readonly job: UnderWay; readonly payload: string }[], to: Side): Promise<number> {
    const committed = jobs.flatMap(({ job, payload }): Committed[] => {
      const kept = readMovePayload(payload)
      return kept === undefined ? [] : [{ job, kept }]
    })
    const { pending } = await new Delivery(this.#o, 0).deliver(committed, to)
    return pending + (jobs.length - committed.length)
  }

  /** One job from wherever it is, at an operator's word; the ledger's answer. */
  async one(copy: MovableCopy, way: { from: Side; to: Side; kind: MoveKind; by: string; late?: boolean }) {
    const ledger = await this.#o.ledger()
    const request = moveRequest(copy, { ...way, leaseMs: this.#o.settings.leaseMs }, way.late)
    const [answer] = await ledger.move([request])
    if (answer?.status !== 'moving') return answer
    const kept = readMovePayload(request.payload) as MovePayload
    const { pending } = await new Delivery(this.#o).deliver([{ job: { id: copy.id, ...answer }, kept }], way.to)
    return { ...answer, pending: pending > 0 }
  }
}

async function hasWorkers(ledger: MigrationLedger, side: Side): Promise<boolean> {
  return (await ledger.presence()).some((process) => !process.gone && process.works[side] !== undefined)
}

/** Steps 3 to 5: from the commit to the end. */
class Delivery {
  readonly #o: MoverOptions
  readonly #patienceMs: number

  constructor(options: MoverOptions, patienceMs: number = ENQUEUE_TIMEOUT_MS) {
    this.#o = options
    this.#patienceMs = patienceMs
  }

  async deliver(committed: readonly Committed[], to: Side): Promise<{ arrived: number; pending: number }> {
    if (committed.length === 0) return { arrived: 0, pending: 0 }
    const ledger = await this.#o.ledger()
    const now = Date.now()
    const answers = await this.#send(
      await this.#o.queue(to),
      committed.map(({ job, kept }) => movedJob(job, kept, now)),
    )
    const there = committed.filter((_job, at) => isStored(answers[at]))
    await ledger.arrive(there.map(({ job }) => ({ id: job.id, gen: job.gen })))
    await this.#drop(there)
    return { arrived: there.length, pending: committed.length - there.length }
  }

  /** `unknown` → the same again, for a while; what is still unknown or refused then is the sweeper's. */
  async #send(queue: Queue, jobs: readonly OutgoingJob[]): Promise<readonly (EnqueueAnswer | undefined)[]> {
    const answers: (EnqueueAnswer | undefined)[] = [...(await queue.enqueue(jobs))]
    const began = performance.now()
    for (let tries = 0; performance.now() - began < this.#patienceMs; tries++) {
      const open = jobs.flatMap((_job, at) => (isStored(answers[at]) ? [] : [at]))
      if (open.length === 0) break
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 25 * 2 ** tries) * (0.5 + Math.random() / 2)))
      const again = await queue.enqueue(open.map((at) => jobs[at] as OutgoingJob))
      for (const [index, at] of open.entries()) answers[at] = again[index]
    }
    return answers
  }

  /** The copies that are left: parked by a mover, or where an operator has found them. */
  async #drop(there: readonly Committed[]): Promise<void> {
    for (const side of ['legacy', 'target'] as const) {
      const here = there.filter(({ kept }) => kept.source.side === side)
      if (here.length === 0) continue
      const source = await this.#o.queue(side)
      const dropped = await source.dropParked(here.map(({ kept }) => kept.source.backendId))
      const rest: string[] = []
      for (const [at, { job, kept }] of here.entries()) {
        if (dropped[at] !== true && (await this.#isCopyOf(source, job, kept))) rest.push(kept.source.backendId)
      }
      // what a worker finds of an older generation it drops by itself
      if (rest.length > 0) await source.remove(rest)
    }
  }

  /** Old code may have used its id again since: then what is there is another job. */
  async #isCopyOf(source: Queue, { id }: UnderWay, { source: { side, backendId } }: MovePayload): Promise<boolean> {
    if (isOwnBackendId(id, backendId)) return true
    const found = await source.read(backendId)
    return found !== undefined && adoptedId(side, backendId, found.enqueuedAt) === id
  }
}

function isStored(answer: EnqueueAnswer | undefined): boolean {
  return answer?.status === 'accepted' || answer?.status === 'duplicate'
}

class Pass {
  readonly #o: MoverOptions
  readonly #options: PassOptions
  readonly #dry: boolean
  readonly #delivery: Delivery
  readonly #left = new Map<LeftReason, { count: number; ids: string[]; why?: string }>()
  /** Looked at in this pass: a job that was put back is not taken again. */
  readonly #seen = new Set<string>()
  #epoch = 0
  #total = 0
  #chosen = 0
  #moved = 0
  #stale = 0
  #pending = 0

  constructor(options: MoverOptions, pass: PassOptions, dry: boolean) {
    this.#o = options
    this.#options = pass
    this.#dry = dry
    this.#delivery = new Delivery(options)
  }

  get #stopped(): boolean {
    const { signal, limit = Number.POSITIVE_INFINITY } = this.#options
    return signal?.aborted === true || this.#chosen >= limit
  }

  async run(): Promise<MoveResult> {
    const source = await this.#o.queue(this.#options.from)
    this.#epoch = (await (await this.#o.ledger()).control()).epoch.epoch
    const { waiting, delayed } = await source.counts()
    const { only } = this.#options
    this.#total = (only === 'delayed' ? 0 : waiting) + (only === 'waiting' ? 0 : delayed)
    this.#progress()
    for (const place of only === undefined ? (['waiting', 'delayed'] as const) : [only]) {
      await this.#place(source, place)
    }
    if (only === undefined && !this.#stopped) await this.#stranded(source)
    return this.#result(!this.#stopped)
  }

  async resume(copies: readonly MovableCopy[]): Promise<MoveResult> {
    await this.#take(await this.#o.queue(this.#options.from), copies)
    return this.#result(true)
  }

  #result(complete: boolean): MoveResult {
    const { from, to } = this.#options
    const left = Object.fromEntries(this.#left) as MoveResult['left']
    return { from, to, moved: this.#moved, stale: this.#stale, pending: this.#pending, left, complete }
  }

  async #place(source: Queue, place: 'waiting' | 'delayed'): Promise<void> {
    let cursor: string | undefined
    const working = new Set<Promise<void>>()
    try {
      do {
        const page = await source.list({ place, limit: BATCH, ...(cursor === undefined ? {} : { cursor }) })
        cursor = page.cursor
        const batch = await this.#choose(page.jobs)
        if (batch.length > 0) {
          const work: Promise<void> = this.#batch(source, batch).finally(() => working.delete(work))
          working.add(work)
          work.catch(() => {}) // heard below
          if (working.size >= OVERLAP) await Promise.race(working)
        }
      } while (cursor !== undefined && !this.#stopped)
    } finally {
      await Promise.all(working)
    }
  }

  async #stranded(source: Queue): Promise<void> {
    const ledger = await this.#o.ledger()
    const worked = await hasWorkers(ledger, this.#options.from)
    for await (const jobs of strandedJobs(this.#options.from, source, ledger, worked)) {
      const copies = await this.#choose(jobs)
      if (!this.#dry) await this.#take(source, copies)
      else this.#moved += copies.length
      if (this.#stopped) return
    }
  }

  /** The copies of a page that are to be moved; what cannot be is noted. */
  async #choose(jobs: readonly StoredJob[]): Promise<MovableCopy[]> {
    const { from, limit = Number.POSITIVE_INFINITY } = this.#options
    const chosen: MovableCopy[] = []
    for (const job of jobs) {
      if (this.#chosen >= limit) break
      if (this.#seen.has(job.backendId)) continue
      this.#seen.add(job.backendId)
      const looked = lookAt(job, from, this.#epoch)
      if ('left' in looked) {
        this.#leave(looked.left, job.backendId, looked.why)
        continue
      }
      if (!(await this.#isOfKey(looked.copy))) continue
      if (await this.#ranUnfenced(job, looked.copy.id)) {
        this.#leave('unfenced-run', looked.copy.id)
        continue
      }
      const refusal = await this.#refusal(looked.copy)
      if (refusal !== undefined) {
        this.#leave('not-accepted', looked.copy.id, refusal)
        continue
      }
      this.#chosen += 1
      chosen.push(looked.copy)
    }
    return chosen
  }

  /**
   * A worker without the fence has begun it here, perhaps with effects, which the ledger knows nothing of. Whoever has no
   * row of a start may only be moved if its queue knows of none either.
   */
  async #ranUnfenced({ neverStarted, attemptsMade }: StoredJob, id: string): Promise<boolean> {
    if (neverStarted !== false && attemptsMade === 0) return false
    return (await (await this.#o.ledger()).row(id))?.startedAt === undefined
  }

  async #isOfKey({ payload }: MovableCopy): Promise<boolean> {
    const { key } = this.#options
    if (key === undefined) return true
    try {
      const { settings } = this.#o
      const checked = settings.validates ? await settings.payload['~standard'].validate(payload) : { value: payload }
      return checked.issues === undefined && settings.key?.(checked.value) === key
    } catch {
      return false // a payload that its own key function does not understand is of no key
    }
  }

  /** Why the destination would not take it, known before anything is taken. */
  async #refusal(copy: MovableCopy): Promise<string | undefined> {
    const { id, gen, route, epoch, due, attempts, attemptsMade } = copy
    const stamp = { route, epoch, dueAt: due }
    const request = moveRequest(copy, { from: 'legacy', to: 'target', kind: 'move', leaseMs: 0, by: '' })
    const kept = readMovePayload(request.payload) as MovePayload
    const job = movedJob({ id, gen: gen + 1, fails: attemptsMade, maxAttempts: attempts, stamp }, kept, Date.now())
    return (await this.#o.queue(this.#options.to)).refusal(job)?.message
  }

  async #batch(source: Queue, copies: readonly MovableCopy[]): Promise<void> {
    if (this.#dry) {
      this.#moved += copies.length
      return this.#progress()
    }
    const parked = await source.park(
      copies.map(({ backendId }) => backendId),
      'moving',
    )
    const taken = copies.filter((copy, at) => {
      if (parked[at] === true) return true
      this.#leave('taken', copy.id)
      return false
    })
    await this.#take(source, taken)
  }

  /** Step 2 of copies that are parked, then the rest for those that were committed. */
  async #take(source: Queue, copies: readonly MovableCopy[]): Promise<void> {
    if (copies.length === 0) return this.#progress()
    const { from, to } = this.#options
    const ledger = await this.#o.ledger()
    const way = { from, to, kind: 'move', leaseMs: this.#o.settings.leaseMs, by: this.#o.by } as const
    const requests = copies.map((copy) => moveRequest(copy, way))
    const answers = await ledger.move(requests)
    const committed: Committed[] = []
    const back: string[] = []
    const stale: string[] = []
    for (const [at, copy] of copies.entries()) {
      const answer = answers[at]
      if (answer?.status === 'moving') {
        const kept = readMovePayload(requests[at]?.payload ?? '') as MovePayload
        committed.push({ job: { id: copy.id, ...answer }, kept })
        continue
      }
      const why = answer?.why ?? 'elsewhere'
      if (STALE.has(why)) stale.push(copy.backendId)
      else {
        back.push(copy.backendId)
        this.#leave(why, copy.id)
      }
    }
    if (back.length > 0) await source.unpark(back)
    if (stale.length > 0) await source.dropParked(stale)
    this.#stale += stale.length
    const { arrived, pending } = await this.#delivery.deliver(committed, to)
    this.#moved += arrived
    this.#pending += pending
    this.#progress()
  }

  #leave(reason: LeftReason, id: string, why?: string): void {
    const left = this.#left.get(reason) ?? { count: 0, ids: [] }
    left.count += 1
    if (left.ids.length < KEPT_IDS) left.ids.push(id)
    if (why !== undefined) left.why ??= why
    this.#left.set(reason, left)
  }

  #progress(): void {
    let left = 0
    for (const { count } of this.#left.values()) left += count
    this.#options.onProgress?.({ moved: this.#moved, left, total: this.#total })
  }
}
