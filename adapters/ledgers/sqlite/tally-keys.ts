// Short names for the counters that nearly every bucket has: their text would be most of what a tally takes.

import { STORED_FAMILIES } from '../../../src/ports/latency-log.ts'

// Positions in this list are stored: add at the end only.
const MEASURE_WORDS: readonly string[] = [
  ...['dispatched.legacy', 'dispatched.target', 'refused.legacy', 'refused.target'],
  ...['route.legacy', 'route.legacy-shadowed', 'route.target', 'route.target-shadowed'],
  ...['ok.legacy', 'ok.target', 'failed.legacy', 'failed.target', 'cancelled.legacy', 'cancelled.target'],
  ...['retried.legacy', 'retried.target', 'adopted.legacy', 'adopted.target', 'unflagged.legacy'],
  ...['shadow.wanted.legacy', 'shadow.wanted.target', 'shadow.shed.legacy', 'shadow.shed.target'],
  ...['shadow.ok.legacy', 'shadow.ok.target', 'shadow.failed.legacy', 'shadow.failed.target'],
  ...['control.wanted', 'control.shed', 'control.ok', 'control.failed'],
  ...['pair.matched', 'pair.mismatched', 'pair.ignored', 'pair.orphaned.legacy', 'pair.orphaned.target'],
  ...['pair.errors.both', 'pair.errors.target-only', 'pair.errors.legacy-only'],
  ...['control.matched', 'control.mismatched', 'control.ignored', 'control.orphaned.legacy'],
  ...['triple.neither', 'triple.control-only', 'triple.target-only', 'triple.both', 'triple.out'],
  ...['backlog.seen.legacy', 'backlog.seen.target', 'backlog.oldest.legacy', 'backlog.oldest.target', 'backlog.looks'],
]

const shorts = new Map<string, string>()
const longs = new Map<string, string>()
for (const [family, name] of STORED_FAMILIES.entries()) {
  for (const [measure, word] of MEASURE_WORDS.entries()) {
    const short = `${family}${measure.toString(36)}`
    shorts.set(`${name}/${word}`, short)
    longs.set(short, `${name}/${word}`)
  }
}

/** As it is stored; any other key stays as it is. */
export function shortKey(key: string): string {
  return shorts.get(key) ?? key
}

/** What is stored by a short name; a key in full, with its `/`, is none. */
export function longKey(stored: string): string {
  return longs.get(stored) ?? stored
}
