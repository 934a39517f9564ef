// Was every job done, and nothing done twice? Counted from the handlers' own log alone, without cutover.

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { LoggedEvent } from './store.ts'

export interface LogCheck {
  /** True if all lists of violations (the first six) are empty and no line was unreadable. */
  readonly ok: boolean
  /** Expected ids without a primary run that ended well. */
  readonly neverCompleted: readonly string[]
  /** Keys of effects that were stored more than once for one job, under one key or, worse, under several. */
  readonly storedTwice: readonly string[]
  /** Ids with effects on both sides. */
  readonly onBothSides: readonly string[]
  /** Keys of effects that a shadow or a control run had. */
  readonly shadowEffects: readonly string[]
  /** Ids whose primary ended well without having stored the e-mail. */
  readonly completedUnstored: readonly string[]
  /** Ids in the log that nobody expected. */
  readonly unexpected: readonly string[]
  /** Lines that are no event (a torn write, a foreign hand). */
  readonly unreadable: number
  /** Ids whose primary ended well more than once: no fault by itself, a killed worker's job runs again. */
  readonly ranAgain: readonly string[]
  /** Second attempts at an effect, refused by its key. */
  readonly refused: number
  readonly stored: number
  /** Of `neverCompleted`: ids whose handler ended, with an error each time. Not lost, as somebody was told. */
  readonly failed: readonly string[]
  /** Runs that ended with an error, all arms. */
  readonly failedRuns: number
  /** Primary runs that ended well, by side. */
  readonly completed: { readonly legacy: number; readonly target: number }
  /** Runs that began and did not end: killed, or still running. */
  readonly unfinishedRuns: number
}

/** Reads the log at `path` for one migration and holds it against the ids that were accepted. */
export async function checkLog(
  path: string,
  expected: { readonly migration: string; readonly ids: Iterable<string> },
): Promise<LogCheck> {
  const count = new Counter()
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const event = parseLine(line)
    if (event === null) count.unreadable += 1
    else if (event.migration === expected.migration) count.add(event)
  }
  return count.judge(new Set(expected.ids))
}

/** What is known of one id. */
interface Seen {
  completed: number
  failed: number
  storeEffects: number
  readonly sides: Set<string>
}

class Counter {
  unreadable = 0
  #refused = 0
  #started = 0
  #ended = 0
  #failedRuns = 0
  readonly #completed = { legacy: 0, target: 0 }
  readonly #ids = new Map<string, Seen>()
  /** Job and effect → keys under which it was stored. No trust in the keys: cutover made them. */
  readonly #stored = new Map<string, string[]>()
  readonly #shadowEffects = new Set<string>()

  add(event: LoggedEvent): void {
    const seen = this.#seen(event.id)
    if (event.kind === 'run-start') this.#started += 1
    else if (event.kind === 'run-end') this.#addEnd(event, seen)
    else this.#addEffect(event, seen)
  }

  judge(expected: ReadonlySet<string>): LogCheck {
    const seen = [...this.#ids]
    const idsWhere = (test: (of: Seen) => boolean): string[] => seen.filter(([, of]) => test(of)).map(([id]) => id)
    const violations = {
      neverCompleted: [...expected].filter((id) => (this.#ids.get(id)?.completed ?? 0) === 0),
      storedTwice: [...this.#stored.values()].filter((keys) => keys.length > 1).map((keys) => keys.at(-1) ?? ''),
      onBothSides: idsWhere(({ sides }) => sides.size > 1),
      shadowEffects: [...this.#shadowEffects],
      completedUnstored: idsWhere(({ completed, storeEffects }) => completed > 0 && storeEffects === 0),
      unexpected: seen.map(([id]) => id).filter((id) => !expected.has(id)),
    }
    return {
      ok: this.unreadable === 0 && Object.values(violations).every((list) => list.length === 0),
      ...violations,
      unreadable: this.unreadable,
      ranAgain: idsWhere(({ completed }) => completed > 1),
      refused: this.#refused,
      failed: idsWhere(({ completed, failed }) => completed === 0 && failed > 0),
      stored: this.#stored.size,
      failedRuns: this.#failedRuns,
      completed: this.#completed,
      unfinishedRuns: this.#started - this.#ended,
    }
  }

  #addEnd(event: LoggedEvent & { kind: 'run-end' }, seen: Seen): void {
    this.#ended += 1
    if (!event.ok) this.#failedRuns += 1
    if (event.arm !== 'primary') return
    seen[event.ok ? 'completed' : 'failed'] += 1
    if (event.ok) this.#completed[event.side] += 1
  }

  #addEffect(event: LoggedEvent & { kind: 'effect' }, seen: Seen): void {
    if (event.arm !== 'primary') this.#shadowEffects.add(event.key)
    seen.sides.add(event.side)
    if (event.effect === 'store') seen.storeEffects += 1
    if (!event.stored) this.#refused += 1
    else {
      const of = `${event.id} ${event.effect}`
      this.#stored.set(of, [...(this.#stored.get(of) ?? []), event.key])
    }
  }

  #seen(id: string): Seen {
    const known = this.#ids.get(id)
    if (known !== undefined) return known
    const fresh: Seen = { completed: 0, failed: 0, storeEffects: 0, sides: new Set() }
    this.#ids.set(id, fresh)
    return fresh
  }
}

function parseLine(line: string): LoggedEvent | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null // counted as unreadable
  }
  return isEvent(value) ? value : null
}

function isEvent(value: unknown): value is LoggedEvent {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('id' in value)) return false
  return ['run-start', 'run-end', 'effect'].includes(String(value.kind)) && typeof value.id === 'string'
}
