// What a process tells with its heartbeats of doubts: those that its flag source has now, each with since when, and how
// often a job's key was empty. Who looks from outside sees the server, not what this process sees of it.

import type { FlagFinding } from './flags.ts'
import type { EmptyKeys, Presence } from './ledger.ts'

export class DoubtLog {
  /** By id: the first of the heartbeats in a row that told of it. */
  #since: ReadonlyMap<string, number> = new Map()
  #emptyKeys: EmptyKeys | undefined

  /** `now` on the ledger's clock, as below. */
  sawEmptyKey(now: number): void {
    this.#emptyKeys = { times: (this.#emptyKeys?.times ?? 0) + 1, last: now }
  }

  /** For the next heartbeat. */
  told(found: readonly FlagFinding[], now: number): Pick<Presence, 'flagDoubts' | 'emptyKeys'> {
    this.#since = new Map(found.map(({ id }) => [id, this.#since.get(id) ?? now]))
    return {
      flagDoubts: [...this.#since].map(([id, since]) => ({ id, since })),
      ...(this.#emptyKeys === undefined ? {} : { emptyKeys: this.#emptyKeys }),
    }
  }
}
