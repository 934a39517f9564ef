// From what a ledger stores to what readers ask for: families that hold one another.

import type { CountKey } from './ledger.ts'

const READ_AS: Readonly<Record<string, readonly string[]>> = {
  again: ['job'],
  'of-day': ['job', 'key-day'],
  'of-key': ['job', 'key-day', 'key'],
  // as earlier versions filed, beside `job`
  key: ['key-day', 'key'],
}

/** Stored key → the keys that it is read as. */
const known = new Map<string, readonly CountKey[]>()
const KNOWN_MOST = 10_000

function keysOf(stored: string): readonly CountKey[] {
  let keys = known.get(stored)
  if (keys === undefined) {
    const slash = stored.indexOf('/')
    const [family, measure] = [stored.slice(0, slash), stored.slice(slash + 1)]
    keys = (READ_AS[family] ?? [family]).map((name) => `${name}/${measure}` as CountKey)
    if (known.size >= KNOWN_MOST) known.clear()
    known.set(stored, keys)
  }
  return keys
}

/** Adds a stored count to those of a bucket. */
export function addStored(into: Record<CountKey, number>, stored: string, n: number): void {
  for (const key of keysOf(stored)) into[key] = (into[key] ?? 0) + n
}
