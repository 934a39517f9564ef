// The end of a run in the ledger and its ack in the queue as one step, where one server has both: half the round trips, and
// nothing comes between the two.

import type { FinishRequest } from './ledger.ts'

/** How a ledger stores ends inside a step of somebody else on its server. */
export interface EndScript {
  /** Server and database. The same text of a queue's connection means that it is on the same ones. */
  readonly place: string
  /**
   * A whole Lua script. It answers a text with one letter an end: `0` it is stored; any other one, nothing was done for
   * that end. It stores nothing when it fails.
   */
  readonly lua: string
  readonly keys: readonly string[]
  args(ends: readonly FinishRequest[]): readonly (string | Buffer)[]
}

/** The end of one delivery's run. It is stored together with the ack or before it, never after. */
export interface JointEnd {
  readonly request: FinishRequest
  /** Stores it by itself; rejects when the worker is closing. */
  alone(): Promise<void>
}
