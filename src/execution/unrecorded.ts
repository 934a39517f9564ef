// Outcomes of jobs that ran while the ledger could not be reached: kept in memory, told when it is back, counted.

import type { ClaimRequest, FinishRequest, MigrationLedger } from '../ports/ledger.ts'
import { Retelling } from '../ports/retelling.ts'
import { MEASURES } from '../ports/row-rules.ts'
import type { Fence } from './fence.ts'

/** Beyond this only their number is kept. */
const MOST = 10_000

/** An end without the ledger, and the claim that this run would have made. */
export interface LateEnd {
  readonly claim: ClaimRequest
  readonly finish: FinishRequest
}

export class Unrecorded {
  readonly #fence: Fence
  readonly #ledger: () => Promise<MigrationLedger>
  #requests: LateEnd[] = []
  readonly #counts = { legacy: 0, target: 0 }
  readonly #retelling = new Retelling({
    tell: () => this.#tellAll(),
    waiting: () => Math.max(this.#requests.length, this.#counts.legacy + this.#counts.target),
  })

  constructor(options: { fence: Fence; ledger: () => Promise<MigrationLedger> }) {
    this.#fence = options.fence
    this.#ledger = options.ledger
  }

  add(end: LateEnd): void {
    this.#counts[end.finish.side] += 1
    if (this.#requests.length < MOST) this.#requests.push(end)
    this.#retelling.schedule()
  }

  async #tellAll(): Promise<void> {
    for (const side of ['legacy', 'target'] as const) {
      const count = this.#counts[side]
      if (count === 0) continue
      await (await this.#ledger()).bump(MEASURES.unrecorded(side), count)
      this.#counts[side] -= count
    }
    const held: LateEnd[] = []
    try {
      while (this.#requests.length > 0) {
        const some = this.#requests.slice(0, 250)
        const told = await Promise.all(some.map((end) => this.#tell(end)))
        held.push(...some.filter((_, at) => !told[at]))
        this.#requests = this.#requests.slice(some.length)
      }
    } finally {
      this.#requests = [...held, ...this.#requests]
    }
  }

  /** False: the claim of an earlier attempt, given up by its run, was stored after all; its lease has to run out. */
  async #tell({ claim, finish }: LateEnd): Promise<boolean> {
    // A success is taken from any run, a failure only from the run that holds the row.
    if (!finish.outcome.ok) {
      const { status } = await this.#fence.claim(claim)
      if (status !== 'granted') return status !== 'busy'
    }
    await this.#fence.finishOnce(finish)
    return true
  }

  /** Answers how many ends could not be told. */
  close(timeoutMs: number): Promise<number> {
    return this.#retelling.close(timeoutMs)
  }
}
