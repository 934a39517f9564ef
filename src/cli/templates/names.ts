// The names that fill the files of `init`.

export const QUEUE_KINDS = ['embedded', 'bee-queue', 'bullmq'] as const
export type QueueKind = (typeof QUEUE_KINDS)[number]

export const LEDGER_KINDS = ['sqlite', 'redis'] as const
export type LedgerKind = (typeof LEDGER_KINDS)[number]

export interface Names {
  /** The migration. */
  readonly name: string
  readonly legacy: QueueKind
  readonly target: QueueKind
  readonly ledger: LedgerKind
  /** Of configuration and worker. */
  readonly extension: 'ts' | 'mts'
}
