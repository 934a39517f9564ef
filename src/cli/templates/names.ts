// The names that fill the files of `init`.

export const QUEUE_KINDS = ['embedded', 'bee-queue', 'bullmq'] as const
export type QueueKind = (typeof QUEUE_KINDS)[number]

export const LEDGER_KINDS = ['sqlite', 'redis'] as const
export type LedgerKind = (typeof LEDGER_KINDS)[number]

export const FLAG_KINDS = ['file', 'unleash', 'openfeature'] as const
export type FlagKind = (typeof FLAG_KINDS)[number]

export interface Names {
  /** The migration. */
  readonly name: string
  readonly legacy: QueueKind
  readonly target: QueueKind
  readonly ledger: LedgerKind
  readonly flags: FlagKind
  /** Of configuration and worker. */
  readonly extension: 'ts' | 'mts'
}
