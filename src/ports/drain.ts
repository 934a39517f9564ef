// What the ledger remembers for the proof that a side is drained: since when it has been seen empty.

import type { Side } from '../vocabulary/job.ts'

export interface Quiet {
  readonly print: string
  /** The first look that saw the side empty with this print; ms on the ledger's clock. */
  readonly since: number
}

export interface DrainLedger {
  /**
   * Notes a look at a side. `print` stands for all that was ever sent there: as long as it stays the same, nothing has come
   * between two looks. Another print begins anew, undefined (it is not empty) forgets. Answers what is noted then.
   */
  noteQuiet(side: Side, print: string | undefined): Promise<Quiet | undefined>
  /** What is noted of each side. */
  quiet(): Promise<Readonly<Partial<Record<Side, Quiet>>>>
}
