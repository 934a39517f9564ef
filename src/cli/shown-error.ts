// What of a job's error may be shown?

import type { MigrationSettings } from '../config/resolve.ts'
import type { StoredError } from '../vocabulary/outcome.ts'

/** Where anything is redacted, messages of errors are too, as in differences. */
export function shownError(
  { name, message, code }: StoredError,
  settings: MigrationSettings,
): Omit<StoredError, 'stack'> {
  const hidden = (settings.compare.redact ?? []).length > 0
  return { name, message: hidden ? '[redacted]' : message, ...(code === undefined ? {} : { code }) }
}
