// What a report says of the configuration that it was made with.

/** A migration's configuration, with every default filled in. */
export interface ConfigurationReport {
  /** Kinds of the queues. */
  readonly legacy: string
  readonly target: string
  readonly flag: string
  readonly flagKind: 'string' | 'boolean'
  /** Whether jobs have a key of their own; else the id is the key. */
  readonly key: boolean
  /** Whether the flag sees a hash of the key. */
  readonly hashKey: boolean
  readonly timeoutMs: number
  readonly attempts: number
  readonly backoffMs: number | null
  readonly deadlineMs: number
  readonly retainMs: number
  readonly leaseMs: number
  readonly bucketMs: number
  readonly slackMs: number
  readonly shadow: 'off' | 'effects-declared'
  readonly shadowBacklog: number
  readonly maxStarts: number
  readonly whenLedgerIsGone: 'refuse' | 'legacy'
  /** Path of the plan. */
  readonly plan: string | null
  /** By name, in the order of the configuration. */
  readonly mcpServers: readonly string[]
  readonly compare: {
    readonly ignore: readonly string[]
    readonly tolerance: readonly { readonly path: string; readonly by: number; readonly relative: boolean }[]
    readonly unordered: readonly string[]
    readonly redact: readonly string[]
    /** Rules that are code: `equal`, `effects`, `normalise`, `ignoreWhen`, `compare`. */
    readonly own: readonly string[]
  }
}
