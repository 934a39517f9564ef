// A short text that differs where counts would mean something else: an epoch remembers it as its rules.

import { createHash } from 'node:crypto'
import type { MigrationSettings } from './resolve.ts'

/** What else changes the meaning of counts: deadline, attempts, compare rules. */
export function fingerprint(settings: MigrationSettings): string {
  const { timeoutMs, attempts, backoff, ledger, compare, key } = settings
  const text = JSON.stringify(
    [timeoutMs, attempts, backoff, ledger.deadlineMs, compare, String(key)],
    (_name, value: unknown) => (typeof value === 'function' ? String(value) : value),
  )
  return createHash('sha256').update(text).digest('base64url').slice(0, 10)
}
