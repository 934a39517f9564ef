// What do the demo's parent and its children say to each other?

/** The producer may send up to here; `from` is where the one before it had got to. */
export interface Go {
  readonly kind: 'go'
  readonly from: number
  readonly upTo: number
}

/** With `--plan`: how many e-mails a second. */
export interface Pace {
  readonly kind: 'pace'
  readonly perSecond: number
}

export type FromChild =
  /** It works. */
  | { readonly kind: 'ready' }
  /** Of each migration the first `position` jobs have been accepted by their queues. */
  | { readonly kind: 'sent'; readonly position: number }
  /** It cannot work, and starting it again would not help. */
  | { readonly kind: 'unable'; readonly message: string }

/** Both migrations of the demo get the same e-mails. */
export const MIGRATIONS = ['parse-email', 'thread-email'] as const
