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

/** Something about a flag or its channel that somebody should know, with what to do about it. */
export interface FlagFinding {
  /** The doubt's name, e.g. `stickiness`. */
  readonly id: string
  readonly status: 'warn' | 'bad'
  readonly text: string
  readonly advice: string
}

/** The one finding that is about a job: no look at the flag shows it, only decisions do. */
export const EMPTY_KEY = {
  id: 'empty-key',
  status: 'warn',
  text: "the job's key is empty",
  advice: 'give every payload a key: the function key of the migration',
} as const satisfies FlagFinding

export interface FlagSource {
  readonly kind: string
  /** For people: where the values come from, without secrets. */
  readonly origin: string
  /** Resolves when values are known or it is known that they are not to be had yet (then doubt is legacy). */
  ready(): Promise<void>
  /**
   * Awaited before `decide` for these keys, where a source can only be asked asynchronously. Never rejects, and ends
   * within the source's time-out: a key without an answer is a doubt then.
   */
  readonly prepare?: (question: Omit<FlagQuestion, 'key'>, keys: readonly string[]) => Promise<void>
  /** Synchronous and pure in the values last seen. */
  decide(question: FlagQuestion): FlagDecision
  /** Told of every decision that a job was stamped with, for a source that counts exposures. */
  readonly exposed?: (flag: string, decision: FlagDecision) => void
  /** Changes whenever the values change; the same values give the same text. See {@link coversRevision}. */
  revision(): string
  read(flag: string): DialsReading
  /** What is wrong with this flag as it was last seen; empty where nothing is. */
  readonly inspect?: (question: Omit<FlagQuestion, 'key'>) => readonly FlagFinding[]
  /** What an id of `inspect` means that another process tells of; undefined: this source has none of that name. */
  readonly finding?: (id: string) => FlagFinding | undefined
  health(): FlagHealth
  onChange(listener: () => void): () => void
  /** Undefined: this source cannot be written. */
  readonly writer?: FlagWriter
  /** For people, where there is no writer: what to set by hand for these dials. */
  readonly instructions?: (flag: string, dials: FlagDials) => string
  close(): Promise<void>
}

/** What a flag holds of the dials. */
export type FlagDials = Pick<Dials, 'target' | 'shadow'>

export interface FlagWriter {
  /**
   * Writes both dials at once and answers the new revision. `flag-not-writable`: what is there cannot be expressed as
   * dials (`custom`) or must not be changed from here. With `switchOn` a flag that is off is also switched on; without
   * it dials above 0 are refused where "off" is a switch of its own.
   */
  write(flag: string, dials: FlagDials, options?: WriteOptions): Promise<Written>
  /** What is stored now, past every cache; default: what the source read last. */
  readonly read?: (flag: string) => Promise<{ readonly reading: DialsReading; readonly revision: string }>
  /** Makes a flag with both dials at 0, switched on. `flag-not-writable` when there is one. */
  readonly create?: (flag: string, options: { readonly flagKind: FlagQuestion['flagKind'] }) => Promise<Written>
  /** Switches the flag off: legacy for every key, whatever the dials. */
  readonly kill?: (flag: string) => Promise<Written>
  /** Whether writing would work: the token, the project, what stands in the way. */
  readonly inspect?: () => Promise<readonly FlagFinding[]>
}

export interface WriteOptions {
  readonly switchOn?: boolean
  /** Default `string`. */
  readonly flagKind?: FlagQuestion['flagKind']
}

export interface Written {
  readonly revision: string
}

/**
 * Whether who has applied `applied` has applied `wanted`, too. A revision of the form `#44` counts up: a larger one is a
 * later one. Any other covers itself alone.
 */
export function coversRevision(applied: string, wanted: string): boolean {
  if (applied === wanted) return true
  const [has, wants] = [COUNTING.exec(applied)?.[1], COUNTING.exec(wanted)?.[1]]
  return has !== undefined && wants !== undefined && Number(has) >= Number(wants)
}

const COUNTING = /^#(\d{1,15})$/

/** What a configuration holds: importing it opens nothing. */
export interface FlagSpec {
  readonly kind: string
  create(context: { flags: readonly string[] }): FlagSource
}
