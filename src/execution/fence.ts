// The worker's side of the fence: claim, begin, extend, finish, gathered by tick; the leases of what runs here.

import { Bag } from '../ports/bag.ts'
import { Grouper } from '../ports/grouping.ts'
import type {
  BeginRequest,
  ClaimAnswer,
  ClaimRequest,
  ExtendRequest,
  FinishAnswer,
  FinishRequest,
  MigrationLedger,
} from '../ports/ledger.ts'
import { isCutoverError } from '../vocabulary/errors.ts'

const MOST = 250
const RETRY_MS = 200

export interface FenceOptions {
  readonly ledger: () => Promise<MigrationLedger>
  readonly leaseMs: number
  /** Gives an answer up as soon as the ledger is known to be lost. */
  readonly guard: <T>(asked: Promise<T>) => Promise<T>
}

/** A run that holds its row. */
export interface Held {
  readonly id: string
  readonly gen: number
  readonly token: string
  /** Called when the row is no longer held. */
  readonly lost: () => void
}

export class Fence {
  readonly #ledger: () => Promise<MigrationLedger>
  readonly #leaseMs: number
  readonly #claims: Grouper<ClaimRequest, ClaimAnswer>
  readonly #begins: Grouper<BeginRequest, boolean>
  readonly #finishes: Grouper<FinishRequest, FinishAnswer>
  readonly #guarded: Grouper<FinishRequest, FinishAnswer>
  readonly #held = new Bag<Held>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: FenceOptions) {
    this.#ledger = options.ledger
    this.#leaseMs = options.leaseMs
    const { ledger, guard } = options
    this.#claims = new Grouper(async (requests) => (await ledger()).claim(requests), { most: MOST })
    this.#begins = new Grouper(async (requests) => (await ledger()).begin(requests), { most: MOST })
    this.#finishes = new Grouper(async (requests) => (await ledger()).finish(requests), { most: MOST })
    this.#guarded = new Grouper((requests) => guard(ledger().then((one) => one.finish(requests))), { most: MOST })
  }

  /** One try; rejects with `ledger-unavailable`. */
  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#claims.ask(request)
  }

  begin(request: BeginRequest, signal: AbortSignal): Promise<boolean> {
    return insist(() => this.#begins.ask(request), signal)
  }

  /** Insists until the ledger has answered: nothing is acked before it is stored. Rejects only when `signal` aborts. */
  finish(request: FinishRequest, signal: AbortSignal): Promise<FinishAnswer> {
    return insist(() => this.#finishes.ask(request), signal)
  }

  /** One try. */
  finishOnce(request: FinishRequest): Promise<FinishAnswer> {
    return this.#finishes.ask(request)
  }

  /** One try, given up as soon as the ledger is known to be lost. */
  finishWhileReachable(request: FinishRequest): Promise<FinishAnswer> {
    return this.#guarded.ask(request)
  }

  /** Keeps the lease while the run lasts. */
  hold(held: Held): () => void {
    const slot = this.#held.add(held)
    this.#timer ??= setInterval(() => void this.#extend(), this.#leaseMs / 3).unref()
    return () => {
      this.#held.take(slot)
      if (this.#held.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** Lets go of a row without an end of the run: the start is given back, the next delivery need not wait. */
  async release({ id, gen, token }: BeginRequest): Promise<void> {
    try {
      await (await this.#ledger()).release([{ id, gen, token }])
    } catch {
      // the lease runs out by itself
    }
  }

  async #extend(): Promise<void> {
    const held = this.#held.all()
    const requests: ExtendRequest[] = held.map(({ id, gen, token }) => ({ id, gen, token, leaseMs: this.#leaseMs }))
    try {
      const answers = await (await this.#ledger()).extend(requests)
      if (answers.every((kept) => kept)) return
      const still = new Set(this.#held.all())
      answers.forEach((kept, index) => {
        const run = held[index] as Held
        if (!kept && still.has(run)) run.lost()
      })
    } catch {
      // the ledger is away: a lease that runs out is seen at the first effect or at the end, where it decides
    }
  }

  async settled(): Promise<void> {
    await this.#claims.settled()
    await this.#begins.settled()
    await this.#finishes.settled()
    await this.#guarded.settled()
  }
}

/** Repeats an operation (all of them may be repeated) while the ledger cannot be reached. */
export async function insist<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (cause) {
      if (signal.aborted || !isTransient(cause)) throw cause
      await pause(RETRY_MS * (0.5 + Math.random()), signal)
    }
  }
}

export function isTransient(cause: unknown): boolean {
  return isCutoverError(cause, 'ledger-unavailable') || isCutoverError(cause, 'ledger-full')
}

/** Waits; ends early, without an error, when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}
