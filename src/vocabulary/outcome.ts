// What one finished run gave, in the form in which it is stored until it is compared.

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** An error as it is stored and compared: `name` and `code` decide a match, the message is for people. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
}

/** An effect that a run performed (primary) or would have performed (shadow, control). */
export interface RecordedEffect {
  readonly name: string
  /** What is compared, in the stored form of `comparison/encode.ts`. */
  readonly recorded: Json
}

/** What a run had of one MCP server. */
export interface SeenServer {
  readonly server: string
  readonly tools: number
  /** Of the whole set; two sets with the same hash are the same. */
  readonly hash: string
  /** Sorted by name; kept of runs that are compared. */
  readonly names?: readonly (readonly [name: string, schemaHash: string])[]
  /** Why it ran without this server: a failure class of `mcp/classes.ts`, and a sentence. */
  readonly degraded?: string
  readonly why?: string
}

/** By name of the server. */
export type SeenTools = readonly SeenServer[]

/**
 * One run's outcome. `value` and the effects are in the stored form (`comparison/encode.ts`), in which a part that is
 * too large stands as its digest.
 */
export interface Outcome {
  readonly ok: boolean
  readonly value?: Json
  readonly error?: StoredError
  readonly effects: readonly RecordedEffect[]
  /** Of a run that asked for its MCP tools. */
  readonly mcp?: SeenTools
  /** From due to start, ms. */
  readonly waitMs: number
  /** Time inside the handler without the time inside `ctx.effect`, ms. */
  readonly runMs: number
  readonly attempts: number
  readonly version: string
}
