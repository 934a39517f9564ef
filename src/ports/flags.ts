// Where flags come from, and where dials are written to.

import type { Dials } from '../vocabulary/dials.ts'
import type { DecisionReason, Route } from '../vocabulary/job.ts'

/** A route from the flag with its reason (`flag`, or a doubt: then the route is `legacy`). */
export interface FlagDecision {
  readonly route: Route
  readonly reason: DecisionReason
}

export interface FlagHealth {
  /** `ok`: the last answer was good. `broken`: the last good values are kept. */
  readonly state: 'ok' | 'broken' | 'refused' | 'unreachable' | 'starting'
  /** Age of the last good answer, ms. */
  readonly ageMs: number
  /** What is wrong, where, and what to do. */
  readonly message?: string
}

/** How a flag's value can be expressed as dials. */
export type DialsReading =
  | { readonly kind: 'dials'; readonly target: number; readonly shadow: number }
  /** On = target for everybody; only where the migration says `flagKind: 'boolean'`. */
  | { readonly kind: 'boolean'; readonly on: boolean }
  /** Constraints, several strategies: no single pair of numbers. */
  | { readonly kind: 'custom' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'off' }

export interface FlagQuestion {
  /** The flag's name. */
  readonly flag: string
  readonly key: string
  readonly flagKind: 'string' | 'boolean'
}

export interface FlagSource {
  readonly kind: string
  /** For people: where the values come from, without secrets. */
  readonly origin: string
  /** Resolves when values are known or it is known that they are not to be had yet (then doubt is legacy). */
  ready(): Promise<void>
  /** Synchronous and pure in the values last seen. */
  decide(question: FlagQuestion): FlagDecision
  /** Changes whenever the values change; the same values give the same text. */
  revision(): string
  read(flag: string): DialsReading
  health(): FlagHealth
  onChange(listener: () => void): () => void
  /** Undefined: this source cannot be written. */
  readonly writer?: FlagWriter
  close(): Promise<void>
}

export interface FlagWriter {
  /** Writes both dials at once and answers the new revision. Refuses to overwrite `custom` (`flag-not-writable`). */
  write(flag: string, dials: Pick<Dials, 'target' | 'shadow'>): Promise<{ revision: string }>
}

/** What a configuration holds: importing it opens nothing. */
export interface FlagSpec {
  readonly kind: string
  create(context: { flags: readonly string[] }): FlagSource
}
