// One pass over what waits on a side: pages are chosen from, parked and committed in batches, a few of them at once.

import type { MigrationLedger } from '../ports/ledger.ts'
import type { Queue, StoredJob } from '../ports/queue.ts'
import type { Side } from '../vocabulary/job.ts'
import { type Committed, Delivery } from './delivery.ts'
import {
  type LeftReason,
  lookAt,
  type MovableCopy,
  type MovePayload,
  movedJob,
  moveRequest,
  readMovePayload,
  STALE,
} from './move-job.ts'
import type { MoveResult, MoverOptions, PassOptions } from './move-types.ts'
import { strandedJobs } from './stranded.ts'

const BATCH = 250
/** Batches under way at once: while one waits for its ledger, another waits for its queue. */
const OVERLAP = 2
const KEPT_IDS = 5

export async function hasWorkers(ledger: MigrationLedger, side: Side): Promise<boolean> {
  return (await ledger.presence()).some((process) => !process.gone && process.works[side] !== undefined)
}

export class Pass {
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
